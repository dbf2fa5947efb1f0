package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ftpnat/ftpnat"
)

// verdict prints the outcome of one visit in a line.
func (p *printer) verdict(o outcome) {
	s, what := green, fmt.Sprintf("✓ %v works", o.mode())
	var e *ftpnat.NegotiateError
	switch {
	case errors.As(o.err, &e):
		s, what = red, "✗ no data connection"
	case o.err != nil:
		s, what = red, "✗ failed"
	case o.mode() == 0:
		what = "✓ done"
	}
	line := "  " + p.paint(s, what) + "  after " + seconds(o.elapsed)
	if n := len(o.first()); n > 0 {
		line += ", with " + plural(n, "attempt")
	}
	if o.reconnects > 0 {
		line += " and " + plural(o.reconnects, "reconnect")
	}
	p.line("%s", line)
	p.line("")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// columns is the form of a line of the summary.
const columns = "%-16s  %s  %-28s  %8v  %10v  %7s"

// summaryHead prints the head of the table that sums up.
func (p *printer) summaryHead() {
	p.line("%s", p.paint(faint, strings.Repeat("─", width)))
	p.line("%s", p.paint(bold, fmt.Sprintf(columns, "scenario", "works  ", "tried", "attempts", "reconnects", "time")))
}

// summaryRow prints a line of that table. An error says that the outcome is
// not the one that was expected.
func (p *printer) summaryRow(o outcome, err error) {
	s, works := green, fmt.Sprintf("%-7v", o.mode())
	if o.mode() == 0 {
		s, works = red, "nothing"
	}
	var tried []string
	for _, a := range o.first() {
		tried = append(tried, a.Mode.String())
	}
	row := fmt.Sprintf(columns, o.name, p.paint(s, works), clip(strings.Join(tried, " "), 28), len(o.first()), o.reconnects, seconds(o.elapsed))
	if err != nil {
		row += "  " + p.paint(red, "unexpected")
	}
	p.line("%s", row)
}
