package portmap

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrNoGateway is in the errors of [Mapper.Map] where the routing table has no
// gateway for the local address.
var ErrNoGateway = errors.New("portmap: there is no gateway")

// ErrClosed is in the errors of [Mapper.Map] on a Mapper that is closed.
var ErrClosed = errors.New("portmap: the Mapper is closed")

// Error says why one protocol got no mapping. The error of [Mapper.Map] joins
// one for each protocol that was tried, each a line.
type Error struct {
	Protocol Protocol
	Gateway  netip.Addr
	Err      error
}

// Error returns the protocol, the gateway and the reason, on one line.
func (e *Error) Error() string {
	return fmt.Sprintf("portmap: %v at %v: %s", e.Protocol, e.Gateway, oneLine(e.Err.Error()))
}

// maxText is how much of a reason is shown. Some of it may be the gateway's.
const maxText = 300

// oneLine makes a text fit for a line, whoever wrote it.
func oneLine(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "..."
	}
	return strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// NotPublicError says that the gateway's own address toward the Internet is
// not reachable from there: it stands behind a second NAT, its provider's or
// that of another router.
type NotPublicError struct {
	Addr netip.Addr // as the gateway told it
}

// Error names the address.
func (e *NotPublicError) Error() string {
	return fmt.Sprintf("the gateway's outer address %v is not public: there is a second NAT behind it", e.Addr)
}

// ResultError is a refusal in the words of a gateway.
type ResultError struct {
	Code int    // of the protocol in question
	Text string // what the code stands for, or what the gateway says
}

// Error returns the code and its meaning.
func (e *ResultError) Error() string {
	return fmt.Sprintf("the gateway refuses: %s (%d)", e.Text, e.Code)
}

// errNoAnswer is where a gateway was asked and said nothing in time, so that
// it may have granted what was asked for.
var errNoAnswer = errors.New("no answer")
