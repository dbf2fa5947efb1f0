package advice

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat/internal/proto"
)

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
	if r.ServerNAT != proto.Unknown || r.DataAddr.IsValid() {
		row("server NAT", "%s", r.serverText())
	}
	if r.TLS {
		row("TLS", "%s", r.tlsText())
	}
	if r.RTT > 0 {
		row("round trip", "%v", proto.Rounded(r.RTT))
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
	case r.NAT == proto.Yes && r.Helper == proto.Yes:
		text += ", behind a NAT with an FTP helper"
	case r.NAT == proto.Yes && r.Helper == proto.No:
		text += ", behind a NAT without an FTP helper"
	case r.NAT == proto.Yes:
		text += ", behind a NAT"
	case r.NAT == proto.No:
		text += ", no NAT"
	}
	return text
}

func (r *Report) serverText() string {
	switch {
	case r.ServerNAT == proto.Yes:
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
	case proto.Yes:
		text += ", data connections resume the session"
	case proto.No:
		text += ", data connections do not resume the session"
	}
	return text
}

func (r *Report) writeAttempts(b *strings.Builder) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, a := range r.Attempts {
		row := fmt.Sprintf("%v\t%v\t%s", a.Mode, proto.Rounded(a.Elapsed), printable(what(a)))
		if where := where(a); where != "" {
			row += "\t" + where
		}
		fmt.Fprintln(tw, row)
	}
	tw.Flush()
}

// join returns the modes as text after lead, and nothing for none.
func join(modes []proto.Mode, lead string) string {
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
