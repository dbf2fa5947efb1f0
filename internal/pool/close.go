package pool

import (
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// put makes a connection free for the next one. It is closed if it is dead, or
// one too many.
func (p *Pool[C]) put(conn C) {
	if !conn.Alive() {
		p.retire(conn)
		return
	}
	p.mu.Lock()
	if p.closed || p.total > p.limit || p.surplus() {
		p.mu.Unlock()
		p.retire(conn)
		return
	}
	p.idle = append(p.idle, idle[C]{conn, time.Now()})
	if len(p.idle) == 1 {
		p.reaper.Reset(p.cfg.IdleLimit)
	}
	p.serve()
	p.mu.Unlock()
}

// restore gives back a slot that nobody wants any more.
func (p *Pool[C]) restore(s slot[C]) {
	switch {
	case s.err != nil:
	case s.parked != nil:
		s.parked.restore()
	case s.has:
		p.put(s.conn)
	default:
		p.giveUp()
	}
}

// retire closes a connection and gives up its slot.
func (p *Pool[C]) retire(conn C) {
	conn.Close()
	p.giveUp()
}

// giveUp gives up a slot.
func (p *Pool[C]) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total--
	p.cfg.Shared.release()
	if !p.closed {
		p.serve()
	} else if p.total == 0 {
		p.drain()
	}
}

// drain says that a closed pool has no connection any more.
func (p *Pool[C]) drain() {
	p.cfg.Shared.leave()
	close(p.drained)
}

// shed closes the connection that was idle for the longest, if another pool wants its
// place.
func (p *Pool[C]) shed() {
	p.mu.Lock()
	if p.closed || len(p.idle) == 0 || !p.surplus() {
		p.mu.Unlock()
		return
	}
	old := p.idle[0].conn
	p.idle = slices.Delete(p.idle, 0, 1)
	p.mu.Unlock()
	p.retire(old)
}

// reap closes connections that were idle for long.
func (p *Pool[C]) reap() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	now := time.Now()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].since) >= p.cfg.IdleLimit {
		n++
	}
	old := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	if len(p.idle) > 0 {
		p.reaper.Reset(p.cfg.IdleLimit - now.Sub(p.idle[0].since))
	}
	p.mu.Unlock()
	for _, i := range old {
		p.retire(i.conn)
	}
}

// Close ends all connections, aborts operations in progress on them by the
// contexts of Within, and waits for their leases. Whoever waits for a lease gets
// ErrClosed.
func (p *Pool[C]) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.drained
		return
	}
	p.closed = true
	free, parked, waiters := p.idle, p.parked, p.waiters
	p.idle, p.parked, p.waiters = nil, nil, nil
	for _, l := range parked {
		l.decided = make(chan struct{})
	}
	p.lender.Stop()
	p.reaper.Stop()
	if p.total == 0 {
		p.drain()
	}
	p.mu.Unlock()

	p.end(proto.ErrClosed)
	for _, w := range waiters {
		w.ch <- slot[C]{err: proto.ErrClosed}
	}
	for _, l := range parked {
		l.cut()
	}
	for _, i := range free {
		p.retire(i.conn)
	}
	<-p.drained
}
