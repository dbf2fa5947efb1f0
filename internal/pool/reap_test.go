package pool

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestReaped has connections become idle one after the other: each is closed when
// its own time is over, whether the pool is used meanwhile or not.
func TestReaped(t *testing.T) {
	srv := &fakeServer{}
	bubble(t, srv, 4, func(t *testing.T, p *Pool[*fakeConn]) {
		start := time.Now()
		at := make([]time.Duration, 3)
		leases := []*Lease[*fakeConn]{acquire(t, p), acquire(t, p), acquire(t, p)}
		for i, l := range leases {
			time.Sleep(10 * time.Second)
			l.Release()
			at[i] = time.Since(start)
		}
		for i, c := range srv.opened {
			time.Sleep(time.Until(start.Add(at[i] + defaultIdleLimit - time.Millisecond)))
			if c.isClosed() {
				t.Errorf("connection %d is closed too early", c.n)
			}
			time.Sleep(2 * time.Millisecond)
			if !c.isClosed() {
				t.Errorf("connection %d is not closed after %v", c.n, time.Since(start)-at[i])
			}
		}
		l := acquire(t, p)
		l.Release()
		time.Sleep(2 * defaultIdleLimit)
		srv.mu.Lock()
		defer srv.mu.Unlock()
		if !l.Conn().closed || srv.open != 0 {
			t.Errorf("%d connections are open in a pool that is not used", srv.open)
		}
	})
}

// TestLastSlice has a lease be parked whose slice is over sooner than the quantum
// of one that was parked before: it is the first to be revoked.
func TestLastSlice(t *testing.T) {
	bubble(t, &fakeServer{}, 2, func(t *testing.T, p *Pool[*fakeConn]) {
		old := acquire(t, p)
		time.Sleep(sliceLength - 2*time.Millisecond)
		young := acquire(t, p)
		young.Park(yes)
		old.Park(yes)
		start := time.Now()
		first := acquire(t, p)
		if took := time.Since(start); first.Conn() != old.Conn() || took != 2*time.Millisecond {
			t.Errorf("connection %d after %v", first.Conn().n, took)
		}
		second := acquire(t, p)
		if took := time.Since(start); second.Conn() != young.Conn() || took != idleQuantum {
			t.Errorf("connection %d after %v", second.Conn().n, took)
		}
		first.Release()
		second.Release()
	})
}

// TestOneGivesUp has one of three who wait give up: the others are served in their
// order, and at once.
func TestOneGivesUp(t *testing.T) {
	for gone := range 3 {
		bubble(t, &fakeServer{}, 1, func(t *testing.T, p *Pool[*fakeConn]) {
			owner := acquire(t, p)
			var served []int
			left := false
			var ends []context.CancelFunc
			for i := range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				ends = append(ends, cancel)
				go func() {
					l, err := p.Acquire(ctx)
					if i == gone && err == context.Canceled {
						left = true
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					served = append(served, i)
					l.Release()
				}()
				synctest.Wait()
			}
			ends[gone]()
			synctest.Wait()
			if !left {
				t.Error("who gives up waits on")
			}
			owner.Release()
			synctest.Wait()
			if len(served) != 2 || served[0] > served[1] || served[0] == gone || served[1] == gone {
				t.Errorf("%d gave up, and %v were served", gone, served)
			}
			for _, end := range ends {
				end()
			}
		})
	}
}

// TestForCall has contexts with an end of their own and without one: each ends with
// the pool, says so, and has the values that it had.
func TestForCall(t *testing.T) {
	type key struct{}
	for _, endless := range []bool{true, false} {
		bubble(t, &fakeServer{}, 1, func(t *testing.T, p *Pool[*fakeConn]) {
			parent := context.Context(context.Background())
			if !endless {
				var cancel context.CancelFunc
				parent, cancel = context.WithCancel(parent)
				defer cancel()
			}
			ctx, done := p.ForCall(context.WithValue(parent, key{}, 7))
			if ctx.Value(key{}) != 7 || ctx.Err() != nil || p.Err() != nil || proto.Ended(ctx, errFull) != errFull {
				t.Errorf("endless %v: %v, %v, %v", endless, ctx.Value(key{}), ctx.Err(), p.Err())
			}
			p.Close()
			synctest.Wait()
			if context.Cause(ctx) != proto.ErrClosed || proto.Ended(ctx, ctx.Err()) != proto.ErrClosed || p.Err() != proto.ErrClosed {
				t.Errorf("endless %v: ended by %v", endless, context.Cause(ctx))
			}
			done(nil)
		})
	}
	bubble(t, &fakeServer{}, 1, func(t *testing.T, p *Pool[*fakeConn]) {
		parent, cancel := context.WithCancel(t.Context())
		ctx, done := p.ForCall(parent)
		cancel()
		if ctx.Err() == nil || proto.Ended(ctx, ctx.Err()) != context.Canceled {
			t.Errorf("ended by %v", context.Cause(ctx))
		}
		done(nil)
	})
}

// TestDeadInUse has a connection be dead when it is given back, and one that dies
// while it is idle: neither is handed out, and their slots are free.
func TestDeadInUse(t *testing.T) {
	srv := &fakeServer{}
	bubble(t, srv, 1, func(t *testing.T, p *Pool[*fakeConn]) {
		l := acquire(t, p)
		l.Conn().dead = true
		l.Release()
		if !srv.opened[0].closed {
			t.Error("a dead connection is not closed when it is given back")
		}
		acquire(t, p).Release()
		srv.opened[1].dead = true
		l = acquire(t, p)
		if l.Conn().n != 3 || !srv.opened[1].closed || srv.open != 1 {
			t.Errorf("connection %d, and %d are open", l.Conn().n, srv.open)
		}
		l.Park(yes)
		srv.opened[2].dead = true
		l = acquire(t, p)
		if l.Conn().n != 4 || !srv.opened[2].closed || srv.open != 1 {
			t.Errorf("connection %d, and %d are open", l.Conn().n, srv.open)
		}
		l.Release()
	})
}
