// Package retry makes pauses between tries, and knows what is worth another
// one.
package retry

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/proxy"
)

// The pauses between tries.
const (
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
)

// Do calls f until it returns nil, an error that is not worth another try, or
// limit has passed since the first failure or the last progress. A negative
// limit means one try. The context's error is returned if the context is why
// the last try failed, or has ended a pause.
func Do(ctx context.Context, limit time.Duration, f func() error) error {
	// The first try needs none of what follows.
	last := f()
	if done(ctx, limit, last) {
		return ended(ctx, last)
	}
	pauses := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstPause),
		backoff.WithMaxInterval(maxPause),
		backoff.WithMaxElapsedTime(limit))
	first := true
	err := backoff.Retry(func() error {
		if first {
			first = false
			return last
		}
		last = f()
		var p *progress
		if errors.As(last, &p) {
			pauses.Reset()
		}
		if done(ctx, limit, last) {
			return backoff.Permanent(last)
		}
		return last
	}, backoff.WithContext(pauses, ctx))
	if err == nil {
		return nil
	}
	return ended(ctx, last)
}

// done reports whether there is to be no other try.
func done(ctx context.Context, limit time.Duration, err error) bool {
	var p *permanent
	return err == nil || limit < 0 || ctx.Err() != nil || errors.As(err, &p) || !Worth(err)
}

// ended returns what Do returns for the last error.
func ended(ctx context.Context, err error) error {
	if p, ok := err.(*permanent); ok {
		return p.error
	}
	if p, ok := err.(*progress); ok {
		err = p.error
	}
	return proto.ContextError(ctx, err)
}

type permanent struct{ error }

// Unwrap returns the error itself.
func (p *permanent) Unwrap() error { return p.error }

// Permanent returns err as one that ends Do at once.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type progress struct{ error }

// Unwrap returns the error itself.
func (p *progress) Unwrap() error { return p.error }

// Progress returns err as that of a try that got further than those before, so
// that Do begins to count anew.
func Progress(err error) error {
	if err == nil {
		return nil
	}
	return &progress{err}
}

// Worth reports whether the same may succeed on another try: the connection
// broke, or the server gave a transient reply (RFC 959, 4.2.1).
func Worth(err error) bool {
	var reply *proto.Error
	var lost *proto.LostError
	var op *net.OpError
	var errno syscall.Errno
	var kind *proto.FSError
	var answer *proxy.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && !proto.IsSilence(err), errors.Is(err, proto.ErrClosed):
		return false
	case errors.As(err, &kind):
		return false
	case proto.IsNegotiate(err):
		// All modes were tried, the slow way too.
		return false
	case errors.As(err, &reply):
		return reply.Temporary() && !reply.Reply.Lasting()
	case errors.As(err, &answer):
		return answer.Later
	case proto.IsSilence(err), errors.Is(err, proto.ErrNoVerdict), errors.Is(err, proto.ErrShort), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, proxy.ErrClosed):
		return true
	}
	return errors.As(err, &lost) || errors.As(err, &op) || errors.As(err, &errno) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}
