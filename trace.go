package ftpnat

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

// Trace is a set of hooks that see what happens on the way. Any of them may be
// nil. They are called one after the other, while the call that they belong to
// runs and never after it returned, so that they must be quick and must not
// call back into the same [Conn] or [FS]. Calls on an FS by several goroutines
// call the hooks at the same time. Passwords are masked.
type Trace struct {
	// Connect: a control connection was opened, or could not be.
	Connect func(ConnectEvent)
	// Command: a line was sent on the control connection.
	Command func(line string)
	// Reply: a reply came on the control connection.
	Reply func(Reply)
	// Lost: the control connection was lost or given up; another one takes
	// its place when it is needed.
	Lost func(error)
	// Attempt: an attempt to open a data connection has ended.
	Attempt func(Attempt)
	// Note: a decision was taken that a reader of the dialogue would wonder
	// about, such as an address that was not followed.
	Note func(text string)
	// Progress: bytes of a file of an [FS] have crossed; called a few times a
	// second at most, and when the file is complete.
	Progress func(ProgressEvent)
	// Resume: a transfer of a file of an [FS] begins in the middle: it broke
	// there, its connection has served somebody else meanwhile, or that is
	// where the reading was to begin.
	Resume func(ResumeEvent)
}

// ProgressEvent tells how much of a file has crossed.
type ProgressEvent struct {
	Name   string // in the FS
	Upload bool
	Bytes  int64 // position in the file
	Total  int64 // negative where it is not known
}

// ResumeEvent tells where a transfer goes on.
type ResumeEvent struct {
	Name   string // in the FS
	Upload bool
	Offset int64 // bytes of the file that are there already
}

// ConnectEvent tells of one try to open a control connection.
type ConnectEvent struct {
	Server        string // host:port as it was asked for
	Local, Remote netip.AddrPort
	Elapsed       time.Duration
	Err           error
}

type traceKey struct{}

// WithTrace returns a context under which the hooks of t are called. Hooks
// that ctx carries already go on being called, before those of t.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	if t == nil {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, both(traceOf(ctx), t))
}

// traceOf returns the hooks of ctx; never nil.
func traceOf(ctx context.Context) *Trace {
	if t, ok := ctx.Value(traceKey{}).(*Trace); ok {
		return t
	}
	return &noTrace
}

// noTrace has no hooks. Nobody changes it.
var noTrace Trace

func both(a, b *Trace) *Trace {
	return &Trace{
		Connect: chain(a.Connect, b.Connect),
		Command: chain(a.Command, b.Command),
		Reply:   chain(a.Reply, b.Reply),
		Lost:    chain(a.Lost, b.Lost),
		Attempt: chain(a.Attempt, b.Attempt),
		Note:    chain(a.Note, b.Note),

		Progress: chain(a.Progress, b.Progress),
		Resume:   chain(a.Resume, b.Resume),
	}
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

// inTurn returns hooks that several goroutines may call at the same time.
func inTurn(t *Trace) *Trace {
	mu := new(sync.Mutex)
	return &Trace{
		Connect: locked(mu, t.Connect),
		Command: locked(mu, t.Command),
		Reply:   locked(mu, t.Reply),
		Lost:    locked(mu, t.Lost),
		Attempt: locked(mu, t.Attempt),
		Note:    locked(mu, t.Note),

		Progress: locked(mu, t.Progress),
		Resume:   locked(mu, t.Resume),
	}
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

// SlogTrace returns a Trace that writes to log: the dialogue at the level
// Debug, attempts and connections at Info, losses at Warn.
func SlogTrace(log *slog.Logger) *Trace {
	ctx := context.Background()
	return &Trace{
		Connect: func(e ConnectEvent) {
			level := slog.LevelInfo
			if e.Err != nil {
				level = slog.LevelWarn
			}
			log.LogAttrs(ctx, level, "ftp connect", slog.String("server", e.Server),
				slog.Any("local", e.Local), slog.Any("remote", e.Remote), slog.Duration("elapsed", e.Elapsed), slog.Any("err", e.Err))
		},
		Command: func(line string) { log.LogAttrs(ctx, slog.LevelDebug, "ftp command", slog.String("line", line)) },
		Reply: func(r Reply) {
			log.LogAttrs(ctx, slog.LevelDebug, "ftp reply", slog.Int("code", r.Code), slog.String("text", r.Text()))
		},
		Lost: func(err error) {
			log.LogAttrs(ctx, slog.LevelWarn, "ftp control connection lost", slog.Any("err", err))
		},
		Attempt: func(a Attempt) {
			log.LogAttrs(ctx, slog.LevelInfo, "ftp data connection", slog.String("mode", a.Mode.String()),
				slog.Any("advertised", a.Advertised), slog.Any("used", a.Used), slog.String("outcome", a.Cause.String()),
				slog.Duration("elapsed", a.Elapsed), slog.Any("err", a.Err))
		},
		Resume: func(e ResumeEvent) {
			log.LogAttrs(ctx, slog.LevelInfo, "ftp resume", slog.String("name", e.Name), slog.Bool("upload", e.Upload), slog.Int64("offset", e.Offset))
		},
		Note: func(text string) { log.LogAttrs(ctx, slog.LevelInfo, "ftp note", slog.String("text", text)) },
	}
}
