package memnet

import "net/netip"

// Firewall judges new connections by the first of its rules that matches; one
// that none matches passes. What has been let through stays so.
type Firewall struct {
	Rules []Rule

	// FTPHelper lets through the data connections that control connections
	// announce, whatever the rules say, see the package documentation.
	FTPHelper   bool
	LastCommand bool   // the helper is like ftp-proxy(8), see there too
	ControlPort uint16 // of the connections the helper reads; zero means 21
}

// A Rule is one rule of a firewall.
type Rule struct {
	Direction Direction
	Ports     PortRange    // of the destination; the zero value means any
	From, To  netip.Prefix // of the source and the destination, the zero value means any
	Do        Verdict
}

// InboundOnly returns a firewall that lets connections to the given ports in and does what
// otherwise says to all others from outside.
func InboundOnly(otherwise Verdict, ports ...PortRange) Firewall {
	var f Firewall
	for _, p := range ports {
		f.Rules = append(f.Rules, Rule{Direction: Inbound, Ports: p})
	}
	f.Rules = append(f.Rules, Rule{Direction: Inbound, Do: otherwise})
	return f
}

func (r Rule) matches(p *syn, d Direction) bool {
	return r.Direction == d && r.Ports.contains(p.dst.Port()) &&
		(!r.From.IsValid() || r.From.Contains(p.src.Addr())) &&
		(!r.To.IsValid() || r.To.Contains(p.dst.Addr()))
}

type firewallDevice struct {
	base
	Firewall
	net      *Network
	pinholes pinholes
}

func (b Firewall) install(n *Network) device {
	return &firewallDevice{Firewall: b, net: n, pinholes: make(pinholes)}
}

func (d *firewallDevice) open(p *syn, dir Direction) (Verdict, filter) {
	v := d.verdict(p, dir)
	if v == Pass && d.FTPHelper && p.dst.Port() == controlPort(d.ControlPort) {
		return Pass, &firewallFlow{firewall: d, addrs: [2]netip.Addr{Client: p.src.Addr(), Server: p.dst.Addr()}}
	}
	return v, nil
}

func (d *firewallDevice) verdict(p *syn, dir Direction) Verdict {
	if d.pinholes.match(p, d.net.now()) != nil {
		return Pass
	}
	for _, r := range d.Rules {
		if r.matches(p, dir) {
			return r.Do
		}
	}
	return Pass
}

// firewallFlow is a control connection that the firewall's helper reads.
type firewallFlow struct {
	firewall *firewallDevice
	addrs    [2]netip.Addr
	helper   helper
	tracker  tracker
}

func (f *firewallFlow) segment(from End, s *segment) Action {
	d := f.firewall
	if s.kind == fin || s.kind == rst {
		d.pinholes.close(&f.helper)
	}
	if d.LastCommand && s.kind == data {
		for _, ad := range f.tracker.read(f, from, s.data) {
			f.expect(ad)
		}
		return Relay
	}
	ad, outcome := f.helper.read(from, s, f.addrs[from])
	switch {
	case outcome == unreadable:
		return Swallow
	case outcome == found && ad.endpoint.Addr() == f.addrs[from]:
		f.expect(ad)
	}
	return Relay
}

// expect lets a connection through that one end has announced to the other.
func (f *firewallFlow) expect(ad advert) {
	d := f.firewall
	from := f.addrs[Server]
	if ad.endpoint.Addr() == from {
		from = f.addrs[Client]
	}
	d.pinholes.open(&f.helper, &pinhole{
		from: from, public: ad.endpoint, inside: ad.endpoint, until: d.net.now() + pinholeLife,
	})
	d.counters.Pinholes++
}
