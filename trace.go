package ftpnat

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// Trace is a set of hooks that are called when something happens on the way.
// Any of them may be nil. A call on a [Conn] or an [FS] calls its hooks one
// after the other, while it runs and never after it has returned; they must be
// quick and must not call back into the same Conn or FS. Calls on an FS by
// several goroutines call the hooks at the same time. Passwords are masked.
type Trace struct {
	// Connect is called when a control connection was opened or could not be.
	Connect func(ConnectEvent)
	// Command is called with each line sent on the control connection.
	Command func(line string)
	// Reply is called with each reply received on the control connection.
	Reply func(Reply)
	// Lost is called when the control connection was lost or given up. Another
	// one takes its place when it is needed.
	Lost func(error)
	// Attempt is called when an attempt to open a data connection has ended.
	Attempt func(Attempt)
	// Note is called for decisions that a reader of the dialogue would wonder
	// about, such as an address that was not followed.
	Note func(text string)
	// Progress is called a few times a second at most while a file of an [FS]
	// is transferred, and when the file is complete.
	Progress func(ProgressEvent)
	// Resume is called when a transfer of a file of an [FS] begins in the
	// middle of the file: because the last one broke, because its connection has
	// served another caller meanwhile, or because reading was to begin there.
	Resume func(ResumeEvent)
}

// ProgressEvent is the progress of a transfer.
type ProgressEvent struct {
	Name   string // name of the file in the FS
	Upload bool
	Bytes  int64 // position in the file, in bytes
	Total  int64 // size of the file in bytes; negative if it is not known
}

// ResumeEvent is the point at which a transfer goes on.
type ResumeEvent struct {
	Name   string // name of the file in the FS
	Upload bool
	Offset int64 // number of bytes of the file that are there already
}

// ConnectEvent is the outcome of one try to open a control connection.
type ConnectEvent struct {
	Server        string // host:port that was dialled
	Local, Remote netip.AddrPort
	Elapsed       time.Duration
	Err           error
}

// WithTrace returns a context under which the hooks of t are called. Hooks that
// ctx carries already go on being called, before those of t.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	if t == nil {
		return ctx
	}
	return trace.With(ctx, &trace.Hooks{
		Connect:  converted(t.Connect, func(e trace.Connect) ConnectEvent { return ConnectEvent(e) }),
		Command:  t.Command,
		Reply:    converted(t.Reply, func(r proto.Reply) Reply { return Reply(r) }),
		Lost:     t.Lost,
		Attempt:  converted(t.Attempt, attemptOf),
		Note:     t.Note,
		Progress: converted(t.Progress, func(e trace.Progress) ProgressEvent { return ProgressEvent(e) }),
		Resume:   converted(t.Resume, func(e trace.Resume) ResumeEvent { return ResumeEvent(e) }),
	})
}

// converted returns a hook for inner values that calls one for public ones.
func converted[Inner, Public any](hook func(Public), convert func(Inner) Public) func(Inner) {
	if hook == nil {
		return nil
	}
	return func(v Inner) { hook(convert(v)) }
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
