package ftpnat

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ftpnat/ftpnat/internal/control"
)

// Reply is one reply of the server: RFC 959, 4.2.
type Reply struct {
	Code  int      // three digits; zero means that there was no reply
	Lines []string // the text, without the code on the first and the last line
}

// Text returns the lines joined by newlines.
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }

// String returns the reply on one line, such as "550 No such file", and the
// empty string for no reply.
func (r Reply) String() string {
	if r.Code == 0 {
		return ""
	}
	return strings.TrimRight(fmt.Sprintf("%03d %s", r.Code, strings.Join(r.Lines, " / ")), " ")
}

// is reports whether the code is want, or begins with it where want has one or
// two digits; a want below one is met by any code.
func (r Reply) is(want int) bool {
	switch {
	case want < 1:
		return true
	case want < 10:
		return r.Code/100 == want
	case want < 100:
		return r.Code/10 == want
	}
	return r.Code == want
}

// completed reports whether the server says that the command was carried out.
// 226 and 250 both close a transfer, and 200 does on servers that are not
// particular.
func (r Reply) completed() bool { return r.Code/100 == 2 }

// ReplyError is a reply of the server that is not the one that the command
// needs to go on.
type ReplyError struct {
	Command string // as it was sent, secrets masked
	Reply   Reply
}

// Error returns the command and the reply.
func (e *ReplyError) Error() string {
	if e.Command == "" {
		return e.Reply.String()
	}
	return e.Command + ": " + e.Reply.String()
}

// Temporary reports whether the same command may succeed later: RFC 959 keeps
// 4yz for that.
func (e *ReplyError) Temporary() bool { return e.Reply.Code/100 == 4 }

func replyError(command string, r Reply) error {
	return &ReplyError{Command: control.Redact(command), Reply: r}
}

// replyOf returns the reply that err is about; zero where it is about none.
func replyOf(err error) Reply {
	var re *ReplyError
	if errors.As(err, &re) {
		return re.Reply
	}
	return Reply{}
}
