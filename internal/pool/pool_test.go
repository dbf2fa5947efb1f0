package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

func yes(context.Context) bool { return true }

func TestOrder(t *testing.T) {
	bubble(t, &fakeServer{}, 1, func(t *testing.T, p *Pool[*fakeConn]) {
		first := acquire(t, p)
		var served []int
		for i := range 5 {
			go func() {
				l := acquire(t, p)
				served = append(served, i)
				l.Release()
			}()
			synctest.Wait()
		}
		first.Release()
		synctest.Wait()
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(served, want) {
			t.Errorf("served in the order %v", served)
		}
	})
}

// TestParkedIsLent has the asker wait for the idle quantum, and the owner lose
// the connection.
func TestParkedIsLent(t *testing.T) {
	type asker struct{}
	bubble(t, &fakeServer{}, 1, func(t *testing.T, p *Pool[*fakeConn]) {
		owner := acquire(t, p)
		yields := 0
		owner.Park(func(ctx context.Context) bool {
			yields++
			if ctx.Value(asker{}) == nil {
				t.Error("yield is not called in the asker's context")
			}
			return true
		})
		start := time.Now()
		l, err := p.Acquire(context.WithValue(t.Context(), asker{}, true))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != idleQuantum || l.Conn() != owner.Conn() || yields != 1 {
			t.Errorf("connection %d after %v and %d yields", l.Conn().n, took, yields)
		}
		if mine, err := owner.Unpark(t.Context()); mine || err != nil {
			t.Errorf("Unpark = %v, %v", mine, err)
		}
		l.Release()
	})
}

func TestUnparkUnwanted(t *testing.T) {
	bubble(t, &fakeServer{}, 1, func(t *testing.T, p *Pool[*fakeConn]) {
		owner := acquire(t, p)
		for range 3 {
			owner.Park(func(context.Context) bool { t.Error("revoked"); return true })
			time.Sleep(time.Hour)
			if mine, err := owner.Unpark(t.Context()); !mine || err != nil {
				t.Errorf("Unpark = %v, %v", mine, err)
			}
		}
		owner.Release()
	})
}

// TestSlice has an owner that is never idle for a quantum: it may keep the
// connection for a slice.
func TestSlice(t *testing.T) {
	for _, rtt := range []time.Duration{0, 300 * time.Millisecond} {
		bubble(t, &fakeServer{rtt: rtt}, 1, func(t *testing.T, p *Pool[*fakeConn]) {
			owner := acquire(t, p)
			start := time.Now()
			var took time.Duration
			go func() {
				l := acquire(t, p)
				took = time.Since(start)
				l.Release()
			}()
			for mine := true; mine; {
				owner.Park(yes)
				time.Sleep(time.Millisecond)
				mine, _ = owner.Unpark(t.Context())
			}
			synctest.Wait()
			if want := max(sliceLength, 10*rtt); took < want || took > want+2*time.Millisecond {
				t.Errorf("kept for %v, want %v", took, want)
			}
		})
	}
}

// TestFewer has a server that takes fewer connections: the rest wait for those,
// and one more is tried after a while.
func TestFewer(t *testing.T) {
	srv := &fakeServer{most: 2}
	bubble(t, srv, 4, func(t *testing.T, p *Pool[*fakeConn]) {
		work := func() {
			var all sync.WaitGroup
			for range 12 {
				all.Go(func() {
					l := acquire(t, p)
					time.Sleep(time.Second)
					l.Release()
				})
			}
			all.Wait()
		}
		if n := p.Room(); n != 4 {
			t.Errorf("room for %d at first", n)
		}
		work()
		if n := p.Room(); n != 2 || srv.tries > 4 {
			t.Errorf("room for %d after %d tries", n, srv.tries)
		}
		srv.most = 0
		tries := srv.tries
		work()
		if n := p.Room(); n != 2 || srv.tries != tries {
			t.Errorf("room for %d after %d tries more", n, srv.tries-tries)
		}
		time.Sleep(lowFor)
		work()
		if n := p.Room(); n != 3 {
			t.Errorf("room for %d a while later", n)
		}
	})
}

// TestFullFirst has a server that refuses the only connection: the error says
// so, as there is nothing to do with.
func TestFullFirst(t *testing.T) {
	srv := &fakeServer{most: 1, open: 1}
	synctest.Test(t, func(t *testing.T) {
		p := srv.pool(4)
		if _, err := p.Acquire(t.Context()); err != errFull {
			t.Errorf("Acquire = %v", err)
		}
		p.Close()
	})
}

func TestAgain(t *testing.T) {
	srv := &fakeServer{down: true}
	bubble(t, srv, 1, func(t *testing.T, p *Pool[*fakeConn]) {
		if _, err := p.Acquire(t.Context()); err != error(errDown) || srv.tries != 1 {
			t.Errorf("Acquire from a server that was never there = %v after %d tries", err, srv.tries)
		}
		srv.setDown(false)
		l := acquire(t, p)
		l.Conn().dead = true
		l.Release()
		srv.setDown(true)
		time.AfterFunc(10*time.Second, func() { srv.setDown(false) })
		acquire(t, p).Release()
		srv.opened[1].dead = true
		srv.setDown(true)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := p.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, proto.ErrLost) {
			t.Errorf("Acquire = %v", err)
		}
	})
}

// TestProbe uses a connection unasked that was idle for a short time, and asks
// one that was for longer.
func TestProbe(t *testing.T) {
	for _, tt := range []struct {
		idle   time.Duration
		silent bool
		asked  int
		conn   int
	}{
		{time.Second, true, 0, 1},
		{probeAfter, true, 1, 2},
		{10 * time.Second, false, 1, 1},
		{10 * time.Second, true, 1, 2},
		{2 * time.Minute, false, 0, 2},
	} {
		srv := &fakeServer{}
		bubble(t, srv, 2, func(t *testing.T, p *Pool[*fakeConn]) {
			acquire(t, p).Release()
			srv.opened[0].silent = tt.silent
			time.Sleep(tt.idle)
			l := acquire(t, p)
			if l.Conn().n != tt.conn || srv.opened[0].asked != tt.asked {
				t.Errorf("after %v: connection %d, asked %d times", tt.idle, l.Conn().n, srv.opened[0].asked)
			}
			l.Release()
		})
	}
}

// TestKept has askers give up while an owner's connection is revoked for them:
// it remains the owner's.
func TestKept(t *testing.T) {
	bubble(t, &fakeServer{}, 1, func(t *testing.T, p *Pool[*fakeConn]) {
		owner := acquire(t, p)
		yields := 0
		owner.Park(func(ctx context.Context) bool {
			yields++
			<-ctx.Done()
			return false
		})
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := p.Acquire(ctx); err != context.DeadlineExceeded {
				t.Errorf("Acquire = %v", err)
			}
			cancel()
		}
		// The third is at it when the owner comes back.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go p.Acquire(ctx)
		time.Sleep(2 * idleQuantum)
		if mine, err := owner.Unpark(t.Context()); !mine || err != nil || yields != 3 {
			t.Errorf("Unpark = %v, %v after %d yields", mine, err, yields)
		}
		owner.Release()
	})
}

// TestLeft has the owner's context end while its connection is revoked for
// somebody who then gives up: nobody is left to have it.
func TestLeft(t *testing.T) {
	srv := &fakeServer{}
	bubble(t, srv, 1, func(t *testing.T, p *Pool[*fakeConn]) {
		owner := acquire(t, p)
		yields := 0
		owner.Park(func(ctx context.Context) bool {
			if yields++; yields == 1 {
				<-ctx.Done()
				return false
			}
			return true
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		go p.Acquire(ctx)
		time.Sleep(2 * idleQuantum)
		ownerCtx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if mine, err := owner.Unpark(ownerCtx); mine || err != context.DeadlineExceeded {
			t.Errorf("Unpark = %v, %v", mine, err)
		}
		<-ctx.Done()
		synctest.Wait()
		if yields != 2 || !srv.opened[0].closed {
			t.Errorf("%d yields, closed: %v", yields, srv.opened[0].closed)
		}
		acquire(t, p).Release()
	})
}

// TestEndsAtOnce has the context of an asker end in the instant in which a slot
// of each kind comes: the slot is not lost.
func TestEndsAtOnce(t *testing.T) {
	for _, kind := range []string{"idle", "parked", "free", "closed"} {
		for range 20 {
			srv := &fakeServer{}
			bubble(t, srv, 1, func(t *testing.T, p *Pool[*fakeConn]) {
				owner := acquire(t, p)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() {
					l, err := p.Acquire(ctx)
					if err == nil {
						l.Release()
					}
					done <- err
				}()
				synctest.Wait()
				switch kind {
				case "free":
					owner.Conn().dead = true
					fallthrough
				case "idle":
					owner.Release()
				case "parked":
					owner.Park(yes)
					p.mu.Lock()
					owner.due = time.Now()
					p.serve()
					p.mu.Unlock()
				case "closed":
					go p.Close()
					owner.Release()
				}
				cancel()
				if err := <-done; err != nil && err != context.Canceled && err != proto.ErrClosed {
					t.Errorf("%s: %v", kind, err)
				}
				if kind == "parked" {
					if mine, err := owner.Unpark(t.Context()); err != nil {
						t.Errorf("Unpark: %v, %v", mine, err)
					} else if mine {
						owner.Release()
					}
				}
				if kind != "closed" {
					acquire(t, p).Release()
				}
			})
		}
	}
}

func TestClose(t *testing.T) {
	srv := &fakeServer{}
	bubble(t, srv, 3, func(t *testing.T, p *Pool[*fakeConn]) {
		busy, parked := acquire(t, p), acquire(t, p)
		acquire(t, p).Release()
		yielded := false
		parked.Park(func(ctx context.Context) bool {
			yielded = ctx.Err() != nil && p.Err() == proto.ErrClosed
			return true
		})
		acquire(t, p) // the idle one, which is never released but at the end
		third := srv.opened[2]
		ctx, cancel := p.Within(t.Context())
		defer cancel(nil)
		waiting := make(chan error)
		go func() {
			// Both are taken, and the parked one is not due.
			_, err := p.Acquire(t.Context())
			waiting <- err
		}()
		synctest.Wait()
		closed := make(chan struct{})
		for range 2 {
			go func() {
				p.Close()
				closed <- struct{}{}
			}()
		}
		if err := <-waiting; err != proto.ErrClosed {
			t.Errorf("Acquire = %v", err)
		}
		<-ctx.Done()
		if err := proto.Ended(ctx, ctx.Err()); err != proto.ErrClosed || proto.Ended(ctx, nil) != nil {
			t.Errorf("the context of Within has ended: %v", err)
		}
		synctest.Wait()
		if mine, err := parked.Unpark(t.Context()); mine || err != nil || !yielded {
			t.Errorf("Unpark = %v, %v; yielded: %v", mine, err, yielded)
		}
		select {
		case <-closed:
			t.Error("Close has not waited for the leases in use")
		default:
		}
		busy.Park(yes) // as who reads does without knowing
		(&Lease[*fakeConn]{pool: p, conn: third}).Release()
		<-closed
		<-closed
		if _, err := p.Acquire(t.Context()); err != proto.ErrClosed {
			t.Errorf("Acquire after Close = %v", err)
		}
	})
}

// TestMany has many goroutines at work over few connections, which park, come
// back, give up and find their connections dead.
func TestMany(t *testing.T) {
	srv := &fakeServer{most: 3}
	bubble(t, srv, 4, func(t *testing.T, p *Pool[*fakeConn]) {
		var all sync.WaitGroup
		for g := range 20 {
			all.Go(func() {
				for i := range 50 {
					if err := use(t.Context(), p, g*i); err != nil && !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	})
}

// use has a lease for a while, and does with it what n says.
func use(ctx context.Context, p *Pool[*fakeConn], n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(1+n%7)*20*time.Millisecond)
	defer cancel()
	l, err := p.Acquire(ctx)
	if err != nil {
		return err
	}
	for range n % 4 {
		time.Sleep(time.Millisecond)
		l.Park(func(ctx context.Context) bool {
			select {
			case <-time.After(3 * time.Millisecond):
				return true
			case <-ctx.Done():
				return false
			}
		})
		time.Sleep(time.Duration(n%11) * time.Millisecond)
		if mine, err := l.Unpark(ctx); err != nil {
			return fmt.Errorf("unpark: %w", err)
		} else if !mine {
			return nil
		}
	}
	l.Conn().dead = n%13 == 0
	l.Release()
	return nil
}
