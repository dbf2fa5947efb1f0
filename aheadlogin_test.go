package ftpnat_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// earlyTLS has a server that is strict about TLS on data connections, and
// refuses the fourth upload, and the end of the fifth.
func earlyTLS(cert ftptest.Cert, p ftptest.Personality, mode ftpnat.Mode, version uint16, implicit, client bool) setup {
	return setup{
		dialer: func(d *ftpnat.Dialer) {
			d.MaxConns, d.ImplicitTLS, d.Modes = 1, implicit, []ftpnat.Mode{mode}
			d.TLSConfig = &tls.Config{RootCAs: cert.Pool, MaxVersion: version}
			if client {
				d.TLSConfig.Certificates = cert.Server.Certificates
			}
		},
		ftp: func(s *ftptest.Server) {
			s.Personality = p
			s.TLS, s.ImplicitTLS, s.RequireReuse, s.RequireCloseNotify = cert.Server.Clone(), implicit, true, true
			if client {
				s.TLS.ClientAuth = tls.RequireAnyClientCert
			}
			s.Script = []ftptest.Step{{On: "STOR", Nth: 4, Reply: "553 No."}, {On: "STOR", Nth: 5, Final: "552 Full."}}
		},
	}
}

// writeRefused writes small files, and at last an empty one, to such a server.
func (w *world) writeRefused(t *testing.T, fsys *ftpnat.FS) {
	for i := range 7 {
		start := time.Now()
		data := small[:len(small)-i]
		if i == 6 {
			data = nil
		}
		err := fsys.WriteFile("up", data, 0o644)
		want := map[int]int{3: 553, 4: 552}[i]
		if replyOf(err).Code != want || (err == nil) != (want == 0) {
			t.Errorf("WriteFile %d: %v", i, err)
		}
		if err == nil {
			w.has(t, "up", string(data))
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("WriteFile %d took %v", i, took)
		}
	}
}

// TestEarlyTLS has small uploads over TLS of each kind, some refused.
func TestEarlyTLS(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, implicit := range []bool{false, true} {
			for _, client := range []bool{false, true} {
				for _, mode := range []ftpnat.Mode{ftpnat.EPSV, ftpnat.PASV, ftpnat.PORT} {
					for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.FileZilla()} {
						t.Run(fmt.Sprint(tls.VersionName(version), implicit, client, mode, p.Name), func(t *testing.T) {
							s := earlyTLS(cert, p, mode, version, implicit, client)
							inBubble(t, s, func(t *testing.T, w *world) {
								scheme := "ftp://"
								if implicit {
									scheme = "ftps://"
								}
								fsys, err := w.d.Open(w.ctx, scheme+w.Addr+"/")
								if err != nil {
									t.Fatal(err)
								}
								defer fsys.Close()
								w.writeRefused(t, fsys)
								log := w.log.String()
								if !implicit && strings.Index(log, "> PASS") < strings.Index(log, "< 234") {
									t.Error("the password went before TLS")
								}
							})
						})
					}
				}
			}
		}
	}
}

// TestAheadClosed has connections and dials that were made ahead of need end
// with what they belong to: the bubble does not end otherwise.
func TestAheadClosed(t *testing.T) {
	boxes := map[string][]memnet.Box{"open": nil, "dropped": {activeOnly}}
	for name, far := range boxes {
		t.Run(name, func(t *testing.T) {
			inBubble(t, setup{far: far}, func(t *testing.T, w *world) {
				start := time.Now()
				c := w.dial()
				c.Close()
				fsys := w.openFS(t, "pub")
				if _, err := fsys.Stat("file.bin"); err != nil {
					t.Error(err)
				}
				if f, err := fsys.Open("file.bin"); err != nil {
					t.Error(err)
				} else {
					f.Close()
				}
				fsys.Close()
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// TestEarlySix has small files go over IPv6.
func TestEarlySix(t *testing.T) {
	s := setup{client: netip.MustParseAddr("2001:db8:1::2"), server: netip.MustParseAddr("2001:db8:2::10")}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for i := range 4 {
			if err := fsys.WriteFile("up", small[:i*1000], 0o644); err != nil {
				t.Error(err)
			}
			got, err := fsys.ReadFile("up")
			if err != nil || !bytes.Equal(got, small[:i*1000]) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}
	})
}

// TestAskedAhead has a control connection end under a command that asks
// something and had EPSV behind it: it is repeated on a fresh one, as ever.
func TestAskedAhead(t *testing.T) {
	for _, ahead := range []bool{true, false} {
		for _, retry := range []time.Duration{0, -1} {
			for _, c := range []struct {
				reply string
				then  ftptest.Ending
			}{{"-", ftptest.Reset}, {"421 Idle.", ftptest.Cut}} {
				t.Run(fmt.Sprint(ahead, retry, c.reply), func(t *testing.T) {
					s := setup{
						dialer: func(d *ftpnat.Dialer) {
							d.RetryFor = retry
							if !ahead {
								plain(d)
							}
						},
						ftp: func(s *ftptest.Server) {
							s.Script = []ftptest.Step{{On: "SIZE", Nth: 1, Reply: c.reply, Then: c.then}, {On: "SIZE", Nth: 4, Reply: c.reply, Then: c.then}}
						},
					}
					inBubble(t, s, func(t *testing.T, w *world) {
						fsys := w.openFS(t, "")
						if err := fsys.WriteFile("up", small, 0o644); err != nil {
							t.Error(err)
						}
						w.has(t, "up", string(small))
						for i := range 3 {
							if f, err := fsys.Open("pub/file.bin"); err != nil {
								t.Error(i, err)
							} else {
								f.Close()
							}
						}
					})
				})
			}
		}
	}
}

// TestAheadLate has two data connections of many take long: no reason to give up
// the practice.
func TestAheadLate(t *testing.T) {
	s := setup{dialer: func(d *ftpnat.Dialer) {
		dial := d.DialContext
		var dials atomic.Int32 // a second socket may be dialled beside
		d.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if !strings.HasSuffix(addr, ":21") {
				if n := dials.Add(1); n == 3 || n == 8 {
					time.Sleep(time.Second) // virtual: a SYN was lost
				}
			}
			return dial(ctx, network, addr)
		}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "pub")
		for range 10 {
			if got, err := fs.ReadFile(onlyOpen{fsys}, "file.bin"); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}
		if l := w.lesson(); l.Ahead == ftpnat.No {
			t.Errorf("remembered %+v", l)
		}
	})
}

// TestEarlyNoVerdict has the control connection end in place of the reply to an
// upload that was sent early, on a server that overwrites nothing.
func TestEarlyNoVerdict(t *testing.T) {
	for _, refuses := range []bool{false, true} {
		s := setup{ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "STOR", Nth: 3, Final: "-", Then: ftptest.Reset}}
			if refuses {
				s.Script = append(s.Script, ftptest.Step{On: "STOR", Nth: 4, Reply: "553 There is one."})
			}
		}}
		inBubble(t, s, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "")
			for i := range 5 {
				name := fmt.Sprintf("up%d", i)
				if err := fsys.WriteFile(name, small, 0o644); err != nil {
					t.Errorf("refuses %v, %d: %v", refuses, i, err)
				}
				w.has(t, name, string(small))
			}
		})
	}
}
