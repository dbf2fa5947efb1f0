package proto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// The errors of package ftpnat, which documents them.
var (
	ErrBusy      = errors.New("ftpnat: the connection is busy with another call")
	ErrClosed    = errors.New("ftpnat: the connection was closed by Close")
	ErrShort     = errors.New("ftpnat: fewer bytes arrived than the file has")
	ErrNoVerdict = errors.New("ftpnat: the server did not say whether the transfer is complete")
	ErrStalled   = errors.New("ftpnat: the data connection stood still")
	ErrTruncated = errors.New("ftpnat: the server cut the listing short")
	ErrChanged   = errors.New("ftpnat: the file has changed while it was read")
	ErrMismatch  = errors.New("ftpnat: the file on the server is not what was sent")
)

var (
	// ErrLost is matched by every loss of a control connection.
	ErrLost = errors.New("ftpnat: the control connection was lost")
	// ErrSilent says that the server did not answer in time. What it was asked on
	// is given up, and so is lost.
	ErrSilent error = silence{}
	// ErrUnreached says that a socket could not be opened in time.
	ErrUnreached = errors.New("no connection")
	// ErrNoRestart says that the server does not begin in the middle of a file.
	ErrNoRestart = errors.New("the server does not restart transfers")
	// ErrNoDir says that the directory of the session could not be entered.
	ErrNoDir = errors.New("the directory cannot be entered")
)

type silence struct{}

func (silence) Error() string { return "no reply" }

// Is makes silence a loss.
func (silence) Is(target error) bool { return target == ErrLost }

// LostError says that the control connection ended.
type LostError struct {
	Err error // io.EOF if the server closed it
}

// Is makes all losses one.
func (e *LostError) Is(target error) bool { return target == ErrLost }

func (e *LostError) Error() string {
	switch {
	case errors.Is(e.Err, io.EOF):
		return "the control connection was closed by the other end"
	case errors.Is(e.Err, io.ErrUnexpectedEOF):
		return "the control connection was closed by the other end in the middle of a reply"
	case errors.Is(e.Err, syscall.ECONNRESET), errors.Is(e.Err, syscall.EPIPE):
		return "the control connection was reset"
	}
	return "the control connection was lost: " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *LostError) Unwrap() error { return e.Err }

// Public makes the errors of package ftpnat of those here; it is set by that
// package when the program starts. errors.As finds those through the ones here,
// so that nobody in between has to convert anything.
var Public struct {
	Reply     func(*Error) error
	Negotiate func(*NegotiateError) error
	Listing   func(*ListingError) error
}

// NegotiateError says that no data connection could be opened.
type NegotiateError struct {
	Server   string // host:port of the control connection
	Attempts []Attempt
	Err      error // what ended it before all modes were tried; nil if they were
	Proven   bool  // a mode has worked on this path before
}

// Temporary reports whether the same may work later: a mode has worked on this
// path before, or the server has refused one for now. That the server could not
// open a single data connection is its last word.
func (e *NegotiateError) Temporary() bool {
	refused, other := false, false
	for _, a := range e.Attempts {
		switch {
		case a.Cause == TLSFailed || a.Cause == TLSReuseRequired || a.Cause == BadIP:
			return false
		case a.Cause == Refused && a.Reply.Code/100 == 4 && !a.Reply.Lasting():
			refused = true
		case a.Cause != DataRefused:
			other = true
		}
	}
	return refused || e.Proven && (other || len(e.Attempts) == 0)
}

// Timeout reports whether every attempt met silence.
func (e *NegotiateError) Timeout() bool {
	for _, a := range e.Attempts {
		if !a.Cause.Silent() {
			return false
		}
	}
	return len(e.Attempts) > 0
}

func (e *NegotiateError) Error() string {
	if Public.Negotiate != nil {
		return Public.Negotiate(e).Error()
	}
	return fmt.Sprintf("no data connection with %s after %d attempts", e.Server, len(e.Attempts))
}

// Unwrap returns the error of each attempt and Err.
func (e *NegotiateError) Unwrap() []error {
	var errs []error
	for _, a := range e.Attempts {
		if a.Err != nil {
			errs = append(errs, a.Err)
		}
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// As makes the public form of the error be found in its place.
func (e *NegotiateError) As(target any) bool {
	return Public.Negotiate != nil && errors.As(Public.Negotiate(e), target)
}

// FSError is an error whose meaning for a file system was found out: Kind is
// one of io/fs, or of the system.
type FSError struct{ Kind, Err error }

// Error returns the meaning, and what the server said.
func (e *FSError) Error() string {
	if e.Err == nil {
		return e.Kind.Error()
	}
	return e.Kind.Error() + " (" + e.Err.Error() + ")"
}

// Unwrap returns both.
func (e *FSError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// ErrMissing is fs.ErrNotExist if the server was asked for the name and has
// none.
var ErrMissing = &FSError{Kind: fs.ErrNotExist}

// Is makes all confirmed absences one.
func (e *FSError) Is(target error) bool {
	return target == error(ErrMissing) && e.Kind == fs.ErrNotExist
}

// The kinds of package syscall.
var (
	ErrNotDir   error = syscall.ENOTDIR
	ErrIsDir    error = syscall.EISDIR
	ErrNotEmpty error = syscall.ENOTEMPTY
)

// Missing says of a refusal that there is no such file.
func Missing(err error) error { return &FSError{fs.ErrNotExist, err} }

// Unable says that FTP, or the server, has no way to do what was asked.
func Unable(what string) error { return &FSError{errors.ErrUnsupported, errors.New(what)} }

// IsNegotiate reports whether no data connection could be had.
func IsNegotiate(err error) bool {
	var ne *NegotiateError
	return errors.As(err, &ne)
}

// IsSilence reports whether err is that of a peer that did not answer, and not
// that of the caller's patience.
func IsSilence(err error) bool {
	return errors.Is(err, ErrSilent) || errors.Is(err, ErrStalled)
}

// IsTimeout reports whether err is that of a deadline.
func IsTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// UnmappedError is the failure of an attempt in active mode for which a Mapper was
// asked, and could not map the port.
type UnmappedError struct {
	Err    error // of the attempt
	Mapper error // the Mapper's
}

func (e *UnmappedError) Error() string {
	return e.Err.Error() + "; the port could not be mapped: " + Quote(e.Mapper.Error())
}

// Unwrap returns both.
func (e *UnmappedError) Unwrap() []error { return []error{e.Err, e.Mapper} }

// Opaque keeps what an error says but is no *Error to errors.As: those are the
// server's word on what the caller asked for, and a refused PORT is not.
func Opaque(err error) error {
	var closed *NotOpenError
	switch {
	case errors.As(err, &closed):
		return &NotOpenError{closed.What, Opaque(closed.Err)}
	case ReplyOf(err).Code != 0:
		return errors.New(err.Error())
	}
	return err
}

// AddrOf returns a socket's address; invalid if it is none of TCP.
func AddrOf(a net.Addr) netip.AddrPort {
	ta, ok := a.(*net.TCPAddr)
	if !ok || ta == nil {
		return netip.AddrPort{}
	}
	ap := ta.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// Ended returns ErrClosed if ctx has ended by Close and err is not
// nil, and err otherwise.
func Ended(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == ErrClosed {
		return ErrClosed
	}
	return err
}
