package ftpnat_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// hashTest is an upload to a server that can hash.
type hashTest struct {
	name     string
	features []string
	script   []ftptest.Step
	asked    string // the command that tells
	chosen   bool   // by OPTS
	want     error
}

// TestUploadHash compares the hash where the server has one.
func TestUploadHash(t *testing.T) {
	sum256 := fmt.Sprintf("%x", sha256.Sum256(content))
	sum1 := fmt.Sprintf("%x", sha1.Sum(content))
	crc := fmt.Sprintf("%08X", crc32.ChecksumIEEE(content))
	wrong := fmt.Sprintf("%x", sha256.Sum256(nil))
	tests := []hashTest{
		{name: "HASH", features: []string{"HASH SHA-256*;SHA-1;MD5"}, asked: "HASH"},
		{name: "HASH before the others", features: []string{"XSHA256", "HASH SHA-256*"}, asked: "HASH"},
		{name: "HASH, another one in use", features: []string{"HASH CRC32;SHA-1*;SHA-256"}, asked: "HASH", chosen: true,
			script: []ftptest.Step{{On: "HASH", Reply: "213-Computing SHA-256 digest\n213 SHA-256 0-200000 " + sum256 + " up"}}},
		{name: "HASH that keeps what it had", features: []string{"HASH SHA-1*;SHA-256"}, asked: "HASH", chosen: true,
			script: []ftptest.Step{{On: "HASH", Reply: "213 SHA-1 0-200000 " + sum1 + " up"}}},
		{name: "HASH, wrong", features: []string{"HASH SHA-256*"}, asked: "HASH", want: ftpnat.ErrMismatch,
			script: []ftptest.Step{{On: "HASH", Reply: "213 SHA-256 0-199999 " + wrong + " up"}}},
		{name: "HASH refused, XCRC", features: []string{"HASH SHA-256*", "XCRC"}, asked: "XCRC",
			script: []ftptest.Step{{On: "HASH", Reply: "556 Too large."}}},
		{name: "HASH of unknown kind", features: []string{"HASH WHIRLPOOL*"}, asked: "HASH",
			script: []ftptest.Step{{On: "HASH", Reply: "213 WHIRLPOOL 0-200000 " + wrong + wrong + " up"}}},
		{name: "XSHA256", features: []string{"XCRC", "XSHA256"}, asked: "XSHA256"},
		{name: "XSHA256, wrong", features: []string{"XSHA256"}, asked: "XSHA256", want: ftpnat.ErrMismatch,
			script: []ftptest.Step{{On: "XSHA256", Reply: "250 " + wrong}}},
		{name: "XCRC in capitals", features: []string{"XCRC"}, asked: "XCRC",
			script: []ftptest.Step{{On: "XCRC", Reply: "250-Computing CRC32 digest\n250 " + crc}}},
		{name: "XCRC, wrong", features: []string{"XCRC"}, asked: "XCRC", want: ftpnat.ErrMismatch,
			script: []ftptest.Step{{On: "XCRC", Reply: "250 00000000"}}},
		{name: "no hash in the reply", features: []string{"XMD5"}, asked: "XMD5",
			script: []ftptest.Step{{On: "XMD5", Reply: "250 Later."}}},
		{name: "silence", features: []string{"XMD5"}, asked: "XMD5",
			script: []ftptest.Step{{On: "XMD5", Then: ftptest.Silence}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := setup{ftp: func(srv *ftptest.Server) {
				srv.Personality = ftptest.Plain()
				srv.Personality.Features = append([]string{"SIZE", "MDTM", "REST STREAM", "EPSV"}, tt.features...)
				srv.Script = tt.script
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				_, err := w.openFS(t, "").Upload("up", bytes.NewReader(content))
				if !errors.Is(err, tt.want) {
					t.Errorf("Upload = %v, want %v", err, tt.want)
				}
				if err == nil {
					w.has(t, "up", string(content))
				} else {
					w.left(t, "", "empty", "pub")
				}
				commands := w.Server.Counters().Commands
				if commands[tt.asked] == 0 || (commands["OPTS"] > commands["USER"]) != tt.chosen { // one a login is for UTF-8
					t.Errorf("commands: %v", commands)
				}
			})
		})
	}
}
