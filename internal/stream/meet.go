package stream

import (
	"context"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// meet checks that the file is the one that was read before.
func (r *Reader) meet(ctx context.Context, s *remote.Session) error {
	switch r.known {
	case unmet:
		return r.mark(ctx, s)
	case marked:
		return nil
	}
	now, err := r.look(ctx, s)
	if err != nil {
		return err
	}
	return r.was.check(now)
}

// timedFrom is from what size on a file, in bytes, is asked for its time if the
// listing told that to the minute or the day: a transfer that breaks goes on
// then only in the very file that it began in.
const timedFrom = 64 << 10

// mark notes what the file is before any of it is read.
func (r *Reader) mark(ctx context.Context, s *remote.Session) error {
	e := r.src.Entry
	r.asked = r.src.Asked
	switch {
	case r.asked && e.Precision == listing.PrecisionNone:
		if err := remote.ModTime(ctx, s, r.src.Path, &e); err != nil {
			return err
		}
	case !r.asked && e.Size >= timedFrom && !identityOf(e).sure():
		if err := remote.ModTime(ctx, s.ForTransfer(), r.src.Path, &e); err != nil {
			return err
		}
		r.asked = identityOf(e).sure()
	}
	r.was, r.known = identityOf(e), marked
	return nil
}

// look describes the file by the questions that was has the answers to.
func (r *Reader) look(ctx context.Context, s *remote.Session) (identity, error) {
	if !r.asked {
		// Of a short file the listing of now is all there is to tell it by.
		recent := !r.broken && r.was.size >= timedFrom
		e, err := remote.Stat(ctx, s, r.src.Path, recent)
		return identityOf(e), err
	}
	e, told, err := remote.Told(ctx, s, r.src.Path)
	if err == nil && !told {
		e, err = remote.Stat(ctx, s, r.src.Path, false)
		return identityOf(e), err
	}
	e.Type = r.was.kind
	return identityOf(e), err
}
