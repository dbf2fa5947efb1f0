package ftpnat

import (
	"fmt"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what is known of the path to a server. It is plain data and can be
// written as JSON. Empty fields were not looked for.
type Report struct {
	Server    string            `json:"server"`
	Greeting  string            `json:"greeting,omitzero"`
	Features  map[string]string `json:"features,omitzero"` // of FEAT, by command
	Local     netip.Addr        `json:"local,omitzero"`    // our end of the control connection
	Remote    netip.Addr        `json:"remote,omitzero"`   // its other end
	Seen      netip.Addr        `json:"seen,omitzero"`     // our address as the server sees it
	TLS       bool              `json:"tls"`
	RTT       time.Duration     `json:"rtt,omitzero"`  // of the control connection
	Reconnect int               `json:"reconnects"`    // control connections that had to be replaced
	Mode      Mode              `json:"mode,omitzero"` // that works; zero when none does or none was tried
	Attempts  []Attempt         `json:"attempts,omitempty"`
}

// report returns what the link knows.
func (l *link) report() *Report {
	r := &Report{
		Server:    l.cfg.addr,
		Greeting:  Reply(l.sess.Greeting()).Text(),
		Features:  l.sess.Features(),
		Local:     l.local,
		Remote:    l.peer,
		Seen:      l.lesson.Public,
		TLS:       l.cfg.tls != nil,
		RTT:       l.roundTrip(),
		Reconnect: max(l.sess.Lives()-1, 0),
		Mode:      l.lesson.Mode,
		Attempts:  append([]Attempt(nil), l.attempts...),
	}
	return r
}

// Err returns nil when a mode works, else the [*NegotiateError] of the
// attempts.
func (r *Report) Err() error {
	if r.Mode != 0 || len(r.Attempts) == 0 {
		return nil
	}
	return &NegotiateError{Server: r.Server, Attempts: r.Attempts}
}

// String returns a table of the attempts and the advice.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "server  %s", r.Server)
	if r.Remote.IsValid() {
		fmt.Fprintf(&b, " (%v)", r.Remote)
	}
	if r.TLS {
		b.WriteString(", TLS")
	}
	b.WriteByte('\n')
	if r.Local.IsValid() {
		fmt.Fprintf(&b, "client  %v", r.Local)
		if r.Seen.IsValid() && r.Seen != r.Local {
			fmt.Fprintf(&b, ", seen as %v (there is a NAT)", r.Seen)
		}
		b.WriteByte('\n')
	}
	if r.RTT > 0 {
		fmt.Fprintf(&b, "round trip %v\n", roundTime(r.RTT))
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, a := range r.Attempts {
		fmt.Fprintf(tw, "%v\t%s\t%s\t%v\n", a.Mode, a.where(), a.what(), roundTime(a.Elapsed))
	}
	tw.Flush()
	if r.Mode != 0 {
		fmt.Fprintf(&b, "%v works.\n", r.Mode)
		return b.String()
	}
	for _, s := range advise(r.Attempts) {
		b.WriteString("* " + s + "\n")
	}
	return b.String()
}
