package stream

import (
	"fmt"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// confirmed decides about a download whose closing reply never came, by the size
// that the server tells on a fresh connection: lost is why there is no reply.
func confirmed(got transfer.Part, now int64, lost error) error {
	switch {
	case now == got.To && (got.Size < 0 || now == got.Size):
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
