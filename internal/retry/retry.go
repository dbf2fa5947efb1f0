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
	if last == nil {
		return nil
	}
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
	switch {
	case err == nil:
		return nil
	case c.over:
		last = &spent{last}
	}
	return ended(ctx, last, c.why)
}

// course is a Do in progress.
type course struct {
	*backoff.ExponentialBackOff
	futile int   // tries in a row
	dear   bool  // the last one is not to be repeated soon
	over   bool  // the limit has passed
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
	if c.over = pause == backoff.Stop; c.over || !c.dear {
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
	if err == nil {
		return true
	}
	var p *permanent
	var a *again
	return limit <= 0 || ctx.Err() != nil || errors.As(err, &p) || !errors.As(err, &a) && !Worth(err)
}

// ended returns what Do returns for the last error, after one that the context is
// not to blame for.
func ended(ctx context.Context, last, why error) error {
	err := Bare(last)
	var over *spent
	if errors.As(last, &over) {
		err = &spent{err}
	}
	if _, ok := last.(*permanent); !ok {
		err = proto.ContextError(ctx, err)
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

type again struct{ error }

// Unwrap returns the error itself.
func (a *again) Unwrap() error { return a.error }

// Again returns err as one that is worth another try by Do, whatever it is.
func Again(err error) error {
	if err == nil {
		return nil
	}
	return &again{err}
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

// spent is the error of a Do that has ended after futile tries, or as its limit has
// passed. It is not worth another try to a Do around that one.
type spent struct{ error }

// Unwrap returns the error itself.
func (s *spent) Unwrap() error { return s.error }

// Bare returns an error without what this package has put around it.
func Bare(err error) error {
	for {
		switch e := err.(type) {
		case *permanent:
			err = e.error
		case *again:
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

// Public returns the public form of an error, which errors.As finds in any case,
// for callers that compare types.
func Public(err error) error {
	switch e := Bare(err).(type) {
	case *proto.Error:
		return proto.Public.Reply(e)
	case *proto.NegotiateError:
		return proto.Public.Negotiate(e)
	case *proto.ListingError:
		return proto.Public.Listing(e)
	}
	return Bare(err)
}
