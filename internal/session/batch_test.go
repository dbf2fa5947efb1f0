package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// lines returns n commands with arguments of so many bytes, at least four.
func lines(n, size int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("SIZE %0*d", size, i)
	}
	return list
}

// TestBatch has more commands than may be on their way at once answered in order,
// in about as many round trips as their number demands.
func TestBatch(t *testing.T) {
	for _, tt := range []struct {
		n, size int
		trips   float64
	}{{1, 4, 1}, {100, 4, 1.1}, {2000, 4, 9}, {500, 100, 9}, {20, 3000, 10}, {2, 15000, 2.1}, {0, 4, 0}} {
		set := func(s *ftptest.Server) {
			for i := range tt.n {
				if err := s.Tree.WriteFile(fmt.Sprintf("%0*d", min(tt.size, 4), i), make([]byte, i), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		run(t, set, func(t *testing.T, w *world) {
			c := w.open(t, "")
			var got []int
			start := time.Now()
			err := c.Batch(w.ctx, lines(tt.n, tt.size), time.Minute, func(i int, r proto.Reply) error {
				got = append(got, i)
				if tt.size == 4 && r.Size() != int64(i) {
					t.Errorf("%d: %v", i, r)
				}
				return nil
			})
			if trips := float64(time.Since(start)) / float64(50*time.Millisecond); err != nil || trips > tt.trips {
				t.Errorf("%+v: %v after %.1f round trips", tt, err, trips)
			}
			if len(got) != tt.n || !slices.IsSorted(got) {
				t.Errorf("%d of %d replies", len(got), tt.n)
			}
			if _, err := c.Want(w.ctx, 2, "NOOP"); err != nil || w.conns() != 1 {
				t.Errorf("NOOP: %v, %d connections", err, w.conns())
			}
		})
	}
}

// TestBatchEnds: whatever ends a batch costs the connection, and no other.
func TestBatchEnds(t *testing.T) {
	stop := errors.New("stop")
	for name, tt := range map[string]struct {
		step ftptest.Step
		take error
		want error
		text string
	}{
		"the caller":       {take: stop, want: stop},
		"no reply":         {step: ftptest.Step{On: "SIZE", Nth: 3, Delay: time.Hour}, want: proto.ErrSilent},
		"a 150":            {step: ftptest.Step{On: "SIZE", Nth: 3, Reply: "150 Here it comes."}, want: ErrMisaligned},
		"the end":          {step: ftptest.Step{On: "SIZE", Nth: 3, Reply: ftptest.None, Then: ftptest.Cut}, text: "closed by the other end"},
		"too much":         {step: ftptest.Step{On: "SIZE", Raw: "213-\r\n" + strings.Repeat(strings.Repeat("x", 1000)+"\r\n", 1000) + "213 0\r\n"}, want: ErrTooLong},
		"what is no reply": {step: ftptest.Step{On: "SIZE", Nth: 3, Raw: "what?\r\n"}, text: "not an FTP reply"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(s *ftptest.Server) { s.Script = []ftptest.Step{tt.step} }, func(t *testing.T, w *world) {
				c := w.open(t, "pub")
				err := c.Batch(w.ctx, lines(100, 4), time.Minute, func(i int, r proto.Reply) error {
					if i == 2 {
						return tt.take
					}
					return nil
				})
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) || c.Alive() {
					t.Errorf("Batch: %v; alive %v", err, c.Alive())
				}
				if got := pwd(t, w.ctx, c); got != "/pub" || w.conns() != 2 {
					t.Errorf("in %q after %d connections", got, w.conns())
				}
			})
		})
	}
}

// TestBatchCancelled returns the context's error.
func TestBatchCancelled(t *testing.T) {
	set := func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "SIZE", Nth: 3, Delay: time.Hour}} }
	run(t, set, func(t *testing.T, w *world) {
		c := w.open(t, "")
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		err := c.Batch(ctx, lines(100, 4), time.Minute, func(int, proto.Reply) error { return nil })
		if err != context.DeadlineExceeded || c.Alive() {
			t.Errorf("Batch: %v; alive %v", err, c.Alive())
		}
	})
}

// TestBatchJoined has a server join two commands if one of its reads ends between
// CR and LF, as ProFTPD 1.3.8 does: whoever notices has it sent less at a time
// from then on, by all sessions.
func TestBatchJoined(t *testing.T) {
	set := func(s *ftptest.Server) {
		s.Personality = ftptest.ProFTPD()
		s.Personality.Control.ReadSize = 4102
		s.Personality.Control.Delays = map[string]time.Duration{"SIZE": time.Millisecond}
	}
	run(t, set, func(t *testing.T, w *world) {
		ask := func() error {
			c := w.open(t, "")
			defer c.Close()
			// A line of 11 bytes, of which 4,103 is a multiple.
			return c.Batch(w.ctx, lines(1500, 4), time.Second, func(i int, r proto.Reply) error {
				if !strings.Contains(r.Text(), fmt.Sprintf("%04d", i)) {
					return fmt.Errorf("%w: %v", ErrMisaligned, r)
				}
				return nil
			})
		}
		if err := ask(); !errors.Is(err, ErrMisaligned) {
			t.Errorf("Batch: %v", err)
		}
		if err := ask(); err != nil {
			t.Errorf("with less at a time: %v", err)
		}
	})
}
