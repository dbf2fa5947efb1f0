package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ftpnat/ftpnat"
)

func (a *app) probeCommand() *cobra.Command {
	var asJSON bool
	var html string
	c := &cobra.Command{
		Use:   "probe URL",
		Short: "Find out what is in the way of data connections, and what to do",
		Long: "Try every mode of data connections with a server, and say what is in the way and what to do about it.\n" +
			"Nothing is changed on the server. It takes less than 30 seconds. The exit code is 0 if a mode works.\n" +
			"The page that --html writes holds the dialogue, but no password: it can be mailed to whoever runs the\n" +
			"firewall or the server.",
		Example: "  ftpnat probe ftp.example.com\n  ftpnat probe --html report.html ftpes://joe@ftp.example.com",
		Args:    arguments(1, 1, "one URL"),
		RunE:    a.run(func(ctx context.Context, args []string) error { return a.probe(ctx, args[0], asJSON, html) }),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	c.Flags().StringVar(&html, "html", "", "write a page to `file` too")
	return c
}

func (a *app) probe(ctx context.Context, arg string, asJSON bool, html string) error {
	t, err := parseTarget(arg)
	if err != nil {
		return err
	}
	s, err := a.dial(ctx, t, 1)
	if err != nil {
		return err
	}
	rec := newRecorder(s.login.password)
	r, err := s.dialer.Probe(ftpnat.WithTrace(a.traced(ctx), rec.trace()), t.addr())
	d := &diagnosis{target: t, report: r, when: time.Now(), events: rec.list(), proxy: a.proxy != "" || a.proxyEnv}
	if err != nil {
		d.failed = a.message(err, codeOf(err))
		d.advice = a.advice(err, codeOf(err))
	} else {
		d.advice = append(a.inWords(r.Advice()), a.probeHints(s)...)
	}
	if html != "" {
		if werr := d.writeHTML(html); werr != nil {
			return localWrite(werr)
		}
		a.warn("the page is in %s", html)
	}
	if err != nil {
		return err
	}
	return a.printProbe(d, asJSON)
}

// probeHints is what there is to say beside the modes.
func (a *app) probeHints(s *session) []string {
	if a.inTheClear() != nil {
		return []string{"The login went over the network in clear text, and the server offers TLS (AUTH TLS): " + useTLS(s.target)}
	}
	if a.watch.offers() && !s.tls {
		return []string{"The server offers TLS (AUTH TLS), which this login did not use: " + useTLS(s.target)}
	}
	return nil
}

// printProbe prints the report. That no mode works is in it already, so that the
// error has nothing to add but the exit code.
func (a *app) printProbe(d *diagnosis, asJSON bool) error {
	a.quiet = a.quiet || a.inTheClear() != nil // it has been said
	var err error
	if asJSON {
		err = d.writeJSON(a.out)
	} else {
		_, err = io.WriteString(a.out, d.text())
	}
	if err != nil {
		return localWrite(err)
	}
	if d.report.Mode == 0 {
		return &saidError{d.report.Err()}
	}
	return nil
}

// saidError is an error about which all has been printed.
type saidError struct{ err error }

func (e *saidError) Error() string { return "no mode works" }
func (e *saidError) Unwrap() error { return e.err }

// diagnosis is a report and all that goes with it.
type diagnosis struct {
	target target
	report *ftpnat.Report // nil if there is none
	failed string         // why there is no report
	advice []string
	when   time.Time
	events []event
	proxy  bool
}

// writeJSON writes the library's report with the advice in the command's words.
func (d *diagnosis) writeJSON(w io.Writer) error {
	data, err := json.Marshal(d.report)
	if err != nil {
		return err
	}
	fields := make(map[string]any)
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	fields["advice"] = d.advice
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(fields)
}

// text is the report as a page for a terminal.
func (d *diagnosis) text() string {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range d.facts() {
		fmt.Fprintf(tw, "%s\t%s\n", f.Name, printable(f.Text))
	}
	_ = tw.Flush()
	if len(d.report.Attempts) > 0 {
		b.WriteString("\n")
	}
	for _, at := range d.report.Attempts {
		mark := "✗"
		if at.Cause == ftpnat.OK {
			mark = "✓"
		}
		b.WriteString("  " + mark + " " + printable(at.String()) + "\n")
	}
	for _, line := range d.advice {
		b.WriteString("\n" + wrap(printable(line), "  "))
	}
	return b.String()
}

// fact is a row of the table about the path.
type fact struct{ Name, Text string }

// facts are what is known of the path, in words.
func (d *diagnosis) facts() []fact {
	r := d.report
	list := []fact{{"server", d.target.addr()}}
	add := func(name, text string) {
		if text != "" {
			list = append(list, fact{name, text})
		}
	}
	if r.Remote.IsValid() && r.Remote.String() != d.target.hostname() {
		list[0].Text += " (" + r.Remote.String() + ")"
	}
	greeting, _, _ := strings.Cut(r.Greeting, "\n")
	add("greeting", greeting)
	add("this machine", d.clientText())
	switch {
	case r.ServerNAT == ftpnat.Yes:
		add("server's NAT", fmt.Sprintf("yes: in PASV the server names %v", r.DataAddr))
	case r.DataAddr.IsValid():
		add("PASV names", r.DataAddr.String())
	}
	add("TLS", d.tlsText())
	if r.RTT > 0 {
		add("round trip", durationText(r.RTT))
	}
	if r.Reconnect > 0 {
		add("reconnects", fmt.Sprint(r.Reconnect))
	}
	add("works", modesText(r.Works))
	add("fatal", modesText(r.Fatal))
	add("stopped", r.Stopped)
	return list
}

func (d *diagnosis) clientText() string {
	r := d.report
	if !r.Local.IsValid() {
		return ""
	}
	text := r.Local.String()
	if r.Seen.IsValid() && r.Seen != r.Local {
		text += fmt.Sprintf(", seen by the server as %v", r.Seen)
	}
	switch {
	case r.Proxy:
		text += ", behind a proxy"
	case r.NAT == ftpnat.Yes && r.Helper == ftpnat.Yes:
		text += ", behind a NAT with an FTP helper"
	case r.NAT == ftpnat.Yes:
		text += ", behind a NAT"
	case r.NAT == ftpnat.No:
		text += ", no NAT"
	}
	return text
}

func (d *diagnosis) tlsText() string {
	r := d.report
	if !r.TLS {
		return "none: passwords and files cross in clear text"
	}
	text := r.TLSVersion
	switch r.TLSResumed {
	case ftpnat.Yes:
		text += ", data connections resume the session"
	case ftpnat.No:
		text += ", data connections do not resume the session"
	}
	return text
}

func modesText(modes []ftpnat.Mode) string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = m.String()
	}
	return strings.Join(names, ", ")
}
