package ftpnat

import (
	"context"
	"errors"
	"strings"
	"time"
)

// errFull says that the server takes no more connections and that the pool
// has others.
var errFull = errors.New("the server takes no more connections")

// errKept says that a lease which was to be taken away is its owner's still.
var errKept = errors.New("the connection was kept")

// redeem turns a grant into a connection that works.
func (p *pool) redeem(ctx context.Context, g grant) (*link, error) {
	l, since := g.l, g.since
	if g.victim != nil {
		if !g.victim.take(ctx) {
			return nil, errKept
		}
		l, since = g.victim.l, time.Now()
	}
	if l != nil {
		l.begin(ctx)
		if l.sess.Live() != nil && (time.Since(since) < probeAfter || l.sess.Answers(ctx)) {
			return l, nil
		}
		l.quit()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return p.open(ctx)
}

// open opens a connection, in a place of the pool that is held for it. It
// tries again where that may help.
func (p *pool) open(ctx context.Context) (*link, error) {
	var l *link
	pace := p.cfg.pace()
	for {
		var err error
		if l, err = p.connect(ctx); err == nil {
			p.mu.Lock()
			p.proven = true
			p.mu.Unlock()
			return l, nil
		}
		again, full := p.judge(err)
		switch {
		case full:
			return nil, errFull
		case !again || !pause(ctx, pace):
			return nil, contextual(ctx, err)
		}
	}
}

// judge reports whether opening may be tried again, and whether the pool must
// do with the connections it has: then the place is given up already.
func (p *pool) judge(err error) (again, full bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var refused *ReplyError
	isReply := errors.As(err, &refused)
	if isReply && tooMany(refused.Reply) && p.total > 1 {
		p.total--
		p.limit, p.lowered = p.total, time.Now()
		return false, true
	}
	if isReply {
		return refused.Temporary(), false
	}
	// A server that was there before may come back; a name that was never
	// reached is likely a mistake, which is best said at once.
	return p.proven && retryable(err), false
}

// tooMany reports whether a refusal is about the number of connections.
func tooMany(r Reply) bool {
	text := strings.ToLower(r.Text())
	return r.Code == 421 || r.Code == 530 && (strings.Contains(text, "too many") || strings.Contains(text, "maximum"))
}

// connect opens a connection, logs in and goes to the pool's directory.
func (p *pool) connect(ctx context.Context) (*link, error) {
	return connect(ctx, p.cfg, p.dir)
}

// reopen puts a new connection in the place of one that stands where it must
// not.
func (ls *lease) reopen(ctx context.Context) error {
	ls.l.sess.Drop(errAstray)
	l, err := ls.p.connect(ctx)
	if err != nil {
		return err
	}
	ls.l = l
	return nil
}

var errAstray = errors.New("the connection was given up: the way back to its directory is not known")
