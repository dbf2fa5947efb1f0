package memnet

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"time"
)

// Lossy loses packets of every kind between hosts, each with the same probability,
// as TCP shows it to programs: what is lost comes late, and what was sent behind it
// comes no earlier. A SYN or its answer costs what the kernel waits before it sends
// the next SYN; the last acknowledgement of a handshake has the server's program
// wait for the client's first data, or for a second; data and the end of the stream
// wait for a round trip and 200 ms, and twice as long each further time, or until
// what was sent behind it was acknowledged and a quarter of a round trip has passed.
// Resets get through. The same Seed loses the same packets of the nth connection that
// is dialled.
type Lossy struct {
	Rate float64 // of packets; zero loses none
	Seed uint64
}

const (
	leastRTO = 200 * time.Millisecond
	firstRTO = time.Second // before a round trip was measured
)

// dice tell what becomes of the packets of one connection.
type dice struct {
	rate float64
	syn  *rand.Rand
	ends [2]*rand.Rand // by sender, as the order among the two is not certain
	ways [2][]*event   // what each has sent that has not arrived
}

// dice returns those of the next connection; nil if nothing is lost.
func (n *Network) dice() *dice {
	if n.lossy.Rate <= 0 {
		return nil
	}
	n.dialled++
	source := func(which uint64) *rand.Rand { return rand.New(rand.NewPCG(n.lossy.Seed, n.dialled<<2|which)) }
	return &dice{rate: n.lossy.Rate, syn: source(0), ends: [2]*rand.Rand{source(1), source(2)}}
}

// losesSYN reports whether a SYN or the answer to it is lost.
func (d *dice) losesSYN() bool {
	return d != nil && d.syn.Float64() < 2*d.rate-d.rate*d.rate
}

// lateAck returns how long the end of the handshake comes late at the server.
func (d *dice) lateAck() time.Duration {
	if d == nil || d.syn.Float64() >= d.rate {
		return 0
	}
	return firstRTO
}

// arrive has a segment that an end sends now arrive.
func (f *flow) arrive(from End, arrive func()) {
	n, d := f.net, f.dice
	if d == nil || f.latency == 0 {
		n.after(f.latency, arrive)
		return
	}
	late := time.Duration(0)
	for rto := 2*f.latency + leastRTO; d.lost(from); rto *= 2 {
		late += rto
	}
	way := d.ways[from]
	way = slices.DeleteFunc(way, func(e *event) bool { return e.index < 0 }) // arrived
	at := n.now() + f.latency
	if seen := at + f.latency + f.latency/2 + f.latency; late == 0 && len(way) > 0 && way[len(way)-1].at > seen && !d.lost(from) {
		for i, e := range way {
			if e.at > seen {
				n.cancel(e)
				way[i] = n.after(seen-n.now(), e.fire)
			}
		}
	}
	at += late
	if len(way) > 0 {
		at = max(at, way[len(way)-1].at)
	}
	d.ways[from] = append(way, n.after(at-n.now(), arrive))
}

func (d *dice) lost(from End) bool { return d.ends[from].Float64() < d.rate }

// hasten fires e now if it is still to come; nil is allowed. The lock is held.
func (c *clock) hasten(e *event) {
	if e != nil && e.index >= 0 {
		heap.Remove(&c.events, e.index)
		e.fire()
	}
}
