package session

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// Exclusive is a session that does one thing at a time: a call during another one,
// or while a transfer is open, is ErrBusy. Its errors are in their public form.
type Exclusive struct {
	*Conn
	ctx  context.Context // has the hooks of who has dialled, which are called for Close too
	text bool            // TYPE is not that of bytes; for the operation in progress

	mu     sync.Mutex
	op     *operation // in progress; nil if the session is free
	closed bool
}

// Exclusive returns the session as one that does one thing at a time.
func (c *Conn) Exclusive(ctx context.Context) *Exclusive {
	return &Exclusive{Conn: c, ctx: context.WithoutCancel(ctx)}
}

// operation is one use of a Conn: a call, or a transfer until its end.
type operation struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	down   *Download // nil for calls
}

// acquire takes the connection for one operation.
func (c *Exclusive) acquire(ctx context.Context) (*operation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, proto.ErrClosed
	case c.op != nil:
		return nil, proto.ErrBusy
	}
	op := &operation{done: make(chan struct{})}
	op.ctx, op.cancel = context.WithCancelCause(ctx)
	c.op = op
	return op, nil
}

// release makes the connection free again.
func (c *Exclusive) release(op *operation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.op = nil
	op.cancel(nil)
	close(op.done)
}

// result returns err in its public form, or ErrClosed if a Close is why the
// operation ended.
func (op *operation) result(err error) error { return retry.Public(proto.Ended(op.ctx, err)) }

// Do sends one command, and returns the final reply to it: see [Conn.Want].
func (c *Exclusive) Do(ctx context.Context, want int, line string) (proto.Reply, error) {
	op, err := c.acquire(ctx)
	if err != nil {
		return proto.Reply{}, err
	}
	defer c.release(op)
	switch v := control.Verb(line); v {
	case "RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD", "EPSV", "PASV", "PORT", "EPRT", "REST", "AUTH", "CCC", "QUIT":
		return proto.Reply{}, fmt.Errorf("ftpnat: %s is not a command for Do: it is part of a transfer or of the session", v)
	}
	r, err := c.Conn.Want(op.ctx, want, line)
	if control.Verb(line) == "TYPE" && r.Completed() {
		c.text = !strings.HasPrefix(strings.ToUpper(line), "TYPE I") && !strings.HasPrefix(strings.ToUpper(line), "TYPE L")
	}
	return r, op.result(err)
}

// Retrieve opens a transfer of a file from an offset on.
func (c *Exclusive) Retrieve(ctx context.Context, path string, offset int64) (*Download, error) {
	if offset < 0 {
		return nil, fmt.Errorf("ftpnat: retrieve %s: the offset %d is negative", path, offset)
	}
	op, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	t, err := c.transfer.Open(op.ctx, transfer.Request{Line: "RETR " + path, Offset: offset, Known: -1, Check: "SIZE " + path})
	if err != nil {
		c.release(op)
		return nil, op.result(err)
	}
	d := &Download{c: c, op: op, t: t}
	c.mu.Lock()
	op.down = d
	closed := c.closed
	c.mu.Unlock()
	if closed {
		// Close was called just now, and waits.
		d.Close()
		return nil, proto.ErrClosed
	}
	return d, nil
}

// Download is the reader of a transfer.
type Download struct {
	c  *Exclusive
	op *operation

	mu  sync.Mutex
	t   *transfer.Transfer
	err error // what Read returns from now on
}

// Read reads from the data connection. It returns io.EOF only for a transfer
// that is complete.
func (d *Download) Read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return 0, d.err
	}
	stop := d.t.Guard(d.op.ctx)
	n, err := d.t.Read(p)
	stop()
	if err != nil {
		d.err = d.op.result(d.t.End(d.op.ctx, err))
		err = d.err
		d.c.release(d.op)
	}
	return n, err
}

// WriteTo copies the rest of the file to w; the kernel moves the bytes if w is a
// file. At the end, for which Read returns io.EOF, the error is nil.
func (d *Download) WriteTo(w io.Writer) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return 0, eofIsNil(d.err)
	}
	stop := d.t.Guard(d.op.ctx)
	n, err, werr := d.t.CopyAllTo(w)
	stop()
	if werr != nil {
		// The rest is lost to the caller, and of no use to read.
		d.err = werr
		d.t.Abandon(d.op.ctx)
	} else {
		d.err = d.op.result(d.t.End(d.op.ctx, err))
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

// Close ends the transfer. Closing before the end of the data is not an error.
func (d *Download) Close() error {
	if !d.mu.TryLock() {
		// A Read is under way in another goroutine.
		d.op.cancel(proto.ErrClosed)
		d.mu.Lock()
	}
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = proto.ErrClosed
		d.t.Abandon(d.op.ctx)
		d.c.release(d.op)
	}
	return nil
}

// Store stores what r has as a file, and returns the number of bytes.
func (c *Exclusive) Store(ctx context.Context, path string, r io.Reader) (int64, error) {
	op, err := c.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer c.release(op)
	req := transfer.Request{Line: "STOR " + path, Known: -1}
	if !c.text {
		req.Check = "SIZE " + path
	}
	held, rest, err := holdBack(r)
	if err != nil {
		return 0, err
	}
	req.Whole, req.Body = rest == nil, held
	t, err := c.transfer.Open(op.ctx, req)
	if err != nil {
		return 0, op.result(err)
	}
	if rest != nil {
		err = t.Send(op.ctx, rest)
	} else {
		err = t.End(op.ctx, nil)
	}
	if err == nil {
		err = stored(op.ctx, t)
	}
	return t.Count(), op.result(err)
}

// stored compares the size that the server tells of a file with what was sent.
func stored(ctx context.Context, t *transfer.Transfer) error {
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 0} {
		size, err := t.Size(ctx)
		switch {
		case err != nil:
			return err
		case size < 0 || size == t.Count():
			return nil
		case size > t.Count() || pause == 0:
			return fmt.Errorf("%w: it has %d bytes, and %d were sent", proto.ErrMismatch, size, t.Count())
		}
		// It may be on its way to a slow store.
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}

// holdMost is the number of bytes up to which a file is sent as a whole.
const holdMost = 64 << 10

// holdBack returns all that r has, if that is no more than can be held back, and
// otherwise what there is to be sent: a file of the system as it is.
func holdBack(r io.Reader) (held []byte, rest io.Reader, err error) {
	if file, ok := data.Regular(r); ok {
		if left := file.Left(); left < 0 || left > holdMost {
			return nil, r, nil
		}
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

// Use calls fn as an operation of its own.
func (c *Exclusive) Use(fn func()) error {
	op, err := c.acquire(context.Background())
	if err != nil {
		return err
	}
	defer c.release(op)
	fn()
	return nil
}

// Close ends the session. Operations in progress are aborted.
func (c *Exclusive) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	op := c.op
	var down *Download
	if op != nil {
		down = op.down
	}
	c.mu.Unlock()
	if op != nil {
		op.cancel(proto.ErrClosed)
		if down != nil {
			down.Close()
		}
		<-op.done
	}
	return c.Quit(c.ctx)
}
