//go:build linux

package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// modelTrace writes down what passes between a proxy and a server: the lines of control
// connections, and the bytes of the others by number.
type modelTrace struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	plan func(control bool, nth int) ftpworld.Mishap

	mu    sync.Mutex
	out   io.Writer
	start time.Time
	conns int
}

func (m *modelTrace) log(id int, format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(m.out, "%9.3f %4d %s\n", time.Since(m.start).Seconds(), id, fmt.Sprintf(format, args...))
}

// Dial is for the proxy.
func (m *modelTrace) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := m.dial(ctx, network, addr)
	m.mu.Lock()
	m.conns++
	id := m.conns
	m.mu.Unlock()
	m.log(id, "dial %s: %v", addr, err)
	if err != nil {
		return nil, err
	}
	return &traced{TCPConn: nc.(*net.TCPConn), m: m, id: id, control: strings.HasSuffix(addr, ":21")}, nil
}

// Plan is for the proxy.
func (m *modelTrace) Plan(control bool, nth int) ftpworld.Mishap {
	mishap := m.plan(control, nth)
	m.log(0, "control %v, connection %d of these: %v, %+v", control, nth, mishap.Kind, mishap)
	return mishap
}

var secret = regexp.MustCompile(`PASS [^\\\\]*`)

type traced struct {
	*net.TCPConn
	m       *modelTrace
	id      int
	control bool
}

func (c *traced) passed(dir string, b []byte, err error) {
	text := fmt.Sprintf("%d bytes", len(b))
	if c.control {
		text = secret.ReplaceAllString(fmt.Sprintf("%q", b), "PASS ****")
	}
	c.m.log(c.id, "%s %s, %v", dir, text, err)
}

func (c *traced) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.passed("<", b[:n], err)
	return n, err
}

func (c *traced) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	c.passed(">", b[:n], err)
	return n, err
}

func (c *traced) Close() error {
	err := c.TCPConn.Close()
	c.m.log(c.id, "close: %v", err)
	return err
}

func (c *traced) CloseWrite() error {
	err := c.TCPConn.CloseWrite()
	c.m.log(c.id, "end: %v", err)
	return err
}
