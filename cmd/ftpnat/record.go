package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat"
)

// event is a line of the dialogue, for the sequence chart.
type event struct {
	After time.Duration
	Kind  string // connect, command, reply, ok, failed, lost or note
	Text  string
}

// maxEvents bounds what a server can have recorded, and maxText each line.
const (
	maxEvents = 1000
	maxText   = 300
)

// recorder keeps the dialogue of a probe.
type recorder struct {
	start  time.Time
	secret string
	mu     sync.Mutex
	events []event
}

func newRecorder(password string) *recorder { return &recorder{start: time.Now(), secret: password} }

// add records an event. The trace masks the password that is sent; should a
// server repeat it, it is masked here.
func (r *recorder) add(kind, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(r.secret) > 3 {
		text = strings.ReplaceAll(text, r.secret, "****")
	}
	text = printable(text)
	text = fit(text, maxText)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) < maxEvents {
		r.events = append(r.events, event{time.Since(r.start), kind, text})
	}
}

func (r *recorder) list() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events
}

func (r *recorder) trace() *ftpnat.Trace {
	return &ftpnat.Trace{
		Connect: func(e ftpnat.ConnectEvent) {
			if e.Err != nil {
				r.add("lost", "no connection to %s: %s", e.Server, oneLine(e.Err))
				return
			}
			r.add("connect", "control connection %v to %v", e.Local, e.Remote)
		},
		Command: func(line string) { r.add("command", "%s", line) },
		Reply: func(reply ftpnat.Reply) {
			lines := replyLines(reply)
			text := lines[0]
			if len(lines) > 1 {
				text += fmt.Sprintf(" (and %s)", count(len(lines)-1, "line"))
			}
			r.add("reply", "%s", text)
		},
		Lost: func(err error) { r.add("lost", "control connection given up: %s", oneLine(err)) },
		Attempt: func(at ftpnat.Attempt) {
			kind := "failed"
			if at.Cause == ftpnat.OK {
				kind = "ok"
			}
			r.add(kind, "%v", at)
		},
		Note: func(text string) { r.add("note", "%s", text) },
	}
}
