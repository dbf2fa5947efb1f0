//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
)

// textHead prints what stands above the lines.
func (o options) textHead(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Round trips by the clock and, in brackets, as counted on the wire; %v, medians of %d\n\n", o.rtt, o.repeats)
	fmt.Fprintf(&b, "%-11s%-11s", "", "")
	for _, c := range o.clients {
		fmt.Fprintf(&b, "%-18s", c.Name)
	}
	_, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	return err
}

// text prints the line.
func (l line) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%-11s%-11s", l.Row.Name, l.Server)
	for _, c := range l.Cells {
		text := fmt.Sprintf("%.2f (%.2f)", c.Wall, c.Counted)
		switch {
		case c.None:
			text = "-"
		case c.Said != "":
			text = "✗"
		}
		fmt.Fprintf(&b, "%-18s", text)
	}
	if limit := l.Row.Limits[l.Server]; limit > 0 {
		fmt.Fprintf(&b, "at most %g", limit)
	}
	_, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	for _, c := range l.Cells {
		if c.Said != "" {
			fmt.Fprintf(w, "  ✗ %s\n", c.Said)
		}
	}
	if l.Transcript != "" {
		fmt.Fprintln(w, l.Transcript)
	}
	return err
}
