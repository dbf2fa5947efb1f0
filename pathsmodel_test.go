package ftpnat_test

import (
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// A route is one combination of what may be between a client and a server.
type route struct {
	client clientSide
	server serverSide
	wall   wall
	ipv6   bool
	tls    bool
	proxy  bool
}

// clientSide is what the client is behind.
type clientSide string

const (
	onPublic     clientSide = "public"
	masqueraded  clientSide = "NAT"           // mapping and filtering by address and port
	fullCone     clientSide = "full cone NAT" // mapping and filtering endpoint-independent
	rejecting    clientSide = "rejecting NAT" // says no to what nobody asked for
	helped       clientSide = "NAT with helper"
	demilitarize clientSide = "1:1 NAT"
	forwarded    clientSide = "NAT with forwarded range" // and the settings that go with it
)

// serverSide is what the server is behind.
type serverSide string

const (
	serverPublic  serverSide = "public"
	serverOneOne  serverSide = "1:1 NAT"        // 227 private
	serverControl serverSide = "NAT of port 21" // no data port is forwarded; 227 private
	serverSetUp   serverSide = "NAT, set up"    // passive range forwarded, 227 right
)

// wall is a firewall, or another box with opinions.
type wall string

const (
	noWall    wall = "open"
	inDrop    wall = "in: 21, drop"    // at the server
	inRefuse  wall = "in: 21, refuse"  // at the server
	outOnly   wall = "out: 21"         // at the client; with a proxy, only to that
	bothDrop  wall = "both sides drop" // as inDrop, and nothing in at the client
	noEPSV    wall = "EPSV swallowed"  // at the server
	story2006 wall = "2006"            // as inDrop, and a PORT that names a private address is an attack
)

var (
	clientSides = []clientSide{onPublic, masqueraded, fullCone, rejecting, helped, demilitarize, forwarded}
	serverSides = []serverSide{serverPublic, serverOneOne, serverControl, serverSetUp}
	walls       = []wall{noWall, inDrop, inRefuse, outOnly, bothDrop, noEPSV, story2006}
)

// allPaths returns the product, without what makes no sense: IPv6 has no NATs
// here, and behind a proxy it does not matter what the client is behind.
func allPaths() []route {
	var all []route
	for _, w := range walls {
		for _, tls := range []bool{false, true} {
			all = append(all, route{onPublic, serverPublic, w, true, tls, false})
			for _, s := range serverSides {
				all = append(all, route{masqueraded, s, w, false, tls, true})
				for _, c := range clientSides {
					all = append(all, route{c, s, w, false, tls, false})
				}
			}
		}
	}
	return all
}

func (p route) String() string {
	s := []string{"client " + string(p.client), "server " + string(p.server), string(p.wall), "IPv4", "clear", "direct"}
	if p.ipv6 {
		s[3] = "IPv6"
	}
	if p.tls {
		s[4] = "TLS"
	}
	if p.proxy {
		s[5] = "proxy"
	}
	return strings.Join(s, ", ")
}

// A way is a step as the model knows it: a mode and whose address it names.
type way struct {
	mode   ftpnat.Mode
	public bool // the address is not the nearest: the advertised one, or our public one
}

// The model. What can work follows from these facts:
//
//   - A passive connection is opened by the client, or its proxy. It arrives
//     unless a firewall at either end stops it or the server's NAT does not
//     forward the port. NATs at the client's side do not matter.
//   - An active connection is opened by the server. It arrives at a public
//     client, and through a NAT that forwards the port or whose helper has
//     read the private address in the command; not over TLS, which it cannot
//     read, and not through a proxy.
//   - The server takes a PORT or EPRT with the address that it sees and no
//     other.
//   - A box that reads commands reads none over TLS.
//
// The order is that of the documentation: EPSV, PASV, PORT, EPRT, each with
// the nearest address first; a way that costs the control connection for its
// address puts the others of its mode at the end.

// possible reports whether any mode can work.
func (p route) possible() bool {
	passive := p.server != serverControl && p.wall != inDrop && p.wall != inRefuse && p.wall != bothDrop && p.wall != story2006 && (p.wall != outOnly || p.proxy)
	in := p.client == onPublic || p.client == demilitarize || p.client == forwarded || p.client == helped && !p.tls
	return passive || !p.proxy && in && p.wall != bothDrop
}

// ways returns what is tried, in order.
func (p route) ways() []way {
	ways := []way{{ftpnat.EPSV, false}, {ftpnat.PASV, false}}
	if p.tls && !p.ipv6 && (p.proxy || p.server == serverOneOne || p.server == serverControl) {
		// The server proves itself, so that the address in its 227 counts.
		ways = append(ways, way{ftpnat.PASV, true})
	}
	switch {
	case p.proxy:
	case p.ipv6:
		ways = append(ways, way{ftpnat.EPRT, false})
	case p.client == onPublic:
		ways = append(ways, way{ftpnat.PORT, false}, way{ftpnat.EPRT, false})
	case p.tls:
		ways = append(ways, way{ftpnat.PORT, true}, way{ftpnat.EPRT, true})
	default:
		ways = append(ways, way{ftpnat.PORT, false}, way{ftpnat.PORT, true}, way{ftpnat.EPRT, false}, way{ftpnat.EPRT, true})
	}
	return ways
}

// outcome returns what comes of a way.
func (p route) outcome(w way) ftpnat.Cause {
	if w.mode == ftpnat.EPSV || w.mode == ftpnat.PASV {
		return p.passiveOutcome(w)
	}
	return p.activeOutcome(w)
}

func (p route) passiveOutcome(w way) ftpnat.Cause {
	switch {
	case w.mode == ftpnat.EPSV && p.wall == noEPSV && !p.tls:
		return ftpnat.ControlSilent
	case w.mode == ftpnat.PASV && p.ipv6:
		return ftpnat.Refused
	case w.public && (p.server == serverOneOne || p.server == serverControl):
		return ftpnat.BadAddress // private
	case p.wall == outOnly && !p.proxy, p.server == serverControl:
		return ftpnat.DialTimeout
	case p.wall == inDrop, p.wall == bothDrop, p.wall == story2006:
		return ftpnat.DialTimeout
	case p.wall == inRefuse && p.proxy:
		return ftpnat.ProxyRefused // the proxy says so, in its words
	case p.wall == inRefuse:
		return ftpnat.DialRefused
	}
	return ftpnat.OK
}

func (p route) activeOutcome(w way) ftpnat.Cause {
	private := p.client != onPublic && !w.public
	rewritten := private && p.client == helped && !p.tls
	switch {
	case private && !rewritten && p.wall == story2006 && !p.tls:
		return ftpnat.ControlReset
	case private && !rewritten:
		return ftpnat.Refused
	case p.client == rejecting:
		return ftpnat.DataRefused
	case p.wall == bothDrop:
		return ftpnat.AcceptTimeout
	case p.client == onPublic, p.client == demilitarize, p.client == forwarded, rewritten:
		return ftpnat.OK
	}
	return ftpnat.AcceptTimeout
}

// expect returns the attempts of the first pass, up to the one that works.
func (p route) expect() []string {
	var list []string
	left := p.ways()
	for len(left) > 0 {
		w := left[0]
		left = left[1:]
		cause := p.outcome(w)
		list = append(list, causesOf([]ftpnat.Attempt{{Mode: w.mode, Cause: cause}})...)
		switch cause {
		case ftpnat.OK:
			return list
		case ftpnat.ControlReset:
			same := func(v way) bool { return v.mode == w.mode }
			last := slices.Collect(filter(left, same))
			left = append(slices.DeleteFunc(left, same), last...)
		}
	}
	return list
}

func filter(ways []way, keep func(way) bool) func(yield func(way) bool) {
	return func(yield func(way) bool) {
		for _, w := range ways {
			if keep(w) && !yield(w) {
				return
			}
		}
	}
}

// What a failure costs at most, with a round trip of 50 ms: the timer of the
// first pass, and a new control connection where that is given up.
var costs = map[string]time.Duration{
	"OK":            6 * rtt,
	"Refused":       3 * rtt, // and STAT
	"DataRefused":   5 * rtt,
	"BadAddress":    2 * rtt,
	"DialRefused":   3 * rtt,
	"ProxyRefused":  4 * rtt,
	"DialTimeout":   300*time.Millisecond + 7*rtt,
	"ControlReset":  time.Second,
	"ControlSilent": 700*time.Millisecond + 4*rtt + 500*time.Millisecond,
	"AcceptTimeout": 1500*time.Millisecond + 6*rtt + time.Second,
}

// limit returns the longest time from Dial to the first byte, or to the error.
func (p route) limit() time.Duration {
	t := 12 * rtt
	if p.tls {
		t += 8 * rtt
	}
	if p.proxy {
		t += 8 * rtt // each connection takes two round trips more
	}
	if !p.possible() {
		return 18 * time.Second
	}
	for _, a := range p.expect() {
		_, cause, _ := strings.Cut(a, " ")
		t += costs[cause]
		if cause == "DialTimeout" && p.proxy {
			t += 800 * time.Millisecond // which a proxy has beside the way
		}
	}
	return t
}

// setup builds the path.
func (p route) setup() setup {
	s := setup{ftp: func(*ftptest.Server) {}, dialer: func(*ftpnat.Dialer) {}}
	if p.ipv6 {
		s.client, s.server = client6, server6
	}
	p.addWall(&s)
	nat := memnet.NAT{Public: natAddr, Mapping: memnet.AddressAndPortDependent, Filtering: memnet.AddressAndPortDependent}
	switch p.client {
	case onPublic:
	case masqueraded:
		s.near = append(s.near, memnet.Masquerade(natAddr))
	case fullCone:
		s.near = append(s.near, memnet.NAT{Public: natAddr})
	case rejecting:
		nat.RejectUnsolicited = true
		s.near = append(s.near, nat)
	case helped:
		s.near = append(s.near, withHelper(nat))
	case demilitarize:
		s.near = append(s.near, oneToOne(nat))
	case forwarded:
		nat.Forwards = []memnet.Forward{{Ports: memnet.PortRange{First: 40000, Last: 40009}, To: privateClient}}
		s.near = append(s.near, nat)
		s.dialer = func(d *ftpnat.Dialer) { d.PublicAddr, d.ListenPorts = natAddr, [2]uint16{40000, 40009} }
	}
	p.addServerNAT(&s)
	return s
}

func (p route) addServerNAT(s *setup) {
	if p.server == serverPublic {
		return
	}
	s.server, s.name = privateServer, serverAddr
	switch p.server {
	case serverOneOne:
		s.far = append(s.far, serverNAT(memnet.AllPorts))
	case serverControl:
		s.far = append(s.far, serverNAT(memnet.Port(21)))
	case serverSetUp:
		s.far = append(s.far, serverNAT(memnet.Port(21), memnet.PortRange{First: 30000, Last: 30099}))
		s.ftp = func(s *ftptest.Server) {
			s.Network.PassivePorts, s.Network.Advertise = [2]uint16{30000, 30099}, serverAddr
		}
	}
}

func (p route) addWall(s *setup) {
	switch p.wall {
	case noWall:
	case inDrop:
		s.far = append(s.far, activeOnly)
	case inRefuse:
		s.far = append(s.far, memnet.InboundOnly(memnet.Refuse, memnet.Port(21)))
	case outOnly:
		out := memnet.Port(21)
		if p.proxy {
			out = memnet.Port(proxyPort)
		}
		s.near = append(s.near, memnet.Firewall{Rules: []memnet.Rule{
			{Direction: memnet.Outbound, Ports: out, Do: memnet.Pass}, {Direction: memnet.Outbound, Do: memnet.Drop}}})
	case bothDrop:
		s.near = append(s.near, memnet.Firewall{Rules: []memnet.Rule{{Direction: memnet.Inbound, Do: memnet.Drop}}})
		s.far = append(s.far, activeOnly)
	case noEPSV:
		s.far = append(s.far, on("EPSV", memnet.Swallow))
	case story2006:
		s.far = append(s.far, activeOnly, memnet.CommandBox{Verbs: []string{"PORT", "EPRT"}, Arg: memnet.PrivateEndpoint, Do: memnet.Reset})
	}
}
