package ftpnat

import (
	"context"
	"slices"
	"time"
)

// lease is the right to use one control connection of a pool. It is in use,
// or parked: then it is kept until somebody needs the connection more.
type lease struct {
	p     *pool
	l     *link
	since time.Time // when the connection came into these hands
	eager bool      // a transfer is likely to follow what is asked

	// Of a parked lease, guarded by p.mu.
	idleSince time.Time
	yield     func(context.Context) bool // see park
	gone      chan struct{}              // not nil while it is taken away; closed when that is decided
	lost      bool                       // it was
	left      bool                       // its owner does not wait for that
}

// due returns when a parked lease may be taken away.
func (ls *lease) due() time.Time {
	slice := max(sliceLength, 10*ls.l.rtt)
	idle, end := ls.idleSince.Add(idleQuantum), ls.since.Add(slice)
	if end.Before(idle) {
		return end
	}
	return idle
}

// park allows others to take the connection. They call yield first, which ends
// what runs on it. It returns false where their context ended before that: the
// connection is kept then.
func (ls *lease) park(yield func(context.Context) bool) {
	p := ls.p
	p.mu.Lock()
	ls.idleSince, ls.yield = time.Now(), yield
	if p.closed {
		ls.gone = make(chan struct{})
		p.mu.Unlock()
		ls.take(p.life)
		p.retire(ls.l)
		return
	}
	p.parked = append(p.parked, ls)
	if len(p.waiters) > 0 {
		p.serve()
	}
	p.mu.Unlock()
}

// unpark takes the lease back into use. It returns false where somebody has
// taken the connection; without an error, what yield did is done then.
func (ls *lease) unpark(ctx context.Context) (bool, error) {
	p := ls.p
	for {
		p.mu.Lock()
		gone, lost := ls.gone, ls.lost
		switch {
		case lost:
		case gone == nil:
			p.parked = slices.DeleteFunc(p.parked, func(other *lease) bool { return other == ls })
		case ctx.Err() != nil:
			ls.left = true
		}
		p.mu.Unlock()
		switch {
		case lost:
			return false, nil
		case gone == nil:
			return true, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		}
		select {
		case <-gone:
		case <-ctx.Done():
		}
	}
}

// take ends what runs on a connection that was taken away, and reports whether
// the connection is the caller's.
func (ls *lease) take(ctx context.Context) bool {
	owners := ls.l.trace
	ls.l.begin(ctx)
	if ls.yield(ctx) {
		ls.lose()
		return true
	}
	ls.l.trace = owners
	ls.giveBack()
	return false
}

// lose lets the owner know that the connection is another's.
func (ls *lease) lose() {
	ls.p.mu.Lock()
	defer ls.p.mu.Unlock()
	ls.lost = true
	close(ls.gone)
}

// giveBack leaves a connection that was taken away to its owner, where there is
// one still.
func (ls *lease) giveBack() {
	p := ls.p
	p.mu.Lock()
	if p.closed || ls.left {
		p.mu.Unlock()
		ls.l.begin(p.life)
		ls.yield(p.life)
		ls.lose()
		p.retire(ls.l)
		return
	}
	close(ls.gone)
	ls.gone = nil
	p.parked = append(p.parked, ls)
	p.serve()
	p.mu.Unlock()
}

// release gives the connection back. The lease is of no use any more.
func (ls *lease) release() { ls.p.put(ls.l) }
