package plan

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

var (
	modeNames   = map[Mode]string{EPSV: "EPSV", PASV: "PASV", PORT: "PORT", EPRT: "EPRT"}
	sourceWords = map[Source]string{Peer: "peer", Advertised: "adv", Local: "local", Public: "public"}
)

// spell writes steps as "EPSV:peer PORT:local".
func spell(steps []Step) string {
	var words []string
	for _, s := range steps {
		words = append(words, modeNames[s.Mode]+":"+sourceWords[s.Source])
	}
	return strings.Join(words, " ")
}

// path returns the input for a control connection from local to server.
func path(local, server string, change ...func(*Input)) Input {
	in := Input{Local: netip.MustParseAddr(local), Server: netip.MustParseAddr(server)}
	for _, f := range change {
		f(&in)
	}
	return in
}

func overTLS(in *Input)   { in.TLS = true }
func proxied(in *Input)   { in.Proxy = true }
func trusting(in *Input)  { in.Trust = true }
func hasPublic(in *Input) { in.HasPublic = true }

func modes(m ...Mode) func(*Input)    { return func(in *Input) { in.Modes = m } }
func avoiding(m ...Mode) func(*Input) { return func(in *Input) { in.Avoid = m } }

func proven(m Mode, s Source) func(*Input) {
	return func(in *Input) { in.Proven = Step{m, s} }
}

const (
	private   = "192.168.1.10"
	public    = "203.0.113.2"
	server    = "198.51.100.10"
	inside    = "10.0.0.10" // a server that is private
	public6   = "2001:db8:1::2"
	ula       = "fd00::2"
	server6   = "2001:db8:2::10"
	inside6   = "fd00::10"
	mappedV4  = "::ffff:198.51.100.10"
	mappedPri = "::ffff:192.168.1.10"
)

// all4 is the plan for IPv4 when nothing is known.
const all4 = "EPSV:peer PASV:peer PORT:local PORT:public EPRT:local EPRT:public"

// plans are what Make makes of what.
var plans = []struct {
	name string
	in   Input
	want string
}{
	{"IPv4, private client", path(private, server), all4},
	{"IPv4, public client", path(public, server), all4},
	{"IPv4, both private", path(private, inside), all4},
	{"IPv4, public client of a private server", path(public, inside), all4},
	{"IPv4, a public address is known", path(private, server, hasPublic), all4},
	{"IPv4, link-local", path("169.254.1.2", "169.254.1.3"), all4},
	{"IPv4 in IPv6, the server", path(private, mappedV4), all4},
	{"IPv4 in IPv6, both", path(mappedPri, mappedV4), all4},
	{"IPv4 loopback", path("127.0.0.1", "127.0.0.1"), "EPSV:peer PASV:peer PORT:local EPRT:local"},
	{"IPv4 loopback, 4in6", path("::ffff:127.0.0.1", "::ffff:127.0.0.1"), "EPSV:peer PASV:peer PORT:local EPRT:local"},
	{"IPv4 loopback, TLS and a public address", path("127.0.0.1", "127.0.0.1", overTLS, hasPublic), "EPSV:peer PASV:peer PORT:local EPRT:local"},
	{"nothing known of the ends", Input{}, all4},

	{"IPv6", path(public6, server6), "EPSV:peer PASV:peer EPRT:local"},
	{"IPv6, unique local", path(ula, inside6), "EPSV:peer PASV:peer EPRT:local"},
	{"IPv6, a public address is known", path(ula, server6, hasPublic), "EPSV:peer PASV:peer EPRT:local EPRT:public"},
	{"IPv6, public address and TLS", path(ula, server6, hasPublic, overTLS), "EPSV:peer PASV:peer EPRT:public"},
	{"IPv6, global client, public address and TLS", path(public6, server6, hasPublic, overTLS), "EPSV:peer PASV:peer EPRT:local EPRT:public"},
	{"IPv6, TLS alone", path(ula, server6, overTLS), "EPSV:peer PASV:peer EPRT:local"},
	{"IPv6 loopback", path("::1", "::1"), "EPSV:peer PASV:peer EPRT:local"},
	{"IPv6 loopback, public address", path("::1", "::1", hasPublic), "EPSV:peer PASV:peer EPRT:local"},
	{"IPv6, trust", path(public6, server6, trusting), "EPSV:peer PASV:peer EPRT:local"},
	{"IPv6 with a zone", path("fe80::1%eth0", "fe80::2%eth0"), "EPSV:peer PASV:peer EPRT:local"},

	{"TLS, private client", path(private, server, overTLS), "EPSV:peer PASV:peer PORT:public EPRT:public"},
	{"TLS, private client 4in6", path(mappedPri, mappedV4, overTLS), "EPSV:peer PASV:peer PORT:public EPRT:public"},
	{"TLS, private client, public address", path(private, server, overTLS, hasPublic), "EPSV:peer PASV:peer PORT:public EPRT:public"},
	{"TLS, both private", path(private, inside, overTLS), all4},
	{"TLS, public client", path(public, server, overTLS), all4},
	{"TLS, public client of a private server", path(public, inside, overTLS), all4},

	{"trust", path(private, server, trusting), "EPSV:peer PASV:peer PASV:adv PORT:local PORT:public EPRT:local EPRT:public"},
	{"trust, 4in6", path(private, mappedV4, trusting), "EPSV:peer PASV:peer PASV:adv PORT:local PORT:public EPRT:local EPRT:public"},
	{"trust, loopback", path("127.0.0.1", "127.0.0.1", trusting), "EPSV:peer PASV:peer PASV:adv PORT:local EPRT:local"},

	{"proxy", path(private, server, proxied), "EPSV:peer PASV:peer"},
	{"proxy, ends unknown", Input{Proxy: true}, "EPSV:peer PASV:peer"},
	{"proxy, trust", path(private, server, proxied, trusting), "EPSV:peer PASV:peer PASV:adv"},
	{"proxy, public address", path(private, server, proxied, hasPublic), "EPSV:peer PASV:peer"},
	{"proxy, IPv6", path(public6, server6, proxied), "EPSV:peer PASV:peer"},
	{"proxy, active modes alone", path(private, server, proxied, modes(PORT, EPRT)), ""},

	{"no modes", path(private, server, modes([]Mode{}...), func(in *Input) { in.Modes = []Mode{} }), ""},
	{"one mode", path(private, server, modes(PASV)), "PASV:peer"},
	{"backwards", path(private, server, modes(EPRT, PORT, PASV, EPSV)), "EPRT:local EPRT:public PORT:local PORT:public PASV:peer EPSV:peer"},
	{"the 2006 story", path(private, server, modes(PORT, EPSV)), "PORT:local PORT:public EPSV:peer"},
	{"duplicates", path(private, server, modes(PORT, EPSV, PORT, EPSV, EPSV)), "PORT:local PORT:public EPSV:peer"},
	{"duplicates with trust", path(private, server, trusting, modes(PASV, PASV)), "PASV:peer PASV:adv"},
	{"PORT alone over IPv6", path(public6, server6, modes(PORT)), ""},
	{"a mode that is none", path(private, server, modes(0, 9, EPSV)), "EPSV:peer"},

	{"proven first: EPSV", path(private, server, proven(EPSV, Peer)), all4},
	{"proven first: PASV", path(private, server, proven(PASV, Peer)), "PASV:peer EPSV:peer PORT:local PORT:public EPRT:local EPRT:public"},
	{"proven first: PORT local", path(private, server, proven(PORT, Local)), "PORT:local EPSV:peer PASV:peer PORT:public EPRT:local EPRT:public"},
	{"proven first: PORT public", path(private, server, proven(PORT, Public)), "PORT:public EPSV:peer PASV:peer PORT:local EPRT:local EPRT:public"},
	{"proven first: EPRT local", path(private, server, proven(EPRT, Local)), "EPRT:local EPSV:peer PASV:peer PORT:local PORT:public EPRT:public"},
	{"proven first: EPRT public", path(private, server, proven(EPRT, Public)), "EPRT:public EPSV:peer PASV:peer PORT:local PORT:public EPRT:local"},
	{"proven first: PASV advertised", path(private, server, trusting, proven(PASV, Advertised)), "PASV:adv EPSV:peer PASV:peer PORT:local PORT:public EPRT:local EPRT:public"},
	{"proven, not trusted any more", path(private, server, proven(PASV, Advertised)), all4},
	{"proven, not allowed", path(private, server, modes(EPSV, PASV), proven(PORT, Local)), "EPSV:peer PASV:peer"},
	{"proven, behind a proxy now", path(private, server, proxied, proven(PORT, Local)), "EPSV:peer PASV:peer"},
	{"proven, over IPv6 now", path(public6, server6, proven(PORT, Local)), "EPSV:peer PASV:peer EPRT:local"},
	{"proven, over TLS now", path(private, server, overTLS, proven(PORT, Local)), "EPSV:peer PASV:peer PORT:public EPRT:public"},
	{"proven, not the user's first", path(private, server, modes(PORT, EPSV), proven(EPSV, Peer)), "EPSV:peer PORT:local PORT:public"},
	{"proven, makes no sense", path(private, server, proven(EPSV, Local)), all4},

	{"avoid EPSV", path(private, server, avoiding(EPSV)), "PASV:peer PORT:local PORT:public EPRT:local EPRT:public EPSV:peer"},
	{"avoid PASV", path(private, server, avoiding(PASV)), "EPSV:peer PORT:local PORT:public EPRT:local EPRT:public PASV:peer"},
	{"avoid PORT", path(private, server, avoiding(PORT)), "EPSV:peer PASV:peer EPRT:local EPRT:public PORT:local PORT:public"},
	{"avoid EPRT", path(private, server, avoiding(EPRT)), all4},
	{"avoid passive", path(private, server, avoiding(PASV, EPSV)), "PORT:local PORT:public EPRT:local EPRT:public EPSV:peer PASV:peer"},
	{"avoid active", path(private, server, avoiding(EPRT, PORT)), all4},
	{"avoid all", path(private, server, avoiding(EPRT, PORT, PASV, EPSV)), all4},
	{"avoid what is not allowed", path(private, server, modes(EPSV), avoiding(PORT)), "EPSV:peer"},
	{"avoid the only one", path(private, server, modes(PORT), avoiding(PORT)), "PORT:local PORT:public"},
	{"avoid with trust", path(private, server, trusting, modes(PASV, EPSV), avoiding(PASV)), "EPSV:peer PASV:peer PASV:adv"},
	{"proven beats avoid", path(private, server, proven(PASV, Peer), avoiding(PASV, EPSV)), "PASV:peer PORT:local PORT:public EPRT:local EPRT:public EPSV:peer"},
	{"proven source of an avoided mode", path(private, server, proven(PORT, Public), avoiding(PORT)), "PORT:public EPSV:peer PASV:peer EPRT:local EPRT:public PORT:local"},
}

func TestMake(t *testing.T) {
	for _, tt := range plans {
		t.Run(tt.name, func(t *testing.T) {
			if got := spell(Make(tt.in)); got != tt.want {
				t.Errorf("Make\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestMakeLeavesInput: what goes in is the caller's.
func TestMakeLeavesInput(t *testing.T) {
	in := path(private, server, modes(EPRT, PORT, PASV), avoiding(EPRT))
	Make(in)
	if in.Modes[0] != EPRT || in.Modes[1] != PORT || in.Modes[2] != PASV || in.Avoid[0] != EPRT {
		t.Errorf("Make changed its input to %v and %v", in.Modes, in.Avoid)
	}
}

func TestPassive(t *testing.T) {
	for m, want := range map[Mode]bool{EPSV: true, PASV: true, PORT: false, EPRT: false, 0: false} {
		if m.Passive() != want {
			t.Errorf("Mode(%d).Passive() = %v", m, !want)
		}
	}
}

const (
	ms  = time.Millisecond
	sec = time.Second
)

func TestQuick(t *testing.T) {
	tests := []struct {
		name         string
		rtt, attempt time.Duration
		want         Timers
	}{
		{"no round trip known", 0, 15 * sec, Timers{1100 * ms, 2 * sec, 1500 * ms, 15 * sec}},
		{"50 ms", 50 * ms, 15 * sec, Timers{1300 * ms, 2200 * ms, 1700 * ms, 15 * sec}},
		{"a satellite", 600 * ms, 15 * sec, Timers{3500 * ms, 4400 * ms, 3900 * ms, 15 * sec}},
		{"slower than any path", time.Hour, 15 * sec, Timers{15 * sec, 15 * sec, 15 * sec, 15 * sec}},
		{"a clock gone wrong", 1 << 62, 15 * sec, Timers{15 * sec, 15 * sec, 15 * sec, 15 * sec}},
		{"little patience", 50 * ms, sec, Timers{sec, sec, sec, sec}},
		{"patience between two of them", 50 * ms, 1500 * ms, Timers{1300 * ms, 1500 * ms, 1500 * ms, 1500 * ms}},
		{"the patience of nobody", 50 * ms, 1, Timers{1, 1, 1, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Quick(tt.rtt, tt.attempt); got != tt.want {
				t.Errorf("Quick(%v, %v)\n got %v\nwant %v", tt.rtt, tt.attempt, got, tt.want)
			}
		})
	}
}

func TestBrisk(t *testing.T) {
	tests := []struct {
		name              string
		rtt, lag, attempt time.Duration
		want              Timers
	}{
		{"no round trip known", 0, 0, 15 * sec, Timers{300 * ms, 700 * ms, 1500 * ms, 15 * sec}},
		{"50 ms", 50 * ms, 0, 15 * sec, Timers{500 * ms, 900 * ms, 1700 * ms, 15 * sec}},
		{"answers that come late", 50 * ms, 250 * ms, 15 * sec, Timers{750 * ms, 1150 * ms, 1700 * ms, 15 * sec}},
		{"no more than the quick ones", 50 * ms, 5 * sec, 15 * sec, Timers{1300 * ms, 2200 * ms, 1700 * ms, 15 * sec}},
		{"slower than any path", time.Hour, time.Hour, 15 * sec, Timers{15 * sec, 15 * sec, 15 * sec, 15 * sec}},
		{"a clock gone wrong", 1 << 62, 1 << 62, 15 * sec, Timers{15 * sec, 15 * sec, 15 * sec, 15 * sec}},
		{"time that runs backwards", 50 * ms, -sec, 15 * sec, Timers{500 * ms, 900 * ms, 1700 * ms, 15 * sec}},
		{"little patience", 50 * ms, 0, sec, Timers{sec, sec, sec, sec}},
		{"hardly any", 50 * ms, 0, 400 * ms, Timers{400 * ms, 400 * ms, 400 * ms, 400 * ms}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Brisk(Quick(tt.rtt, tt.attempt), tt.rtt, tt.lag); got != tt.want {
				t.Errorf("Brisk(%v, %v)\n got %v\nwant %v", tt.rtt, tt.lag, got, tt.want)
			}
		})
	}
}

// TestAgain: the quick pass is for what may do better there.
func TestAgain(t *testing.T) {
	quick := Quick(50*ms, 15*sec)
	brisk := Brisk(quick, 50*ms, 0)
	for _, tt := range []struct {
		cause   proto.Cause
		elapsed time.Duration
		brisk   Timers
		want    bool
	}{
		{proto.DialTimeout, 600 * ms, brisk, true},
		{proto.DialTimeout, 1400 * ms, quick, false},
		{proto.ControlSilent, 900 * ms, brisk, true},
		{proto.ControlSilent, 15 * sec, brisk, false}, // a data connection on which nothing came
		{proto.ControlSilent, 2200 * ms, quick, false},
		{proto.AcceptTimeout, 1700 * ms, brisk, false},
		{proto.Refused, 50 * ms, brisk, false},
	} {
		if got := Again(tt.brisk, quick, tt.cause, tt.elapsed); got != tt.want {
			t.Errorf("cause %d after %v: %v", tt.cause, tt.elapsed, got)
		}
	}
}

func TestLeft(t *testing.T) {
	for spent, want := range map[time.Duration]time.Duration{
		0: 15500 * ms, 6 * sec: 9500 * ms, 12 * sec: 8 * sec, time.Minute: 8 * sec,
	} {
		if got := Left(16*sec, spent); got != want {
			t.Errorf("after %v: %v left, want %v", spent, got, want)
		}
	}
}

func TestPatient(t *testing.T) {
	quick := Timers{1300 * ms, 2200 * ms, 1700 * ms, 15 * sec}
	tests := []struct {
		name    string
		quick   Timers
		n       int
		attempt time.Duration
		want    Timers
	}{
		{"one step gets it all", quick, 1, 15 * sec, Timers{15 * sec, 15 * sec, 15 * sec, 15 * sec}},
		{"three share", quick, 3, 15 * sec, Timers{5 * sec, 5 * sec, 5 * sec, 15 * sec}},
		{"a share below the quick timers", quick, 10, 15 * sec, Timers{1500 * ms, 2200 * ms, 1700 * ms, 15 * sec}},
		{"no share worth having", quick, 1000, 15 * sec, Timers{1300 * ms, 2200 * ms, 1700 * ms, 15 * sec}},
		{"no steps", quick, 0, 15 * sec, Timers{15 * sec, 15 * sec, 15 * sec, 15 * sec}},
		{"fewer than none", quick, -3, 15 * sec, Timers{15 * sec, 15 * sec, 15 * sec, 15 * sec}},
		{"little patience", Quick(50*ms, sec), 2, sec, Timers{sec, sec, sec, sec}},
		{"a slow path", Quick(time.Hour, 15*sec), 4, 15 * sec, Timers{15 * sec, 15 * sec, 15 * sec, 15 * sec}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Patient(tt.quick, tt.n, tt.attempt); got != tt.want {
				t.Errorf("Patient(%v, %d, %v)\n got %v\nwant %v", tt.quick, tt.n, tt.attempt, got, tt.want)
			}
		})
	}
}

func TestPrivate(t *testing.T) {
	for addr, want := range map[string]bool{
		"10.0.0.1": true, "172.31.0.1": true, "172.32.0.1": false, "192.168.1.1": true, "100.64.0.1": true,
		"100.127.255.255": true, "100.128.0.1": false, "169.254.1.1": true, "::ffff:10.0.0.1": true,
		"203.0.113.7": false, "fd00::1": true, "fe80::1": true, "2001:db8::1": false,
	} {
		if got := Private(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}
