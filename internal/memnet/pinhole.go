package memnet

import (
	"net/netip"
	"time"
)

// pinholeLife is how long an expected data connection is waited for, as the
// kernel's FTP helper does.
const pinholeLife = 5 * time.Minute

// pinhole lets in one connection that a control connection has announced.
type pinhole struct {
	from           netip.Addr // any port of it
	public, inside netip.AddrPort
	until          time.Duration
	used           *attempt
}

// pinholes are the expected connections by where they go to.
type pinholes map[netip.AddrPort]*pinhole

// open makes p the one pinhole of a control connection.
func (ps pinholes) open(owner *helper, p *pinhole) {
	ps.close(owner)
	owner.pinhole = p
	ps[p.public] = p
}

// close removes the pinhole of a control connection.
func (ps pinholes) close(owner *helper) {
	if p := owner.pinhole; p != nil {
		if ps[p.public] == p {
			delete(ps, p.public)
		}
		owner.pinhole = nil
	}
}

// match returns the pinhole for a new connection, or nil. It serves one
// connection, however often that one's SYN is sent.
func (ps pinholes) match(p *syn, now time.Duration) *pinhole {
	hole := ps[p.dst]
	switch {
	case hole == nil || hole.from != p.src.Addr():
		return nil
	case now > hole.until:
		return nil
	case hole.used != nil && hole.used != p.dial:
		return nil
	}
	hole.used = p.dial
	return hole
}
