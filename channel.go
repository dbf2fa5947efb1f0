package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
)

// channel is a data connection over which one transfer runs, together with
// the replies to its command. It is for one goroutine at a time.
type channel struct {
	l        *link
	req      request
	call     *control.Call
	raw      net.Conn        // the socket
	nc       net.Conn        // the socket, or TLS over it
	tail     *tailConn       // between the two; nil in clear text
	release  func()          // gives the NAT's mapping back; nil without one
	prelim   Reply           // the 150; zero until it came
	verdict  *Reply          // the closing reply; nil until it came
	after    []*control.Call // commands that were sent with it, for after the transfer
	behind   bool            // there are such, ours or the link's
	patience time.Duration   // for the first reply
	resumed  bool            // the TLS session of the control connection was resumed
	strays   int

	abandoned bool          // by us
	hurried   bool          // the command did not wait for the reply to PORT or EPRT
	question  *control.Call // a NOOP behind the transfer: see askQueue
	done      bool          // how it ended was taken in

	head   []byte          // read already
	block  *[headSize]byte // of heads, where head is
	err    error           // what Read returns after head: a kernel tells of a reset once
	eof    bool            // the server has closed its end
	closed bool            // we have closed ours
	byHand bool            // the kernel does not move the bytes itself
	n      int64           // bytes handed on or taken

	mu    sync.Mutex
	limit time.Time // set by the caller; zero for none
}

// stall is how long a data connection may stand still before it is taken for
// dead. A server that computes a long listing, or fetches a file from a tape,
// is silent for a while and right.
const stall = 2 * time.Minute

// headSize is how much is read to see that a download has begun.
const headSize = 16 << 10

var heads = sync.Pool{New: func() any { return new([headSize]byte) }}

func (ch *channel) bind(nc net.Conn) { ch.raw, ch.nc = nc, nc }

// begin secures the data connection and, for a download, waits until the
// first bytes are there: only then is it known that the server found the
// connection as good as we did.
func (ch *channel) begin(ctx context.Context) error {
	if ch.l.data != nil {
		if err := ch.secure(ctx); err != nil {
			return err
		}
	}
	switch {
	case ch.eof:
		return nil // the server has sent nothing, and that at once
	case !ch.req.upload():
		return ch.peek(ctx)
	case ch.prelim.Code == 0 && !ch.early():
		return ch.l.firstReply(ctx, ch, ch.patience)
	}
	return nil
}

// early reports whether data may be sent before the server has said 150.
func (ch *channel) early() bool { return ch.req.early && ch.prelim.Code == 0 }

// peek reads the first bytes of a download, or its end.
func (ch *channel) peek(ctx context.Context) error {
	type result struct {
		n   int
		err error
	}
	ch.block = heads.Get().(*[headSize]byte)
	buf := ch.block[:]
	read := make(chan result, 1)
	ch.nc.SetReadDeadline(time.Now().Add(stall))
	go func() { // ends with the deadline, or with closeData
		n, err := ch.nc.Read(buf)
		read <- result{n, err}
	}()
	var got result
	for waiting := true; waiting; {
		select {
		case got = <-read:
			waiting = false
		case r := <-ch.repliesUntilVerdict():
			if err := ch.saw(ctx, r); err != nil {
				ch.closeData()
				<-read
				return err
			}
			if ch.verdict != nil && ch.verdict.Code >= 400 {
				// The server gave up. Where bytes came all the same the
				// way is good, and the transfer is what failed.
				ch.nc.SetReadDeadline(time.Now().Add(50*time.Millisecond + ch.l.roundTrip()))
			}
		case <-ctx.Done():
			ch.closeData()
			<-read
			return ctx.Err()
		}
	}
	ch.head = buf[:got.n]
	if got.n > 0 {
		switch {
		case got.err == io.EOF || got.err != nil && cutShort(got.err):
			ch.eof = true
		case got.err != nil:
			ch.err = got.err
		}
		return nil
	}
	if ch.verdict != nil && ch.verdict.Code >= 400 {
		return ch.l.refusal(ctx, ch, *ch.verdict)
	}
	return ch.emptyStart(ctx, got.err)
}

// repliesUntilVerdict is the channel on which the closing reply comes; nil,
// which never delivers, once it has.
func (ch *channel) repliesUntilVerdict() <-chan control.Reply {
	if ch.verdict != nil {
		return nil
	}
	return ch.call.Replies()
}

// saw takes in a reply. An error says that there is no transfer.
func (ch *channel) saw(ctx context.Context, r control.Reply) error {
	ch.l.sess.Saw(r)
	switch {
	case ch.prelim.Code == 0:
		return ch.l.judgeFirst(ctx, ch, Reply(r))
	case !r.Preliminary():
		ch.verdict = (*Reply)(&r)
	}
	return nil
}

// emptyStart decides about a data connection that ended, with err, before its
// first byte: an empty file, or a server that could not use the connection.
func (ch *channel) emptyStart(ctx context.Context, err error) error {
	if isTimeout(err) {
		return &fault{cause: ControlSilent, err: ErrStalled}
	}
	ch.eof = true
	ch.closeData() // some servers say 226 only when we have closed
	r, verr := ch.closing(ctx, ch.l.verdictLimit())
	if verr != nil {
		return ch.l.lost(verr)
	}
	if r.Code >= 400 {
		return ch.l.refusal(ctx, ch, r)
	}
	if err != io.EOF && !cutShort(err) {
		return &fault{cause: DialFailed, reply: r, err: err}
	}
	return nil
}

// cutShort reports whether a TLS peer ended in the middle of a record. Whether
// all bytes are there is told by the closing reply.
func cutShort(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

// tailConn notes the end of a connection, which crypto/tls takes for that of
// TLS as long as no record is cut.
type tailConn struct {
	net.Conn
	bytes int64 // that came
	ended bool
}

// Read reads.
func (c *tailConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes += int64(n)
	c.ended = err == io.EOF
	return n, err
}

// unsigned reports whether a TLS peer ended without a close_notify. Many FTP
// servers do, and so can anybody on the way.
func (ch *channel) unsigned() bool { return ch.tail != nil && ch.tail.ended }

// discard throws the channel of a failed attempt away.
func (ch *channel) discard() {
	if ch.nc != nil {
		ch.closeData()
	}
}

// setDeadline limits reads and writes, those under way too.
func (ch *channel) setDeadline(t time.Time) error {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.limit = t
	if t.IsZero() {
		t = time.Now().Add(stall)
	}
	return ch.nc.SetDeadline(t)
}

// wind gives the data connection the time that it may stand still.
func (ch *channel) wind() { ch.windFor(stall) }

func (ch *channel) windFor(d time.Duration) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	t := time.Now().Add(d)
	if !ch.limit.IsZero() && ch.limit.Before(t) {
		t = ch.limit
	}
	ch.nc.SetDeadline(t)
}

// overdue reports whether the caller's limit has passed.
func (ch *channel) overdue() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return !ch.limit.IsZero() && !time.Now().Before(ch.limit)
}

// stalled turns the end of that time into an error that says so.
func (ch *channel) stalled(err error) error {
	if !isTimeout(err) || ch.overdue() {
		return err
	}
	return fmt.Errorf("%w for %v", ErrStalled, stall)
}

// Read reads what the server sends. io.EOF says only that the server closed
// the connection: the verdict is finish's.
func (ch *channel) Read(p []byte) (int, error) {
	if len(ch.head) > 0 {
		n := copy(p, ch.head)
		if ch.head = ch.head[n:]; len(ch.head) == 0 {
			heads.Put(ch.block)
			ch.head, ch.block = nil, nil
		}
		ch.n += int64(n)
		return n, nil
	}
	if ch.eof {
		return 0, io.EOF
	}
	if ch.err != nil {
		return 0, ch.err
	}
	if ch.closed {
		return 0, ErrClosed
	}
	ch.wind()
	n, err := ch.nc.Read(p)
	ch.n += int64(n)
	switch {
	case err == nil:
	case err == io.EOF || cutShort(err):
		ch.eof, err = true, io.EOF
		if n > 0 {
			err = nil
		}
	case isTimeout(err):
		if err = ch.stalled(err); errors.Is(err, ErrStalled) {
			ch.err = err
		}
	default:
		ch.err = err
	}
	return n, err
}

// Write sends to the server.
func (ch *channel) Write(p []byte) (int, error) {
	if ch.closed {
		return 0, ErrClosed
	}
	written := 0
	for written < len(p) {
		// In pieces, so that the limit is on standing still and not on size.
		piece := p[written:min(len(p), written+1<<20)]
		ch.wind()
		n, err := ch.nc.Write(piece)
		written += n
		ch.n += int64(n)
		if err != nil {
			return written, ch.stalled(err)
		}
	}
	return written, nil
}

// guard ends reads and writes when ctx ends, an upload with a reset: what the
// server has of it must not look complete.
func (ch *channel) guard(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if ch.req.upload() {
			cutOff(ch.raw)
		}
		ch.raw.Close()
	})
}
