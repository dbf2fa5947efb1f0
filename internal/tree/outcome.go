package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// mostErrors is how many errors of single names one copy returns. The others are
// counted.
const mostErrors = 100

// outcome is what became of the names of a copy that could not be copied.
type outcome struct {
	errs []error
	more int
}

func (o *outcome) add(err error) {
	if len(o.errs) == mostErrors {
		o.more++
		return
	}
	o.errs = append(o.errs, err)
}

// with returns the errors joined, behind last, which is what ended the copy or
// nil.
func (o *outcome) with(last error) error {
	all := o.errs
	if last != nil {
		all = append([]error{last}, all...)
	}
	if o.more > 0 {
		all = append(all, fmt.Errorf("and %d errors more", o.more))
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// names records an error that concerns one name, and returns any other: the copy
// ends with that.
func (w *workers) names(err error) error {
	if err == nil || w.ctx.Err() != nil || ends(err) {
		return err
	}
	trace.From(w.ctx).Notef("%v: the %s goes on", err, w.act)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.out.add(err)
	return nil
}

// diskError is an error of the local side that concerns more than one name.
type diskError struct{ error }

// Unwrap returns the error.
func (e *diskError) Unwrap() error { return e.error }

// ends reports whether an error concerns more than one name: the end of a context,
// the disk on either side, or a connection that cannot be had.
func ends(err error) bool {
	var disk *diskError
	var dial *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &disk), errors.Is(err, syscall.ENOSPC), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return true
	case errors.Is(err, proto.ErrClosed), proto.IsNegotiate(err), proto.RefusedLogin(err), proto.IsNotOpen(err), proto.ReplyOf(err).Code == 421:
		return true
	case proto.RefusedAt(err):
		return false
	}
	return proto.IsSilence(err) || errors.Is(err, proto.ErrLost) || errors.Is(err, proto.ErrUnreached) || errors.As(err, &dial) || errors.As(err, &name)
}

// unsure reports whether it is not known what has become of a change, as its reply was
// lost.
func unsure(err error) bool {
	return !proto.IsNotOpen(err) && (errors.Is(err, proto.ErrLost) || proto.IsSilence(err))
}

// oneName are errors of the local system that other names need not have.
var oneName = []error{
	fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, syscall.ENAMETOOLONG, syscall.EINVAL, syscall.EILSEQ, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.EFBIG,
}

// isOneName reports whether an error of the local system concerns one name.
func isOneName(err error) bool {
	for _, one := range oneName {
		if errors.Is(err, one) {
			return true
		}
	}
	var number syscall.Errno
	return !errors.As(err, &number) // package os's own: a path that leads out
}
