package ftpnat

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

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
	for _, k := range []Mode{EPSV, PASV, PORT, EPRT} {
		if string(text) == k.String() {
			*m = k
			return nil
		}
	}
	return fmt.Errorf("ftpnat: %q is not a mode: EPSV, PASV, PORT, EPRT are", text)
}

func (m Mode) passive() bool { return proto.Mode(m).Passive() }

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

var causes = [...]struct{ name, happened, advice string }{
	OK:               {"OK", "it works", ""},
	ControlReset:     {"ControlReset", "the control connection was cut", "Something on the way, or the server itself, cuts the connection as soon as it sees this command. Let ftpnat use the other modes (leave Dialer.Modes empty)."},
	ControlSilent:    {"ControlSilent", "no reply", "Something on the way swallows this command, or the server hangs. Let ftpnat use the other modes (leave Dialer.Modes empty)."},
	Refused:          {"Refused", "the server refused", "The server does not allow this mode. If no other mode works either, its administrator has to allow passive mode."},
	BadAddress:       {"BadAddress", "the server gave no usable address", "The server's passive mode is misconfigured: its administrator has to set the address and ports that it announces."},
	DialRefused:      {"DialRefused", "connection refused", "The ports that the server opens for passive mode are closed on the way: its administrator has to open (and, behind a NAT, forward) the server's passive port range."},
	DialTimeout:      {"DialTimeout", "no answer", "A firewall drops connections to the ports that the server opens for passive mode: its administrator has to open (and, behind a NAT, forward) the server's passive port range; or a firewall on this side has to allow outgoing connections to ports above 1023."},
	DialFailed:       {"DialFailed", "connection failed", "The network does not lead to the address that the server gave for the data connection."},
	AcceptTimeout:    {"AcceptTimeout", "the server did not connect", "The server cannot connect back to this machine: a NAT or a firewall on this side is in the way. Forward a range of ports to this machine and set Dialer.PublicAddr and Dialer.ListenPorts, or set Dialer.Mapper to ask the router for it."},
	DataRefused:      {"DataRefused", "the server could not open the data connection", "The server tried and could not connect: a firewall on either side is in the way of the data connection."},
	BadIP:            {"BadIP", "the server saw another address", "The data connection leaves your network from another address than the control connection (several uplinks, a pool of NAT addresses, or a proxy for one of the two): both have to take the same way, or the server has to allow it (vsftpd: pasv_promiscuous=YES)."},
	TLSReuseRequired: {"TLSReuseRequired", "the server requires TLS session reuse", "The server wants the data connection to resume the control connection's TLS session and did not take the one that was offered: allow TLS 1.3 on the server, or switch the requirement off there (vsftpd: require_ssl_reuse=NO; ProFTPD: TLSOptions NoSessionReuseRequired)."},
	TLSFailed:        {"TLSFailed", "TLS handshake failed", "The data connection opened but could not be secured; the network is not at fault. The error beside it names the reason."},
	OtherAddress:     {"OtherAddress", "the connection came from another address than the server's", "Somebody connected from an address that is not the one of the control connection, and was turned away. If that is the server, which may have several addresses, let Dialer.TrustDataAddr allow it; or use passive mode."},
	ListenFailed:     {"ListenFailed", "no port to listen on", "No local port could be opened for active mode: Dialer.ListenPorts may all be in use, or the system forbids it."},
	NoAddress:        {"NoAddress", "no public address is known", "This machine's address means nothing to the server and its public address is not known: set Dialer.PublicAddr (with Dialer.ListenPorts forwarded to this machine), or Dialer.Mapper."},
	ProxyRefused:     {"ProxyRefused", "the proxy did not connect", "The proxy did not open the data connection. Where it says that it may not, its administrator has to allow connections (CONNECT) to the server's passive ports, which are above 1023; where it tried and failed, the server's administrator has to open these ports."},
}

// String returns what happened, in a few words.
func (c Cause) String() string {
	if int(c) >= len(causes) {
		return fmt.Sprintf("cause %d", uint8(c))
	}
	return causes[c].happened
}

// Advice returns what a person can do about it, in one or two sentences; it is
// empty for OK.
func (c Cause) Advice() string {
	if int(c) >= len(causes) {
		return ""
	}
	return causes[c].advice
}

// MarshalText returns the constant's name, such as DialTimeout.
func (c Cause) MarshalText() ([]byte, error) {
	if int(c) >= len(causes) {
		return nil, fmt.Errorf("ftpnat: %d is not a cause", uint8(c))
	}
	return []byte(causes[c].name), nil
}

// silent reports whether a longer wait could have changed the outcome.
func (c Cause) silent() bool { return proto.Cause(c).Silent() }

// lethal reports whether the control connection did not survive.
func (c Cause) lethal() bool { return proto.Cause(c).Lethal() }

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

// String returns the attempt on one line: the mode, the addresses, what
// happened and after how long.
func (a Attempt) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-4s", a.Mode)
	if where := a.where(); where != "" {
		b.WriteByte(' ')
		b.WriteString(where)
	}
	fmt.Fprintf(&b, ": %s, after %s", a.what(), roundTime(a.Elapsed))
	return b.String()
}

func (a Attempt) where() string {
	var parts []string
	switch {
	case a.Advertised.Port() == 0:
	case a.Mode == EPSV && a.Advertised.Addr() == a.Used.Addr():
		// The 229 names a port alone.
	case a.Advertised != a.Used || !a.Mode.passive():
		parts = append(parts, "advertised "+a.Advertised.String())
	}
	if a.Used.IsValid() {
		verb := "dialled "
		if !a.Mode.passive() {
			verb = "accepted "
		}
		parts = append(parts, verb+a.Used.String())
	}
	return strings.Join(parts, ", ")
}

func (a Attempt) what() string {
	if a.Cause == OK {
		return a.Cause.String()
	}
	what := a.Cause.String()
	var unmapped *proto.UnmappedError
	if errors.As(a.Err, &unmapped) {
		return what + " (" + unmapped.Error() + ")"
	}
	if a.Cause == OtherAddress {
		return what + " (" + a.Err.Error() + ")"
	}
	if a.Reply.Code >= 400 {
		return what + " (" + a.Reply.String() + ")"
	}
	if a.Err != nil && (a.Cause == DialFailed || a.Cause == TLSFailed || a.Cause == ProxyRefused || a.Cause == ListenFailed || a.Cause == BadAddress || a.Cause == NoAddress) {
		return what + " (" + a.Err.Error() + ")"
	}
	return what
}

// roundTime keeps two digits or so of a duration: nobody reads the rest.
func roundTime(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Microsecond)
}

// NegotiateError is returned if no data connection could be opened. It has each
// attempt, in order, and why it failed.
type NegotiateError struct {
	Server   string // host:port of the control connection
	Attempts []Attempt
	Err      error // why it ended before all modes were tried; nil if all were

	proven bool // a mode has worked on this path before
}

// Error returns a line for each attempt, and the advice.
func (e *NegotiateError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "ftpnat: no data connection with %s:", e.Server)
	for _, a := range e.Attempts {
		b.WriteString("\n  " + a.String())
	}
	if e.Err != nil {
		b.WriteString("\n  then: " + e.Err.Error())
	}
	for _, s := range e.Advice() {
		b.WriteString("\n  * " + s)
	}
	return b.String()
}

// Unwrap returns the error of each attempt and Err, for errors.Is and
// errors.As.
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

// Temporary reports whether the same may work later: a mode has worked on this path
// before, or the server has refused one by a reply that may pass (425 or 421: all
// its ports are in use). Where that is so, calls on an [FS] try again for
// [Dialer.RetryFor] before they return the error.
func (e *NegotiateError) Temporary() bool {
	in := proto.NegotiateError{Proven: e.proven}
	for _, a := range e.Attempts {
		in.Attempts = append(in.Attempts, proto.Attempt{Cause: proto.Cause(a.Cause), Reply: proto.Reply(a.Reply)})
	}
	return in.Temporary()
}

// Timeout reports whether every attempt met silence, so that patience or another
// path may help and another setting cannot.
func (e *NegotiateError) Timeout() bool {
	for _, a := range e.Attempts {
		if !a.Cause.silent() {
			return false
		}
	}
	return len(e.Attempts) > 0
}
