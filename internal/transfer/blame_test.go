package transfer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// script returns a server's setup with a script.
func script(p ftptest.Personality, steps ...ftptest.Step) setup {
	return setup{ftp: func(s *ftptest.Server) { s.Personality, s.Script = p, steps }}
}

// from returns a step for each occurrence of a command from the nth on.
func from(nth int, step ftptest.Step) (steps []ftptest.Step) {
	for i := range 40 {
		step.Nth = nth + i
		steps = append(steps, step)
	}
	return steps
}

// want is what a fault may cost.
type want struct {
	queue, ahead proto.Finding
	conns        int
	failed       []string // attempts, with the numbers of their causes
}

// check compares that with what has happened.
func (w *world) check(c *client, want want) {
	w.Helper()
	w.wants("Queue", c.path.Takes(path.Queue), want.queue)
	w.wants("Ahead", c.path.Takes(path.Ahead), want.ahead)
	if w.conns() != want.conns {
		w.Errorf("%d control connections, want %d", w.conns(), want.conns)
	}
	if got := w.failures(); !slices.Equal(got, want.failed) {
		w.Errorf("attempts that failed: %v, want %v", got, want.failed)
	}
}

// TestBlame has single faults under what is sent early. Nothing of them reaches
// the caller, and it is remembered what is to blame.
func TestBlame(t *testing.T) {
	yes, no, unknown := proto.Yes, proto.No, proto.Unknown
	silent := fmt.Sprint("EPSV ", proto.ControlSilent)
	for _, c := range []struct {
		name  string
		p     ftptest.Personality
		steps []ftptest.Step
		work  func(c *client) error
		want  want
	}{
		{"nothing", ftptest.VSFTPD(), nil, (*client).gets, want{unknown, yes, 1, nil}},
		{"426 after a whole upload", ftptest.VSFTPD(), []ftptest.Step{{On: "STOR", Nth: 2, Final: "426 Too early."}}, (*client).puts, want{unknown, yes, 1, nil}},
		{"425 after a whole upload", ftptest.Pyftpdlib(), []ftptest.Step{{On: "STOR", Nth: 2, Final: "425 Too early."}}, (*client).puts, want{unknown, yes, 1, nil}},
		{"452 to a whole upload", ftptest.VSFTPD(), []ftptest.Step{{On: "STOR", Nth: 2, Reply: "452 Busy."}}, (*client).puts, want{unknown, yes, 1, nil}},
		{"no verdict on a whole upload", ftptest.VSFTPD(), []ftptest.Step{{On: "STOR", Nth: 2, Final: ftptest.None, Then: ftptest.Cut}}, (*client).puts, want{unknown, yes, 2, nil}},
		{"commands behind are refused", ftptest.VSFTPD(), []ftptest.Step{{On: "EPSV", Nth: 3, Reply: "500 Now?"}}, (*client).gets, want{no, unknown, 1, nil}},
		{"RETR lost once", ftptest.VSFTPD(), []ftptest.Step{{On: "RETR", Nth: 3, Then: ftptest.Reset}}, (*client).gets, want{unknown, yes, 2, nil}},
		{"RETR lost twice in a row", ftptest.VSFTPD(), []ftptest.Step{{On: "RETR", Nth: 3, Then: ftptest.Reset}, {On: "RETR", Nth: 5, Then: ftptest.Reset}}, (*client).gets, want{no, yes, 3, nil}},
		{"a stray 226 with nothing behind", ftptest.Pyftpdlib(), from(2, ftptest.Step{On: "RETR", Before: "226 Closing."}), (*client).asked, want{unknown, yes, 1, nil}},
		{"no 150 with nothing behind", ftptest.Pyftpdlib(), from(2, ftptest.Step{On: "RETR", Preliminary: ftptest.None}), (*client).asked, want{unknown, yes, 1, nil}},
		{"a stray 226 with something behind", ftptest.VSFTPD(), []ftptest.Step{{On: "RETR", Nth: 3, Before: "226 Closing."}}, (*client).gets, want{unknown, yes, 2, nil}},
		{"ports of SIP", ftptest.VSFTPD(), []ftptest.Step{{On: "EPSV", Nth: 1, Reply: "229 Here (|||5060|)"}, {On: "EPSV", Nth: 4, Reply: "229 Here (|||5061|)"}}, (*client).gets, want{unknown, yes, 1, nil}},
		{"a 229 without a port", ftptest.VSFTPD(), []ftptest.Step{{On: "EPSV", Nth: 3, Reply: "229 Here"}}, (*client).gets, want{unknown, yes, 1, nil}},
		{"silence after RETR", ftptest.Pyftpdlib(), []ftptest.Step{{On: "RETR", Nth: 2, Then: ftptest.Silence}}, (*client).asked, want{unknown, yes, 2, []string{silent}}},
		{"EPSV dies", ftptest.VSFTPD(), from(2, ftptest.Step{On: "EPSV", Then: ftptest.Silence}), (*client).two, want{unknown, unknown, 2, []string{silent}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, script(c.p, c.steps...), func(w *world) {
				w.with(func(cl *client) {
					w.must(c.work(cl))
					w.check(cl, c.want)
				})
			})
		})
	}
}

func (c *client) two() error { return errors.Join(c.get(), c.get()) }

// gets makes some downloads.
func (c *client) gets() error {
	var errs []error
	for range 6 {
		errs = append(errs, c.get())
	}
	return errors.Join(errs...)
}

// asked makes some downloads, with a question before each.
func (c *client) asked() error {
	var errs []error
	for range 4 {
		_, err := c.Ask(c.w.ctx, "SIZE file")
		errs = append(errs, err, c.get())
	}
	return errors.Join(errs...)
}

// puts makes some small uploads and checks them.
func (c *client) puts() error {
	errs := []error{c.get()}
	for i := range 4 {
		name := fmt.Sprint("up", i)
		errs = append(errs, c.put(name))
		c.w.has(name, small)
	}
	return errors.Join(errs...)
}

// TestQueueing has servers that look like one that keeps commands behind a
// transfer and do something else: they are not asked that for ever.
func TestQueueing(t *testing.T) {
	for name, during := range map[string]ftptest.During{
		"refused": ftptest.Refuse, "obeyed, and the transfer destroyed": ftptest.Obey, "answered first": ftptest.Beside,
		"answered before the 150": ftptest.BeforeBegin, "refused after the transfer": ftptest.RefuseAfter, "lost": ftptest.Lose,
		"closed": ftptest.CutDuring, "reset": ftptest.ResetDuring,
	} {
		t.Run(name, func(t *testing.T) {
			p := ftptest.VSFTPD()
			p.Control.During = during
			run(t, script(p), func(w *world) {
				w.with(func(c *client) {
					broken := 0
					for range 10 {
						if c.get() != nil { // the caller goes on where it broke
							broken++
						}
					}
					for range 3 {
						w.must(c.put("up"))
					}
					w.wants("Queue", c.path.Takes(path.Queue), proto.No)
					if broken > 2 {
						w.Errorf("%d transfers broke", broken)
					}
					if bad := w.failures(); len(bad) > 0 {
						w.Error(bad)
					}
					conns := w.conns()
					w.must(c.gets())
					if w.conns() != conns {
						w.Errorf("%d more connections with that known", w.conns()-conns)
					}
				})
			})
		})
	}
}

// TestLoseBehind has a server that ends, with a transfer, the data connection
// that was asked for behind it, and says so as if it were about the file: ftp-srv.
func TestLoseBehind(t *testing.T) {
	for _, says := range []string{"551 Wants PASV; or PORT.", "425 Use PORT or PASV first."} {
		p := ftptest.VSFTPD().Saying("nodata", says)
		p.Control.LoseBehind, p.Control.During = true, ftptest.Defer
		run(t, script(p), func(w *world) {
			w.with(func(c *client) {
				w.must(errors.Join(c.gets(), c.gets()))
				w.wants("Queue", c.path.Takes(path.Queue), proto.No)
				if bad := w.failures(); len(bad) > 0 {
					w.Error(bad)
				}
			})
		})
	}
}

// TestOldOffer does not blame the early data connection for having grown old.
func TestOldOffer(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			w.must(c.gets())
			for range 4 {
				time.Sleep(5 * time.Second)
				w.must(c.get())
			}
			w.check(c, want{ahead: proto.Yes, conns: 1})
		})
	})
}

// TestForgottenAhead does not blame what is sent early for a control connection
// that a NAT has forgotten.
func TestForgottenAhead(t *testing.T) {
	nat := memnet.NAT{Public: netip.MustParseAddr("203.0.113.7"), IdleTimeout: 20 * time.Second}
	s := script(ftptest.Pyftpdlib()) // nothing is asked for behind a transfer
	s.near = []memnet.Box{nat}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			w.must(c.asked())
			for range 4 {
				time.Sleep(time.Minute)
				_, err := c.Ask(w.ctx, "SIZE file")
				w.must(err)
				w.must(c.get())
			}
			w.check(c, want{ahead: proto.Yes, conns: 5})
		})
	})
}

// TestMissed has a firewall that opens ports by what it reads, and overlooks a
// reply that shares a segment with others.
func TestMissed(t *testing.T) {
	wall := memnet.InboundOnly(memnet.Drop, memnet.Port(21))
	wall.FTPHelper = true
	s := setup{far: []memnet.Box{wall}, ftp: func(s *ftptest.Server) {
		s.Personality = ftptest.Pyftpdlib()
		s.Personality.Control.Coalesce = time.Millisecond
	}}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			for range 3 {
				if n := w.trips(func() { w.must(c.asked()) }); n > 4*15 {
					w.Errorf("took %v round trips", n)
				}
			}
			w.check(c, want{ahead: proto.No, conns: 1})
			if l := w.mem.lesson(); l.Mode != proto.EPSV {
				w.Errorf("remembered %+v", l)
			}
		})
	})
}

// TestMissedOnce has one data connection hang that was dialled early.
func TestMissedOnce(t *testing.T) {
	var mu sync.Mutex
	dials, hung := 0, ""
	hangs := func(cfg *Config) {
		dial := cfg.Dial
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			mu.Lock()
			if dials++; dials == 2 {
				hung = addr
			}
			hangs := addr == hung
			mu.Unlock()
			if hangs {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return dial(ctx, network, addr)
		}
	}
	s := script(ftptest.Pyftpdlib())
	s.cfg = hangs
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			w.must(c.get())
			_, err := c.Ask(w.ctx, "SIZE file")
			w.must(err)
			w.must(c.get())
			w.wants("Ahead", c.path.Takes(path.Ahead), proto.Unknown)
			w.must(c.asked())
			w.check(c, want{ahead: proto.Yes, conns: 1})
		})
	})
}

// TestSwallowedAhead has boxes that do not like a command before the last one was
// answered.
func TestSwallowedAhead(t *testing.T) {
	for _, box := range []memnet.Inspector{{Shared: memnet.Swallow}, {Shared: memnet.Reset}, {Shared: memnet.Discard}} {
		run(t, setup{near: []memnet.Box{box}, slow: true}, func(w *world) {
			w.with(func(c *client) {
				w.must(c.get())
				for range 2 {
					w.must(c.asked())
					w.must(c.puts())
				}
				if l := w.mem.lesson(); l.Mode != proto.EPSV || len(l.Avoid) > 0 {
					w.Errorf("remembered %+v", l)
				}
				if bad := w.failures(); len(bad) > 0 {
					w.Error(bad)
				}
				conns := w.conns()
				w.must(c.asked())
				w.must(c.puts())
				if w.conns() != conns {
					w.Errorf("%d more connections with that known", w.conns()-conns)
				}
			})
		})
	}
}

// TestMissingFile asks for a missing file once.
func TestMissingFile(t *testing.T) {
	run(t, setup{}, func(w *world) {
		w.with(func(c *client) {
			w.must(c.two())
			before := w.said("RETR")
			for range 3 {
				if err := c.fetch(Request{Line: "RETR none", Resumes: true}, nil); code(err) != 550 || proto.IsNegotiate(err) {
					w.Error(err)
				}
			}
			if n := w.said("RETR") - before; n != 3 || w.conns() != 1 {
				w.Errorf("asked %d times, over %d connections", n, w.conns())
			}
		})
	})
}
