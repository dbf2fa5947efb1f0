package shim

import (
	"context"
	"os"
	"sync"
	"time"
)

// deadline gives calls with a context the deadline of a net.Conn: one that can
// be moved while a call is under way.
type deadline struct {
	mu     sync.Mutex
	at     time.Time
	timer  *time.Timer
	cancel context.CancelCauseFunc // of the call under way
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	d.arm()
}

// arm starts the timer where there is something to limit.
func (d *deadline) arm() {
	if d.at.IsZero() || d.cancel == nil {
		return
	}
	cancel := d.cancel
	left := time.Until(d.at)
	if left <= 0 {
		// Now and not soon: a call that begins too late does nothing.
		cancel(os.ErrDeadlineExceeded)
		return
	}
	d.timer = time.AfterFunc(left, func() { cancel(os.ErrDeadlineExceeded) })
}

// begin returns the context of one call. One call may be under way at a time.
func (d *deadline) begin(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cancel = cancel
	d.arm()
	return ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.cancel = nil
		if d.timer != nil {
			d.timer.Stop()
			d.timer = nil
		}
		cancel(nil)
	}
}
