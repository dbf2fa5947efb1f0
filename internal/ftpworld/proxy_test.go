package ftpworld_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// through has a server say text and take what comes, over a proxy with one mishap.
func through(t *testing.T, m ftpworld.Mishap, text string, client func(t *testing.T, nc net.Conn)) (got string, faults int, server error) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Latency: time.Millisecond})
		defer n.Close()
		site := n.Site()
		near, far := site.Host("near", ftpworld.PublicClient), site.Host("far", ftpworld.ServerAddr)
		ln, err := far.Listen(t.Context(), "tcp", ":21")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			defer nc.Close()
			_, _ = io.WriteString(nc, text)
			_ = nc.(interface{ CloseWrite() error }).CloseWrite()
			b, err := io.ReadAll(nc)
			got, server = string(b), err
		}()
		p := &ftpworld.Proxy{Dial: near.DialContext, Plan: func(bool, int) ftpworld.Mishap { return m }}
		nc, err := p.DialContext(t.Context(), "tcp", "far:21")
		if err != nil {
			t.Fatal(err)
		}
		client(t, nc)
		nc.Close()
		time.Sleep(2 * time.Second) // what goes on behind it comes to its end
		p.Close()
		<-done
		faults = p.Faults()
	})
	return got, faults, server
}

func TestProxy(t *testing.T) {
	const text = "0123456789"
	for _, tt := range []struct {
		m     ftpworld.Mishap
		read  string // by the client
		err   error
		wrote string // as the server has it
		reset bool   // the server's end
	}{
		{ftpworld.Mishap{Kind: ftpworld.Reset, After: 4}, "0123", syscall.ECONNRESET, "", true},
		{ftpworld.Mishap{Kind: ftpworld.End, After: 4}, "0123", nil, "", false},
		{ftpworld.Mishap{Kind: ftpworld.HalfClose, After: 4}, "0123", nil, "abcdef", true},
		{ftpworld.Mishap{Kind: ftpworld.End, Dir: ftpworld.Up, After: 2}, text, nil, "ab", false},
		{ftpworld.Mishap{Kind: ftpworld.ResetNear, After: 0, Pause: time.Second}, "", syscall.ECONNRESET, "", true},
		{ftpworld.Mishap{Kind: ftpworld.Split}, text, nil, "abcdef", false},
		{ftpworld.Mishap{Kind: ftpworld.Reset, On: "34"}, text, syscall.ECONNRESET, "", true},
	} {
		got, faults, server := through(t, tt.m, text, func(t *testing.T, nc net.Conn) {
			b, err := io.ReadAll(nc)
			if string(b) != tt.read || !errors.Is(err, tt.err) {
				t.Errorf("%v: read %q, %v", tt.m, b, err)
			}
			_, _ = io.WriteString(nc, "abcdef")
		})
		if got != tt.wrote || (server != nil) != tt.reset || faults != 1 {
			t.Errorf("%v: the server read %q, %v; %d faults", tt.m, got, server, faults)
		}
	}
}

// TestProxyBlocked has calls wait for a deadline, for the reset and for Close.
func TestProxyBlocked(t *testing.T) {
	through(t, ftpworld.Mishap{Kind: ftpworld.Stall}, "x", func(t *testing.T, nc net.Conn) {
		_ = nc.SetReadDeadline(time.Now().Add(time.Second))
		var ne net.Error
		if _, err := nc.Read(make([]byte, 1)); !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("stalled: %v", err)
		}
	})
	through(t, ftpworld.Mishap{Kind: ftpworld.Swallow, Dir: ftpworld.Up, Pause: time.Second}, "x", func(t *testing.T, nc net.Conn) {
		if n, err := io.WriteString(nc, "abc"); n != 3 || err != nil {
			t.Errorf("swallowed: %d, %v", n, err)
		}
		if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("then: %v", err)
		}
	})
}

// TestProxyInLine has an end that is due behind a line feed wait for a letter.
func TestProxyInLine(t *testing.T) {
	for after, want := range map[int64]string{0: "", 1: "a", 2: "a\nb", 3: "a\nb", 4: "a\nb\n"} {
		_, faults, _ := through(t, ftpworld.Mishap{Kind: ftpworld.End, After: after, InLine: true}, "a\nb\n", func(t *testing.T, nc net.Conn) {
			if b, err := io.ReadAll(nc); string(b) != want || err != nil {
				t.Errorf("after %d: %q, %v, want %q", after, b, err, want)
			}
		})
		if whole := want == "a\nb\n"; whole == (faults == 1) {
			t.Errorf("after %d: %d faults", after, faults)
		}
	}
}

// TestProxyClosed reads from, and writes to, a connection that was closed when its
// mishap was due.
func TestProxyClosed(t *testing.T) {
	through(t, ftpworld.Mishap{Kind: ftpworld.End, After: 4}, "0123456789", func(t *testing.T, nc net.Conn) {
		if _, err := io.ReadFull(nc, make([]byte, 4)); err != nil {
			t.Error(err)
		}
		nc.Close()
		if n, err := nc.Read(make([]byte, 1)); err == nil {
			t.Errorf("read %d bytes", n)
		}
	})
	through(t, ftpworld.Mishap{Kind: ftpworld.End, Dir: ftpworld.Up, After: 4}, "x", func(t *testing.T, nc net.Conn) {
		_, _ = io.WriteString(nc, "0123")
		nc.Close()
		if n, err := io.WriteString(nc, "4"); err == nil {
			t.Errorf("wrote %d bytes", n)
		}
	})
}
