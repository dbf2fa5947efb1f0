package memnet

import (
	"net/netip"
	"slices"
)

// A Site is a segment with hosts on it, and the boxes between it and the
// public segment. Hosts of one site reach each other directly.
type Site struct {
	net   *Network
	boxes []device
	hosts []*Host
}

// Host adds a host to the site. Its name resolves to those of its addresses
// that the public segment reaches, which are all but the ones behind a NAT;
// Network.Name gives a host behind a NAT a public name.
func (s *Site) Host(name string, addrs ...netip.Addr) *Host {
	n := s.net
	n.Lock()
	defer n.Unlock()
	h := &Host{
		net: n, site: s, name: name, addrs: slices.Clone(addrs),
		listeners: make(map[netip.AddrPort]*Listener),
		ports:     make(map[uint16]int),
		tuples:    make(map[tuple]struct{}),
	}
	s.hosts = append(s.hosts, h)
	for _, a := range addrs {
		if !s.translates(a) {
			n.route(a, s)
			n.names[name] = append(n.names[name], a)
		}
	}
	return h
}

// Counters returns what each box of the site has done, in the order of the boxes.
func (s *Site) Counters() []Counters {
	s.net.Lock()
	defer s.net.Unlock()
	all := make([]Counters, len(s.boxes))
	for i, b := range s.boxes {
		all[i] = *b.count()
	}
	return all
}

// natAddrs returns the addresses that the site's outermost NATs show to the public segment.
func (s *Site) natAddrs() []netip.Addr {
	var v4, v6 netip.Addr
	for _, b := range s.boxes {
		if nat, ok := b.(*natDevice); ok {
			if nat.Public.Is4() {
				v4 = nat.Public
			} else {
				v6 = nat.Public
			}
		}
	}
	return slices.DeleteFunc([]netip.Addr{v4, v6}, func(a netip.Addr) bool { return !a.IsValid() })
}

// translates reports whether a NAT hides an inside address of a's family.
func (s *Site) translates(a netip.Addr) bool {
	return slices.ContainsFunc(s.natAddrs(), func(public netip.Addr) bool { return public.Is4() == a.Is4() })
}

// host returns the site's host with address a, or nil.
func (s *Site) host(a netip.Addr) *Host {
	for _, h := range s.hosts {
		if slices.Contains(h.addrs, a) {
			return h
		}
	}
	return nil
}

// leave takes p from the site to the public segment. It reports inside when a
// NAT turned p back to a host of the same site.
func (s *Site) leave(p *syn) (v Verdict, inside bool) {
	for i, b := range s.boxes {
		if v := judge(b, p, Outbound); v != Pass {
			return v, false
		}
		if nat, ok := b.(*natDevice); ok && p.dst.Addr() == nat.Public {
			return s.enterFrom(i, p), true
		}
	}
	return Pass, false
}

// enter takes p from the public segment into the site.
func (s *Site) enter(p *syn) Verdict { return s.enterFrom(len(s.boxes)-1, p) }

func (s *Site) enterFrom(outermost int, p *syn) Verdict {
	for i := outermost; i >= 0; i-- {
		if v := judge(s.boxes[i], p, Inbound); v != Pass {
			return v
		}
	}
	return Pass
}

// judge asks the box b about p, counts the answer and puts the box on p's path.
func judge(b device, p *syn, d Direction) Verdict {
	counters := b.count()
	seen := p.dial.seen(b)
	if !seen.connection {
		seen.connection = true
		counters.Connections++
	}
	v, f := b.open(p, d)
	switch v {
	case Pass:
		if f != nil {
			p.hops = append(p.hops, &hop{filter: f, counters: counters, far: p.arrived})
		}
	case Drop:
		if !seen.dropped {
			seen.dropped = true
			counters.Dropped++
		}
	case Refuse, Unreachable:
		counters.Refused++
	case Absorb:
		counters.Absorbed++
	}
	return v
}
