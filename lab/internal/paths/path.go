//go:build linux

package paths

import (
	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// Path is one thing that can stand between a client and a server.
type Path struct {
	Name           string
	About          string // what stands in the way, in plain words
	Client, Server netns.Site
	Servers        []servers.Kind // those that make a difference here
	Options        servers.Options
	DeadPassive    bool // 227 names an address where nobody answers
	Settings       client.Settings
	Scheme         string   // of the URL; empty means ftp
	Host           string   // in the URL; empty means the server's address
	Hosts          string   // hosts(5) of the client; empty means the machine's own
	Ways           Outcomes // what is really open, with vsftpd
	Tries          []string // what ftpnat meets with vsftpd until a data connection opens
}

// Outcomes is what each way to a data connection comes to on a path. The ways
// are, in order: EPSV; PASV at the control connection's address; PASV at the
// address that 227 names; PORT and EPRT with the local address.
type Outcomes [5]client.Outcome

// ByWay returns the outcomes as a client.Probe reports them.
func (o Outcomes) ByWay() map[string]client.Outcome {
	return map[string]client.Outcome{
		client.WayEPSV: o[0], client.WayPASV: o[1], client.WayPASVAdvertised: o[2],
		client.WayPORT: o[3], client.WayEPRT: o[4],
	}
}
