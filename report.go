package ftpnat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/session"
)

// Finding is the answer to a question about a path. Its zero value means that
// nobody looked, or that the answer could not be seen.
type Finding uint8

const (
	// Unknown is no answer.
	Unknown = Finding(proto.Unknown)
	// No and Yes are the answers.
	No  = Finding(proto.No)
	Yes = Finding(proto.Yes)
)

func found(yes bool) Finding { return Finding(proto.Found(yes)) }

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

// Report is what is known of the path to a server. It is plain data; empty
// fields were not looked for or could not be found out. As JSON its durations
// are strings, such as "50ms", and it includes the advice.
type Report struct {
	Server   string            `json:"server"`
	Greeting string            `json:"greeting,omitzero"`
	Features map[string]string `json:"features,omitzero"` // features of FEAT, by command

	Local  netip.Addr `json:"local,omitzero"`  // our end of the control connection
	Remote netip.Addr `json:"remote,omitzero"` // the server's end; unknown behind a proxy
	Seen   netip.Addr `json:"seen,omitzero"`   // our address as the server sees it
	Public netip.Addr `json:"public,omitzero"` // Dialer.PublicAddr
	Proxy  bool       `json:"proxy,omitzero"`  // whether Dialer.ProxyURL is in use

	// NAT reports whether there is a NAT between us and the public network.
	NAT Finding `json:"nat,omitzero"`
	// Helper reports whether that NAT has an FTP helper: one that lets the
	// server in because it has read PORT or EPRT with our private address.
	Helper Finding `json:"helper,omitzero"`
	// ServerNAT reports whether the server names a private address in its 227
	// although its own is public. No does not rule out a NAT that is set up
	// well: that is as good as none.
	ServerNAT Finding `json:"server_nat,omitzero"`
	// DataAddr is the address in the server's 227 if it is not Remote.
	DataAddr netip.Addr `json:"data_addr,omitzero"`

	TLS        bool    `json:"tls"`
	TLSVersion string  `json:"tls_version,omitzero"` // version on the control connection, such as "TLS 1.3"
	TLSResumed Finding `json:"tls_resumed,omitzero"` // whether the last data connection resumed the session

	RTT       time.Duration `json:"rtt,omitzero"` // round trip of the control connection
	Reconnect int           `json:"reconnects"`   // number of control connections that were replaced

	Mode     Mode      `json:"mode,omitzero"`   // mode that works; zero if none does or none was tried
	Works    []Mode    `json:"works,omitempty"` // modes that were seen to work
	Fatal    []Mode    `json:"fatal,omitempty"` // modes whose command costs the control connection
	Attempts []Attempt `json:"attempts,omitempty"`
	Stopped  string    `json:"stopped,omitzero"` // reason why a probe did not try all modes
}

// report returns what a connection knows of its path.
func (c *config) report(conn *session.Conn) *Report {
	t := conn.Transfer()
	lesson := conn.Path().Lesson()
	r := &Report{
		Server:     c.session.Server,
		Greeting:   conn.Greeting().Text(),
		Features:   maps.Clone(conn.Features()),
		Local:      conn.Path().Local(),
		Remote:     conn.Path().Peer(),
		Seen:       lesson.Public,
		Public:     c.dialer.PublicAddr.Unmap(),
		Proxy:      c.dialer.ProxyURL != nil,
		TLS:        c.session.TLS.Config != nil,
		TLSVersion: conn.TLSVersion(),
		TLSResumed: Finding(t.TLSResumed()),
		RTT:        conn.RTT(),
		Reconnect:  max(conn.Control().Lives()-1, 0),
		Mode:       Mode(lesson.Mode),
	}
	for _, a := range t.Attempts() {
		r.Attempts = append(r.Attempts, attemptOf(a))
	}
	r.conclude()
	return r
}

// conclude fills in what follows from the addresses and the attempts.
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
	case plan.Private(r.Local) && plan.Global(r.Remote):
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

// sawDataAddr records the address in a 227.
func (r *Report) sawDataAddr(addr netip.Addr) {
	if !addr.IsValid() || addr.IsUnspecified() || !r.Remote.IsValid() || addr.Is4() != r.Remote.Is4() {
		return
	}
	switch {
	case addr == r.Remote:
		r.ServerNAT = No
	default:
		r.DataAddr = addr
		if plan.Private(addr) && plan.Global(r.Remote) {
			r.ServerNAT = Yes
		}
	}
}

// fatal reports whether the mode's own command cost the control connection.
func (a Attempt) fatal() bool {
	return a.Cause.lethal() && (a.Reply.Code == 0 || a.Reply.Code == 421)
}

// Err returns nil if a mode works, and otherwise the [*NegotiateError] of the
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

// The limits of a probe, for which a person waits.
const (
	// probeLimit is the longest time that a probe may take, apart from the QUIT
	// at its end.
	probeLimit = 28 * time.Second
	// probeRetry is how long a lost control connection is tried again: a server
	// that allows one connection needs about a second to see that the last one
	// is gone.
	probeRetry = 4 * time.Second
	// closeWithin is what is left of a deadline of the caller's for the end.
	closeWithin = 300 * time.Millisecond
)

// Probe logs in to addr, tries every allowed mode with a listing of the login
// directory, also after one has worked, and returns what it found. It changes
// nothing on the server and takes less than 30 seconds, or less than the
// deadline of ctx if that is nearer; [Report.Stopped] tells if there was no time
// for all modes. What it learns goes into the Dialer's Memory.
//
// The error is nil whenever there is a report; [Report.Err] tells whether a mode
// works.
func (d *Dialer) Probe(ctx context.Context, addr string) (*Report, error) {
	cfg, err := d.fill(addr)
	if err != nil {
		return nil, err
	}
	s := cfg.session
	s.RetryFor, s.OneByOne, s.Transfer.OneByOne = min(s.RetryFor, probeRetry), true, true
	limit := probeLimit
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		limit = min(limit, left-min(closeWithin, left/2))
	}
	pctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := dial(pctx, cfg)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, proto.ContextError(ctx, err)
	case err != nil && pctx.Err() != nil:
		return nil, fmt.Errorf("ftpnat: %s: the login took more than %v: %w", s.Server, roundTime(limit), err)
	case err != nil:
		return nil, err
	}
	defer c.Close()
	op, err := c.acquire(pctx)
	if err != nil {
		return nil, err
	}
	defer c.release(op)
	works, stopped := c.c.Transfer().Probe(op.ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r := cfg.report(c.c)
	r.Mode = Mode(works)
	if stopped != nil {
		r.Stopped = stopped.Error()
	}
	return r, nil
}
