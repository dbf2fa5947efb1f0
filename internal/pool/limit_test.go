package pool

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sharing runs f with pools of one server that share a limit, and expects that nothing
// is left when they are closed.
func sharing(t *testing.T, n, most, limit int, f func(t *testing.T, srv *fakeServer, pools []*Pool[*fakeConn])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv, limits := &fakeServer{}, new(Limits)
		var pools []*Pool[*fakeConn]
		for range n {
			pools = append(pools, New(Config[*fakeConn]{Max: most, Open: srv.connect, Shared: limits.Of("server", limit)}))
		}
		f(t, srv, pools)
		for _, p := range pools {
			p.Close()
		}
		if srv.open != 0 || len(limits.by) != 0 {
			t.Errorf("%d connections are open after Close, and %d limits are kept", srv.open, len(limits.by))
		}
	})
}

func (s *fakeServer) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// TestSharedIdle has a pool whose connections are idle give them to another one that
// needs them, at once and no more than it needs.
func TestSharedIdle(t *testing.T) {
	sharing(t, 2, 4, 4, func(t *testing.T, srv *fakeServer, pools []*Pool[*fakeConn]) {
		var leases []*Lease[*fakeConn]
		for range 4 {
			leases = append(leases, acquire(t, pools[0]))
		}
		for _, l := range leases {
			l.Release()
		}
		start := time.Now()
		a := acquire(t, pools[1])
		b := acquire(t, pools[1])
		if took := time.Since(start); took != 0 || srv.now() != 4 || len(pools[0].idle) != 2 {
			t.Errorf("after %v %d connections are open, of which %d are the other pool's", took, srv.now(), len(pools[0].idle))
		}
		a.Release()
		b.Release()
		time.Sleep(time.Second)
		if srv.now() != 4 {
			t.Errorf("%d connections are open when nobody wants more", srv.now())
		}
	})
}

// TestSharedFirst has a pool hold all connections and need more of them: one that has
// none gets the first that comes free, and if there is none for a second, one beyond
// the limit, which the first pool makes up for as soon as it can.
func TestSharedFirst(t *testing.T) {
	for _, freed := range []bool{true, false} {
		sharing(t, 2, 4, 2, func(t *testing.T, srv *fakeServer, pools []*Pool[*fakeConn]) {
			held := []*Lease[*fakeConn]{acquire(t, pools[0]), acquire(t, pools[0])}
			more := make(chan *Lease[*fakeConn], 1)
			go func() { more <- acquire(t, pools[0]) }()
			synctest.Wait()
			start := time.Now()
			if freed {
				time.AfterFunc(firstWait/2, held[0].Release)
			}
			own := acquire(t, pools[1])
			took, open := time.Since(start), srv.now()
			if freed && (took != firstWait/2 || open != 2) || !freed && (took != firstWait || open != 3) {
				t.Errorf("freed %v: after %v, with %d connections", freed, took, open)
			}
			if !freed {
				held[0].Release()
			}
			synctest.Wait()
			if open := srv.now(); open != 2 || len(more) != 0 {
				t.Errorf("freed %v: %d connections in the end", freed, open)
			}
			held[1].Release()
			(<-more).Release()
			own.Release()
		})
	}
}

// TestSharedGivesUp has a pool that stops waiting take nothing away from others.
func TestSharedGivesUp(t *testing.T) {
	sharing(t, 2, 4, 1, func(t *testing.T, srv *fakeServer, pools []*Pool[*fakeConn]) {
		held := acquire(t, pools[0])
		ctx, cancel := context.WithTimeout(t.Context(), firstWait/2)
		defer cancel()
		if _, err := pools[1].Acquire(ctx); err != context.DeadlineExceeded {
			t.Error(err)
		}
		if pools[1].Try(t.Context()) != nil {
			t.Error("a lease by Try")
		}
		time.Sleep(2 * firstWait)
		held.Release()
		synctest.Wait()
		if srv.now() != 1 || len(srv.opened) != 1 {
			t.Errorf("%d connections are open, of %d", srv.now(), len(srv.opened))
		}
	})
}

// TestSharedByMany has many use three pools: all are served, with no more connections
// than the limit and one for each pool beyond it.
func TestSharedByMany(t *testing.T) {
	for seed := range uint64(20) {
		const pools, limit = 3, 4
		sharing(t, pools, 4, limit, func(t *testing.T, srv *fakeServer, pools []*Pool[*fakeConn]) {
			var users sync.WaitGroup
			most := 0
			for i := range 30 {
				r := rand.New(rand.NewPCG(seed, uint64(i)))
				users.Go(func() {
					for range 20 {
						time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
						l, err := pools[i%3].Acquire(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						srv.mu.Lock()
						most = max(most, srv.open)
						srv.mu.Unlock()
						time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
						if r.IntN(3) == 0 {
							l.Park(yes)
							time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
							if mine, _ := l.Unpark(t.Context()); !mine {
								continue
							}
						}
						l.Release()
					}
				})
			}
			users.Wait()
			if most > limit+2 || srv.now() > limit {
				t.Errorf("seed %d: up to %d connections, and %d in the end", seed, most, srv.now())
			}
		})
	}
}
