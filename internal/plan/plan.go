// Package plan decides in which order the ways to open a data connection are
// tried, and how long each may take. It is pure: what is known goes in, a list
// of steps comes out.
package plan

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Source says where the address of a step comes from.
type Source uint8

const (
	// Peer is the address that the control connection goes to.
	Peer Source = 1 + iota
	// Advertised is the address in the server's 227.
	Advertised
	// Local is our own address on the control connection.
	Local
	// Public is the address under which a NAT shows us: configured, mapped,
	// or learnt from the server.
	Public
)

var sourceNames = [...]string{Peer: "peer", Advertised: "advertised", Local: "local", Public: "public"}

// String returns the name by which a lesson keeps the source.
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return ""
}

// SourceOf returns the source with a name; zero if there is none.
func SourceOf(name string) Source {
	return Source(max(slices.Index(sourceNames[:], name), 0))
}

// Step is one way to open a data connection.
type Step struct {
	Mode   proto.Mode
	Source Source
}

// Input is what is known of a path.
type Input struct {
	Modes         []proto.Mode // allowed, in this order; nil means all
	Local, Server netip.Addr   // the ends of the control connection
	TLS           bool         // no box can read the commands
	Proxy         bool         // nobody can connect to us
	Trust         bool         // an address in a 227 may be dialled
	HasPublic     bool         // a public address is configured or can be mapped
	Proven        Step         // worked last time; zero when unknown
	Avoid         []proto.Mode // were refused, or cost the control connection
}

// Equal reports whether the same is known.
func (in Input) Equal(o Input) bool {
	return in.Local == o.Local && in.Server == o.Server && in.TLS == o.TLS && in.Proxy == o.Proxy && in.Trust == o.Trust &&
		in.HasPublic == o.HasPublic && in.Proven == o.Proven && slices.Equal(in.Modes, o.Modes) && slices.Equal(in.Avoid, o.Avoid)
}

// Make returns the steps in the order in which they are to be tried. What is
// proven comes first. What is to be avoided is not dropped but comes last:
// when all else has failed there is nothing left to lose.
func Make(in Input) []Step {
	modes := in.Modes
	if modes == nil {
		modes = []proto.Mode{proto.EPSV, proto.PASV, proto.PORT, proto.EPRT}
	}
	steps := make([]Step, 0, 8) // all there are, and one
	for _, m := range modes {
		if in.Proxy && !m.Passive() {
			continue
		}
		for _, s := range sources(in, m) {
			if step := (Step{m, s}); !slices.Contains(steps, step) {
				steps = append(steps, step)
			}
		}
	}
	rank := func(s Step) int {
		switch {
		case s == in.Proven:
			return 0
		case slices.Contains(in.Avoid, s.Mode):
			return 2
		}
		return 1
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return rank(a) - rank(b) })
	return steps
}

// sources returns the addresses that make sense with a mode, in order.
func sources(in Input, m proto.Mode) []Source {
	v6 := in.Server.Is6() && !in.Server.Is4In6()
	switch m {
	case proto.EPSV:
		return []Source{Peer}
	case proto.PASV:
		// Over IPv6 its only use is behind NAT64, where the 227 has an
		// address that means nothing to us and a port that does.
		if in.Trust && !v6 {
			return []Source{Peer, Advertised}
		}
		return []Source{Peer}
	case proto.PORT:
		if v6 {
			return nil
		}
		return active(in)
	case proto.EPRT:
		if v6 && !in.HasPublic {
			// There is no NAT to be expected.
			return []Source{Local}
		}
		return active(in)
	}
	return nil
}

// active returns the addresses to advertise: our own first, because a NAT
// helper opens the way for that one alone, then the public one.
func active(in Input) []Source {
	if in.Local.IsLoopback() {
		return []Source{Local}
	}
	if in.TLS && Private(in.Local) && !Private(in.Server) {
		// No helper can read the command, so nobody rewrites the address.
		return []Source{Public}
	}
	return []Source{Local, Public}
}

// Timers are the limits of one step.
type Timers struct {
	Dial   time.Duration // a passive data connection
	Reply  time.Duration // the answer to EPSV, PASV, PORT, EPRT, REST
	Accept time.Duration // an active data connection, after the command for it
	Start  time.Duration // the first answer to the data command otherwise
}

// The parts of the brisk timers that are not round trips. Other sockets dial beside
// the first meanwhile, so that two lost SYNs do not look like a blocked port; and of a
// command two may be lost, which costs 200 ms and 400 ms beside the round trips.
const (
	briskDial  = 300 * time.Millisecond
	briskReply = 700 * time.Millisecond
)

// The parts of the quick timers that are not round trips.
const (
	// A SYN that is lost is sent again after one second (RFC 6298, 2.1), so
	// that a little more than that tells a lost one from a blocked port.
	synAgain = 1100 * time.Millisecond
	// A server may have to look up a name or wake a helper process before it
	// answers; a swallowed command is not answered at all.
	replySlack = 2 * time.Second
	// The server's SYN may be sent again once, and is sent a little after
	// the command.
	acceptSlack = 1500 * time.Millisecond
)

// Quick returns the timers of the quick pass, from the measured round trip: a few of those and one retransmission each. None is above
// attempt.
//
// Start is patient in either pass. The data connection stands then, so that
// silence is far more often a slow disk, a tape or a virus scanner than the
// path, and to begin again elsewhere would only make it slower.
func Quick(rtt, attempt time.Duration) Timers {
	trips := 4 * min(rtt, attempt)
	return Timers{
		Dial:   min(synAgain+trips, attempt),
		Reply:  min(replySlack+trips, attempt),
		Accept: min(acceptSlack+trips, attempt),
		Start:  attempt,
	}
}

// Brisk returns the timers of the first pass over all steps, from those of the quick
// one. Lag is how long answers have come late so far: the server or the way is slow
// by that. Accept is that of the quick pass, as nobody but the server can send its SYN
// again. Where an attempt is so short that it cuts the quick timers, one pass is enough.
func Brisk(quick Timers, rtt, lag time.Duration) Timers {
	if quick.Reply >= quick.Start {
		return quick
	}
	slow := 4*min(rtt, quick.Start) + min(max(lag, 0), quick.Start)
	brisk := quick
	brisk.Dial = min(briskDial+slow, quick.Dial)
	brisk.Reply = min(briskReply+slow, quick.Reply)
	return brisk
}

// Again reports whether a step that met silence in the brisk pass, for that cause and
// after that time, is one for the quick pass: it gets more time there, and has not had
// that already.
func Again(brisk, quick Timers, cause proto.Cause, elapsed time.Duration) bool {
	switch cause {
	case proto.DialTimeout:
		return brisk.Dial < quick.Dial
	case proto.ControlSilent:
		return brisk.Reply < quick.Reply && elapsed < quick.Reply
	}
	return false
}

// Left returns what is left of an attempt for the patient pass after what those
// before it took, but never less than half. A little of it is for control connections
// that have to be replaced in between.
func Left(attempt, spent time.Duration) time.Duration {
	return max(attempt-attempt/32-spent, attempt/2)
}

// Patient returns the timers of the patient pass over the n steps that met
// silence in the quick one. They share one attempt, or what is left of it, so that
// a path on which nothing works is known as such in bounded time however many modes
// there are, and none gets less than it had.
func Patient(quick Timers, n int, attempt time.Duration) Timers {
	share := attempt / time.Duration(max(n, 1))
	return Timers{
		Dial:   max(quick.Dial, share),
		Reply:  max(quick.Reply, share),
		Accept: max(quick.Accept, share),
		Start:  quick.Start,
	}
}

// sharedSpace is what carriers number their own networks with: RFC 6598.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// Private reports whether an address means something on its own network alone:
// RFC 1918, RFC 4193, RFC 6598 and link-local ones.
func Private(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLinkLocalUnicast() || sharedSpace.Contains(a)
}

// Global reports whether an address can be one that everybody sees.
func Global(a netip.Addr) bool { return a.IsGlobalUnicast() && !Private(a) }
