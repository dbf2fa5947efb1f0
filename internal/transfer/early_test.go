package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestReuseNotAskedTwice has a server that wants the TLS session resumed, which
// it says once.
func TestReuseNotAskedTwice(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	s := setup{
		tls: &tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com", SessionTicketsDisabled: true},
		ftp: func(s *ftptest.Server) { s.Personality, s.TLS, s.RequireReuse = ftptest.ProFTPD(), cert.Server, true },
	}
	run(t, s, func(w *world) {
		proven(w)
		w.with(func(c *client) {
			if err := c.get(); !proto.IsNegotiate(err) {
				w.Error(err)
			}
			if n := w.said("RETR"); n != 1 {
				w.Errorf("RETR was sent %d times", n)
			}
			if got, want := w.failures(), fmt.Sprint("EPSV ", proto.TLSReuseRequired); len(got) != 1 || got[0] != want {
				w.Error(got)
			}
		})
	})
}

// proven has EPSV remembered.
func proven(w *world) {
	key := proto.Key{Server: addr, Network: netip.MustParsePrefix("203.0.113.0/24")}
	w.mem.Learn(key, proto.Lesson{Mode: proto.EPSV, Source: "peer", Seen: time.Now()})
}

// TestKeyExchanges has data connections fail that offer one key exchange alone,
// at once or from the second on: they are made again with all, and no mode is to
// blame.
func TestKeyExchanges(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, good := range []int{0, 1, 2} {
		t.Run(fmt.Sprint(good), func(t *testing.T) {
			single := 0
			server := cert.Server.Clone()
			server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				if len(hello.SupportedCurves) != 1 {
					return nil, nil
				}
				if single++; single > good {
					return nil, errOops
				}
				return nil, nil
			}
			s := setup{
				tls: &tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com"},
				ftp: func(s *ftptest.Server) { s.TLS = server },
			}
			run(t, s, func(w *world) {
				w.with(func(c *client) {
					w.must(c.gets())
					w.must(c.puts())
					if single != good+1 {
						w.Errorf("%d handshakes offered one key exchange", single)
					}
					if bad := w.failures(); len(bad) > 0 {
						w.Error(bad)
					}
				})
			})
		})
	}
}

// pret returns a server that wants to be told of each transfer before EPSV.
func pret() ftptest.Personality {
	p := ftptest.Plain()
	p.Name, p.Features, p.Data.RequirePRET = "pret", append(slices.Clone(p.Features), "PRET"), true
	return p
}

// TestPRET asks a server for nothing early that wants to be told of each command
// before EPSV.
func TestPRET(t *testing.T) {
	run(t, script(pret()), func(w *world) {
		for range 2 {
			w.with(func(c *client) {
				w.must(c.asked())
				w.must(c.put("up"))
			})
		}
		for i := range w.conns() {
			verbs := w.verbs(i + 1)
			for j, v := range verbs {
				if v == "EPSV" && verbs[j-1] != "PRET" && verbs[j-1] != "TYPE" {
					w.Errorf("EPSV without PRET: %v", verbs)
				}
			}
		}
		if bad := w.failures(); len(bad) > 0 {
			w.Error(bad)
		}
	})
}

// TestStaleREST takes a restart position back that stays in force: in the plain
// way, with no reply outstanding, and once.
func TestStaleREST(t *testing.T) {
	p := ftptest.VSFTPD()
	p.Files.RestPersists, p.Files.RestAppends = true, true
	run(t, script(p), func(w *world) {
		w.with(func(c *client) {
			w.must(c.two())
			w.must(c.fetch(Request{Line: "RETR file", Offset: 1000, Resumes: true}, small[1000:]))
			w.must(c.put("up"))
			w.has("up", small)
			w.must(c.gets())
			w.check(c, want{ahead: proto.Yes, conns: 1})
		})
		verbs := strings.Join(w.verbs(1), " ")
		if w.said("REST") != 2 || w.said("NOOP") != 1 || !strings.Contains(verbs, "EPSV REST NOOP STOR") {
			w.Error(verbs)
		}
		log := w.log.String()
		last := strings.LastIndex(log, "> REST 0")
		if before := log[:last]; strings.Count(before, "> EPSV") != strings.Count(before, "< 229") {
			w.Error("REST 0 was sent with a reply outstanding")
		}
	})
}

// TestSettled makes a transfer in the plain way with a port asked for behind the
// last one: that is answered, and of no use any more.
func TestSettled(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			w.must(c.two())
			c.missed = true // as if an offer had come to nothing
			w.must(c.get())
			if c.offer != nil {
				w.Error("an offer was kept that the server has forgotten")
			}
			log := w.log.String()
			last := log[:strings.LastIndex(log, "> EPSV")]
			if strings.Count(last, "> EPSV") != strings.Count(last, "< 229") {
				w.Error("EPSV was sent with a reply outstanding")
			}
			w.must(c.gets())
			w.check(c, want{ahead: proto.Yes, conns: 1})
		})
	})
}

// TestWithLogin sends EPSV with the first login of a session, if it has worked
// before, and not with later ones.
func TestWithLogin(t *testing.T) {
	run(t, script(ftptest.VSFTPD(), ftptest.Step{On: "STAT", Nth: 1, Then: ftptest.Cut}), func(w *world) {
		w.with(func(c *client) { w.must(c.get()) })
		w.with(func(c *client) {
			if n := w.trips(func() { w.must(c.get()) }); n > 3.1 {
				w.Errorf("the first download took %v round trips", n)
			}
			c.sess.Do(w.ctx, "STAT")
			w.must(c.gets())
			w.check(c, want{ahead: proto.Yes, conns: 3})
		})
		for i, early := range []bool{false, true, false} {
			verbs := strings.Join(w.verbs(i+1), " ")
			if got := strings.HasPrefix(verbs, "USER PASS TYPE EPSV FEAT"); got != early {
				w.Errorf("connection %d: %s", i+1, verbs)
			}
		}
	})
}

// TestSlowAnswers has a server that takes long for SIZE: one connection is lost
// until that is known.
func TestSlowAnswers(t *testing.T) {
	p := ftptest.VSFTPD()
	p.Control.Delays = map[string]time.Duration{"SIZE": 5 * time.Second}
	run(t, script(p), func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			w.must(c.asked())
			w.must(c.asked())
			if w.conns() > 2 {
				w.Errorf("%d control connections", w.conns())
			}
		})
	})
}

// TestDeadly has a proven EPSV that is not answered any more, met by a question
// first.
func TestDeadly(t *testing.T) {
	run(t, script(ftptest.VSFTPD(), from(3, ftptest.Step{On: "EPSV", Then: ftptest.Silence})...), func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			start := time.Now()
			_, err := c.Ask(w.ctx, "SIZE file")
			w.must(err)
			w.must(c.get())
			_, err = c.Ask(w.ctx, "SIZE file")
			w.must(err)
			w.must(c.get())
			if took := time.Since(start); took > 7500*time.Millisecond {
				w.Errorf("took %v", took)
			}
			if l := w.mem.lesson(); l.Mode != proto.PASV {
				w.Errorf("remembered %+v", l)
			}
		})
	})
}

// TestSwallowedQuestion has a question not answered that was sent with another
// command: it is sent again, and soon.
func TestSwallowedQuestion(t *testing.T) {
	run(t, script(ftptest.VSFTPD(), ftptest.Step{On: "SIZE", Nth: 2, Then: ftptest.Silence}), func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			start := time.Now()
			w.must(c.asked())
			if took := time.Since(start); took > 4*time.Second {
				w.Errorf("took %v", took)
			}
			if bad := w.failures(); len(bad) > 0 {
				w.Error(bad)
			}
		})
	})
}

// TestNoVerdictThenRefused has a whole upload lose its verdict, and refused when
// it is sent again, because the server replaces nothing: both are told.
func TestNoVerdictThenRefused(t *testing.T) {
	steps := []ftptest.Step{{On: "STOR", Nth: 2, Final: ftptest.None, Then: ftptest.Cut}, {On: "STOR", Nth: 3, Reply: "553 It is there."}}
	run(t, script(ftptest.VSFTPD(), steps...), func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			w.must(c.put("one"))
			err := c.put("two")
			if !errors.Is(err, proto.ErrNoVerdict) || code(err) != 553 {
				w.Error(err)
			}
			w.has("two", small)
		})
	})
}

// TestWholeFull has a whole upload refused for good.
func TestWholeFull(t *testing.T) {
	for _, reply := range []string{"452 Full.", "552 Full.", "553 No."} {
		run(t, script(ftptest.VSFTPD(), from(2, ftptest.Step{On: "STOR", Reply: reply})...), func(w *world) {
			w.with(func(c *client) {
				w.must(c.get())
				w.must(c.put("one"))
				err := c.put("two")
				if fmt.Sprint(code(err)) != reply[:3] || w.conns() != 1 {
					w.Errorf("%v over %d connections", err, w.conns())
				}
				w.must(c.gets())
			})
		})
	}
}

// TestBodyEndsWithContext has a whole upload to a server that does not read.
func TestBodyEndsWithContext(t *testing.T) {
	for _, fast := range []bool{false, true} {
		run(t, setup{ftp: func(s *ftptest.Server) { s.Limits.Rate = 1 << 20 }}, func(w *world) {
			w.with(func(c *client) {
				if fast {
					w.must(c.two())
				}
				ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
				defer cancel()
				start := time.Now()
				_, err := c.Open(ctx, Request{Line: "STOR up", Whole: true, Body: make([]byte, 64<<20)})
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2100*time.Millisecond {
					w.Errorf("%v after %v", err, time.Since(start))
				}
				if c.sess.Live() != nil {
					w.Error("the connection is in use still")
				}
				w.must(c.get())
			})
		})
	}
}
