package stream

import (
	"fmt"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// received is what a download has brought when its data has ended.
type received struct {
	from, to int64 // the part of the file that the transfer was, by the bytes that came
	size     int64 // of the file, as it is believed; -1 if nothing is known
	unsigned bool  // a TLS peer has not said that this was all
}

// whole decides whether a download that the server calls complete has brought
// the file to its end: nil if so, ErrShort, or ErrChanged. sizeNow asks the server
// for the size of the file.
func (got received) whole(sizeNow func() (int64, error)) error {
	if got.size == got.to || got.size < 0 && !got.unsigned {
		return nil
	}
	now, err := sizeNow()
	switch {
	case err != nil:
		return err
	case now == got.to && (got.from == 0 || got.size < 0), now < 0 && got.size < 0:
		// It has changed since the size was told and before the first byte,
		// or what was told was old: what came is whole.
		return nil
	case got.size >= 0 && (now >= 0 && now != got.size || got.to > got.size):
		return fmt.Errorf("%w: %d bytes came, and there were %d", proto.ErrChanged, got.to, got.size)
	}
	return proto.ErrShort
}

// confirmed decides about a download whose closing reply never came, by the size
// that the server tells on a fresh connection: lost is why there is no reply.
func (got received) confirmed(now int64, lost error) error {
	switch {
	case now == got.to && (got.size < 0 || now == got.size):
		return nil
	case now < 0:
		return &proto.FSError{Kind: proto.ErrNoVerdict, Err: lost}
	}
	return lost // the rest is asked for, if the file is the same
}

// whole decides whether a file is whole that was written: have is its size by
// the server, -1 if that does not tell. If lost is not nil the server's closing
// reply did not come, for that reason, and the size alone decides.
func (w *Writer) whole(have int64, lost error) error {
	switch {
	case have >= 0 && w.base >= 0 && have == w.Size():
		return nil
	case have < 0 || w.base < 0 || lost != nil:
		return lost
	}
	return w.mismatch(have)
}

func (w *Writer) mismatch(have int64) error {
	return fmt.Errorf("%w: it has %d bytes, and %d were sent", proto.ErrMismatch, have, w.Size())
}
