package ftpnat

import "github.com/ftpnat/ftpnat/internal/proto"

// The errors of this package match these by [errors.Is]. Replies of the server
// are a [*ReplyError], and a data connection that cannot be had is a
// [*NegotiateError].
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

// The inner packages have errors of their own. errors.As finds the public ones
// through them.
func init() {
	proto.Public.Reply = func(e *proto.Error) error { return &ReplyError{Command: e.Command, Reply: Reply(e.Reply)} }
	proto.Public.Negotiate = func(e *proto.NegotiateError) error {
		public := &NegotiateError{Server: e.Server, Err: e.Err}
		for _, a := range e.Attempts {
			public.Attempts = append(public.Attempts, attemptOf(a))
		}
		return public
	}
}

// public returns the public form of an inner error, which is found by errors.As
// in any case, for callers that compare types.
func public(err error) error {
	switch e := err.(type) {
	case *proto.Error:
		return proto.Public.Reply(e)
	case *proto.NegotiateError:
		return proto.Public.Negotiate(e)
	}
	return err
}
