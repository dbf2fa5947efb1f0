package ftpnat

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Advice returns what a person can do, most useful first, in plain words.
func (e *NegotiateError) Advice() []string { return advise(e.Attempts, Unknown) }

// Advice returns what the report comes to, most useful first, in plain words:
// what can be done where no mode works, and where one does, what to know about
// the path all the same.
func (r *Report) Advice() []string {
	var list adviceList
	if !r.Proxy && r.Public.IsValid() && r.Seen.IsValid() && r.Public != r.Seen && r.Public.Is4() == r.Seen.Is4() {
		list.add(fmt.Sprintf("Dialer.PublicAddr is %v, but the server sees this machine as %v: correct it, or leave it out.", r.Public, r.Seen))
	}
	switch {
	case len(r.Attempts) == 0:
	case r.Mode == 0:
		list = append(list, advise(r.Attempts, r.NAT)...)
	default:
		r.aboutMode(&list)
		r.aboutOthers(&list)
	}
	return list
}

// adviceList is a list without repetitions.
type adviceList []string

func (l *adviceList) add(s string) {
	if s != "" && !slices.Contains(*l, s) {
		*l = append(*l, s)
	}
}

// advise returns the advice that fits the attempts taken together, where
// nothing works.
func advise(attempts []Attempt, nat Finding) adviceList {
	var list adviceList
	for _, a := range attempts {
		if a.Cause == ControlReset && !a.Mode.passive() {
			list.add(connectionCut(a))
		}
	}
	for i, a := range attempts {
		if a.Cause == ControlReset && !a.Mode.passive() || a.Cause == Refused && wentFurther(attempts[i+1:], a.Mode) {
			continue
		}
		list.add(mapped(adviceOn(a, nat), attempts))
	}
	return list
}

// mapped returns an advice, or if that is to set a Mapper and the one that is set
// has failed, an advice on that.
func mapped(advice string, attempts []Attempt) string {
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
func adviceOn(a Attempt, nat Finding) string {
	advertised, used := a.Advertised.Addr(), a.Used.Addr()
	unreached := a.Cause == DialTimeout || a.Cause == DialRefused || a.Cause == DialFailed
	switch {
	case a.Mode.passive() && unreached && a.Advertised.Port() != 0 && !used.IsValid():
		return adviceProxy
	case a.Mode == PASV && (unreached || a.Cause == BadAddress) && plan.Private(advertised) && !plan.Private(used):
		return fmt.Sprintf(adviceServerNAT, advertised)
	case a.Mode == PASV && (unreached || a.Cause == BadAddress) && otherHost(a):
		return fmt.Sprintf(adviceOtherHost, advertised)
	case a.Cause == DialFailed && errors.Is(a.Err, syscall.ECONNRESET):
		return adviceCut
	case a.Cause == ControlSilent && proto.Reply(a.Reply).Completed():
		return adviceStarved
	case !a.Mode.passive() && (a.Cause == AcceptTimeout || a.Cause == DataRefused) && nat == No:
		return adviceFirewalled
	case !a.Mode.passive() && a.Cause == DataRefused:
		return AcceptTimeout.Advice()
	}
	return a.Cause.Advice()
}

// otherHost reports whether a 227 named another public host, which was not
// dialled.
func otherHost(a Attempt) bool {
	addr := a.Advertised.Addr()
	return addr.IsValid() && a.Used.IsValid() && addr != a.Used.Addr() && plan.Global(addr)
}

// The advice on what more than a cause tells.
const (
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

// slowStart is a time that a person notices.
const slowStart = time.Second

// aboutMode says what is to be done to use the mode that works, which mostly
// is nothing.
func (r *Report) aboutMode(list *adviceList) {
	i := slices.IndexFunc(r.Attempts, func(a Attempt) bool { return a.Cause == OK && a.Mode == r.Mode })
	if i < 0 {
		list.add(fmt.Sprintf("%v works.", r.Mode))
		return
	}
	var before []Mode
	var cost time.Duration
	for _, a := range r.Attempts[:i] {
		cost += a.Elapsed
		if a.Mode != r.Mode && !slices.Contains(before, a.Mode) {
			before = append(before, a.Mode)
		}
	}
	switch {
	case len(before) == 0:
		list.add(fmt.Sprintf("%v works: there is nothing to be changed.", r.Mode))
	case cost < slowStart:
		list.add(fmt.Sprintf("%v works, and is found%s.", r.Mode, join(before, " after ")))
	default:
		list.add(fmt.Sprintf("%v works, and is found%s, which costs %v once. A Dialer.Memory that outlives the program saves that; so does Dialer.Modes = {%v}.",
			r.Mode, join(before, " after "), roundTime(cost), r.Mode))
	}
	if !slices.ContainsFunc(r.Works, Mode.passive) && slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return a.Mode.passive() }) {
		list.add("Only active mode works, in which the server connects to the client: many clients cannot do that.")
		list.add(r.passiveCure())
	}
	if r.Helper == Yes && !r.Mode.passive() && !r.TLS {
		list.add("It works because the NAT's FTP helper reads the commands. It cannot read them over TLS: there, forward a range of ports and set Dialer.PublicAddr and Dialer.ListenPorts, or set Dialer.Mapper.")
	}
}

// passiveCure is what would make passive mode work. The last attempt tells
// most: a 227 has an address.
func (r *Report) passiveCure() string {
	for _, a := range slices.Backward(r.Attempts) {
		if a.Mode.passive() && !a.Cause.lethal() {
			return adviceOn(a, r.NAT)
		}
	}
	return ""
}

// aboutOthers says what programs that are less flexible will meet.
func (r *Report) aboutOthers(list *adviceList) {
	var cut, silent []Mode
	for _, a := range r.Attempts {
		switch {
		case !a.fatal() || slices.Contains(cut, a.Mode) || slices.Contains(silent, a.Mode):
		case a.Cause == ControlReset:
			cut = append(cut, a.Mode)
		default:
			silent = append(silent, a.Mode)
		}
	}
	if len(cut) > 0 {
		list.add(join(cut, "Something on the way, or the server, cuts the control connection at ") +
			": programs that begin with that end with \"Connection closed by remote host\" or the like. Set them to " + r.Mode.String() + " (" + r.Mode.kind() + " mode).")
	}
	if len(silent) > 0 {
		list.add(join(silent, "Something on the way swallows ") +
			": programs that begin with that hang. Set them to " + r.Mode.String() + " (" + r.Mode.kind() + " mode).")
	}
	if r.ServerNAT == Yes && slices.Contains(r.Works, PASV) {
		list.add(fmt.Sprintf("In PASV the server names %v, an address of its own network. It was passed over; programs that dial it fail. "+
			"Its administrator can have it name the public one (vsftpd: pasv_address; ProFTPD: MasqueradeAddress; Pure-FTPd: -P).", r.DataAddr))
	}
}

// kind is the word that programs have for the mode in their settings.
func (m Mode) kind() string {
	if m.passive() {
		return "passive"
	}
	return "active"
}

// String returns the report as a page for people: the path, a table of the
// attempts and the advice. What the server said cannot steer a terminal.
func (r *Report) String() string {
	var b strings.Builder
	r.writePath(&b)
	if len(r.Attempts) > 0 {
		b.WriteByte('\n')
		r.writeAttempts(&b)
	}
	if r.Stopped != "" {
		b.WriteString("\n" + wrap("Not all modes were tried: "+printable(r.Stopped)+".", ""))
	}
	if advice := r.Advice(); len(advice) > 0 {
		b.WriteByte('\n')
		for _, s := range advice {
			b.WriteString(wrap(printable(s), "* "))
		}
	}
	return b.String()
}

// writePath writes what is known of the two ends and what is between them.
func (r *Report) writePath(b *strings.Builder) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(b, "%-11s %s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	server := r.Server
	if r.Remote.IsValid() {
		server += fmt.Sprintf(" (%v)", r.Remote)
	}
	row("server", "%s", server)
	if r.Greeting != "" {
		first, _, _ := strings.Cut(r.Greeting, "\n")
		row("greeting", "%s", first)
	}
	if r.Local.IsValid() {
		row("client", "%s", r.clientText())
	}
	if r.ServerNAT != Unknown || r.DataAddr.IsValid() {
		row("server NAT", "%s", r.serverText())
	}
	if r.TLS {
		row("TLS", "%s", r.tlsText())
	}
	if r.RTT > 0 {
		row("round trip", "%v", roundTime(r.RTT))
	}
	if r.Reconnect > 0 {
		row("reconnects", "%d%s", r.Reconnect, join(r.Fatal, ", lost at "))
	}
}

func (r *Report) clientText() string {
	text := r.Local.String()
	if r.Seen.IsValid() && r.Seen != r.Local {
		text += fmt.Sprintf(", seen as %v", r.Seen)
	}
	switch {
	case r.Proxy:
		text += ", behind a proxy"
	case r.NAT == Yes && r.Helper == Yes:
		text += ", behind a NAT with an FTP helper"
	case r.NAT == Yes && r.Helper == No:
		text += ", behind a NAT without an FTP helper"
	case r.NAT == Yes:
		text += ", behind a NAT"
	case r.NAT == No:
		text += ", no NAT"
	}
	return text
}

func (r *Report) serverText() string {
	switch {
	case r.ServerNAT == Yes:
		return fmt.Sprintf("yes, its 227 names the private %v", r.DataAddr)
	case r.DataAddr.IsValid():
		return fmt.Sprintf("unknown, its 227 names %v", r.DataAddr)
	}
	return "none to be seen, its 227 names its own address"
}

func (r *Report) tlsText() string {
	text := r.TLSVersion
	if text == "" {
		text = "yes"
	}
	switch r.TLSResumed {
	case Yes:
		text += ", data connections resume the session"
	case No:
		text += ", data connections do not resume the session"
	}
	return text
}

func (r *Report) writeAttempts(b *strings.Builder) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, a := range r.Attempts {
		row := fmt.Sprintf("%v\t%v\t%s", a.Mode, roundTime(a.Elapsed), printable(a.what()))
		if where := a.where(); where != "" {
			row += "\t" + where
		}
		fmt.Fprintln(tw, row)
	}
	tw.Flush()
}

// join returns the modes as text after lead, and nothing for none.
func join(modes []Mode, lead string) string {
	if len(modes) == 0 {
		return ""
	}
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = m.String()
	}
	last := len(names) - 1
	if last == 0 {
		return lead + names[0]
	}
	return lead + strings.Join(names[:last], ", ") + " and " + names[last]
}

// printable replaces what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}

// pageWidth is how many columns the text of a report keeps to.
const pageWidth = 100

// wrap breaks a text into lines, the first of which begins with lead.
func wrap(s, lead string) string {
	var b strings.Builder
	line := lead
	for i, word := range strings.Fields(s) {
		if utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > pageWidth {
			b.WriteString(line + "\n")
			line = strings.Repeat(" ", len(lead)) + word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	return b.String()
}
