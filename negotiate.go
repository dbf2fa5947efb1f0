package ftpnat

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/advice"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Mode is a command that opens a data connection.
type Mode uint8

const (
	// EPSV is extended passive mode: RFC 2428, 3. The client dials a port of
	// the server.
	EPSV = Mode(proto.EPSV)
	// PASV is passive mode: RFC 959, 4.1.2. The server names a port and an
	// address for the client to dial; only the port is used by default.
	PASV = Mode(proto.PASV)
	// PORT is active mode: RFC 959, 4.1.2. The server dials an IPv4 address
	// and port of the client.
	PORT = Mode(proto.PORT)
	// EPRT is extended active mode: RFC 2428, 2. It is PORT for IPv6 too.
	EPRT = Mode(proto.EPRT)
)

// String returns the command's name.
func (m Mode) String() string { return proto.Mode(m).String() }

// MarshalText returns the command's name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a command's name.
func (m *Mode) UnmarshalText(text []byte) error {
	return parseName(m, text, "a mode", EPSV, PASV, PORT, EPRT)
}

// parseName sets v to the one of all that has the name.
func parseName[T fmt.Stringer](v *T, name []byte, what string, all ...T) error {
	names := make([]string, len(all))
	for i, k := range all {
		if names[i] = k.String(); names[i] == string(name) {
			*v = k
			return nil
		}
	}
	return fmt.Errorf("ftpnat: %q is not %s: %s are", name, what, strings.Join(names, ", "))
}

// Cause is the reason why an attempt to open a data connection failed. Its
// String is what happened, and its Advice what a person can do about it.
type Cause uint8

const (
	// OK is the cause of no failure: the attempt succeeded.
	OK Cause = iota
	// ControlReset: the control connection was reset or closed.
	ControlReset
	// ControlSilent: a command on the control connection got no reply.
	ControlSilent
	// Refused: the server answered the mode's command with a negative reply.
	Refused
	// BadAddress: the address that the server gave cannot be used.
	BadAddress
	// DialRefused: nobody listens where the server said it does, or a
	// firewall says so.
	DialRefused
	// DialTimeout: the data connection was not answered.
	DialTimeout
	// DialFailed: the data connection failed in another way.
	DialFailed
	// AcceptTimeout: the server took the address and did not connect to it.
	AcceptTimeout
	// DataRefused: the server said that it could not open the data connection.
	DataRefused
	// BadIP: the server saw the data connection come from another address
	// than the control connection.
	BadIP
	// TLSReuseRequired: the server wants the data connection to resume the
	// TLS session of the control connection, and it did not.
	TLSReuseRequired
	// TLSFailed: the TLS handshake on the data connection failed.
	TLSFailed
	// OtherAddress: somebody connected from an address that is not the
	// server's, and was turned away.
	OtherAddress
	// ListenFailed: no port could be opened for the server to connect to.
	ListenFailed
	// NoAddress: no address is known that the server could connect to.
	NoAddress
	// ProxyRefused: the proxy answered that it did not open the connection.
	ProxyRefused
)

// String returns what happened, in a few words.
func (c Cause) String() string { return advice.Of(proto.Cause(c)).Happened }

// Advice returns what a person can do about it, in one or two sentences; it is
// empty for OK.
func (c Cause) Advice() string { return advice.Of(proto.Cause(c)).Advice }

// MarshalText returns the constant's name, such as DialTimeout.
func (c Cause) MarshalText() ([]byte, error) {
	name := advice.Of(proto.Cause(c)).Name
	if name == "" {
		return nil, fmt.Errorf("ftpnat: %d is not a cause", uint8(c))
	}
	return []byte(name), nil
}

// Attempt is one try to open a data connection.
type Attempt struct {
	Mode       Mode
	Advertised netip.AddrPort // in the server's 227, or in our PORT or EPRT; a 229 has only a port
	Used       netip.AddrPort // the address dialled, or the one that the server came from
	Reply      Reply          // the reply that decided it; zero if there was none
	Start      time.Time
	Elapsed    time.Duration
	Cause      Cause // OK if it worked
	Err        error // nil if it worked
}

// attemptOf returns the public form of an attempt.
func attemptOf(a proto.Attempt) Attempt {
	return Attempt{
		Mode: Mode(a.Mode), Advertised: a.Advertised, Used: a.Used, Reply: Reply(a.Reply),
		Start: a.Start, Elapsed: a.Elapsed, Cause: Cause(a.Cause), Err: a.Err,
	}
}

func (a Attempt) inner() proto.Attempt {
	return proto.Attempt{
		Mode: proto.Mode(a.Mode), Advertised: a.Advertised, Used: a.Used, Reply: proto.Reply(a.Reply),
		Start: a.Start, Elapsed: a.Elapsed, Cause: proto.Cause(a.Cause), Err: a.Err,
	}
}

// each converts the elements of a list.
func each[To, From any](list []From, convert func(From) To) []To {
	var to []To
	for _, v := range list {
		to = append(to, convert(v))
	}
	return to
}

// String returns the attempt on one line: the mode, the addresses, what
// happened and after how long.
func (a Attempt) String() string { return advice.Line(a.inner()) }

// NegotiateError is returned if no data connection could be opened. It has each
// attempt, in order, and why it failed.
type NegotiateError struct {
	Server   string // host:port of the control connection
	Attempts []Attempt
	Err      error // why it ended before all modes were tried; nil if all were

	proven bool // a mode has worked on this path before
}

func (e *NegotiateError) inner() *proto.NegotiateError {
	return &proto.NegotiateError{Server: e.Server, Attempts: each(e.Attempts, Attempt.inner), Err: e.Err, Proven: e.proven}
}

// Error returns a line for each attempt, and the advice.
func (e *NegotiateError) Error() string { return advice.Explain(e.inner()) }

// Advice returns what a person can do, most useful first, in plain words.
func (e *NegotiateError) Advice() []string { return advice.On(e.inner()) }

// Unwrap returns the error of each attempt and Err, for errors.Is and
// errors.As.
func (e *NegotiateError) Unwrap() []error { return e.inner().Unwrap() }

// Temporary reports whether the same may work later: a mode has worked on this path
// before, or the server has refused one by a reply that may pass (425 or 421: all
// its ports are in use). Where that is so, calls on an [FS] try again for
// [Dialer.RetryFor] before they return the error.
func (e *NegotiateError) Temporary() bool { return e.inner().Temporary() }

// Timeout reports whether every attempt met silence, so that patience or another
// path may help and another setting cannot.
func (e *NegotiateError) Timeout() bool { return e.inner().Timeout() }
