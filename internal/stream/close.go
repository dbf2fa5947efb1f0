package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// lend sets what ends the upload for others, who call it while it is parked. The
// server's verdict is awaited then. If the one who wants the connection cannot
// wait so long, the upload keeps it, with its data ended: regain, or another one
// who wants it, waits on. owner is the context of the upload.
func (w *Writer) lend(owner context.Context) {
	run := w.run
	run.yield = func(ctx context.Context) bool {
		over := owner.Err()
		if err := w.files.Pool.Err(); err != nil {
			over = err
		}
		if over != nil {
			run.t.Cut(ctx, over)
			run.verdict = over
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		// Who has no time must not cut the upload short.
		run.t.CloseData(context.WithoutCancel(ctx))
		err := run.t.Await(ctx)
		switch {
		case err == nil:
			// There is nothing left to wait for.
			run.verdict = run.t.End(context.WithoutCancel(ctx), nil)
		case ctx.Err() != nil:
			return false
		default:
			run.verdict = run.t.End(ctx, nil)
			if ctx.Err() != nil {
				// The context is another's.
				run.verdict = fmt.Errorf("%w: %w", proto.ErrNoVerdict, err)
			}
		}
		return true
	}
}

// regain takes back the transfer that there was. w.run is nil afterwards if it
// has ended for others; the error is the server's verdict on it then.
func (w *Writer) regain(ctx context.Context) error {
	if w.run == nil {
		return nil
	}
	run := w.run
	mine, err := run.lease.Unpark(ctx)
	switch {
	case mine && !run.t.Closed():
		return nil
	case mine:
		err = run.t.End(ctx, nil)
		w.release()
		return err
	}
	w.forget()
	if err == nil {
		err = run.verdict
	}
	return err
}

var errAborted = errors.New("the upload was broken off")

// Abort ends the use of a file that is not to be completed.
func (w *Writer) Abort(ctx context.Context) {
	if w.run == nil {
		return
	}
	if mine, _ := w.run.lease.Unpark(ctx); mine {
		w.cut(ctx, errAborted)
		return
	}
	w.forget()
}

// Close ends the file and returns nil if the server says that it is whole.
func (w *Writer) Close(ctx context.Context) error {
	if err := w.regain(ctx); err != nil {
		return w.broke(err)
	}
	if w.err != nil {
		if w.run != nil {
			w.cut(ctx, w.err)
		}
		return w.err
	}
	var err error
	if !w.begun {
		err = w.start(ctx, true)
		w.held = nil
	}
	if w.run != nil {
		err = w.run.t.End(ctx, nil)
		if err != nil {
			w.release()
			if proto.RefusedAt(err) {
				err = w.explained(ctx, err)
			}
		}
	}
	if err != nil && !errors.Is(err, proto.ErrNoVerdict) {
		return w.broke(err)
	}
	return w.verify(ctx, err)
}

// verify asks for the size of the file, and returns nil if that is whole. lost is
// why the server's closing reply did not come.
func (w *Writer) verify(ctx context.Context, lost error) error {
	w.files.Server.Changed()
	var err error
	if w.run != nil {
		err = w.check(ctx, w.run.s, w.run.t, lost)
		w.release()
	} else {
		err = w.files.With(ctx, func(s *remote.Session) error { return w.check(ctx, s, nil, lost) })
	}
	switch {
	case err == nil:
		w.meter.moved(ctx, w.progress(), true)
		return nil
	case lost != nil && !errors.Is(err, lost):
		err = errors.Join(lost, err)
	}
	return w.broke(err)
}

// check is verify on a connection. t is the transfer that wrote the file, if the
// connection was its own.
func (w *Writer) check(ctx context.Context, s *remote.Session, t *transfer.Transfer, lost error) error {
	have, err := s.SizeBehind(ctx, w.to.Path, t)
	if err == nil {
		err = s.Kept(ctx, w.to.Path)
	}
	if err != nil {
		return err
	}
	return w.whole(have, lost)
}
