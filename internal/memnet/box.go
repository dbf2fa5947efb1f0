package memnet

import "net/netip"

// A Box describes a middlebox: NAT, Firewall, CommandBox, ReplyBox, Inspector, Loss,
// SYNProxy, Cut, Idle or Tap. It is plain data. Network.Site installs it, and the same
// value may be installed any number of times; each has its own state and Counters.
type Box interface {
	install(*Network) device
}

// device is an installed box's state. All its methods run with the network's lock held.
type device interface {
	// open judges a new connection whose SYN crosses the box in direction d. It
	// may translate p's addresses. The filter, if any, sees the connection's segments.
	open(p *syn, d Direction) (Verdict, filter)
	count() *Counters
}

// base is what every device has.
type base struct{ counters Counters }

func (b *base) count() *Counters { return &b.counters }

// filter is what a box does to one connection.
type filter interface {
	// segment judges s, which travels from the given end, and may change its data.
	segment(from End, s *segment) Action
}

// Direction says which way a connection is opened, seen from a site.
type Direction uint8

const (
	Outbound Direction = iota // from a host of the site
	Inbound                   // to a host of the site
)

func (d Direction) String() string { return [...]string{"outbound", "inbound"}[d] }

// An End is one end of a connection: the Client dialed it, the Server accepted it.
type End uint8

const (
	Client End = iota
	Server
)

func (e End) String() string { return [...]string{"client", "server"}[e] }

func (e End) other() End { return 1 - e }

// A Verdict is what a box does with a new connection.
type Verdict uint8

const (
	Pass        Verdict = iota
	Drop                // silence; the SYN is retransmitted until the dialer gives up
	Refuse              // a reset: ECONNREFUSED
	Unreachable         // an ICMP unreachable: EHOSTUNREACH
	Absorb              // the box accepts the connection itself, and nothing comes through
)

func (v Verdict) String() string {
	return [...]string{"pass", "drop", "refuse", "unreachable", "absorb"}[v]
}

// An Action is what a box does with a segment of a connection.
type Action uint8

const (
	Relay           Action = iota
	Swallow                // this segment and all that follows it from the same end is lost; a reset still passes
	Reset                  // both ends are reset
	ResetClient            // the client is reset, the server learns of it when it next sends
	ResetServer            // the server is reset, the client learns of it when it next sends
	Hangup                 // both ends see an orderly end of the stream
	Discard                // an Inspector throws the command alone away: its sender does not learn of it
	forget                 // the box no longer knows the connection: nothing passes any more
	rejectForgotten        // the same, and the sender is reset
)

func (a Action) String() string {
	return [...]string{"relay", "swallow", "reset", "reset client", "reset server", "hang up", "discard", "forget", "reject"}[a]
}

// Counters says what a box has done. Values can be compared with ==.
type Counters struct {
	Connections int // connections that reached the box, each once however often its SYN came
	Dropped     int // connections of which it dropped at least one SYN
	Refused     int // connections it refused or called unreachable
	Absorbed    int // connections it accepted itself
	Swallowed   int // segments it swallowed
	Resets      int // connections it reset
	Hangups     int // connections it ended in order
	Rewrites    int // segments whose bytes it changed
	Pinholes    int // data connections its FTP helper made ready for
	Expired     int // connections it had forgotten when a segment came
}

// A PortRange is an inclusive range of ports. The zero value contains every port.
type PortRange struct{ First, Last uint16 }

// Port returns the range of one port.
func Port(p uint16) PortRange { return PortRange{p, p} }

// AllPorts contains every port. A Forward of AllPorts makes a NAT one to one.
var AllPorts = PortRange{1, 65535}

func (r PortRange) contains(p uint16) bool {
	return r == PortRange{} || r.First <= p && p <= r.Last
}

// syn is the first segment of a connection on its way.
type syn struct {
	dial     *attempt
	src, dst netip.AddrPort // as translated so far
	hops     []*hop
	arrived  bool // it has crossed the public segment
}

// controlPort returns the port that a box takes for FTP's control connections.
func controlPort(p uint16) uint16 {
	if p == 0 {
		return 21
	}
	return p
}
