package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestModes works in whichever mode the network lets through.
func TestModes(t *testing.T) {
	closed := func(modes ...string) []ftptest.Step {
		var steps []ftptest.Step
		for _, m := range modes {
			steps = append(steps, ftptest.Step{On: m, Reply: "500 Unknown command."})
		}
		return steps
	}
	for _, c := range []struct {
		name  string
		set   setup
		mode  proto.Mode
		limit time.Duration
	}{
		{"all", setup{}, proto.EPSV, time.Second},
		{"no EPSV", script(ftptest.VSFTPD(), closed("EPSV")...), proto.PASV, time.Second},
		{"EPSV kills", script(ftptest.VSFTPD(), ftptest.Step{On: "EPSV", Then: ftptest.Reset}), proto.PASV, time.Second},
		{"EPSV is not answered", script(ftptest.VSFTPD(), ftptest.Step{On: "EPSV", Then: ftptest.Silence}), proto.PASV, 4 * time.Second},
		{"no passive mode", script(ftptest.VSFTPD(), closed("EPSV", "PASV")...), proto.PORT, time.Second},
		{"only EPRT", script(ftptest.VSFTPD(), closed("EPSV", "PASV", "PORT")...), proto.EPRT, time.Second},
		{"ports are closed", setup{far: []memnet.Box{memnet.InboundOnly(memnet.Drop, memnet.Port(21))}}, proto.PORT, 5 * time.Second},
		{"a NAT with a helper", setup{near: []memnet.Box{memnet.NAT{Public: netip.MustParseAddr("203.0.113.7"), FTPHelper: true}}, far: []memnet.Box{memnet.InboundOnly(memnet.Drop, memnet.Port(21))}}, proto.PORT, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, c.set, func(w *world) {
				w.with(func(cl *client) {
					start := time.Now()
					w.must(cl.get())
					if took := time.Since(start); took > c.limit {
						w.Errorf("the first download took %v", took)
					}
					if l := w.mem.lesson(); l.Mode != c.mode {
						w.Errorf("%v worked, want %v", l.Mode, c.mode)
					}
					failed := len(w.failures())
					w.must(cl.gets())
					w.must(cl.puts())
					if got := w.failures(); len(got) > 0 {
						w.Errorf("%d attempts failed at first, and then %v", failed, got)
					}
				})
			})
		})
	}
}

// TestActiveFigures states what active mode costs, in round trips.
func TestActiveFigures(t *testing.T) {
	s := setup{path: func(c *path.Config) { c.Modes = []proto.Mode{proto.PORT} }}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			w.must(c.gets())
			if n := w.trips(func() { w.must(c.get()) }); n > 4.1 {
				w.Errorf("a download took %v round trips", n)
			}
			w.must(c.put("up"))
			if n := w.trips(func() { w.must(c.put("up")) }); n > 6.1 {
				w.Errorf("an upload took %v round trips", n)
			}
		})
	})
}

// TestNothingWorks tells of each attempt in the error.
func TestNothingWorks(t *testing.T) {
	steps := []ftptest.Step{{On: "EPSV", Reply: "500 No."}, {On: "PASV", Reply: "500 No."}, {On: "PORT", Reply: "500 No."}, {On: "EPRT", Reply: "500 No."}}
	run(t, script(ftptest.VSFTPD(), steps...), func(w *world) {
		w.with(func(c *client) {
			err := c.get()
			var ne *proto.NegotiateError
			if !errors.As(err, &ne) || ne.Server != addr || len(ne.Attempts) < 4 || !slices.EqualFunc(ne.Attempts, c.Attempts(), func(a, b proto.Attempt) bool { return a.Mode == b.Mode && a.Cause == b.Cause }) {
				w.Errorf("%v, %v", err, c.Attempts())
			}
			if code(err) != 0 {
				w.Errorf("the refusal of a mode is found as one of the file: %v", err)
			}
		})
	})
}

// TestNoRestart tells that a server does not begin in the middle of a file.
func TestNoRestart(t *testing.T) {
	for _, step := range []ftptest.Step{{On: "REST", Reply: "502 No."}, {On: "RETR", Nth: 3, Reply: "451 file: Append/Restart not permitted, try again"}} {
		run(t, script(ftptest.VSFTPD(), step), func(w *world) {
			w.with(func(c *client) {
				w.must(c.two())
				err := c.fetch(Request{Line: "RETR file", Offset: 10, Resumes: true}, nil)
				if !errors.Is(err, proto.ErrNoRestart) || code(err) == 0 || proto.IsNegotiate(err) {
					w.Error(err)
				}
				w.must(c.gets())
			})
		})
	}
}

// TestIdleNAT does not blame a mode for a control connection that a NAT has
// forgotten.
func TestIdleNAT(t *testing.T) {
	nat := memnet.NAT{Public: netip.MustParseAddr("203.0.113.7"), IdleTimeout: 20 * time.Second}
	run(t, setup{near: []memnet.Box{nat}}, func(w *world) {
		w.with(func(c *client) {
			w.must(c.gets())
			for range 3 {
				time.Sleep(time.Minute)
				start := time.Now()
				w.must(c.get())
				if took := time.Since(start); took > 3*time.Second {
					w.Errorf("took %v", took)
				}
				if got := w.failures(); len(got) != 1 {
					w.Errorf("attempts that failed: %v", got)
				}
			}
			if l := w.mem.lesson(); l.Mode != proto.EPSV || len(l.Avoid) > 0 {
				w.Errorf("remembered %+v", l)
			}
		})
	})
}

// TestMap advertises a port that a NAT has mapped, and gives the mapping back
// when the data connection is closed.
func TestMap(t *testing.T) {
	public := netip.MustParseAddr("203.0.113.7")
	mapped, released := 0, 0
	s := setup{
		near: []memnet.Box{memnet.NAT{Public: public, Forwards: []memnet.Forward{{Ports: memnet.PortRange{First: 5000, Last: 5010}, To: netip.MustParseAddr("10.0.0.2")}}}},
		path: func(c *path.Config) { c.Modes, c.Mapped = []proto.Mode{proto.PORT}, true },
		cfg: func(c *Config) {
			c.Ports = [2]uint16{5000, 5010}
			c.Map = func(_ context.Context, local netip.AddrPort) (netip.AddrPort, func() error, error) {
				mapped++
				return netip.AddrPortFrom(public, local.Port()), func() error { released++; return nil }, nil
			}
		},
	}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			w.must(c.gets())
			if mapped < 6 || mapped != released {
				w.Errorf("%d mapped, %d released", mapped, released)
			}
		})
	})
}

// TestProbe tries each mode once.
func TestProbe(t *testing.T) {
	s := setup{cfg: func(c *Config) { c.OneByOne = true }, ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "EPSV", Reply: "500 No."}}
	}}
	run(t, s, func(w *world) {
		w.with(func(c *client) {
			mode, err := c.Probe(w.ctx)
			w.must(err)
			var modes []proto.Mode
			for _, a := range c.Attempts() {
				modes = append(modes, a.Mode)
			}
			if want := []proto.Mode{proto.EPSV, proto.PASV, proto.PORT, proto.EPRT}; mode != proto.PASV || !slices.Equal(modes, want) {
				w.Errorf("%v works, of %v", mode, modes)
			}
			w.must(c.get())
			ctx, cancel := context.WithTimeout(w.ctx, 100*time.Millisecond)
			defer cancel()
			if _, err := c.Probe(ctx); !errors.Is(err, errTimeUp) {
				w.Errorf("without time: %v", err)
			}
		})
	})
}

// TestCourse goes on by why a step has failed.
func TestCourse(t *testing.T) {
	epsv, pasv, advertised := plan.Step{Mode: proto.EPSV, Source: plan.Peer}, plan.Step{Mode: proto.PASV, Source: plan.Peer}, plan.Step{Mode: proto.PASV, Source: plan.Advertised}
	local, public, eprt := plan.Step{Mode: proto.PORT, Source: plan.Local}, plan.Step{Mode: proto.PORT, Source: plan.Public}, plan.Step{Mode: proto.EPRT, Source: plan.Local}
	for _, c := range []struct {
		name               string
		course             course
		cause              proto.Cause
		steps, silent, out []plan.Step
	}{
		{"refused", course{steps: []plan.Step{epsv, pasv}}, proto.Refused, []plan.Step{pasv}, nil, nil},
		{"silent", course{steps: []plan.Step{epsv, pasv}}, proto.DialTimeout, []plan.Step{pasv}, []plan.Step{epsv}, nil},
		{"bad IP", course{steps: []plan.Step{epsv, pasv, local}}, proto.BadIP, []plan.Step{epsv, pasv, local}, nil, nil},
		{"bad IP again", course{steps: []plan.Step{epsv, pasv, local}, badIP: true}, proto.BadIP, []plan.Step{local}, nil, nil},
		{"reset", course{steps: []plan.Step{local, public, eprt}}, proto.ControlReset, []plan.Step{eprt, public}, nil, nil},
		{"no answer", course{steps: []plan.Step{local, public, eprt}}, proto.ControlSilent, []plan.Step{eprt}, []plan.Step{local}, []plan.Step{public}},
		{"no answer, at last", course{steps: []plan.Step{pasv, advertised}, last: true}, proto.ControlSilent, []plan.Step{advertised}, []plan.Step{pasv}, nil},
	} {
		c.course.failed(c.cause)
		if !slices.Equal(c.course.steps, c.steps) || !slices.Equal(c.course.silent, c.silent) || !slices.Equal(c.course.left, c.out) {
			t.Errorf("%s: %+v", c.name, c.course)
		}
	}
}

// TestEmptyFile reads nothing, and that at once.
func TestEmptyFile(t *testing.T) {
	run(t, setup{ftp: func(s *ftptest.Server) {
		if err := s.Tree.WriteFile("empty", nil, 0o644); err != nil {
			panic(err)
		}
	}}, func(w *world) {
		w.with(func(c *client) {
			for range 3 {
				tr, err := c.Open(w.ctx, Request{Line: "RETR empty", Resumes: true})
				w.must(err)
				var b bytes.Buffer
				if n, err := b.ReadFrom(tr); n != 0 || err != nil {
					w.Errorf("%d bytes, %v", n, err)
				}
				if err := tr.End(w.ctx, io.EOF); err != io.EOF {
					w.Error(err)
				}
			}
		})
	})
}
