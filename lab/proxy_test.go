//go:build linux

package lab

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// closedRouter passes nothing on.
const closedRouter = `
table ip closed {
	chain forward {
		type filter hook forward priority filter; policy drop
	}
}
`

// routerAddr is the client's router as the client knows it.
var routerAddr = netip.MustParseAddr("10.1.0.1")

// proxied is a client for whom a proxy on the router is the only way out. It
// does not know the server's address.
var proxied = paths.Path{
	Name:   "proxy",
	Client: netns.Site{Private: true, Rules: closedRouter},
	Host:   serverName,
	Tries:  []string{"EPSV OK"},
}

// startProxy starts a proxy on the client's router, and returns its URL.
func (l *laboratory) startProxy(o servers.Options) *url.URL {
	l.t.Helper()
	o.Namespace, o.Addr, o.Outside, o.Hosts = l.net.ClientRouter, routerAddr, "wan0", hosts
	s, err := servers.Start(l.t.Context(), o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("log of %s:\n%s", o.Kind, s.Log())
		}
		if err := s.Stop(); err != nil {
			l.t.Error(err)
		}
	})
	scheme := map[servers.Kind]string{servers.Danted: "socks5", servers.Tinyproxy: "http"}[o.Kind]
	return &url.URL{
		Scheme: scheme,
		Host:   netip.AddrPortFrom(routerAddr, o.Port()).String(),
		User:   url.UserPassword(s.User, s.Password),
	}
}

// TestProxy sends all through a proxy, in the clear and under TLS.
func TestProxy(t *testing.T) {
	needLab(t)
	refuse := proxied
	refuse.Name, refuse.Options.RefuseEPSV, refuse.Tries = "proxy-no-epsv", true, []string{"EPSV Refused", "PASV OK"}
	secure := withTLS(t, proxied, nil)
	secure.Name, secure.Hosts = "proxy-tls", ""
	for _, kind := range []servers.Kind{servers.Danted, servers.Tinyproxy} {
		for _, p := range []paths.Path{proxied, refuse, secure} {
			t.Run(string(kind)+"/"+p.Name, func(t *testing.T) {
				t.Parallel()
				l := build(t, p, servers.Vsftpd)
				l.place.Path.Settings.Proxy = l.startProxy(servers.Options{Kind: kind}).String()
				for _, face := range ftpnatClients {
					r := l.run(client.Job{Kind: face, Before: []int{0, paths.Size, paths.Size}})
					l.checkTransfers(r, face)
					l.checkAttempts(r, face, servers.Vsftpd)
				}
			})
		}
	}
}

// TestProxyRefuses has a proxy that allows FTP's port and no other, and one
// that does not know us. What it says is in the error.
func TestProxyRefuses(t *testing.T) {
	needLab(t)
	t.Parallel()
	l := build(t, proxied, servers.Vsftpd)
	http := l.startProxy(servers.Options{Kind: servers.Tinyproxy, ConnectPorts: []uint16{21}})
	l.place.Path.Settings.Proxy = http.String()
	r := l.run(client.Job{Kind: client.FS})
	want := []string{"EPSV ProxyRefused", "PASV ProxyRefused"}
	switch {
	case r.Negotiation == nil || !slices.Equal(tries(r.Negotiation.Attempts), want):
		t.Errorf("%s; want %q", r.Err, want)
	case !strings.Contains(r.Err, "403 ") || !slices.Equal(r.Negotiation.Advice, []string{ftpnat.ProxyRefused.Advice()}):
		t.Errorf("%s; want the proxy's 403 and advice for that", r.Err)
	}
	socks := l.startProxy(servers.Options{Kind: servers.Danted})
	for _, tt := range []struct {
		proxy *url.URL
		user  *url.Userinfo
		want  string
	}{
		{http, nil, "407 Proxy Authentication Required"},
		{http, url.UserPassword("lab", "wrong"), "401 Unauthorized"},
		{socks, nil, "no acceptable authentication methods"},
		{socks, url.UserPassword("lab", "wrong"), "username/password authentication failed"},
	} {
		u := *tt.proxy
		u.User = tt.user
		l.place.Path.Settings.Proxy = u.String()
		r := l.run(client.Job{Kind: client.FS})
		if !strings.Contains(r.Err, tt.want) || !strings.Contains(r.Err, "the proxy answered") || strings.Contains(r.Err, "lab:wrong") {
			t.Errorf("%s, %v: %s; want %q", u.Scheme, u.User, r.Err, tt.want)
		}
	}
}
