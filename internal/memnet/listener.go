package memnet

import (
	"context"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// backlog is how many connections a listener holds that nobody has accepted yet.
const backlog = 128

// A Listener accepts connections. It is a net.Listener with a deadline.
type Listener struct {
	net     *Network
	host    *Host
	keys    []netip.AddrPort // its places in the host's table
	addr    netip.AddrPort
	changed sync.Cond
	queue   []*Conn
	pending int // connections whose handshake is under way
	closed  bool
	by      deadline
}

// Listen listens on addr as net.ListenConfig.Listen does. An empty or unspecified
// host means all addresses, port 0 a free port; network is "tcp", "tcp4" or "tcp6".
func (h *Host) Listen(ctx context.Context, network, addr string) (net.Listener, error) {
	l, err := h.listen(ctx, network, addr)
	if err != nil {
		return nil, opError("listen", nil, nil, err)
	}
	return l, nil
}

func (h *Host) listen(ctx context.Context, network, addr string) (*Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	places, err := h.resolve(network, addr)
	if err != nil {
		return nil, err
	}
	if len(places) > 1 && !places[0].Addr().IsUnspecified() {
		places = places[:1]
	}
	h.net.Lock()
	defer h.net.Unlock()
	if h.net.closed {
		return nil, errNetworkClosed
	}
	for i, p := range places {
		if !p.Addr().IsUnspecified() && !h.owns(p.Addr()) {
			return nil, syscall.EADDRNOTAVAIL
		}
		if p.Port() == 0 {
			port, ok := h.ephemeral()
			if !ok {
				return nil, syscall.EADDRINUSE
			}
			for j := range places[i:] {
				places[i+j] = netip.AddrPortFrom(places[i+j].Addr(), port)
			}
		}
		if h.listeners[places[i]] != nil {
			return nil, syscall.EADDRINUSE
		}
	}
	return h.addListener(places), nil
}

func (h *Host) addListener(places []netip.AddrPort) *Listener {
	l := &Listener{net: h.net, host: h, keys: places, addr: places[0]}
	l.changed.L = &h.net.clock
	for _, p := range places {
		h.listeners[p] = l
	}
	h.ports[l.addr.Port()]++
	h.net.listeners[l] = struct{}{}
	return l
}

// listener returns who listens on addr, or nil.
func (h *Host) listener(addr netip.AddrPort) *Listener {
	if l := h.listeners[addr]; l != nil {
		return l
	}
	wildcard := netip.IPv6Unspecified()
	if addr.Addr().Is4() {
		wildcard = netip.IPv4Unspecified()
	}
	return h.listeners[netip.AddrPortFrom(wildcard, addr.Port())]
}

// admit takes a place for a connection whose SYN has arrived, if there is one.
func (l *Listener) admit(local, remote netip.AddrPort) bool {
	if l.pending+len(l.queue) >= backlog || !l.host.reserve(local, remote) {
		return false
	}
	l.pending++
	return true
}

// forsake gives back the place of a connection that the client gave up.
func (l *Listener) forsake(local, remote netip.AddrPort) {
	l.pending--
	l.host.release(local, remote)
}

// push is the end of the handshake at the server's side.
func (l *Listener) push(c *Conn) {
	l.pending--
	if l.closed {
		c.discard()
		c.reset()
		return
	}
	l.net.conns[c] = struct{}{}
	l.queue = append(l.queue, c)
	l.changed.Signal()
}

// Accept returns the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.accept()
	if err != nil {
		return nil, opError("accept", nil, l.Addr(), err)
	}
	return c, nil
}

func (l *Listener) accept() (*Conn, error) {
	l.net.Lock()
	defer l.net.Unlock()
	for {
		switch {
		case l.closed:
			return nil, net.ErrClosed
		case l.by.passed:
			return nil, os.ErrDeadlineExceeded
		case len(l.queue) > 0:
			c := l.queue[0]
			l.queue = l.queue[1:]
			return c, nil
		}
		l.changed.Wait()
	}
}

// SetDeadline sets the deadline of Accept.
func (l *Listener) SetDeadline(t time.Time) error {
	l.net.Lock()
	defer l.net.Unlock()
	if l.closed {
		return opError("set", nil, l.Addr(), net.ErrClosed)
	}
	l.by.set(l.net, t, l.changed.Broadcast)
	return nil
}

// Addr returns the address it listens on, a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return tcpAddr(l.addr) }

// Close stops listening; connections that nobody has accepted are reset.
func (l *Listener) Close() error {
	l.net.Lock()
	defer l.net.Unlock()
	if l.closed {
		return opError("close", nil, l.Addr(), net.ErrClosed)
	}
	l.shut()
	for _, c := range l.queue {
		c.discard()
		c.reset()
	}
	l.queue = nil
	return nil
}

// shut frees what the listener holds on its host.
func (l *Listener) shut() {
	l.closed = true
	l.by.clear(l.net)
	for _, k := range l.keys {
		delete(l.host.listeners, k)
	}
	l.host.freePort(l.addr.Port())
	delete(l.net.listeners, l)
	l.changed.Broadcast()
}
