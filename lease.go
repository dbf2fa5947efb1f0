package ftpnat

import (
	"context"
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
	yield     func(context.Context) // ends what runs on the connection
	gone      chan struct{}         // not nil once taken; closed when yield has returned
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

// park allows others to take the connection. They call yield first.
func (ls *lease) park(yield func(context.Context)) {
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
	p.mu.Lock()
	gone := ls.gone
	if gone == nil {
		for i, other := range p.parked {
			if other == ls {
				p.parked = append(p.parked[:i], p.parked[i+1:]...)
				break
			}
		}
	}
	p.mu.Unlock()
	if gone == nil {
		return true, nil
	}
	select {
	case <-gone:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// take ends what runs on a connection that was taken away.
func (ls *lease) take(ctx context.Context) {
	ls.l.begin(ctx)
	ls.yield(ctx)
	close(ls.gone)
}

// release gives the connection back. The lease is of no use any more.
func (ls *lease) release() { ls.p.put(ls.l) }
