package memnet

import (
	"bytes"
	"net/netip"
	"time"
)

// natFlow is one connection that a NAT translates.
type natFlow struct {
	nat                  *natDevice
	mapping              *mapping // nil where a forward or a pinhole leads
	inside, public, peer netip.AddrPort
	last                 time.Duration
	helper               *helper
}

// watch puts the FTP helper on a control connection whose inside end is the given one.
func (f *natFlow) watch(d *natDevice, p *syn, inside End) {
	if d.FTPHelper && p.dst.Port() == controlPort(d.ControlPort) {
		f.helper = &helper{inside: inside}
	}
}

// forgotten reports whether the connection was idle for too long.
func (f *natFlow) forgotten(now time.Duration) bool {
	return f.nat.IdleTimeout > 0 && now-f.last > f.nat.IdleTimeout
}

// used notes that the connection is in use.
func (f *natFlow) used(now time.Duration) {
	f.last = now
	if f.mapping != nil {
		f.mapping.last = now
	}
}

// refresh implements refreshed.
func (f *natFlow) refresh() {
	if now := f.nat.net.now(); !f.forgotten(now) {
		f.used(now)
	}
}

func (f *natFlow) segment(from End, s *segment) Action {
	now := f.nat.net.now()
	if f.forgotten(now) {
		if f.nat.IdleReset && s.kind != rst {
			return rejectForgotten
		}
		return forget
	}
	f.used(now)
	if f.helper == nil {
		return Relay
	}
	if s.kind == fin || s.kind == rst {
		f.nat.pinholes.close(f.helper)
	}
	return f.help(from, s, now)
}

// help lets the helper read a segment, and translates what an inside end
// advertises as its own.
func (f *natFlow) help(from End, s *segment, now time.Duration) Action {
	own := f.peer.Addr()
	if from == f.helper.inside {
		own = f.inside.Addr()
	}
	ad, outcome := f.helper.read(from, s, own)
	switch {
	case outcome == unreadable:
		return Swallow
	case outcome == nothing || from != f.helper.inside || ad.endpoint.Addr() != own:
		return Relay
	}
	public, ok := f.pinhole(ad.endpoint, now)
	if !ok {
		return Swallow
	}
	if changed := ad.replace(s.data, public); !bytes.Equal(changed, s.data) {
		s.data = changed
		f.nat.counters.Rewrites++
	}
	return Relay
}

// pinhole lets the peer connect once to inside, at the same public port if it is
// free and at the next free one otherwise.
func (f *natFlow) pinhole(inside netip.AddrPort, now time.Duration) (netip.AddrPort, bool) {
	f.nat.pinholes.close(f.helper)
	for port := int(inside.Port()); port <= 65535; port++ {
		public := netip.AddrPortFrom(f.nat.Public, uint16(port))
		forwarded, ok := f.nat.forwardedTo(uint16(port))
		if ok && forwarded != inside || !ok && !f.nat.free(uint16(port)) {
			continue
		}
		f.nat.pinholes.open(f.helper, &pinhole{from: f.peer.Addr(), public: public, inside: inside, until: now + pinholeLife})
		f.nat.counters.Pinholes++
		return public, true
	}
	return netip.AddrPort{}, false
}
