package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// noted reports whether a note has a text.
func (w *world) noted(text string) bool {
	for _, n := range w.notes {
		if strings.Contains(n, text) {
			return true
		}
	}
	return false
}

// TestQuestion names the file of the command where that is what Check wants.
func TestQuestion(t *testing.T) {
	for _, c := range []struct{ check, line, want string }{
		{SIZE, "RETR a b", "SIZE a b"}, {"SIZE other", "RETR a", "SIZE other"}, {"", "RETR a", ""}, {"MLST a", "RETR b", "MLST a"},
	} {
		if got := (Request{Line: c.line, Check: c.check}).Question(); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.line, c.check, got, c.want)
		}
	}
}

// TestKindOf tells uploads and listings from other commands, in any case of letters.
func TestKindOf(t *testing.T) {
	for line, want := range map[string]kind{"RETR a": download, "stor a": upload, "APPE a": appending, "STOU": upload, "LIST": listing, "NLST a": listing, "mlsd": listing, "STAT": download} {
		if got := kindOf(line); got != want || got.upload() != (want == upload || want == appending) {
			t.Errorf("%s: %d", line, got)
		}
	}
}

// TestSockets has a lost SYN cost little where one can be lost: not on this machine,
// and not behind a proxy.
func TestSockets(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			for peer, want := range map[string]time.Duration{"198.51.100.10": synSlack + rtt*3/2, "127.0.0.1": 0, "::1": 0, "": 0} {
				addr, _ := netip.ParseAddr(peer)
				c.path.Connected(c.path.Local(), addr)
				if got := dialerOf(c.Engine).pause; got != want {
					w.Errorf("%q: another socket after %v, want %v", peer, got, want)
				}
			}
		})
	})
}

// TestNoConnection has what is known of a control connection be asked for when there
// is none.
func TestNoConnection(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			time.Sleep(time.Minute)
			trip := c.RTT()
			if c.idle() < time.Minute || trip != rtt {
				w.Errorf("idle for %v, %v away", c.idle(), trip)
			}
			c.sess.Drop(w.ctx, errOops)
			if c.idle() != 0 || c.sealed() || c.RTT() != trip {
				w.Errorf("idle for %v, sealed %v, %v away", c.idle(), c.sealed(), c.RTT())
			}
			quick := plan.Quick(rtt, c.cfg.Attempt)
			if brisk := c.brisk(quick); brisk.Dial >= quick.Dial {
				w.Errorf("dials for %v", brisk.Dial)
			}
			c.path.Connected(c.path.Local(), netip.Addr{}) // a proxy
			if brisk := c.brisk(quick); brisk.Dial != quick.Dial || brisk.Reply >= quick.Reply {
				w.Errorf("dials for %v behind a proxy", brisk.Dial)
			}
		})
	})
}

// TestServerGone has nobody listen any more: that is no failure of a mode.
func TestServerGone(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			w.srv.Close()
			for try := range 2 { // the first finds the connection lost
				if err := c.get(); err == nil || proto.IsNegotiate(err) != (try == 0) {
					w.Error(err)
				}
			}
			if _, err := c.Ask(w.ctx, "SIZE file"); err == nil {
				w.Error("a question was answered by nobody")
			}
			c.attempts = nil
			if err := c.gaveUp(w.ctx, errOops); err != errOops {
				w.Error(err)
			}
			c.attempts = []proto.Attempt{{Mode: proto.EPSV}}
			if err := c.gaveUp(w.ctx, errOops); !proto.IsNegotiate(err) || !errors.Is(err, errOops) {
				w.Error(err)
			}
			ctx, cancel := context.WithCancel(w.ctx)
			cancel()
			if err := c.gaveUp(ctx, errOops); err != context.Canceled {
				w.Error(err)
			}
		})
	})
}

// TestCommandsChecked has nothing be sent that holds two commands.
func TestCommandsChecked(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			if _, err := c.Open(w.ctx, Request{Line: "RETR a\r\nDELE b"}); err == nil {
				w.Error("it was sent")
			}
			if r, err := c.Ask(w.ctx, "SIZE file", "SIZE a\r\nDELE b"); err == nil || r != nil {
				w.Error("it was sent")
			}
			if n := w.said("SIZE") + w.said("RETR") + w.said("DELE"); n != 0 {
				w.Errorf("%d commands were sent", n)
			}
		})
	})
}

// TestKnown returns the size of a file as it was told last.
func TestKnown(t *testing.T) {
	told := proto.Reply{Code: 150, Lines: []string{"Here (70 bytes)."}}
	for _, c := range []struct {
		size  int64
		begun proto.Reply
		req   Request
		want  int64
	}{
		{-1, proto.Reply{}, Request{}, -1}, {-1, told, Request{}, 70}, {-1, told, Request{Offset: 1}, -1},
		{-1, told, Request{Known: 60}, 60}, {50, told, Request{Known: 60}, 50}, {0, told, Request{}, 0},
	} {
		if got := (&Transfer{size: c.size, begun: c.begun, req: c.req}).Known(); got != c.want {
			t.Errorf("%+v: %d, want %d", c.req, got, c.want)
		}
	}
}

// TestAbandonSilently gives the control connection up if the server says nothing of
// the end of an abandoned transfer.
func TestAbandonSilently(t *testing.T) {
	steps := []ftptest.Step{{On: "RETR", Nth: 2, Final: ftptest.None}}
	run(t, setup{ftp: func(s *ftptest.Server) { s.Script = steps }}, func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			tr, err := c.Open(w.ctx, Request{Line: "RETR file"})
			w.must(err)
			start := time.Now()
			tr.Abandon(w.ctx)
			if took := time.Since(start); c.sess.Live() != nil || took != 50*time.Millisecond+2*rtt || !tr.Closed() {
				w.Errorf("given up: %v, after %v", c.sess.Live() == nil, took)
			}
			if _, err := tr.Finish(w.ctx); err == nil {
				w.Error("there is a verdict")
			}
			w.must(c.get())
		})
	})
}

// TestSizeAgain has a server that has told sizes refuse to tell one: it is asked twice,
// and what cannot be known then is not called whole.
func TestSizeAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		replies []string
		want    error
	}{
		{"at once", nil, io.EOF},
		{"busy once", []string{"451 Busy."}, io.EOF},
		{"busy twice", []string{"451 Busy.", "450 Busy."}, proto.ErrNoVerdict},
		{"forgotten once", []string{"500 What?"}, io.EOF},
		{"forgotten twice", []string{"500 What?", "502 What?"}, proto.ErrNoVerdict},
		{"refused", []string{"550 No."}, io.EOF},
	} {
		s := script(ftptest.Plain(), ftptest.Step{On: "RETR", Preliminary: "150 Here."})
		s.cfg = func(c *Config) { c.OneByOne = true }
		ftp := s.ftp
		s.ftp = func(s *ftptest.Server) {
			ftp(s)
			for i, r := range c.replies {
				s.Script = append(s.Script, ftptest.Step{On: "SIZE", Nth: 2 + i, Reply: r})
			}
		}
		run(t, s, func(w *world) {
			w.with(func(cl *client) {
				w.must(cl.sure())
				if _, err := cl.ended(Request{Line: "RETR file", Check: SIZE}); !errors.Is(err, c.want) {
					w.Errorf("%s: %v, want %v", c.name, err, c.want)
				}
				if n := w.said("SIZE"); n != 2 && (n != 3 || len(c.replies) == 0 || c.name == "refused") {
					w.Errorf("%s: asked %d times", c.name, n)
				}
			})
		})
	}
}

// TestShare gives each step of a probe some of the time that is left.
func TestShare(t *testing.T) {
	const s = time.Second
	p := &prober{timers: plan.Timers{Dial: 1 * s, Reply: 2 * s, Accept: 3 * s, Start: 10 * s}}
	for _, c := range []struct {
		left, want time.Duration // zero for no limit; none
	}{{0, 17 * s}, {60 * s, 17 * s}, {34 * s, 17 * s}, {20 * s, 10 * s}, {8 * s, 5 * s}, {5 * s, 5 * s}, {4 * s, 0}} {
		run(t, setup{}, func(w *world) {
			ctx := w.ctx
			if c.left > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.left)
				defer cancel()
			}
			limit, ok := p.share(ctx)
			if ok != (c.want > 0) || ok && limit != c.want {
				w.Errorf("%v of %v: %v, want %v", limit, c.left, ok, c.want)
			}
		})
	}
}

// TestMapFails has nobody map a port: the attempt says so, with what became of the
// address that is known otherwise.
func TestMapFails(t *testing.T) {
	nat := memnet.NAT{Public: netip.MustParseAddr("203.0.113.7")}
	for _, failure := range []error{nil, errOops} {
		released := 0
		s := setup{
			near: []memnet.Box{nat},
			path: func(c *path.Config) { c.Modes, c.Mapped = []proto.Mode{proto.PORT}, true },
			cfg: func(c *Config) {
				c.Map = func(_ context.Context, local netip.AddrPort) (netip.AddrPort, func() error, error) {
					return netip.AddrPortFrom(nat.Public, local.Port()), func() error { released++; return nil }, failure
				}
			},
		}
		run(t, s, func(w *world) {
			w.with(func(c *client) {
				err := c.get()
				var unmapped *proto.UnmappedError
				said := false
				for _, a := range c.Attempts() {
					said = said || errors.As(a.Err, &unmapped) && errors.Is(unmapped.Mapper, errOops)
				}
				if !proto.IsNegotiate(err) || said != (failure != nil) || w.noted("could not be mapped: oops") != (failure != nil) || (released > 0) == (failure != nil) {
					w.Errorf("%v: %v, released %d times", failure, c.Attempts(), released)
				}
			})
		})
	}
}

// TestKeptOpen has servers leave the data connection of an upload over TLS open, which
// say how it ended all the same.
func TestKeptOpen(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, whole := range []bool{false, true} {
		for _, c := range []struct {
			step ftptest.Step
			code int
		}{
			{ftptest.Step{}, 0},
			{ftptest.Step{Final: "552 Full."}, 552},
			{ftptest.Step{Preliminary: ftptest.None, Final: "552 Full."}, 552},
			{ftptest.Step{Preliminary: ftptest.None, Final: "552 Full.", Early: true}, 552},
		} {
			if c.step.Preliminary != "" && !c.step.Early && !whole {
				continue // it waits for a 150 before it sends
			}
			c.step.On = "STOR"
			s := script(ftptest.ProFTPD(), c.step)
			s.tls = &tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com"}
			ftp := s.ftp
			s.ftp = func(s *ftptest.Server) {
				ftp(s)
				s.TLS, s.Personality.Data.KeepUpload = cert.Server, true
			}
			run(t, s, func(w *world) {
				proven(w)
				w.with(func(cl *client) {
					start := time.Now()
					err := cl.stored(Request{Line: "STOR up", Whole: whole, Body: small})
					if code(err) != c.code || (err == nil) != (c.code == 0) {
						w.Errorf("whole %v, %+v: %v", whole, c.step, err)
					}
					if took := time.Since(start); took > time.Second || w.conns() != 1 || w.said("STOR") != 1 {
						w.Errorf("whole %v, %+v: took %v, over %d connections, with %d STOR", whole, c.step, took, w.conns(), w.said("STOR"))
					}
				})
			})
		}
	}
}

// TestEmptyUnsaid asks for the size of what ends without a handshake, and of nothing
// but a file.
func TestEmptyUnsaid(t *testing.T) {
	run(t, setup{ftp: func(s *ftptest.Server) { s.Tree.WriteFile("empty", nil, 0o644) }}, func(w *world) {
		w.with(func(c *client) {
			for _, r := range []struct {
				req  Request
				want bool
			}{
				{Request{Line: "RETR empty"}, true}, {Request{Line: "retr empty"}, true}, {Request{Line: "RETR file"}, false},
				{Request{Line: "RETR file", Offset: int64(len(small))}, true}, {Request{Line: "LIST"}, false}, {Request{Line: "LIST empty"}, false},
				{Request{Line: "RETR none"}, false},
			} {
				r.req.kind = kindOf(r.req.Line)
				if got := (&Transfer{e: c.Engine, req: r.req}).isEmpty(w.ctx); got != r.want {
					w.Errorf("%+v: %v", r.req, got)
				}
			}
		})
	})
}

// TestDataCause tells by a refusal what became of the data connection.
func TestDataCause(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reply         string
		hasty         bool
		want, overTLS proto.Cause
	}{
		{"550 No.", false, proto.OK, proto.OK},
		{"522 Bad.", false, proto.OK, proto.TLSReuseRequired},
		{"425 Use PORT or PASV first.", false, proto.DataRefused, proto.DataRefused},
		{"503 Bad sequence: PORT first.", false, proto.Refused, proto.Refused},
		{"551 Wants PASV; or PORT.", false, proto.OK, proto.OK},
		{"551 Wants PASV; or PORT.", true, proto.Refused, proto.Refused},
		{"421 Bye.", false, proto.Refused, proto.Refused},
		{"425 No.", false, proto.DataRefused, proto.DataRefused},
		{"426 No.", false, proto.DataRefused, proto.DataRefused},
		{"425 TLS session of data connection not resumed.", false, proto.DataRefused, proto.TLSReuseRequired},
		{"425 Possible PASV hijack: bad IP connecting.", false, proto.BadIP, proto.BadIP},
	} {
		for _, secret := range []bool{false, true} {
			s, want := script(ftptest.ProFTPD()), c.want
			if secret {
				want = c.overTLS
				ftp := s.ftp
				s.ftp = func(s *ftptest.Server) { ftp(s); s.TLS = cert.Server }
				s.tls = &tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com"}
			}
			run(t, s, func(w *world) {
				w.with(func(cl *client) {
					n, err := strconv.Atoi(c.reply[:3])
					w.must(err)
					r := proto.Reply{Code: n, Lines: []string{c.reply[4:]}}
					if got := (&Transfer{e: cl.Engine, req: Request{Line: "RETR file"}, hasty: c.hasty}).dataCause(r); got != want {
						w.Errorf("%s, TLS %v: %d, want %d", c.reply, secret, got, want)
					}
				})
			})
		}
	}
}

// TestOfferClosed closes a data connection that nobody has used.
func TestOfferClosed(t *testing.T) {
	var last atomic.Pointer[counted]
	s := setup{cfg: func(c *Config) {
		dial := c.Dial
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			last.Store(&counted{Conn: nc})
			return last.Load(), nil
		}
	}}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			for _, end := range []func(){func() { time.Sleep(offerFor + time.Second) }, c.Engine.Close, func() { c.sess.Drop(w.ctx, errOops) }} {
				_, err := c.Ask(w.ctx, "SIZE file")
				w.must(err)
				time.Sleep(time.Second)
				if last.Load().closed.Load() {
					w.Error("no connection was opened ahead of need")
				}
				end()
				if !last.Load().closed.Load() {
					w.Error("it is open still")
				}
			}
		})
	})
}

// counted is a connection that tells when it is closed.
type counted struct {
	net.Conn
	closed atomic.Bool
}

func (c *counted) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// TestAnotherPort asks for a port again if the one that is on its way is of another
// mode.
func TestAnotherPort(t *testing.T) {
	for _, early := range []string{"EPSV", "PASV"} {
		run(t, setup{}, func(w *world) {
			w.with(func(c *client) {
				call, err := c.sess.Send(w.ctx, early)
				w.must(err)
				c.port = call
				a := c.attempt(Request{Line: "LIST"}, plan.Step{Mode: proto.PASV, Source: plan.Peer}, plan.Quick(rtt, c.cfg.Attempt))
				if _, err := a.passiveAddr(w.ctx); err != nil || a.Reply.Code != 227 || w.said("PASV") != 1 || c.port != nil {
					w.Errorf("%s: %v, %v", early, a.Reply, err)
				}
			})
		})
	}
}

// TestPatience waits longer for the server to begin where the way is known to be good.
func TestPatience(t *testing.T) {
	step := plan.Step{Mode: proto.EPSV, Source: plan.Peer}
	for _, c := range []struct {
		proven, of plan.Step
		ended      bool
		want       time.Duration
	}{
		{step, step, true, data.Stall}, {step, step, false, 15 * time.Second}, {plan.Step{Mode: proto.PASV, Source: plan.Peer}, step, true, 15 * time.Second},
		{plan.Step{Mode: proto.PORT, Source: plan.Local}, plan.Step{Mode: proto.PORT, Source: plan.Local}, true, 15 * time.Second},
	} {
		run(t, setup{}, func(w *world) {
			w.with(func(cl *client) {
				cl.path.Worked(c.proven)
				cl.Engine.ended = c.ended
				tr := newTransfer(cl.attempt(Request{Line: "RETR file"}, c.of, plan.Quick(rtt, cl.cfg.Attempt)))
				if tr.patience != c.want || tr.size != -1 {
					w.Errorf("%v, proven %v: %v", c.of, c.proven, tr.patience)
				}
			})
		})
	}
}
