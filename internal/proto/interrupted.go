package proto

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
)

// Interrupted is the end of a context, together with what stood in the way until
// then.
type Interrupted struct {
	End  error // the context's
	Last error // a reply, or an error of the network
}

// Error returns both.
func (e *Interrupted) Error() string { return e.End.Error() + "; before that: " + e.Last.Error() }

// Unwrap returns both.
func (e *Interrupted) Unwrap() []error { return []error{e.End, e.Last} }

// ContextError returns the context's error if the context is why err happened, or
// why there is no other try. What err tells besides is kept: see [Interrupted].
func ContextError(ctx context.Context, err error) error {
	if err == nil || err == io.EOF {
		return err // without the cost of what follows
	}
	end := ctx.Err()
	if end == nil || errors.Is(err, io.EOF) && !errors.Is(err, ErrLost) {
		return err
	}
	var both *Interrupted
	switch {
	case errors.As(err, &both):
		return both
	case errors.Is(err, end) || cutByUs(err):
		return end
	}
	return &Interrupted{end, err}
}

// cutByUs reports whether an error is what the end of a context looks like on a
// connection that was closed, or whose deadline was moved, because of it.
func cutByUs(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, context.Canceled)
}

// limited is the end of a limit of ours, which looks like that of a context and
// must not be taken for the caller's.
type limited struct{ err error }

func (e limited) Error() string { return e.err.Error() }

// Timeout says what it is in the words of package net.
func (e limited) Timeout() bool { return true }

// Is reports whether target is the deadline of package os.
func (e limited) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// Limited returns an error of something that has a limit of its own: where that is
// why it has failed, it is not the end of a context to errors.Is.
func Limited(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return limited{err}
	}
	return err
}
