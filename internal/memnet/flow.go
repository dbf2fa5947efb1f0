package memnet

import (
	"slices"
	"syscall"
	"time"
)

// retransmissionLimit is how long a kernel repeats a segment that is never
// acknowledged: Linux's default of 15 retransmissions.
const retransmissionLimit = 924600 * time.Millisecond

type kind uint8

const (
	data kind = iota
	fin
	rst
	probe // a keepalive probe, and its answer
)

// segment is what one Write puts on the wire, or a sign of TCP's own.
type segment struct {
	kind   kind
	data   []byte
	credit int // bytes of the sender's window, which a box's rewriting does not change

	answer  []byte // set by a filter: what goes back to the sender at once
	through bool   // set by a filter: the data goes on, and the action follows it
	after   func() // that action
}

// hop is a box on the path of one connection.
type hop struct {
	filter   filter
	counters *Counters
	far      bool    // the box stands at the server's side of the latency
	hole     [2]bool // by sender: a segment was swallowed, so nothing behind it counts
	dead     bool    // nothing passes any more
}

// flow is an established connection: its two ends and the hops from the client to the server.
type flow struct {
	net     *Network
	latency time.Duration
	ends    [2]*Conn
	hops    []*hop
	dice    *dice
	accept  *event // gives the connection to the server's program
}

// send puts s on the wire: it crosses the boxes at the sender's side now, the
// others when it arrives.
func (f *flow) send(from End, s *segment) {
	if !f.cross(from, from == Server, s) {
		return
	}
	follow := s.takeAfter()
	f.arrive(from, func() {
		if from == Client && s.kind != rst {
			f.net.hasten(f.accept) // it acknowledges the end of the handshake
		}
		if f.cross(from, from == Client, s) {
			if s.kind == probe && f.mute(from.other()) {
				f.lost(from, s)
			}
			f.ends[from.other()].receive(s)
		}
		s.takeAfter()()
	})
	follow()
}

func (s *segment) takeAfter() func() {
	f := s.after
	s.after = nil
	if f == nil {
		return func() {}
	}
	return f
}

// mute reports whether nothing passes any more that an end sends, such as its answers
// to probes.
func (f *flow) mute(end End) bool {
	return slices.ContainsFunc(f.hops, func(h *hop) bool { return h.dead || h.hole[end] })
}

// cross takes s over the boxes of one side, in the order in which it meets
// them, and reports whether it came through.
func (f *flow) cross(from End, far bool, s *segment) bool {
	hops := slices.All(f.hops)
	if from == Server {
		hops = slices.Backward(f.hops)
	}
	for _, h := range hops {
		if h.far == far && !f.pass(h, from, s) {
			return false
		}
	}
	return true
}

// pass takes s over one box and reports whether it came through.
func (f *flow) pass(h *hop, from End, s *segment) bool {
	if h.dead || h.hole[from] && s.kind != rst {
		f.lost(from, s)
		return false
	}
	before := len(s.data)
	action := h.filter.segment(from, s)
	if answer := s.answer; answer != nil {
		s.answer = nil
		f.deliver(h, from, &segment{data: answer})
	}
	if action == Relay {
		return true
	}
	if s.through {
		s.through = false
		s.credit -= before - len(s.data)
		s.after = func() { f.act(h, from, action) }
		return true
	}
	f.act(h, from, action)
	f.lost(from, s)
	return false
}

// act does what the box decided about the connection.
func (f *flow) act(h *hop, from End, action Action) {
	switch action {
	case Swallow:
		h.counters.Swallowed++
		h.hole[from] = true
	case Reset:
		h.counters.Resets++
		h.dead = true
		f.signal(h, Client, rst)
		f.signal(h, Server, rst)
	case ResetClient, ResetServer:
		h.counters.Resets++
		h.hole[from] = true
		f.signal(h, End(action-ResetClient), rst)
	case Hangup:
		h.counters.Hangups++
		h.dead = true
		f.signal(h, Client, fin)
		f.signal(h, Server, fin)
	case forget:
		h.counters.Expired++
		h.dead = true
	case rejectForgotten:
		h.counters.Expired++
		f.signal(h, from, rst)
	}
}

// signal delivers a sign of the box's own making to one end.
func (f *flow) signal(h *hop, to End, k kind) { f.deliver(h, to, &segment{kind: k}) }

// deliver brings what a box has made to one end: at once to the end next to the
// box, after the latency to the other.
func (f *flow) deliver(h *hop, to End, s *segment) {
	if h.far == (to == Server) {
		f.ends[to].receive(s)
		return
	}
	f.net.after(f.latency, func() { f.ends[to].receive(s) })
}

// lost starts the time after which the sender of a segment that nobody
// acknowledges gives up.
func (f *flow) lost(from End, s *segment) {
	c := f.ends[from]
	if s.kind == rst || c.closed || c.fault != 0 || c.unanswered != nil {
		return
	}
	limit := retransmissionLimit
	if s.kind == probe {
		limit = c.keepAlive.Interval * time.Duration(c.keepAlive.Count)
	}
	c.unanswered = f.net.after(limit, func() { c.fail(syscall.ETIMEDOUT) })
}
