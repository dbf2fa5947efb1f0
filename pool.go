package ftpnat

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// idleQuantum is how long a file must have stood unread before its
	// connection is lent to somebody else. A reader that is at work comes
	// back sooner than this.
	idleQuantum = 5 * time.Millisecond
	// sliceLength is how long a file may keep its connection, read or not,
	// while others wait: each change costs a few round trips.
	sliceLength = time.Second
	// probeAfter is how long a connection may have been idle and still be
	// used unasked. Some NATs forget a connection sooner than servers do.
	probeAfter = 5 * time.Second
	// idleLimit is how long a connection is kept without use.
	idleLimit = time.Minute
	// lowFor is how long a limit that a server set by a 421 is respected
	// before one more connection is tried.
	lowFor = time.Minute
)

// pool holds the control connections of an FS and hands them out, in the order
// in which they are asked for. What is handed out is a lease. Whoever has a
// lease in use must not wait for another one; a lease that is parked may be
// taken away, which is why any number of open files can share one connection.
type pool struct {
	cfg    *config
	dir    string  // of the URL, in the bytes that the server gets; empty for the login directory
	server *server // what is known of the server

	life context.Context // ends with Close, whose cause is ErrClosed: the end of everything
	end  func()

	mu      sync.Mutex
	limit   int       // at most cfg.maxConns; lower where the server takes fewer
	lowered time.Time // when limit was lowered or raised last
	total   int       // connections that are open, being opened or closed
	proven  bool      // a login worked
	idle    []idleLink
	parked  []*lease // the longest parked first
	waiters []*waiter
	lender  *time.Timer // looks after the waiters when a parked lease is due
	reaper  *time.Timer // closes idle connections
	closed  bool
	drained chan struct{} // closed when the pool is closed and total is zero
}

type idleLink struct {
	l     *link
	since time.Time
}

// waiter waits for a grant.
type waiter struct{ ch chan grant }

// grant is what a waiter gets: a connection, the lease to take one from, or,
// with neither, the right to open one.
type grant struct {
	idleLink
	victim *lease
	err    error // the pool was closed
}

func newPool(cfg *config, dir string) *pool {
	p := &pool{cfg: cfg, dir: dir, server: newServer(cfg), limit: cfg.maxConns, drained: make(chan struct{})}
	life, end := context.WithCancelCause(context.Background())
	p.life, p.end = life, func() { end(ErrClosed) }
	p.lender = time.AfterFunc(time.Hour, p.lend)
	p.reaper = time.AfterFunc(time.Hour, p.reap)
	p.lender.Stop()
	p.reaper.Stop()
	return p
}

// join returns ctx with the end of the pool in it. The cause is ErrClosed then.
func (p *pool) join(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.life, func() { cancel(ErrClosed) })
	return ctx, func(cause error) {
		stop()
		cancel(cause)
	}
}

// within is join for what needs no end of its own.
func (p *pool) within(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	if ctx.Done() == nil {
		return lasting{p.life, ctx}, func(error) {}
	}
	return p.join(ctx)
}

// lasting is the life of a pool with the values of a context that has no end.
type lasting struct {
	context.Context
	values context.Context
}

// Value returns a value of either.
func (l lasting) Value(key any) any {
	if v := l.Context.Value(key); v != nil {
		return v
	}
	return l.values.Value(key)
}

// ended returns ErrClosed where a Close is why ctx ended, and else err.
func ended(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == ErrClosed {
		return ErrClosed
	}
	return err
}

// acquire returns a lease in use. It waits for one, but not beyond ctx.
func (p *pool) acquire(ctx context.Context) (*lease, error) {
	for {
		g, err := p.claim(ctx)
		if err != nil {
			return nil, err
		}
		l, err := p.redeem(ctx, g)
		switch {
		case err == errFull:
			continue
		case err == errKept:
			return nil, ctx.Err()
		case err != nil:
			p.giveUp()
			return nil, err
		}
		l.begin(ctx)
		return &lease{p: p, l: l, since: time.Now()}, nil
	}
}

// claim returns the next grant.
func (p *pool) claim(ctx context.Context) (grant, error) {
	if err := ctx.Err(); err != nil {
		return grant{}, err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return grant{}, ErrClosed
	}
	if len(p.waiters) == 0 {
		if g, ok := p.next(time.Now()); ok {
			p.mu.Unlock()
			return g, nil
		}
	}
	w := &waiter{make(chan grant, 1)}
	p.waiters = append(p.waiters, w)
	p.serve()
	p.mu.Unlock()
	select {
	case g := <-w.ch:
		return g, g.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.waiters, w)
	if i >= 0 {
		p.waiters = slices.Delete(p.waiters, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 {
		// Granted just as the context ended.
		p.refuse(<-w.ch)
	}
	return grant{}, ctx.Err()
}

// refuse gives back what a grant holds.
func (p *pool) refuse(g grant) {
	switch {
	case g.err != nil:
	case g.victim != nil:
		g.victim.giveBack()
	case g.l != nil:
		p.put(g.l)
	default:
		p.giveUp()
	}
}

// serve hands out grants while there are waiters and anything to grant. The
// pool is locked.
func (p *pool) serve() {
	now := time.Now()
	for len(p.waiters) > 0 {
		g, ok := p.next(now)
		if !ok {
			break
		}
		w := p.waiters[0]
		p.waiters = slices.Delete(p.waiters, 0, 1)
		w.ch <- g
	}
	if len(p.waiters) == 0 || len(p.parked) == 0 {
		p.lender.Stop()
		return
	}
	due := p.parked[0].due()
	for _, ls := range p.parked[1:] {
		if d := ls.due(); d.Before(due) {
			due = d
		}
	}
	p.lender.Reset(max(due.Sub(now), 0))
}

func (p *pool) next(now time.Time) (grant, bool) {
	if n := len(p.idle); n > 0 {
		g := grant{idleLink: p.idle[n-1]}
		p.idle = p.idle[:n-1]
		return g, true
	}
	if p.limit < p.cfg.maxConns && now.Sub(p.lowered) >= lowFor {
		p.limit, p.lowered = p.limit+1, now
	}
	if p.total < p.limit {
		p.total++
		return grant{}, true
	}
	for i, ls := range p.parked {
		if !now.Before(ls.due()) {
			p.parked = slices.Delete(p.parked, i, i+1)
			ls.gone = make(chan struct{})
			return grant{victim: ls}, true
		}
	}
	return grant{}, false
}

// lend is called when a parked lease is due and somebody waits.
func (p *pool) lend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.serve()
	}
}

// put makes a connection free for the next one. One that is dead, or one too
// many, is closed.
func (p *pool) put(l *link) {
	// The hooks of the call that is over are not called any more.
	l.begin(p.life)
	if l.sess.Live() == nil {
		p.retire(l)
		return
	}
	p.mu.Lock()
	if p.closed || p.total > p.limit {
		p.mu.Unlock()
		p.retire(l)
		return
	}
	p.idle = append(p.idle, idleLink{l, time.Now()})
	if len(p.idle) == 1 {
		p.reaper.Reset(idleLimit)
	}
	p.serve()
	p.mu.Unlock()
}

// retire closes a connection and its place in the pool.
func (p *pool) retire(l *link) {
	l.quit()
	p.giveUp()
}

// quit ends a control connection that nobody needs any more.
func (l *link) quit() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// An error means that the connection was gone already.
	_ = l.close(ctx)
}

// giveUp gives a place in the pool back.
func (p *pool) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	if !p.closed {
		p.serve()
	} else if p.total == 0 {
		close(p.drained)
	}
}

// reap closes connections that were idle for long.
func (p *pool) reap() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	now := time.Now()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].since) >= idleLimit {
		n++
	}
	old := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	if len(p.idle) > 0 {
		p.reaper.Reset(idleLimit - now.Sub(p.idle[0].since))
	}
	p.mu.Unlock()
	for _, il := range old {
		p.retire(il.l)
	}
}

// close ends all connections, cuts what is under way on them and waits for it.
func (p *pool) close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.drained
		return
	}
	p.closed = true
	idle, parked, waiters := p.idle, p.parked, p.waiters
	p.idle, p.parked, p.waiters = nil, nil, nil
	for _, ls := range parked {
		ls.gone = make(chan struct{})
	}
	p.lender.Stop()
	p.reaper.Stop()
	if p.total == 0 {
		close(p.drained)
	}
	p.mu.Unlock()

	p.end()
	for _, w := range waiters {
		w.ch <- grant{err: ErrClosed}
	}
	for _, ls := range parked {
		ls.take(p.life)
		p.retire(ls.l)
	}
	for _, il := range idle {
		p.retire(il.l)
	}
	<-p.drained
}
