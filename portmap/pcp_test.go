package portmap

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var pcpRequest = request{
	local:    netip.MustParseAddrPort("192.168.1.2:40000"),
	nonce:    [12]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
	lifetime: 90*time.Second + 1,
}

// The request by RFC 6887, 7.1 and 11.1, field by field.
const pcpRequestHex = "02 01 0000 0000005b 00000000000000000000ffffc0a80102" +
	"0102030405060708090a0b0c 06 000000 9c40 0000 00000000000000000000ffff00000000"

const pcpResponseHex = "02 81 00 00 00000078 00001000 000000000000000000000000" +
	"0102030405060708090a0b0c 06 000000 9c40 9c41 00000000000000000000ffffc6290063"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMapRequest(t *testing.T) {
	if got, want := appendMapRequest(nil, pcpRequest), unhex(t, pcpRequestHex); !bytes.Equal(got, want) {
		t.Errorf("a request is\n%x, want\n%x", got, want)
	}
	six := pcpRequest
	six.local = netip.MustParseAddrPort("[2001:db8::2]:40000")
	six.public = netip.MustParseAddrPort("[2001:db8::2]:40000")
	six.lifetime = 0
	want := unhex(t, "02 01 0000 00000000 20010db8000000000000000000000002"+
		"0102030405060708090a0b0c 06 000000 9c40 9c40 20010db8000000000000000000000002")
	if got := appendMapRequest(nil, six); !bytes.Equal(got, want) {
		t.Errorf("a request is\n%x, want\n%x", got, want)
	}
}

func TestMapResponse(t *testing.T) {
	got, err := parseMapResponse(unhex(t, pcpResponseHex), pcpRequest)
	want := grant{public: netip.MustParseAddrPort("198.41.0.99:40001"), lifetime: 2 * time.Minute, epoch: 4096, hasEpoch: true}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// FuzzMapResponse sees that nothing is taken for a grant that does not repeat
// the request, and that strays are told from answers.
func FuzzMapResponse(f *testing.F) {
	good := unhex(f, pcpResponseHex)
	f.Add(good)
	f.Add(good[:59])
	f.Add(append(bytes.Clone(good), 1, 0, 0, 0))
	f.Add([]byte{0, 0x81, 0, 1, 0, 0, 0, 0})
	f.Add([]byte{1, 0x81, 0, 1})
	refusal := bytes.Clone(good)
	refusal[3] = 8
	f.Add(refusal)
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := parseMapResponse(b, pcpRequest)
		var s *stray
		var refused *ResultError
		switch {
		case err == nil:
			if len(b) < 60 || !bytes.Equal(b[24:42], good[24:42]) && !bytes.Equal(b[24:37], good[24:37]) {
				t.Errorf("%x was taken for a grant", b)
			}
			if !g.public.IsValid() || g.public.Addr().Is4In6() || !g.hasEpoch || g.lifetime < 0 {
				t.Errorf("%x grants %+v", b, g)
			}
		case errors.As(err, &refused):
			if refused.Code == 0 || b[3] != byte(refused.Code) {
				t.Errorf("%x is a refusal with the code %d", b, refused.Code)
			}
		case !errors.As(err, &s) && err != errNATPMPOnly:
			t.Errorf("%x: an error of no known kind: %v", b, err)
		}
	})
}

// FuzzSearchAnswer sees that no answer leads away from the gateway.
func FuzzSearchAnswer(f *testing.F) {
	gateway := netip.MustParseAddr("192.168.1.1")
	answer := "HTTP/1.1 200 OK\r\nST: " + igdType + "1\r\nLOCATION: "
	for _, u := range []string{
		"http://192.168.1.1:5000/rootDesc.xml", "http://192.168.1.1@192.0.2.1/", "http://192.168.1.1.example.net/",
		"http://[::ffff:192.168.1.1]/", "HTTP://192.168.1.1", "//192.168.1.1/", "http://192.168.1.1:80:80/", "http:192.168.1.1",
	} {
		f.Add([]byte(answer + u + "\r\n\r\n"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := parseSearchAnswer(b, gateway)
		if err != nil {
			return
		}
		if u.Scheme != "http" || u.Hostname() != "192.168.1.1" {
			t.Errorf("%q leads to %s", b, u)
		}
	})
}

func TestPublic(t *testing.T) {
	tests := map[string]bool{
		"1.2.3.4": true, "198.41.0.4": true, "100.63.255.255": true, "100.128.0.0": true, "2620:fe::fe": true,
		"10.0.0.1": false, "172.16.0.1": false, "192.168.0.1": false, "100.64.0.0": false, "100.127.255.255": false,
		"169.254.1.1": false, "127.0.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "192.0.0.8": false, "192.0.2.1": false,
		"198.18.0.1": false, "198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "240.0.0.1": false,
		"255.255.255.255": false, "::": false, "::1": false, "fe80::1": false, "fd00::1": false, "2001:db8::1": false,
		"64:ff9b:1::1": false, "ff02::1": false, "100::1": false,
	}
	for text, want := range tests {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("public(%s) = %v, want %v", text, got, want)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is public")
	}
}
