//go:build linux

package main

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// saidWidth is how much of what a client said has room in a cell.
const saidWidth = 28

var escape = strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "`", "'", "<", "&lt;", ">", "&gt;")

// markdown prints the table with the picture above it, if there is one.
func (r *report) markdown(w io.Writer, picture string) error {
	var b strings.Builder
	if picture != "" {
		fmt.Fprintf(&b, "![which client gets through on which path](%s)\n\n", picture)
	}
	fmt.Fprintf(&b, "Seconds until a directory is listed, 1 MiB downloaded and 1 MiB uploaded, with both files' SHA-256 right. Each\n"+
		"client has its defaults and at most %s. Server: vsftpd. %s, %s.\n"+
		"`sudo go run ./lab/compare -readme docs/paths.md` made this.\n\n",
		r.limit(), r.Date.Format("2006-01-02"), escape.Replace(r.System))
	r.markdownTable(&b)
	for _, s := range r.remarks() {
		fmt.Fprintf(&b, "\n%s\n", escape.Replace(s))
	}
	if quotes := r.quotes(); len(quotes) > 0 {
		b.WriteString("\n<details><summary>What they said</summary>\n\n| path | client | |\n|---|---|---|\n")
		for _, q := range quotes {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", q.Path, q.Client, escape.Replace(q.Said))
		}
		b.WriteString("\n</details>\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *report) markdownTable(b *strings.Builder) {
	b.WriteString("| path |")
	for _, c := range r.Clients {
		fmt.Fprintf(b, " %s<br>%s |", c.Name, html.EscapeString(c.Version))
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(r.Clients)) + "\n")
	for _, row := range r.Rows {
		fmt.Fprintf(b, "| **%s**<br>%s |", escape.Replace(row.title()), escape.Replace(row.About))
		for _, c := range row.Cells {
			fmt.Fprintf(b, " %s |", c.markdown())
		}
		b.WriteString("\n")
	}
	b.WriteString("| **gets through** |")
	for i := range r.Clients {
		fmt.Fprintf(b, " **%s** |", r.sum(i))
	}
	b.WriteString("\n")
}

func (c cell) markdown() string {
	if c.Said == "" {
		return c.verdict()
	}
	return c.verdict() + "<br>" + escape.Replace(clip(c.Said, saidWidth))
}
