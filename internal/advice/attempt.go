package advice

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Line returns an attempt on one line: the mode, the addresses, what happened and
// after how long.
func Line(a proto.Attempt) string {
	at := where(a)
	if at != "" {
		at = " " + at
	}
	return fmt.Sprintf("%-4s%s: %s, after %s", a.Mode, at, what(a), proto.Rounded(a.Elapsed))
}

// Explain returns a line for each attempt, and the advice.
func Explain(e *proto.NegotiateError) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ftpnat: no data connection with %s:", e.Server)
	for _, a := range e.Attempts {
		b.WriteString("\n  " + Line(a))
	}
	if e.Err != nil {
		b.WriteString("\n  then: " + e.Err.Error())
	}
	for _, s := range On(e) {
		b.WriteString("\n  * " + s)
	}
	return b.String()
}

func where(a proto.Attempt) string {
	var parts []string
	switch {
	case a.Advertised.Port() == 0:
	case a.Mode == proto.EPSV && a.Advertised.Addr() == a.Used.Addr():
		// The 229 names a port alone.
	case a.Advertised != a.Used || !a.Mode.Passive():
		parts = append(parts, "advertised "+a.Advertised.String())
	}
	if a.Used.IsValid() {
		verb := "dialled "
		if !a.Mode.Passive() {
			verb = "accepted "
		}
		parts = append(parts, verb+a.Used.String())
	}
	return strings.Join(parts, ", ")
}

func what(a proto.Attempt) string {
	what := Of(a.Cause).Happened
	var unmapped *proto.UnmappedError
	switch {
	case a.Cause == proto.OK:
		return what
	case errors.As(a.Err, &unmapped):
		return what + " (" + unmapped.Error() + ")"
	case a.Reply.Code >= 400 && a.Cause != proto.OtherAddress:
		return what + " (" + a.Reply.String() + ")"
	case a.Err != nil && slices.Contains(explained, a.Cause):
		return what + " (" + a.Err.Error() + ")"
	}
	return what
}

// explained are the causes of which the error says more.
var explained = []proto.Cause{
	proto.DialFailed, proto.TLSFailed, proto.ProxyRefused, proto.ListenFailed, proto.BadAddress, proto.NoAddress, proto.OtherAddress,
}

// Text is what is said of a cause.
type Text struct {
	Name     string // of the constant
	Happened string // in a few words
	Advice   string // what a person can do about it; empty for OK
}

var causes = [...]Text{
	proto.OK:               {"OK", "it works", ""},
	proto.ControlReset:     {"ControlReset", "the control connection was cut", "Something on the way, or the server itself, cuts the connection as soon as it sees this command. Let ftpnat use the other modes (leave Dialer.Modes empty)."},
	proto.ControlSilent:    {"ControlSilent", "no reply", "Something on the way swallows this command, or the server hangs. Let ftpnat use the other modes (leave Dialer.Modes empty)."},
	proto.Refused:          {"Refused", "the server refused", "The server does not allow this mode. If no other mode works either, its administrator has to allow passive mode."},
	proto.BadAddress:       {"BadAddress", "the server gave no usable address", "The server's passive mode is misconfigured: its administrator has to set the address and ports that it announces."},
	proto.DialRefused:      {"DialRefused", "connection refused", "The ports that the server opens for passive mode are closed on the way: its administrator has to open (and, behind a NAT, forward) the server's passive port range."},
	proto.DialTimeout:      {"DialTimeout", "no answer", "A firewall drops connections to the ports that the server opens for passive mode: its administrator has to open (and, behind a NAT, forward) the server's passive port range; or a firewall on this side has to allow outgoing connections to ports above 1023."},
	proto.DialFailed:       {"DialFailed", "connection failed", "The network does not lead to the address that the server gave for the data connection."},
	proto.AcceptTimeout:    {"AcceptTimeout", "the server did not connect", "The server cannot connect back to this machine: a NAT or a firewall on this side is in the way. Forward a range of ports to this machine and set Dialer.PublicAddr and Dialer.ListenPorts, or set Dialer.Mapper to ask the router for it."},
	proto.DataRefused:      {"DataRefused", "the server could not open the data connection", "The server tried and could not connect: a firewall on either side is in the way of the data connection."},
	proto.BadIP:            {"BadIP", "the server saw another address", "The data connection leaves your network from another address than the control connection (several uplinks, a pool of NAT addresses, or a proxy for one of the two): both have to take the same way, or the server has to allow it (vsftpd: pasv_promiscuous=YES)."},
	proto.TLSReuseRequired: {"TLSReuseRequired", "the server requires TLS session reuse", "The server wants the data connection to resume the control connection's TLS session and did not take the one that was offered: allow TLS 1.3 on the server, or switch the requirement off there (vsftpd: require_ssl_reuse=NO; ProFTPD: TLSOptions NoSessionReuseRequired)."},
	proto.TLSFailed:        {"TLSFailed", "TLS handshake failed", "The data connection opened but could not be secured; the network is not at fault. The error beside it names the reason."},
	proto.OtherAddress:     {"OtherAddress", "the connection came from another address than the server's", "Somebody connected from an address that is not the one of the control connection, and was turned away. If that is the server, which may have several addresses, let Dialer.TrustDataAddr allow it; or use passive mode."},
	proto.ListenFailed:     {"ListenFailed", "no port to listen on", "No local port could be opened for active mode: Dialer.ListenPorts may all be in use, or the system forbids it."},
	proto.NoAddress:        {"NoAddress", "no public address is known", "This machine's address means nothing to the server and its public address is not known: set Dialer.PublicAddr (with Dialer.ListenPorts forwarded to this machine), or Dialer.Mapper."},
	proto.ProxyRefused:     {"ProxyRefused", "the proxy did not connect", "The proxy did not open the data connection. Where it says that it may not, its administrator has to allow connections (CONNECT) to the server's passive ports, which are above 1023; where it tried and failed, the server's administrator has to open these ports."},
}

// Of returns what is said of a cause. One that is not known has no name.
func Of(c proto.Cause) Text {
	if int(c) >= len(causes) {
		return Text{Happened: fmt.Sprintf("cause %d", uint8(c))}
	}
	return causes[c]
}
