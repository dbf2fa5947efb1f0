package ftpnat

import (
	"fmt"
	"slices"

	"github.com/ftpnat/ftpnat/internal/plan"
)

// Advice returns what a person can do, most useful first, in plain words.
func (e *NegotiateError) Advice() []string { return advise(e.Attempts) }

// advise returns the advice that fits the attempts taken together.
func advise(attempts []Attempt) []string {
	var advice []string
	add := func(s string) {
		if s != "" && !slices.Contains(advice, s) {
			advice = append(advice, s)
		}
	}
	for _, a := range attempts {
		if a.Cause == ControlReset && !a.Mode.passive() {
			add(connectionCut(a))
		}
	}
	for i, a := range attempts {
		if a.Cause == ControlReset && !a.Mode.passive() || a.Cause == Refused && wentFurther(attempts[i+1:], a.Mode) {
			continue
		}
		add(a.Cause.Advice())
	}
	return advice
}

// wentFurther reports whether the server took a mode that it had refused with
// another address: then it was the address that it did not like.
func wentFurther(attempts []Attempt, m Mode) bool {
	return slices.ContainsFunc(attempts, func(a Attempt) bool {
		return a.Mode == m && a.Cause != Refused && a.Cause != NoAddress
	})
}

// connectionCut is the story that FTP clients have told since there are NATs:
// "Connection closed by remote host" after ls.
func connectionCut(a Attempt) string {
	if plan.Private(a.Advertised.Addr()) {
		return fmt.Sprintf("The connection was cut when this machine asked the server to connect back to it (%v). It had to name its address, %v, "+
			"which is private: it means nothing outside your own network, and the server, or a firewall on the way, takes it for an attack. "+
			"Use passive mode, in which this machine makes both connections itself: leave Dialer.Modes empty, or add EPSV and PASV.",
			a.Mode, a.Advertised.Addr())
	}
	return fmt.Sprintf("The connection was cut when this machine asked the server to connect back to it (%v): the server, or a firewall on the way, does not allow that. "+
		"Use passive mode, in which this machine makes both connections itself: leave Dialer.Modes empty, or add EPSV and PASV.", a.Mode)
}
