package transfer

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestLeftOpen has the server say how a transfer ended and leave its data connection
// open, with nothing on it: its word counts, and is not waited for.
func TestLeftOpen(t *testing.T) {
	for _, c := range []struct {
		line, says string
		code       int // zero for a whole download of nothing
	}{
		{"LIST", "226 No files found.", 0},
		{"LIST", "150 Here.\n226 No files found.", 0},
		{"RETR file", "150 Here.\n550 Failed.", 550},
		{"RETR file", "150 Here.\n400 Failed.", 400},
	} {
		verb, _, _ := strings.Cut(c.line, " ")
		raw := strings.ReplaceAll(c.says, "\n", "\r\n") + "\r\n"
		for _, first := range []bool{true, false} {
			run(t, script(ftptest.VSFTPD(), ftptest.Step{On: verb, Raw: raw}), func(w *world) {
				if !first {
					proven(w)
				}
				w.with(func(cl *client) {
					start := time.Now()
					n, err := cl.ended(Request{Line: c.line})
					if took := time.Since(start); n != 0 || took > time.Second || code(err) != c.code || c.code == 0 && err != io.EOF {
						w.Errorf("%s, %q: %d bytes, %v after %v", c.line, c.says, n, err, took)
					}
					if bad := w.failures(); len(bad) > 0 || w.conns() != 1 {
						w.Errorf("%s, %q: %v over %d connections", c.line, c.says, bad, w.conns())
					}
				})
			})
		}
	}
}

// TestSIPAhead is given a port of SIP ahead of need: it is not dialled, and nothing is to
// blame for that.
func TestSIPAhead(t *testing.T) {
	run(t, script(ftptest.Pyftpdlib(), ftptest.Step{On: "EPSV", Nth: 2, Reply: "229 Entering (|||5061|)"}), func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			_, err := c.Ask(w.ctx, "SIZE file")
			w.must(err)
			w.must(c.get())
			if !w.noted("port 5061 belongs to SIP") || w.said("EPSV") != 3 || w.noted("did not answer at once") || w.said("RETR") != 2 || c.missed {
				w.Errorf("%d ports, %d transfers, missed %v: %q", w.said("EPSV"), w.said("RETR"), c.missed, w.notes)
			}
			w.check(c, want{ahead: proto.Unknown, conns: 1})
			w.must(c.asked())
			w.check(c, want{ahead: proto.Yes, conns: 1})
		})
	})
}

// TestEarlyEndCancelled has the context end while it is not known whether a 226 is that
// of an earlier transfer.
func TestEarlyEndCancelled(t *testing.T) {
	p := ftptest.VSFTPD()
	p.Control.Delays = map[string]time.Duration{"NOOP": 5 * time.Second}
	run(t, script(p), func(w *world) {
		w.with(func(c *client) {
			call, err := c.sess.Send(w.ctx, "NOOP")
			w.must(err)
			ctx, cancel := context.WithTimeout(w.ctx, latency/2)
			defer cancel()
			tr := &Transfer{e: c.Engine, call: call}
			if err := tr.earlyEnd(ctx, proto.Reply{Code: 226}); err != context.DeadlineExceeded || tr.begun.Code != 0 || tr.verdict.Code != 0 {
				w.Errorf("%v, %v, %v", err, tr.begun, tr.verdict)
			}
		})
	})
}

// TestOfferWaits waits for a dial as long as it is told, each time.
func TestOfferWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, never, done := new(offer), make(chan struct{}), make(chan struct{})
		close(done)
		for _, c := range []struct {
			done  chan struct{}
			limit time.Duration
			ctx   time.Duration
			want  time.Duration
		}{{never, time.Second, time.Minute, time.Second}, {never, 3 * time.Second, time.Minute, 3 * time.Second}, {done, time.Second, time.Minute, 0}, {never, time.Second, 2 * time.Millisecond, 2 * time.Millisecond}, {never, 2 * time.Second, time.Minute, 2 * time.Second}} {
			ctx, cancel := context.WithTimeout(t.Context(), c.ctx)
			start := time.Now()
			f.wait(ctx, c.done, c.limit)
			if took := time.Since(start); took != c.want {
				t.Errorf("waited for %v, want %v", took, c.want)
			}
			cancel()
		}
	})
}

// TestOfferHeardTwice dials once for an offer, whatever the server says.
func TestOfferHeardTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := make(chan string, 10)
		f := &offer{host: "server", dialer: dialer{dial: func(_ context.Context, _, addr string) (net.Conn, error) {
			dials <- addr
			return new(lingering), nil
		}}}
		for _, text := range []string{"No port.", "Here (|||5060|)", "Here (|||5000|)", "Here (|||5001|)"} {
			f.Heard(proto.Reply{Code: 229, Lines: []string{text}})
			synctest.Wait()
		}
		if nc := f.take(t.Context(), time.Second); nc == nil || len(dials) != 1 || <-dials != "server:5000" {
			t.Errorf("%v, %d more dials", nc, len(dials))
		}
	})
}

// TestOfferKept uses the memory of an offer again once its connection was taken, and
// not while something of it goes on, or of one that was given up.
func TestOfferKept(t *testing.T) {
	done := make(chan struct{})
	close(done)
	for _, c := range []struct {
		f    *offer
		want bool
	}{{&offer{done: done, settled: true, behind: true, reply: proto.Reply{Code: 229}}, true}, {&offer{done: done, gone: true}, false}, {&offer{}, false}, {&offer{gone: true}, false}} {
		e := new(Engine)
		e.keep(c.f)
		if kept := e.spare == c.f; kept != c.want || kept && (c.f.done != nil || c.f.settled || c.f.behind || c.f.reply.Code != 0) {
			t.Errorf("%+v: kept %v", c.f, kept)
		}
	}
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			seen := map[*offer]bool{}
			for range 8 {
				w.must(c.sure())
				if c.offer != nil {
					seen[c.offer] = true
				}
			}
			if len(seen) != 1 {
				w.Errorf("%d offers", len(seen))
			}
		})
	})
}

// TestSettleCancelled has the context end while the port is waited for that was asked for
// ahead of need: the connection is given up, as nobody waits for the reply any more.
func TestSettleCancelled(t *testing.T) {
	run(t, script(ftptest.Pyftpdlib(), ftptest.Step{On: "EPSV", Nth: 2, Delay: 3 * time.Second, Reply: "229 Entering (|||5000|)"}), func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			_, err := c.Ask(w.ctx, "SIZE file")
			w.must(err)
			ctx, cancel := context.WithTimeout(w.ctx, time.Second)
			defer cancel()
			if err := c.Settle(ctx); err != context.DeadlineExceeded || c.sess.Live() != nil || c.pending() != nil {
				w.Errorf("%v; in use still: %v", err, c.sess.Live() != nil)
			}
			w.must(c.asked())
			w.check(c, want{ahead: proto.Yes, conns: 2})
		})
	})
}

// TestSettleTooLate has the context end when the port was refused already: what was
// offered is gone all the same.
func TestSettleTooLate(t *testing.T) {
	run(t, script(ftptest.Pyftpdlib(), ftptest.Step{On: "EPSV", Nth: 2, Reply: "500 Now?"}), func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			_, err := c.Ask(w.ctx, "SIZE file")
			w.must(err)
			time.Sleep(time.Second)
			ctx, cancel := context.WithCancel(w.ctx)
			cancel()
			if err := c.settle(ctx); err != context.Canceled || c.pending() != nil {
				w.Errorf("%v; an offer is left: %v", err, c.pending() != nil)
			}
			w.must(c.asked())
			w.check(c, want{ahead: proto.Yes, conns: 2})
		})
	})
}

// TestHandshakeStalls tells a handshake that comes to nothing after the 150 from a server
// that does not begin: another mode would do no better.
func TestHandshakeStalls(t *testing.T) {
	for _, begins := range []bool{true, false} {
		s := secured(t, func(s *ftptest.Server) {
			s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, Kind: ftptest.Silence}}
			if !begins {
				s.Script = []ftptest.Step{{On: "RETR", Nth: 1, Preliminary: ftptest.None}}
			}
		})
		run(t, s, func(w *world) {
			w.with(func(c *client) {
				want := proto.TLSFailed
				if !begins {
					want = proto.ControlSilent
				}
				err := c.get()
				if a := c.Attempts(); len(a) == 0 || a[0].Cause != want || (err == nil) == begins {
					w.Errorf("begins %v: %v, %v", begins, err, a)
				}
			})
		})
	}
}

// TestLazyEmpty downloads an empty file over TLS from a server that leaves the handshake
// to the first byte, and closes the data connection without it.
func TestLazyEmpty(t *testing.T) {
	s := secured(t, func(s *ftptest.Server) {
		s.Personality = ftptest.ProFTPD()
		s.Personality.TLS.Lazy = true
		s.Tree.WriteFile("empty", nil, 0o644)
	})
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			for i := range 3 {
				w.must(c.fetch(Request{Line: "RETR empty", Resumes: true}, nil))
				if n := w.said("RETR"); n != i+1 {
					w.Errorf("%d transfers", n)
				}
			}
			if bad := w.failures(); len(bad) > 0 {
				w.Error(bad)
			}
			w.must(c.get())
		})
	})
}

// TestGoneOnce has nobody listen any more when something is asked: that is tried for as
// long as a session may be, and not for a multiple of it.
func TestGoneOnce(t *testing.T) {
	for _, offered := range []bool{false, true} {
		s := script(ftptest.Pyftpdlib(), ftptest.Step{On: "EPSV", Nth: 2, Delay: time.Minute})
		run(t, s, func(w *world) {
			w.with(func(c *client) {
				w.must(c.get())
				if offered {
					_, err := c.Ask(w.ctx, "SIZE file")
					w.must(err)
				}
				w.srv.Close()
				time.Sleep(time.Second)
				if pending := c.pending() != nil; pending != offered {
					w.Errorf("an offer: %v", pending)
				}
				start := time.Now()
				if r, err := c.plain(w.ctx, "NOOP"); err == nil || r.Code != 0 {
					w.Errorf("offered %v: %v, %v", offered, r, err)
				}
				if took := time.Since(start); took < time.Minute || took > 2*time.Minute+time.Second {
					w.Errorf("offered %v: given up after %v", offered, took)
				}
			})
		})
	}
}

// TestNotKeptForContext has the context end while a command behind the transfer is to be
// answered: however often that happens, it says nothing of the server.
func TestNotKeptForContext(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			w.must(c.sure())
			before := c.path.Takes(path.Queue)
			ctx, cancel := context.WithCancel(w.ctx)
			cancel()
			for range 5 {
				(&Transfer{e: c.Engine}).notKept(ctx, proto.Reply{}, ctx.Err())
			}
			if c.path.Takes(path.Queue) != before || w.queue.Wary() || c.sess.Live() != nil {
				w.Errorf("remembered %v, wary %v", c.path.Takes(path.Queue), w.queue.Wary())
			}
		})
	})
}

// TestCheckedLost does not look for the size that was asked for along with a transfer
// whose closing reply is lost.
func TestCheckedLost(t *testing.T) {
	for _, lost := range []error{nil, errOops} {
		run(t, setup{}, func(w *world) {
			w.with(func(c *client) {
				call, err := c.sess.Send(w.ctx, "SIZE file")
				w.must(err)
				time.Sleep(time.Second)
				tr := &Transfer{e: c.Engine, check: call, lost: lost}
				if size, told := tr.checked(w.ctx); told != (lost == nil) || told && size != int64(len(small)) || tr.check != nil {
					w.Errorf("lost %v: %d, %v", lost, size, told)
				}
				if size, told := tr.checked(w.ctx); told {
					w.Errorf("told again: %d", size)
				}
			})
		})
	}
}

// TestRefusalAgain has the same step be taken again at once where the server knows of no
// data connection, and nowhere else.
func TestRefusalAgain(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			for text, want := range map[string]bool{"425 Use PORT or PASV first.": true, "503 Use PASV first.": false, "421 No data connection.": false, "425 Timed out.": false} {
				r := proto.Reply{Code: int(text[0]-'0')*100 + int(text[1]-'0')*10 + int(text[2]-'0'), Lines: []string{text[4:]}}
				var f *fault
				err := (&Transfer{e: c.Engine, req: Request{Line: "RETR file"}}).refusal(w.ctx, r)
				if !errors.As(err, &f) || f.again != want {
					w.Errorf("%s: %v, again %v", text, err, f != nil && f.again)
				}
			}
		})
	})
}

// TestNothingBehindREST has nothing come between a REST and the upload that it is for, and
// a command between one that is over and an upload from the beginning.
func TestNothingBehindREST(t *testing.T) {
	for off, noops := range map[int64]int{0: 1, 5: 0} {
		s := script(ftptest.VSFTPD())
		s.cfg = func(c *Config) { c.OneByOne = true }
		run(t, s, func(w *world) {
			w.must(w.srv.Tree.WriteFile("up", small, 0o644))
			w.with(func(c *client) {
				w.must(c.fetch(Request{Line: "RETR file", Offset: 100}, small[100:]))
				before := w.said("NOOP")
				tr, err := c.Open(w.ctx, Request{Line: "STOR up", Offset: off})
				w.must(err)
				w.must(tr.End(w.ctx, nil))
				if n := w.said("NOOP") - before; n != noops {
					w.Errorf("from %d: %d commands in between: %v", off, n, w.verbs(1))
				}
			})
		})
	}
}

// TestCheckTaken takes the answer that travelled with a download, though the size is known
// already: what it is may tell of the server.
func TestCheckTaken(t *testing.T) {
	for reply, want := range map[string]proto.Finding{"213 0": proto.Unknown, "500 Not now.": proto.No} {
		run(t, script(ftptest.VSFTPD(), ftptest.Step{On: "SIZE", Reply: reply}), func(w *world) {
			w.with(func(c *client) {
				call, err := c.sess.Send(w.ctx, "SIZE empty")
				w.must(err)
				tr := &Transfer{e: c.Engine, req: Request{Line: "RETR empty", Check: SIZE}, check: call, behind: true, size: -1, begun: proto.Reply{Code: 150, Lines: []string{"Here (0 bytes)."}}}
				tr.bind(new(lingering))
				if err := tr.counted(w.ctx); err != io.EOF || tr.check != nil || c.path.Takes(path.Queue) != want {
					w.Errorf("%s: %v, learnt %v", reply, err, c.path.Takes(path.Queue))
				}
			})
		})
	}
}

// TestCheckUnanswered gives the connection up where the size that was asked for ahead of
// the transfer is not told.
func TestCheckUnanswered(t *testing.T) {
	run(t, script(ftptest.VSFTPD(), ftptest.Step{On: "SIZE", Reply: ftptest.None}), func(w *world) {
		w.with(func(c *client) {
			call, err := c.sess.Send(w.ctx, "SIZE file")
			w.must(err)
			before := c.path.Takes(path.Queue)
			tr := &Transfer{e: c.Engine, check: call}
			if _, told := tr.checked(w.ctx); told || c.sess.Live() != nil || c.path.Takes(path.Queue) != before {
				w.Errorf("told %v, in use still %v", told, c.sess.Live() != nil)
			}
		})
	})
}

// TestCheckOvertakes has a server that is known to keep commands answer one behind a
// transfer before that has ended: it does not keep them, then.
func TestCheckOvertakes(t *testing.T) {
	for _, during := range []ftptest.During{ftptest.Beside, ftptest.BeforeBegin} {
		p := ftptest.PureFTPd()
		p.Control.During, p.Control.KeepShared = during, false
		s := script(p, ftptest.Step{On: "RETR", Preliminary: "150 Here."})
		ftp := s.ftp
		s.ftp = func(s *ftptest.Server) { ftp(s); s.Limits.Rate = 10_000 }
		run(t, s, func(w *world) {
			key := proto.Key{Server: addr, Network: netip.MustParsePrefix("203.0.113.0/24")}
			w.mem.Learn(key, proto.Lesson{Mode: proto.EPSV, Source: "peer", Flight: proto.Yes, Queue: proto.Yes, Ahead: proto.No, Seen: time.Now()})
			w.with(func(c *client) {
				w.must(c.sure())
				w.wants("Queue", c.path.Takes(path.Queue), proto.No)
				if n := w.said("SIZE"); n != 2 { // what came out of turn may be the answer to something else
					w.Errorf("asked %d times", n)
				}
			})
		})
	}
}
