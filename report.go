package ftpnat

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/plan"
)

// Finding is the answer to a question about a path. Its zero value says that
// nobody looked, or that what was seen does not tell.
type Finding uint8

const (
	// Unknown is no answer.
	Unknown Finding = iota
	// No and Yes are answers.
	No
	Yes
)

func found(yes bool) Finding {
	if yes {
		return Yes
	}
	return No
}

// String returns unknown, no or yes.
func (f Finding) String() string {
	switch f {
	case Unknown:
		return "unknown"
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return fmt.Sprintf("Finding(%d)", uint8(f))
}

// MarshalText returns what String returns.
func (f Finding) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (f *Finding) UnmarshalText(text []byte) error {
	for _, k := range []Finding{Unknown, No, Yes} {
		if string(text) == k.String() {
			*f = k
			return nil
		}
	}
	return fmt.Errorf("ftpnat: %q is not a finding: unknown, no, yes are", text)
}

// Report is what is known of the path to a server. It is plain data; fields
// that are empty were not looked for or could not be found out. Written as
// JSON its durations are strings, such as "50ms", and the advice is in it.
type Report struct {
	Server   string            `json:"server"`
	Greeting string            `json:"greeting,omitzero"`
	Features map[string]string `json:"features,omitzero"` // of FEAT, by command

	Local  netip.Addr `json:"local,omitzero"`  // our end of the control connection
	Remote netip.Addr `json:"remote,omitzero"` // its other end; behind a proxy nobody knows it
	Seen   netip.Addr `json:"seen,omitzero"`   // our address as the server sees it
	Public netip.Addr `json:"public,omitzero"` // Dialer.PublicAddr
	Proxy  bool       `json:"proxy,omitzero"`  // all connections go through Dialer.ProxyURL

	// NAT tells whether there is a NAT between us and the public network.
	NAT Finding `json:"nat,omitzero"`
	// Helper tells whether that NAT has an FTP helper: one that lets the
	// server in because it has read PORT or EPRT with our private address.
	Helper Finding `json:"helper,omitzero"`
	// ServerNAT tells whether the server names a private address in its 227
	// where its own is public. No does not rule out a NAT that is set up
	// well: that is as good as none.
	ServerNAT Finding `json:"server_nat,omitzero"`
	// DataAddr is the address in the server's 227, where it is not Remote.
	DataAddr netip.Addr `json:"data_addr,omitzero"`

	TLS        bool    `json:"tls"`
	TLSVersion string  `json:"tls_version,omitzero"` // of the control connection, such as "TLS 1.3"
	TLSResumed Finding `json:"tls_resumed,omitzero"` // by the last data connection

	RTT       time.Duration `json:"rtt,omitzero"` // of the control connection
	Reconnect int           `json:"reconnects"`   // control connections that had to be replaced

	Mode     Mode      `json:"mode,omitzero"`   // that works; zero when none does or none was tried
	Works    []Mode    `json:"works,omitempty"` // all that were seen to work
	Fatal    []Mode    `json:"fatal,omitempty"` // whose command costs the control connection
	Attempts []Attempt `json:"attempts,omitempty"`
	Stopped  string    `json:"stopped,omitzero"` // why a probe did not try all modes
}

// report returns what the link knows.
func (l *link) report() *Report {
	r := &Report{
		Server:     l.cfg.addr,
		Greeting:   Reply(l.sess.Greeting()).Text(),
		Features:   maps.Clone(l.sess.Features()),
		Local:      l.local,
		Remote:     l.peer,
		Seen:       l.lesson.Public,
		Public:     l.cfg.Dialer.PublicAddr.Unmap(),
		Proxy:      l.cfg.Dialer.ProxyURL != nil,
		TLS:        l.cfg.tls != nil,
		TLSVersion: l.tlsVersion(),
		TLSResumed: l.resumed,
		RTT:        l.roundTrip(),
		Reconnect:  max(l.sess.Lives()-1, 0),
		Mode:       l.lesson.Mode,
		Attempts:   slices.Clone(l.attempts),
	}
	r.conclude()
	return r
}

// conclude draws from the addresses and the attempts what they tell.
func (r *Report) conclude() {
	r.NAT = r.findNAT()
	r.Helper = r.findHelper()
	for _, a := range r.Attempts {
		if a.Mode == PASV {
			r.sawDataAddr(a.Advertised.Addr())
		}
		if a.Cause == TLSReuseRequired {
			r.TLSResumed = No
		}
		if a.Cause == OK && !slices.Contains(r.Works, a.Mode) {
			r.Works = append(r.Works, a.Mode)
		}
		if a.fatal() && !slices.Contains(r.Fatal, a.Mode) {
			r.Fatal = append(r.Fatal, a.Mode)
		}
	}
}

func (r *Report) findNAT() Finding {
	switch {
	case r.Proxy || !r.Local.IsValid():
		return Unknown
	case r.Seen.IsValid():
		return found(r.Seen != r.Local)
	case r.Local.IsLoopback():
		return No
	case plan.Private(r.Local) && public(r.Remote):
		return Yes
	}
	return Unknown
}

// findHelper looks at what became of our private address in PORT and EPRT. A
// server that replaces private addresses itself looks like a helper where the
// NAT lets everything in; there the public address works as well, and it does
// not matter.
func (r *Report) findHelper() Finding {
	if r.NAT != Yes || !plan.Private(r.Local) {
		return Unknown
	}
	var own, other []Cause
	for _, a := range r.Attempts {
		switch {
		case a.Mode.passive() || !a.Advertised.IsValid():
		case a.Advertised.Addr() == r.Local:
			own = append(own, a.Cause)
		default:
			other = append(other, a.Cause)
		}
	}
	refused := func(c Cause) bool { return c == Refused }
	switch {
	case slices.Contains(own, OK) && !slices.Contains(other, OK):
		return Yes
	case len(own) > 0 && !slices.ContainsFunc(own, func(c Cause) bool { return c != Refused }) &&
		len(other) > 0 && !slices.ContainsFunc(other, refused):
		// The server got to see what we sent.
		return No
	}
	return Unknown
}

// sawDataAddr takes in the address of a 227.
func (r *Report) sawDataAddr(addr netip.Addr) {
	if !addr.IsValid() || addr.IsUnspecified() || !r.Remote.IsValid() || addr.Is4() != r.Remote.Is4() {
		return
	}
	switch {
	case addr == r.Remote:
		r.ServerNAT = No
	default:
		r.DataAddr = addr
		if plan.Private(addr) && public(r.Remote) {
			r.ServerNAT = Yes
		}
	}
}

// fatal reports whether the mode's own command cost the control connection.
func (a Attempt) fatal() bool {
	return a.Cause.lethal() && (a.Reply.Code == 0 || a.Reply.Code == 421)
}

// tlsVersion returns the version of TLS on the control connection, the last
// one where there is none.
func (l *link) tlsVersion() string {
	if conn := l.sess.Live(); conn != nil {
		if state, _ := conn.TLS(); state.Version != 0 {
			l.version = tls.VersionName(state.Version)
		}
	}
	return l.version
}

// Err returns nil when a mode works, else the [*NegotiateError] of the
// attempts.
func (r *Report) Err() error {
	if r.Mode != 0 || len(r.Attempts) == 0 {
		return nil
	}
	e := &NegotiateError{Server: r.Server, Attempts: r.Attempts}
	if r.Stopped != "" {
		e.Err = errors.New(r.Stopped)
	}
	return e
}

// MarshalJSON returns the report with its durations as strings, and the advice.
func (r Report) MarshalJSON() ([]byte, error) {
	type fields Report
	v := struct {
		fields
		RTT    string   `json:"rtt,omitzero"`
		Advice []string `json:"advice,omitempty"`
	}{fields: fields(r), Advice: r.Advice()}
	if r.RTT > 0 {
		v.RTT = r.RTT.String()
	}
	return json.Marshal(v)
}

// MarshalJSON returns the attempt with its duration and its error as strings.
func (a Attempt) MarshalJSON() ([]byte, error) {
	v := struct {
		Mode       Mode           `json:"mode"`
		Cause      Cause          `json:"cause"`
		Advertised netip.AddrPort `json:"advertised,omitzero"`
		Used       netip.AddrPort `json:"used,omitzero"`
		Reply      string         `json:"reply,omitzero"`
		Start      time.Time      `json:"start,omitzero"`
		Elapsed    string         `json:"elapsed"`
		Err        string         `json:"error,omitzero"`
	}{a.Mode, a.Cause, a.Advertised, a.Used, a.Reply.String(), a.Start, a.Elapsed.String(), ""}
	if a.Err != nil {
		v.Err = cmp.Or(a.Err.Error(), a.Cause.String())
	}
	return json.Marshal(v)
}
