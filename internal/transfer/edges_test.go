package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/proxy"
)

// TestEndWith has something be wrong already when an upload ends, whatever the server
// says: a write that failed, which is the caller's to tell or, of a whole upload, was
// found out by the Transfer itself.
func TestEndWith(t *testing.T) {
	lost := ftptest.Step{Final: ftptest.None, Then: ftptest.Reset}
	for _, c := range []struct {
		name        string
		whole       bool
		err, broke  error
		step        ftptest.Step
		want        []error
		not         error
		refusedWith int
	}{
		{name: "whole, and nothing", whole: true},
		{name: "whole, broken, complete", whole: true, broke: errOops, want: []error{proto.ErrNoVerdict, errOops}},
		{name: "whole, broken, refused", whole: true, broke: errOops, step: ftptest.Step{Final: "552 Full."}, not: errOops, refusedWith: 552},
		{name: "whole, broken, lost", whole: true, broke: errOops, step: lost, want: []error{proto.ErrNoVerdict, proto.ErrLost}, not: errOops},
		{name: "a stream, broken, complete", err: errOops, want: []error{errOops}, not: proto.ErrNoVerdict},
		{name: "a stream, broken, refused", err: errOops, step: ftptest.Step{Final: "552 Full."}, not: errOops, refusedWith: 552},
		{name: "a stream, broken, lost", err: errOops, step: lost, want: []error{errOops}},
		{name: "a stream, lost", step: lost, want: []error{proto.ErrNoVerdict, proto.ErrLost}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.step.On = "STOR"
			run(t, setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{c.step} }}, func(w *world) {
				w.with(func(cl *client) {
					tr, err := cl.Open(w.ctx, Request{Line: "STOR up", Whole: c.whole, Body: small})
					w.must(err)
					tr.broke = c.broke
					err = tr.End(w.ctx, c.err)
					if (err == nil) != (c.want == nil && c.refusedWith == 0) || code(err) != c.refusedWith || c.not != nil && errors.Is(err, c.not) {
						w.Error(err)
					}
					for _, want := range c.want {
						if !errors.Is(err, want) {
							w.Errorf("%v, want %v", err, want)
						}
					}
				})
			})
		})
	}
}

// TestEndWithoutSIZE has a server that has no SIZE: a size that is known from
// elsewhere is compared with what came all the same.
func TestEndWithoutSIZE(t *testing.T) {
	for _, c := range []struct {
		known int64
		reply string
		want  error
	}{{-1, "150 Here.", io.EOF}, {-1, "150 Here (9999 bytes).", proto.ErrShort}, {9999, "150 Here.", proto.ErrShort}, {1, "150 Here.", proto.ErrChanged}} {
		steps := []ftptest.Step{{On: "RETR", Preliminary: c.reply}}
		run(t, setup{ftp: func(s *ftptest.Server) { s.Script = steps }}, func(w *world) {
			w.with(func(cl *client) {
				if n, err := cl.ended(Request{Line: "RETR file", Known: c.known, Resumes: true}); !errors.Is(err, c.want) {
					w.Errorf("%d of %d bytes, %s: %v, want %v", n, c.known, c.reply, err, c.want)
				}
			})
		})
	}
}

// TestEndQuestionLost has the question for the size of a download not be answered: it
// is not known whether the file is whole.
func TestEndQuestionLost(t *testing.T) {
	steps := []ftptest.Step{{On: "RETR", Preliminary: "150 Here."}, {On: "SIZE", Reply: ftptest.None, Then: ftptest.Reset}}
	run(t, setup{ftp: func(s *ftptest.Server) { s.Script = steps }}, func(w *world) {
		w.with(func(c *client) {
			if n, err := c.ended(Request{Line: "RETR file", Check: SIZE}); !errors.Is(err, proto.ErrNoVerdict) {
				w.Errorf("%d bytes, %v", n, err)
			}
		})
	})
}

// TestEndCancelled has the context end while the server is waited for: at once, with
// its error, and the connection is given up.
func TestEndCancelled(t *testing.T) {
	for _, whole := range []bool{false, true} {
		run(t, setup{ftp: func(s *ftptest.Server) { s.Limits.Rate = 1000 }}, func(w *world) {
			w.with(func(c *client) {
				tr, err := c.Open(w.ctx, Request{Line: "STOR up", Whole: whole, Body: small})
				w.must(err)
				if !whole {
					_, err = tr.Write(small)
					w.must(err)
				}
				ctx, cancel := context.WithTimeout(w.ctx, time.Second)
				defer cancel()
				start := time.Now()
				err = tr.End(ctx, nil)
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
					w.Errorf("%v after %v", err, time.Since(start))
				}
				if c.sess.Live() != nil {
					w.Error("the connection is in use still")
				}
			})
		})
	}
}

// TestWorked has one transfer in good order tell of all that follow that a mode has
// worked; a failure does not.
func TestWorked(t *testing.T) {
	for _, final := range []string{"", "552 Full."} {
		run(t, setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "RETR", Final: final}} }}, func(w *world) {
			w.with(func(c *client) {
				_, err := c.ended(Request{Line: "RETR file"})
				if worked := c.cfg.Worked.Load(); worked != (final == "") || c.Engine.ended != worked || (err == io.EOF) != worked {
					w.Errorf("%q: worked %v, ended %v: %v", final, worked, c.Engine.ended, err)
				}
			})
		})
	}
}

// TestAppendBehindREST appends when a REST was in force: that is not taken back, as
// APPE does not look at it; before STOR it is.
func TestAppendBehindREST(t *testing.T) {
	for verb, rests := range map[string]int{"APPE": 1, "STOR": 2} {
		run(t, setup{}, func(w *world) {
			w.with(func(c *client) {
				w.must(c.fetch(Request{Line: "RETR file", Offset: 100}, small[100:]))
				tr, err := c.Open(w.ctx, Request{Line: verb + " up"})
				w.must(err)
				w.must(tr.End(w.ctx, nil))
				if n := w.said("REST"); n != rests {
					w.Errorf("%s: %d times REST", verb, n)
				}
			})
		})
	}
}

// TestPRETRefused has the server refuse the file when it hears of it: that is the last
// word, and no data connection is asked for.
func TestPRETRefused(t *testing.T) {
	p := ftptest.Plain()
	p.Features = append(p.Features[:len(p.Features):len(p.Features)], "PRET")
	for reply, want := range map[string]int{"550 No.": 550, "350 What?": 350, "500 What?": 0} {
		run(t, setup{ftp: func(s *ftptest.Server) { s.Personality, s.Script = p, []ftptest.Step{{On: "PRET", Reply: reply}} }}, func(w *world) {
			w.with(func(c *client) {
				err := c.get()
				if code(err) != want || (err == nil) != (want == 0) || (w.said("RETR") == 0) != (want != 0) {
					w.Errorf("%s: %v, with %d RETR", reply, err, w.said("RETR"))
				}
				if l := w.mem.lesson(); (l.Mode == proto.EPSV) != (want == 0) {
					w.Errorf("%s: remembered %+v", reply, l)
				}
			})
		})
	}
}

// TestDialCause names why a dial fails.
func TestDialCause(t *testing.T) {
	for _, c := range []struct {
		err  error
		want proto.Cause
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}, proto.DialTimeout},
		{context.DeadlineExceeded, proto.DialTimeout},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, proto.DialRefused},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, proto.DialFailed},
		{&proxy.Error{}, proto.ProxyRefused},
	} {
		if got := dialCause(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

// TestNoAddressSaid has nothing tell the public address that active mode needs behind
// a NAT: the attempt says that, and not something else.
func TestNoAddressSaid(t *testing.T) {
	s := setup{
		near: []memnet.Box{memnet.NAT{Public: netip.MustParseAddr("203.0.113.7")}},
		ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "STAT", Reply: "502 No."}, {On: "PORT", Reply: "500 Illegal PORT command."}, {On: "EPRT", Reply: "500 Illegal EPRT command."}}
		},
		path: func(c *path.Config) { c.Modes = []proto.Mode{proto.PORT, proto.EPRT} },
	}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			if err := c.get(); !proto.IsNegotiate(err) {
				w.Fatal(err)
			}
			said := 0
			for _, a := range c.Attempts() {
				if a.Cause == proto.NoAddress && strings.Contains(fmt.Sprint(a.Err), "neither a setting nor the server tells it") {
					said++
				}
			}
			if said == 0 {
				w.Error(c.Attempts())
			}
		})
	})
}

// TestSeenOnce notes once how the server sees us, though it tells that in each refusal.
func TestSeenOnce(t *testing.T) {
	steps := []ftptest.Step{{On: "RETR", Reply: "425 Cannot open data connection for 203.0.113.2"}}
	run(t, setup{ftp: func(s *ftptest.Server) { s.Script = steps }}, func(w *world) {
		w.with(func(c *client) {
			for range 3 {
				_ = c.get()
			}
			notes := 0
			for _, n := range w.notes {
				if strings.Contains(n, "sees this machine as") {
					notes++
				}
			}
			if notes > 1 {
				w.Errorf("noted %d times", notes)
			}
		})
	})
}

// TestSIPPorts has both ports of SIP be avoided, and their neighbours not.
func TestSIPPorts(t *testing.T) {
	for port, want := range map[uint16]bool{5059: false, 5060: true, 5061: true, 5062: false} {
		if isSIP(port) != want {
			t.Errorf("%d: %v", port, !want)
		}
	}
}

// TestOdd400 has the least of negative replies be one, at the end of an empty file.
func TestOdd400(t *testing.T) {
	steps := []ftptest.Step{{On: "RETR", Final: "400 No."}}
	run(t, setup{ftp: func(s *ftptest.Server) { s.Script = steps; s.Tree.WriteFile("empty", nil, 0o644) }}, func(w *world) {
		w.with(func(c *client) {
			if err := c.fetch(Request{Line: "RETR empty"}, nil); code(err) != 400 {
				w.Error(err)
			}
		})
	})
}
