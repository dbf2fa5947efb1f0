package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

// The end of a stream is acknowledged one round trip later, whatever the peer's
// program does.
func TestAwaitAck(t *testing.T) {
	for name, peer := range map[string]func(c *memnet.Conn){
		"idle":          func(*memnet.Conn) {},
		"closed before": func(c *memnet.Conn) { c.Close() },
		"half-closed":   func(c *memnet.Conn) { c.CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			between(t, nil, nil, func(t *testing.T, w *world) {
				c, s := w.control()
				peer(c)
				time.Sleep(time.Second)
				start := time.Now()
				if err := s.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if err := s.AwaitAck(t.Context()); err != nil || time.Since(start) != 2*latency {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

func TestAwaitAckFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		peer  func(c, s *memnet.Conn)
		want  error
	}{
		{"reset", 2 * latency, func(c, _ *memnet.Conn) { c.SetLinger(0); c.Close() }, syscall.ECONNRESET},
		{"closed here", latency, func(_, s *memnet.Conn) { s.Close() }, net.ErrClosed},
		{"given up", time.Minute, func(_, _ *memnet.Conn) {}, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// The server's FIN follows its 2 bytes, so that it is lost.
			lossy := memnet.Cut{From: memnet.Server, After: 2, Do: memnet.Swallow}
			between(t, []memnet.Box{lossy}, nil, func(t *testing.T, w *world) {
				c, s := w.control()
				w.send(s, "xx")
				w.expect(c, "xx")
				if err := s.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				timer := time.AfterFunc(latency, func() { tt.peer(c, s) })
				defer timer.Stop()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := s.AwaitAck(ctx); !errors.Is(err, tt.want) || time.Since(start) != tt.after {
					t.Errorf("%v after %v, want %v after %v", err, time.Since(start), tt.want, tt.after)
				}
			})
		})
	}
}

func TestBuffered(t *testing.T) {
	between(t, nil, nil, func(t *testing.T, w *world) {
		c, s := w.control()
		w.send(c, "abc")
		if n := s.Buffered(); n != 0 {
			t.Errorf("%d bytes have arrived at once", n)
		}
		time.Sleep(2 * latency)
		if n := s.Buffered(); n != 3 {
			t.Errorf("%d bytes have arrived", n)
		}
		if _, err := io.ReadFull(s, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		if n := s.Buffered(); n != 1 {
			t.Errorf("%d bytes are left", n)
		}
	})
}

// A connection whose data is being read is not idle to a NAT, as it is while
// nobody reads.
func TestReadingKeepsMapping(t *testing.T) {
	for _, reads := range []bool{false, true} {
		behindNAT(t, memnet.NAT{IdleTimeout: 8 * time.Second}, func(t *testing.T, w *world) {
			c, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
			w.send(c, "0123456789")
			for range 4 {
				time.Sleep(5 * time.Second)
				if reads {
					if _, err := s.Read(make([]byte, 1)); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.send(c, "x")
			time.Sleep(time.Second)
			if n := w.near.Counters()[0].Expired; (n == 0) != reads {
				t.Errorf("reads %t: %d expired", reads, n)
			}
		})
	}
}
