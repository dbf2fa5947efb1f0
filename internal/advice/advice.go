// Package advice says what the attempts to open data connections come to: what is
// found out of a path, what a person can do about it, and the page that shows both.
// It is pure.
package advice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// On returns what a person can do about attempts none of which has worked, most
// useful first, in plain words.
func On(e *proto.NegotiateError) []string {
	var l list
	if proto.IsNotOpen(e.Err) {
		l.add(adviceGone)
		if e.Proven {
			return l // it is not the way
		}
	}
	for _, s := range advise(e.Attempts, proto.Unknown) {
		l.add(s)
	}
	return l
}

// list is a list without repetitions.
type list []string

func (l *list) add(s string) {
	if s != "" && !slices.Contains(*l, s) {
		*l = append(*l, s)
	}
}

// advise returns the advice that fits the attempts taken together, where
// nothing works.
func advise(attempts []proto.Attempt, nat proto.Finding) list {
	var l list
	for _, a := range attempts {
		if a.Cause == proto.ControlReset && !a.Mode.Passive() {
			l.add(connectionCut(a))
		}
	}
	for i, a := range attempts {
		if a.Cause == proto.ControlReset && !a.Mode.Passive() || a.Cause == proto.Refused && wentFurther(attempts[i+1:], a.Mode) {
			continue
		}
		l.add(mapped(adviceOn(a, nat), attempts))
	}
	return l
}

// mapped returns an advice, or if that is to set a Mapper and the one that is set
// has failed, an advice on that.
func mapped(advice string, attempts []proto.Attempt) string {
	for _, a := range attempts {
		var unmapped *proto.UnmappedError
		if errors.As(a.Err, &unmapped) && strings.Contains(advice, "Dialer.Mapper") {
			return fmt.Sprintf(adviceUnmapped, proto.Quote(unmapped.Mapper.Error()))
		}
	}
	return advice
}

// adviceOn returns the advice on one attempt: its cause's, or a closer one
// where the attempt tells more.
func adviceOn(a proto.Attempt, nat proto.Finding) string {
	advertised, used := a.Advertised.Addr(), a.Used.Addr()
	unreached := a.Cause == proto.DialTimeout || a.Cause == proto.DialRefused || a.Cause == proto.DialFailed
	switch {
	case a.Mode.Passive() && unreached && a.Advertised.Port() != 0 && !used.IsValid():
		return adviceProxy
	case a.Mode == proto.PASV && (unreached || a.Cause == proto.BadAddress) && plan.Private(advertised) && !plan.Private(used):
		return fmt.Sprintf(adviceServerNAT, advertised)
	case a.Mode == proto.PASV && (unreached || a.Cause == proto.BadAddress) && otherHost(a):
		return fmt.Sprintf(adviceOtherHost, advertised)
	case a.Cause == proto.DialFailed && errors.Is(a.Err, syscall.ECONNRESET):
		return adviceCut
	case a.Cause == proto.ControlSilent && a.Reply.Completed():
		return adviceStarved
	case !a.Mode.Passive() && (a.Cause == proto.AcceptTimeout || a.Cause == proto.DataRefused) && nat == proto.No:
		return adviceFirewalled
	case !a.Mode.Passive() && a.Cause == proto.DataRefused:
		return Of(proto.AcceptTimeout).Advice
	}
	return Of(a.Cause).Advice
}

// otherHost reports whether a 227 named another public host, which was not
// dialled.
func otherHost(a proto.Attempt) bool {
	addr := a.Advertised.Addr()
	return addr.IsValid() && a.Used.IsValid() && addr != a.Used.Addr() && plan.Global(addr)
}

// The advice on what more than a cause tells.
const (
	adviceGone = "The server cannot be reached any more: it has gone away, or takes no connections from this machine for now. Try again later. " +
		"If it ends so each time, the server, or a firewall on the way, shuts this machine out because of what came just before."
	adviceProxy = "The proxy did not open the connection to the port of the server that passive mode needs: " +
		"it has to allow connections to ports above 1023 of the server, and the server's firewall has to let the proxy in there."
	adviceServerNAT = "The server is behind a NAT and does not know it: in passive mode it names %v, an address of its own network, " +
		"and its passive ports do not lead to it from outside. Its administrator has to forward a range of ports and to tell the server of the range and of its public address " +
		"(vsftpd: pasv_min_port, pasv_max_port, pasv_address; ProFTPD: PassivePorts, MasqueradeAddress; Pure-FTPd: -p, -P)."
	adviceOtherHost = "In passive mode the server names another host, %v. It was not dialled, because a server could send its clients anywhere in this way. " +
		"If that address is right (a cluster, say), set Dialer.TrustDataAddr to a function that allows it."
	adviceCut = "The data connection was opened and cut before it brought anything: a firewall that inspects what crosses it, or the server itself, does not allow it. " +
		"Their logs tell why."
	adviceStarved = "The data connection was accepted and then nothing came: something on the way accepts connections in the place of the other end and passes nothing on, " +
		"or the server is very slow (then raise Dialer.AttemptTimeout)."
	adviceUnmapped = "Dialer.Mapper was asked for a port of the NAT and did not get one: %v. " +
		"Allow it on the router (UPnP, NAT-PMP or PCP), or forward a range of ports to this machine (Dialer.PublicAddr, Dialer.ListenPorts)."
	adviceFirewalled = "The server cannot connect back to this machine. There is no NAT, so it is a firewall: " +
		"this machine's, or one near it, has to let the server's connections in to the ports of Dialer.ListenPorts; or one at the server does not let them out."
)

// wentFurther reports whether the server took a mode that it had refused with
// another address: then it was the address that it did not like.
func wentFurther(attempts []proto.Attempt, m proto.Mode) bool {
	return slices.ContainsFunc(attempts, func(a proto.Attempt) bool {
		return a.Mode == m && a.Cause != proto.Refused && a.Cause != proto.NoAddress
	})
}

// connectionCut is the story that FTP clients have told since there are NATs:
// "Connection closed by remote host" after ls.
func connectionCut(a proto.Attempt) string {
	if plan.Private(a.Advertised.Addr()) {
		return fmt.Sprintf("The connection was cut when this machine asked the server to connect back to it (%v). It had to name its address, %v, "+
			"which is private: it means nothing outside your own network, and the server, or a firewall on the way, takes it for an attack. "+
			"Use passive mode, in which this machine makes both connections itself: leave Dialer.Modes empty, or add EPSV and PASV.",
			a.Mode, a.Advertised.Addr())
	}
	return fmt.Sprintf("The connection was cut when this machine asked the server to connect back to it (%v): the server, or a firewall on the way, does not allow that. "+
		"Use passive mode, in which this machine makes both connections itself: leave Dialer.Modes empty, or add EPSV and PASV.", a.Mode)
}
