package stream

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
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

var errAborted = errors.New("the file was given up")

// stop ends the use of a file that is not to be completed.
func (w *Writer) stop(ctx context.Context) {
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
	if w.ended {
		return w.err
	}
	err := w.finish(ctx)
	if err == nil && w.to.Final != "" {
		w.files.took(w.to.Path)
	}
	if w.place == nil {
		return err
	}
	if err == nil {
		w.place.temp, w.place.size = w.to.Path, w.Size()
		err = w.broken(w.place.put(ctx))
	}
	w.clean(ctx)
	return err
}

// broken is broke for what may be nil.
func (w *Writer) broken(err error) error {
	if err != nil {
		w.broke(err)
	}
	return err
}

// finish is Close under the name that the file was written to.
func (w *Writer) finish(ctx context.Context) error {
	err := w.regain(ctx)
	switch {
	case w.err != nil:
		if w.run != nil {
			w.cut(ctx, w.err)
		}
		return w.err
	case err != nil && (!errors.Is(err, proto.ErrNoVerdict) || w.run != nil):
		return w.broke(err)
	case err != nil: // it was ended for others
	case !w.begun:
		err = w.heldSent(ctx)
		w.held = nil
		return w.broken(err)
	case w.run != nil:
		err = w.end(ctx)
	}
	return w.broken(w.verdict(ctx, err))
}

// heldSent sends all of a file that is held, and that again from the start if the
// server turns out to have less of it than it said.
func (w *Writer) heldSent(ctx context.Context) error {
	for try := 1; ; try++ {
		err := w.under(ctx, func() error { return w.sendHeld(ctx) })
		err = w.verdict(ctx, err)
		if !w.lacks(err) || try == maxSent || w.files.RetryFor <= 0 || ctx.Err() != nil {
			return err
		}
		w.begun = false
	}
}

// maxSent is how often a file is sent of which the server has less than it said.
const maxSent = 3

// lacks reports whether err says that the server has less of the file than was sent
// and called complete: a box on the way has lost the rest.
func (w *Writer) lacks(err error) bool {
	return errors.Is(err, proto.ErrMismatch) && w.have >= 0 && w.have < w.Size()
}

// verdict decides whether the file is whole when its transfer has ended with err.
func (w *Writer) verdict(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, proto.ErrNoVerdict) && !proto.RefusedAt(err):
		err = w.verify(ctx, err)
	case w.lost != nil && w.there(ctx):
		// A server that replaces nothing has refused what it had got already.
		err = nil
	}
	return err
}

// end ends the transfer.
func (w *Writer) end(ctx context.Context) error {
	err := w.run.t.End(ctx, nil)
	if err == nil {
		return nil
	}
	w.release()
	if proto.RefusedAt(err) {
		err = w.explained(ctx, err)
	}
	return err
}

// sendHeld sends all of a file that is held, as often as that may help. The
// transfer that was good is left to be verified.
func (w *Writer) sendHeld(ctx context.Context) error {
	best := int64(0)
	var noData *proto.NegotiateError
	err := retry.Do(ctx, w.files.RetryFor, func() error {
		err := w.sendOnce(ctx, &best)
		if noData = nil; errors.As(err, &noData) {
			err = w.aborted(noData, err)
		}
		switch {
		case w.to.From > 0:
			return retry.Permanent(err) // it is not all of the file
		case !errors.Is(err, proto.ErrNoVerdict):
		case w.to.Ours && w.verify(ctx, err) == nil:
			return nil
		default:
			w.lost = err
		}
		return err
	})
	if err != nil && noData != nil {
		err = noData
	}
	if err != nil && w.lost != nil && !errors.Is(err, proto.ErrNoVerdict) {
		// What refuses it now may have it from before.
		err = errors.Join(retry.Bare(w.lost), err)
	}
	return err
}

// sendOnce is a try of sendHeld.
func (w *Writer) sendOnce(ctx context.Context, best *int64) error {
	if err := w.startOnce(ctx, true); err != nil {
		return err
	}
	err := w.run.t.End(ctx, nil)
	if err != nil {
		w.late = w.late || w.to.Final != "" && !proto.RefusedAt(err)
		err = further(best, w.run.t.Count(), err)
		w.release()
		w.begun = false
	}
	return err
}

// aborted returns, in place of an error that there is no data connection, that of
// a transfer that was aborted, if it may be no more than that: a mode has worked
// before, and the server has said 425 or 426 now.
func (w *Writer) aborted(noData *proto.NegotiateError, err error) error {
	n := len(noData.Attempts)
	if !noData.Proven || n == 0 || retry.Worth(err) {
		return err
	}
	r := noData.Attempts[n-1].Reply
	if r.Code != 425 && r.Code != 426 {
		return err
	}
	return retry.Futile(proto.Refusal("STOR "+w.to.Path, r))
}

// further returns the error of a try that had begun and brought got bytes, for
// retry.Do to count those that get no further than the best.
func further(best *int64, got int64, err error) error {
	if got > *best {
		*best = got
		return retry.Progress(err)
	}
	return retry.Futile(err)
}

// again calls send, which writes all of the file, and ends the file; and that from
// the start as long as it may help.
func (w *Writer) again(ctx context.Context, send func() error) error {
	best, first := int64(0), true
	err := retry.Do(ctx, w.files.RetryFor, func() error {
		if !first {
			w.n, w.held, w.base, w.begun, w.err = 0, nil, w.to.From, false, nil
		}
		first = false
		err := send()
		var source *SourceError
		if errors.As(err, &source) {
			w.stop(ctx)
			return err
		}
		if cerr := w.Close(ctx); err == nil {
			err = cerr
		}
		if errors.Is(err, proto.ErrNoVerdict) {
			w.lost = err
		}
		switch {
		case w.lacks(err):
			err = further(&best, w.have, retry.Again(err))
		case err != nil && w.begun:
			err = further(&best, w.n, err)
		}
		return err
	})
	if err != nil && w.lost != nil && !errors.Is(err, proto.ErrNoVerdict) {
		err = errors.Join(retry.Bare(w.lost), err)
	}
	w.err = err
	return err
}

// verify asks for the size of the file, and returns nil if that is whole. lost is
// why the server's closing reply did not come.
func (w *Writer) verify(ctx context.Context, lost error) error {
	w.files.Server.Changed()
	err := retry.Do(ctx, w.files.RetryFor, func() error {
		if w.run != nil {
			defer w.release()
			return w.check(ctx, &w.run.s, w.run.t, lost)
		}
		return w.files.With(ctx, func(s *remote.Session) error { return w.check(ctx, s, nil, lost) })
	})
	switch {
	case err == nil:
		w.meter.moved(ctx, w.progress(), true)
		return nil
	case lost != nil && !errors.Is(err, lost):
		err = errors.Join(lost, err)
	}
	return err
}

// settling is how long a server that has taken a file may need until it tells so:
// some write to a slow store behind their closing reply. It is asked again after
// each pause.
var settling = [...]time.Duration{time.Second, 2 * time.Second}

// check is verify on a connection. t is the transfer that wrote the file, if the
// connection was its own. What it finds out is final.
func (w *Writer) check(ctx context.Context, s *remote.Session, t *transfer.Transfer, lost error) error {
	now, err := w.now(ctx, s, t, lost)
	if err != nil {
		return err
	}
	err = w.judge(ctx, s, now, lost)
	for _, pause := range settling {
		if !w.maySettle(now, err) {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		if now, err = remote.MarkOf(ctx, s, w.to.Path, lost != nil); err != nil {
			return err
		}
		err = w.judge(ctx, s, now, lost)
	}
	if err == nil && w.late && w.to.Final == "" {
		err = w.outlast(ctx, s)
	}
	if err == nil {
		err = remote.KeptFile(ctx, s, w.to.Path)
	}
	if isVerdict(err) {
		err = retry.Permanent(err)
	}
	return err
}

// outlast looks at the file once more after a while in which a session that was
// given up may read its command at last, and empty it.
func (w *Writer) outlast(ctx context.Context, s *remote.Session) error {
	if err := sleep(ctx, lateSTOR+4*s.RTT()); err != nil {
		return err
	}
	now, err := remote.MarkOf(ctx, s, w.to.Path, false)
	switch {
	case err != nil:
		return err
	case now.Size < 0:
		e, err := remote.Lookup(ctx, s, w.to.Path, false)
		if err != nil && !proto.RefusedAt(err) {
			return err
		}
		if now.Size = e.Size; err != nil || e.Size < 0 {
			return fmt.Errorf("%w: a session that was given up may have begun the file again", proto.ErrNoVerdict)
		}
	}
	return w.judge(ctx, s, now, nil)
}

// isVerdict reports whether an error is one that judge has found, and not that of
// a question.
func isVerdict(err error) bool {
	return errors.Is(err, proto.ErrMismatch) || errors.Is(err, proto.ErrNoVerdict) || errors.Is(err, errors.ErrUnsupported)
}

// maySettle reports whether the server may tell something else soon.
func (w *Writer) maySettle(now remote.Mark, err error) bool {
	return isVerdict(err) && (now.Size >= 0 || now.Refused) && now.Size <= w.Size()
}

// now returns what the server tells of the file. If it has told its size along with
// a whole upload it is not asked again.
func (w *Writer) now(ctx context.Context, s *remote.Session, t *transfer.Transfer, lost error) (remote.Mark, error) {
	if lost == nil {
		n, err := remote.SizeBehind(ctx, s, w.to.Path, t)
		if n >= 0 || err != nil || !s.HasSIZE() || s.Server.Knows(remote.Untold) == proto.Yes {
			return remote.Mark{Size: n}, err
		}
	}
	return remote.MarkOf(ctx, s, w.to.Path, lost != nil)
}

// judge decides whether the file is whole, by what the server tells of it.
func (w *Writer) judge(ctx context.Context, s *remote.Session, now remote.Mark, lost error) error {
	if now.Size >= 0 {
		w.have = now.Size
	} else if w.have >= 0 {
		now = remote.Mark{Size: w.have} // that nothing more is to be had makes nothing whole
	}
	w.base = w.from(now)
	err := w.whole(now.Size, lost)
	switch {
	case err == nil && lost == nil && now.Refused:
		lacks, lerr := remote.Lacks(ctx, s, w.to.Path, now)
		if lerr != nil {
			return lerr
		}
		if lacks {
			return fmt.Errorf("%w: there is nothing under the name", proto.ErrMismatch)
		}
	case err == nil && lost != nil && !w.to.Ours && !now.Since(w.before) && !w.hashOn(ctx, s):
		// It may be what was there before.
		return lost
	}
	return err
}

// there reports whether the server is proven to have the file that is held, though
// it has refused it at last.
func (w *Writer) there(ctx context.Context) (there bool) {
	_ = w.files.With(ctx, func(s *remote.Session) error {
		now, err := remote.MarkOf(ctx, s, w.to.Path, true)
		there = err == nil && (now.Size == w.n && now.Since(w.before) || w.hashOn(ctx, s))
		return nil
	})
	return there
}

// hashOn reports whether the server has, by its hash, the file that is held.
func (w *Writer) hashOn(ctx context.Context, s *remote.Session) bool {
	if w.begun && w.held == nil || w.to.Append || w.to.From > 0 {
		return false
	}
	theirs, ok, err := remote.Hash(ctx, s, w.to.Path)
	if err != nil || !ok {
		return false
	}
	ours := theirs.New()
	ours.Write(w.held)
	return strings.EqualFold(hex.EncodeToString(ours.Sum(nil)), theirs.Sum)
}

// sleep waits.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
