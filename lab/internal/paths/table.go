//go:build linux

package paths

import (
	"net/netip"
	"slices"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

var (
	private = netns.Site{Private: true, Rules: Masquerade}

	all    = servers.Kinds()
	vsftpd = []servers.Kind{servers.Vsftpd}
)

// Solvable returns the paths on which data connections can be opened, in the
// order in which they are told about.
func Solvable() []Path { return slices.Clone(solvable) }

// NothingWorks is the path on which no data connection opens: the server's side
// lets nothing in but control connections, and the client's nothing at all.
var NothingWorks = Path{
	Name:   "nothing-works",
	About:  "port 21 alone; the client's NAT lets in nothing",
	Client: netns.Site{Private: true, Rules: Masquerade + Shut},
	Server: netns.Site{Rules: Control21},
	Ways:   Outcomes{client.DialTimeout, client.DialTimeout, client.DialTimeout, client.Refused, client.Refused},
}

// BothHelped is a path on which both sides are behind NATs that let in what their
// helpers read of: what is sent and answered in one go must not escape these.
var BothHelped = Path{
	Name:   "helpers-on-both-sides",
	About:  "both are behind NATs with the kernel's FTP helper, which let in nothing else",
	Client: netns.Site{Private: true, Rules: Masquerade + Helper + Shut},
	Server: netns.Site{Private: true, Rules: HelpedDNAT},
	Ways:   Outcomes{client.Open, client.Open, client.Open, client.Open, client.Open},
	Tries:  []string{"EPSV OK"},
}

var solvable = []Path{
	{
		Name:    "direct",
		About:   "nothing in the way",
		Servers: all,
		Ways:    Outcomes{client.Open, client.Open, client.Open, client.Open, client.Open},
		Tries:   []string{"EPSV OK"},
	},
	{
		Name:    "masquerade",
		About:   "the client is behind a NAT",
		Client:  private,
		Servers: all,
		Ways:    Outcomes{client.Open, client.Open, client.Open, client.Refused, client.Refused},
		Tries:   []string{"EPSV OK"},
	},
	{
		Name:    "port-resets",
		About:   "a NAT that resets the control connection at PORT",
		Client:  netns.Site{Private: true, Rules: Masquerade + ResetPORT},
		Servers: vsftpd,
		Ways:    Outcomes{client.Open, client.Open, client.Open, client.Reset, client.Reset},
		Tries:   []string{"EPSV OK"},
	},
	{
		// The beginning of it all: a client that begins with PORT.
		Name:     "port-resets-active-first",
		About:    "a NAT that resets at PORT, and a client that is told to begin with it",
		Client:   netns.Site{Private: true, Rules: Masquerade + ResetPORT},
		Servers:  vsftpd,
		Settings: client.Settings{Modes: []string{"PORT", "EPSV"}},
		Ways:     Outcomes{client.Open, client.Open, client.Open, client.Reset, client.Reset},
		Tries:    []string{"PORT ControlReset", "EPSV OK"},
	},
	{
		Name:    "epsv-resets",
		About:   "a NAT that resets the control connection at EPSV",
		Client:  netns.Site{Private: true, Rules: Masquerade + ResetEPSV},
		Servers: vsftpd,
		Ways:    Outcomes{client.Reset, client.Open, client.Open, client.Refused, client.Refused},
		Tries:   []string{"EPSV ControlReset", "PASV OK"},
	},
	{
		Name:    "epsv-swallowed",
		About:   "a NAT that drops EPSV without a word",
		Client:  netns.Site{Private: true, Rules: Masquerade + SwallowEPSV},
		Servers: vsftpd,
		Ways:    Outcomes{client.Silent, client.Open, client.Open, client.Refused, client.Refused},
		Tries:   []string{"EPSV ControlSilent", "PASV OK"},
	},
	{
		Name:    "229-port-dropped",
		About:   "a firewall opens the port of a 227, not that of a 229",
		Client:  netns.Site{Private: true, Rules: Masquerade + Blind229},
		Servers: vsftpd,
		Ways:    Outcomes{client.DialTimeout, client.Open, client.Open, client.Refused, client.Refused},
		Tries:   []string{"EPSV DialTimeout", "PASV OK"},
	},
	{
		Name:    "server-dnat",
		About:   "the server is behind a NAT, refuses EPSV and names its private address in 227",
		Client:  private,
		Server:  netns.Site{Private: true, Rules: ServerDNAT},
		Servers: []servers.Kind{servers.Vsftpd, servers.ProFTPD, servers.Pyftpdlib},
		Options: servers.Options{RefuseEPSV: true},
		Ways:    Outcomes{client.Refused, client.Open, client.DialTimeout, client.Refused, client.Refused},
		Tries:   []string{"EPSV Refused", "PASV OK"},
	},
	{
		Name:    "active-only",
		About:   "a firewall lets in port 21 of the server alone",
		Server:  netns.Site{Rules: Control21},
		Servers: all,
		Ways:    Outcomes{client.DialTimeout, client.DialTimeout, client.DialTimeout, client.Open, client.Open},
		Tries:   []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT OK"},
	},
	{
		Name:    "active-only-helper",
		About:   "port 21 alone; the client is behind a NAT with the kernel's FTP helper",
		Client:  netns.Site{Private: true, Rules: Masquerade + Helper},
		Server:  netns.Site{Rules: Control21},
		Servers: all,
		Ways:    Outcomes{client.DialTimeout, client.DialTimeout, client.DialTimeout, client.Open, client.Open},
		Tries:   []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT OK"},
	},
	{
		Name:     "active-only-forwarded",
		About:    "port 21 alone; the client is behind a NAT with a forwarded range of ports",
		Client:   netns.Site{Private: true, Rules: Masquerade + Forwarded},
		Server:   netns.Site{Rules: Control21},
		Servers:  all,
		Settings: client.Settings{PublicAddr: netip.MustParseAddr("203.0.113.2"), ListenPorts: [2]uint16{40000, 40009}},
		Ways:     Outcomes{client.DialTimeout, client.DialTimeout, client.DialTimeout, client.Refused, client.Refused},
		Tries:    []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT Refused", "PORT OK"},
	},
	{
		Name:        "227-names-dead-address",
		About:       "the server refuses EPSV and names a dead address in 227",
		Client:      private,
		Servers:     []servers.Kind{servers.Vsftpd, servers.ProFTPD, servers.Pyftpdlib},
		Options:     servers.Options{RefuseEPSV: true},
		DeadPassive: true,
		Ways:        Outcomes{client.Refused, client.Open, client.DialTimeout, client.Refused, client.Refused},
		Tries:       []string{"EPSV Refused", "PASV OK"},
	},
	{
		Name:    "one-per-client-epsv-swallowed",
		About:   "a NAT that drops EPSV, and one connection per client",
		Client:  netns.Site{Private: true, Rules: Masquerade + SwallowEPSV},
		Servers: vsftpd,
		Options: servers.Options{MaxPerClient: 1},
		Ways:    Outcomes{client.Silent, client.Open, client.Open, client.Refused, client.Refused},
		Tries:   []string{"EPSV ControlSilent", "PASV OK"},
	},
}
