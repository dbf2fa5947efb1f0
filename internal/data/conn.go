// Package data moves bytes over one data connection: it knows deadlines, TLS and
// the kernel's own copies, but no commands and no replies.
package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Direction says who sends.
type Direction bool

const (
	Download Direction = false // the server sends
	Upload   Direction = true  // we send
)

// Conn is a data connection. It is for one goroutine at a time, except for
// SetDeadline and the function of Guard.
type Conn struct {
	dir     Direction
	raw     net.Conn  // the socket
	nc      net.Conn  // the socket, or TLS over it
	tail    *tailConn // between the two; nil in clear text
	resumed bool      // the TLS session of the control connection was resumed
	onClose func()    // nil for nothing

	head   []byte          // read already
	block  *[headSize]byte // of heads, where head is
	err    error           // what Read returns after head: a kernel reports a reset once
	eof    bool            // the server has closed its end
	closed bool            // we have closed ours
	byHand bool            // the kernel does not copy by itself
	n      int64           // bytes handed on or taken

	mu    sync.Mutex
	limit time.Time // set by the caller; zero for none
}

// Stall is how long a data connection may stand still before it is taken for
// dead. A server that computes a long listing, or fetches a file from a tape,
// is silent for a while and alive.
const Stall = 2 * time.Minute

// headSize is how much is read to see that a download has begun.
const headSize = 16 << 10

var heads = sync.Pool{New: func() any { return new([headSize]byte) }}

// New returns the data connection over a socket. The socket is closed with it.
func New(nc net.Conn, dir Direction) *Conn { return new(Conn).Init(nc, dir) }

// Init is New in memory that is there, of a Conn that was never used.
func (c *Conn) Init(nc net.Conn, dir Direction) *Conn {
	c.dir, c.raw, c.nc = dir, nc, nc
	return c
}

// OnClose has f called by Close.
func (c *Conn) OnClose(f func()) { c.onClose = f }

// Count returns how many bytes were handed to the caller of Read, or taken by
// Write.
func (c *Conn) Count() int64 { return c.n }

// Buffered returns how many bytes Peek has read and Read has not returned yet.
func (c *Conn) Buffered() int { return len(c.head) }

// TakeBuffered returns what Peek has read and Read has not returned yet, as if it had.
func (c *Conn) TakeBuffered() []byte {
	rest := bytes.Clone(c.head)
	c.forgetHead(len(rest))
	return rest
}

// Discard forgets what TakeBuffered would return.
func (c *Conn) Discard() { c.forgetHead(len(c.head)) }

// forgetHead notes that n bytes of the head were handed on.
func (c *Conn) forgetHead(n int) {
	c.n += int64(n)
	if c.head = c.head[n:]; len(c.head) == 0 && c.block != nil {
		heads.Put(c.block)
		c.head, c.block = nil, nil
	}
}

// Ended reports whether the server has sent all that it will send.
func (c *Conn) Ended() bool { return c.eof }

// Empty records that the server has nothing to send: Read returns io.EOF.
func (c *Conn) Empty() { c.eof = true }

// Closed reports whether the connection was closed here.
func (c *Conn) Closed() bool { return c == nil || c.closed }

// Peeked is how the wait for the first bytes ended.
type Peeked struct {
	N   int   // bytes that Read returns next
	Err error // what ended the connection; io.EOF if the server closed it
}

// Peek waits for the first bytes of a download in a goroutine that ends with
// Stall, ReadWithin or Close. Nothing else may be done with c until the channel
// has delivered, which it does once.
func (c *Conn) Peek() <-chan Peeked {
	c.block = heads.Get().(*[headSize]byte)
	peeked := make(chan Peeked, 1)
	c.ReadWithin(Stall)
	go func() { peeked <- c.peek() }()
	return peeked
}

// peek reads the first bytes.
func (c *Conn) peek() Peeked {
	n, err := c.nc.Read(c.block[:])
	c.head = c.block[:n]
	switch {
	case n == 0:
		heads.Put(c.block)
		c.head, c.block = nil, nil
	case err == io.EOF || CutShort(err):
		c.eof = true
	case err != nil:
		c.err = err
	}
	return Peeked{n, err}
}

// ReadWithin sets a new limit for the reads of Peek and CloseWrite that are in
// progress.
func (c *Conn) ReadWithin(d time.Duration) { c.nc.SetReadDeadline(time.Now().Add(d)) }

// CutShort reports whether a TLS peer ended in the middle of a record. Whether
// all bytes are there is for the closing reply to say.
func CutShort(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

// SetDeadline limits reads and writes, those in progress too. Zero is for no
// limit but that on standing still.
func (c *Conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = t
	if t.IsZero() {
		t = time.Now().Add(Stall)
	}
	return c.nc.SetDeadline(t)
}

// wind gives the connection the time that it may stand still.
func (c *Conn) wind() { c.windFor(Stall) }

func (c *Conn) windFor(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := time.Now().Add(d)
	if !c.limit.IsZero() && c.limit.Before(t) {
		t = c.limit
	}
	c.nc.SetDeadline(t)
}

// overdue reports whether the caller's limit has passed.
func (c *Conn) overdue() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.limit.IsZero() && !time.Now().Before(c.limit)
}

// stalled turns the end of the time to stand still into an error that says so.
func (c *Conn) stalled(err error) error {
	if !proto.IsTimeout(err) || c.overdue() {
		return err
	}
	return fmt.Errorf("%w for %v", proto.ErrStalled, Stall)
}

// Read reads what the server sends. io.EOF says only that the server closed the
// connection, and not that all bytes are there.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.forgetHead(n)
		return n, nil
	}
	switch {
	case c.eof:
		return 0, io.EOF
	case c.err != nil:
		return 0, c.err
	case c.closed:
		return 0, proto.ErrClosed
	}
	c.wind()
	n, err := c.nc.Read(p)
	c.n += int64(n)
	switch {
	case err == nil:
	case err == io.EOF || CutShort(err):
		c.eof, err = true, io.EOF
		if n > 0 {
			err = nil
		}
	case proto.IsTimeout(err):
		if err = c.stalled(err); errors.Is(err, proto.ErrStalled) {
			c.err = err
		}
	default:
		c.err = err
	}
	return n, err
}

// Write sends to the server.
func (c *Conn) Write(p []byte) (int, error) {
	if c.closed {
		return 0, proto.ErrClosed
	}
	written := 0
	for written < len(p) {
		// In pieces, so that the limit is on standing still and not on size.
		piece := p[written:min(len(p), written+1<<20)]
		c.wind()
		n, err := c.nc.Write(piece)
		written += n
		c.n += int64(n)
		if err != nil {
			return written, c.stalled(err)
		}
	}
	return written, nil
}

// soon is how long a transfer may wait before a context is watched for it: to watch
// one costs memory for each, and few wait at all on a short way.
const soon = 2 * time.Millisecond

// WriteSoon is Write that ends with a timeout if the system does not take all of it
// soon, if that can be told without harm: Write goes on behind the n bytes then.
func (c *Conn) WriteSoon(p []byte) (n int, err error) {
	if _, socket := c.nc.(*net.TCPConn); !socket || c.closed {
		return 0, os.ErrDeadlineExceeded
	}
	c.windFor(soon)
	n, err = c.nc.Write(p)
	c.n += int64(n)
	return n, err
}

// PeekSoon is Peek without a goroutine, and reports whether it has ended soon: else
// Peek goes on.
func (c *Conn) PeekSoon() (got Peeked, ended bool) {
	if _, socket := c.nc.(*net.TCPConn); !socket {
		return Peeked{}, false
	}
	c.block = heads.Get().(*[headSize]byte)
	c.ReadWithin(soon)
	got = c.peek()
	return got, !proto.IsTimeout(got.Err)
}

// Guard aborts reads and writes when ctx ends, an upload with a reset: what the
// server has of it must not look complete. Close has still to be called.
func (c *Conn) Guard(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		if c.dir == Upload {
			c.CutOff()
		}
		c.raw.Close()
	})
}
