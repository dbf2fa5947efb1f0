package ftpworld

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Kind is what a Proxy does to a connection.
type Kind uint8

const (
	// Nothing leaves a connection alone.
	Nothing Kind = iota
	// Reset resets both ends.
	Reset
	// ResetNear resets the client; the server does not learn of it for Pause.
	ResetNear
	// End ends the connection in order in the direction of Dir: the client, or the
	// server, sees the end of the stream. What the other end sends on is taken and lost.
	End
	// HalfClose does the same, and the other direction goes on.
	HalfClose
	// Stall lets nothing pass any more.
	Stall
	// Swallow takes what the client sends and loses it, and resets both ends after Pause.
	Swallow
	// Split passes the next bytes one by one.
	Split
	kinds
)

// String returns the kind's name.
func (k Kind) String() string {
	return [...]string{"nothing", "reset", "reset near", "end", "half-close", "stall", "swallow", "split"}[k]
}

// Dir is a direction.
type Dir uint8

const (
	// Down is from the server to the client.
	Down Dir = iota
	// Up is from the client to the server.
	Up
)

// splitBytes is how much of a direction is split into single bytes.
const splitBytes = 300

// Mishap is what befalls one connection.
type Mishap struct {
	Kind  Kind
	Dir   Dir   // Dir says which bytes are counted, and which direction ends.
	After int64 // After is the number of bytes that still pass.
	// On, where it is not empty, is a text in place of the number: the mishap comes
	// when one Read has brought it, or one Write is to send it.
	On    string
	Pause time.Duration // Pause is that of ResetNear and Swallow.
	// InLine says that what ends does not end behind a line feed: in the clear, a
	// listing that does gives no sign on a server that does not count.
	InLine bool
}

// Proxy stands in front of a network as the client sees it, real or not, and breaks
// connections. Its DialContext is for a Dialer.
type Proxy struct {
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Plan says what befalls the nth connection, from 1, to the server's control port,
	// or of all others. Calls come one at a time.
	Plan func(control bool, nth int) Mishap

	mu      sync.Mutex
	control string // the first address that was dialled
	nth     [2]int
	counts  [kinds]int
	open    map[*proxied]struct{}
	wg      sync.WaitGroup
	off     bool
}

// DialContext connects through the proxy.
func (p *Proxy) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := p.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.control == "" {
		p.control = addr
	}
	control := addr == p.control
	channel := 0
	if control {
		channel = 1
	}
	p.nth[channel]++
	c := &proxied{Conn: nc, p: p, done: make(chan struct{}), change: make(chan struct{})}
	if !p.off {
		c.m = p.Plan(control, p.nth[channel])
	}
	if p.open == nil {
		p.open = make(map[*proxied]struct{})
	}
	p.open[c] = struct{}{}
	return c, nil
}

// Counts returns how often each kind came to pass.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]int)
	for k := Nothing + 1; k < kinds; k++ {
		if n := p.counts[k]; n > 0 {
			all[k.String()] = n
		}
	}
	return all
}

// Faults returns how many mishaps came to pass.
func (p *Proxy) Faults() (n int) {
	for _, k := range p.Counts() {
		n += k
	}
	return n
}

// Stop leaves connections alone that are made from now on.
func (p *Proxy) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
}

// Close closes all connections and waits for the proxy's goroutines.
func (p *Proxy) Close() {
	p.mu.Lock()
	for c := range p.open {
		_ = c.Conn.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

// mode is what a direction of a connection has come to.
type mode uint8

const (
	passes mode = iota
	ended
	reset
	blocked
	lost // taken, and lost
)

// proxied is one connection.
type proxied struct {
	net.Conn
	p *Proxy
	m Mishap

	mu          sync.Mutex
	read, write mode
	kept        bool // Close leaves the connection to the server alone
	fired       bool
	closed      bool
	count       [2]int64
	last        byte // that was read
	split       [2]int64
	readBy      time.Time
	writeBy     time.Time
	change      chan struct{} // closed when one of the above changes
	done        chan struct{} // closed by Close
}

// room returns how many of n bytes may pass before the mishap.
func (c *proxied) room(dir Dir, n int) (int, mode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.read
	if dir == Up {
		m = c.write
	}
	if c.split[dir] > 0 {
		return min(n, 1), m
	}
	if !c.fired && !c.closed && c.m.Kind != Nothing && c.m.Dir == dir && c.m.On == "" {
		n = int(min(int64(n), max(c.m.After-c.count[dir], 0)))
		if c.waits() {
			n = 1
		}
	}
	return n, m
}

// due reports whether the mishap is due, with the bytes that passed or are to.
func (c *proxied) due(dir Dir, b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fired || c.closed || c.m.Kind == Nothing || c.m.Dir != dir {
		return false
	}
	if c.m.On != "" {
		return strings.Contains(string(b), c.m.On)
	}
	return c.count[dir] >= c.m.After && !c.waits()
}

// waits reports whether the mishap waits for a byte that is not a line feed. c.mu is
// held.
func (c *proxied) waits() bool {
	return c.m.InLine && c.m.Dir == Down && (c.m.Kind == End || c.m.Kind == HalfClose) && c.count[Down] >= c.m.After && c.last == '\n'
}

// passed counts bytes.
func (c *proxied) passed(dir Dir, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count[dir] += int64(n)
	c.split[dir] -= int64(n)
}

func (c *proxied) set(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.change)
	c.change = make(chan struct{})
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// fire has the mishap come to pass.
func (c *proxied) fire() {
	c.p.mu.Lock()
	c.p.counts[c.m.Kind]++
	c.p.mu.Unlock()
	switch c.m.Kind {
	case Reset:
		c.set(func() { c.fired, c.read, c.write = true, reset, reset })
		c.abort()
	case ResetNear:
		c.set(func() { c.fired, c.read, c.write, c.kept = true, reset, reset, true })
		_ = c.Conn.SetReadDeadline(past)
		c.later(c.abort)
	case End, HalfClose:
		c.finish()
	case Stall:
		c.set(func() { c.fired, c.read, c.write = true, blocked, blocked })
		_ = c.Conn.SetReadDeadline(past)
	case Swallow:
		c.set(func() { c.fired, c.read, c.write, c.kept = true, blocked, lost, true })
		_ = c.Conn.SetReadDeadline(past)
		c.later(func() {
			c.set(func() { c.read, c.write = reset, reset })
			c.abort()
		})
	case Split:
		c.set(func() { c.fired, c.split = true, [2]int64{splitBytes, splitBytes} })
	}
}

// finish ends a direction in order.
func (c *proxied) finish() {
	if c.m.Dir == Up {
		c.set(func() { c.fired, c.write = true, lost })
		if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
			_ = h.CloseWrite()
		}
		return
	}
	if c.m.Kind == HalfClose {
		c.set(func() { c.fired, c.read = true, ended })
		return
	}
	c.set(func() { c.fired, c.read, c.write, c.kept = true, ended, lost, true })
	c.p.wg.Go(func() {
		_ = c.Conn.SetReadDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, c.Conn)
		c.drop()
	})
}

// abort resets the server's end.
func (c *proxied) abort() {
	if l, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0)
	}
	c.drop()
}

// drop closes the connection to the server.
func (c *proxied) drop() {
	_ = c.Conn.Close()
	c.p.mu.Lock()
	delete(c.p.open, c)
	c.p.mu.Unlock()
}

// later calls f after the mishap's pause.
func (c *proxied) later(f func()) {
	c.p.wg.Go(func() {
		time.Sleep(c.m.Pause)
		f()
	})
}

// Read implements net.Conn.
func (c *proxied) Read(b []byte) (int, error) {
	for {
		if c.due(Down, nil) {
			c.fire()
		}
		n, m := c.room(Down, len(b))
		if m != passes {
			return 0, c.halted("read", m)
		}
		if n == 0 && len(b) > 0 {
			continue // the mishap is due
		}
		n, err := c.Conn.Read(b[:n])
		if _, m = c.room(Down, 0); m != passes {
			continue
		}
		if n > 0 {
			c.set(func() { c.last = b[n-1] })
		}
		c.passed(Down, n)
		if c.m.On != "" && c.due(Down, b[:n]) {
			c.fire()
			if c.m.Kind == Reset || c.m.Kind == ResetNear {
				return n, nil
			}
		}
		return n, err
	}
}

// Write implements net.Conn.
func (c *proxied) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		if c.due(Up, b) {
			c.fire()
		}
		n, m := c.room(Up, len(b)-done)
		switch m {
		case passes:
		case lost:
			return len(b), nil
		default:
			return done, c.halted("write", m)
		}
		n, err := c.Conn.Write(b[done : done+n])
		done += n
		c.passed(Up, n)
		if err != nil {
			if _, m = c.room(Up, 0); m == passes {
				return done, err
			}
		}
	}
	return done, nil
}

// halted returns the error of a call on a connection that was halted. One that is
// blocked waits for the deadline, Close or a reset.
func (c *proxied) halted(op string, m mode) error {
	for m == blocked {
		c.mu.Lock()
		by, change := c.readBy, c.change
		m = c.read
		if op == "write" {
			by, m = c.writeBy, c.write
		}
		c.mu.Unlock()
		if m != blocked {
			break
		}
		var timer <-chan time.Time
		if !by.IsZero() {
			if time.Until(by) <= 0 {
				return c.opError(op, os.ErrDeadlineExceeded)
			}
			t := time.NewTimer(time.Until(by))
			timer = t.C
			defer t.Stop()
		}
		select {
		case <-c.done:
			return c.opError(op, net.ErrClosed)
		case <-timer:
		case <-change:
		}
	}
	switch m {
	case ended:
		return io.EOF
	case lost:
		return nil
	}
	return c.opError(op, os.NewSyscallError(op, syscall.ECONNRESET))
}

func (c *proxied) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Close implements net.Conn.
func (c *proxied) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return net.ErrClosed
	}
	c.closed = true
	close(c.done)
	kept := c.kept
	c.mu.Unlock()
	if !kept {
		c.drop()
	}
	return nil
}

// CloseWrite ends the client's side of the stream.
func (c *proxied) CloseWrite() error {
	switch _, m := c.room(Up, 0); m {
	case passes:
	case reset:
		return c.opError("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	default:
		return nil
	}
	h, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return h.CloseWrite()
}

// SetLinger implements that of net.TCPConn.
func (c *proxied) SetLinger(sec int) error {
	if l, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// SetKeepAliveConfig implements that of net.TCPConn.
func (c *proxied) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	if k, ok := c.Conn.(interface {
		SetKeepAliveConfig(net.KeepAliveConfig) error
	}); ok {
		return k.SetKeepAliveConfig(config)
	}
	return errors.ErrUnsupported
}

// SetDeadline implements net.Conn.
func (c *proxied) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *proxied) SetReadDeadline(t time.Time) error {
	c.set(func() { c.readBy = t })
	if _, m := c.room(Down, 0); m != passes {
		return nil
	}
	err := c.Conn.SetReadDeadline(t)
	if _, m := c.room(Down, 0); m == blocked || m == reset {
		_ = c.Conn.SetReadDeadline(past) // a Read that waits must see the mishap
	}
	return err
}

// SetWriteDeadline implements net.Conn.
func (c *proxied) SetWriteDeadline(t time.Time) error {
	c.set(func() { c.writeBy = t })
	return c.Conn.SetWriteDeadline(t)
}
