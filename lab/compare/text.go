//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Widths of the columns of the text table.
const (
	pathWidth = 31
	cellWidth = 14
)

// pad cuts or fills a text to the width of a column, a blank at its end.
func pad(s string, width int) string {
	s = clip(s, width-1)
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

func textLine(first string, cells []string) string {
	var b strings.Builder
	b.WriteString(pad(first, pathWidth))
	for _, c := range cells {
		b.WriteString(pad(c, cellWidth))
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

// textHead prints what stands above the rows.
func (r *report) textHead(w io.Writer) error {
	var names, versions []string
	for _, c := range r.Clients {
		names = append(names, c.Name)
		versions = append(versions, c.Version)
	}
	_, err := fmt.Fprintf(w, "%s, %s, at most %s each\n\n%s%s\n",
		r.Date.Format("2006-01-02"), r.System, r.limit(), textLine("", names), textLine("", versions))
	return err
}

// text prints the row.
func (r row) text(w io.Writer) error {
	var cells []string
	for _, c := range r.Cells {
		cells = append(cells, c.verdict())
	}
	_, err := io.WriteString(w, textLine(r.title(), cells))
	return err
}

// textFoot prints what stands below the rows.
func (r *report) textFoot(w io.Writer) error {
	var b strings.Builder
	var sums []string
	for i := range r.Clients {
		sums = append(sums, r.sum(i))
	}
	b.WriteString("\n" + textLine("gets through", sums) + "\n")
	for _, s := range r.remarks() {
		fmt.Fprintln(&b, s)
	}
	for _, q := range r.quotes() {
		fmt.Fprintf(&b, "%s%s%s\n", pad(q.Path, pathWidth), pad(q.Client, cellWidth), q.Said)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
