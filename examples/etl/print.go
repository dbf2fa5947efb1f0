package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat"
)

const (
	width = 79 // columns of the status line
	// blink is how often the status line changes at most.
	blink = 100 * time.Millisecond
)

// A printer writes for people. On a terminal it keeps a line at the bottom that
// says how far it is.
type printer struct {
	w    io.Writer
	live bool // w is a terminal

	shown bool // there is a status line
	last  time.Time

	start time.Time
	wide  int // columns of the names
	todo  int // files
	done  int
}

// isTerminal reports whether f is a terminal that can rewrite a line.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// line prints a line, above the status line.
func (p *printer) line(format string, args ...any) {
	p.end()
	fmt.Fprintf(p.w, format+"\n", args...)
}

// end removes the status line.
func (p *printer) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// trace returns the hooks that the status line lives on.
func (p *printer) trace() *ftpnat.Trace {
	return &ftpnat.Trace{
		Progress: func(e ftpnat.ProgressEvent) {
			if !p.live || time.Since(p.last) < blink {
				return
			}
			p.last, p.shown = time.Now(), true
			text := fmt.Sprintf("%d of %d  %s  %s", p.done+1, p.todo, e.Name, size(e.Bytes))
			if e.Total > 0 {
				text += fmt.Sprintf(" of %s", size(e.Total))
			}
			fmt.Fprintf(p.w, "\r  %s\x1b[K", clip(printable(text), width-2))
		},
		Resume: func(e ftpnat.ResumeEvent) {
			p.line("  the connection broke; %s goes on at byte %d", printable(e.Name), e.Offset)
		},
	}
}

// begin says what is going to be done.
func (p *printer) begin(found int, todo []source) {
	p.start, p.todo, p.done, p.wide = time.Now(), len(todo), 0, len("file")
	for _, s := range todo {
		p.wide = min(max(p.wide, utf8.RuneCountInString(printable(s.name))), 40)
	}
	p.line("  %s on the server: %d to load, %d loaded before", count(int64(found), "file"), len(todo), found-len(todo))
	if len(todo) > 0 {
		p.line("    %-*s  %9s  %8s  %8s", p.wide, "file", "size", "rows", "rejects")
	}
}

// loaded says what became of a file.
func (p *printer) loaded(s source, r result) {
	p.done++
	note := ""
	if r.again {
		note = "  in place of an earlier version"
	}
	p.line("    %-*s  %9s  %8d  %8d%s", p.wide, printable(s.name), size(s.size), r.rows, r.rejects, note)
}

// summary says what there is.
func (p *printer) summary(j *job, files, rows, rejects int64) {
	if p.todo > 0 {
		p.line("  %s with %s loaded in %.1f s", count(j.files, "file"), count(j.rows, "row"), time.Since(p.start).Seconds())
	}
	p.line("  the table %s has %s of %s; rejects has %s", j.opts.table.name, count(rows, "row"), count(files, "file"), count(rejects, "line"))
	if len(j.bad) == 0 {
		return
	}
	p.line("  NOT COMPLETE: %d could not be loaded", len(j.bad))
	for _, b := range j.bad {
		p.line("    %s: %s", printable(b.name), printable(because(b.err)))
	}
}

// because returns why, without the name that is said elsewhere.
func because(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// count returns a number and what is counted.
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// size formats a number of bytes.
func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.5 && unit < 5 {
		f /= 1000
		unit++
	}
	return fmt.Sprintf("%.3g %cB", f, "kMGTPE"[unit])
}

// printable replaces what a terminal would obey: names, replies and rows come
// from a stranger.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}

// clip cuts a text that is longer than n columns.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-3]) + "..."
}
