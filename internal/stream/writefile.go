package stream

import (
	"context"
	"errors"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// WriteFile writes a whole file that is in memory, again from the start as long as
// that may help.
func (f Files) WriteFile(ctx context.Context, to Target, content []byte) error {
	if len(content) <= maxHeld {
		return f.writeOnce(ctx, f.Writer(to), content)
	}
	before, marked, best := remote.Unmarked, false, int64(0)
	var lost error
	err := retry.Do(ctx, f.RetryFor, func() error {
		w := f.Writer(to)
		w.before, w.marked, w.lost = before, marked, lost
		err := f.writeOnce(ctx, w, content)
		before, marked = w.before, w.marked
		if errors.Is(err, proto.ErrNoVerdict) {
			lost = err
		}
		if err != nil && w.begun {
			err = further(&best, w.n, err)
		}
		return err
	})
	if err != nil && lost != nil && !errors.Is(err, proto.ErrNoVerdict) {
		err = errors.Join(retry.Bare(lost), err)
	}
	return err
}

// writeOnce writes a file with a Writer and ends it.
func (f Files) writeOnce(ctx context.Context, w *Writer, content []byte) error {
	var err error
	if len(content) > 0 {
		_, err = w.Write(ctx, content)
	}
	if cerr := w.Close(ctx); err == nil {
		err = cerr
	}
	return err
}
