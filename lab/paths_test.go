//go:build linux

package lab

import (
	"net/netip"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// outcomes is what each way to a data connection comes to on a path. The ways
// are, in order: EPSV; PASV at the control connection's address; PASV at the
// address that 227 names; PORT and EPRT with the local address.
type outcomes [5]client.Outcome

func (o outcomes) byWay() map[string]client.Outcome {
	return map[string]client.Outcome{
		client.WayEPSV: o[0], client.WayPASV: o[1], client.WayPASVAdvertised: o[2],
		client.WayPORT: o[3], client.WayEPRT: o[4],
	}
}

// path is one thing that can stand between a client and a server.
type path struct {
	name           string
	client, server netns.Site
	servers        []servers.Kind
	options        servers.Options
	deadPassive    bool // 227 names an address where nobody answers
	settings       client.Settings
	ways           outcomes // what is really open, with vsftpd
	tries          []string // what ftpnat meets with vsftpd until a data connection opens
}

var (
	private = netns.Site{Private: true, Rules: masquerade}

	all    = servers.Kinds()
	vsftpd = []servers.Kind{servers.Vsftpd}
)

var paths = []path{
	{
		name:    "direct",
		servers: all,
		ways:    outcomes{client.Open, client.Open, client.Open, client.Open, client.Open},
		tries:   []string{"EPSV OK"},
	},
	{
		name:    "masquerade",
		client:  private,
		servers: all,
		ways:    outcomes{client.Open, client.Open, client.Open, client.Refused, client.Refused},
		tries:   []string{"EPSV OK"},
	},
	{
		name:    "port-resets",
		client:  netns.Site{Private: true, Rules: masquerade + resetPORT},
		servers: vsftpd,
		ways:    outcomes{client.Open, client.Open, client.Open, client.Reset, client.Reset},
		tries:   []string{"EPSV OK"},
	},
	{
		// The beginning of it all: a client that begins with PORT.
		name:     "port-resets-active-first",
		client:   netns.Site{Private: true, Rules: masquerade + resetPORT},
		servers:  vsftpd,
		settings: client.Settings{Modes: []string{"PORT", "EPSV"}},
		ways:     outcomes{client.Open, client.Open, client.Open, client.Reset, client.Reset},
		tries:    []string{"PORT ControlReset", "EPSV OK"},
	},
	{
		name:    "epsv-resets",
		client:  netns.Site{Private: true, Rules: masquerade + resetEPSV},
		servers: vsftpd,
		ways:    outcomes{client.Reset, client.Open, client.Open, client.Refused, client.Refused},
		tries:   []string{"EPSV ControlReset", "PASV OK"},
	},
	{
		name:    "epsv-swallowed",
		client:  netns.Site{Private: true, Rules: masquerade + swallowEPSV},
		servers: vsftpd,
		ways:    outcomes{client.Silent, client.Open, client.Open, client.Refused, client.Refused},
		tries:   []string{"EPSV ControlSilent", "PASV OK"},
	},
	{
		name:    "229-port-dropped",
		client:  netns.Site{Private: true, Rules: masquerade + blind229},
		servers: vsftpd,
		ways:    outcomes{client.DialTimeout, client.Open, client.Open, client.Refused, client.Refused},
		tries:   []string{"EPSV DialTimeout", "PASV OK"},
	},
	{
		name:    "server-dnat",
		client:  private,
		server:  netns.Site{Private: true, Rules: serverDNAT},
		servers: []servers.Kind{servers.Vsftpd, servers.ProFTPD, servers.Pyftpdlib},
		options: servers.Options{RefuseEPSV: true},
		ways:    outcomes{client.Refused, client.Open, client.DialTimeout, client.Refused, client.Refused},
		tries:   []string{"EPSV Refused", "PASV OK"},
	},
	{
		name:    "active-only",
		server:  netns.Site{Rules: control21},
		servers: all,
		ways:    outcomes{client.DialTimeout, client.DialTimeout, client.DialTimeout, client.Open, client.Open},
		tries:   []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT OK"},
	},
	{
		name:    "active-only-helper",
		client:  netns.Site{Private: true, Rules: masquerade + helper},
		server:  netns.Site{Rules: control21},
		servers: all,
		ways:    outcomes{client.DialTimeout, client.DialTimeout, client.DialTimeout, client.Open, client.Open},
		tries:   []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT OK"},
	},
	{
		name:     "active-only-forwarded",
		client:   netns.Site{Private: true, Rules: masquerade + forwarded},
		server:   netns.Site{Rules: control21},
		servers:  all,
		settings: client.Settings{PublicAddr: netip.MustParseAddr("203.0.113.2"), ListenPorts: [2]uint16{40000, 40009}},
		ways:     outcomes{client.DialTimeout, client.DialTimeout, client.DialTimeout, client.Refused, client.Refused},
		tries:    []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT Refused", "PORT OK"},
	},

	{
		name:        "227-names-dead-address",
		client:      private,
		servers:     []servers.Kind{servers.Vsftpd, servers.ProFTPD, servers.Pyftpdlib},
		options:     servers.Options{RefuseEPSV: true},
		deadPassive: true,
		ways:        outcomes{client.Refused, client.Open, client.DialTimeout, client.Refused, client.Refused},
		tries:       []string{"EPSV Refused", "PASV OK"},
	},
	{
		name:    "one-per-client-epsv-swallowed",
		client:  netns.Site{Private: true, Rules: masquerade + swallowEPSV},
		servers: vsftpd,
		options: servers.Options{MaxPerClient: 1},
		ways:    outcomes{client.Silent, client.Open, client.Open, client.Refused, client.Refused},
		tries:   []string{"EPSV ControlSilent", "PASV OK"},
	},
}
