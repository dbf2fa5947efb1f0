package memnet_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

// isError reports whether err is want, and for an errno or a deadline also in the shape of package net.
func isError(err, want error) bool {
	if !errors.Is(err, want) {
		return false
	}
	if want == nil || want == io.EOF {
		return err == want
	}
	_, shaped := errors.AsType[*net.OpError](err)
	return shaped
}

func pipe(delay time.Duration, boxes ...memnet.Box) (c1, c2 net.Conn, stop func(), err error) {
	n := memnet.New(memnet.Config{Latency: delay})
	client := n.Site(boxes...).Host("client", clientPrivate)
	server := n.Host("server", serverPublic)
	l, err := server.Listen(background, "tcp", "198.51.100.20:0")
	if err != nil {
		return nil, nil, nil, err
	}
	if c1, err = client.DialContext(background, "tcp", l.Addr().String()); err != nil {
		return nil, nil, nil, err
	}
	if c2, err = l.Accept(); err != nil {
		return nil, nil, nil, err
	}
	return c1, c2, func() { n.Close() }, nil
}

func TestConnConformance(t *testing.T) {
	nat := memnet.NAT{Public: clientPublic}
	t.Run("real time", func(t *testing.T) {
		nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) { return pipe(0) })
	})
	t.Run("real time, NAT and latency", func(t *testing.T) {
		nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) { return pipe(time.Millisecond, nat) })
	})
}

func TestLatency(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		l := w.listen(w.server, ":21")
		start := time.Now()
		took := func(what string, want time.Duration) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Errorf("%s after %v, want %v", what, got, want)
			}
		}
		c, err := w.client.DialContext(t.Context(), "tcp", "server:21")
		if err != nil {
			t.Fatal(err)
		}
		took("connected", 2*latency)
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		took("accepted", 3*latency)
		w.send(c, "one")
		time.Sleep(time.Millisecond)
		w.send(c, "two")
		w.expect(s, "one")
		took("first segment", 4*latency)
		w.expect(s, "two")
		took("second segment", 4*latency+time.Millisecond)
		s.Close()
		w.expectError(c, io.EOF)
		took("end of file", 5*latency+time.Millisecond)
	})
}

func TestDialErrors(t *testing.T) {
	refuse := []memnet.Box{memnet.InboundOnly(memnet.Refuse, memnet.Port(21))}
	tests := []struct {
		name      string
		near, far []memnet.Box
		addr      string
		want      error
		took      time.Duration
	}{
		{name: "nobody listens", addr: "server:22", want: syscall.ECONNREFUSED, took: 2 * latency},
		{name: "refused at the server's side", far: refuse, addr: "server:22", want: syscall.ECONNREFUSED, took: 2 * latency},
		{name: "refused at the client's side", near: outboundRule(memnet.Refuse), addr: "server:22", want: syscall.ECONNREFUSED},
		{name: "unreachable", near: outboundRule(memnet.Unreachable), addr: "server:22", want: syscall.EHOSTUNREACH},
		{name: "dropped", near: outboundRule(memnet.Drop), addr: "server:22", want: syscall.ETIMEDOUT, took: 127 * time.Second},
		{name: "nobody's address", addr: "203.0.113.99:21", want: syscall.ETIMEDOUT, took: 127 * time.Second},
		{name: "no such family", addr: "[2001:db8::1]:21", want: syscall.ENETUNREACH},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			between(t, tt.near, tt.far, func(t *testing.T, w *world) {
				start := time.Now()
				_, err := w.client.DialContext(t.Context(), "tcp", tt.addr)
				if !isError(err, tt.want) || time.Since(start) != tt.took {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(start), tt.want, tt.took)
				}
			})
		})
	}
}

func outboundRule(v memnet.Verdict) []memnet.Box {
	return []memnet.Box{memnet.Firewall{Rules: []memnet.Rule{{Direction: memnet.Outbound, Do: v}}}}
}

func TestNames(t *testing.T) {
	virtual(t, func(t *testing.T, n *memnet.Network) {
		v6 := addr("2001:db8::20")
		server := n.Host("ftp.example.net", v6, serverPublic)
		client := n.Host("client", clientPublic, addr("2001:db8::7"))
		n.Name("alias", serverPublic)
		if _, err := server.Listen(t.Context(), "tcp", ":21"); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			network, addr string
			want          netip.Addr
		}{
			{"tcp", "ftp.example.net:21", v6},
			{"tcp4", "ftp.example.net:21", serverPublic},
			{"tcp6", "ftp.example.net:21", v6},
			{"tcp", "alias:21", serverPublic},
			{"tcp", "[::ffff:198.51.100.20]:21", serverPublic},
		} {
			c, err := client.DialContext(t.Context(), tt.network, tt.addr)
			if err != nil {
				t.Errorf("%s %s: %v", tt.network, tt.addr, err)
				continue
			}
			if got := c.RemoteAddr().(*net.TCPAddr).AddrPort(); got != port(tt.want, 21) {
				t.Errorf("%s %s: connected to %v, want %v", tt.network, tt.addr, got, tt.want)
			}
		}
		_, err := client.DialContext(t.Context(), "tcp", "nobody:21")
		if dns, ok := errors.AsType[*net.DNSError](err); !ok || !dns.IsNotFound {
			t.Errorf("unknown name: %v", err)
		}
		if _, err := client.DialContext(t.Context(), "tcp6", "alias:21"); err == nil {
			t.Error("tcp6 reached an IPv4 address")
		}
		if _, err := client.DialContext(t.Context(), "udp", "alias:21"); !errors.Is(err, net.UnknownNetworkError("udp")) {
			t.Errorf("udp: %v", err)
		}
	})
}

func TestEndOfConnection(t *testing.T) {
	tests := []struct {
		name string
		end  func(w *world, c, s *memnet.Conn) // what happens to s's peer c
		read error
		late error // of a Write after that
	}{
		{"close", func(_ *world, c, _ *memnet.Conn) { c.Close() }, io.EOF, nil},
		{"half close", func(_ *world, c, _ *memnet.Conn) { c.CloseWrite() }, io.EOF, nil},
		{"linger 0", func(_ *world, c, _ *memnet.Conn) { c.SetLinger(0); c.Close() }, syscall.ECONNRESET, syscall.EPIPE},
		{"unread data", func(w *world, c, s *memnet.Conn) {
			w.send(s, "unread")
			time.Sleep(latency)
			synctest.Wait()
			c.Close()
		}, syscall.ECONNRESET, syscall.EPIPE},
		{"data after close", func(w *world, c, s *memnet.Conn) {
			c.Close()
			w.send(s, "late")
			time.Sleep(2 * latency)
			synctest.Wait()
		}, io.EOF, syscall.EPIPE},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			between(t, nil, nil, func(t *testing.T, w *world) {
				c, s := w.control()
				tt.end(w, c, s)
				w.expectError(s, tt.read)
				if _, err := s.Write([]byte("x")); !errors.Is(err, tt.late) {
					t.Errorf("write: %v, want %v", err, tt.late)
				}
			})
		})
	}
}

func TestHalfClose(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		c, s := w.control()
		c.CloseWrite()
		w.expectError(s, io.EOF)
		w.send(s, "still here")
		w.expect(c, "still here")
		if _, err := c.Write([]byte("x")); !isError(err, syscall.EPIPE) {
			t.Errorf("write after CloseWrite: %v", err)
		}
	})
}

func TestDataBeforeReset(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		c, s := w.control()
		w.send(c, "last words")
		c.SetLinger(0)
		c.Close()
		time.Sleep(time.Second)
		w.expect(s, "last words")
		w.expectError(s, syscall.ECONNRESET)
		w.expectError(s, io.EOF)
	})
}

func TestWriteAfterReset(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		c, s := w.control()
		c.SetLinger(0)
		c.Close()
		time.Sleep(time.Second)
		for _, want := range []error{syscall.ECONNRESET, syscall.EPIPE} {
			if _, err := s.Write([]byte("x")); !isError(err, want) {
				t.Errorf("write: %v, want %v", err, want)
			}
		}
		w.expectError(s, io.EOF)
	})
}

func TestWindow(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		c, s := w.control()
		sent := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := c.Write(sent)
		if n != 256<<10 || !isError(err, os.ErrDeadlineExceeded) {
			t.Fatalf("nobody reads: wrote %d, %v", n, err)
		}
		c.SetWriteDeadline(time.Time{})
		go func() {
			c.Write(sent[n:])
			c.Close()
		}()
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("received %d bytes, %v", len(got), err)
		}
	})
}

func TestListener(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		l := w.listen(w.server, "198.51.100.20:0")
		if _, err := w.server.Listen(t.Context(), "tcp", l.Addr().String()); !isError(err, syscall.EADDRINUSE) {
			t.Errorf("second listener: %v", err)
		}
		if _, err := w.server.Listen(t.Context(), "tcp", "203.0.113.7:0"); !isError(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("foreign address: %v", err)
		}
		l.SetDeadline(time.Now().Add(time.Second))
		if _, err := l.Accept(); !isError(err, os.ErrDeadlineExceeded) {
			t.Errorf("accept: %v", err)
		}
		c, err := w.client.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		l.Close()
		w.expectError(c, syscall.ECONNRESET)
		if _, err := l.Accept(); !isError(err, net.ErrClosed) {
			t.Errorf("accept after close: %v", err)
		}
		if err := w.try(w.client, netip.AddrPort{}, l.Addr().(*net.TCPAddr).AddrPort()); !isError(err, syscall.ECONNREFUSED) {
			t.Errorf("dial after close: %v", err)
		}
	})
}

func TestBacklogIsBounded(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		l := w.listen(w.server, ":21")
		for range 128 {
			if _, err := w.client.DialContext(t.Context(), "tcp", "server:21"); err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(5*time.Second, func() { l.Accept() })
		start := time.Now()
		if _, err := w.client.DialContext(t.Context(), "tcp", "server:21"); err != nil {
			t.Fatal(err)
		}
		if got, want := time.Since(start), 7*time.Second+2*latency; got != want {
			t.Errorf("beyond the backlog: connected after %v, want %v", got, want)
		}
	})
}

func TestLocalPort(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		l, to := w.listen(w.client, ":5000"), "203.0.113.7:5000"
		from := netip.AddrPortFrom(netip.Addr{}, 20)
		active, accepted := w.connectFrom(w.server, from, to, l)
		if got := accepted.RemoteAddr().String(); got != "198.51.100.20:20" {
			t.Errorf("connection came from %s", got)
		}
		if _, err := w.server.DialFrom(t.Context(), from, "tcp", to); !isError(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("the same connection once more: %v", err)
		}
		active.Close()
		accepted.Close()
		w.connectFrom(w.server, from, to, l)
	})
}

func TestLoopback(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		l := w.listen(w.server, "localhost:0")
		start := time.Now()
		w.connect(w.server, l.Addr().String(), l)
		if got := time.Since(start); got != 0 {
			t.Errorf("took %v", got)
		}
		if err := w.try(w.client, netip.AddrPort{}, l.Addr().(*net.TCPAddr).AddrPort()); !isError(err, syscall.ECONNREFUSED) {
			t.Errorf("another host's loopback: %v", err)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Latency: latency})
		client, server := n.Host("client", clientPublic), n.Host("server", serverPublic)
		l, err := server.Listen(t.Context(), "tcp", ":21")
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.DialContext(t.Context(), "tcp", "server:21")
		if err != nil {
			t.Fatal(err)
		}
		errs := make(chan error)
		go func() { _, err := c.Read(make([]byte, 1)); errs <- err }()
		go func() { _, err := c.Write(make([]byte, 1<<20)); errs <- err }()
		go func() { _, err := client.DialContext(t.Context(), "tcp", "203.0.113.99:1"); errs <- err }()
		go func() {
			for {
				if _, err := l.Accept(); err != nil {
					errs <- err
					return
				}
			}
		}()
		synctest.Wait()
		n.Close()
		n.Close()
		for range 4 {
			if err := <-errs; !isError(err, net.ErrClosed) {
				t.Errorf("blocked call: %v", err)
			}
		}
		if _, err := client.DialContext(t.Context(), "tcp", "server:21"); !isError(err, net.ErrClosed) {
			t.Errorf("dial after close: %v", err)
		}
	})
}
