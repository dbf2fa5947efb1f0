package pool

import (
	"context"
	"slices"
	"time"
)

// Lease is the right to use one connection of a pool. It is in use, or parked:
// then it is kept until somebody else needs the connection. Its methods are for
// one goroutine at a time.
type Lease[C Conn] struct {
	pool *Pool[C]
	conn C
	from time.Time // when it was given
	end  time.Time // of the slice: a parked lease is due then, however short it was idle

	// Of a parked lease, guarded by pool.mu.
	due     time.Time                  // when it may be revoked
	yield   func(context.Context) bool // see Park
	decided chan struct{}              // non-nil while it is revoked; closed when that is decided
	lost    bool                       // it was revoked
	left    bool                       // its owner does not wait for the decision
}

func newLease[C Conn](p *Pool[C], conn C) *Lease[C] {
	slice, now := max(sliceLength, 10*conn.RTT()), time.Now()
	return &Lease[C]{pool: p, conn: conn, from: now, end: now.Add(slice)}
}

// Conn returns the connection. It must not be used while the lease is parked.
func (l *Lease[C]) Conn() C { return l.conn }

// Release gives the connection back. The lease must not be used any more.
func (l *Lease[C]) Release() {
	l.pool.used(time.Since(l.from), l.conn.RTT())
	l.pool.put(l.conn)
}

// Park allows others to take the connection. They call yield first, in their
// own goroutine and with their own context, to end what runs on it. It returns
// false only if that context has ended before it was done: the owner keeps the
// connection then, and it may be called again, for another one. It must return
// true once the pool is closed.
func (l *Lease[C]) Park(yield func(context.Context) bool) { l.park(yield, idleQuantum) }

// Spare is Park for who does not need the connection soon: others need not wait.
func (l *Lease[C]) Spare(yield func(context.Context) bool) { l.park(yield, 0) }

func (l *Lease[C]) park(yield func(context.Context) bool, quantum time.Duration) {
	p := l.pool
	p.mu.Lock()
	l.yield, l.due = yield, time.Now().Add(quantum)
	if l.end.Before(l.due) {
		l.due = l.end
	}
	if p.closed {
		l.decided = make(chan struct{})
		p.mu.Unlock()
		l.cut()
		return
	}
	p.parked = append(p.parked, l)
	if len(p.waiters) > 0 {
		p.serve()
	}
	p.mu.Unlock()
}

// Unpark takes a parked lease back into use. It returns false if the connection
// is another's: without an error yield has returned then; with the error of ctx
// it may still run.
func (l *Lease[C]) Unpark(ctx context.Context) (mine bool, err error) {
	p := l.pool
	for {
		p.mu.Lock()
		decided, lost := l.decided, l.lost
		switch {
		case lost:
		case decided == nil:
			p.parked = slices.DeleteFunc(p.parked, func(other *Lease[C]) bool { return other == l })
		case ctx.Err() != nil:
			l.left = true
		}
		p.mu.Unlock()
		switch {
		case lost:
			return false, nil
		case decided == nil:
			return true, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		}
		select {
		case <-decided:
		case <-ctx.Done():
		}
	}
}

// revoke ends what runs on the connection of a lease that is no longer among the
// parked ones, and reports whether the connection is the caller's.
func (l *Lease[C]) revoke(ctx context.Context) bool {
	if !l.yield(ctx) {
		l.restore()
		return false
	}
	l.lose()
	return true
}

// lose lets the owner know that the connection is another's.
func (l *Lease[C]) lose() {
	l.pool.mu.Lock()
	defer l.pool.mu.Unlock()
	l.lost = true
	close(l.decided)
}

// restore leaves a lease that was to be revoked to its owner, if there is one
// still.
func (l *Lease[C]) restore() {
	p := l.pool
	p.mu.Lock()
	if p.closed || l.left {
		p.mu.Unlock()
		l.cut()
		return
	}
	close(l.decided)
	l.decided = nil
	p.parked = append(p.parked, l)
	p.serve()
	p.mu.Unlock()
}

// cut ends what runs on the connection, and the connection.
func (l *Lease[C]) cut() {
	l.yield(l.pool.life)
	l.lose()
	l.pool.retire(l.conn)
}
