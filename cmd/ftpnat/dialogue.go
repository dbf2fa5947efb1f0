package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat"
)

// turn lets one goroutine at a time do something.
type turn struct{ mu sync.Mutex }

func (t *turn) do(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

// traced returns a context under which the dialogue is watched, and shown if a
// flag asks for it.
func (a *app) traced(ctx context.Context) context.Context {
	ctx = ftpnat.WithTrace(ctx, a.watch.trace())
	if a.logJSON {
		log := slog.New(slog.NewJSONHandler(a.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
		ctx = ftpnat.WithTrace(ctx, ftpnat.SlogTrace(log))
	}
	if a.verbose {
		ctx = ftpnat.WithTrace(ctx, a.dialogue(a.start))
	}
	return ctx
}

// dialogue is the trace of --verbose.
func (a *app) dialogue(start time.Time) *ftpnat.Trace {
	line := func(mark, format string, args ...any) {
		text := printable(fmt.Sprintf(format, args...))
		a.logLock.do(func() { fmt.Fprintf(a.err, "%8.3f %s %s\n", time.Since(start).Seconds(), mark, text) })
	}
	return &ftpnat.Trace{
		Connect: func(e ftpnat.ConnectEvent) {
			if e.Err != nil {
				line("✗", "no connection to %s: %s", e.Server, oneLine(e.Err))
				return
			}
			line("·", "connected to %s (%v) from %v", e.Server, e.Remote, e.Local)
		},
		Command: func(text string) { line("→", "%s", text) },
		Reply: func(r ftpnat.Reply) {
			for _, text := range replyLines(r) {
				line("←", "%s", text)
			}
		},
		Lost: func(err error) { line("✗", "control connection given up: %s", oneLine(err)) },
		Attempt: func(at ftpnat.Attempt) {
			mark := "✓"
			if at.Cause != ftpnat.OK {
				mark = "✗"
			}
			line(mark, "%v", at)
		},
		Note:   func(text string) { line("·", "%s", text) },
		Resume: func(e ftpnat.ResumeEvent) { line("·", "%s goes on at byte %d", e.Name, e.Offset) },
	}
}

// replyLines returns a reply as the server sent it.
func replyLines(r ftpnat.Reply) []string {
	if len(r.Lines) < 2 {
		return []string{r.String()}
	}
	last := len(r.Lines) - 1
	lines := []string{fmt.Sprintf("%d-%s", r.Code, r.Lines[0])}
	lines = append(lines, r.Lines[1:last]...)
	return append(lines, fmt.Sprintf("%d %s", r.Code, r.Lines[last]))
}

// printable replaces what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) && r != ' ' {
			return '?'
		}
		return r
	}, s)
}

// name returns a file's name as it is written to standard output: as it is, or
// so that a terminal shows it.
func (a *app) name(s string) string {
	if a.outTerm {
		return printable(s)
	}
	return s
}
