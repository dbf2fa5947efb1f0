package ftpnat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/pool"
	"github.com/ftpnat/ftpnat/internal/session"
	"github.com/ftpnat/ftpnat/internal/shim"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// Conn is a control connection to a server that is logged in. It does one thing
// at a time: a call during another one, or while a transfer is open, returns
// [ErrBusy].
//
// The connection may be replaced, if a negotiation cost it or if it was found
// dead. The state of the session (login, working directory, options) is then
// restored.
type Conn struct {
	cfg *config
	c   *session.Conn
	ctx context.Context // has the hooks of Dial, which are called for Close too

	text bool // TYPE is not that of bytes; for the operation in progress

	mu     sync.Mutex
	op     *operation // in progress; nil if the Conn is free
	closed bool
}

// operation is one use of a Conn: a call, or a transfer until its end.
type operation struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	down   *download // nil for calls
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

// result returns err in its public form, or ErrClosed if a Close is why the
// operation ended.
func (op *operation) result(err error) error { return public(pool.Ended(op.ctx, err)) }

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
	r, err := c.c.Want(op.ctx, want, line)
	if control.Verb(line) == "TYPE" && r.Completed() {
		c.text = !strings.HasPrefix(strings.ToUpper(line), "TYPE I") && !strings.HasPrefix(strings.ToUpper(line), "TYPE L")
	}
	return Reply(r), op.result(err)
}

// Retrieve returns the content of a file from the byte offset on. The reader
// returns io.EOF only when the server has said that all was sent; it holds the
// Conn until it is closed. The context governs the reads too.
func (c *Conn) Retrieve(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, fmt.Errorf("ftpnat: retrieve %s: the offset %d is negative", path, offset)
	}
	d, err := c.download(ctx, transfer.Request{Line: "RETR " + path, Offset: offset, Known: -1, Check: "SIZE " + path})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// download opens a transfer toward us.
func (c *Conn) download(ctx context.Context, req transfer.Request) (*download, error) {
	op, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	t, err := c.c.Transfer().Open(op.ctx, req)
	if err != nil {
		c.release(op)
		return nil, op.result(err)
	}
	d := &download{c: c, op: op, t: t}
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
	t   *transfer.Transfer
	err error // what Read returns from now on
}

// Read reads from the data connection. It returns io.EOF only for a transfer
// that is complete.
func (d *download) Read(p []byte) (int, error) {
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
func (d *download) WriteTo(w io.Writer) (int64, error) {
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
func (d *download) Close() error {
	if !d.mu.TryLock() {
		// A Read is under way in another goroutine.
		d.op.cancel(ErrClosed)
		d.mu.Lock()
	}
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = ErrClosed
		d.t.Abandon(d.op.ctx)
		d.c.release(d.op)
	}
	return nil
}

// Store stores what r provides as a file, replacing any existing file, and
// returns the number of bytes. If it returns an error, the file on the server is
// not to be relied on. r must not use the Conn; its first 64 KiB are read before
// the server is asked, and a file that is no larger is sent in one go.
//
// If the server tells the size of the file afterwards, and it is not that number,
// the error is [ErrMismatch]. The question takes a round trip; it travels with a
// file of up to 64 KiB where the server is known to take that. It is not asked in
// TYPE A, in which sizes mean nothing.
func (c *Conn) Store(ctx context.Context, path string, r io.Reader) (int64, error) {
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
	t, err := c.c.Transfer().Open(op.ctx, req)
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
			return fmt.Errorf("%w: it has %d bytes, and %d were sent", ErrMismatch, size, t.Count())
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

// Report returns what is known of the path, and what the last transfer on the
// Conn met on its way. While an operation is under way it has the server's
// name alone.
func (c *Conn) Report() *Report {
	op, err := c.acquire(context.Background())
	if err != nil {
		return &Report{Server: c.cfg.session.Server}
	}
	defer c.release(op)
	return c.cfg.report(c.c)
}

// Close ends the session. Operations in progress are aborted.
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
	return c.c.Quit(c.ctx)
}

// DialFunc returns a function for the option DialWithDialFunc of
// github.com/jlaffaye/ftp. It gives an existing program all that a Dialer does
// for data connections:
//
//	c, err := ftp.Dial(addr, ftp.DialWithDialFunc(d.DialFunc(ctx)))
//
// The control connection that the program dials leads through ftpnat. The
// program logs in itself; it should leave out timeouts and TLS options of its
// own, and set TLS in the Dialer. One function serves any number of connections.
//
// The context governs everything that is done through the function: when it
// ends, the connections end. A transfer for which no data connection can be had
// fails with a [*NegotiateError].
func (d *Dialer) DialFunc(ctx context.Context) func(network, addr string) (net.Conn, error) {
	b := &bridge{ctx: ctx, d: d, open: make(map[*shim.Conn]struct{})}
	return b.dial
}

// bridge tells the dials of data connections from those of control connections.
type bridge struct {
	ctx  context.Context // of the program that dials: see DialFunc
	d    *Dialer
	mu   sync.Mutex
	open map[*shim.Conn]struct{}
}

func (b *bridge) dial(_, addr string) (net.Conn, error) {
	if _, port, err := net.SplitHostPort(addr); err == nil {
		if n, err := strconv.Atoi(port); err == nil && shim.MadeUp(n) {
			return b.data(n)
		}
	}
	cfg, err := b.d.fill(addr)
	if err != nil {
		return nil, err
	}
	c, err := session.Guest(b.ctx, cfg.session)
	if err != nil {
		return nil, public(err)
	}
	s := session.NewShim(b.ctx, c)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[s] = struct{}{}
	context.AfterFunc(s.Life(), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open, s)
	})
	return s, nil
}

func (b *bridge) data(port int) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.open {
		if d := s.Waiting(port); d != nil {
			return d, nil
		}
	}
	return nil, errors.New("ftpnat: no data connection waits to be dialled")
}
