// Package pool hands out connections of any kind in the order in which they are
// asked for, and revokes those that stand idle if others wait.
package pool

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Conn is what a pool needs to know of a connection.
type Conn interface {
	// Alive reports whether the connection can be used, as far as is known
	// without asking the other side.
	Alive() bool
	// Answers asks the other side.
	Answers(ctx context.Context) bool
	// RTT returns the round trip time; zero if it is not known.
	RTT() time.Duration
	// Opening returns how long it takes to open another one.
	Opening() time.Duration
	// Close ends the connection. It must not block for long.
	Close()
}

// Config says what a pool does. Max and Open must be set.
type Config[C Conn] struct {
	Max  int // number of connections
	Open func(ctx context.Context) (C, error)
	// Full reports whether an error of Open says that the server takes no
	// more connections. If the pool has others, it does with those then.
	Full func(err error) bool
	// Again reports whether opening may be tried again after an error that
	// is worth it (see retry.Worth). proven says that Open has succeeded
	// before.
	Again func(err error, proven bool) bool
	// RetryFor is how long opening is tried again; one try if negative.
	RetryFor time.Duration
	// Beside returns the context of an Open that may go on after the call that has
	// asked for it: its hooks are silent once silence has returned. Nil if there
	// are none.
	Beside func(ctx context.Context) (_ context.Context, silence func())
	// IdleLimit is how long a connection is kept without use; a minute if
	// zero.
	IdleLimit time.Duration
	// Shared is the part in a limit that other pools have, too; nil for none.
	Shared *Shared
}

const (
	// idleQuantum is how long a lease must have been parked before it is
	// revoked. A reader that is at work comes back sooner than this.
	idleQuantum = 5 * time.Millisecond
	// sliceLength is how long a lease may be kept while others wait, if it is
	// parked now and then: each change costs a few round trips.
	sliceLength = time.Second
	// probeAfter is how long a connection may have been idle and still be
	// used unasked. Some NATs forget a connection sooner than servers do.
	probeAfter = 5 * time.Second
	// defaultIdleLimit is the IdleLimit if none is set.
	defaultIdleLimit = time.Minute
	// lowFor is how long a limit that the server has set by a refusal is
	// respected before one more connection is tried.
	lowFor = time.Minute
)

// Pool holds connections. One that is handed out is a [Lease]. Whoever has a
// lease in use must not wait for another one. A parked lease may be revoked, so
// that any number of open files can share one connection.
type Pool[C Conn] struct {
	cfg Config[C]

	life context.Context // ends with Close, with ErrClosed as its cause
	end  context.CancelCauseFunc

	mu      sync.Mutex
	limit   int       // number of connections; below cfg.Max if the server takes fewer
	lowered time.Time // time of the last change of limit
	total   int       // connections that are open, being opened or being closed
	proven  bool      // Open has succeeded
	times   times
	idle    []idle[C]
	parked  []*Lease[C] // the longest parked first
	waiters []*waiter[C]
	lender  *time.Timer // serves the waiters when a parked lease is due, or another connection
	reaper  *time.Timer // closes idle connections
	waker   *time.Timer // serves the waiters when others of Config.Shared have one less; nil without
	shedder *time.Timer // closes an idle connection for those; nil without
	hungry  time.Time   // since when those leave no room; zero if there is
	closed  bool
	drained chan struct{} // closed when the pool is closed and total is zero
}

type idle[C Conn] struct {
	conn  C
	since time.Time
}

// waiter waits for a slot.
type waiter[C Conn] struct {
	ch      chan slot[C]
	opening *opening[C] // nil if no connection is being opened for it
}

// slot is a place in the pool, with what is in it: an idle connection, a parked
// lease that is to be revoked, or nothing.
type slot[C Conn] struct {
	idle[C]
	has    bool // there is an idle connection
	beside bool // it is empty, and there are others
	parked *Lease[C]
	err    error // the pool was closed
}

// New returns a pool without connections.
func New[C Conn](cfg Config[C]) *Pool[C] {
	switch {
	case cfg.IdleLimit == 0:
		cfg.IdleLimit = defaultIdleLimit
	case cfg.IdleLimit < 0:
		cfg.IdleLimit = math.MaxInt64
	}
	p := &Pool[C]{cfg: cfg, limit: cfg.Max, drained: make(chan struct{})}
	p.life, p.end = context.WithCancelCause(context.Background())
	p.lender = time.AfterFunc(time.Hour, p.lend)
	p.reaper = time.AfterFunc(time.Hour, p.reap)
	p.lender.Stop()
	p.reaper.Stop()
	if cfg.Shared != nil {
		p.waker = time.AfterFunc(time.Hour, p.lend)
		p.shedder = time.AfterFunc(time.Hour, p.shed)
		p.waker.Stop()
		p.shedder.Stop()
		cfg.Shared.join(p)
	}
	return p
}

// Within returns a context that ends with ctx, by its cancel function, or when
// the pool is closed: its cause is ErrClosed then.
func (p *Pool[C]) Within(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.life, func() { cancel(proto.ErrClosed) })
	return ctx, func(cause error) {
		stop()
		cancel(cause)
	}
}

// ForCall is Within for a call that does not end its context itself. If ctx has
// no end of its own, which is the common case, it costs next to nothing.
func (p *Pool[C]) ForCall(ctx context.Context) (_ context.Context, done context.CancelCauseFunc) {
	if ctx.Done() == nil {
		return life{p.life, ctx}, func(error) {}
	}
	return p.Within(ctx)
}

// life is the life of a pool with the values of a context that has no end.
type life struct {
	context.Context
	values context.Context
}

// Value returns a value of either.
func (l life) Value(key any) any {
	if v := l.Context.Value(key); v != nil {
		return v
	}
	return l.values.Value(key)
}

// Err returns ErrClosed once Close has been called.
func (p *Pool[C]) Err() error { return context.Cause(p.life) }

// Room returns how many connections the server is believed to take.
func (p *Pool[C]) Room() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.limit, 1)
}

// Acquire returns a lease in use. It waits for one until ctx ends.
func (p *Pool[C]) Acquire(ctx context.Context) (*Lease[C], error) {
	for {
		s, err := p.wait(ctx, nil)
		if err != nil {
			return nil, err
		}
		var conn C
		if s.beside {
			conn, err = p.openBeside(ctx)
		} else if conn, err = p.fill(ctx, s); err != nil && err != errNoSlot {
			p.giveUp()
		}
		switch {
		case err == errNoSlot:
			continue
		case err != nil:
			return nil, err
		}
		return newLease(p, conn), nil
	}
}

// wait returns the next slot, or what has become of o if that is sooner: the slot
// has a connection, or the error is errOpened.
func (p *Pool[C]) wait(ctx context.Context, o *opening[C]) (slot[C], error) {
	if err := ctx.Err(); err != nil {
		return slot[C]{}, err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return slot[C]{}, proto.ErrClosed
	}
	now := time.Now()
	if len(p.waiters) == 0 {
		if s, ok := p.next(now, o == nil); ok {
			p.times.found(now, s.has)
			p.mu.Unlock()
			return s, nil
		}
	}
	p.times.found(now, false)
	w := &waiter[C]{ch: make(chan slot[C], 1), opening: o}
	if o == nil {
		p.waiters = append(p.waiters, w)
	} else {
		// It has been the first.
		p.waiters = slices.Insert(p.waiters, p.openings(), w)
	}
	p.serve()
	p.mu.Unlock()
	var err error
	select {
	case s := <-w.ch:
		return s, s.err
	case <-o.ended():
		err = errOpened
	case <-ctx.Done():
		err = ctx.Err()
	}
	if !p.leave(w) {
		// The slot came just now.
		p.restore(<-w.ch)
	}
	return slot[C]{}, err
}

// openings returns how many of the first waiters have a connection opened for them.
func (p *Pool[C]) openings() int {
	i := slices.IndexFunc(p.waiters, func(w *waiter[C]) bool { return w.opening == nil })
	if i < 0 {
		return len(p.waiters)
	}
	return i
}

// leave removes a waiter, and reports whether it was still waiting.
func (p *Pool[C]) leave(w *waiter[C]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiters, w)
	if i < 0 {
		return false
	}
	p.waiters = slices.Delete(p.waiters, i, i+1)
	p.sated()
	return true
}

// serve hands out slots while there are waiters and slots. The pool is locked.
func (p *Pool[C]) serve() {
	now := time.Now()
	for len(p.waiters) > 0 {
		i := 0
		s, ok := p.next(now, p.waiters[0].opening == nil)
		if !ok {
			// An empty slot is for one who has none.
			if i = p.openings(); i == 0 || i == len(p.waiters) {
				break
			}
			if s, ok = p.next(now, true); !ok {
				break
			}
		}
		w := p.waiters[i]
		p.waiters = slices.Delete(p.waiters, i, i+1)
		w.ch <- s
	}
	p.sated()
	if wait, ok := p.waits(now); ok {
		p.lender.Reset(max(wait, 0))
	} else {
		p.lender.Stop()
	}
}

// waits returns after which time there is something for those who wait. The pool is
// locked.
func (p *Pool[C]) waits(now time.Time) (wait time.Duration, ok bool) {
	if len(p.waiters) == 0 {
		return 0, false
	}
	pause := p.times.pause(now)
	switch {
	case p.total >= p.limit || p.openings() == len(p.waiters):
	case p.total == 0 && !p.hungry.IsZero():
		wait, ok = firstWait-now.Sub(p.hungry), true
	case p.hungry.IsZero() || pause > 0: // else the others wake it
		wait, ok = pause, true
	}
	for _, l := range p.parked {
		if due := l.due.Sub(now); !ok || due < wait {
			wait, ok = due, true
		}
	}
	return wait, ok
}

// next returns a slot, if there is one; an empty one only if that may be. The pool
// is locked.
func (p *Pool[C]) next(now time.Time, empty bool) (slot[C], bool) {
	if n := len(p.idle); n > 0 {
		s := slot[C]{idle: p.idle[n-1], has: true}
		p.idle = slices.Delete(p.idle, n-1, n)
		return s, true
	}
	if p.limit < p.cfg.Max && now.Sub(p.lowered) >= lowFor {
		p.limit, p.lowered = p.limit+1, now
	}
	if empty && p.total < p.limit && (p.total == 0 || p.times.pause(now) <= 0) && p.take(now) {
		p.total++
		return slot[C]{beside: p.total > 1}, true
	}
	for i, l := range p.parked {
		if !now.Before(l.due) {
			p.parked = slices.Delete(p.parked, i, i+1)
			l.decided = make(chan struct{})
			return slot[C]{parked: l}, true
		}
	}
	return slot[C]{}, false
}

// take reports whether the others of the limit leave room for a connection more. The
// pool is locked.
func (p *Pool[C]) take(now time.Time) bool {
	w, must := more, false
	if p.total == 0 {
		w, must = first, !p.hungry.IsZero() && now.Sub(p.hungry) >= firstWait
	}
	ok := p.cfg.Shared.take(w, must)
	switch {
	case ok:
		p.hungry = time.Time{}
	case p.hungry.IsZero():
		p.hungry = now
	}
	return ok
}

// sated tells the others of the limit if nobody waits any more. The pool is locked.
func (p *Pool[C]) sated() {
	if len(p.waiters) == 0 && !p.hungry.IsZero() {
		p.hungry = time.Time{}
		p.cfg.Shared.forget()
	}
}

// surplus reports whether a connection that nobody has in use is to be given up for
// the others of the limit. The pool is locked.
func (p *Pool[C]) surplus() bool { return p.cfg.Shared.due(p.total == 1, len(p.waiters) > 0) }

func (p *Pool[C]) wake() { p.waker.Reset(0) }
func (p *Pool[C]) ask()  { p.shedder.Reset(0) }

// lend is called when a parked lease is due and somebody waits.
func (p *Pool[C]) lend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.serve()
	}
}
