package ftpnat

import "github.com/ftpnat/ftpnat/internal/proto"

// Reply is one reply of the server: RFC 959, 4.2.
type Reply struct {
	Code  int      // three digits; zero if there was no reply
	Lines []string // the text, without the code on the first and the last line
}

// Text returns the lines joined by newlines.
func (r Reply) Text() string { return proto.Reply(r).Text() }

// String returns the reply on one line, such as "550 No such file", or the
// empty string if there was no reply. What is not printable, or not UTF-8, is
// quoted as in a Go string, so that a server cannot steer a terminal with it.
func (r Reply) String() string { return proto.Reply(r).String() }

// ReplyError is a reply of the server other than the one that the command needs
// to go on.
type ReplyError struct {
	Command string // as it was sent, with secrets masked
	Reply   Reply
}

func (e *ReplyError) inner() *proto.Error {
	return &proto.Error{Command: e.Command, Reply: proto.Reply(e.Reply)}
}

// Error returns the command and the reply.
func (e *ReplyError) Error() string { return e.inner().Error() }

// Is reports whether the reply is one of the errors of other packages:
// [errors.ErrUnsupported] if the server does not have the command, and
// [syscall.ENOSPC] if it says that a disk or a quota is full.
func (e *ReplyError) Is(target error) bool { return e.inner().Is(target) }

// Temporary reports whether the same command may succeed later. RFC 959 reserves
// the codes 400 to 499 for that, and servers use them for what does not pass too:
// a refused login, a full disk, and what the words call denied, missing, invalid
// or the like are not temporary, whatever the code.
func (e *ReplyError) Temporary() bool { return e.inner().Temporary() }
