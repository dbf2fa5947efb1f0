package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/proxy"
	"github.com/ftpnat/ftpnat/internal/retry"
)

func refusal(code int, text string) error {
	return proto.Refusal("RETR a", proto.Reply{Code: code, Lines: []string{text}})
}

func TestWorth(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"the caller's cancel", context.Canceled, false},
		{"the caller's deadline", context.DeadlineExceeded, false},
		{"a peer's silence", fmt.Errorf("%w within 1m", proto.ErrSilent), true},
		{"Close", proto.ErrClosed, false},
		{"a meaning that was found out", proto.Missing(refusal(450, "busy")), false},
		{"all modes", &proto.NegotiateError{Err: io.ErrUnexpectedEOF}, false},
		{"a refusal", refusal(550, "no"), false},
		{"a refusal for now", refusal(450, "busy"), true},
		{"a refusal for good by its words", refusal(450, "No such file"), false},
		{"a lost control connection", &proto.LostError{Err: io.EOF}, true},
		{"a reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{"a bare errno", syscall.EPIPE, true},
		{"a proxy that may do it later", &proxy.Error{Later: true}, true},
		{"a proxy that does not", &proxy.Error{}, false},
		{"a proxy that hung up", proxy.ErrClosed, true},
		{"no verdict", proto.ErrNoVerdict, true},
		{"anything else", errors.New("what"), false},
	} {
		if got := retry.Worth(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestDo(t *testing.T) {
	busy := refusal(450, "busy")
	for _, c := range []struct {
		name  string
		limit time.Duration
		errs  []error // of the tries; the last one for all that follow
		tries int     // at least
		most  int
		want  error
	}{
		{"at once", time.Minute, []error{nil}, 1, 1, nil},
		{"third try", time.Minute, []error{busy, busy, nil}, 3, 3, nil},
		{"never", -1, []error{busy, nil}, 1, 1, busy},
		{"not worth it", time.Minute, []error{io.ErrNoProgress}, 1, 1, io.ErrNoProgress},
		{"permanent", time.Minute, []error{busy, retry.Permanent(io.ErrUnexpectedEOF)}, 2, 2, io.ErrUnexpectedEOF},
		{"until the limit", time.Minute, []error{busy}, 8, 20, busy},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			start := time.Now()
			err := retry.Do(t.Context(), c.limit, func() error {
				n++
				return c.errs[min(n, len(c.errs))-1]
			})
			if err != c.want || n < c.tries || n > c.most {
				t.Errorf("%s: %v after %d tries, want %v after %d to %d", c.name, err, n, c.want, c.tries, c.most)
			}
			if took := time.Since(start); took > max(c.limit, 0)+15*time.Second {
				t.Errorf("%s: took %v", c.name, took)
			}
		})
	}
}

// TestProgress has a try that gets further each time go on beyond the limit.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := refusal(450, "busy")
		n := 0
		start := time.Now()
		err := retry.Do(t.Context(), 2*time.Second, func() error {
			if n++; n == 100 {
				return nil
			}
			return retry.Progress(busy)
		})
		if err != nil || n != 100 || time.Since(start) < 20*time.Second {
			t.Errorf("%v after %d tries and %v", err, n, time.Since(start))
		}
	})
}

func TestDoContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := retry.Do(ctx, time.Minute, func() error { return refusal(450, "busy") })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
