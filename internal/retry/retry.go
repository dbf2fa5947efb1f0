// Package retry makes pauses between tries, and knows what is worth another
// one.
package retry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// The pauses between tries.
const (
	firstPause = 250 * time.Millisecond
	maxPause   = 10 * time.Second
	// futilePause is the least pause after a try that was futile; after the next
	// one it is three times as long.
	futilePause = time.Second
	// maxFutile is how many tries in a row may be futile.
	maxFutile = 3
)

// Do calls f until it returns nil, an error that is not worth another try, or
// limit has passed since the first failure or the last progress; or until three
// tries in a row were [Futile], or transfers that had begun and brought no byte
// further. A limit that is not above zero means one try. If the context is
// why there is no other try, the error is its own, together with why the last try
// failed that it did not end: see [proto.ContextError].
func Do(ctx context.Context, limit time.Duration, f func() error) error {
	// The first try needs none of what follows.
	last := f()
	if done(ctx, limit, last) {
		return ended(ctx, last, nil)
	}
	c := &course{ExponentialBackOff: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstPause),
		backoff.WithMaxInterval(maxPause),
		backoff.WithMaxElapsedTime(limit))}
	first := true
	err := backoff.Retry(func() error {
		if first {
			first = false
		} else if last = f(); done(ctx, limit, last) {
			return backoff.Permanent(last)
		}
		if c.took(last) {
			last = &spent{last}
			return backoff.Permanent(last)
		}
		return last
	}, backoff.WithContext(c, ctx))
	if err == nil {
		return nil
	}
	return ended(ctx, last, c.why)
}

// course is a Do in progress.
type course struct {
	*backoff.ExponentialBackOff
	futile int   // tries in a row
	dear   bool  // the last one is not to be repeated soon
	why    error // the last failure that is worth another try
}

// took records a failure that is worth another try, and reports whether there were
// enough of them.
func (c *course) took(err error) (enough bool) {
	c.why = err
	var dear *futile
	var further *progress
	c.dear = errors.As(err, &dear)
	switch {
	case errors.As(err, &further):
		c.Reset()
		c.futile = 0
	case c.dear || begun(err):
		c.futile++
	}
	return c.futile >= maxFutile
}

// begun reports whether err is that of a transfer that had begun, or was to begin
// in all modes.
func begun(err error) bool {
	var refused *proto.Error
	var none *proto.NegotiateError
	if errors.As(err, &none) {
		return slices.ContainsFunc(none.Attempts, func(a proto.Attempt) bool { return a.Cause != proto.Refused })
	}
	return errors.As(err, &refused) && refused.Ended || errors.Is(err, proto.ErrShort) || errors.Is(err, proto.ErrStalled) || errors.Is(err, proto.ErrNoVerdict)
}

// NextBackOff returns the next pause.
func (c *course) NextBackOff() time.Duration {
	pause := c.ExponentialBackOff.NextBackOff()
	if pause == backoff.Stop || !c.dear {
		return pause
	}
	least := futilePause
	for range c.futile - 1 {
		least *= 3
	}
	return max(pause, least)
}

// done reports whether there is to be no other try.
func done(ctx context.Context, limit time.Duration, err error) bool {
	var p *permanent
	return err == nil || limit <= 0 || ctx.Err() != nil || errors.As(err, &p) || !Worth(err)
}

// ended returns what Do returns for the last error, after one that the context is
// not to blame for.
func ended(ctx context.Context, last, why error) error {
	var err error
	switch last.(type) {
	case *permanent:
		err = Bare(last)
	case *spent:
		err = proto.ContextError(ctx, last)
	default:
		err = proto.ContextError(ctx, Bare(last))
	}
	if err != nil && why != nil && err == ctx.Err() {
		return proto.ContextError(ctx, Bare(why))
	}
	return err
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

type futile struct{ error }

// Unwrap returns the error itself.
func (f *futile) Unwrap() error { return f.error }

// Futile returns err as that of a try which cost much, such as a login, and got no
// further than those before. Do makes longer pauses, and ends after three in a row.
func Futile(err error) error {
	if err == nil {
		return nil
	}
	return &futile{err}
}

// spent is the error of a Do that has ended after futile tries. It is not worth
// another try to a Do around that one.
type spent struct{ error }

// Unwrap returns the error itself.
func (s *spent) Unwrap() error { return s.error }

// Bare returns an error without what this package has put around it.
func Bare(err error) error {
	for {
		switch e := err.(type) {
		case *permanent:
			err = e.error
		case *progress:
			err = e.error
		case *futile:
			err = e.error
		case *spent:
			err = e.error
		default:
			return err
		}
	}
}
