package pool

import (
	"context"
	"errors"
	"time"
)

// times are what connections cost and bring on this path. A login may take as long as
// fifty small files, so that who waits for one would have had its file long ago.
type times struct {
	open    time.Duration // of the last one that was opened; zero while there was none
	rtt     time.Duration
	use     time.Duration // mean of the last leases; zero while there was none
	crowded time.Time     // since when there was never one to be had at once; zero if there was
}

// dear is how many times as long as its use the opening of a connection may take and
// be begun at once.
const dear = 16

// found records whether a connection was there when one was wanted.
func (t *times) found(now time.Time, idle bool) {
	switch {
	case idle:
		t.crowded = time.Time{}
	case t.crowded.IsZero():
		t.crowded = now
	}
}

// used records how long a lease was in use.
func (p *Pool[C]) used(d, rtt time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &p.times
	if t.rtt = rtt; t.use == 0 {
		t.use = d
	}
	t.use += (d - t.use) / 4
}

// pause returns for how long a further connection is not worth its opening: where
// that is dear, until others were missing for as long as it takes. At the worst all
// takes twice as long, then, as if it had been known how much there is to do. The
// pool is locked.
func (t *times) pause(now time.Time) time.Duration {
	switch {
	case t.open <= dear*max(t.use, 2*t.rtt):
		return 0
	case t.crowded.IsZero():
		return t.open
	}
	return t.open - now.Sub(t.crowded)
}

// errOpened says that an opening has ended.
var errOpened = errors.New("the opening has ended")

// opening is a connection that is opened for one who takes another if that is there
// sooner; it is the next one's then.
type opening[C Conn] struct {
	done chan struct{} // closed when conn and err are set
	conn C
	err  error
	left bool // nobody waits for it; guarded by the pool
}

// ended is closed when the opening has ended; never for none.
func (o *opening[C]) ended() <-chan struct{} {
	if o == nil {
		return nil
	}
	return o.done
}

// openBeside returns a connection that is opened in an empty slot beside others, or
// one of those.
func (p *Pool[C]) openBeside(ctx context.Context) (conn C, err error) {
	octx, end := context.WithCancel(context.WithoutCancel(ctx))
	silence := func() {}
	if p.cfg.Beside != nil {
		octx, silence = p.cfg.Beside(octx)
	}
	o := &opening[C]{done: make(chan struct{})}
	stop := context.AfterFunc(p.life, end)
	go func() { // Close waits for it: it has a slot
		defer end()
		defer stop()
		p.run(octx, o)
	}()
	s, err := p.wait(ctx, o)
	if err == errOpened {
		return o.conn, o.err
	}
	p.abandon(o)
	silence()
	if err != nil {
		end()
		return conn, err
	}
	if conn, err = p.fill(ctx, s); err != nil && err != errNoSlot {
		p.giveUp()
	}
	return conn, err
}

// Try returns a lease on a connection that nobody uses, or nil: it never waits, so that
// who has a lease in use may call it. If there is room for a connection more, one is
// opened for the next time, and nobody is told of it.
func (p *Pool[C]) Try(ctx context.Context) *Lease[C] {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.closed || len(p.waiters) > 0 {
		return nil
	}
	if n := len(p.idle); n == 0 && (p.total >= p.limit || p.times.pause(now) > 0) {
		return nil
	} else if n > 0 && now.Sub(p.idle[n-1].since) < probeAfter && p.idle[n-1].conn.Alive() {
		s, _ := p.next(now, false)
		return newLease(p, s.conn)
	}
	s, ok := p.next(now, true)
	if !ok {
		p.sated()
		return nil
	}
	octx := context.Context(life{p.life, ctx})
	if p.cfg.Beside != nil {
		var silence func()
		octx, silence = p.cfg.Beside(octx)
		silence()
	}
	go func() { // Close waits for it: it has a slot
		if conn, err := p.fill(octx, s); err == nil {
			p.put(conn)
		} else if err != errNoSlot {
			p.giveUp()
		}
	}()
	return nil
}

// run opens the connection.
func (p *Pool[C]) run(ctx context.Context, o *opening[C]) {
	o.conn, o.err = p.open(ctx)
	p.mu.Lock()
	left := o.left
	close(o.done)
	p.mu.Unlock()
	if o.err != nil && o.err != errNoSlot {
		p.giveUp()
	}
	if left && o.err == nil {
		p.put(o.conn)
	}
}

// abandon leaves an opening to itself. What has ended just now is put into the pool.
func (p *Pool[C]) abandon(o *opening[C]) {
	p.mu.Lock()
	o.left = true
	late := false
	select {
	case <-o.done:
		late = o.err == nil
	default:
	}
	p.mu.Unlock()
	if late {
		p.put(o.conn)
	}
}
