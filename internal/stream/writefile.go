package stream

import (
	"context"
	"errors"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// WriteFile writes a whole file that is in memory, again from the start as long as
// that may help.
func (f Files) WriteFile(ctx context.Context, to Target, content []byte) error {
	if len(content) <= maxHeld {
		return f.writeOnce(ctx, f.Writer(to), content)
	}
	w := f.Writer(to)
	return w.again(ctx, func() error {
		_, err := w.Write(ctx, content)
		return err
	})
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
		if err != nil && w.begun {
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
