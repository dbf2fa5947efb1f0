package tree

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/trace"
)

// TestWorkers has jobs of a second each: as many run at once as the server takes
// connections, also if those get fewer.
func TestWorkers(t *testing.T) {
	for _, tt := range []struct {
		most, room, later int
		took              time.Duration
	}{
		{1, 4, 4, 40 * time.Second},
		{4, 4, 4, 10 * time.Second},
		{4, 2, 2, 20 * time.Second},
		{4, 4, 1, 36 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			var room, running atomic.Int32
			room.Store(int32(tt.room))
			w := newWorkers(t.Context(), Options{Most: tt.most, Room: func() int { return int(room.Load()) }})
			start := time.Now()
			for range 40 {
				err := w.do(func() error {
					if n := int(running.Add(1)); n > tt.most {
						t.Errorf("%d jobs at once", n)
					}
					time.Sleep(time.Second)
					running.Add(-1)
					room.Store(int32(tt.later))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
			if err := w.wait(nil); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took < tt.took || took > tt.took+2*time.Second {
				t.Errorf("%+v: took %v", tt, took)
			}
		})
	}
}

// TestWorkersFail returns the first error, ends what is under way, and begins
// nothing more.
func TestWorkersFail(t *testing.T) {
	errFirst := error(&diskError{errors.New("first")})
	for _, callers := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorkers(t.Context(), most(2))
			var begun atomic.Int32
			err := error(nil)
			for i := 0; i < 2*maxQueued && err == nil; i++ {
				err = w.do(func() error {
					if begun.Add(1) == 2 && !callers {
						return errFirst
					}
					<-w.ctx.Done()
					return w.ctx.Err()
				})
				if callers && i == 10 {
					err = errFirst
				}
			}
			if err = w.wait(err); err != errFirst || begun.Load() > 3 {
				t.Errorf("%v after %d jobs", err, begun.Load())
			}
			if cause := context.Cause(w.ctx); cause != errFirst {
				t.Errorf("the context's cause is %v", cause)
			}
		})
	}
}

// TestHooksInTurn calls the hooks of a context one at a time, by all workers.
func TestHooksInTurn(t *testing.T) {
	var lines []string
	ctx := trace.With(t.Context(), &trace.Hooks{Note: func(s string) { lines = append(lines, s) }})
	w := newWorkers(ctx, most(4))
	var once sync.WaitGroup
	once.Add(4)
	for range 4 {
		_ = w.do(func() error {
			once.Done()
			once.Wait()
			trace.From(w.ctx).Notef("note")
			return nil
		})
	}
	if err := w.wait(nil); err != nil || len(lines) != 4 {
		t.Errorf("%q, %v", lines, err)
	}
}
