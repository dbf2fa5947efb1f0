package memnet

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many bytes a connection holds that its peer has not read; a
// Write beyond it blocks.
const window = 256 << 10

// maxSegment is the most that one segment carries, so that a reader gives
// back the window in reasonable steps.
const maxSegment = 64 << 10

// A Conn is one end of a connection. It is a net.Conn with the additional
// methods of *net.TCPConn that FTP has a use for.
type Conn struct {
	net           *Network
	host          *Host
	flow          *flow
	end           End
	local, remote netip.AddrPort

	changed sync.Cond // something a blocked call waits for
	in      inbound
	out     outbound

	closed   bool          // Close has been called
	abortive bool          // SetLinger(0)
	absorber bool          // the invisible end of an absorbed connection
	fault    syscall.Errno // what ended the connection
	reported bool          // a call has returned it

	unanswered *event // gives up when nothing is acknowledged
	keepAlive  net.KeepAliveConfig
	probing    *event
	active     time.Duration // when a segment last left or came
}

// inbound is what one end receives.
type inbound struct {
	by     deadline  // of Read
	queue  []segment // received, not yet read
	off    int       // bytes of queue[0] already read
	unread int
	eof    bool // the peer's FIN has arrived
}

// outbound is what one end sends.
type outbound struct {
	by      deadline // of Write
	writing bool     // a Write is under way; Writes do not mix
	unacked int      // bytes sent that the peer has not read
	shut    bool     // our FIN has left
	acked   bool     // the peer's host has acknowledged it
}

func newConn(h *Host, f *flow, end End, local, remote netip.AddrPort) *Conn {
	c := &Conn{net: h.net, host: h, flow: f, end: end, local: local, remote: remote}
	c.changed.L = &h.net.clock
	f.ends[end] = c
	return c
}

// LocalAddr returns this end's address, a *net.TCPAddr, as this end sees it.
func (c *Conn) LocalAddr() net.Addr { return tcpAddr(c.local) }

// RemoteAddr returns the peer's address, a *net.TCPAddr, as this end sees it.
func (c *Conn) RemoteAddr() net.Addr { return tcpAddr(c.remote) }

// Read reads what the peer has sent. Data that arrived before a reset is still read. As with
// a kernel, one call alone returns ECONNRESET; a later Read returns io.EOF and a later Write EPIPE.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.read(p)
	if err != nil && err != io.EOF {
		err = opError("read", c.LocalAddr(), c.RemoteAddr(), err)
	}
	return n, err
}

func (c *Conn) read(p []byte) (int, error) {
	c.net.Lock()
	defer c.net.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.in.by.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(c.in.queue) > 0:
			return c.take(p), nil
		case c.in.eof:
			return 0, io.EOF
		case c.fault != 0:
			return 0, c.report(io.EOF)
		}
		c.changed.Wait()
	}
}

// report returns what ended the connection the first time, and then afterwards: a kernel
// reports a reset to one call only, and later calls find a stream that has ended.
func (c *Conn) report(afterwards error) error {
	if c.reported {
		return afterwards
	}
	c.reported = true
	return c.fault
}

// take copies received data to p and gives back the peer's window.
func (c *Conn) take(p []byte) (n int) {
	for len(c.in.queue) > 0 && n < len(p) {
		s := &c.in.queue[0]
		k := copy(p[n:], s.data[c.in.off:])
		n += k
		c.in.off += k
		c.in.unread -= k
		if c.in.off == len(s.data) {
			c.peer().acknowledge(s.credit)
			*s = segment{}
			c.in.queue = c.in.queue[1:]
			c.in.off = 0
		}
	}
	if len(c.in.queue) == 0 {
		c.in.queue = nil
	}
	c.flow.acknowledgeData()
	return n
}

func (c *Conn) peer() *Conn { return c.flow.ends[c.end.other()] }

func (c *Conn) acknowledge(n int) {
	c.out.unacked -= n
	c.changed.Broadcast()
}

// Write sends p. It is one segment, unless p is larger than 64 KiB or than
// what is left of the window of 256 KiB. It blocks while the peer reads nothing.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.write(p)
	if err != nil {
		err = opError("write", c.LocalAddr(), c.RemoteAddr(), err)
	}
	return n, err
}

func (c *Conn) write(p []byte) (n int, err error) {
	c.net.Lock()
	defer c.net.Unlock()
	if err := c.waitToWrite(func() bool { return !c.out.writing }); err != nil {
		return 0, err
	}
	c.out.writing = true
	defer func() {
		c.out.writing = false
		c.changed.Broadcast()
	}()
	for n < len(p) {
		if err := c.waitToWrite(func() bool { return c.out.unacked < window }); err != nil {
			return n, err
		}
		size := min(len(p)-n, window-c.out.unacked, maxSegment)
		c.out.unacked += size
		c.emit(&segment{kind: data, data: append([]byte(nil), p[n:n+size]...), credit: size})
		n += size
	}
	return n, nil
}

// waitToWrite waits until ready, or returns the reason why nothing can be written.
func (c *Conn) waitToWrite(ready func() bool) error {
	for {
		switch {
		case c.closed:
			return net.ErrClosed
		case c.out.by.passed:
			return os.ErrDeadlineExceeded
		case c.out.shut, c.fault == syscall.ECONNRESET && c.in.eof:
			return syscall.EPIPE
		case c.fault != 0:
			return c.report(syscall.EPIPE)
		case ready():
			return nil
		}
		c.changed.Wait()
	}
}

// emit sends a segment of this end. The lock is held.
func (c *Conn) emit(s *segment) {
	c.active = c.net.now()
	c.flow.send(c.end, s)
}

// receive takes what arrives from the peer or from a box.
func (c *Conn) receive(s *segment) {
	c.active = c.net.now()
	switch {
	case s.kind == rst:
		c.fail(syscall.ECONNRESET)
	case s.kind == fin && (c.absorber || c.fault == 0):
		c.in.eof = true
		c.flow.acknowledgeEnd(c.end)
		c.changed.Broadcast()
	case c.absorber || s.kind == probe:
	case c.fault != 0, c.closed && s.kind == data:
		c.reset() // no such connection here any more
	case len(s.data) == 0:
		c.peer().acknowledge(s.credit)
	default:
		c.in.queue = append(c.in.queue, *s)
		c.in.unread += len(s.data)
		c.changed.Broadcast()
	}
}

// fail ends the connection from outside.
func (c *Conn) fail(errno syscall.Errno) {
	if c.fault == 0 {
		c.fault = errno
	}
	c.stopTimers()
	c.changed.Broadcast()
}

// reset ends the connection and tells the peer.
func (c *Conn) reset() {
	c.fail(syscall.ECONNRESET)
	c.emit(&segment{kind: rst})
}

func (c *Conn) stopTimers() {
	c.net.cancel(c.unanswered)
	c.net.cancel(c.probing)
}

// Close ends the connection. The peer reads an end of file after the data
// already sent, or is reset when received data has not been read or SetLinger(0) was called.
func (c *Conn) Close() error {
	c.net.Lock()
	defer c.net.Unlock()
	if c.closed {
		return opError("close", c.LocalAddr(), c.RemoteAddr(), net.ErrClosed)
	}
	c.discard()
	switch {
	case c.fault != 0 || c.out.shut && c.in.eof:
	case c.abortive || c.in.unread > 0:
		c.reset()
	case !c.out.shut:
		c.emit(&segment{kind: fin})
	}
	c.in.queue = nil
	return nil
}

// discard frees what the connection holds on its host; nothing is sent.
func (c *Conn) discard() {
	c.closed = true
	c.in.by.clear(c.net)
	c.out.by.clear(c.net)
	c.stopTimers()
	c.host.release(c.local, c.remote)
	delete(c.net.conns, c)
	c.changed.Broadcast()
}

// CloseWrite ends the stream to the peer; data can still be read.
func (c *Conn) CloseWrite() error {
	c.net.Lock()
	defer c.net.Unlock()
	switch {
	case c.closed:
		return opError("close", c.LocalAddr(), c.RemoteAddr(), net.ErrClosed)
	case c.fault != 0:
		return opError("close", c.LocalAddr(), c.RemoteAddr(), syscall.ENOTCONN)
	case !c.out.shut:
		c.out.shut = true
		c.emit(&segment{kind: fin})
		c.changed.Broadcast()
	}
	return nil
}
