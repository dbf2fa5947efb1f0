package pool

import (
	"context"
	"errors"
	"time"

	"github.com/ftpnat/ftpnat/internal/retry"
)

// errNoSlot says that a slot is gone: the server takes no more connections and
// the pool has others, or a lease that was to be revoked remains its owner's.
var errNoSlot = errors.New("there is no slot any more")

// fill returns a connection that works, in a slot.
func (p *Pool[C]) fill(ctx context.Context, s slot[C]) (conn C, err error) {
	conn, since := s.conn, s.since
	if s.parked != nil {
		if !s.parked.revoke(ctx) {
			return conn, errNoSlot
		}
		conn, since = s.parked.conn, time.Now()
	}
	if s.parked != nil || s.has {
		if conn.Alive() && (time.Since(since) < probeAfter || conn.Answers(ctx)) {
			return conn, nil
		}
		conn.Close()
		if ctx.Err() != nil {
			return conn, ctx.Err()
		}
	}
	return p.open(ctx)
}

// open opens a connection in a slot, and tries again if that may help.
func (p *Pool[C]) open(ctx context.Context) (conn C, err error) {
	err = retry.Do(ctx, p.cfg.RetryFor, func() error {
		var err error
		if conn, err = p.cfg.Open(ctx); err == nil {
			p.mu.Lock()
			p.proven = true
			p.times.open, p.times.rtt = conn.Opening(), conn.RTT()
			p.mu.Unlock()
			return nil
		}
		if again, full := p.judge(err); full {
			return retry.Permanent(errNoSlot)
		} else if !again && ctx.Err() == nil {
			return retry.Permanent(err)
		}
		return err
	})
	return conn, err
}

// judge reports whether opening may be tried again after an error, and whether
// the pool must do with the connections it has: the slot is given up then.
func (p *Pool[C]) judge(err error) (again, full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total > 1 && p.cfg.Full != nil && p.cfg.Full(err) {
		p.total--
		p.cfg.Shared.release()
		p.limit, p.lowered = p.total, time.Now()
		return false, true
	}
	return p.cfg.Again == nil || p.cfg.Again(err, p.proven), false
}
