//go:build linux

package main

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// cutter dials, and resets data connections on demand.
type cutter struct {
	mu    sync.Mutex
	after int // bytes of one data connection; zero means never
	cuts  int // done so far
}

// once has the next data connection that gets so far be reset after so many
// bytes.
func (c *cutter) once(after int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after, c.cuts = after, 0
}

// end returns how many connections were reset, and resets no more.
func (c *cutter) end() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.after = 0
	return c.cuts
}

func (c *cutter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil || strings.HasSuffix(addr, ":21") {
		return nc, err
	}
	return &doomed{Conn: nc, cutter: c}, nil
}

// listen is the same for active mode.
func (c *cutter) listen(ctx context.Context, network, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, network, addr)
	return &doomedListener{Listener: l, cutter: c}, err
}

type doomedListener struct {
	net.Listener
	cutter *cutter
}

func (l *doomedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &doomed{Conn: nc, cutter: l.cutter}, nil
}

// SetDeadline bounds the wait for a server.
func (l *doomedListener) SetDeadline(t time.Time) error {
	return l.Listener.(*net.TCPListener).SetDeadline(t)
}

// doomed is a data connection.
type doomed struct {
	net.Conn
	cutter *cutter
	count  int // bytes in either direction: a data connection has but one
}

// errCut is what a connection says that the other side has reset.
var errCut error = &net.OpError{Op: "cut", Net: "tcp", Err: os.NewSyscallError("cut", syscall.ECONNRESET)}

// passed counts bytes and resets the connection in time.
func (d *doomed) passed(n int) error {
	d.cutter.mu.Lock()
	defer d.cutter.mu.Unlock()
	d.count += n
	if d.cutter.after == 0 || d.count < d.cutter.after {
		return nil
	}
	d.cutter.after = 0
	d.cutter.cuts++
	d.Conn.(*net.TCPConn).SetLinger(0)
	d.Conn.Close()
	return errCut
}

func (d *doomed) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	if cut := d.passed(n); cut != nil {
		return n, cut
	}
	return n, err
}

func (d *doomed) Write(p []byte) (int, error) {
	n, err := d.Conn.Write(p)
	if cut := d.passed(n); cut != nil {
		return n, cut
	}
	return n, err
}

// CloseWrite ends an upload.
func (d *doomed) CloseWrite() error { return d.Conn.(*net.TCPConn).CloseWrite() }

// SetLinger is how a transfer is broken off.
func (d *doomed) SetLinger(sec int) error { return d.Conn.(*net.TCPConn).SetLinger(sec) }
