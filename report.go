package ftpnat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"time"

	"github.com/ftpnat/ftpnat/internal/advice"
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

// String returns unknown, no or yes.
func (f Finding) String() string { return proto.Finding(f).String() }

// MarshalText returns what String returns.
func (f Finding) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (f *Finding) UnmarshalText(text []byte) error {
	return parseName(f, text, "a finding", Unknown, No, Yes)
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
		Attempts:   each(t.Attempts(), attemptOf),
	}
	r.conclude()
	return r
}

// conclude fills in what follows from the addresses and the attempts.
func (r *Report) conclude() {
	in := r.inner()
	in.Conclude()
	r.NAT, r.Helper, r.ServerNAT, r.TLSResumed = Finding(in.NAT), Finding(in.Helper), Finding(in.ServerNAT), Finding(in.TLSResumed)
	r.DataAddr, r.Works, r.Fatal = in.DataAddr, modes[Mode](in.Works), modes[Mode](in.Fatal)
}

// inner returns the report as package advice reads it.
func (r *Report) inner() *advice.Report {
	return &advice.Report{
		Path: advice.Path{
			Server: r.Server, Greeting: r.Greeting, Local: r.Local, Remote: r.Remote, Seen: r.Seen, Public: r.Public, Proxy: r.Proxy,
			NAT: proto.Finding(r.NAT), Helper: proto.Finding(r.Helper), ServerNAT: proto.Finding(r.ServerNAT), DataAddr: r.DataAddr,
			TLS: r.TLS, TLSVersion: r.TLSVersion, TLSResumed: proto.Finding(r.TLSResumed), RTT: r.RTT, Reconnect: r.Reconnect,
		},
		Mode: proto.Mode(r.Mode), Works: modes[proto.Mode](r.Works), Fatal: modes[proto.Mode](r.Fatal),
		Attempts: each(r.Attempts, Attempt.inner), Stopped: r.Stopped,
	}
}

// Advice returns what the report comes to, most useful first, in plain words:
// what can be done where no mode works, and where one does, what to know about
// the path all the same.
func (r *Report) Advice() []string { return r.inner().Advice() }

// String returns the report as a page for people: the path, a table of the
// attempts and the advice. What the server said cannot steer a terminal.
func (r *Report) String() string { return r.inner().String() }

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
	c, works, stopped, err := session.Probe(ctx, cfg.session)
	if err != nil {
		return nil, err
	}
	defer c.Quit(context.WithoutCancel(ctx))
	r := cfg.report(c)
	r.Mode = Mode(works)
	if stopped != nil {
		r.Stopped = stopped.Error()
	}
	return r, nil
}
