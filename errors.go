package ftpnat

import (
	"errors"
	"io/fs"
	"os"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// The errors of this package match these by [errors.Is]. Replies of the server
// are a [*ReplyError], and a data connection that cannot be had is a
// [*NegotiateError]. Of the errors of other packages, [fs.ErrNotExist],
// [fs.ErrExist] and [fs.ErrPermission] are matched where the server has confirmed
// what they say, [errors.ErrUnsupported] if the server does not have a command
// (500, 502, 504 or 202), and [syscall.ENOSPC] if it says that a disk or a quota is
// full (452, or 4yz and 5yz with such words; "Failure writing to local file" of
// vsftpd is one of them). If a context ends a call that was being tried again, its
// error is matched, and [errors.As] finds what the last try failed for.
var (
	// ErrBusy is returned if a [Conn] is used during a transfer or another call
	// on it. A Conn is one control connection and does one thing at a time.
	ErrBusy = proto.ErrBusy
	// ErrClosed is returned if a [Conn] or an [FS] is used after its Close.
	ErrClosed = proto.ErrClosed
	// ErrShort is returned if fewer bytes crossed the data connection than the
	// server said that there are.
	ErrShort = proto.ErrShort
	// ErrNoVerdict is returned if all bytes crossed the data connection but the
	// server's closing reply, which alone says that they are all, never came.
	ErrNoVerdict = proto.ErrNoVerdict
	// ErrLost is matched if the control connection was reset or closed, or given
	// up because a command got no reply, and could not be replaced in time.
	ErrLost = proto.ErrLost
	// ErrNoReply is matched if the server did not answer a command, or did not
	// greet, in time. The control connection is then given up, so that ErrLost is
	// matched, too.
	ErrNoReply = proto.ErrSilent
	// ErrStalled is returned if a data connection stood still for too long.
	ErrStalled = proto.ErrStalled
	// ErrTruncated is returned if the server says that a listing is not complete.
	ErrTruncated = proto.ErrTruncated
	// ErrChanged is returned if a file was changed on the server while it was
	// read.
	ErrChanged = proto.ErrChanged
	// ErrMismatch is returned if what the server holds after an upload is not
	// what was sent.
	ErrMismatch = proto.ErrMismatch
)

// A ListingError says that lines of a listing could not be understood, or name
// what cannot be used: names with a carriage return, or that are not in the
// server's charset. It comes together with the entries of all other lines, and
// those can be used as ever.
type ListingError struct {
	// Dir is the directory in that of [Dialer.Open], which is ".".
	Dir string
	// Lines has the first hundred such lines, each cut after 1024 bytes, and quoted
	// where a terminal would obey it.
	Lines []string
	// More is how many there are beyond those.
	More int

	text   string
	closed bool
}

func (e *ListingError) Error() string { return "ftpnat: " + e.text }

// Is reports whether target is [fs.ErrPermission], and the line is that of a server
// which may not open the directory.
func (e *ListingError) Is(target error) bool { return target == fs.ErrPermission && e.closed }

// The inner packages have errors of their own. errors.As finds the public ones
// through them.
func init() {
	proto.Public.Reply = func(e *proto.Error) error { return &ReplyError{Command: e.Command, Reply: Reply(e.Reply)} }
	proto.Public.Negotiate = func(e *proto.NegotiateError) error {
		return &NegotiateError{Server: e.Server, Attempts: each(e.Attempts, attemptOf), Err: e.Err, proven: e.Proven}
	}
	proto.Public.Listing = func(e *proto.ListingError) error {
		return &ListingError{Dir: e.Dir, Lines: e.Lines, More: e.More, text: e.Error(), closed: e.Closed()}
	}
}

// Retryable reports whether the call that returned err may succeed if it is made
// again after a while, and nothing that was done stands in its way. It is for
// programs that can wait longer than [Dialer.RetryFor], or that have set that to
// never.
//
// It is true for broken and refused connections, for silence, for replies that may
// pass (4yz, unless the words say otherwise, and too many users), for a
// [*NegotiateError] that is Temporary, for [ErrBusy], and for [ErrChanged],
// [ErrShort] and [ErrStalled]. It is false for what the server, or a setting,
// forbids: a refused login, missing files and rights, full disks, certificates; for
// the end of a context and for [ErrClosed]; and where it is not known whether the
// call has been carried out: a lost connection under Mkdir, Remove or Rename, and
// [ErrNoVerdict] from the Write or Close of a [File]. After a failed Append the file
// may have some of the data: compare its size before.
func Retryable(err error) bool {
	var inner *proto.Error
	var refused *ReplyError
	var none *NegotiateError
	switch {
	case err == nil || undecided(err):
		return false
	case !proto.IsNegotiate(err) && errors.As(err, &none):
		return none.Temporary()
	case !errors.As(err, &inner) && errors.As(err, &refused):
		return refused.inner().Later()
	}
	return retry.Later(err)
}

// undecided reports whether it is not known whether a call has been carried out
// that cannot be made twice.
func undecided(err error) bool {
	op := ""
	var one *fs.PathError
	var two *os.LinkError
	switch {
	case errors.As(err, &two):
		op = two.Op
	case errors.As(err, &one):
		op = one.Op
	}
	switch op {
	case "mkdir", "remove", "rename":
		return errors.Is(err, ErrLost)
	case "write", "close":
		return errors.Is(err, ErrNoVerdict)
	}
	return false
}
