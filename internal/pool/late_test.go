package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlotTooLate has a slot of each kind come after the asker's context has
// ended and before it has left the queue: the slot is not lost.
func TestSlotTooLate(t *testing.T) {
	for name, give := range map[string]func(p *Pool[*fakeConn], owner *Lease[*fakeConn]){
		"idle": func(p *Pool[*fakeConn], owner *Lease[*fakeConn]) {
			p.idle = append(p.idle, idle[*fakeConn]{owner.conn, time.Now()})
		},
		"parked": func(p *Pool[*fakeConn], owner *Lease[*fakeConn]) {
			owner.yield = yes
			p.parked = append(p.parked, owner)
		},
		"free": func(p *Pool[*fakeConn], owner *Lease[*fakeConn]) {
			owner.conn.Close()
			p.total--
		},
	} {
		srv := &fakeServer{}
		bubble(t, srv, 1, func(t *testing.T, p *Pool[*fakeConn]) {
			owner := acquire(t, p)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := p.Acquire(ctx)
				done <- err
			}()
			synctest.Wait()
			p.mu.Lock()
			cancel()
			give(p, owner)
			p.serve()
			p.mu.Unlock()
			if err := <-done; err != context.Canceled {
				t.Errorf("%s: Acquire = %v", name, err)
			}
			if name == "parked" {
				if mine, err := owner.Unpark(t.Context()); !mine || err != nil {
					t.Errorf("Unpark = %v, %v", mine, err)
				}
				owner.Release()
			}
			l := acquire(t, p)
			if want := map[string]int{"idle": 1, "parked": 1, "free": 2}[name]; l.Conn().n != want {
				t.Errorf("%s: connection %d, want %d", name, l.Conn().n, want)
			}
			l.Release()
		})
	}
}

// counting counts what waits for a context's end.
type counting struct {
	context.Context
	n int
}

// Value hides the context in it, so that AfterFunc is called.
func (c *counting) Value(any) any { return nil }

func (c *counting) AfterFunc(f func()) func() bool {
	c.n++
	stop := context.AfterFunc(c.Context, f)
	return func() bool { c.n--; return stop() }
}

// TestWithinForgotten has contexts of Within end: a pool that lives long does
// not keep them.
func TestWithinForgotten(t *testing.T) {
	bubble(t, &fakeServer{}, 1, func(t *testing.T, p *Pool[*fakeConn]) {
		life := &counting{Context: p.life}
		p.life = life
		_, done := p.Within(t.Context())
		if life.n != 1 {
			t.Errorf("%d wait for the pool's end", life.n)
		}
		done(nil)
		if life.n != 0 {
			t.Errorf("%d wait for the pool's end after the call", life.n)
		}
	})
}
