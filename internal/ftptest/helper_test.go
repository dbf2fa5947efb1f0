package ftptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

// serve starts s on loopback and returns its address.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Start(ln)
	t.Cleanup(func() { _ = s.Close() })
	return ln.Addr().String()
}

// sampleTree returns a tree with a few files of known times.
func sampleTree(t *testing.T) *Tree {
	t.Helper()
	tree := NewTree()
	mod := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, data := range map[string]string{
		"hello.txt": "hello\nworld\n", "dir/a.csv": "1,2\n", "dir/b.csv": "3,4,5\n", ".hidden": "x",
	} {
		check(t, tree.WriteFile(name, []byte(data), 0o640))
		check(t, tree.Chtimes(name, mod))
	}
	check(t, tree.Symlink("hello.txt", "link"))
	check(t, tree.Chtimes("dir", mod))
	return tree
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client is a bare control connection.
type client struct {
	t    *testing.T
	conn net.Conn
	*textproto.Conn
}

func newClient(t *testing.T, conn net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	return &client{t, conn, textproto.NewConn(conn)}
}

// connect dials, reads the greeting and logs in.
func connect(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	check(t, err)
	c := newClient(t, conn)
	c.reply()
	c.login()
	return c
}

func (c *client) login() {
	c.t.Helper()
	c.do("USER u")
	if got := c.do("PASS p"); !strings.HasPrefix(got, "230") {
		c.t.Fatalf("PASS: %s", got)
	}
}

// reply reads one reply as "code text".
func (c *client) reply() string {
	c.t.Helper()
	code, msg, err := c.ReadResponse(0)
	var bad *textproto.Error
	if err != nil && !errors.As(err, &bad) {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("%d %s", code, msg)
}

// do sends a command and reads one reply.
func (c *client) do(line string) string {
	c.t.Helper()
	if err := c.PrintfLine("%s", line); err != nil {
		return "error: " + err.Error()
	}
	return c.reply()
}

func (c *client) want(line, want string) {
	c.t.Helper()
	if got := c.do(line); got != want {
		c.t.Errorf("%s: got %q, want %q", line, got, want)
	}
}

// wantReply reads one more reply.
func (c *client) wantReply(want string) {
	c.t.Helper()
	if got := c.reply(); got != want {
		c.t.Errorf("got %q, want %q", got, want)
	}
}

// epsv opens a passive data connection to a server on loopback.
func (c *client) epsv() net.Conn {
	c.t.Helper()
	addr := netip.AddrPortFrom(c.host(), c.epsvPort())
	conn, err := net.Dial("tcp", addr.String())
	check(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (c *client) host() netip.Addr {
	return c.conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
}

func (c *client) epsvPort() uint16 {
	c.t.Helper()
	reply := c.do("EPSV")
	var port uint16
	if _, err := fmt.Sscanf(reply[strings.Index(reply, "("):], "(|||%d|)", &port); err != nil {
		c.t.Fatalf("EPSV: %s", reply)
	}
	return port
}

// retr downloads over a passive connection and returns the data and the replies.
func (c *client) retr(line string) (data, first, last string) {
	c.t.Helper()
	conn := c.epsv()
	first = c.do(line)
	b, err := io.ReadAll(conn)
	if err != nil {
		data = "error: " + err.Error()
	} else {
		data = string(b)
	}
	_ = conn.Close()
	return data, first, c.reply()
}

// pipeNet is a network of net.Pipe connections for virtual time.
type pipeNet struct {
	mu    sync.Mutex
	ports map[string]*pipeListener
	next  uint16
}

type pipeListener struct {
	addr  netip.AddrPort
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

type pipeConn struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c pipeConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c pipeConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

func newPipeNet() *pipeNet { return &pipeNet{ports: make(map[string]*pipeListener), next: 40000} }

func (n *pipeNet) Listen(_ context.Context, _, addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ap := netip.MustParseAddrPort(addr)
	if ap.Port() == 0 {
		n.next++
		ap = netip.AddrPortFrom(ap.Addr(), n.next)
	}
	l := &pipeListener{addr: ap, conns: make(chan net.Conn), done: make(chan struct{})}
	n.ports[ap.String()] = l
	return l, nil
}

func (n *pipeNet) Dial(ctx context.Context, local netip.AddrPort, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.ports[addr]
	n.mu.Unlock()
	if l == nil {
		<-ctx.Done() // packets to nowhere vanish
		return nil, ctx.Err()
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- pipeConn{theirs, l.addr, local}:
		return pipeConn{ours, local, l.addr}, nil
	case <-l.done:
		return nil, errors.New("refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// Addresses of the network of pipes.
var (
	pipeServer = netip.MustParseAddrPort("192.0.2.1:21")
	pipeClient = netip.MustParseAddrPort("198.51.100.7:50000")
)

// servePipe starts s on a network of pipes.
func servePipe(t *testing.T, s *Server) *pipeNet {
	t.Helper()
	n := newPipeNet()
	s.Network.Listen, s.Network.Dial = n.Listen, n.Dial
	ln, err := n.Listen(t.Context(), "tcp", pipeServer.String())
	check(t, err)
	s.Start(ln)
	return n
}

// dial opens a control connection from the given address.
func (n *pipeNet) dial(t *testing.T, from netip.AddrPort) *client {
	t.Helper()
	conn, err := n.Dial(t.Context(), from, "tcp", pipeServer.String())
	check(t, err)
	return newClient(t, conn)
}
