//go:build linux

package lab

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// serverName is in the server's certificate, and in hosts.
const (
	serverName = "ftp.example.com"
	hosts      = "198.51.100.66 " + serverName + "\n"
)

// certificate returns one for serverName, the same each time.
var certificate = sync.OnceValues(func() (*servers.TLS, error) { return servers.NewTLS(serverName) })

// withTLS returns the path with a server that wants TLS, and a client that
// trusts its certificate. What change does is done to the server's settings.
func withTLS(t *testing.T, p paths.Path, change func(*servers.TLS)) paths.Path {
	t.Helper()
	cert, err := certificate()
	if err != nil {
		t.Fatal(err)
	}
	settings := *cert
	if change != nil {
		change(&settings)
	}
	p.Options.TLS = &settings
	p.Settings.RootsPEM = cert.CertPEM
	p.Host, p.Hosts = serverName, hosts
	return p
}

var forwardedPorts = client.Settings{PublicAddr: netip.MustParseAddr("203.0.113.2"), ListenPorts: [2]uint16{40000, 40009}}

// tlsTests are the paths on which all goes under TLS. In active mode no helper
// can read PORT, so that a private address is not worth a try.
var tlsTests = []struct {
	path    paths.Path
	servers []servers.Kind
	change  func(*servers.TLS)
	before  []int // more uploads
}{
	{
		path: paths.Path{
			Name:   "explicit",
			Client: netns.Site{Private: true, Rules: paths.Masquerade},
			Tries:  []string{"EPSV OK"},
		},
		servers: servers.Kinds(),
		before:  []int{0, 1, paths.Size, 16 << 10, paths.Size, 0, paths.Size, paths.Size, paths.Size},
	},
	{
		path: paths.Path{
			Name:   "implicit",
			Client: netns.Site{Private: true, Rules: paths.Masquerade},
			Scheme: "ftps",
			Tries:  []string{"EPSV OK"},
		},
		servers: []servers.Kind{servers.Vsftpd},
		change:  func(o *servers.TLS) { o.Implicit = true },
	},
	{
		path: paths.Path{
			Name:   "active-only",
			Server: netns.Site{Rules: paths.Control21},
			Tries:  []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT OK"},
		},
		servers: servers.Kinds(),
	},
	{
		path: paths.Path{
			Name:     "active-only-forwarded",
			Client:   netns.Site{Private: true, Rules: paths.Masquerade + paths.Forwarded},
			Server:   netns.Site{Rules: paths.Control21},
			Settings: forwardedPorts,
			Tries:    []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT OK"},
		},
		servers: servers.Kinds(),
	},
}

// TestTLS goes over TLS 1.2 and 1.3.
func TestTLS(t *testing.T) {
	needLab(t)
	for _, tt := range tlsTests {
		for _, server := range tt.servers {
			t.Run(tt.path.Name+"/"+string(server), func(t *testing.T) {
				t.Parallel()
				l := build(t, withTLS(t, tt.path, tt.change), server)
				for version, faces := range map[uint16][]client.Kind{tls.VersionTLS12: {client.FS}, tls.VersionTLS13: ftpnatClients} {
					l.place.Path.Settings.TLSVersion = version
					for _, kind := range faces {
						r := l.run(client.Job{Kind: kind, Before: tt.before})
						l.checkTransfers(r, kind)
						l.checkAttempts(r, kind, server)
						l.checkTLS(r, kind, server, version)
					}
				}
			})
		}
	}
}

// checkTLS sees that the version was what was asked for, that the data
// connections resumed the session, and that nothing was said ahead of AUTH.
func (l *laboratory) checkTLS(r *client.Result, kind client.Kind, server servers.Kind, version uint16) {
	l.t.Helper()
	want := tls.VersionName(version)
	if server != servers.PureFTPd || version != tls.VersionTLS13 {
		// Pure-FTPd gives no tickets over TLS 1.3.
		want += ", data connections resume the session"
	}
	if kind == client.FS && !strings.Contains(r.Report, want) {
		l.t.Errorf("%s: the report lacks %q", kind, want)
	}
	first := slices.IndexFunc(r.Trace, func(s string) bool { return strings.HasPrefix(s, "> ") })
	if first >= 0 && l.place.Path.Scheme == "" && r.Trace[first] != "> AUTH TLS" {
		l.t.Errorf("%s: the first command is %q", kind, r.Trace[first])
	}
}

// TestClearData leaves data connections in clear text.
func TestClearData(t *testing.T) {
	needLab(t)
	t.Parallel()
	p := paths.Path{Name: "clear-data", Tries: []string{"EPSV OK"}, Settings: client.Settings{ClearData: true}}
	l := build(t, withTLS(t, p, func(o *servers.TLS) { o.ClearData = true }), servers.Vsftpd)
	for _, kind := range ftpnatClients {
		r := l.run(client.Job{Kind: kind})
		l.checkTransfers(r, kind)
		l.checkAttempts(r, kind, servers.Vsftpd)
		if !slices.Contains(r.Trace, "> PROT C") {
			t.Errorf("%s: no PROT C was sent", kind)
		}
	}
}

// TestClearCommands has the kernel's FTP helper open the way that a NAT closes.
// It can only where it can read PORT: that is what CCC is for.
func TestClearCommands(t *testing.T) {
	needLab(t)
	p := paths.Path{
		Name:   "active-only-helper",
		Client: netns.Site{Private: true, Rules: paths.Masquerade + paths.Helper},
		Server: netns.Site{Rules: paths.Control21},
		Tries:  []string{"PORT OK"},
	}
	for _, clear := range []bool{true, false} {
		t.Run(map[bool]string{true: "CCC", false: "TLS"}[clear], func(t *testing.T) {
			t.Parallel()
			p := p
			p.Settings = client.Settings{ClearCommands: clear, AttemptTimeout: 2 * time.Second}
			l := build(t, withTLS(t, p, func(o *servers.TLS) { o.ClearCommands = true }), servers.ProFTPD)
			for _, kind := range ftpnatClients {
				r := l.run(client.Job{Kind: kind})
				if clear {
					l.checkTransfers(r, kind)
					l.checkAttempts(r, kind, servers.ProFTPD)
				} else if r.Negotiation == nil && kind == client.FS {
					t.Errorf("%s: %s; want no data connection", kind, r.Err)
				}
			}
		})
	}
}
