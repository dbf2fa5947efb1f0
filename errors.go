package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
)

// ErrBusy says that a [Conn] was used while a transfer or another call on it
// was under way. A Conn is one control connection and does one thing at a time.
var ErrBusy = errors.New("ftpnat: the connection is busy with another call")

// ErrClosed says that a [Conn] or an [FS] was used after its Close.
var ErrClosed = errors.New("ftpnat: the connection was closed by Close")

// ErrShort says that fewer bytes crossed the data connection than the server
// said there are.
var ErrShort = errors.New("ftpnat: fewer bytes arrived than the file has")

// ErrNoVerdict says that all bytes went over the data connection but the
// server's closing reply, which alone says that they are all, never came.
var ErrNoVerdict = errors.New("ftpnat: the server did not say whether the transfer is complete")

// ErrStalled says that a data connection stood still for too long.
var ErrStalled = errors.New("ftpnat: the data connection stood still")

// Cause says in one word why an attempt to open a data connection failed. Its
// String is what happened, its Advice what a person can do.
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

// String says what happened, in a few words.
func (c Cause) String() string {
	if int(c) >= len(causes) {
		return fmt.Sprintf("cause %d", uint8(c))
	}
	return causes[c].happened
}

// Advice says in one or two sentences what a person can do about it; empty
// for OK.
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
func (c Cause) silent() bool {
	return c == ControlSilent || c == DialTimeout || c == AcceptTimeout
}

// lethal reports whether the control connection did not survive.
func (c Cause) lethal() bool { return c == ControlReset || c == ControlSilent }

// Attempt is one try to open a data connection.
type Attempt struct {
	Mode       Mode
	Advertised netip.AddrPort // in the server's 227, or in our PORT or EPRT; a 229 has a port alone
	Used       netip.AddrPort // what was dialled, or where the server came from
	Reply      Reply          // the reply that decided it; zero when none came
	Start      time.Time
	Elapsed    time.Duration
	Cause      Cause // OK when it worked
	Err        error // nil when it worked
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

// NegotiateError says that no data connection could be opened: each attempt,
// in order, and why it failed.
type NegotiateError struct {
	Server   string // host:port of the control connection
	Attempts []Attempt
	Err      error // what ended it before all modes were tried; nil where they were
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

// Timeout reports whether every attempt met silence, so that patience or
// another path may help where another setting cannot.
func (e *NegotiateError) Timeout() bool {
	for _, a := range e.Attempts {
		if !a.Cause.silent() {
			return false
		}
	}
	return len(e.Attempts) > 0
}

// replied turns an error of the control session, or of jlaffaye/ftp on top of
// it, into the public form.
func replied(command string, err error) error {
	var refused *control.RefusedError
	if errors.As(err, &refused) {
		return &ReplyError{Command: refused.Command, Reply: Reply(refused.Reply)}
	}
	var te *textproto.Error
	if errors.As(err, &te) {
		return replyError(command, Reply{Code: te.Code, Lines: strings.Split(te.Msg, "\n")})
	}
	return err
}

// contextual returns the context's error where the context is why err
// happened.
func contextual(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, io.EOF) {
		return ctx.Err()
	}
	return err
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
