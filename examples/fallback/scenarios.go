package main

import (
	"net/netip"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// A scenario is a client, a server, and what stands between them.
type scenario struct {
	name  string
	title string
	story string // what happens, in a sentence or two

	client    netip.Addr
	near, far []hop // at the client's side and at the server's, in the order of the path
	server    netip.Addr
	behind    netip.Addr // the public address of a server that has a private one
	ftp       service
	set       settings

	want ftpnat.Mode // must win; zero means that nothing can work
}

// A hop is one box on the way, with what the drawing says about it.
type hop struct {
	name, does string
	box        memnet.Box
}

// A service is how the server of a scenario differs from vsftpd.
type service struct {
	does       string // for the drawing
	script     []ftptest.Step
	foreign    ftptest.ForeignPORT
	advertise  netip.Addr
	maxPerAddr int
}

// The settings of a Dialer that scenarios and the command line make use of.
type settings struct {
	modes   []ftpnat.Mode
	public  netip.Addr
	ports   [2]uint16
	timeout time.Duration
}

// The addresses are those that are set apart for documentation (RFC 5737) and
// for private networks (RFC 1918).
var (
	homeClient   = netip.MustParseAddr("192.168.1.10")
	homePublic   = netip.MustParseAddr("203.0.113.7")
	publicClient = netip.MustParseAddr("203.0.113.2")
	publicServer = netip.MustParseAddr("198.51.100.10")
	officeServer = netip.MustParseAddr("10.9.0.10")
)

// Boxes that several scenarios have on the way.
var (
	homeNAT      = hop{"NAT", homePublic.String(), memnet.Masquerade(homePublic)}
	controlOnly  = hop{"firewall", "in: port 21 alone", memnet.InboundOnly(memnet.Drop, memnet.Port(21))}
	swallowsEPSV = hop{"old firewall", "swallows EPSV", memnet.CommandBox{Verbs: []string{"EPSV"}, Do: memnet.Swallow}}
)

var activeFirst = settings{modes: []ftpnat.Mode{ftpnat.PORT, ftpnat.EPSV, ftpnat.PASV}}

var scenarios = []scenario{
	{
		name:  "story-2006",
		title: "2006: connection closed by remote host",
		story: "An old client, set to active mode, behind a home router: PORT names an address that means nothing outside, " +
			"a firewall takes that for an attack and cuts the control connection. In 2006 this was the end. " +
			"Here a new connection takes its place, and what was asked for goes on in passive mode.",
		client: homeClient,
		near:   []hop{homeNAT},
		far: []hop{{"firewall", "resets at PORT", memnet.CommandBox{
			Verbs: []string{"PORT", "EPRT"}, Arg: memnet.PrivateEndpoint, Do: memnet.Reset,
		}}},
		server: publicServer,
		set:    activeFirst,
		want:   ftpnat.EPSV,
	},
	{
		name:   "clear",
		title:  "Nothing in the way",
		story:  "The first mode that is tried works: one attempt, no setting.",
		client: publicClient,
		server: publicServer,
		want:   ftpnat.EPSV,
	},
	{
		name:   "epsv-refused",
		title:  "A server that does not know EPSV",
		story:  "It says so at once, and PASV follows on the same control connection.",
		client: homeClient,
		near:   []hop{homeNAT},
		server: publicServer,
		ftp:    service{does: "refuses EPSV", script: []ftptest.Step{{On: "EPSV", Reply: "500 Unknown command."}}},
		want:   ftpnat.PASV,
	},
	{
		name:  "epsv-swallowed",
		title: "A firewall that swallows EPSV",
		story: "It does not know the command and drops it, and all that comes after it: the control connection hangs. " +
			"It is left after a few round trips, and a new one goes on with PASV.",
		client: homeClient,
		near:   []hop{homeNAT, swallowsEPSV},
		server: publicServer,
		want:   ftpnat.PASV,
	},
	{
		name:  "passive-blocked",
		title: "A server whose passive ports are blocked",
		story: "EPSV and PASV are answered with ports that its firewall drops. " +
			"The client has a public address, so the server can connect back: active mode works.",
		client: publicClient,
		far:    []hop{controlOnly},
		server: publicServer,
		want:   ftpnat.PORT,
	},
	{
		name:  "nat-helper",
		title: "Active mode through a NAT with an FTP helper",
		story: "The same server, seen from a private network. The router reads along, puts its own address into PORT " +
			"and lets the server in; it does so only if PORT names the client's own address, so that one is tried first.",
		client: homeClient,
		near:   []hop{{"NAT, FTP helper", homePublic.String(), withHelper(memnet.Masquerade(homePublic))}},
		far:    []hop{controlOnly},
		server: publicServer,
		want:   ftpnat.PORT,
	},
	{
		name:  "forwarded-range",
		title: "Active mode through forwarded ports",
		story: "The same again, but the router has no helper. Ten of its ports are forwarded to the client, " +
			"and two settings say so: the address to name and the ports to listen on.",
		client: homeClient,
		near:   []hop{{"NAT, forwards", "ports 40000-40009", forwarding(memnet.Masquerade(homePublic), 40000, 40009)}},
		far:    []hop{controlOnly},
		server: publicServer,
		set:    settings{public: homePublic, ports: [2]uint16{40000, 40009}},
		want:   ftpnat.PORT,
	},
	{
		name:  "private-227",
		title: "A server that names a private address",
		story: "It stands behind a NAT and does not know it: its 227 leads nowhere. " +
			"The address of the control connection is known to work and is dialled in its place.",
		client: homeClient,
		near:   []hop{homeNAT},
		far: []hop{{"NAT, 1 to 1", publicServer.String(), memnet.NAT{
			Public:   publicServer,
			Forwards: []memnet.Forward{{Ports: memnet.AllPorts, To: officeServer}},
		}}},
		server: officeServer,
		behind: publicServer,
		ftp: service{
			does:      "refuses EPSV",
			script:    []ftptest.Step{{On: "EPSV", Reply: "550 Permission denied."}},
			advertise: officeServer,
		},
		want: ftpnat.PASV,
	},
	{
		name:  "port-ignored",
		title: "200 PORT command successful, and nobody comes",
		story: "The server takes any address and then tries in vain to connect to it, deaf for a minute. " +
			"It is not waited for: after a short while a new control connection goes on in passive mode.",
		client: homeClient,
		near:   []hop{homeNAT},
		server: publicServer,
		ftp:    service{does: "believes any PORT", foreign: ftptest.Connect},
		set:    activeFirst,
		want:   ftpnat.EPSV,
	},
	{
		name:  "one-connection",
		title: "One connection per address, and EPSV swallowed",
		story: "The control connection that hangs counts against the limit, so a second one would be turned away. " +
			"It is reset rather than closed, and the server lets the next one in.",
		client: homeClient,
		near:   []hop{homeNAT, swallowsEPSV},
		server: publicServer,
		ftp:    service{does: "1 per address", maxPerAddr: 1},
		want:   ftpnat.PASV,
	},
	{
		name:  "nothing-works",
		title: "Nothing works",
		story: "The server's passive ports are blocked, and the client sits behind a router that lets nobody in. " +
			"No client can get through: what is left is to say quickly why, and who can mend it. " +
			"(An attempt gets a second here, to keep the reader from waiting.)",
		client: homeClient,
		near:   []hop{homeNAT},
		far:    []hop{controlOnly},
		server: publicServer,
		set:    settings{timeout: time.Second},
	},
}

func withHelper(n memnet.NAT) memnet.NAT {
	n.FTPHelper = true
	return n
}

func forwarding(n memnet.NAT, first, last uint16) memnet.NAT {
	n.Forwards = []memnet.Forward{{Ports: memnet.PortRange{First: first, Last: last}, To: homeClient}}
	return n
}
