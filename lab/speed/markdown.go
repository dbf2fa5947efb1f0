//go:build linux

package main

import (
	"bytes"
	"fmt"
	"html"
	"path/filepath"
	"strings"

	"github.com/ftpnat/ftpnat/lab/internal/bulk"
	"github.com/ftpnat/ftpnat/lab/internal/page"
)

// The names of the charts, which are in the folder of the page.
const (
	perFileChart = "speed-file.svg"
	inAllChart   = "speed-job.svg"
)

// publish puts the report into a page and the charts beside it.
func (r *report) publish(readme string) error {
	folder := filepath.Dir(readme)
	if err := page.Write(filepath.Join(folder, perFileChart), r.perFile); err != nil {
		return err
	}
	if err := page.Write(filepath.Join(folder, inAllChart), r.inAll); err != nil {
		return err
	}
	return page.Insert(readme, "speed", r.markdown())
}

var escape = strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "`", "'", "<", "&lt;", ">", "&gt;")

func (r *report) markdown() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "![round trips for a small file, by server and client](%s)\n\n", perFileChart)
	fmt.Fprintf(&b, "![round trips for a connection and for a tree, by server and client](%s)\n\n", inAllChart)
	fmt.Fprintf(&b, "Real servers at the end of a wire of %s, all clients in one run, in turn; medians of %d. Contents are compared.\n"+
		"%s, %s. `sudo go run ./lab/speed -readme docs/performance.md` made this.\n\n",
		r.rtt(), r.Repeats, r.Date.Format("2006-01-02"), escape.Replace(r.System))
	r.tripsTable(&b)
	fmt.Fprintf(&b, "\n%d MiB, and %d MiB over TLS, between a file and vsftpd on a plain link, beside a bare copy at the same server: the\n"+
		"kernel's splice and sendfile, or TLS alone, with three lines of FTP. Seconds; seconds of CPU of the client; medians of %d.\n"+
		"ftpnat to bare copy: in time; in CPU; medians of pairs, one right after the other, and their quartiles.\n\n",
		r.Size>>20, r.Size/sealedPart>>20, r.BulkRepeats)
	r.bulkTable(&b)
	return b.Bytes()
}

func (r *report) tripsTable(b *bytes.Buffer) {
	b.WriteString("<details><summary>All round trips</summary>\n\n")
	b.WriteString("By the clock; for ftpnat, in brackets, how often it waited, counted on the wire. A server's own time is in the\n" +
		"former only. ✗ is an error, – what a client cannot do.\n\n| | |")
	for _, c := range r.Clients {
		fmt.Fprintf(b, " %s<br>%s |", c.Name, html.EscapeString(c.Version))
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(r.Clients)) + "\n")
	for i, l := range r.Lines {
		about := ""
		if i == 0 || r.Lines[i-1].Row.Name != l.Row.Name {
			about = l.Row.About
		}
		fmt.Fprintf(b, "| %s | %s |", about, titles[l.Server])
		for j, c := range l.Cells {
			fmt.Fprintf(b, " %s |", c.markdown(j == 0))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n</details>\n")
}

func (c cell) markdown(counted bool) string {
	switch {
	case c.None:
		return "–"
	case c.Said != "":
		return "✗"
	case counted:
		return fmt.Sprintf("**%s** (%s)", short(c.Wall), short(c.Counted))
	}
	return short(c.Wall)
}

func (r *report) bulkTable(b *bytes.Buffer) {
	all := bulk.Contenders()
	b.WriteString("| |")
	for _, c := range all {
		fmt.Fprintf(b, " %s |", c.Name)
	}
	b.WriteString(" ftpnat to bare copy | peak memory of ftpnat |\n|---|" + strings.Repeat("---|", len(all)+2) + "\n")
	for _, l := range r.Bulk {
		fmt.Fprintf(b, "| %s |", l.Name)
		for _, c := range l.Costs {
			if c.Said != "" {
				b.WriteString(" ✗ |")
				continue
			}
			fmt.Fprintf(b, " %.2f; %.3f |", c.Wall, c.CPU)
		}
		if l.Wall.Median > 0 {
			fmt.Fprintf(b, " **%.2f** (%.2f–%.2f); **%.2f** (%.2f–%.2f) | %.1f MiB |\n",
				l.Wall.Median, l.Wall.Low, l.Wall.High, l.CPU.Median, l.CPU.Low, l.CPU.High, l.Costs[ours].Memory)
		} else {
			b.WriteString(" ✗ | ✗ |\n")
		}
	}
}
