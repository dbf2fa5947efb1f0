package ftpnat

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
)

// Conn is one control connection to a server, logged in. It does one thing at
// a time: a call during another one, or while a transfer is open, returns
// [ErrBusy].
//
// The connection behind it may be replaced: by a negotiation that cost it, or
// because it was found dead. The session's state (login, working directory,
// options) is then restored.
type Conn struct {
	l *link

	mu     sync.Mutex
	op     *operation // under way; nil when the Conn is free
	closed bool
}

// operation is one use of a Conn: a call, or a transfer until its end.
type operation struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	down   *download // nil for calls
}

// dial opens a session and logs in. A server that says "later" is asked later:
// one that allows a connection per address still counts the one that was closed
// a moment ago.
func dial(ctx context.Context, cfg *config) (*Conn, error) {
	pace := cfg.pace()
	for {
		l, err := connect(ctx, cfg, "")
		if err == nil {
			return &Conn{l: l}, nil
		}
		if replyOf(err).Code != 421 || !pause(ctx, pace) {
			return nil, contextual(ctx, err)
		}
	}
}

// acquire takes the connection for one operation.
func (c *Conn) acquire(ctx context.Context) (*operation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, ErrClosed
	case c.op != nil:
		return nil, ErrBusy
	}
	op := &operation{done: make(chan struct{})}
	op.ctx, op.cancel = context.WithCancelCause(ctx)
	c.op = op
	c.l.begin(ctx)
	return op, nil
}

// release makes the connection free again.
func (c *Conn) release(op *operation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.op = nil
	op.cancel(nil)
	close(op.done)
}

// result returns err, or why the operation was ended before it.
func (op *operation) result(err error) error {
	if err != nil && context.Cause(op.ctx) == ErrClosed {
		return ErrClosed
	}
	return err
}

// Do sends one command, its arguments joined by spaces, and returns the final
// reply to it. A reply whose code is not want is a [*ReplyError]; a want of
// one or two digits is met by codes that begin with it, and zero by all.
// Commands that need a data connection are not for Do.
func (c *Conn) Do(ctx context.Context, want int, cmd string, args ...string) (Reply, error) {
	op, err := c.acquire(ctx)
	if err != nil {
		return Reply{}, err
	}
	defer c.release(op)
	line := strings.Join(append([]string{cmd}, args...), " ")
	switch v := control.Verb(line); v {
	case "RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD", "EPSV", "PASV", "PORT", "EPRT", "REST", "AUTH", "CCC", "QUIT":
		return Reply{}, fmt.Errorf("ftpnat: %s is not a command for Do: it is part of a transfer or of the session", v)
	}
	r, err := c.l.want(op.ctx, want, line)
	return r, op.result(err)
}

// Retrieve returns the content of a file from the byte offset on. The reader
// returns io.EOF only when the server has said that all was sent; it holds the
// Conn until it is closed. The context governs the reads too.
func (c *Conn) Retrieve(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, fmt.Errorf("ftpnat: retrieve %s: the offset %d is negative", path, offset)
	}
	d, err := c.download(ctx, request{line: "RETR " + path, offset: offset})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// download opens a transfer toward us.
func (c *Conn) download(ctx context.Context, req request) (*download, error) {
	op, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	ch, err := c.l.transfer(op.ctx, req)
	if err != nil {
		c.release(op)
		return nil, op.result(err)
	}
	d := &download{c: c, op: op, ch: ch}
	c.mu.Lock()
	op.down = d
	closed := c.closed
	c.mu.Unlock()
	if closed {
		// Close was called just now, and waits.
		d.Close()
		return nil, ErrClosed
	}
	return d, nil
}

// download is the reader of a transfer.
type download struct {
	c  *Conn
	op *operation

	mu  sync.Mutex
	ch  *channel
	err error // what Read returns from now on
}

// Read reads.
func (d *download) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return 0, d.err
	}
	stop := d.ch.guard(d.op.ctx)
	n, err := d.ch.Read(p)
	stop()
	if err != nil {
		d.err = d.op.result(d.end(err))
		err = d.err
		d.c.release(d.op)
	}
	return n, err
}

// WriteTo hands the rest of the file to w; the kernel moves the bytes where w
// is a file. The error is nil at the end that Read calls io.EOF.
func (d *download) WriteTo(w io.Writer) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return 0, eofIsNil(d.err)
	}
	stop := d.ch.guard(d.op.ctx)
	n, err, werr := d.ch.writeTo(w)
	stop()
	if werr != nil {
		// The rest is lost to the caller, and of no use to read.
		d.err = werr
		d.ch.abandon(d.op.ctx)
	} else {
		d.err = d.op.result(d.end(err))
	}
	d.c.release(d.op)
	return n, eofIsNil(d.err)
}

func eofIsNil(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// end settles the transfer: err is why no more was read.
func (d *download) end(err error) error {
	ctx := d.op.ctx
	if ctx.Err() != nil {
		d.ch.closeData()
		d.c.l.sess.Drop(ctx.Err())
		return ctx.Err()
	}
	r, verr := d.ch.finish(ctx)
	switch {
	case verr != nil && err != io.EOF:
		return err
	case verr != nil:
		return verr
	case !r.completed():
		return replyError(d.ch.req.line, r)
	case err == io.EOF && d.ch.unsigned():
		return d.count(ctx)
	}
	return err
}

// count compares what came with the size of the file where TLS ended without
// a close_notify. It returns io.EOF when nothing is known to be missing.
func (d *download) count(ctx context.Context) error {
	name, ok := strings.CutPrefix(d.ch.req.line, "RETR ")
	if !ok {
		return io.EOF
	}
	size, err := d.c.l.size(ctx, name)
	switch got := d.ch.req.offset + d.ch.n; {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNoVerdict, err)
	case got < size:
		return fmt.Errorf("%w: %d of %d", ErrShort, got, size)
	}
	return io.EOF
}

// size asks for the size of a file; -1 where the server does not tell.
func (l *link) size(ctx context.Context, name string) (int64, error) {
	r, err := l.do(ctx, "SIZE "+name)
	if err != nil {
		return 0, err
	}
	n, perr := strconv.ParseInt(strings.TrimSpace(r.Text()), 10, 64)
	if r.Code != 213 || perr != nil {
		return -1, nil
	}
	return n, nil
}

// Close ends the transfer. Closing before the end of the data is not an error.
func (d *download) Close() error {
	if !d.mu.TryLock() {
		// A Read is under way in another goroutine.
		d.op.cancel(ErrClosed)
		d.mu.Lock()
	}
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = ErrClosed
		d.ch.abandon(d.op.ctx)
		d.c.release(d.op)
	}
	return nil
}

// Store stores what r gives as a file, in place of what the file had, and
// returns the number of bytes. An error means that the file on the server is
// not to be relied on. The Conn must not be used by r, of which the first 64 KiB
// are read before the server is asked: what is no larger is sent in one go.
func (c *Conn) Store(ctx context.Context, path string, r io.Reader) (int64, error) {
	return c.upload(ctx, request{line: "STOR " + path}, r)
}

func (c *Conn) upload(ctx context.Context, req request, r io.Reader) (int64, error) {
	op, err := c.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer c.release(op)
	held, r, err := holdBack(r)
	if err != nil {
		return 0, err
	}
	if r == nil {
		// It can be sent before the server's 150, and again.
		req.early = true
		sent, err := c.store(op.ctx, req, bytes.NewReader(held))
		if !again(err) || op.ctx.Err() != nil {
			return sent, op.result(err)
		}
		req.early = false
		r = bytes.NewReader(held)
	}
	sent, err := c.store(op.ctx, req, r)
	return sent, op.result(err)
}

// holdBack returns all that r has, if that is no more than can be held back;
// else what there is to be sent, and a file of the system as such.
func holdBack(r io.Reader) (held []byte, rest io.Reader, err error) {
	if file, ok := regular(r); ok && left(file) > holdMost {
		return nil, r, nil
	}
	held = make([]byte, holdMost+1)
	n, err := io.ReadFull(r, held)
	held = held[:n]
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return held, nil, nil
	case err != nil:
		return nil, nil, err
	}
	return nil, io.MultiReader(bytes.NewReader(held), r), nil
}

// store makes one transfer of r.
func (c *Conn) store(ctx context.Context, req request, r io.Reader) (int64, error) {
	ch, err := c.l.transfer(ctx, req)
	if err != nil {
		return 0, err
	}
	return ch.send(ctx, r)
}

// send copies r to the server and returns what became of it.
func (ch *channel) send(ctx context.Context, r io.Reader) (int64, error) {
	stop := ch.guard(ctx)
	err, rerr := ch.readFrom(r)
	stop()
	if ctx.Err() != nil {
		ch.closeData()
		ch.l.sess.Drop(ctx.Err())
		return ch.n, ctx.Err()
	}
	if rerr != nil {
		// The file must not look complete: a reset, not an end.
		cutOff(ch.raw)
		ch.abandon(ctx)
		return ch.n, rerr
	}
	reply, verr := ch.finish(ctx)
	switch {
	case verr == nil && !reply.completed():
		// Why the server stopped reading is better than that it did.
		return ch.n, replyError(ch.req.line, reply)
	case err != nil && (verr == nil || !ch.req.early):
		return ch.n, err
	}
	return ch.n, verr
}

// Report returns what is known of the path, and what the last transfer on the
// Conn met on its way. While an operation is under way it has the server's
// name alone.
func (c *Conn) Report() *Report {
	op, err := c.acquire(context.Background())
	if err != nil {
		return &Report{Server: c.l.cfg.addr}
	}
	defer c.release(op)
	return c.l.report()
}

// Close ends the session. What is under way on it is cut.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	op := c.op
	var down *download
	if op != nil {
		down = op.down
	}
	c.mu.Unlock()
	if op != nil {
		op.cancel(ErrClosed)
		if down != nil {
			down.Close()
		}
		<-op.done
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return c.l.close(ctx)
}
