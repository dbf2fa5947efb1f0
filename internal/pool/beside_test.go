package pool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestBeside has four at work who use connections for a millisecond each time, on a
// server whose login takes a while: more connections never make it slower than one,
// and are opened at once where they are cheap, or when there is much to do.
func TestBeside(t *testing.T) {
	const use = time.Millisecond
	for _, tt := range []struct {
		login time.Duration
		uses  int
		conns int           // that are opened
		most  time.Duration // beside the first login
	}{
		{55 * time.Millisecond, 50, 1, 50 * use},
		{55 * time.Millisecond, 60, 4, 61 * use}, // opened at the end, and given up
		{55 * time.Millisecond, 1000, 4, 400 * use},
		{2 * time.Millisecond, 48, 4, 16 * use},
		{0, 40, 4, 10 * use},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := &fakeServer{login: tt.login}
			var tries atomic.Int32
			p := New(Config[*fakeConn]{Max: 4, Open: func(ctx context.Context) (*fakeConn, error) {
				tries.Add(1)
				if err := pause(ctx, tt.login); err != nil {
					return nil, err
				}
				return srv.connect(ctx)
			}})
			acquire(t, p).Release()
			start := time.Now()
			var all sync.WaitGroup
			var begun atomic.Int32
			for range 4 {
				all.Go(func() {
					for int(begun.Add(1)) <= tt.uses {
						l := acquire(t, p)
						time.Sleep(use)
						l.Release()
					}
				})
			}
			all.Wait()
			took := time.Since(start)
			p.Close()
			if took > tt.most || int(tries.Load()) != tt.conns {
				t.Errorf("a login of %v, %d uses: %v and %d connections, want at most %v and %d", tt.login, tt.uses, took, tries.Load(), tt.most, tt.conns)
			}
			if closing := time.Since(start) - took; closing > 0 {
				t.Errorf("Close has waited for %v", closing)
			}
		})
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestBesideFails has a further connection fail: who still waits for it is told, and
// who has another by then is not.
func TestBesideFails(t *testing.T) {
	errLogin := errors.New("no")
	for _, held := range []time.Duration{time.Second, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			srv := &fakeServer{}
			first := true
			p := New(Config[*fakeConn]{Max: 2, Open: func(ctx context.Context) (*fakeConn, error) {
				if first {
					first = false
					return srv.connect(ctx)
				}
				time.Sleep(2 * time.Second)
				return nil, errLogin
			}, Again: func(error, bool) bool { return false }})
			l := acquire(t, p)
			time.AfterFunc(held, l.Release)
			other, err := p.Acquire(t.Context())
			switch {
			case held == time.Second && err != nil, held > 2*time.Second && err != errLogin:
				t.Errorf("after %v: %v", held, err)
			case err == nil:
				other.Release()
			}
			time.Sleep(5 * time.Second)
			counted(t, p, 1)
			p.Close()
		})
	}
}

// TestBesideLeft has the asker's context end while a connection is opened for it.
func TestBesideLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &fakeServer{}
		silent, first := false, true
		p := New(Config[*fakeConn]{Max: 2, Open: func(ctx context.Context) (*fakeConn, error) {
			if first = !first; first {
				if err := pause(ctx, time.Minute); err != nil {
					return nil, err
				}
			}
			return srv.connect(ctx)
		}, Beside: func(ctx context.Context) (context.Context, func()) { return ctx, func() { silent = true } }})
		l := acquire(t, p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Acquire(ctx); err != context.DeadlineExceeded || !silent {
			t.Errorf("Acquire = %v, silent: %v", err, silent)
		}
		synctest.Wait()
		counted(t, p, 1)
		l.Release()
		p.Close()
	})
}

func counted(t *testing.T, p *Pool[*fakeConn], want int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total != want {
		t.Errorf("%d connections are counted, want %d", p.total, want)
	}
}

// TestTry takes what nobody uses and never waits: what is missing is opened for the next
// time, as far as there is room, and Close waits for it.
func TestTry(t *testing.T) {
	for _, tt := range []struct {
		most, takes int // of the pool, and of the server
		want        int // leases in the end
	}{{4, 0, 3}, {1, 0, 0}, {4, 2, 1}} {
		srv := &fakeServer{most: tt.takes, slow: time.Millisecond}
		bubble(t, srv, tt.most, func(t *testing.T, p *Pool[*fakeConn]) {
			own := acquire(t, p)
			for range 5 {
				if p.Try(t.Context()) != nil {
					t.Error("a lease on a connection that is not open yet")
				}
			}
			time.Sleep(2 * srv.slow)
			start := time.Now()
			var leases []*Lease[*fakeConn]
			for l := p.Try(t.Context()); l != nil; l = p.Try(t.Context()) {
				leases = append(leases, l)
			}
			if took := time.Since(start); len(leases) != tt.want || took > 0 {
				t.Errorf("%+v: %d leases after %v", tt, len(leases), took)
			}
			for _, l := range append(leases, own) {
				l.Release()
			}
		})
	}
}

// TestTryOld does not rely on a connection that was idle for long: it is asked for the
// next time, and replaced if it does not answer.
func TestTryOld(t *testing.T) {
	srv := &fakeServer{}
	bubble(t, srv, 2, func(t *testing.T, p *Pool[*fakeConn]) {
		own, other := acquire(t, p), acquire(t, p)
		old := other.Conn()
		old.silent = true
		other.Release()
		time.Sleep(2 * probeAfter)
		if p.Try(t.Context()) != nil {
			t.Error("an old connection was taken unasked")
		}
		synctest.Wait()
		l := p.Try(t.Context())
		if l == nil || l.Conn() == old || !old.isClosed() {
			t.Fatal("the old connection was not replaced")
		}
		l.Release()
		own.Release()
		p.Close()
		if p.Try(t.Context()) != nil {
			t.Error("a lease of a closed pool")
		}
	})
}
