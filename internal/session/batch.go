package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/proto"
)

const (
	// batchMost and batchBytes bound the commands that are on their way at
	// any time. The server's buffers hold that much, so that it is never
	// kept from its answers by what we write.
	batchMost  = 512
	batchBytes = 16 << 10
	// narrowBytes replaces batchBytes for servers that did not keep so many
	// apart: ProFTPD 1.3.8 joins two commands if one of its reads, of 4,102
	// bytes at most, ends between CR and LF.
	narrowBytes = 4 << 10
	// segmentBytes is how much of that is written at a time: what fits in any
	// segment, because some firewalls want each to end with a line
	// (FireWall-1's FTP_ENFORCE_NL), and in the buffer of a box that has a
	// kilobyte for one.
	segmentBytes = 1000
	// answerBytes bounds what all replies to one batch may hold.
	answerBytes = 16 << 20
)

var (
	// ErrMisaligned says that a reply was not the one to its command. Nothing
	// that came on that connection can be relied on.
	ErrMisaligned = errors.New("ftpnat: the server's replies do not match the commands")
	// ErrTooLong says that replies are longer than what is held in memory.
	ErrTooLong = errors.New("the listing is longer than what is held in memory")
)

// Batch sends commands that ask something, without waiting in between, and calls
// take with the final replies, in order. Each reply must come within limit. If
// Batch returns an error the control connection was given up.
func (c *Conn) Batch(ctx context.Context, lines []string, limit time.Duration, take func(i int, r proto.Reply) error) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	b := &batch{c: c, lines: lines}
	for i := range lines {
		r, err := b.next(ctx, limit)
		if err == nil {
			err = take(i, r)
		}
		if err != nil {
			if errors.Is(err, ErrMisaligned) && b.peak > narrowBytes {
				c.cfg.Shared.narrow.Store(true)
			}
			c.control.Drop(ctx, err)
			return proto.ContextError(ctx, err)
		}
	}
	return nil
}

// batch is a Batch in progress.
type batch struct {
	c     *Conn
	lines []string
	calls []*control.Call // of the lines that were sent
	got   int             // replies so far
	bytes int             // of the commands that wait for a reply
	peak  int             // the most that these were
	total int             // bytes of the replies
}

// next returns the final reply to the oldest command that waits for one.
func (b *batch) next(ctx context.Context, limit time.Duration) (proto.Reply, error) {
	if waiting := len(b.calls) - b.got; waiting == 0 || waiting <= batchMost/2 && b.bytes <= b.window()/2 {
		if err := b.send(ctx); err != nil {
			return proto.Reply{}, err
		}
	}
	r, err := b.c.control.Next(ctx, b.calls[b.got], limit)
	if err != nil {
		return proto.Reply{}, err
	}
	if r.Preliminary() {
		return proto.Reply{}, fmt.Errorf("%w: %v", ErrMisaligned, r)
	}
	for _, line := range r.Lines {
		b.total += len(line)
	}
	if b.total > answerBytes {
		return proto.Reply{}, ErrTooLong
	}
	b.bytes -= len(b.lines[b.got]) + lineEnd
	b.calls[b.got] = nil
	b.got++
	return r, nil
}

// send sends as many commands as may be on their way.
func (b *batch) send(ctx context.Context) error {
	for {
		n := b.piece()
		if n == 0 {
			return nil
		}
		from := len(b.calls)
		calls, err := b.c.control.SendAll(ctx, nil, b.lines[from:from+n]...)
		if err != nil {
			return err
		}
		b.calls = append(b.calls, calls...)
	}
}

// piece returns how many commands may be sent now, and counts them as sent: no
// more than fit in a segment, unless one alone does not.
func (b *batch) piece() (n int) {
	size := 0
	most := batchMost
	if b.c.cfg.OneByOne {
		most = 1
	}
	for i := len(b.calls); i < len(b.lines) && i-b.got < most; i++ {
		length := len(b.lines[i]) + lineEnd
		if i > b.got && b.bytes+length > b.window() || n > 0 && size+length > segmentBytes {
			break
		}
		b.bytes += length
		size += length
		n++
	}
	b.peak = max(b.peak, b.bytes)
	return n
}

// lineEnd is the length of CR and LF.
const lineEnd = 2

// window returns how many bytes of commands may wait for a reply.
func (b *batch) window() int {
	if b.c.cfg.Shared.narrow.Load() {
		return narrowBytes
	}
	return batchBytes
}
