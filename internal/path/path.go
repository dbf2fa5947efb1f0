// Package path keeps what is known of the way from here to a server: which data
// connections have worked, what may be sent early, which addresses are trusted.
// It does no I/O.
package path

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/hostport"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Config is what the caller has settled of the way. It is not changed.
type Config struct {
	Server   string       // of the memory's key: host:port, and "+tls" if that is in use
	Modes    []proto.Mode // allowed, in this order; nil for all
	Proxy    bool         // nobody can connect to us
	Verified bool         // the server proves itself on every data connection
	Mapped   bool         // a port of the NAT can be mapped
	// PublicAddr is the address to be advertised; invalid if there is none.
	PublicAddr netip.Addr
	// Trust reports whether a data connection may have another address than
	// the control connection. Nil trusts none.
	Trust  func(control, data netip.Addr) bool
	Memory proto.Memory
}

// Path is what one session knows of its way. It is for one goroutine at a time.
type Path struct {
	cfg    Config
	local  netip.Addr // our end of the last control connection
	peer   netip.Addr // its other end; invalid behind a proxy
	lesson proto.Lesson

	misses  int           // of Ahead, in a row
	slowest time.Duration // plain answer

	steps   []plan.Step // planned
	planned plan.Input  // for this
}

// New returns a path of which nothing is known yet.
func New(cfg Config) *Path { return &Path{cfg: cfg} }

// Connected records the ends of a new control connection.
func (p *Path) Connected(local, peer netip.Addr) {
	p.local, p.peer = local, peer
	if p.cfg.Proxy {
		p.peer = netip.Addr{}
	}
}

// Local returns our address on the control connection.
func (p *Path) Local() netip.Addr { return p.local }

// Peer returns the server's address on the control connection; invalid if a
// proxy is in between.
func (p *Path) Peer() netip.Addr { return p.peer }

// Lesson returns what is known, for a report.
func (p *Path) Lesson() proto.Lesson {
	lesson := p.lesson
	lesson.Avoid = slices.Clone(lesson.Avoid)
	return lesson
}

// key returns what the memory keeps the path by.
func (p *Path) key() proto.Key {
	key := proto.Key{Server: p.cfg.Server}
	bits := 24
	if p.local.Is6() {
		bits = 64
	}
	if prefix, err := p.local.WithZone("").Prefix(bits); err == nil {
		key.Network = prefix
	}
	return key
}

// Recall reads the memory, in which another session may have left something
// meanwhile. It is called before what is known is used for something new.
func (p *Path) Recall() {
	lesson, ok := p.cfg.Memory.Recall(p.key())
	lesson.Avoid = slices.Clone(lesson.Avoid) // the memory's may be another session's too
	lesson.Expire()
	if !ok {
		// What is avoided and the public address are this session's own too.
		p.lesson.Mode, p.lesson.Source = 0, ""
		return
	}
	for _, m := range p.lesson.Avoid {
		if m != lesson.Mode && !slices.Contains(lesson.Avoid, m) {
			lesson.Avoid = append(lesson.Avoid, m)
		}
	}
	if !lesson.Public.IsValid() {
		lesson.Public = p.lesson.Public
	}
	p.lesson = lesson
}

// keep writes the memory.
func (p *Path) keep() {
	p.lesson.Seen = time.Now()
	p.cfg.Memory.Learn(p.key(), p.Lesson())
}

// Proven returns the step that worked last time; zero if none did.
func (p *Path) Proven() plan.Step {
	source := plan.SourceOf(p.lesson.Source)
	if source == 0 {
		return plan.Step{}
	}
	return plan.Step{Mode: p.lesson.Mode, Source: source}
}

// Avoids reports whether a mode is not to be tried first.
func (p *Path) Avoids(m proto.Mode) bool { return slices.Contains(p.lesson.Avoid, m) }

// Worked records a step that opened a data connection.
func (p *Path) Worked(s plan.Step) {
	if p.Proven() == s {
		return
	}
	p.lesson.Mode, p.lesson.Source = s.Mode, s.Source.String()
	p.lesson.Avoid = slices.DeleteFunc(p.lesson.Avoid, func(m proto.Mode) bool { return m == s.Mode })
	p.keep()
}

// Failed records that a step did not work. A mode that was refused, or cost the
// control connection, is avoided from now on.
func (p *Path) Failed(s plan.Step, cause proto.Cause) {
	p.unlearn(s, cause.Lethal() || cause == proto.Refused)
}

// FailedProbe is Failed for a step that was tried alone: of those, only what cost
// the control connection is avoided.
func (p *Path) FailedProbe(s plan.Step, cause proto.Cause) { p.unlearn(s, cause.Lethal()) }

// unlearn forgets that a step worked, and avoids its mode if told to.
func (p *Path) unlearn(s plan.Step, avoid bool) {
	changed := p.lesson.Mode != 0 && p.Proven() == s
	if changed {
		p.lesson.Mode, p.lesson.Source = 0, ""
	}
	if avoid && !p.Avoids(s.Mode) {
		p.lesson.Avoid = append(p.lesson.Avoid, s.Mode)
		changed = true
	}
	if changed {
		p.keep()
	}
}

// input returns what is known, for the plan.
func (p *Path) input(sealed bool) plan.Input {
	return plan.Input{
		Modes:     p.cfg.Modes,
		Local:     p.local,
		Server:    p.peer,
		TLS:       sealed,
		Proxy:     p.cfg.Proxy || !p.local.IsValid() || !p.peer.IsValid(),
		Trust:     p.cfg.Trust != nil || p.cfg.Verified,
		HasPublic: p.cfg.PublicAddr.IsValid() || p.cfg.Mapped,
		Proven:    p.Proven(),
		Avoid:     p.lesson.Avoid,
	}
}

// Steps returns the steps of a transfer, the first to be tried first. No box on
// the way can read the commands if they are sealed. The steps must not be
// changed.
func (p *Path) Steps(sealed bool) []plan.Step {
	if in := p.input(sealed); p.steps == nil || !in.Equal(p.planned) {
		in.Avoid = slices.Clone(in.Avoid)
		p.planned, p.steps = in, plan.Make(in)
	}
	return p.steps
}

// AllSteps returns the steps in the order of the settings alone, for a probe.
func (p *Path) AllSteps(sealed bool) []plan.Step {
	in := p.input(sealed)
	in.Proven, in.Avoid = plan.Step{}, nil
	return plan.Make(in)
}

// MayAccept reports whether a data connection may come from addr.
func (p *Path) MayAccept(addr netip.Addr) bool {
	switch {
	case !addr.IsValid():
		return false
	case addr == p.peer:
		return true
	case addr.IsLoopback(), addr.IsMulticast(), addr.IsUnspecified():
		return false
	}
	return p.cfg.Trust != nil && p.cfg.Trust(p.peer, addr)
}

// MayDial reports whether a data connection may be opened to addr. A server that
// proves itself may name any public address; one that comes in has to be
// trusted all the same, because a stranger could take the server's place before
// TLS shows it.
func (p *Path) MayDial(addr netip.Addr) bool {
	if p.MayAccept(addr) {
		return true
	}
	return p.cfg.Trust == nil && p.cfg.Verified && plan.Global(addr)
}

// Public returns the address to be advertised if the local one will not do: the
// one in the settings, or the one under which the server sees us. It is invalid
// if neither is known.
func (p *Path) Public() netip.Addr {
	if a := p.cfg.PublicAddr; a.IsValid() {
		return a.Unmap()
	}
	return p.lesson.Public
}

// Seen returns the address under which the server sees us; invalid if it never
// said so.
func (p *Path) Seen() netip.Addr { return p.lesson.Public }

// Overhear looks in a reply for the address under which the server sees us. It
// reports whether there is one, and whether it tells of a NAT that was not known
// before.
func (p *Path) Overhear(r proto.Reply) (found, news bool) {
	// The local address is looked for too: if the server names it there is no
	// NAT, and that is worth knowing.
	addr, ok := hostport.FindAddr(r.Text(), p.peer)
	if !ok || addr.Is4() != p.local.Is4() || plan.Private(addr) && addr != p.local && plan.Global(p.peer) {
		// A private address that is not ours is one on the server's side.
		return false, false
	}
	news = p.lesson.Public != addr && addr != p.local
	p.lesson.Public = addr
	return true, news
}
