package memnet

import (
	"context"
	"net/netip"
	"syscall"
	"time"
)

// synTimeouts are the times a kernel waits after each SYN before it sends the
// next, and after the last one before it gives up with ETIMEDOUT.
var synTimeouts = [...]time.Duration{
	1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
	16 * time.Second, 32 * time.Second, 64 * time.Second,
}

// attempt is one connection being opened.
type attempt struct {
	host          *Host
	local, remote netip.AddrPort
	sent          int // SYNs
	retry         *event
	reached       bool // a SYN got to where it is answered
	over          bool
	result        chan dialResult
	boxes         map[device]*sighting
	dice          *dice
}

type dialResult struct {
	conn *Conn
	err  error
}

// sighting is what a box has counted of a connection, so that a SYN that is
// sent again is not counted again.
type sighting struct {
	connection, dropped bool
	lost                int // SYNs that a Loss has dropped
}

func (a *attempt) seen(b device) *sighting {
	s := a.boxes[b]
	if s == nil {
		s = new(sighting)
		if a.boxes == nil {
			a.boxes = make(map[device]*sighting)
		}
		a.boxes[b] = s
	}
	return s
}

// dial connects to one address.
func (h *Host) dial(ctx context.Context, local, remote netip.AddrPort) (*Conn, error) {
	if remote.Addr().IsUnspecified() {
		self := netip.IPv6Loopback()
		if remote.Addr().Is4() {
			self = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		remote = netip.AddrPortFrom(self, remote.Port())
	}
	a := &attempt{host: h, remote: remote, result: make(chan dialResult, 1)}
	err := ctx.Err()
	if err == nil {
		err = a.start(local)
	}
	if err != nil {
		return nil, opError("dial", tcpAddr(local), tcpAddr(remote), err)
	}
	r := a.wait(ctx)
	if r.err != nil {
		return nil, opError("dial", tcpAddr(a.local), tcpAddr(remote), r.err)
	}
	return r.conn, nil
}

func (a *attempt) start(local netip.AddrPort) (err error) {
	n := a.host.net
	n.Lock()
	defer n.Unlock()
	if n.closed {
		return errNetworkClosed
	}
	if a.local, err = a.host.bind(local, a.remote); err != nil {
		return err
	}
	n.attempts[a] = struct{}{}
	if !a.host.owns(a.remote.Addr()) {
		a.dice = n.dice()
	}
	a.sendSYN()
	return nil
}

// wait returns the outcome. A connection that was made just as the context
// ended is returned: it is the caller's to use or close.
func (a *attempt) wait(ctx context.Context) dialResult {
	select {
	case r := <-a.result:
		return r
	case <-ctx.Done():
		n := a.host.net
		n.Lock()
		a.finish(nil, ctx.Err())
		n.Unlock()
		return <-a.result
	}
}

// finish ends the attempt, once. The lock is held.
func (a *attempt) finish(c *Conn, err error) {
	if a.over {
		return
	}
	a.over = true
	n := a.host.net
	n.cancel(a.retry)
	delete(n.attempts, a)
	if err != nil {
		a.host.release(a.local, a.remote)
	}
	a.result <- dialResult{c, err}
}

// sendSYN sends the SYN for the first time or once more.
func (a *attempt) sendSYN() {
	n := a.host.net
	if a.sent == len(synTimeouts) {
		a.finish(nil, syscall.ETIMEDOUT)
		return
	}
	a.retry = n.after(synTimeouts[a.sent], a.sendSYN)
	a.sent++
	if a.dice.losesSYN() {
		return
	}
	p := &syn{dial: a, src: a.local, dst: a.remote}
	if a.host.owns(p.dst.Addr()) {
		a.arrive(p, a.host, 0)
		return
	}
	if a.host.site.host(p.dst.Addr()) != nil {
		n.after(n.latency, func() { a.arrive(p, a.host.site.host(p.dst.Addr()), n.latency) })
		return
	}
	v, inside := a.host.site.leave(p)
	if v != Pass {
		a.answer(v, p, 0)
		return
	}
	p.arrived = true
	n.after(n.latency, func() {
		site := a.host.site
		if !inside {
			site = n.routes[p.dst.Addr()]
			if site == nil {
				return // nobody has this address: the Internet stays silent
			}
			if v := site.enter(p); v != Pass {
				a.answer(v, p, n.latency)
				return
			}
		}
		a.arrive(p, site.host(p.dst.Addr()), n.latency)
	})
}

// answer is what the dialer gets to know of a box's verdict, distance away from it.
func (a *attempt) answer(v Verdict, p *syn, distance time.Duration) {
	n := a.host.net
	switch v {
	case Refuse:
		n.after(distance, func() { a.finish(nil, syscall.ECONNREFUSED) })
	case Unreachable:
		n.after(distance, func() { a.finish(nil, syscall.EHOSTUNREACH) })
	case Absorb:
		if a.reached {
			return
		}
		a.reached = true
		f := &flow{net: n, latency: distance, hops: p.hops}
		n.after(distance, func() {
			if a.over {
				return
			}
			newConn(a.host, f, Server, p.dst, p.src).absorber = true
			a.established(f)
		})
	}
}

// arrive is the SYN at the host it was for, if there is one.
func (a *attempt) arrive(p *syn, to *Host, latency time.Duration) {
	if to == nil || a.reached || a.over {
		return
	}
	n := a.host.net
	l := to.listener(p.dst)
	switch {
	case l == nil:
		a.answer(Refuse, p, latency)
		return
	case !l.admit(p.dst, p.src):
		return // a full backlog, or a connection that still exists: the SYN is ignored
	}
	a.reached = true
	f := &flow{net: n, latency: latency, hops: p.hops, dice: a.dice}
	n.after(latency, func() {
		if a.over {
			l.forsake(p.dst, p.src)
			return
		}
		server := newConn(to, f, Server, p.dst, p.src)
		a.established(f)
		f.accept = n.after(latency+a.dice.lateAck(), func() { l.push(server) })
	})
}

// established is the end of the handshake at the client's side.
func (a *attempt) established(f *flow) {
	c := newConn(a.host, f, Client, a.local, a.remote)
	a.host.net.conns[c] = struct{}{}
	a.finish(c, nil)
}
