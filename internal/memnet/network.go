package memnet

import (
	"fmt"
	"net/netip"
	"time"
)

// Config describes a network. The zero value is a network without delay.
type Config struct {
	// Latency is the time a segment takes from one host to another, one way.
	// A round trip takes twice as long. A host reaches itself at once.
	Latency time.Duration
	// Lossy loses packets; its zero value loses none.
	Lossy Lossy
}

// A Network is an in-process internet: sites joined by a public segment that
// routes by address. All its methods, and those of what it contains, may be
// called by several goroutines at once.
type Network struct {
	clock
	latency   time.Duration
	lossy     Lossy
	dialled   uint64 // connections that may lose packets
	public    *Site
	routes    map[netip.Addr]*Site // where the public segment sends an address
	names     map[string][]netip.Addr
	conns     map[*Conn]struct{}
	listeners map[*Listener]struct{}
	attempts  map[*attempt]struct{}
	closed    bool
}

// New returns a network. In a testing/synctest bubble it must be made inside
// the bubble, and Close must be called before the bubble ends.
func New(config Config) *Network {
	n := &Network{
		latency:   config.Latency,
		lossy:     config.Lossy,
		routes:    make(map[netip.Addr]*Site),
		names:     make(map[string][]netip.Addr),
		conns:     make(map[*Conn]struct{}),
		listeners: make(map[*Listener]struct{}),
		attempts:  make(map[*attempt]struct{}),
	}
	n.public = &Site{net: n}
	n.init()
	go n.run()
	return n
}

// Close ends the network: every listener and connection is closed, blocked
// calls return net.ErrClosed, and the network's goroutine has ended when Close returns.
func (n *Network) Close() error {
	n.Lock()
	if !n.closed {
		n.closed = true
		for a := range n.attempts {
			a.finish(nil, errNetworkClosed)
		}
		for l := range n.listeners {
			l.shut()
		}
		for c := range n.conns {
			c.discard()
		}
		close(n.quit)
	}
	n.Unlock()
	<-n.done
	return nil
}

// Host adds a host to the public segment. Its name resolves to its addresses.
func (n *Network) Host(name string, addrs ...netip.Addr) *Host {
	return n.public.Host(name, addrs...)
}

// Site adds a site: hosts of one segment that reach the rest of the network
// through boxes, listed from the inside to the outside.
func (n *Network) Site(boxes ...Box) *Site {
	n.Lock()
	defer n.Unlock()
	s := &Site{net: n}
	for _, b := range boxes {
		s.boxes = append(s.boxes, b.install(n))
	}
	for _, public := range s.natAddrs() {
		n.route(public, s)
	}
	return s
}

// Name makes name resolve to addrs, in this order, in place of what it resolved to.
func (n *Network) Name(name string, addrs ...netip.Addr) {
	n.Lock()
	defer n.Unlock()
	n.names[name] = addrs
}

// Lookup returns the addresses of name, or nothing if nobody has that name.
func (n *Network) Lookup(name string) []netip.Addr {
	n.Lock()
	defer n.Unlock()
	return n.names[name]
}

// route makes addr lead to s. Two owners of one public address are a mistake
// in the caller's topology that no test could make sense of.
func (n *Network) route(addr netip.Addr, s *Site) {
	if n.routes[addr] != nil {
		panic(fmt.Sprintf("memnet: %v has two owners", addr))
	}
	n.routes[addr] = s
}
