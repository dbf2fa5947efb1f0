package transfer

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// socket is what becomes of one that is dialled; the zero value hangs.
type socket struct {
	after time.Duration
	err   error
}

// lingering is a connection that keeps how it was closed.
type lingering struct {
	net.Conn
	mu     sync.Mutex
	had    bool // by the dialer
	closed bool
	reset  bool
}

func (c *lingering) SetLinger(sec int) error { c.reset = sec == 0; return nil }

func (c *lingering) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

// TestDialer has sockets do differently: the first outcome counts, and no connection
// is left open beside it.
func TestDialer(t *testing.T) {
	const pause, ms = 100 * time.Millisecond, time.Millisecond
	soon := socket{after: 50 * ms}
	for _, tt := range []struct {
		name    string
		pause   time.Duration
		sockets []socket
		dialled int
		winner  int // socket, from 1; zero for none
		took    time.Duration
		err     error
	}{
		{"at once", pause, []socket{soon}, 1, 1, 50 * ms, nil},
		{"refused", pause, []socket{{50 * ms, syscall.ECONNREFUSED}}, 1, 0, 50 * ms, syscall.ECONNREFUSED},
		{"the first SYN lost", pause, []socket{{}, soon}, 2, 2, 150*ms + dialSlack, nil},
		{"two lost", pause, []socket{{}, {}, soon}, 3, 3, 250*ms + dialSlack, nil},
		{"the first seen after the second", pause, []socket{{after: 155 * ms}, soon}, 2, 1, 155 * ms, nil},
		{"the first seen after the second was refused", pause, []socket{{after: 155 * ms}, {50 * ms, syscall.ECONNREFUSED}}, 2, 1, 155 * ms, nil},
		{"the first refused after the second", pause, []socket{{155 * ms, syscall.ECONNREFUSED}, soon}, 2, 2, 155 * ms, nil},
		{"the second seen after the third", pause, []socket{{}, {after: 155 * ms}, soon}, 3, 2, 250*ms + dialSlack, nil},
		{"held, and another is not begun", pause, []socket{{}, {after: 95 * ms}, soon}, 2, 2, 195*ms + dialSlack, nil},
		{"too late for the slack", pause, []socket{{after: 150*ms + 2*dialSlack}, soon}, 2, 2, 150*ms + dialSlack, nil},
		{"all lost", pause, []socket{{}, {}, {}}, 3, 0, time.Second, context.DeadlineExceeded},
		{"the first late, and still first", pause, []socket{{after: 120 * ms}, {}}, 2, 1, 120 * ms, nil},
		{"the first lost, the second refused", pause, []socket{{}, {50 * ms, syscall.ECONNREFUSED}}, 2, 0, 150*ms + dialSlack, syscall.ECONNREFUSED},
		{"one socket alone", 0, []socket{{after: 400 * ms}}, 1, 1, 400 * ms, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var conns []*lingering
				d := dialer{pause: tt.pause, dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
					mu.Lock()
					c := new(lingering)
					conns = append(conns, c)
					s := tt.sockets[len(conns)-1]
					mu.Unlock()
					if s == (socket{}) {
						s.after = time.Hour
					}
					select {
					case <-time.After(s.after):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					if s.err != nil {
						return nil, s.err
					}
					c.had = true
					return c, nil
				}}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				nc, err := d.open(ctx, cancel, "server:1")
				if took := time.Since(start); took != tt.took || !errors.Is(err, tt.err) || (err == nil) != (tt.winner > 0) {
					t.Errorf("%v after %v", err, took)
				}
				for i, c := range conns {
					if left := i != tt.winner-1; c.had && (c.closed != left || c.reset != left) {
						t.Errorf("number %d: closed %v, reset %v", i+1, c.closed, c.reset)
					}
				}
				if len(conns) != tt.dialled || tt.winner > 0 && nc != conns[tt.winner-1] {
					t.Errorf("%d dialled, and the outcome is not number %d", len(conns), tt.winner)
				}
			})
		})
	}
}

// TestForsake: a connection that comes after another one is reset.
func TestForsake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var conns []*lingering
		d := dialer{pause: time.Second, dial: func(context.Context, string, string) (net.Conn, error) {
			mu.Lock()
			c := new(lingering)
			conns = append(conns, c)
			late := len(conns) == 1
			mu.Unlock()
			if late {
				time.Sleep(3 * time.Second / 2) // deaf to its context
			}
			return c, nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		nc, err := d.open(ctx, cancel, "server:1")
		if err != nil {
			t.Fatal(err)
		}
		if len(conns) != 2 {
			t.Errorf("%d connections", len(conns))
		}
		for _, c := range conns {
			if left := net.Conn(c) == nc; left == c.closed || c.closed && !c.reset {
				t.Errorf("closed %v, reset %v, and it is the outcome is %v", c.closed, c.reset, left)
			}
		}
	})
}
