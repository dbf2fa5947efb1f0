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
// empty string if there was no reply.
func (r Reply) String() string { return proto.Reply(r).String() }

// ReplyError is a reply of the server other than the one that the command needs
// to go on.
type ReplyError struct {
	Command string // as it was sent, with secrets masked
	Reply   Reply
}

// Error returns the command and the reply.
func (e *ReplyError) Error() string {
	return (&proto.Error{Command: e.Command, Reply: proto.Reply(e.Reply)}).Error()
}

// Temporary reports whether the same command may succeed later: RFC 959
// reserves the codes 400 to 499 for that.
func (e *ReplyError) Temporary() bool { return e.Reply.Code/100 == 4 }
