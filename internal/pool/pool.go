// Package pool hands out connections of any kind in the order in which they are
// asked for, and revokes those that stand idle if others wait.
package pool

import (
	"context"
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
	// IdleLimit is how long a connection is kept without use; a minute if
	// zero.
	IdleLimit time.Duration
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
	idle    []idle[C]
	parked  []*Lease[C] // the longest parked first
	waiters []*waiter[C]
	lender  *time.Timer // serves the waiters when a parked lease is due
	reaper  *time.Timer // closes idle connections
	closed  bool
	drained chan struct{} // closed when the pool is closed and total is zero
}

type idle[C Conn] struct {
	conn  C
	since time.Time
}

// waiter waits for a slot.
type waiter[C Conn] struct{ ch chan slot[C] }

// slot is a place in the pool, with what is in it: an idle connection, a parked
// lease that is to be revoked, or nothing.
type slot[C Conn] struct {
	idle[C]
	has    bool // there is an idle connection
	parked *Lease[C]
	err    error // the pool was closed
}

// New returns a pool without connections.
func New[C Conn](cfg Config[C]) *Pool[C] {
	if cfg.IdleLimit == 0 {
		cfg.IdleLimit = defaultIdleLimit
	}
	p := &Pool[C]{cfg: cfg, limit: cfg.Max, drained: make(chan struct{})}
	p.life, p.end = context.WithCancelCause(context.Background())
	p.lender = time.AfterFunc(time.Hour, p.lend)
	p.reaper = time.AfterFunc(time.Hour, p.reap)
	p.lender.Stop()
	p.reaper.Stop()
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

// Ended returns ErrClosed if ctx, of Within, has ended by Close and err is not
// nil, and err otherwise.
func Ended(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == proto.ErrClosed {
		return proto.ErrClosed
	}
	return err
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
		s, err := p.wait(ctx)
		if err != nil {
			return nil, err
		}
		conn, err := p.fill(ctx, s)
		switch {
		case err == errNoSlot:
			continue
		case err != nil:
			p.giveUp()
			return nil, err
		}
		return newLease(p, conn), nil
	}
}

// wait returns the next slot.
func (p *Pool[C]) wait(ctx context.Context) (slot[C], error) {
	if err := ctx.Err(); err != nil {
		return slot[C]{}, err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return slot[C]{}, proto.ErrClosed
	}
	if len(p.waiters) == 0 {
		if s, ok := p.next(time.Now()); ok {
			p.mu.Unlock()
			return s, nil
		}
	}
	w := &waiter[C]{make(chan slot[C], 1)}
	p.waiters = append(p.waiters, w)
	p.serve()
	p.mu.Unlock()
	select {
	case s := <-w.ch:
		return s, s.err
	case <-ctx.Done():
	}
	if !p.leave(w) {
		// The slot came just as the context ended.
		p.restore(<-w.ch)
	}
	return slot[C]{}, ctx.Err()
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
	return true
}

// serve hands out slots while there are waiters and slots. The pool is locked.
func (p *Pool[C]) serve() {
	now := time.Now()
	for len(p.waiters) > 0 {
		s, ok := p.next(now)
		if !ok {
			break
		}
		w := p.waiters[0]
		p.waiters = slices.Delete(p.waiters, 0, 1)
		w.ch <- s
	}
	if len(p.waiters) == 0 || len(p.parked) == 0 {
		p.lender.Stop()
		return
	}
	due := p.parked[0].due
	for _, l := range p.parked[1:] {
		if l.due.Before(due) {
			due = l.due
		}
	}
	p.lender.Reset(max(due.Sub(now), 0))
}

// next returns a slot, if there is one. The pool is locked.
func (p *Pool[C]) next(now time.Time) (slot[C], bool) {
	if n := len(p.idle); n > 0 {
		s := slot[C]{idle: p.idle[n-1], has: true}
		p.idle = slices.Delete(p.idle, n-1, n)
		return s, true
	}
	if p.limit < p.cfg.Max && now.Sub(p.lowered) >= lowFor {
		p.limit, p.lowered = p.limit+1, now
	}
	if p.total < p.limit {
		p.total++
		return slot[C]{}, true
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

// lend is called when a parked lease is due and somebody waits.
func (p *Pool[C]) lend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.serve()
	}
}
