package memnet

import (
	"net"
	"time"
)

// Go's defaults for keepalive probes.
const (
	keepAliveInterval = 15 * time.Second
	keepAliveCount    = 9
)

// SetDeadline sets the deadlines of Read and Write.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.in.by, &c.out.by) }

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.in.by) }

// SetWriteDeadline sets the deadline of Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.out.by) }

func (c *Conn) setDeadlines(t time.Time, which ...*deadline) error {
	return c.set(func() {
		for _, d := range which {
			d.set(c.net, t, c.changed.Broadcast)
		}
	})
}

// set changes an option of an open connection.
func (c *Conn) set(change func()) error {
	c.net.Lock()
	defer c.net.Unlock()
	if c.closed {
		return opError("set", c.LocalAddr(), c.RemoteAddr(), net.ErrClosed)
	}
	change()
	return nil
}

// SetLinger makes Close reset the connection if sec is zero. Other values
// change nothing: Close never waits.
func (c *Conn) SetLinger(sec int) error {
	return c.set(func() { c.abortive = sec == 0 })
}

// SetNoDelay changes nothing: every Write leaves at once.
func (c *Conn) SetNoDelay(bool) error { return c.set(func() {}) }

// SetKeepAlive turns keepalive probes on, at Go's default of 15 seconds, or off.
// They are off on a new connection.
func (c *Conn) SetKeepAlive(on bool) error {
	return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: on})
}

// SetKeepAliveConfig sets when an idle connection is probed. A probe keeps the
// mapping of a NAT alive, and a peer that answers none of Count probes is given up.
// Zero and negative values mean Go's defaults.
func (c *Conn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	if config.Idle <= 0 {
		config.Idle = keepAliveInterval
	}
	if config.Interval <= 0 {
		config.Interval = keepAliveInterval
	}
	if config.Count <= 0 {
		config.Count = keepAliveCount
	}
	return c.set(func() {
		c.keepAlive = config
		c.net.cancel(c.probing)
		if config.Enable && c.fault == 0 {
			c.active = c.net.now()
			c.probing = c.net.after(config.Idle, c.probe)
		}
	})
}

// probe sends a keepalive probe if the connection has been idle for long enough.
func (c *Conn) probe() {
	if idle := c.net.now() - c.active; idle < c.keepAlive.Idle {
		c.probing = c.net.after(c.keepAlive.Idle-idle, c.probe)
		return
	}
	c.flow.send(c.end, &segment{kind: probe})
	c.probing = c.net.after(c.keepAlive.Interval, c.probe)
}
