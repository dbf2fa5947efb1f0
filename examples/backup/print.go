package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
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
// says how far it is. Its methods may be called by several goroutines.
type printer struct {
	w       io.Writer
	live    bool // w is a terminal
	verbose bool

	mu    sync.Mutex
	shown bool // there is a status line
	last  time.Time

	begun  time.Time        // of the transfers
	total  int64            // bytes to be read
	done   int64            // bytes that are here
	before int64            // those of done that an earlier run has read
	at     map[string]int64 // of done, by name
}

// isTerminal reports whether f is a terminal that can rewrite a line.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// line prints a line, above the status line.
func (p *printer) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintf(p.w, format+"\n", args...)
}

// clear removes the status line.
func (p *printer) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// status sets the status line.
func (p *printer) status(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show(func() string { return fmt.Sprintf(format, args...) })
}

func (p *printer) show(text func() string) {
	if !p.live || time.Since(p.last) < blink {
		return
	}
	p.last, p.shown = time.Now(), true
	fmt.Fprintf(p.w, "\r  %s\x1b[K", clip(printable(text()), width-2))
}

// statusEnd removes the status line.
func (p *printer) statusEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.last = time.Time{}
}

// trace returns the hooks that the status line lives on.
func (p *printer) trace() *ftpnat.Trace {
	return &ftpnat.Trace{
		Progress: func(e ftpnat.ProgressEvent) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.reached(e.Name, e.Bytes)
			p.show(func() string { return p.bar() + "  " + e.Name })
		},
		Resume: func(e ftpnat.ResumeEvent) {
			if p.verbose {
				p.line("    > %s goes on at byte %d", e.Name, e.Offset)
			}
		},
	}
}

func (p *printer) reached(at string, bytes int64) {
	if p.at == nil { // the transfers have not begun
		return
	}
	p.done += bytes - p.at[at]
	p.at[at] = bytes
}

// bar says how much of all is here, how fast it comes, and how long it will
// take.
func (p *printer) bar() string {
	const cells = 20
	part := float64(p.done) / float64(max(p.total, 1))
	full := min(int(part*cells), cells)
	text := fmt.Sprintf("[%s%s] %3.0f%%  %s of %s", strings.Repeat("=", full), strings.Repeat(" ", cells-full),
		min(part, 1)*100, size(p.done), size(p.total))
	took := time.Since(p.begun).Seconds()
	if speed := float64(p.done-p.before) / took; took > 0.5 && speed > 0 {
		left := time.Duration(float64(p.total-p.done) / speed * float64(time.Second))
		text += fmt.Sprintf("  %s/s  %v left", size(int64(speed)), max(left, 0).Round(time.Second))
	}
	return text
}

// planned says what is going to be done.
func (p *printer) planned(pl plan) {
	changed := 0
	for _, c := range pl.changed {
		if c {
			changed++
		}
	}
	unchanged := 0
	for _, r := range pl.keep {
		if r.Kind == kindFile {
			unchanged++
		}
	}
	p.line("  %s on the server: %d new, %d changed, %d unchanged; %s to read", count(len(pl.fetch)+unchanged, "file"),
		len(pl.fetch)-changed, changed, unchanged, size(pl.size()))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begun, p.total, p.done, p.before, p.at = time.Now(), pl.size(), 0, 0, map[string]int64{}
}

// resumed says that a file goes on where an earlier run stopped.
func (p *printer) resumed(at string, bytes int64) {
	if p.verbose {
		p.line("    > %s: %s are here from an earlier run", printable(at), size(bytes))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reached(at, bytes)
	p.before += bytes
}

func (p *printer) fetched(r record) {
	if p.verbose {
		p.line("    + %s  %s", printable(string(r.Name)), size(r.Size))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reached(string(r.Name), r.Size)
}

func (p *printer) failed(at name, err error) {
	if p.verbose {
		p.line("    ! %s: %s", printable(string(at)), printable(because(err)))
	}
}

// summary says what a run has done.
func (p *printer) summary(b *job, pl plan, m *manifest) {
	n := map[string]int{}
	gone := 0
	for _, r := range m.Records {
		if !r.Gone.IsZero() {
			gone++
		} else {
			n[r.Kind]++
		}
	}
	p.line("  %s read, %s in %s", count(len(b.fetched), "file"), size(b.bytes), seconds(time.Since(b.begun)))
	p.line("  the backup has %s, %s and %s", count(n[kindFile], "file"), count(n[kindDir], "directory"), count(n[kindLink], "link"))
	switch removed := len(pl.gone) - len(pl.inWay); {
	case b.opts.delete && removed > 0:
		p.line("  %d no longer on the server: removed", removed)
	case gone > 0:
		p.line("  %d no longer on the server: kept (-delete removes them)", gone)
	}
	p.problems(m.Problems)
	if m.Complete {
		p.line("  complete")
	}
}

// problems prints a list of what is missing.
func (p *printer) problems(list []problem) {
	if len(list) == 0 {
		return
	}
	p.line("  NOT COMPLETE: %d could not be read or kept", len(list))
	p.list(list)
}

func (p *printer) list(list []problem) {
	wide := 0
	for _, pr := range list {
		wide = min(max(wide, utf8.RuneCountInString(printable(string(pr.Name)))), 40)
	}
	for _, pr := range list {
		p.line("    %-*s  %s", wide, printable(string(pr.Name)), printable(pr.Why))
	}
}

// verified says what a verification found.
func (p *printer) verified(m *manifest, bad []problem) {
	files, bytes, gone := 0, int64(0), 0
	for _, r := range m.Records {
		if r.Kind == kindFile {
			files++
			bytes += r.Size
		}
		if !r.Gone.IsZero() {
			gone++
		}
	}
	p.line("  %s, %s, of the backup of %s on %s", count(files, "file"), size(bytes), printable(m.Source), m.Begun.Format(time.DateOnly))
	if len(bad) == 0 {
		p.line("  verified: every file has the hash of the manifest")
	} else {
		p.line("  DAMAGED OR MISSING: %d", len(bad))
		p.list(bad)
	}
	if len(m.Problems) > 0 {
		p.line("  that run could not read or keep %d:", len(m.Problems))
		p.list(m.Problems)
	}
}

// count returns a number and what is counted.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
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

// seconds formats a duration.
func seconds(d time.Duration) string {
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// printable replaces what a terminal would obey: names and replies come from a
// stranger.
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
