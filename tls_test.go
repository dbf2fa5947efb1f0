package ftpnat_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// TestTLS lists the ways to TLS that servers want; a session that is not
// resumed is refused by each.
func TestTLS(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd()} {
			for _, implicit := range []bool{false, true} {
				for _, modes := range [][]ftpnat.Mode{nil, {ftpnat.PORT}} {
					name := strings.Join([]string{p.Name, tls.VersionName(version), map[bool]string{true: "implicit"}[implicit]}, " ")
					if modes != nil {
						name += " active"
					}
					t.Run(name, func(t *testing.T) {
						s := setup{
							ftp: func(s *ftptest.Server) {
								s.Personality, s.TLS, s.ImplicitTLS = p, cert.Server.Clone(), implicit
								s.TLS.MaxVersion = version
								s.RequireTLS, s.RequireReuse, s.RequireCloseNotify = true, true, true
							},
							dialer: func(d *ftpnat.Dialer) {
								d.Modes, d.ImplicitTLS = modes, implicit
								d.TLSConfig = &tls.Config{RootCAs: cert.Pool}
							},
						}
						inBubble(t, s, func(t *testing.T, w *world) {
							c := w.dial()
							defer c.Close()
							for range 2 {
								if err := w.bothWays(c); err != nil {
									t.Error(err)
								}
							}
							if n, err := c.Store(w.ctx, "nothing", strings.NewReader("")); n != 0 || err != nil {
								t.Errorf("empty upload: %d, %v", n, err)
							}
							c.Drop(errors.New("test"))
							if err := w.fetch(c); err != nil {
								t.Errorf("download after a reconnect: %v", err)
							}
						})
					})
				}
			}
		}
	}
}

// TestTLSFaults wants an error that says what is wrong, and never clear text.
func TestTLSFaults(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	other, err := ftptest.NewCert("other.example.com")
	if err != nil {
		t.Fatal(err)
	}
	with := func(f func(s *ftptest.Server)) func(*ftptest.Server) {
		return func(s *ftptest.Server) { s.TLS = cert.Server; f(s) }
	}
	cases := []struct {
		name string
		ftp  func(*ftptest.Server)
		as   any
		want string
	}{
		{"no AUTH", func(s *ftptest.Server) {}, new(*ftpnat.ReplyError), "AUTH TLS"},
		{"AUTH refused", with(func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "AUTH", Reply: "534 no"}} }), new(*ftpnat.ReplyError), "534"},
		{"PROT refused", with(func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "PROT", Reply: "536 no"}} }), new(*ftpnat.ReplyError), "PROT P"},
		{"wrong name", func(s *ftptest.Server) { s.TLS = other.Server }, new(*tls.CertificateVerificationError), "certificate"},
		{"silent handshake", with(func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "AUTH", Reply: "234 go", Then: ftptest.Silence}}
		}), nil, "no reply"},
		{"text injected after 234", with(func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "AUTH", Raw: "234 go\r\n230 you are in\r\n"}} }), nil, "more text"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, setup{ftp: c.ftp, dialer: func(d *ftpnat.Dialer) { d.TLSConfig = &tls.Config{RootCAs: cert.Pool} }}, func(t *testing.T, w *world) {
				_, err := w.d.Dial(w.ctx, w.Addr)
				if err == nil || !strings.Contains(err.Error(), c.want) || c.as != nil && !errors.As(err, c.as) {
					t.Errorf("err = %v, want one with %q", err, c.want)
				}
				for _, d := range w.Server.Transcript() {
					for _, verb := range d.Verbs() {
						if verb == "PASS" && c.name != "PROT refused" {
							t.Errorf("the password was sent: %v", d.Verbs())
						}
					}
				}
			})
		})
	}
}

// TestTLSReuseRequired has a server refuse the session that was offered.
func TestTLSReuseRequired(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD()} {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{ftp: func(s *ftptest.Server) {
				s.Personality, s.TLS, s.RequireReuse = p, cert.Server, true
			}, dialer: func(d *ftpnat.Dialer) {
				d.TLSConfig = &tls.Config{RootCAs: cert.Pool, SessionTicketsDisabled: true}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				c := w.dial()
				defer c.Close()
				err := w.fetch(c)
				var ne *ftpnat.NegotiateError
				if !errors.As(err, &ne) || ne.Attempts[len(ne.Attempts)-1].Cause != ftpnat.TLSReuseRequired {
					t.Fatalf("err = %v", err)
				}
				if len(ne.Attempts) != 1 {
					t.Errorf("%d attempts: no other mode does better", len(ne.Attempts))
				}
				if got := strings.Join(ne.Advice(), " "); !strings.Contains(got, "require_ssl_reuse=NO") {
					t.Errorf("advice %q", got)
				}
			})
		})
	}
}

// TestTLSActiveNAT wants no PORT with a private address where no helper can
// read it.
func TestTLSActiveNAT(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	s := setup{
		near: []memnet.Box{memnet.NAT{Public: natAddr, Filtering: memnet.AddressAndPortDependent, FTPHelper: true,
			Forwards: []memnet.Forward{{Ports: memnet.PortRange{First: 40000, Last: 40009}, To: privateClient}}}},
		far: []memnet.Box{activeOnly},
		ftp: func(s *ftptest.Server) { s.TLS = cert.Server },
		dialer: func(d *ftpnat.Dialer) {
			d.TLSConfig = &tls.Config{RootCAs: cert.Pool}
			d.PublicAddr, d.ListenPorts = natAddr, [2]uint16{40000, 40009}
		},
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		if err := w.fetch(c); err != nil {
			t.Fatal(err)
		}
		if err := w.store(c); err != nil {
			t.Error(err)
		}
		if strings.Contains(w.log.String(), "PORT 10,0,0,2") {
			t.Error("the private address was sent")
		}
	})
}

// TestLostBehindLogin has the control connection end, or the caller, when the password
// has been taken and PBSZ or PROT has no answer: that is no refused login.
func TestLostBehindLogin(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"PBSZ", "PROT"} {
		for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset, ftptest.Silence} {
			for _, limit := range []time.Duration{10 * time.Second, 3 * time.Minute} {
				t.Run(fmt.Sprint(line, " ", kind, " ", limit), func(t *testing.T) {
					s := setup{
						ftp: func(s *ftptest.Server) {
							s.Personality, s.TLS = ftptest.Plain(), cert.Server
							s.Script = []ftptest.Step{{On: line, Conn: 2, Then: kind}}
						},
						dialer: func(d *ftpnat.Dialer) {
							d.TLSConfig, d.DisablePipelining = &tls.Config{RootCAs: cert.Pool}, true
						},
					}
					inBubble(t, s, func(t *testing.T, w *world) {
						fsys := w.openFS(t, "")
						time.Sleep(idleLimit + 10*time.Second) // the connection is closed
						ctx, cancel := context.WithTimeout(w.ctx, limit)
						defer cancel()
						_, err := fsys.WithContext(ctx).ReadFile("pub/file.bin")
						if want := ctx.Err(); want != nil && (!errors.Is(err, want) || strings.Contains(err.Error(), "230")) || want == nil && err != nil {
							t.Errorf("ReadFile: %v, want %v", err, want)
						}
					})
				})
			}
		}
	}
}
