//go:build linux

package delay

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Packet is a TCP segment that has crossed the wire.
type Packet struct {
	ToServer               bool
	ClientPort, ServerPort uint16
	SYN, FIN, RST          bool
	Len                    int           // of its payload
	Sent, Arrived          time.Duration // as Now has it

	// Hops is the sender's count when it was sent. A side's count is the
	// longest chain of packets of which each was sent after the one before
	// had arrived: Lamport's clock, with the two sides as processes.
	Hops int
}

// String returns the packet as a line of a protocol.
func (p Packet) String() string {
	arrow := "<-"
	if p.ToServer {
		arrow = "->"
	}
	flags := ""
	for _, f := range []struct {
		set  bool
		name string
	}{{p.SYN, " SYN"}, {p.FIN, " FIN"}, {p.RST, " RST"}} {
		if f.set {
			flags += f.name
		}
	}
	return fmt.Sprintf("%3d %d %s %d%s %d", p.Hops, p.ClientPort, arrow, p.ServerPort, flags, p.Len)
}

// Record is what has crossed since the wire was laid or [Wire.Reset] was
// called, in the order of arrival.
type Record struct {
	Packets []Packet
	base    int // the client's count at its start
}

// Trips returns how many round trips the client has waited for between two
// times: half of how much longer the longest chain became that ends at the
// client. What server and client need for thinking is not in it, and what is
// sent without waiting for an answer counts once.
//
// It is never more than the time divided by the wire's round trip, since every
// packet of a chain takes half of one, and never less than what the protocol
// made the client wait for. Between the two is what unrelated packets, on other
// connections, add to the chain while a side is thinking.
func (r Record) Trips(from, to time.Duration) float64 {
	return float64(r.count(to)-r.count(from)) / 2
}

// count is the client's count at a time.
func (r Record) count(t time.Duration) int {
	n := r.base
	for _, p := range r.Packets {
		if !p.ToServer && p.Arrived <= t {
			n = max(n, p.Hops+1)
		}
	}
	return n
}

// Start returns when the client sent its first packet.
func (r Record) Start() (time.Duration, bool) {
	i := slices.IndexFunc(r.Packets, func(p Packet) bool { return p.ToServer && p.SYN })
	if i < 0 {
		return 0, false
	}
	return r.Packets[i].Sent, true
}

// FirstData returns when the first byte of a data connection came to the
// client. A connection is a data connection if it is not to the control port.
func (r Record) FirstData(control uint16) (time.Duration, bool) {
	i := slices.IndexFunc(r.Packets, func(p Packet) bool { return !p.ToServer && p.ServerPort != control && p.Len > 0 })
	if i < 0 {
		return 0, false
	}
	return r.Packets[i].Arrived, true
}

// Data returns when each data connection was begun, by whichever side.
func (r Record) Data(control uint16) []time.Duration {
	var begun []time.Duration
	seen := make(map[[2]uint16]bool)
	for _, p := range r.Packets {
		ports := [2]uint16{p.ClientPort, p.ServerPort}
		if p.SYN && p.ServerPort != control && !seen[ports] {
			seen[ports] = true
			begun = append(begun, p.Sent)
		}
	}
	return begun
}

// Connections returns how many connections to the port the client has opened.
func (r Record) Connections(port uint16) int {
	n := 0
	for _, p := range r.Packets {
		if p.ToServer && p.SYN && p.ServerPort == port {
			n++
		}
	}
	return n
}

// segment reads what a Packet tells out of an IPv4 packet. It reports false for
// what is not TCP.
func segment(b []byte, toServer bool) (Packet, bool) {
	const version4, tcp = 4, 6
	if len(b) < 20 || b[0]>>4 != version4 || b[9] != tcp {
		return Packet{}, false
	}
	header := int(b[0]&0xf) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || total > len(b) || total < header+20 {
		return Packet{}, false
	}
	t := b[header:total]
	offset := int(t[12]>>4) * 4
	if offset < 20 || offset > len(t) {
		return Packet{}, false
	}
	source, destination := binary.BigEndian.Uint16(t), binary.BigEndian.Uint16(t[2:])
	p := Packet{
		ToServer:   toServer,
		ClientPort: source,
		ServerPort: destination,
		FIN:        t[13]&1 != 0,
		SYN:        t[13]&2 != 0,
		RST:        t[13]&4 != 0,
		Len:        len(t) - offset,
	}
	if !toServer {
		p.ClientPort, p.ServerPort = destination, source
	}
	return p, true
}
