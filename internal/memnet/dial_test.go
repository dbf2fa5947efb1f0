package memnet_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

var background = context.Background()

func TestLoss(t *testing.T) {
	tests := []struct {
		name          string
		loss          memnet.Loss
		first, second time.Duration
		counters      memnet.Counters
	}{
		{"one in all", memnet.Loss{SYNs: 1}, time.Second, 0, memnet.Counters{Connections: 2, Dropped: 1}},
		{"one of each", memnet.Loss{SYNs: 1, EachConnection: true}, time.Second, time.Second, memnet.Counters{Connections: 2, Dropped: 2}},
		{"three", memnet.Loss{SYNs: 3}, 7 * time.Second, 0, memnet.Counters{Connections: 2, Dropped: 1}},
		{"another port", memnet.Loss{SYNs: 1, Ports: memnet.Port(22)}, 0, 0, memnet.Counters{Connections: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			between(t, nil, []memnet.Box{tt.loss}, func(t *testing.T, w *world) {
				w.listen(w.server, ":21")
				for i, want := range []time.Duration{tt.first, tt.second} {
					start := time.Now()
					if _, err := w.client.DialContext(t.Context(), "tcp", "server:21"); err != nil {
						t.Fatal(err)
					}
					if got := time.Since(start); got != want+2*latency {
						t.Errorf("connection %d after %v, want %v", i+1, got, want+2*latency)
					}
				}
				if got := w.far.Counters()[0]; got != tt.counters {
					t.Errorf("counters %+v, want %+v", got, tt.counters)
				}
			})
		})
	}
}

func TestDialContext(t *testing.T) {
	between(t, outboundRule(memnet.Drop), nil, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		_, err := w.client.DialContext(ctx, "tcp", "server:21")
		if !isError(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		var timeout interface{ Timeout() bool }
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is not a timeout", err)
		}
		canceled, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err = w.client.DialContext(canceled, "tcp", "server:21"); !isError(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	})
}

// A dial that is given up while the handshake is under way leaves nothing for the server to accept.
func TestDialGivenUp(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		l := w.listen(w.server, ":21")
		ctx, cancel := context.WithTimeout(t.Context(), latency+latency/2)
		defer cancel()
		if _, err := w.client.DialContext(ctx, "tcp", "server:21"); !isError(err, context.DeadlineExceeded) {
			t.Fatalf("dial: %v", err)
		}
		l.SetDeadline(time.Now().Add(time.Minute))
		if c, err := l.Accept(); err == nil {
			t.Errorf("accepted %v", c.RemoteAddr())
		}
	})
}

func TestSYNProxy(t *testing.T) {
	for _, tt := range []struct {
		name      string
		near, far []memnet.Box
		took      time.Duration
	}{
		{"at the client's side", []memnet.Box{memnet.SYNProxy{}}, nil, 0},
		{"at the server's side", nil, []memnet.Box{memnet.SYNProxy{}}, 2 * latency},
	} {
		t.Run(tt.name, func(t *testing.T) {
			between(t, tt.near, tt.far, func(t *testing.T, w *world) {
				start := time.Now()
				c, err := w.client.DialContext(t.Context(), "tcp", "server:21")
				if err != nil || time.Since(start) != tt.took {
					t.Fatalf("%v after %v", err, time.Since(start))
				}
				c.SetWriteDeadline(time.Now().Add(time.Second))
				if n, err := c.Write(make([]byte, 1<<20)); n != 256<<10 || err == nil {
					t.Errorf("wrote %d, %v", n, err)
				}
				if _, err := receive(c); err == nil {
					t.Error("received something")
				}
				c.Close()
			})
		})
	}
}

// A listener that closes while a handshake is under way resets the connection.
func TestListenerClosesDuringHandshake(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		l := w.listen(w.server, ":21")
		c, err := w.client.DialContext(t.Context(), "tcp", "server:21")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		start := time.Now()
		w.expectError(c, syscall.ECONNRESET)
		if got := time.Since(start); got != 2*latency {
			t.Errorf("reset after %v", got)
		}
	})
}

// Boxes that are told about one port leave the others alone.
func TestBoxesOfOtherPorts(t *testing.T) {
	boxes := []memnet.Box{
		memnet.SYNProxy{Ports: memnet.Port(22)},
		memnet.Loss{SYNs: 1, Ports: memnet.Port(22)},
		memnet.Cut{Ports: memnet.Port(22), Do: memnet.Reset},
		memnet.CommandBox{Do: memnet.Reset, ControlPort: 22},
		memnet.ReplyBox{Line: "500 no", ControlPort: 22},
		memnet.Tap{OnConnect: func(c memnet.Crossing) memnet.Verdict {
			if c.Server.Port() == 22 {
				return memnet.Drop
			}
			return memnet.Pass
		}},
	}
	between(t, boxes, nil, func(t *testing.T, w *world) {
		c, s := w.control()
		w.send(c, "USER x\r\n")
		w.expect(s, "USER x\r\n")
		w.send(s, "230 in\r\n")
		w.expect(c, "230 in\r\n")
		for i, got := range w.near.Counters() {
			if want := (memnet.Counters{Connections: 1}); got != want {
				t.Errorf("box %d: %+v, want %+v", i, got, want)
			}
		}
	})
}

func TestOptionsOfAClosedConn(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		c, _ := w.control()
		options := map[string]func() error{
			"SetDeadline":  func() error { return c.SetDeadline(time.Time{}) },
			"SetLinger":    func() error { return c.SetLinger(0) },
			"SetNoDelay":   func() error { return c.SetNoDelay(true) },
			"SetKeepAlive": func() error { return c.SetKeepAlive(true) },
		}
		for name, set := range options {
			if err := set(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.Close()
		options["CloseWrite"], options["Close"] = c.CloseWrite, c.Close
		for name, set := range options {
			if err := set(); !isError(err, net.ErrClosed) {
				t.Errorf("%s on a closed connection: %v", name, err)
			}
		}
	})
}
