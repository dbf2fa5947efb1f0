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
	// ErrSilent says that the server did not answer in time.
	ErrSilent = errors.New("no reply")
	// ErrNoRestart says that the server does not begin in the middle of a file.
	ErrNoRestart = errors.New("the server does not restart transfers")
	// ErrNoDir says that the directory of the session could not be entered.
	ErrNoDir = errors.New("the directory cannot be entered")
)

// LostError says that the control connection ended.
type LostError struct {
	Err error // io.EOF if the server closed it
}

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
}

// Error is a negative reply.
type Error struct {
	Command string // without secrets; empty for the greeting
	Reply   Reply
}

// Refusal returns the error of a negative reply to a command, with secrets
// masked.
func Refusal(command string, r Reply) error { return &Error{Redact(command), r} }

func (e *Error) Error() string {
	if e.Command == "" {
		return e.Reply.String()
	}
	return e.Command + ": " + e.Reply.String()
}

// Temporary reports whether the same command may succeed later: RFC 959 keeps
// 4yz for that.
func (e *Error) Temporary() bool { return e.Reply.Code/100 == 4 }

// As makes the public form of the error be found in its place.
func (e *Error) As(target any) bool {
	return Public.Reply != nil && errors.As(Public.Reply(e), target)
}

// NegotiateError says that no data connection could be opened.
type NegotiateError struct {
	Server   string // host:port of the control connection
	Attempts []Attempt
	Err      error // what ended it before all modes were tried; nil if they were
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

// Denied says of a refusal that it is one of rights.
func Denied(err error) error { return &FSError{fs.ErrPermission, err} }

// Unable says that FTP, or the server, has no way to do what was asked.
func Unable(what string) error { return &FSError{errors.ErrUnsupported, errors.New(what)} }

// ReplyOf returns the reply that err is about; zero if it is about none.
func ReplyOf(err error) Reply {
	var refused *Error
	if errors.As(err, &refused) {
		return refused.Reply
	}
	return Reply{}
}

// RefusedAt reports whether the server refused a command as such.
func RefusedAt(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && !IsNegotiate(err)
}

// IsTemporary reports whether err is a refusal that may not last.
func IsTemporary(err error) bool {
	var refused *Error
	return errors.As(err, &refused) && refused.Temporary() && !refused.Reply.Lasting()
}

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

// ContextError returns the context's error if the context is why err happened.
func ContextError(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, io.EOF) {
		return ctx.Err()
	}
	return err
}

// Opaque keeps what an error says but is no *Error to errors.As: those are the
// server's word on what the caller asked for, and a refused PORT is not.
func Opaque(err error) error {
	if ReplyOf(err).Code != 0 {
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
