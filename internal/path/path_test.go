package path

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// memory is a proto.Memory that counts what is written.
type memory struct {
	lessons map[proto.Key]proto.Lesson
	writes  int
}

func (m *memory) Recall(k proto.Key) (proto.Lesson, bool) {
	l, ok := m.lessons[k]
	return l, ok
}

func (m *memory) Learn(k proto.Key, l proto.Lesson) {
	if m.lessons == nil {
		m.lessons = make(map[proto.Key]proto.Lesson)
	}
	m.lessons[k] = l
	m.writes++
}

func (m *memory) Forget(k proto.Key) { delete(m.lessons, k) }

var (
	private = netip.MustParseAddr("192.168.1.10")
	server  = netip.MustParseAddr("192.0.2.1")
	key     = proto.Key{Server: "example:21", Network: netip.MustParsePrefix("192.168.1.0/24")}
)

func open(cfg Config) *Path {
	cfg.Server = "example:21"
	if cfg.Memory == nil {
		cfg.Memory = new(memory)
	}
	p := New(cfg)
	p.Connected(private, server)
	return p
}

// spell writes steps as "EPSV:peer PORT:local".
func spell(steps []plan.Step) string {
	var words []string
	for _, s := range steps {
		words = append(words, s.Mode.String()+":"+s.Source.String())
	}
	return strings.Join(words, " ")
}

const (
	all      = "EPSV:peer PASV:peer PORT:local PORT:public EPRT:local EPRT:public"
	pasv     = "PASV:peer EPSV:peer PORT:local PORT:public EPRT:local EPRT:public"
	epsvLast = "PASV:peer PORT:local PORT:public EPRT:local EPRT:public EPSV:peer"
)

var (
	epsvPeer  = plan.Step{Mode: proto.EPSV, Source: plan.Peer}
	pasvPeer  = plan.Step{Mode: proto.PASV, Source: plan.Peer}
	portLocal = plan.Step{Mode: proto.PORT, Source: plan.Local}
)

// TestSteps has a lesson go in and the steps of the next transfer come out.
func TestSteps(t *testing.T) {
	for name, tt := range map[string]struct {
		lesson proto.Lesson
		cfg    Config
		do     func(*Path) // after Recall
		sealed bool
		want   string
	}{
		"nothing known":                 {want: all},
		"a mode has worked":             {lesson: proto.Lesson{Mode: proto.PASV, Source: "peer"}, want: pasv},
		"a source that nobody knows":    {lesson: proto.Lesson{Mode: proto.PASV, Source: "moon"}, want: all},
		"a mode without a source":       {lesson: proto.Lesson{Mode: proto.PASV}, want: all},
		"a mode is avoided":             {lesson: proto.Lesson{Avoid: []proto.Mode{proto.EPSV}}, want: epsvLast},
		"avoided, and has worked since": {lesson: proto.Lesson{Mode: proto.EPSV, Source: "peer", Avoid: []proto.Mode{proto.EPSV}}, want: all},
		"another mode works now":        {lesson: proto.Lesson{Mode: proto.EPSV, Source: "peer"}, do: func(p *Path) { p.Worked(pasvPeer) }, want: pasv},
		"it works again":                {lesson: proto.Lesson{Avoid: []proto.Mode{proto.EPSV}}, do: func(p *Path) { p.Worked(epsvPeer) }, want: all},
		"refused":                       {do: func(p *Path) { p.Failed(epsvPeer, proto.Refused) }, want: epsvLast},
		"lost the control connection":   {do: func(p *Path) { p.Failed(epsvPeer, proto.ControlReset) }, want: epsvLast},
		"met silence":                   {do: func(p *Path) { p.Failed(epsvPeer, proto.ControlSilent) }, want: epsvLast},
		"could not be dialled":          {do: func(p *Path) { p.Failed(epsvPeer, proto.DialTimeout) }, want: all},
		"proven, could not be dialled":  {lesson: proto.Lesson{Mode: proto.PASV, Source: "peer"}, do: func(p *Path) { p.Failed(pasvPeer, proto.DialTimeout) }, want: all},
		"another one failed":            {lesson: proto.Lesson{Mode: proto.PASV, Source: "peer"}, do: func(p *Path) { p.Failed(epsvPeer, proto.DialTimeout) }, want: pasv},
		"a probe was refused":           {do: func(p *Path) { p.FailedProbe(epsvPeer, proto.Refused) }, want: all},
		"a probe cost the connection":   {do: func(p *Path) { p.FailedProbe(epsvPeer, proto.ControlReset) }, want: epsvLast},
		"allowed modes":                 {cfg: Config{Modes: []proto.Mode{proto.PORT, proto.EPSV}}, want: "PORT:local PORT:public EPSV:peer"},
		"sealed":                        {sealed: true, want: "EPSV:peer PASV:peer PORT:public EPRT:public"},
		"a proxy":                       {cfg: Config{Proxy: true}, want: "EPSV:peer PASV:peer"},
		"verified":                      {cfg: Config{Verified: true}, want: "EPSV:peer PASV:peer PASV:advertised PORT:local PORT:public EPRT:local EPRT:public"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{lessons: map[proto.Key]proto.Lesson{key: tt.lesson}}
			tt.cfg.Memory = m
			p := open(tt.cfg)
			p.Recall()
			if tt.do != nil {
				p.Steps(tt.sealed) // is not what it was before
				tt.do(p)
			}
			if got := spell(p.Steps(tt.sealed)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			// The next session finds the same in the memory.
			next := open(tt.cfg)
			next.Recall()
			if got := spell(next.Steps(tt.sealed)); got != tt.want {
				t.Errorf("another session: got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestAllSteps leaves out what is known.
func TestAllSteps(t *testing.T) {
	p := open(Config{})
	p.Worked(portLocal)
	p.Failed(epsvPeer, proto.Refused)
	if got := spell(p.AllSteps(false)); got != all {
		t.Errorf("got %s", got)
	}
}

// TestRecall joins what the memory has with what this session has seen.
func TestRecall(t *testing.T) {
	m := new(memory)
	p := open(Config{Memory: m})
	p.Worked(epsvPeer)
	p.Failed(pasvPeer, proto.Refused)
	public := netip.MustParseAddr("203.0.113.7")
	p.Overhear(proto.Reply{Code: 211, Lines: []string{"Connected to 203.0.113.7"}})
	shared := []proto.Mode{proto.PORT}
	m.Learn(key, proto.Lesson{Mode: proto.EPRT, Source: "local", Avoid: shared})
	p.Recall()
	l := p.Lesson()
	if l.Mode != proto.EPRT || l.Public != public || !slices.Equal(l.Avoid, []proto.Mode{proto.PORT, proto.PASV}) {
		t.Errorf("another session wrote: %+v", l)
	}
	m.Forget(key)
	p.Recall()
	if l := p.Lesson(); l.Mode != 0 || l.Source != "" || l.Public != public || len(l.Avoid) != 2 {
		t.Errorf("the path was forgotten: %+v", l)
	}
	m.Learn(key, proto.Lesson{Mode: proto.PASV, Source: "peer"})
	p.Recall()
	if l := p.Lesson(); slices.Contains(l.Avoid, proto.PASV) {
		t.Errorf("what works is avoided: %+v", l)
	}
	p.Failed(portLocal, proto.Refused)
	if !slices.Equal(shared, []proto.Mode{proto.PORT}) {
		t.Errorf("the memory's list was changed: %v", shared)
	}
}

// TestWrites writes the memory when there is something new, and not before.
func TestWrites(t *testing.T) {
	m := new(memory)
	p := open(Config{Memory: m})
	for i, step := range []struct {
		do     func()
		writes int
	}{
		{func() { p.Worked(epsvPeer) }, 1},
		{func() { p.Worked(epsvPeer) }, 0},
		{func() { p.Failed(portLocal, proto.DialTimeout) }, 0},
		{func() { p.Failed(portLocal, proto.Refused) }, 1},
		{func() { p.Failed(portLocal, proto.Refused) }, 0},
		{func() { p.Failed(epsvPeer, proto.DialTimeout) }, 1},
		{func() { p.Learn(Flight, true) }, 1},
		{func() { p.Learn(Flight, true) }, 0},
		{func() { p.Learn(Ahead, false) }, 0},
		{func() { p.Learn(Ahead, false) }, 1},
		{func() { p.Learn(Ahead, false) }, 0},
	} {
		m.writes = 0
		if step.do(); m.writes != step.writes {
			t.Errorf("step %d: %d writes, want %d", i, m.writes, step.writes)
		}
	}
	if got := m.lessons[key]; got.Seen.IsZero() {
		t.Error("no time is kept")
	}
}

// TestKey tells the paths apart by the network and the server.
func TestKey(t *testing.T) {
	for local, want := range map[string]string{
		"192.168.1.10":      "192.168.1.0/24",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"fe80::1%eth0":      "fe80::/64",
	} {
		p := New(Config{Server: "example:21+tls"})
		p.Connected(netip.MustParseAddr(local), server)
		if got := p.key(); got.Server != "example:21+tls" || got.Network.String() != want {
			t.Errorf("%s: %v", local, got)
		}
	}
	if got := New(Config{}).key(); got.Network.IsValid() {
		t.Errorf("no address: %v", got)
	}
}

// TestExpires tries again after a day what did not work.
func TestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(memory)
		p := open(Config{Memory: m})
		p.Learn(Flight, true)
		p.Learn(Queue, false)
		p.Recall()
		if p.Takes(Queue) != proto.No {
			t.Error("forgotten at once")
		}
		time.Sleep(25 * time.Hour)
		p.Recall()
		if p.Takes(Queue) != proto.Unknown || p.Takes(Flight) != proto.Yes {
			t.Errorf("after a day: queue %v, flight %v", p.Takes(Queue), p.Takes(Flight))
		}
	})
}

// TestTrust has the rules for addresses other than the server's.
func TestTrust(t *testing.T) {
	other := netip.MustParseAddr("198.51.100.5")
	trustOther := func(control, data netip.Addr) bool { return control == server && data == other }
	for _, tt := range []struct {
		addr         string
		cfg          Config
		accept, dial bool
	}{
		{"192.0.2.1", Config{}, true, true},
		{"198.51.100.5", Config{}, false, false},
		{"198.51.100.5", Config{Trust: trustOther}, true, true},
		{"198.51.100.6", Config{Trust: trustOther}, false, false},
		{"198.51.100.5", Config{Verified: true}, false, true},
		{"10.0.0.1", Config{Verified: true}, false, false},
		{"100.64.0.1", Config{Verified: true}, false, false},
		{"198.51.100.6", Config{Verified: true, Trust: trustOther}, false, false},
		{"127.0.0.1", Config{Trust: func(_, _ netip.Addr) bool { return true }}, false, false},
		{"224.0.0.1", Config{Trust: func(_, _ netip.Addr) bool { return true }}, false, false},
		{"0.0.0.0", Config{Trust: func(_, _ netip.Addr) bool { return true }}, false, false},
	} {
		p := open(tt.cfg)
		addr := netip.MustParseAddr(tt.addr)
		if a, d := p.MayAccept(addr), p.MayDial(addr); a != tt.accept || d != tt.dial {
			t.Errorf("%s, verified %v, trust %v: accept %v, dial %v", tt.addr, tt.cfg.Verified, tt.cfg.Trust != nil, a, d)
		}
	}
	if p := open(Config{}); p.MayAccept(netip.Addr{}) || p.MayDial(netip.Addr{}) {
		t.Error("no address may be used")
	}
}

// TestOverhear finds our own address in what the server says.
func TestOverhear(t *testing.T) {
	for _, tt := range []struct {
		text        string
		want        string
		found, news bool
	}{
		{"Connected to 203.0.113.7", "203.0.113.7", true, true},
		{"Connected to 192.168.1.10", "192.168.1.10", true, false},
		{"Connected to 10.1.2.3", "", false, false}, // on the server's side
		{"Connected to 192.0.2.1", "", false, false},
		{"Connected to 2001:db8::1", "", false, false},
		{"Welcome", "", false, false},
	} {
		p := open(Config{})
		r := proto.Reply{Code: 211, Lines: []string{tt.text}}
		found, news := p.Overhear(r)
		if found != tt.found || news != tt.news || found && p.Seen().String() != tt.want || p.Public() != p.Seen() {
			t.Errorf("%q: found %v, news %v, %v", tt.text, found, news, p.Seen())
		}
		if _, again := p.Overhear(r); again {
			t.Errorf("%q: news twice", tt.text)
		}
	}
	configured := netip.MustParseAddr("::ffff:203.0.113.9")
	p := open(Config{PublicAddr: configured})
	p.Overhear(proto.Reply{Code: 211, Lines: []string{"Connected to 203.0.113.7"}})
	if p.Public() != configured.Unmap() || p.Seen().String() != "203.0.113.7" {
		t.Errorf("public %v, seen %v", p.Public(), p.Seen())
	}
}

// TestProxy knows no address of the server's behind a proxy.
func TestProxy(t *testing.T) {
	p := open(Config{Proxy: true})
	if p.Peer().IsValid() || p.Local() != private {
		t.Errorf("peer %v, local %v", p.Peer(), p.Local())
	}
}
