package stream

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// restMost is how much of a file that came whole is kept for its reader, in bytes,
// so that others can have the connection at once. Many files may be open.
const restMost = 4 << 10

// endSlack is how long the end of the data of such a file may take beyond two round
// trips: more than likely it is there.
const endSlack = 50 * time.Millisecond

// takeRest takes what has come of a file and was not read yet, if that is the rest of
// it and not much. Whoever wants the connection ends the transfer.
func (r *Reader) takeRest() bool {
	n := r.run.t.Buffered()
	if n > restMost || r.pos+int64(n) != r.src.Size.Load() {
		return false
	}
	r.rest = r.run.t.TakeBuffered()
	r.pos += int64(n)
	run := r.run
	run.yield = func(ctx context.Context) bool {
		run.finish(ctx)
		run.retire()
		return true
	}
	return true
}

// finish ends the transfer of a file that has come whole. If its data do not end there
// the transfer is given up: it can go on from there.
func (r *run) finish(ctx context.Context) {
	var beyond [1]byte
	_ = r.t.SetDeadline(time.Now().Add(endSlack + 2*r.s.RTT()))
	if n, err := r.t.Read(beyond[:]); n > 0 || err != io.EOF {
		r.t.Abandon(ctx)
		return
	}
	r.part, r.over = r.t.Part(), true
	r.verdict = r.t.End(ctx, io.EOF)
	if ctx.Err() != nil {
		// The context is another's.
		r.verdict = fmt.Errorf("%w: %w", proto.ErrNoVerdict, ctx.Err())
	}
}

// retire lets go of a transfer that has ended for others: its owner may not come back
// for long.
func (r *run) retire() {
	r.forget()
	r.t.Discard()
	r.t, r.s = nil, remote.Session{}
}

// restAt reports whether what was kept begins at an offset, or before it.
func (r *Reader) restAt(off int64) bool {
	return len(r.rest) > 0 && off < r.pos && off >= r.pos-int64(len(r.rest))
}

// fromRest reads from what was kept.
func (r *Reader) fromRest(p []byte, off int64) int {
	if !r.restAt(off) {
		return 0
	}
	r.past.begin(off, !r.was.sure())
	rest := r.rest[int64(len(r.rest))-(r.pos-off):]
	n := copy(p, rest)
	if r.rest = rest[n:]; len(r.rest) == 0 {
		r.rest = nil
	}
	r.past.took(p[:n])
	return n
}
