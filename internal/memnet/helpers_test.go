package memnet_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

const latency = 25 * time.Millisecond

var (
	clientPublic  = addr("203.0.113.7")
	clientPrivate = addr("192.168.1.10")
	serverPublic  = addr("198.51.100.20")
	serverPrivate = addr("10.0.0.20")
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func port(a netip.Addr, p uint16) netip.AddrPort { return netip.AddrPortFrom(a, p) }

// world is a client and a server with a network between them.
type world struct {
	t              *testing.T
	net            *memnet.Network
	near, far      *memnet.Site
	client, server *memnet.Host
}

// virtual runs f in virtual time on a network of its own.
func virtual(t *testing.T, f func(t *testing.T, n *memnet.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Latency: latency})
		defer n.Close()
		f(t, n)
	})
}

// between runs f on a public client and a public server with the given boxes at their sides.
func between(t *testing.T, near, far []memnet.Box, f func(t *testing.T, w *world)) {
	t.Helper()
	virtual(t, func(t *testing.T, n *memnet.Network) {
		w := &world{t: t, net: n, near: n.Site(near...), far: n.Site(far...)}
		w.client = w.near.Host("client", clientPublic)
		w.server = w.far.Host("server", serverPublic)
		f(t, w)
	})
}

func (w *world) listen(h *memnet.Host, at string) *memnet.Listener {
	w.t.Helper()
	l, err := h.Listen(w.t.Context(), "tcp", at)
	if err != nil {
		w.t.Fatalf("listen on %s: %v", at, err)
	}
	return l.(*memnet.Listener)
}

// connect dials to and returns both ends of the connection.
func (w *world) connect(from *memnet.Host, to string, l net.Listener) (client, server *memnet.Conn) {
	w.t.Helper()
	return w.connectFrom(from, netip.AddrPort{}, to, l)
}

func (w *world) connectFrom(from *memnet.Host, local netip.AddrPort, to string, l net.Listener) (client, server *memnet.Conn) {
	w.t.Helper()
	c, err := from.DialFrom(w.t.Context(), local, "tcp", to)
	if err != nil {
		w.t.Fatalf("dial %s: %v", to, err)
	}
	s, err := l.Accept()
	if err != nil {
		w.t.Fatalf("accept: %v", err)
	}
	return c.(*memnet.Conn), s.(*memnet.Conn)
}

// control returns both ends of a connection to port 21 of the server.
func (w *world) control() (client, server *memnet.Conn) {
	w.t.Helper()
	return w.connect(w.client, "198.51.100.20:21", w.listen(w.server, ":21"))
}

// try reports whether a connection opens within a minute, more than enough for a lost SYN.
func (w *world) try(from *memnet.Host, local netip.AddrPort, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	c, err := from.DialFrom(ctx, local, "tcp", to.String())
	if err == nil {
		c.Close()
	}
	return err
}

func (w *world) send(c net.Conn, s string) {
	w.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		w.t.Fatalf("write %q: %v", s, err)
	}
}

// receive returns what one Read returns within 10 seconds.
func receive(c net.Conn) (string, error) {
	buf := make([]byte, 4096)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

// expect checks that want, and nothing more, is the next that c reads.
func (w *world) expect(c net.Conn, want string) {
	w.t.Helper()
	if got, err := receive(c); err != nil || got != want {
		w.t.Errorf("received %q, %v; want %q", got, err, want)
	}
}

func (w *world) expectError(c net.Conn, want error) {
	w.t.Helper()
	if got, err := receive(c); !isError(err, want) {
		w.t.Errorf("received %q, %v; want error %v", got, err, want)
	}
}
