package session

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestLate opens sessions with servers that answer FEAT late, or not at all: Open
// does not wait for it if the program is known, and whatever comes first gets its
// own replies, and FEAT its answer.
func TestLate(t *testing.T) {
	needs := map[string]func(t *testing.T, w *world, c *Conn){
		"file": func(t *testing.T, w *world, c *Conn) { get(t, w, c, "file.bin", "content") },
		"command": func(t *testing.T, w *world, c *Conn) {
			if r, err := c.Want(w.ctx, 213, "SIZE file.bin"); r.Size() != 7 {
				t.Errorf("SIZE: %v, %v", r, err)
			}
		},
		"features": func(t *testing.T, w *world, c *Conn) {
			if err := c.CatchUp(w.ctx); err != nil {
				t.Error(err)
			}
		},
	}
	for _, tt := range []struct {
		name  string
		step  ftptest.Step
		conns int
	}{
		{"late", ftptest.Step{Delay: time.Second}, 1},
		{"refused", ftptest.Step{Delay: time.Second, Reply: "502 No."}, 1},
		{"never", ftptest.Step{Reply: ftptest.None}, 2},
		{"silent", ftptest.Step{Reply: ftptest.None, Then: ftptest.Silence}, 2},
		{"cut", ftptest.Step{Delay: time.Second, Reply: ftptest.None, Then: ftptest.Cut}, 2},
		{"reset", ftptest.Step{Delay: time.Second, Reply: ftptest.None, Then: ftptest.Reset}, 2},
	} {
		for need, use := range needs {
			t.Run(tt.name+" "+need, func(t *testing.T) {
				tt.step.On, tt.step.Conn = "FEAT", 1
				run(t, func(s *ftptest.Server) { s.Script = []ftptest.Step{tt.step} }, func(t *testing.T, w *world) {
					start := time.Now()
					c := w.open(t, "pub/deep")
					if took := time.Since(start); took > 201*time.Millisecond {
						t.Errorf("Open waited: %v", took)
					}
					if c.Features() != nil || len(w.mem.lessons) != 0 {
						t.Errorf("features %v, %v before FEAT was answered", c.Features(), w.mem.lessons)
					}
					use(t, w, c)
					if took := time.Since(start); took > 3*time.Second {
						t.Errorf("took %v", took)
					}
					if got := pwd(t, w.ctx, c); got != "/pub/deep" {
						t.Errorf("in %q", got)
					}
					if _, ok := c.Feature("SIZE"); ok == (tt.name == "refused") || w.conns() != tt.conns {
						t.Errorf("features %v, %d connections", c.Features(), w.conns())
					}
					want := proto.Yes
					if tt.conns > 1 {
						want = proto.Unknown
					}
					if lost := c.cfg.Shared.lost.Load(); len(w.mem.lessons) > 0 && w.flight(t) != want || int(lost) != tt.conns-1 {
						t.Errorf("flight %v, %d lost", w.flight(t), lost)
					}
				})
			})
		}
	}
}

// TestLateOrder sends EPSV, and nothing else, before FEAT is answered. The
// replies ahead of that are waited for.
func TestLateOrder(t *testing.T) {
	set := func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "CWD", Delay: 100 * time.Millisecond}, {On: "FEAT", Delay: time.Second}}
	}
	run(t, set, func(t *testing.T, w *world) {
		start := time.Now()
		c := w.open(t, "pub/deep")
		if took := time.Since(start); took > 201*time.Millisecond {
			t.Errorf("Open took %v", took)
		}
		get(t, w, c, "file.bin", "content")
		before, after, _ := strings.Cut(w.log.String(), "< 211")
		if !strings.Contains(before, "> EPSV") || strings.Contains(before, "> RETR") || strings.Contains(after, "> EPSV") {
			t.Error("EPSV was not sent behind FEAT, or not alone")
		}
	})
}

// TestLateNot waits for FEAT where the program is not known, names are not in
// UTF-8, or the session is Dial's.
func TestLateNot(t *testing.T) {
	for name, open := range map[string]func(w *world) (*Conn, error){
		"unknown": func(w *world) (*Conn, error) { return Open(w.ctx, w.cfg, "") },
		"charset": func(w *world) (*Conn, error) {
			w.cfg.KeepNames = true
			return Open(w.ctx, w.cfg, "")
		},
		"Dial": func(w *world) (*Conn, error) { return Dial(w.ctx, w.cfg) },
	} {
		t.Run(name, func(t *testing.T) {
			set := func(s *ftptest.Server) {
				s.Script = []ftptest.Step{{On: "FEAT", Delay: time.Second}}
				if name == "unknown" {
					s.Personality = ftptest.Plain()
				}
			}
			run(t, set, func(t *testing.T, w *world) {
				c, err := open(w)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if c.Features() == nil || w.flight(t) != proto.Yes {
					t.Error("FEAT was not waited for")
				}
			})
		})
	}
}

// TestLateCancelled has the caller lose patience with FEAT: that is no fault of
// the server's, and FEAT is asked again.
func TestLateCancelled(t *testing.T) {
	set := func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "FEAT", Conn: 1, Delay: time.Minute}} }
	run(t, set, func(t *testing.T, w *world) {
		c := w.open(t, "pub")
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		if err := c.CatchUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("CatchUp: %v", err)
		}
		if got := pwd(t, w.ctx, c); got != "/pub" {
			t.Errorf("in %q", got)
		}
		if c.Features() == nil || w.conns() != 2 || c.cfg.Shared.lost.Load() != 0 {
			t.Errorf("features %v, %d connections, %d lost", c.Features(), w.conns(), c.cfg.Shared.lost.Load())
		}
	})
}

// TestLateTwice has FEAT lost with two sessions: then nothing is sent in one go
// any more.
func TestLateTwice(t *testing.T) {
	set := func(s *ftptest.Server) {
		for _, conn := range []int{1, 3} {
			s.Script = append(s.Script, ftptest.Step{On: "FEAT", Conn: conn, Reply: ftptest.None})
		}
	}
	run(t, set, func(t *testing.T, w *world) {
		for i, want := range []proto.Finding{proto.Unknown, proto.No} {
			c := w.open(t, "pub/deep")
			get(t, w, c, "file.bin", "content")
			if got := w.flight(t); got != want || w.conns() != 2*(i+1) {
				t.Errorf("session %d: flight %v, %d connections", i+1, got, w.conns())
			}
		}
	})
}
