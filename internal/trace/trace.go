// Package trace carries hooks in a context and calls them where things happen.
package trace

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Hooks are told what happens: see Trace of package ftpnat. Any may be nil.
type Hooks struct {
	Connect  func(Connect)
	Command  func(line string)
	Reply    func(proto.Reply)
	Lost     func(error)
	Attempt  func(proto.Attempt)
	Note     func(text string)
	Progress func(Progress)
	Resume   func(Resume)
}

// Connect tells of one try to open a control connection.
type Connect struct {
	Server        string // host:port as it was asked for
	Local, Remote netip.AddrPort
	Elapsed       time.Duration
	Err           error
}

// Progress tells how much of a file has crossed.
type Progress struct {
	Name   string // in the FS
	Upload bool
	Bytes  int64 // position in the file
	Total  int64 // negative if it is not known
}

// Resume tells where a transfer goes on.
type Resume struct {
	Name   string // in the FS
	Upload bool
	Offset int64 // in bytes
}

type key struct{}

// none has no hooks. Nobody changes it.
var none Hooks

// With returns a context with the hooks of h beside those of ctx, which are
// called first.
func With(ctx context.Context, h *Hooks) context.Context {
	a := From(ctx)
	if a == &none {
		return context.WithValue(ctx, key{}, h)
	}
	return context.WithValue(ctx, key{}, &Hooks{
		Connect:  chain(a.Connect, h.Connect),
		Command:  chain(a.Command, h.Command),
		Reply:    chain(a.Reply, h.Reply),
		Lost:     chain(a.Lost, h.Lost),
		Attempt:  chain(a.Attempt, h.Attempt),
		Note:     chain(a.Note, h.Note),
		Progress: chain(a.Progress, h.Progress),
		Resume:   chain(a.Resume, h.Resume),
	})
}

func chain[T any](a, b func(T)) func(T) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(v T) { a(v); b(v) }
}

// From returns the hooks of ctx; never nil.
func From(ctx context.Context) *Hooks {
	if h, ok := ctx.Value(key{}).(*Hooks); ok {
		return h
	}
	return &none
}

// Serial returns ctx with its hooks called one at a time, by however many
// goroutines.
func Serial(ctx context.Context) context.Context {
	h := From(ctx)
	if h == &none {
		return ctx
	}
	mu := new(sync.Mutex)
	return context.WithValue(ctx, key{}, &Hooks{
		Connect:  locked(mu, h.Connect),
		Command:  locked(mu, h.Command),
		Reply:    locked(mu, h.Reply),
		Lost:     locked(mu, h.Lost),
		Attempt:  locked(mu, h.Attempt),
		Note:     locked(mu, h.Note),
		Progress: locked(mu, h.Progress),
		Resume:   locked(mu, h.Resume),
	})
}

// Until returns ctx with hooks that are called no more once silence has returned,
// and the values of ctx.
func Until(ctx context.Context) (_ context.Context, silence func()) {
	h := From(ctx)
	if h == &none {
		return ctx, func() {}
	}
	mu, silent := new(sync.Mutex), false
	silence = func() {
		mu.Lock()
		defer mu.Unlock()
		silent = true
	}
	return context.WithValue(ctx, key{}, &Hooks{
		Connect:  unless(mu, &silent, h.Connect),
		Command:  unless(mu, &silent, h.Command),
		Reply:    unless(mu, &silent, h.Reply),
		Lost:     unless(mu, &silent, h.Lost),
		Attempt:  unless(mu, &silent, h.Attempt),
		Note:     unless(mu, &silent, h.Note),
		Progress: unless(mu, &silent, h.Progress),
		Resume:   unless(mu, &silent, h.Resume),
	}), silence
}

func unless[T any](mu *sync.Mutex, silent *bool, hook func(T)) func(T) {
	if hook == nil {
		return nil
	}
	return locked(mu, func(v T) {
		if !*silent {
			hook(v)
		}
	})
}

func locked[T any](mu *sync.Mutex, hook func(T)) func(T) {
	if hook == nil {
		return nil
	}
	return func(v T) {
		mu.Lock()
		defer mu.Unlock()
		hook(v)
	}
}

func call[T any](hook func(T), v T) {
	if hook != nil {
		hook(v)
	}
}

// Connected calls Connect.
func (h *Hooks) Connected(c Connect) { call(h.Connect, c) }

// Sent calls Command.
func (h *Hooks) Sent(line string) { call(h.Command, line) }

// Got calls Reply.
func (h *Hooks) Got(r proto.Reply) { call(h.Reply, r) }

// Dropped calls Lost.
func (h *Hooks) Dropped(err error) { call(h.Lost, err) }

// Attempted calls Attempt.
func (h *Hooks) Attempted(a proto.Attempt) { call(h.Attempt, a) }

// Notef calls Note.
func (h *Hooks) Notef(format string, args ...any) {
	if h.Note != nil {
		h.Note(fmt.Sprintf(format, args...))
	}
}

// Progressed calls Progress.
func (h *Hooks) Progressed(p Progress) { call(h.Progress, p) }

// Resumed calls Resume.
func (h *Hooks) Resumed(r Resume) { call(h.Resume, r) }
