package remote

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/ftpnat/ftpnat/internal/proto"
)

func TestChooseHash(t *testing.T) {
	for offer, want := range map[string]string{
		"SHA-256*;SHA-1;MD5":    "", // in use
		"SHA-1*;SHA-256;MD5":    "SHA-256",
		"MD5;CRC32*;sha-512":    "sha-512",
		"CRC32; SHA1; ":         "SHA1",
		"WHIRLPOOL*;TIGER":      "",
		"":                      "",
		"SHA-512*;SHA-256":      "SHA-256",
		"BLAKE2*;MD5;WHIRLPOOL": "MD5",
	} {
		if got := chooseHash(offer); got != want {
			t.Errorf("%q: %q, want %q", offer, got, want)
		}
	}
}

// TestHexDigest finds the hash in what servers say around it.
func TestHexDigest(t *testing.T) {
	sum := fmt.Sprintf("%x", sha256.Sum256(nil))
	sha256, crc := algorithms[0], algorithms[len(algorithms)-1]
	for _, c := range []struct {
		algorithm  Algorithm
		name, text string
		want       string
	}{
		{sha256, "a", "SHA-256 0-5 " + sum + " a", sum},
		{sha256, "a", sum, sum},
		{sha256, "a", sum + "\n" + sum, sum},
		{sha256, "a", sum + " " + sum[1:] + "0", ""}, // which of them?
		{sha256, "d/" + sum, "0-5 " + sum, ""},       // the name itself
		{crc, "deadbeef", "12345678 deadbeef", "12345678"},
		{crc, "a", "Later.", ""},
		{crc, "a", "CRC 00000000", "00000000"},
	} {
		if got := hexDigest(proto.Reply{Code: 213, Lines: []string{c.text}}, c.name, c.algorithm); got != c.want {
			t.Errorf("%q about %s: %q, want %q", c.text, c.name, got, c.want)
		}
	}
}

// TestApart tells what is between words from their letters, the first and the last ones too.
func TestApart(t *testing.T) {
	for _, r := range "_09azAZ" {
		if apart(r) {
			t.Errorf("%q is between words", r)
		}
	}
	for _, r := range "/:`{@[ -." {
		if !apart(r) {
			t.Errorf("%q is in words", r)
		}
	}
}
