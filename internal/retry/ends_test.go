package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// TestWorthOfBoth has errors that say two things: what the caller has ended is
// not worth another try, whatever broke with it.
func TestWorthOfBoth(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"a dial that the caller's deadline ended", &net.OpError{Op: "dial", Err: context.DeadlineExceeded}, false},
		{"a dial that the caller ended", &net.OpError{Op: "dial", Err: context.Canceled}, false},
		{"a connection that Close broke", errors.Join(net.ErrClosed, proto.ErrClosed), false},
		{"a silence that a deadline found", fmt.Errorf("%w: %w", proto.ErrSilent, context.DeadlineExceeded), true},
		{"a connection that is closed here", net.ErrClosed, true},
		{"a pipe that is closed here", io.ErrClosedPipe, true},
	} {
		if got := retry.Worth(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestBareErrors wants what the tries returned from Do, without its marks.
func TestBareErrors(t *testing.T) {
	busy := refusal(450, "busy")
	for name, mark := range map[string]func(error) error{"progress": retry.Progress, "permanent": retry.Permanent} {
		if err := retry.Do(t.Context(), -time.Second, func() error { return mark(busy) }); err != busy {
			t.Errorf("%s: Do = %v", name, err)
		}
		if err := mark(busy); !errors.Is(err, busy) || mark(nil) != nil {
			t.Errorf("%s hides the error", name)
		}
	}
}
