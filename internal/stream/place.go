package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// placing gives a file that was written under a temporary name its own one. What
// has that is replaced: if the server does not rename over a file, it is moved
// away first, and removed afterwards or put back.
type placing struct {
	files Files
	temp  string // in the pool's directory, as to
	to    string
	size  int64

	old string // where the file that is replaced was moved to; empty if it was not
}

// tempName returns a temporary name for a file in the same directory. It begins
// with a dot, which hides it from most listings, if the server takes such names.
func (f Files) tempName(name, what string) string {
	return remote.TempName(name, what, f.Server.Knows(remote.DotNames) != proto.No)
}

// otherName returns a temporary name to be used instead of one that was refused
// with an error; empty if the dot is not to blame.
func (f Files) otherName(name string, err error) string {
	switch code := proto.ReplyOf(err).Code; {
	case code/100 != 5, errors.Is(err, fs.ErrNotExist), errors.Is(err, proto.ErrNotDir):
		return ""
	case code != 501 && code != 550 && code != 551 && code != 553:
		return ""
	case f.Server.Knows(remote.DotNames) != proto.Unknown:
		return ""
	}
	return remote.TempName(name, "part", false)
}

// took records that the server has a temporary file, under one name or the other.
func (f Files) took(temp string) {
	if f.Server.Knows(remote.DotNames) == proto.Unknown {
		_, base := remote.Split(temp)
		f.Server.Learn(remote.DotNames, base[0] == '.')
	}
}

// put gives the file its name.
func (p *placing) put(ctx context.Context) error {
	renaming := remote.Renaming{From: p.temp, To: p.to, Size: p.size, Taken: p.replace}
	return retry.Do(ctx, p.files.RetryFor, func() error {
		return p.files.With(ctx, func(s *remote.Session) error {
			defer s.Server.Changed()
			err := renaming.Do(ctx, s)
			if err == nil {
				p.tidy(ctx, s)
			}
			return err
		})
	})
}

// replace is for servers that do not rename over a file.
func (p *placing) replace(ctx context.Context, s *remote.Session) error {
	p.old = p.files.tempName(p.to, "old")
	if err := remote.Rename(ctx, s, p.to, p.old); err != nil {
		if proto.RefusedAt(err) {
			p.old = ""
		}
		return fmt.Errorf("the server does not rename over a file, and the one there cannot be moved: %w", err)
	}
	err := remote.Rename(ctx, s, p.temp, p.to)
	if !proto.RefusedAt(err) {
		return err
	}
	if back := remote.Rename(ctx, s, p.old, p.to); back != nil {
		return errors.Join(err, back)
	}
	p.old = ""
	return err
}

// putBack gives the file that was to be replaced its name again, if a break came
// between: the new one may be in its place all the same.
func (p *placing) putBack(ctx context.Context, s *remote.Session) {
	if p.old == "" {
		return
	}
	there, err := remote.Exists(ctx, s, p.to)
	if err == nil && !there {
		err = remote.Rename(ctx, s, p.old, p.to)
	}
	if err != nil {
		trace.From(ctx).Notef("the file that was to be replaced may be found as %s: %v", p.old, err)
	}
}

// tidy removes the file that was replaced.
func (p *placing) tidy(ctx context.Context, s *remote.Session) {
	p.temp = ""
	if p.old == "" {
		return
	}
	if err := remote.Delete(ctx, s, p.old); err != nil {
		trace.From(ctx).Notef("the file that was replaced may still be there as %s: %v", p.old, err)
	}
	p.old = ""
}

// The limits of tidying up behind a file that was given up.
const (
	// cleanFor is how long it may take when the caller's context has ended.
	cleanFor = 5 * time.Second
	// lateSTOR is how long a session that was given up may take to read a command
	// that was on its way to it. What that makes is removed too.
	lateSTOR = 300 * time.Millisecond
)

// clean removes temporary files, after it has seen to the one that was to be
// replaced. broken says that sessions were given up that may make them again.
func (p *placing) clean(ctx context.Context, temps []string, broken bool) {
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanFor)
	defer cancel()
	defer p.files.Server.Changed()
	err := p.files.With(cctx, func(s *remote.Session) error {
		p.putBack(cctx, s)
		return nil
	})
	if err == nil {
		err = p.files.removeAll(cctx, temps, broken)
	}
	if err != nil {
		trace.From(ctx).Notef("the temporary file %s could not be removed: %v", temps[len(temps)-1], err)
	}
}

// removeAll removes files. If sessions that had them were given up it does so
// again after some round trips, as long as there are any.
func (f Files) removeAll(ctx context.Context, names []string, broken bool) error {
	for round := 0; ; round++ {
		var removed int
		var rtt time.Duration
		var stays error
		err := f.With(ctx, func(s *remote.Session) (err error) {
			rtt = s.RTT()
			removed, stays, err = removeEach(ctx, s, names)
			return err
		})
		switch {
		case err != nil:
			return err
		case !broken, round > 0 && removed == 0, round == 2:
			return stays
		}
		if err := sleep(ctx, lateSTOR+4*rtt); err != nil {
			return err
		}
	}
}

// removeEach removes files and returns how many there were, and why one stays.
func removeEach(ctx context.Context, s *remote.Session, names []string) (removed int, stays, err error) {
	for _, name := range names {
		err := remote.Delete(ctx, s, name)
		switch {
		case err == nil:
			removed++
			continue
		case !proto.RefusedAt(err):
			return removed, stays, err
		}
		now, merr := remote.MarkOf(ctx, s, name, false)
		if merr != nil {
			return removed, stays, merr
		}
		if now.Size >= 0 {
			stays = err
		}
	}
	return removed, stays, nil
}

// Atomic returns a Writer of a file that gets its name when it is closed and whole:
// until then it has a temporary one in the same directory.
func (f Files) Atomic(to Target) *Writer {
	p := &placing{files: f, to: to.Path}
	to.Path, to.Ours, to.Final = f.tempName(p.to, "part"), true, p.to
	w := f.Writer(to)
	w.place = p
	return w
}

// clean removes what is left under names that are not the file's in the end.
func (w *Writer) clean(ctx context.Context) {
	temps, broken := w.temps, w.late
	if w.err == nil {
		temps = temps[:len(temps)-1]
	} else {
		broken = broken || !proto.RefusedAt(w.err)
	}
	if w.touched && len(temps) > 0 {
		w.place.clean(ctx, temps, broken)
	}
}

// Abort gives a file up. What was written is removed, and what was there before
// stays if the server has left it: if no more than can be held back was written, or
// if it puts files in place at their end. What was appended stays.
func (w *Writer) Abort(ctx context.Context) error {
	w.stop(ctx)
	if w.err == nil {
		w.err = errAborted
	}
	w.held = nil
	switch {
	case !w.touched:
		return nil
	case w.place != nil:
		w.clean(ctx)
		return nil
	case w.to.Append:
		return proto.Unable("what was appended stays")
	}
	cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanFor)
	defer cancel()
	defer w.files.Server.Changed()
	return w.undo(cctx)
}

// undo removes what was written, if it is not what was there before.
func (w *Writer) undo(ctx context.Context) error {
	var old bool
	err := w.files.With(ctx, func(s *remote.Session) error {
		now, err := remote.MarkOf(ctx, s, w.to.Path, true)
		old = w.before.Size >= 0 && now.Size >= 0 && !now.Since(w.before)
		return err
	})
	if err != nil || old {
		return err
	}
	return w.files.removeAll(ctx, []string{w.to.Path}, true)
}
