package ftpnat

import (
	"errors"
	"io/fs"
	"syscall"
)

// ErrTruncated says that a listing is not complete, by the server's own word.
var ErrTruncated = errors.New("ftpnat: the server cut the listing short")

// ErrChanged says that a file was changed on the server while it was read.
var ErrChanged = errors.New("ftpnat: the file has changed while it was read")

// ErrMismatch says that what the server holds after an upload is not what was
// sent.
var ErrMismatch = errors.New("ftpnat: the file on the server is not what was sent")

// kindError is an error whose meaning for a file system was found out: kind is
// one of io/fs, or of the system.
type kindError struct{ kind, err error }

// Error returns the meaning, and what the server said.
func (e *kindError) Error() string {
	if e.err == nil {
		return e.kind.Error()
	}
	return e.kind.Error() + " (" + e.err.Error() + ")"
}

// Unwrap returns both.
func (e *kindError) Unwrap() []error {
	if e.err == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.err}
}

// errMissing is fs.ErrNotExist where the server was asked for the name and has
// none.
var errMissing = &kindError{kind: fs.ErrNotExist}

// Is makes all confirmed absences one.
func (e *kindError) Is(target error) bool {
	return target == error(errMissing) && e.kind == fs.ErrNotExist
}

var (
	errNotDir   error = syscall.ENOTDIR
	errIsDir    error = syscall.EISDIR
	errNotEmpty error = syscall.ENOTEMPTY
)

func missing(err error) error { return &kindError{fs.ErrNotExist, err} }

func denied(err error) error { return &kindError{fs.ErrPermission, err} }

// unable says that FTP has no way to do what was asked.
func unable(what string) error { return &kindError{errors.ErrUnsupported, errors.New(what)} }
