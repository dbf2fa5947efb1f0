//go:build linux

package lab

import (
	"fmt"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/nat64"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// control21v6 is paths.Control21 for IPv6.
const control21v6 = `
table ip6 firewall {
	chain forward {
		type filter hook forward priority filter; policy drop
		ct state established,related accept
		iifname "lan0" accept
		iifname "wan0" tcp dport 21 accept
	}
}
`

var onlyIPv6 = netns.Site{IPv6: true, NoIPv4: true}

// TestIPv6 has no IPv4 at all.
func TestIPv6(t *testing.T) {
	needLab(t)
	walled := onlyIPv6
	walled.Rules = control21v6
	for _, p := range []paths.Path{
		{Name: "open", Client: onlyIPv6, Server: onlyIPv6, Tries: []string{"EPSV OK"}},
		{Name: "active-only", Client: onlyIPv6, Server: walled, Tries: []string{"EPSV DialTimeout", "PASV DialTimeout", "EPRT OK"}},
	} {
		for _, server := range servers.Kinds() {
			t.Run(p.Name+"/"+string(server), func(t *testing.T) {
				t.Parallel()
				l := build(t, p, server)
				l.passes(server)
			})
		}
	}
}

// TestNAT64 has a client without IPv4 and a server without IPv6.
func TestNAT64(t *testing.T) {
	needLab(t)
	client6 := netns.Site{Private: true, IPv6: true, NoIPv4: true, Rules: paths.Masquerade}
	for _, p := range []paths.Path{
		{Name: "EPSV", Client: client6, Tries: []string{"EPSV OK"}, Servers: servers.Kinds()},
		{
			Name: "EPSV-refused", Client: client6, Options: servers.Options{RefuseEPSV: true}, Tries: []string{"EPSV Refused", "PASV OK"},
			Servers: []servers.Kind{servers.Vsftpd, servers.ProFTPD, servers.Pyftpdlib},
		},
	} {
		for _, server := range p.Servers {
			t.Run(p.Name+"/"+string(server), func(t *testing.T) {
				t.Parallel()
				l := build(t, p, server)
				l.startNAT64()
				l.place.Path.Host = fmt.Sprintf("[%v]", nat64.Addr(l.net.ServerAddr))
				l.passes(server)
			})
		}
	}
}

func (l *laboratory) startNAT64() {
	l.t.Helper()
	d, err := nat64.Start(l.t.Context(), l.net.ClientRouter)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("log of tayga:\n%s", d.Log())
		}
		if err := d.Stop(); err != nil {
			l.t.Error(err)
		}
	})
}

// TestBlackHole has a name with two addresses, of which that of IPv6 leads
// nowhere.
func TestBlackHole(t *testing.T) {
	needLab(t)
	t.Parallel()
	p := paths.Path{Name: "ipv6-black-hole", Client: netns.Site{IPv6: true}, Host: serverName, Tries: []string{"EPSV OK"}}
	l := build(t, p, servers.Vsftpd)
	l.place.Path.Hosts = fmt.Sprintf("%v %s\n%s", l.net.DeadAddr6, serverName, hosts)
	for _, kind := range ftpnatClients {
		r := l.run(client.Job{Kind: kind})
		l.checkTransfers(r, kind)
		l.checkAttempts(r, kind, servers.Vsftpd)
		for _, took := range r.Connects {
			// Less than that would be no black hole: RFC 8305, 5.
			if took < 200*time.Millisecond || took > time.Second {
				t.Errorf("%s: a control connection took %v, want between 200 ms and a second", kind, took)
			}
		}
	}
}
