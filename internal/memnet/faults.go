package memnet

import "net/netip"

// Loss drops the first SYNs that cross it.
type Loss struct {
	SYNs           int
	Ports          PortRange // of the destination; the zero value means any
	EachConnection bool      // drop that many of each connection, not in all
}

type lossDevice struct {
	base
	Loss
	lost int
}

func (b Loss) install(*Network) device { return &lossDevice{Loss: b} }

func (d *lossDevice) open(p *syn, _ Direction) (Verdict, filter) {
	if !d.Ports.contains(p.dst.Port()) {
		return Pass, nil
	}
	lost := &d.lost
	if d.EachConnection {
		lost = &p.dial.seen(d).lost
	}
	if *lost < d.SYNs {
		*lost++
		return Drop, nil
	}
	return Pass, nil
}

// SYNProxy accepts connections itself, in either direction, and lets nothing through.
type SYNProxy struct {
	Ports PortRange // of the destination; the zero value means any
}

type synProxyDevice struct {
	base
	SYNProxy
}

func (b SYNProxy) install(*Network) device { return &synProxyDevice{SYNProxy: b} }

func (d *synProxyDevice) open(p *syn, _ Direction) (Verdict, filter) {
	if d.Ports.contains(p.dst.Port()) {
		return Absorb, nil
	}
	return Pass, nil
}

// Cut does something to each connection once one end has sent a number of bytes. Those
// bytes still go through; what follows them is lost.
type Cut struct {
	Ports PortRange // of the destination; the zero value means any
	From  End       // whose bytes count
	After int64     // bytes that go through
	Do    Action
}

type cutDevice struct {
	base
	Cut
}

func (b Cut) install(*Network) device { return &cutDevice{Cut: b} }

func (d *cutDevice) open(p *syn, _ Direction) (Verdict, filter) {
	if !d.Ports.contains(p.dst.Port()) {
		return Pass, nil
	}
	return Pass, &cutFlow{box: d, left: d.After}
}

type cutFlow struct {
	box  *cutDevice
	left int64
	done bool
}

func (f *cutFlow) segment(from End, s *segment) Action {
	if from != f.box.From || s.kind != data || f.done {
		return Relay
	}
	if f.left -= int64(len(s.data)); f.left > 0 {
		return Relay
	}
	f.done = true
	s.data = s.data[:int64(len(s.data))+f.left]
	s.through = len(s.data) > 0
	return f.box.Do
}

// Tap calls functions of the caller's for what crosses it. They run in the order
// of the network's time and must not call into the network.
type Tap struct {
	OnConnect func(Crossing) Verdict                            // nil passes all
	OnSegment func(c Crossing, from End, payload []byte) Action // nil relays all; payload must not be changed or kept
}

// A Crossing is a connection as a box sees it.
type Crossing struct {
	Client, Server netip.AddrPort
	Direction      Direction
}

type tapDevice struct {
	base
	Tap
}

func (b Tap) install(*Network) device { return &tapDevice{Tap: b} }

func (d *tapDevice) open(p *syn, dir Direction) (Verdict, filter) {
	c := Crossing{p.src, p.dst, dir}
	v := Pass
	if d.OnConnect != nil {
		v = d.OnConnect(c)
	}
	if v != Pass || d.OnSegment == nil {
		return v, nil
	}
	return v, &tapFlow{box: d, crossing: c}
}

type tapFlow struct {
	box      *tapDevice
	crossing Crossing
}

func (f *tapFlow) segment(from End, s *segment) Action {
	if s.kind != data {
		return Relay
	}
	return f.box.OnSegment(f.crossing, from, s.data)
}
