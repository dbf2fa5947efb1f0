package shim

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// errUnbound says that a data connection was used before its command.
var errUnbound = errors.New("ftpnat: the data connection is used before the command for it was sent")

// DataConn is a data connection as jlaffaye/ftp sees it: dialled before the
// command, bound to a real one by the command.
type DataConn struct {
	c       *Conn
	port    int
	dialled atomic.Bool

	busy sync.WaitGroup // reads and writes under way

	mu       sync.Mutex
	active   int // how many those are
	data     Data
	upload   bool
	closed   bool // by the caller
	ended    bool // the backend was told
	complete bool // a download was read to its end, or failed
	deadline time.Time
}

// usable reports whether a command can be bound to d.
func (d *DataConn) usable() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.closed
}

// bind connects d to data; where the caller has closed d meanwhile, data is
// ended.
func (d *DataConn) bind(data Data, upload bool) {
	d.mu.Lock()
	d.data, d.upload = data, upload
	if !d.deadline.IsZero() {
		data.SetDeadline(d.deadline)
	}
	closed := d.closed
	d.mu.Unlock()
	if closed {
		d.end()
	}
}

// use begins a read or a write.
func (d *DataConn) use() (Data, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, net.ErrClosed
	case d.data == nil:
		return nil, errUnbound
	}
	d.active++
	d.busy.Add(1)
	return d.data, nil
}

// used ends it. What Close did to it is reported as that.
func (d *DataConn) used(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active--
	d.busy.Done()
	switch {
	case err == nil:
		return nil
	case d.closed:
		return net.ErrClosed
	}
	d.complete = true
	return err
}

// Read reads what the server sends.
func (d *DataConn) Read(p []byte) (int, error) {
	data, err := d.use()
	if err != nil {
		return 0, err
	}
	n, err := data.Read(p)
	return n, d.used(err)
}

// Write sends to the server.
func (d *DataConn) Write(p []byte) (int, error) {
	data, err := d.use()
	if err != nil {
		return 0, err
	}
	n, err := data.Write(p)
	return n, d.used(err)
}

// Close ends the transfer, and a read or write that is under way; the closing
// reply is read on the control connection.
func (d *DataConn) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.end()
	return nil
}

// end tells the backend, once, that the caller is done.
func (d *DataConn) end() {
	d.mu.Lock()
	data := d.data
	if d.ended {
		data = nil
	}
	d.ended = d.ended || data != nil
	if data != nil && d.active > 0 {
		data.SetDeadline(time.Unix(1, 0))
	}
	d.mu.Unlock()
	if data != nil {
		d.busy.Wait()
		data.End()
	}
}

// early reports whether the caller ended a download before its end.
func (d *DataConn) early() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.upload && !d.complete
}

// LocalAddr returns our end of the control connection.
func (d *DataConn) LocalAddr() net.Addr { return d.c.local }

// RemoteAddr returns the server's end of the control connection.
func (d *DataConn) RemoteAddr() net.Addr { return d.c.remote }

// SetDeadline limits reads and writes.
func (d *DataConn) SetDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deadline = t
	if d.data != nil {
		d.data.SetDeadline(t)
	}
	return nil
}

// SetReadDeadline is SetDeadline.
func (d *DataConn) SetReadDeadline(t time.Time) error { return d.SetDeadline(t) }

// SetWriteDeadline is SetDeadline.
func (d *DataConn) SetWriteDeadline(t time.Time) error { return d.SetDeadline(t) }
