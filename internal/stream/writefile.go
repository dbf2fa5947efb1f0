package stream

import (
	"context"
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
