package ftpnat

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
)

const (
	// askedMost and askedBytes bound the commands that are on their way at
	// any time. The server's buffers hold that much, so that it is never
	// kept from its answers by what we write.
	askedMost  = 512
	askedBytes = 16 << 10
	// narrowBytes is the same where more was not kept apart: ProFTPD 1.3.8 joins
	// two commands where one of its reads, of 4,102 bytes at most, ends between
	// CR and LF.
	narrowBytes = 4 << 10
	// segmentBytes is how much of that is written at a time: what fits in any
	// segment, as some firewalls want each to end with a line (FireWall-1's
	// FTP_ENFORCE_NL), and in the buffer of a box that has a kilobyte for one.
	segmentBytes = 1000
	// answerBytes bounds what all replies of one askAll may hold.
	answerBytes = 16 << 20
)

// errMisaligned says that a reply was not the one to its command. Nothing that
// came on that connection can be relied on.
var errMisaligned = errors.New("ftpnat: the server's replies do not match the commands")

// askAll sends commands that ask something, without waiting in between, and
// gives the final replies to take, in order. Where it returns an error the
// control connection is given up.
func (l *link) askAll(ctx context.Context, lines []string, limit time.Duration, take func(i int, r Reply) error) error {
	if err := l.clear(ctx); err != nil {
		return err
	}
	q := &asking{l: l, lines: lines}
	for i := range lines {
		r, err := q.next(ctx, limit)
		if err == nil {
			err = take(i, r)
		}
		if err != nil {
			if errors.Is(err, errMisaligned) && q.peak > narrowBytes {
				l.cfg.narrow.Store(true)
			}
			l.sess.Drop(err)
			return contextual(ctx, replied(lines[i], err))
		}
	}
	return nil
}

// asking is an askAll that is under way.
type asking struct {
	l     *link
	lines []string
	calls []*control.Call // of the lines that were sent
	got   int             // replies so far
	bytes int             // of the commands that wait for a reply
	peak  int             // the most that these were
	total int             // bytes of the replies
}

// next returns the final reply to the oldest command that waits for one.
func (q *asking) next(ctx context.Context, limit time.Duration) (Reply, error) {
	if waiting := len(q.calls) - q.got; waiting <= askedMost/2 && q.bytes <= q.l.window()/2 {
		if err := q.send(ctx); err != nil {
			return Reply{}, err
		}
	}
	r, err := q.l.sess.Next(ctx, q.calls[q.got], limit)
	if err != nil {
		return Reply{}, err
	}
	if r.Preliminary() {
		return Reply{}, fmt.Errorf("%w: %v", errMisaligned, r)
	}
	for _, line := range r.Lines {
		q.total += len(line)
	}
	if q.total > answerBytes {
		return Reply{}, errHugeList
	}
	q.bytes -= len(q.lines[q.got]) + lineEnd
	q.calls[q.got] = nil
	q.got++
	return Reply(r), nil
}

// send sends as many commands as may be on their way.
func (q *asking) send(ctx context.Context) error {
	for {
		n := q.piece()
		if n == 0 {
			return nil
		}
		from := len(q.calls)
		calls, err := q.l.sess.SendAll(ctx, nil, q.lines[from:from+n]...)
		if err != nil {
			return err
		}
		q.calls = append(q.calls, calls...)
	}
}

// piece takes what may be sent into account, and returns how many commands that
// are: no more than fit in a segment, unless one alone does not.
func (q *asking) piece() (n int) {
	size := 0
	for i := len(q.calls); i < len(q.lines) && i-q.got < askedMost; i++ {
		length := len(q.lines[i]) + lineEnd
		if i > q.got && q.bytes+length > q.l.window() || n > 0 && size+length > segmentBytes {
			break
		}
		q.bytes += length
		size += length
		n++
	}
	q.peak = max(q.peak, q.bytes)
	return n
}

// lineEnd is the length of CR and LF.
const lineEnd = 2

// window returns how many bytes of commands may wait for a reply.
func (l *link) window() int {
	if l.cfg.narrow.Load() {
		return narrowBytes
	}
	return askedBytes
}

// marks are commands whose replies cannot be foretold. Names of files stand in
// some replies as they are, line breaks too, and could pass for the end of a
// reply and for others after it: whoever may name files on the server could
// make up what it says of other directories. The answer to REST repeats its
// number, which nobody knew when the file was named.
type marks struct{ number uint32 }

func newMarks() (*marks, error) {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	// Nine digits: servers take no more for the size of a file.
	return &marks{100_000_000 + binary.BigEndian.Uint32(b[:])%800_000_000}, nil
}

// line returns the ith mark.
func (m *marks) line(i int) string { return fmt.Sprintf("REST %d", int(m.number)+i) }

// unmark takes the last mark back: the next transfer begins at the beginning.
const unmark = "REST 0"

// check reports whether r answers the ith mark.
func (m *marks) check(i int, r Reply) error {
	if r.Code != 350 || !strings.Contains(r.Text(), fmt.Sprint(int(m.number)+i)) {
		return fmt.Errorf("%w: %v", errMisaligned, r)
	}
	return nil
}

// checkEnd reports whether r answers unmark.
func (m *marks) checkEnd(r Reply) error {
	if r.Code != 350 {
		return fmt.Errorf("%w: %v", errMisaligned, r)
	}
	return nil
}
