package memnet

import (
	"net/netip"
	"time"
)

// A Dependence is on what a NAT's mapping or filtering depends, in the words of RFC 4787.
type Dependence uint8

const (
	EndpointIndependent     Dependence = iota // on the inside address and port alone
	AddressDependent                          // on the outside address too
	AddressAndPortDependent                   // on the outside address and port too
)

func (d Dependence) String() string {
	return [...]string{"endpoint-independent", "address-dependent", "address-and-port-dependent"}[d]
}

// remote returns the part of an outside endpoint that matters.
func (d Dependence) remote(a netip.AddrPort) netip.AddrPort {
	switch d {
	case EndpointIndependent:
		return netip.AddrPort{}
	case AddressDependent:
		return netip.AddrPortFrom(a.Addr(), 0)
	default:
		return a
	}
}

// A Forward sends connections to public ports to a host inside, and gives that host's
// own connections from these ports the same public ports.
type Forward struct {
	Ports  PortRange  // public ports; AllPorts makes the NAT one to one
	To     netip.Addr // the host inside
	ToPort uint16     // the inside port of the first public port; zero means the same port
}

// NAT translates between the addresses of a site and one public address, in the words of
// RFC 4787 and RFC 5382. Addresses of the other family pass it untouched. The zero values
// make the most open NAT; Masquerade returns the usual one.
type NAT struct {
	Public       netip.Addr
	Mapping      Dependence // when a new connection gets the public port of an earlier one
	Filtering    Dependence // whose new connections to a mapped port are let in
	PreservePort bool       // give a connection its inside port as public port if it is free
	Hairpin      bool       // let inside hosts reach each other through the public address
	Forwards     []Forward

	// IdleTimeout is how long a mapping and a connection are remembered after their
	// last segment; zero means for ever. Afterwards segments are lost silently or,
	// with IdleReset, reset.
	IdleTimeout time.Duration
	IdleReset   bool

	// RejectUnsolicited refuses new connections from outside that nothing lets in; they
	// are dropped otherwise.
	RejectUnsolicited bool

	// FTPHelper rewrites what it reads on control connections, see the package documentation.
	FTPHelper   bool
	ControlPort uint16 // of the connections the helper reads; zero means 21
}

// Masquerade returns a NAT as home routers and Linux have it: mapping and filtering
// depend on the outside address and port, and inside ports are kept where they are free.
func Masquerade(public netip.Addr) NAT {
	return NAT{
		Public: public, PreservePort: true,
		Mapping: AddressAndPortDependent, Filtering: AddressAndPortDependent,
	}
}

const (
	firstMappedPort = 1024
	mappedPorts     = 65536 - firstMappedPort

	// reuseAfter is the idle time after which a mapping yields its port when there is no other: the
	// transitory timeout of RFC 5382.
	reuseAfter = 4 * time.Minute
)

// natDevice is an installed NAT.
type natDevice struct {
	base
	NAT
	net      *Network
	mappings map[mappingKey]*mapping
	byPort   map[uint16]*mapping
	next     int // where the search for a free port goes on
	pinholes pinholes
}

// mappingKey is what a mapping depends on; remote is zero where it does not matter.
type mappingKey struct{ inside, remote netip.AddrPort }

// mapping is a public port and whom it serves.
type mapping struct {
	key       mappingKey
	port      uint16
	permitted map[netip.AddrPort]struct{} // filtering: who has been contacted
	last      time.Duration
}

func (b NAT) install(n *Network) device {
	return &natDevice{
		NAT: b, net: n,
		mappings: make(map[mappingKey]*mapping),
		byPort:   make(map[uint16]*mapping),
		pinholes: make(pinholes),
	}
}

func (d *natDevice) open(p *syn, dir Direction) (Verdict, filter) {
	switch {
	case p.dst.Addr().Is4() != d.Public.Is4():
		return Pass, nil
	case dir == Outbound:
		return d.outbound(p)
	case p.dst.Addr() == d.Public:
		return d.inbound(p)
	}
	return Pass, nil
}

// outbound translates the source of a connection from inside.
func (d *natDevice) outbound(p *syn) (Verdict, filter) {
	if p.dst.Addr() == d.Public && !d.Hairpin {
		return Drop, nil
	}
	f := &natFlow{nat: d, inside: p.src, peer: p.dst, last: d.net.now()}
	if port, ok := d.forwardedFrom(p.src); ok {
		f.public = netip.AddrPortFrom(d.Public, port)
	} else if f.mapping = d.mapped(p.src, p.dst); f.mapping != nil {
		f.public = netip.AddrPortFrom(d.Public, f.mapping.port)
	} else {
		return Drop, nil // no port is left
	}
	p.src = f.public
	f.watch(d, p, Client)
	return Pass, f
}

// inbound translates the destination of a connection from outside.
func (d *natDevice) inbound(p *syn) (Verdict, filter) {
	f := &natFlow{nat: d, public: p.dst, peer: p.src, last: d.net.now()}
	if hole := d.pinholes.match(p, d.net.now()); hole != nil {
		f.inside = hole.inside
	} else if to, ok := d.forwardedTo(p.dst.Port()); ok {
		f.inside = to
	} else if m := d.byPort[p.dst.Port()]; m != nil && d.fresh(m) && d.admits(m, p.src) {
		f.inside, f.mapping = m.key.inside, m
		m.last = d.net.now()
	} else if d.RejectUnsolicited {
		return Refuse, nil
	} else {
		return Drop, nil
	}
	f.watch(d, p, Server)
	p.dst = f.inside
	return Pass, f
}

// forwardedFrom returns the public port that a forward gives to an inside endpoint.
func (d *natDevice) forwardedFrom(inside netip.AddrPort) (uint16, bool) {
	for _, f := range d.Forwards {
		if f.To != inside.Addr() {
			continue
		}
		public := int(inside.Port()) - f.shift()
		if public > 0 && public <= 65535 && f.Ports.contains(uint16(public)) {
			return uint16(public), true
		}
	}
	return 0, false
}

// forwardedTo returns the inside endpoint to which a public port is forwarded.
func (d *natDevice) forwardedTo(port uint16) (netip.AddrPort, bool) {
	for _, f := range d.Forwards {
		if f.Ports.contains(port) {
			return netip.AddrPortFrom(f.To, uint16(int(port)+f.shift())), true
		}
	}
	return netip.AddrPort{}, false
}

// shift is what turns a public port into the inside port.
func (f Forward) shift() int {
	if f.ToPort == 0 {
		return 0
	}
	return int(f.ToPort) - int(f.Ports.First)
}

// mapped returns the mapping for a connection from inside to remote, a new one
// if there is none, or nil if no public port is free.
func (d *natDevice) mapped(inside, remote netip.AddrPort) *mapping {
	key := mappingKey{inside, d.Mapping.remote(remote)}
	m := d.mappings[key]
	if m == nil || !d.fresh(m) {
		d.remove(m)
		port, ok := d.freePort(inside.Port())
		if !ok {
			return nil
		}
		m = &mapping{key: key, port: port, permitted: make(map[netip.AddrPort]struct{})}
		d.mappings[key] = m
		d.byPort[port] = m
	}
	m.permitted[d.Filtering.remote(remote)] = struct{}{}
	m.last = d.net.now()
	return m
}

func (d *natDevice) remove(m *mapping) {
	if m != nil {
		delete(d.mappings, m.key)
		delete(d.byPort, m.port)
	}
}

// fresh reports whether m is still remembered.
func (d *natDevice) fresh(m *mapping) bool {
	return d.IdleTimeout == 0 || d.net.now()-m.last <= d.IdleTimeout
}

// admits is the filtering behaviour.
func (d *natDevice) admits(m *mapping, from netip.AddrPort) bool {
	_, ok := m.permitted[d.Filtering.remote(from)]
	return ok
}

// freePort returns a public port for an inside port.
func (d *natDevice) freePort(inside uint16) (uint16, bool) {
	if d.PreservePort && d.free(inside) {
		return inside, true
	}
	for range mappedPorts {
		port := uint16(firstMappedPort + d.next%mappedPorts)
		d.next++
		if d.free(port) {
			return port, true
		}
		if m := d.byPort[port]; m != nil && d.net.now()-m.last > reuseAfter {
			d.remove(m)
			return port, true
		}
	}
	return 0, false
}

// free reports whether nothing uses a public port. A mapping that has been
// forgotten is removed.
func (d *natDevice) free(port uint16) bool {
	if _, forwarded := d.forwardedTo(port); forwarded {
		return false
	}
	if _, pinhole := d.pinholes[netip.AddrPortFrom(d.Public, port)]; pinhole {
		return false
	}
	m := d.byPort[port]
	if m != nil && !d.fresh(m) {
		d.remove(m)
		m = nil
	}
	return m == nil
}
