package proto

import (
	"errors"
	"strings"
	"syscall"
)

// Error is a negative reply, or one that is not among those to its command.
type Error struct {
	Command string // without secrets; empty for the greeting
	Reply   Reply
	Ended   bool // it has ended a transfer that had begun
	Final   bool // it was the same in every mode: whatever its code says, it will not pass
}

// loginAs begins the Command of a login that was refused as a whole.
const loginAs = "login as "

// Refusal returns the error of a negative reply to a command, with secrets
// masked.
func Refusal(command string, r Reply) error { return &Error{Command: Redact(command), Reply: r} }

// Failure returns the error of a negative reply that has ended a transfer.
func Failure(command string, r Reply) error {
	return &Error{Command: Redact(command), Reply: r, Ended: true}
}

// LoginRefusal returns the error of a negative reply to the login of a user.
func LoginRefusal(user string, r Reply) error { return &Error{Command: loginAs + user, Reply: r} }

func (e *Error) Error() string {
	if e.Command == "" {
		return e.Reply.String()
	}
	return Quote(e.Command) + ": " + e.Reply.String()
}

// Login reports whether it is the refusal of a user or a password.
func (e *Error) Login() bool {
	if strings.HasPrefix(e.Command, loginAs) {
		return true
	}
	verb, _ := cutWord(e.Command)
	switch strings.ToUpper(verb) {
	case "USER", "PASS", "ACCT":
		return true
	}
	return false
}

// Temporary reports whether the same command may succeed later. RFC 959 keeps
// 4yz for that; servers do not. A login that was refused is final whatever the
// code, because the next try may lock the account; only one connection too many
// is not.
func (e *Error) Temporary() bool {
	switch {
	case e.Final:
		return false
	case e.bare().Broken():
		return true
	case e.Reply.Code/100 != 4:
		return false
	case e.Login():
		return e.Reply.Code == 421 && e.Reply.TooMany() && manyWords.in(e.Reply.lower())
	}
	return e.Reply.Code != 430 && !e.bare().Lasting()
}

// Later is Temporary for a person, or a program, that comes back after a while: it
// is true too if the server has too many users.
func (e *Error) Later() bool { return e.Temporary() || e.Reply.Code >= 430 && e.Reply.TooMany() }

// bare returns the reply without the name that it is about, which may have words
// of any kind in it.
func (e *Error) bare() Reply {
	_, name := cutWord(e.Command)
	if name == "" || e.Login() {
		return e.Reply
	}
	text := e.Reply.lower()
	name = strings.ToLower(name)
	if telling(name) {
		text = without(text, name)
	}
	if i := strings.LastIndexByte(name, '/'); i >= 0 && i+1 < len(name) && telling(name[i+1:]) {
		text = without(text, name[i+1:])
	}
	return Reply{Code: e.Reply.Code, Lines: []string{text}}
}

// telling reports whether a name, in small letters, has words that servers say of
// names: only then would it be mistaken for what the server says. Others stay, because
// they may be part of that: "such" is in "no such file".
func telling(name string) bool {
	for _, ws := range []words{missingWords, deniedWords, manyWords, laterWords, fullWords, neverWords, tlsWords, brokenWords} {
		if ws.in(name) {
			return true
		}
	}
	return false
}

// Is reports what the reply says in the words of other packages: that the command
// is not known, or that there is no room.
func (e *Error) Is(target error) bool {
	switch target {
	case errors.ErrUnsupported:
		return e.Command != "" && !e.Login() && e.Reply.Unsupported() && !e.Reply.Crashed()
	case error(syscall.ENOSPC):
		return e.bare().Full()
	}
	return false
}

// As makes the public form of the error be found in its place.
func (e *Error) As(target any) bool {
	return Public.Reply != nil && errors.As(Public.Reply(e), target)
}

// A NotOpenError says that a control connection could not be opened, or brought to
// the state that it is to have. A reply in it was given to no command of a caller's.
type NotOpenError struct {
	What string // what could not be opened
	Err  error
}

func (e *NotOpenError) Error() string { return e.What + ": " + e.Err.Error() }

// Unwrap returns why.
func (e *NotOpenError) Unwrap() error { return e.Err }

// IsNotOpen reports whether err is that of a control connection that could not be
// opened.
func IsNotOpen(err error) bool {
	var closed *NotOpenError
	return errors.As(err, &closed)
}

// NotOpen returns the reply that has kept a control connection from being opened;
// zero if err is none of that.
func NotOpen(err error) Reply {
	var closed *NotOpenError
	if errors.As(err, &closed) {
		return ReplyOf(closed.Err)
	}
	return Reply{}
}

// refusalOf returns the refusal that err is about; nil if it is about none. One
// that came before a context ended is not what that end is about, and one of a
// connection is not about a command.
func refusalOf(err error) *Error {
	var refused *Error
	var ended *Interrupted
	if errors.As(err, &ended) || IsNotOpen(err) || !errors.As(err, &refused) {
		return nil
	}
	return refused
}

// ReplyOf returns the reply that err is about; zero if it is about none.
func ReplyOf(err error) Reply {
	if refused := refusalOf(err); refused != nil {
		return refused.Reply
	}
	return Reply{}
}

// RefusedAt reports whether the server refused a command as such.
func RefusedAt(err error) bool { return refusalOf(err) != nil && !IsNegotiate(err) }

// RefusedLogin reports whether err says that a user is not let in.
func RefusedLogin(err error) bool {
	var closed *NotOpenError
	if errors.As(err, &closed) {
		err = closed.Err
	}
	refused := refusalOf(err)
	return refused != nil && refused.Login()
}

// IsFinal reports whether err is a refusal that was the same in every mode.
func IsFinal(err error) bool {
	refused := refusalOf(err)
	return refused != nil && refused.Final
}

// IsTemporary reports whether err is a refusal that may not last.
func IsTemporary(err error) bool {
	refused := refusalOf(err)
	return refused != nil && refused.Temporary()
}

// SaysDenied reports whether err is a refusal that says in words that it is one of
// rights.
func SaysDenied(err error) bool {
	refused := refusalOf(err)
	return refused != nil && refused.bare().Denied()
}
