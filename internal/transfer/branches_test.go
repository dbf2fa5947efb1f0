package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// strangerFirst is a listener to which somebody else connects first.
type strangerFirst struct {
	net.Listener
	came bool
}

type stranger struct{ net.Conn }

func (stranger) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 9), Port: 4000} }

func (l *strangerFirst) Accept() (net.Conn, error) {
	if l.came {
		return l.Listener.Accept()
	}
	l.came = true
	here, there := net.Pipe()
	there.Close()
	return stranger{here}, nil
}

// TestActiveFails names what is wrong in active mode.
func TestActiveFails(t *testing.T) {
	listen := func(change func(ln net.Listener, err error) (net.Listener, error)) func(c *Config) {
		return func(c *Config) {
			open := c.Listen
			c.Listen = func(ctx context.Context, network, address string) (net.Listener, error) {
				ln, err := open(ctx, network, address)
				return change(ln, err)
			}
		}
	}
	shut := []memnet.Box{memnet.InboundOnly(memnet.Drop, memnet.PortRange{First: 1, Last: 2})}
	for _, c := range []struct {
		name  string
		s     setup
		cause proto.Cause // of the first attempt; OK if it works
		code  int         // of the error, which is none of the way then
		note  string
	}{
		{"no port", setup{cfg: listen(func(ln net.Listener, _ error) (net.Listener, error) {
			ln.Close()
			return nil, errOops
		})}, proto.ListenFailed, 0, ""},
		{"PORT asks for more", script(ftptest.VSFTPD(), ftptest.Step{On: "PORT", Reply: "350 What?"}), proto.Refused, 0, ""},
		{"PORT is refused", script(ftptest.VSFTPD(), ftptest.Step{On: "PORT", Reply: "500 No."}), proto.Refused, 0, ""},
		{"a stranger comes first", setup{cfg: listen(func(ln net.Listener, err error) (net.Listener, error) { return &strangerFirst{Listener: ln}, err })}, proto.OK, 0, "192.0.2.9:4000, which is not the server, was turned away"},
		{"a stranger alone", setup{near: shut, cfg: listen(func(ln net.Listener, err error) (net.Listener, error) { return &strangerFirst{Listener: ln}, err })}, proto.OtherAddress, 0, "was turned away"},
		{"nobody comes", setup{near: shut}, proto.AcceptTimeout, 0, ""},
		{"the file is refused early", script(pret(), ftptest.Step{On: "PRET", Reply: "550 No."}), proto.OK, 550, ""},
		{"no 150", script(ftptest.VSFTPD(), ftptest.Step{On: "RETR", Preliminary: ftptest.None, Final: ftptest.None}), proto.ControlSilent, 0, ""},
		{"the control connection ends", script(ftptest.VSFTPD(), ftptest.Step{On: "RETR", Then: ftptest.Reset}), proto.ControlReset, 0, ""},
	} {
		c.s.path = func(p *path.Config) { p.Modes = []proto.Mode{proto.PORT} }
		run(t, c.s, func(w *world) {
			w.with(func(cl *client) {
				err := cl.get()
				switch first := cl.Attempts(); {
				case c.code != 0:
					if code(err) != c.code || len(first) > 0 {
						w.Errorf("%s: %v", c.name, err)
					}
				case len(first) == 0 || first[0].Cause != c.cause || (err == nil) != (c.cause == proto.OK):
					w.Errorf("%s: %v, %v, want %d", c.name, err, first, c.cause)
				}
				if c.note != "" && !w.noted(c.note) {
					w.Errorf("%s: noted %q", c.name, w.notes)
				}
			})
		})
	}
}

// TestOtherFamily advertises no address of another family than the control connection's.
func TestOtherFamily(t *testing.T) {
	for public, works := range map[string]bool{"2001:db8::7": false, "203.0.113.7": true} {
		s := setup{
			near: []memnet.Box{memnet.NAT{Public: netip.MustParseAddr("203.0.113.7"), Forwards: []memnet.Forward{{Ports: memnet.PortRange{First: 5000, Last: 5010}, To: netip.MustParseAddr("10.0.0.2")}}}},
			path: func(c *path.Config) {
				c.Modes, c.PublicAddr = []proto.Mode{proto.PORT}, netip.MustParseAddr(public)
			},
			cfg: func(c *Config) { c.Ports = [2]uint16{5000, 5010} },
		}
		run(t, s, func(w *world) {
			w.with(func(c *client) {
				err := c.get()
				attempts := c.Attempts()
				if last := attempts[len(attempts)-1]; (err == nil) != works || !works && last.Cause != proto.NoAddress {
					w.Errorf("%s: %v, %v", public, err, attempts)
				}
			})
		})
	}
}

// TestLost says why a reply does not come.
func TestLost(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			for err, want := range map[error]proto.Cause{proto.ErrSilent: proto.ControlSilent, errOops: proto.ControlReset, control.ErrArgument: proto.OK} {
				got := c.lost(w.ctx, err)
				var f *fault
				if !errors.Is(got, err) || errors.As(got, &f) != (want != proto.OK) || f != nil && f.cause != want {
					w.Errorf("%v: %v", err, got)
				}
			}
		})
	})
}

// TestResumedTold tells whether the last data connection resumed a session of TLS.
func TestResumedTold(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cfg  *tls.Config
		want proto.Finding
	}{
		{nil, proto.Unknown},
		{&tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com"}, proto.Yes},
		{&tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com", SessionTicketsDisabled: true}, proto.No},
	} {
		run(t, setup{tls: c.cfg, ftp: func(s *ftptest.Server) {
			if c.cfg != nil {
				s.TLS = cert.Server
			}
		}}, func(w *world) {
			w.with(func(cl *client) {
				w.must(cl.get())
				w.wants("TLSResumed", cl.TLSResumed(), c.want)
			})
		})
	}
}

// TestForged has data over TLS end without a close_notify on a server that has sent
// one: without a size that is no whole file.
func TestForged(t *testing.T) {
	for _, c := range []struct {
		before bool // a transfer that ended in order
		size   string
		want   error
	}{{true, "500 What?", proto.ErrShort}, {false, "500 What?", io.EOF}, {true, "", proto.ErrShort}} {
		s := secured(t, func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RETR", Preliminary: "150 Here.", Final: "226 Done."}, {On: "SIZE", Reply: c.size}}
			if c.size == "" {
				s.Script = s.Script[:1]
			}
			conn := 1
			if c.before {
				conn = 2
			}
			s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: conn, Dir: ftptest.Sent, After: 3000, Kind: ftptest.Cut}}
		})
		run(t, s, func(w *world) {
			w.with(func(cl *client) {
				if c.before {
					w.must(cl.fetch(Request{Line: "RETR file", Check: SIZE}, small))
				}
				if _, err := cl.ended(Request{Line: "RETR file", Check: SIZE}); !errors.Is(err, c.want) {
					w.Errorf("%+v: %v", c, err)
				}
			})
		})
	}
}

// TestListsNothing has a listing that nothing was sent for end with a good reply that
// says so.
func TestListsNothing(t *testing.T) {
	run(t, script(ftptest.VSFTPD(), ftptest.Step{On: "LIST", Final: "226 Transfer done (but failed to open directory)."}), func(w *world) {
		w.with(func(c *client) {
			if _, err := c.ended(Request{Line: "LIST"}); code(err) != 226 {
				w.Error(err)
			}
			w.must(c.get())
		})
	})
}

// TestStallUnderTLS has nothing come on a data connection over TLS after the 150: that
// is no slow tape, and the next one is tried after the time of one attempt.
func TestStallUnderTLS(t *testing.T) {
	for _, resumes := range []bool{false, true} {
		s := secured(t, func(s *ftptest.Server) {
			s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 2, Dir: ftptest.Sent, Kind: ftptest.Silence}}
		})
		run(t, s, func(w *world) {
			w.with(func(c *client) {
				req := Request{Line: "RETR file", Resumes: resumes}
				w.must(c.fetch(req, small))
				start := time.Now()
				err := c.fetch(req, small)
				if took := time.Since(start); took < 15*time.Second || took > 25*time.Second {
					w.Errorf("resumes %v: %v after %v", resumes, err, took)
				}
			})
		})
	}
}

// TestOfferAddr dials the server's name where its address is not known.
func TestOfferAddr(t *testing.T) {
	for peer, want := range map[string]string{"": "ftp.example.com:5", "192.0.2.1": "192.0.2.1:5", "2001:db8::1": "[2001:db8::1]:5"} {
		addr, _ := netip.ParseAddr(peer)
		if got := (&offer{peer: addr, host: "ftp.example.com"}).addr(5); got != want {
			t.Errorf("%q: %s", peer, got)
		}
	}
}

// TestBehindProxy transfers where the server's address is not known.
func TestBehindProxy(t *testing.T) {
	run(t, setup{path: func(c *path.Config) { c.Proxy = true }}, func(w *world) {
		w.with(func(c *client) {
			w.must(c.gets())
			w.must(c.asked())
			w.must(c.puts())
			w.check(c, want{ahead: proto.Yes, conns: 1})
		})
	})
}

// TestBye421 has a transfer end with a 421: the connection is used on if it answers.
func TestBye421(t *testing.T) {
	for _, then := range []ftptest.Ending{ftptest.Keep, ftptest.Silence, ftptest.Cut} {
		run(t, script(ftptest.VSFTPD(), ftptest.Step{On: "RETR", Nth: 1, Final: "421 Bye.", Then: then}), func(w *world) {
			w.with(func(c *client) {
				if _, err := c.ended(Request{Line: "RETR file"}); code(err) != 421 {
					w.Error(err)
				}
				if kept := c.sess.Live() != nil; kept != (then == ftptest.Keep) || kept && w.said("NOOP") != 1 {
					w.Errorf("%d: in use still: %v", then, kept)
				}
				w.must(c.get())
			})
		})
	}
}

// TestCutOff resets an upload that is cut, so that it does not look complete, and
// nothing else.
func TestCutOff(t *testing.T) {
	for line, reset := range map[string]bool{"STOR up": true, "RETR file": false} {
		for _, closed := range []bool{false, true} {
			nc := new(lingering)
			tr := &Transfer{req: Request{Line: line, kind: kindOf(line)}, done: true}
			tr.bind(nc)
			if closed {
				tr.Close()
			}
			tr.Cut(t.Context(), errOops)
			if !nc.closed || nc.reset != (reset && !closed) {
				t.Errorf("%s, closed before %v: reset %v", line, closed, nc.reset)
			}
		}
	}
}

// TestOfferTooLate closes a connection that comes when the offer has expired.
func TestOfferTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nc := new(lingering)
		f := &offer{host: "server", dialer: dialer{dial: func(context.Context, string, string) (net.Conn, error) {
			time.Sleep(offerFor + time.Second) // deaf to its context
			return nc, nil
		}}}
		f.Heard(proto.Reply{Code: 229, Lines: []string{"Here (|||5000|)"}})
		time.Sleep(offerFor + 2*time.Second)
		synctest.Wait()
		if !nc.closed || f.nc != nil {
			t.Errorf("closed %v", nc.closed)
		}
		if got := f.take(t.Context(), time.Second); got != nil {
			t.Error("it was taken")
		}
	})
}

// TestSizesHeard learns by its answers whether the server has SIZE.
func TestSizesHeard(t *testing.T) {
	for _, c := range []struct {
		before proto.Finding
		reply  proto.Reply
		size   int64
		after  proto.Finding
	}{
		{proto.Unknown, proto.Reply{Code: 213, Lines: []string{"7"}}, 7, proto.Yes},
		{proto.Unknown, proto.Reply{Code: 213, Lines: []string{"0"}}, 0, proto.Yes},
		{proto.Unknown, proto.Reply{Code: 550, Lines: []string{"No."}}, -1, proto.Unknown},
		{proto.Unknown, proto.Reply{Code: 500, Lines: []string{"What?"}}, -1, proto.No},
		{proto.Yes, proto.Reply{Code: 500, Lines: []string{"What?"}}, -1, proto.Yes},
		{proto.No, proto.Reply{Code: 213, Lines: []string{"7"}}, 7, proto.Yes},
	} {
		e := &Engine{sizes: c.before}
		if n := e.hearSize(c.reply); n != c.size || e.sizes != c.after {
			t.Errorf("%v after %d: %d, %d", c.reply, c.before, n, e.sizes)
		}
	}
}

// TestAwaitCut waits no longer for a closing reply where a transfer was cut off and
// the server has begun twice, as that may have been its last word, or where it was a
// download: the server may wait for the client by then.
func TestAwaitCut(t *testing.T) {
	p := ftptest.VSFTPD()
	p.Control.Delays = map[string]time.Duration{"NOOP": 5 * time.Second}
	for _, tt := range []struct {
		cut, twice bool
		kind       kind
		short      bool
	}{
		{false, false, download, false},
		{false, true, download, false},
		{true, false, download, true},
		{true, true, download, true},
		{false, false, upload, false},
		{false, true, upload, false},
		{true, false, upload, false},
		{true, true, upload, true},
	} {
		run(t, script(p), func(w *world) {
			w.with(func(c *client) {
				call, err := c.sess.Send(w.ctx, "NOOP")
				w.must(err)
				tr := &Transfer{e: c.Engine, call: call, begun: proto.Reply{Code: 150}, cut: tt.cut, twice: tt.twice, req: Request{kind: tt.kind}}
				if err := tr.await(w.ctx, time.Minute); (err != nil) != tt.short || err != nil && !errors.Is(err, proto.ErrSilent) {
					w.Errorf("%+v: %v", tt, err)
				}
			})
		})
	}
}

// TestSendEnded has the source of an upload fail because the context has ended: that is
// what the caller is told.
func TestSendEnded(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			tr, err := c.Open(w.ctx, Request{Line: "STOR up"})
			w.must(err)
			ctx, cancel := context.WithCancel(w.ctx)
			source := io.MultiReader(strings.NewReader("some"), readerFunc(func([]byte) (int, error) {
				cancel()
				return 0, errOops
			}))
			if err := tr.Send(ctx, source); err != context.Canceled || c.sess.Live() != nil {
				w.Error(err)
			}
		})
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestRefusedOrEnded tells a refusal from one that has ended a transfer.
func TestRefusedOrEnded(t *testing.T) {
	for ended, step := range map[bool]ftptest.Step{false: {Reply: "550 No."}, true: {After150: "550 No."}} {
		step.On = "RETR"
		run(t, script(ftptest.VSFTPD(), step), func(w *world) {
			w.with(func(c *client) {
				var told *proto.Error
				if err := c.get(); !errors.As(err, &told) || told.Ended != ended {
					w.Errorf("%v, want %v", err, ended)
				}
			})
		})
	}
}
