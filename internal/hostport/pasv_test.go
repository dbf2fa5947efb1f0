package hostport

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestParsePASV(t *testing.T) {
	tests := []struct {
		name, text, want string // want "" means an error
	}{
		{"RFC 959", "Entering Passive Mode (192,0,2,1,195,80)", "192.0.2.1:50000"},
		{"vsftpd 3", "Entering Passive Mode (192,0,2,1,195,80).", "192.0.2.1:50000"},
		{"sys-ftpd, B4X", "192,0,2,1,195,80", "192.0.2.1:50000"},
		{"FTPdLite, publicfile", "Entering passive mode =192,0,2,1,195,80", "192.0.2.1:50000"},
		{"publicfile, bare", "=192,0,2,1,195,80", "192.0.2.1:50000"},
		{"thttpd style", "Data transfer will passively listen to 192,0,2,1,195,80", "192.0.2.1:50000"},
		{"full stop before", "Entering Passive Mode. 192,0,2,1,195,80", "192.0.2.1:50000"},
		{"quoted, spaces", `Entering passive mode. "192, 0, 2, 1, 195, 80"  `, "192.0.2.1:50000"},
		{"blanks", "Entering Passive Mode( 192 ,\t0 ,2,1, 195,80 ).", "192.0.2.1:50000"},
		{"leading zeros", "Entering Passive Mode (192,000,002,001,195,080)", "192.0.2.1:50000"},
		{"many zeros", "ok (0000000000192,0,2,1,195,80)", "192.0.2.1:50000"},
		{"multi-line", "Hello, user 1,2\nEntering Passive Mode (192,0,2,1,195,80)\nbye", "192.0.2.1:50000"},
		{"unclosed", "Entering Passive Mode (192,0,2,1,195,80", "192.0.2.1:50000"},
		{"numbers before", "1000 users, 3 left (192,0,2,1,195,80)", "192.0.2.1:50000"},
		{"prose behind", "192,0,2,1,195,80, have fun", "192.0.2.1:50000"},
		{"unspecified", "Entering Passive Mode (0,0,0,0,195,80)", "0.0.0.0:50000"},
		{"low port byte only", "(192,0,2,1,0,20)", "192.0.2.1:20"},
		{"high port byte only", "(192,0,2,1,4,0)", "192.0.2.1:1024"},
		{"LightFTP 1.0", "Entering Passive Mode (", ""},
		{"no text", "", ""},
		{"five numbers", "Entering Passive Mode (192,0,2,1,195)", ""},
		{"seven numbers", "Entering Passive Mode (192,0,2,1,195,80,1)", ""},
		{"gap", "Entering Passive Mode (192,0,,1,195,80)", ""},
		{"mod_ftpd masked", "=127,555,555,555,195,80", ""},
		{"port byte 256", "(192,0,2,1,256,80)", ""},
		{"huge", "(192,0,2,1,195,99999999999999999999)", ""},
		{"wraps to a byte", "(4294967488,0,2,1,195,80)", ""},
		{"port 0", "(192,0,2,1,0,0)", ""},
		{"dots", "(192.0.2.1.195.80)", ""},
		{"extended", "Entering Extended Passive Mode (|||50000|)", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePASV(tt.text)
			check(t, got, err, tt.want)
		})
	}
}

func check(t *testing.T, got netip.AddrPort, err error, want string) {
	t.Helper()
	var perr *ParseError
	switch {
	case want == "" && !errors.As(err, &perr):
		t.Errorf("got %v, %v; want a *ParseError", got, err)
	case want != "" && (err != nil || got.String() != want):
		t.Errorf("got %v, %v; want %s", got, err, want)
	}
}

func TestParsePORT(t *testing.T) {
	tests := []struct{ arg, want string }{
		{"192,0,2,1,195,80", "192.0.2.1:50000"},
		{" 192, 0,2,1,195,80 ", "192.0.2.1:50000"},
		{"192,0,2,1,195,80x", ""},
		{"x192,0,2,1,195,80", ""},
		{"192,0,2,1,195", ""},
		{"192,0,2,1,195,80,", ""},
		{"192,0,2,1,0,0", ""},
		{"192,0,2,300,195,80", ""},
		{"", ""},
	}
	for _, tt := range tests {
		t.Run(tt.arg, func(t *testing.T) {
			got, err := ParsePORT(tt.arg)
			check(t, got, err, tt.want)
		})
	}
}

func TestFormatPORT(t *testing.T) {
	tests := []struct {
		addr netip.AddrPort
		want string
	}{
		{netip.MustParseAddrPort("192.0.2.1:50000"), "192,0,2,1,195,80"},
		{netip.MustParseAddrPort("255.255.255.255:65535"), "255,255,255,255,255,255"},
		{netip.MustParseAddrPort("[::ffff:192.0.2.1]:21"), "192,0,2,1,0,21"},
		{netip.MustParseAddrPort("[2001:db8::1]:21"), ""},
		{netip.AddrPort{}, ""},
	}
	for _, tt := range tests {
		if got := FormatPORT(tt.addr); got != tt.want {
			t.Errorf("FormatPORT(%v) = %q, want %q", tt.addr, got, tt.want)
		}
	}
	if got, want := FormatPASV(tests[0].addr), "Entering Passive Mode (192,0,2,1,195,80)"; got != want {
		t.Errorf("FormatPASV = %q, want %q", got, want)
	}
	if got := FormatPASV(netip.AddrPort{}); got != "" {
		t.Errorf("FormatPASV of nothing = %q", got)
	}
}

func TestErrorIsBounded(t *testing.T) {
	_, err := ParsePASV("bad\x00reply\n" + strings.Repeat("x", 10000))
	if msg := err.Error(); len(msg) > 200 || !strings.Contains(msg, `bad\x00reply\n`) {
		t.Errorf("error is %d bytes: %.300s", len(msg), msg)
	}
}

func FuzzParsePASV(f *testing.F) {
	f.Add("Entering Passive Mode (192,0,2,1,195,80)")
	f.Add("=1, 2,003,4,5,6, ok")
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := ParsePASV(text)
		if err != nil {
			if len(err.Error()) > 500 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			return
		}
		if addr.Port() == 0 || !addr.Addr().Is4() {
			t.Errorf("ParsePASV(%q) = %v", text, addr)
		}
		if again, err := ParsePASV(FormatPASV(addr)); again != addr {
			t.Errorf("round trip: %v became %v, %v", addr, again, err)
		}
		if again, err := ParsePORT(FormatPORT(addr)); again != addr {
			t.Errorf("PORT round trip: %v became %v, %v", addr, again, err)
		}
	})
}

func BenchmarkParsePASV(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePASV("Entering Passive Mode (192,0,2,1,195,80)."); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFormatPORT(b *testing.B) {
	addr := netip.MustParseAddrPort("192.0.2.1:50000")
	b.ReportAllocs()
	for b.Loop() {
		FormatPORT(addr)
	}
}
