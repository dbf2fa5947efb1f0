package hostport

import (
	"net/netip"
	"testing"
)

func TestParseEPSV(t *testing.T) {
	tests := []struct {
		name, text string
		want       uint16 // 0 means an error
	}{
		{"RFC 2428", "Entering Extended Passive Mode (|||50000|)", 50000},
		{"Serv-U 15, pyftpdlib", "Entering Extended Passive Mode (|||50006|).", 50006},
		{"exclamation marks", "Entering Extended Passive Mode (!!!50000!)", 50000},
		{"letters in parentheses", "ok (XXX50000X)", 50000},
		{"a digit in parentheses", "ok (9995000", 0},
		{"digits in parentheses", "ok (777500007)", 50000},
		{"a parenthesis", "ok ((((50000()", 50000},
		{"a closing parenthesis", "ok ()))50000))", 50000},
		{"IPv4 filled in", "Entering Extended Passive Mode (|1|192.0.2.1|50000|)", 50000},
		{"IPv6 filled in", "Entering Extended Passive Mode (|2|2001:db8::1|50000|)", 50000},
		{"protocol filled in", "Entering Extended Passive Mode (|2||50000|)", 50000},
		{"address filled in", "Entering Extended Passive Mode (||192.0.2.1|50000|)", 50000},
		{"no parentheses", "Entering Extended Passive Mode |||50000|", 50000},
		{"bare", "|||50000|", 50000},
		{"other parentheses", "Entering (extended) passive mode (|||50000|) (really)", 50000},
		{"blanks", "Entering Extended Passive Mode (||| 50000 |)", 50000},
		{"leading zeros", "(|||00021|)", 21},
		{"multi-line", "Well then\nEntering Extended Passive Mode (|||50000|)\n", 50000},
		{"top", "(|||65535|)", 65535},
		{"port 0", "Entering Extended Passive Mode (|||0|)", 0},
		{"port 65536", "Entering Extended Passive Mode (|||65536|)", 0},
		{"huge", "(|||4294967297|)", 0},
		{"negative", "(|||-1|)", 0},
		{"split digits", "(|||50 000|)", 0},
		{"empty port", "(||||)", 0},
		{"a missing delimiter", "(||50000|)", 0},
		{"no last delimiter", "(|||50000)", 0},
		{"mixed delimiters", "(|!|50000|)", 0},
		{"blank as delimiter", "(   50000 )", 0},
		{"a 227", "Entering Passive Mode (192,0,2,1,195,80)", 0},
		{"prose", "Extended passive mode OK", 0},
		{"nothing", "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseEPSV(tt.text)
			if got != tt.want || (err == nil) != (tt.want != 0) {
				t.Errorf("ParseEPSV(%q) = %d, %v; want %d", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestParseEPRT(t *testing.T) {
	tests := []struct{ arg, want string }{
		{"|1|192.0.2.1|50000|", "192.0.2.1:50000"},
		{"|2|2001:db8::1|50000|", "[2001:db8::1]:50000"},
		{"!1!192.0.2.1!50000!", "192.0.2.1:50000"},
		{" |1|192.0.2.1|50000| ", "192.0.2.1:50000"},
		{"|1|192.0.2.1|50000", ""},
		{"|1|192.0.2.1|50000|x", ""},
		{"|1|192.0.2.1|0|", ""},
		{"|1|192.0.2.1|65536|", ""},
		{"|1|192.0.2.1||", ""},
		{"|2|192.0.2.1|50000|", ""},
		{"|1|2001:db8::1|50000|", ""},
		{"|3|192.0.2.1|50000|", ""},
		{"||192.0.2.1|50000|", ""},
		{"|2|fe80::1%eth0|50000|", ""},
		{"|1|host.example|50000|", ""},
		{"", ""},
	}
	for _, tt := range tests {
		t.Run(tt.arg, func(t *testing.T) {
			got, err := ParseEPRT(tt.arg)
			check(t, got, err, tt.want)
		})
	}
}

func TestFormatEPRT(t *testing.T) {
	tests := []struct {
		addr netip.AddrPort
		want string
	}{
		{netip.MustParseAddrPort("192.0.2.1:50000"), "|1|192.0.2.1|50000|"},
		{netip.MustParseAddrPort("[2001:db8::1]:21"), "|2|2001:db8::1|21|"},
		{netip.MustParseAddrPort("[fe80::1%eth0]:21"), "|2|fe80::1|21|"},
		{netip.MustParseAddrPort("[::ffff:192.0.2.1]:21"), "|1|192.0.2.1|21|"},
		{netip.AddrPort{}, ""},
	}
	for _, tt := range tests {
		if got := FormatEPRT(tt.addr); got != tt.want {
			t.Errorf("FormatEPRT(%v) = %q, want %q", tt.addr, got, tt.want)
		}
	}
	if got, want := FormatEPSV(50000), "Entering Extended Passive Mode (|||50000|)"; got != want {
		t.Errorf("FormatEPSV = %q, want %q", got, want)
	}
}

func FuzzParseEPSV(f *testing.F) {
	f.Add("Entering Extended Passive Mode (|||50000|)")
	f.Add("!1!192.0.2.1!50000!")
	f.Fuzz(func(t *testing.T, text string) {
		port, err := ParseEPSV(text)
		if err != nil {
			if len(err.Error()) > 900 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			return
		}
		if again, err := ParseEPSV(FormatEPSV(int(port))); again != port || port == 0 {
			t.Errorf("round trip: %d became %d, %v", port, again, err)
		}
	})
}

func FuzzParseEPRT(f *testing.F) {
	f.Add("|1|192.0.2.1|50000|")
	f.Add("|2|2001:db8::1|50000|")
	f.Fuzz(func(t *testing.T, arg string) {
		addr, err := ParseEPRT(arg)
		if err != nil {
			return
		}
		want := netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
		if again, err := ParseEPRT(FormatEPRT(addr)); again != want {
			t.Errorf("round trip: %v became %v, %v", addr, again, err)
		}
	})
}

func BenchmarkParseEPSV(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEPSV("Entering Extended Passive Mode (|||50000|)."); err != nil {
			b.Fatal(err)
		}
	}
}
