package ftpnat_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestLaunchedLanded has a control connection end long after a login that had
// EPSV behind it: that command is not to blame for it.
func TestLaunchedLanded(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{
			{On: "NOOP", Nth: 1, Reply: "200 Ok.", Then: ftptest.Cut},
			{On: "NOOP", Nth: 2, Reply: "200 Ok.", Then: ftptest.Cut},
		}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		for range 3 {
			if err := w.fetch(c); err != nil {
				t.Fatal(err)
			}
			if causes := causesOf(c.Report().Attempts); len(causes) != 1 || causes[0] != "EPSV OK" {
				t.Errorf("attempts %q", causes)
			}
			if _, err := c.Do(w.ctx, 2, "NOOP"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestQueueFaultsUploads has such servers meet uploads alone.
func TestQueueFaultsUploads(t *testing.T) {
	faults := map[string]ftptest.During{
		"refused": ftptest.Refuse, "obeyed": ftptest.Obey, "answered first": ftptest.Beside,
		"answered before the 150": ftptest.BeforeBegin, "refused after the transfer": ftptest.RefuseAfter, "lost": ftptest.Lose,
		"closed": ftptest.CutDuring, "reset": ftptest.ResetDuring,
	}
	for name, during := range faults {
		t.Run(name, func(t *testing.T) {
			s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) {
				s.Personality.Control.During, s.Personality.Control.KeepShared = during, false
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				for i := range 6 {
					name := fmt.Sprintf("up%d", i%2)
					start := time.Now()
					data := small[:len(small)-i]
					if err := fsys.WriteFile(name, data, 0o644); err != nil {
						t.Errorf("WriteFile %d: %v", i, err)
					}
					w.has(t, name, string(data))
					if took := time.Since(start); took > 10*time.Second {
						t.Errorf("WriteFile %d took %v", i, took)
					}
				}
			})
		})
	}
}

// TestFlightShifted has a server say one thing twice at the login, so that
// each later reply is that to the command before.
func TestFlightShifted(t *testing.T) {
	for _, on := range []string{"PASS", "TYPE"} {
		t.Run(on, func(t *testing.T) {
			s := setup{ftp: func(s *ftptest.Server) {
				reply := map[string]string{"PASS": "230 Login successful.", "TYPE": "200 Switching to Binary mode."}[on]
				s.Script = []ftptest.Step{{On: on, Before: reply}}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/missing")
				if err == nil {
					defer fsys.Close()
					t.Errorf("Open of a directory that is not there: no error")
					if err := fsys.WriteFile("up", small, 0o644); err == nil {
						_, rerr := w.Server.Tree.ReadFile("up")
						t.Errorf("a file was written: in the root: %v", rerr == nil)
					}
				}
				good, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/pub")
				if err != nil {
					t.Fatal(err)
				}
				defer good.Close()
				if got, err := good.ReadFile("file.bin"); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		})
	}
}

// TestFlightAUTH has a server refuse an AUTH that came before the greeting.
func TestFlightAUTH(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for name, early := range map[string]ftptest.Ahead{
		"thrown away": ftptest.FirstOnly, "refused": ftptest.RefuseAhead, "closed": ftptest.CutAhead, "reset": ftptest.ResetAhead,
	} {
		t.Run(name, func(t *testing.T) {
			s := setup{
				dialer: func(d *ftpnat.Dialer) { d.TLSConfig = &tls.Config{RootCAs: cert.Pool} },
				ftp: func(s *ftptest.Server) {
					s.TLS, s.Personality.Control.Early = cert.Server, early
				},
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				c, err := w.d.Dial(w.ctx, w.Addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := w.fetch(c); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestStoreRefusedFull has an upload refused while there is more to send than
// fits on the way.
func TestStoreRefusedFull(t *testing.T) {
	for _, c := range []struct {
		reply string
		nth   int
		code  int
	}{{"553 Could not create file.", 0, 553}, {"450 Busy.", 2, 0}} {
		s := setup{dialer: func(d *ftpnat.Dialer) { breaking(d, 2, c.code == 0) }, ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "STOR", Nth: c.nth, Reply: c.reply}}
		}}
		inBubble(t, s, func(t *testing.T, w *world) {
			conn := w.dial()
			defer conn.Close()
			for range 3 {
				_, err := conn.Store(w.ctx, "up", bytes.NewReader(content[:60_000]))
				if replyOf(err).Code != c.code || (err == nil) != (c.code == 0) {
					t.Errorf("Store: %v", err)
				}
			}
		})
	}
}

// breaking has the writes of an upload that was refused fail, as they do where
// there is more to send than fits on the way: from the nth data connection on,
// or on that alone.
func breaking(d *ftpnat.Dialer, nth int, only bool) {
	dial, dials := d.DialContext, 0
	d.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil || strings.HasSuffix(addr, ":21") {
			return nc, err
		}
		if dials++; dials == nth || dials > nth && !only {
			nc = broken{nc}
		}
		return nc, nil
	}
}

// broken is a connection that was reset while it waited to send.
type broken struct{ net.Conn }

// Write fails after a while.
func (c broken) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:len(p)/2])
	if err != nil {
		return n, err
	}
	time.Sleep(3 * rtt) // virtual
	c.Conn.Close()
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
}

// TestQueueShortEnd has a transfer break with a reply that is none of those
// that end a transfer, and a command behind it.
func TestQueueShortEnd(t *testing.T) {
	for _, reply := range []string{"450 Read error.", "500 Internal error.", "431 No."} {
		t.Run(reply[:3], func(t *testing.T) {
			s := setup{ftp: func(s *ftptest.Server) {
				s.Personality = ftptest.ProFTPD()
				s.Script = []ftptest.Step{{On: "RETR", Nth: 2, After150: reply}}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				c := w.dial()
				defer c.Close()
				if err := w.fetch(c); err != nil {
					t.Fatal(err)
				}
				for i := range 2 {
					rc, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
					if err != nil {
						t.Logf("%d: %v", i, err)
						continue
					}
					got, err := io.ReadAll(rc)
					rc.Close()
					if err == nil && len(got) != len(content) {
						t.Errorf("Retrieve %d: %d bytes and no error", i, len(got))
					}
				}
			})
		})
	}
}

// TestStoreBadEnd has an upload fail after it was sent, with such a reply.
func TestStoreBadEnd(t *testing.T) {
	for _, mode := range []ftpnat.Mode{ftpnat.EPSV, ftpnat.PORT} {
		for _, reply := range []string{"450 Virus found.", "500 Internal error."} {
			t.Run(fmt.Sprint(mode, reply[:3]), func(t *testing.T) {
				s := setup{dialer: func(d *ftpnat.Dialer) { d.Modes, d.MaxConns = []ftpnat.Mode{mode}, 1 }, ftp: func(s *ftptest.Server) {
					s.Script = []ftptest.Step{{On: "STOR", Final: reply}}
				}}
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					if _, err := fsys.ReadFile("pub/file.bin"); err != nil {
						t.Fatal(err)
					}
					for i := range 3 {
						start := time.Now()
						if err := fsys.WriteFile("up", small, 0o644); err == nil {
							t.Errorf("WriteFile %d: no error", i)
						}
						t.Logf("%v", time.Since(start))
					}
				})
			})
		}
	}
}

// TestFlightSecret has a server repeat the password in the answer to another
// command.
func TestFlightSecret(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{
			{On: "USER", Before: "331 Hold on."},
			{On: "PASS", Reply: "500 What is PASS hunter2-secret?"},
		}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		w.d.User, w.d.Password = "joe", "hunter2-secret"
		c, err := w.d.Dial(w.ctx, w.Addr)
		if err == nil {
			c.Close()
		}
		if strings.Contains(w.log.String()+fmt.Sprint(err), "hunter2-secret") {
			t.Errorf("the password is in: %v\n%s", err, w.log)
		}
	})
}

// TestLoginHiccup has a control connection end at the login when all is known to
// work: neither the mode nor the login in one go is to blame for ever.
func TestLoginHiccup(t *testing.T) {
	for _, twice := range []bool{false, true} {
		s := setup{ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "USER", Nth: 3, Reply: "-", Then: ftptest.Reset}}
			if twice {
				s.Script = append(s.Script, ftptest.Step{On: "USER", Nth: 6, Reply: "-", Then: ftptest.Reset})
			}
		}}
		inBubble(t, s, func(t *testing.T, w *world) {
			for range 5 {
				c := w.dial()
				if err := w.fetch(c); err != nil {
					t.Fatal(err)
				}
				c.Close()
			}
			if l := w.lesson(); l.Flight != ftpnat.Yes || l.Mode != ftpnat.EPSV || len(l.Avoid) > 0 {
				t.Errorf("remembered %+v", l)
			}
		})
	}
}
