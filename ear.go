package ftpnat

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
)

// ear is a port that waits for the server's data connection.
type ear struct {
	ln       net.Listener
	addr     netip.AddrPort
	arrivals chan net.Conn // the first connection from a trusted address
	stop     chan struct{}
	wg       sync.WaitGroup

	mu         sync.Mutex
	turnedAway []netip.AddrPort // at most maxStrangers
}

// maxStrangers is how many of those that were turned away are told of.
const maxStrangers = 8

// listen opens a port at our end of the control connection.
func (l *link) listen(ctx context.Context) (*ear, error) {
	ln, err := l.listenIn(ctx, l.cfg.Dialer.ListenPorts)
	if err != nil {
		return nil, err
	}
	addr := addrOf(ln.Addr())
	if !addr.IsValid() {
		ln.Close()
		return nil, fmt.Errorf("the address %v of the listener is not one of TCP", ln.Addr())
	}
	if addr.Addr().IsUnspecified() {
		addr = netip.AddrPortFrom(l.local, addr.Port())
	}
	e := &ear{ln: ln, addr: addr, arrivals: make(chan net.Conn), stop: make(chan struct{})}
	e.wg.Go(func() { e.accept(l.trusts) })
	return e, nil
}

// listenIn opens a port of the range: which one is left to chance, so that
// transfers side by side seldom meet and a stranger cannot wait for the next.
func (l *link) listenIn(ctx context.Context, ports [2]uint16) (net.Listener, error) {
	network := "tcp6"
	if l.local.Is4() {
		network = "tcp4"
	}
	open := func(port int) (net.Listener, error) {
		return l.cfg.listen(ctx, network, net.JoinHostPort(l.local.String(), strconv.Itoa(port)))
	}
	if ports == [2]uint16{} {
		return open(0)
	}
	var err error
	for port := range l.order(int(ports[0]), int(ports[1])) {
		var ln net.Listener
		if ln, err = open(port); err == nil {
			l.lately = append(l.lately, port)
			return ln, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("no port of %d-%d could be opened: %w", ports[0], ports[1], err)
}

// maxLately bounds how many ports are remembered as used lately.
const maxLately = 64

// order returns the ports of a range in the order in which they are to be
// tried: those used lately last. The server comes from one and the same port,
// so that it cannot connect to a port again while it still tries to, or holds
// the last connection in TIME_WAIT.
func (l *link) order(lo, hi int) iter.Seq[int] {
	n := hi - lo + 1
	l.lately = l.lately[max(len(l.lately)-min(n/2, maxLately), 0):]
	lately := slices.Clone(l.lately)
	first := rand.IntN(n)
	return func(yield func(int) bool) {
		for i := range n {
			if port := lo + (first+i)%n; !slices.Contains(lately, port) && !yield(port) {
				return
			}
		}
		for _, port := range lately {
			if !yield(port) {
				return
			}
		}
	}
}

// accept hands over the first connection from an address that may be the
// server's, and turns others away.
func (e *ear) accept(trusts func(netip.Addr) bool) {
	for {
		nc, err := e.ln.Accept()
		if err != nil {
			return
		}
		if from := addrOf(nc.RemoteAddr()); !trusts(from.Addr()) {
			nc.Close()
			e.mu.Lock()
			if len(e.turnedAway) < maxStrangers {
				e.turnedAway = append(e.turnedAway, from)
			}
			e.mu.Unlock()
			continue
		}
		select {
		case e.arrivals <- nc:
		case <-e.stop:
			nc.Close()
		}
		return
	}
}

// strangers returns who was turned away.
func (e *ear) strangers() []netip.AddrPort {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.turnedAway
}

// close closes the port and waits until nothing is accepted any more.
func (e *ear) close() {
	close(e.stop)
	e.ln.Close()
	e.wg.Wait()
}
