package data

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

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Listener is a port that waits for the server's data connection.
type Listener struct {
	ln       net.Listener
	addr     netip.AddrPort
	arrivals chan net.Conn
	stop     chan struct{}
	wg       sync.WaitGroup

	mu        sync.Mutex
	strangers []netip.AddrPort // at most maxStrangers
}

// maxStrangers is how many of the refused peers are reported.
const maxStrangers = 8

// ListenFunc opens a port, as [net.ListenConfig.Listen] does.
type ListenFunc func(ctx context.Context, network, address string) (net.Listener, error)

// Listen opens a port at a local address, that of our end of the control
// connection, and accepts connections whose other end trusts reports true for.
func Listen(ctx context.Context, open ListenFunc, local netip.Addr, ports *Ports, trusts func(netip.Addr) bool) (*Listener, error) {
	ln, err := ports.listen(ctx, open, local)
	if err != nil {
		return nil, err
	}
	addr := proto.AddrOf(ln.Addr())
	if !addr.IsValid() {
		ln.Close()
		return nil, fmt.Errorf("the address %v of the listener is not one of TCP", ln.Addr())
	}
	if addr.Addr().IsUnspecified() {
		addr = netip.AddrPortFrom(local, addr.Port())
	}
	l := &Listener{ln: ln, addr: addr, arrivals: make(chan net.Conn), stop: make(chan struct{})}
	l.wg.Go(func() { l.accept(trusts) })
	return l, nil
}

// Addr returns the address and the port.
func (l *Listener) Addr() netip.AddrPort { return l.addr }

// Arrivals returns the channel that delivers the first connection from a trusted
// address. It is the receiver's to close.
func (l *Listener) Arrivals() <-chan net.Conn { return l.arrivals }

// Strangers returns the first few peers whose connections were refused.
func (l *Listener) Strangers() []netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.strangers)
}

// accept hands over the first connection from a trusted address and refuses
// others.
func (l *Listener) accept(trusts func(netip.Addr) bool) {
	for {
		nc, err := l.ln.Accept()
		if err != nil {
			return
		}
		if from := proto.AddrOf(nc.RemoteAddr()); !trusts(from.Addr()) {
			nc.Close()
			l.mu.Lock()
			if len(l.strangers) < maxStrangers {
				l.strangers = append(l.strangers, from)
			}
			l.mu.Unlock()
			continue
		}
		select {
		case l.arrivals <- nc:
		case <-l.stop:
			nc.Close()
		}
		return
	}
}

// Close closes the port and waits until nothing is accepted any more.
func (l *Listener) Close() {
	close(l.stop)
	l.ln.Close()
	l.wg.Wait()
}

// Ports are the ports that a session listens on. The zero value leaves the choice
// to the system.
type Ports struct {
	First, Last uint16 // the range; zero for any
	lately      []int  // that were opened, the last one last
}

// maxLately bounds how many ports are remembered as used lately.
const maxLately = 64

// listen opens a port of the range. Which one is left to chance, so that
// transfers side by side seldom meet and a stranger cannot wait for the next.
func (p *Ports) listen(ctx context.Context, open ListenFunc, local netip.Addr) (net.Listener, error) {
	network := "tcp6"
	if local.Is4() {
		network = "tcp4"
	}
	try := func(port int) (net.Listener, error) {
		return open(ctx, network, net.JoinHostPort(local.String(), strconv.Itoa(port)))
	}
	if p.First == 0 && p.Last == 0 {
		return try(0)
	}
	var err error
	for port := range p.order() {
		var ln net.Listener
		if ln, err = try(port); err == nil {
			p.lately = append(p.lately, port)
			return ln, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("no port of %d-%d could be opened: %w", p.First, p.Last, err)
}

// order returns the ports of the range in the order in which they are to be
// tried: those used lately last. The server comes from one and the same port, so
// that it cannot connect to a port again while it still tries to, or holds the
// last connection in TIME_WAIT.
func (p *Ports) order() iter.Seq[int] {
	lo, n := int(p.First), int(p.Last)-int(p.First)+1
	p.lately = p.lately[max(len(p.lately)-min(n/2, maxLately), 0):]
	lately := slices.Clone(p.lately)
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
