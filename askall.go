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
	total int             // bytes of the replies
}

// next returns the final reply to the oldest command that waits for one.
func (q *asking) next(ctx context.Context, limit time.Duration) (Reply, error) {
	if waiting := len(q.calls) - q.got; waiting <= askedMost/2 && q.bytes <= askedBytes/2 {
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
	q.bytes -= len(q.lines[q.got])
	q.calls[q.got] = nil
	q.got++
	return Reply(r), nil
}

// send sends as many commands as may be on their way.
func (q *asking) send(ctx context.Context) error {
	from, to := len(q.calls), len(q.calls)
	for to < len(q.lines) && to-q.got < askedMost {
		n := len(q.lines[to])
		if to > q.got && q.bytes+n > askedBytes {
			break
		}
		q.bytes += n
		to++
	}
	if from == to {
		return nil
	}
	calls, err := q.l.sess.SendAll(ctx, nil, q.lines[from:to]...)
	q.calls = append(q.calls, calls...)
	return err
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
