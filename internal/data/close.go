package data

import (
	"crypto/tls"
	"io"
	"net"
	"time"
)

// lingerFor is how long the end of an upload waits for the server to close.
const lingerFor = 5 * time.Second

// lingerMost bounds what is read meanwhile, in bytes.
const lingerMost = 1 << 20

// CloseWrite says that an upload is complete, if there is a way to say so before
// Close: in TLS there is the close_notify. What the server has sent meanwhile
// (session tickets of TLS 1.3) has to be read then: a socket that is closed with
// bytes unread is reset, and the server would lose what it has not read yet.
//
// The channel, if there is one, is closed when the server has closed its end, or
// after 5 s; until then nothing but ReadWithin may be called.
func (c *Conn) CloseWrite() (drained <-chan struct{}, err error) {
	tc, ok := c.nc.(*tls.Conn)
	if !ok || c.closed {
		return nil, nil
	}
	tc.SetDeadline(time.Now().Add(lingerFor))
	if err := tc.CloseWrite(); err != nil {
		return nil, err
	}
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok {
		return nil, nil
	}
	if err := half.CloseWrite(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() { // ends with the deadline
		defer close(done)
		io.Copy(io.Discard, io.LimitReader(tc, lingerMost))
	}()
	return done, nil
}

// CutOff has the socket closed with a reset, if the system has a way to.
func (c *Conn) CutOff() { cutOff(c.raw) }

func cutOff(nc net.Conn) {
	if l, ok := nc.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
}

// Reset closes the connection with a reset: what the server has of an upload
// does not look complete.
func (c *Conn) Reset() {
	c.CutOff()
	c.Close()
}

// Close closes the connection, once. A nil Conn is closed.
func (c *Conn) Close() {
	if c.Closed() {
		return
	}
	c.closed = true
	c.raw.Close()
	if c.onClose != nil {
		c.onClose()
	}
}

// tailConn notes the end of a connection, which crypto/tls takes for that of
// TLS if no record is cut.
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
