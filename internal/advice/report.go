package advice

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Path is what is known of the two ends of a path and of what is between them: see
// Report of package ftpnat, which has these fields too.
type Path struct {
	Server, Greeting            string
	Local, Remote, Seen, Public netip.Addr
	Proxy                       bool
	NAT, Helper, ServerNAT      proto.Finding
	DataAddr                    netip.Addr
	TLS                         bool
	TLSVersion                  string
	TLSResumed                  proto.Finding
	RTT                         time.Duration
	Reconnect                   int
}

// Report is a path with what was tried on it.
type Report struct {
	Path
	Mode         proto.Mode // that works; zero if none does
	Works, Fatal []proto.Mode
	Attempts     []proto.Attempt
	Stopped      string // why not all modes were tried
}

// Conclude fills in what follows from the addresses and the attempts.
func (r *Report) Conclude() {
	r.NAT = r.findNAT()
	r.Helper = r.findHelper()
	for _, a := range r.Attempts {
		if a.Mode == proto.PASV {
			r.sawDataAddr(a.Advertised.Addr())
		}
		if a.Cause == proto.TLSReuseRequired {
			r.TLSResumed = proto.No
		}
		if a.Cause == proto.OK && !slices.Contains(r.Works, a.Mode) {
			r.Works = append(r.Works, a.Mode)
		}
		if fatal(a) && !slices.Contains(r.Fatal, a.Mode) {
			r.Fatal = append(r.Fatal, a.Mode)
		}
	}
}

func (r *Report) findNAT() proto.Finding {
	switch {
	case r.Proxy || !r.Local.IsValid():
		return proto.Unknown
	case r.Seen.IsValid():
		return proto.Found(r.Seen != r.Local)
	case r.Local.IsLoopback():
		return proto.No
	case plan.Private(r.Local) && plan.Global(r.Remote):
		return proto.Yes
	}
	return proto.Unknown
}

// findHelper looks at what became of our private address in PORT and EPRT. A
// server that replaces private addresses itself looks like a helper where the
// NAT lets everything in; there the public address works as well, and it does
// not matter.
func (r *Report) findHelper() proto.Finding {
	if r.NAT != proto.Yes || !plan.Private(r.Local) {
		return proto.Unknown
	}
	var own, other []proto.Cause
	for _, a := range r.Attempts {
		switch {
		case a.Mode.Passive() || !a.Advertised.IsValid():
		case a.Advertised.Addr() == r.Local:
			own = append(own, a.Cause)
		default:
			other = append(other, a.Cause)
		}
	}
	switch {
	case slices.Contains(own, proto.OK) && !slices.Contains(other, proto.OK):
		return proto.Yes
	case len(own) > 0 && !slices.ContainsFunc(own, func(c proto.Cause) bool { return c != proto.Refused }) &&
		len(other) > 0 && !slices.Contains(other, proto.Refused):
		// The server got to see what we sent.
		return proto.No
	}
	return proto.Unknown
}

// sawDataAddr records the address in a 227.
func (r *Report) sawDataAddr(addr netip.Addr) {
	if !addr.IsValid() || addr.IsUnspecified() || !r.Remote.IsValid() || addr.Is4() != r.Remote.Is4() {
		return
	}
	switch {
	case addr == r.Remote:
		r.ServerNAT = proto.No
	default:
		r.DataAddr = addr
		if plan.Private(addr) && plan.Global(r.Remote) {
			r.ServerNAT = proto.Yes
		}
	}
}

// fatal reports whether the mode's own command cost the control connection.
func fatal(a proto.Attempt) bool {
	return a.Cause.Lethal() && (a.Reply.Code == 0 || a.Reply.Code == 421)
}

// Advice returns what the report comes to: what can be done where no mode works,
// and where one does, what to know about the path all the same.
func (r *Report) Advice() []string {
	var l list
	if !r.Proxy && r.Public.IsValid() && r.Seen.IsValid() && r.Public != r.Seen && r.Public.Is4() == r.Seen.Is4() {
		l.add(fmt.Sprintf("Dialer.PublicAddr is %v, but the server sees this machine as %v: correct it, or leave it out.", r.Public, r.Seen))
	}
	switch {
	case len(r.Attempts) == 0:
	case r.Mode == 0:
		l = append(l, advise(r.Attempts, r.NAT)...)
	default:
		r.aboutMode(&l)
		r.aboutOthers(&l)
	}
	return l
}

// slowStart is a time that a person notices.
const slowStart = time.Second

// aboutMode says what is to be done to use the mode that works, which mostly
// is nothing.
func (r *Report) aboutMode(l *list) {
	i := slices.IndexFunc(r.Attempts, func(a proto.Attempt) bool { return a.Cause == proto.OK && a.Mode == r.Mode })
	if i < 0 {
		l.add(fmt.Sprintf("%v works.", r.Mode))
		return
	}
	var before []proto.Mode
	var cost time.Duration
	for _, a := range r.Attempts[:i] {
		cost += a.Elapsed
		if a.Mode != r.Mode && !slices.Contains(before, a.Mode) {
			before = append(before, a.Mode)
		}
	}
	switch {
	case len(before) == 0:
		l.add(fmt.Sprintf("%v works: there is nothing to be changed.", r.Mode))
	case cost < slowStart:
		l.add(fmt.Sprintf("%v works, and is found%s.", r.Mode, join(before, " after ")))
	default:
		l.add(fmt.Sprintf("%v works, and is found%s, which costs %v once. A Dialer.Memory that outlives the program saves that; so does Dialer.Modes = {%v}.",
			r.Mode, join(before, " after "), proto.Rounded(cost), r.Mode))
	}
	if !slices.ContainsFunc(r.Works, proto.Mode.Passive) && slices.ContainsFunc(r.Attempts, func(a proto.Attempt) bool { return a.Mode.Passive() }) {
		l.add("Only active mode works, in which the server connects to the client: many clients cannot do that.")
		l.add(r.passiveCure())
	}
	if r.Helper == proto.Yes && !r.Mode.Passive() && !r.TLS {
		l.add("It works because the NAT's FTP helper reads the commands. It cannot read them over TLS: there, forward a range of ports and set Dialer.PublicAddr and Dialer.ListenPorts, or set Dialer.Mapper.")
	}
}

// passiveCure is what would make passive mode work. The last attempt tells
// most: a 227 has an address.
func (r *Report) passiveCure() string {
	for _, a := range slices.Backward(r.Attempts) {
		if a.Mode.Passive() && !a.Cause.Lethal() {
			return adviceOn(a, r.NAT)
		}
	}
	return ""
}

// aboutOthers says what programs that are less flexible will meet.
func (r *Report) aboutOthers(l *list) {
	var cut, silent []proto.Mode
	for _, a := range r.Attempts {
		switch {
		case !fatal(a) || slices.Contains(cut, a.Mode) || slices.Contains(silent, a.Mode):
		case a.Cause == proto.ControlReset:
			cut = append(cut, a.Mode)
		default:
			silent = append(silent, a.Mode)
		}
	}
	if len(cut) > 0 {
		l.add(join(cut, "Something on the way, or the server, cuts the control connection at ") +
			": programs that begin with that end with \"Connection closed by remote host\" or the like. Set them to " + r.Mode.String() + " (" + kind(r.Mode) + " mode).")
	}
	if len(silent) > 0 {
		l.add(join(silent, "Something on the way swallows ") +
			": programs that begin with that hang. Set them to " + r.Mode.String() + " (" + kind(r.Mode) + " mode).")
	}
	if r.ServerNAT == proto.Yes && slices.Contains(r.Works, proto.PASV) {
		l.add(fmt.Sprintf("In PASV the server names %v, an address of its own network. It was passed over; programs that dial it fail. "+
			"Its administrator can have it name the public one (vsftpd: pasv_address; ProFTPD: MasqueradeAddress; Pure-FTPd: -P).", r.DataAddr))
	}
}

// kind is the word that programs have for the mode in their settings.
func kind(m proto.Mode) string {
	if m.Passive() {
		return "passive"
	}
	return "active"
}
