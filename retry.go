package ftpnat

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/ftpnat/ftpnat/internal/control"
)

// pace returns the pauses between tries, which end when RetryFor has passed.
func (c *config) pace() backoff.BackOff {
	if c.retryFor < 0 {
		return new(backoff.StopBackOff)
	}
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(250*time.Millisecond),
		backoff.WithMaxInterval(10*time.Second),
		backoff.WithMaxElapsedTime(c.retryFor))
}

// pause waits for the next try. It returns false when there is to be none.
func pause(ctx context.Context, pace backoff.BackOff) bool {
	d := pace.NextBackOff()
	if d == backoff.Stop {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// insist calls f until it succeeds, fails for good, or RetryFor has passed.
func (c *config) insist(ctx context.Context, f func() error) error {
	var pace backoff.BackOff // from the first failure on
	for {
		err := f()
		if err == nil || !retryable(err) {
			return contextual(ctx, err)
		}
		if pace == nil {
			pace = c.pace()
		}
		if !pause(ctx, pace) {
			return contextual(ctx, err)
		}
	}
}

// retryable reports whether the same may succeed on another try: the
// connection broke, or the server gave a transient reply (RFC 959, 4.2.1).
func retryable(err error) bool {
	var reply *ReplyError
	var lost *control.LostError
	var op *net.OpError
	var errno syscall.Errno
	var kind *kindError
	var proxy *proxyError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !isSilence(err), errors.Is(err, ErrClosed):
		return false
	case errors.As(err, &kind):
		return false
	case isNegotiate(err):
		// All modes were tried, the slow way too.
		return false
	case errors.As(err, &reply):
		return reply.Temporary() && !forGood(reply.Reply)
	case errors.As(err, &proxy):
		return proxy.later
	case isSilence(err), errors.Is(err, ErrNoVerdict), errors.Is(err, ErrShort), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errProxyClosed):
		return true
	}
	return errors.As(err, &lost) || errors.As(err, &op) || errors.As(err, &errno) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// isSilence reports whether err is that of a peer that did not answer, and
// not that of the caller's patience.
func isSilence(err error) bool {
	return errors.Is(err, control.ErrSilent) || errors.Is(err, ErrStalled)
}
