package ftpnat

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/plan"
)

// queueing is what the sessions of one Dial or Open have seen of transfers with
// commands behind them.
type queueing struct {
	mu     sync.Mutex
	broken int  // such transfers that broke, brokenCounts each, less those that did not
	wary   bool // the last one did, and no transfer has ended well since
}

// Two transfers in a row may break with commands behind them, as one may have
// broken for another reason; or more, with as many that went well in between
// that what is gained by those outweighs the loss.
const (
	brokenCounts = 4
	maxBroken    = 2 * brokenCounts
)

// queues reports whether the server is known to keep a command that comes with
// the one that transfers until it has done with the transfer. On others it may
// cost the transfer, so that unknown means no. What cannot be mended where that
// is wrong is not put at risk on a server that is known by its words alone.
func (l *link) queues(req request) bool {
	q := l.cfg.queue
	q.mu.Lock()
	wary := q.wary
	q.mu.Unlock()
	switch {
	case wary, l.lesson.Queue == No, !l.takesAhead(), req.upload() && !req.early, l.software() == pyftpdlib:
		return false
	case req.mends:
		return l.lesson.Queue == Yes || l.software() != unknownSoftware
	}
	return l.lesson.Queue == Yes && l.software() != unknownSoftware
}

// asksQueue reports whether a download is one to find out with whether the
// server keeps commands. It costs two round trips; somebody who has made one
// transfer before is likely to make more.
func (l *link) asksQueue(req request, step plan.Step) bool {
	return l.ended && l.lesson.Queue == Unknown && l.sure(step) && !req.upload() && req.offset == 0 &&
		l.takesAhead() && !l.queues(req) && l.software() != pyftpdlib && !l.rests(req)
}

// askQueue begins a download with a NOOP behind the command, and both before the
// data connection is there, so that the server cannot begin. One that answers
// the NOOP all the same does not keep commands.
func (l *link) askQueue(ctx context.Context, req request, step plan.Step, t plan.Timers, a *Attempt) (*channel, error) {
	if err := l.clear(ctx); err != nil {
		return nil, err
	}
	l.dropAhead()
	if err := l.pret(ctx, req, t); err != nil {
		return nil, err
	}
	target, err := l.passiveAddr(ctx, step, t, a)
	if err != nil {
		return nil, err
	}
	calls, err := l.sess.SendAll(ctx, nil, req.line, "NOOP")
	if err != nil {
		return nil, l.lost(err)
	}
	l.shortcut, l.behind = hasty, true
	ch := &channel{l: l, req: req, patience: t.Start, call: calls[0], behind: true, question: calls[1]}
	if err := l.watch(ctx, ch); err != nil {
		return ch, err
	}
	nc, err := l.dialTarget(ctx, target, t)
	if err != nil {
		return ch, err
	}
	ch.bind(nc)
	return ch, l.firstReply(ctx, ch, t.Start)
}

// watch waits for a while in which the server has nothing to do.
func (l *link) watch(ctx context.Context, ch *channel) error {
	timer := time.NewTimer(2*l.roundTrip() + aheadSlack)
	defer timer.Stop()
	for {
		select {
		case r := <-ch.call.Replies():
			if err := ch.saw(ctx, r); err != nil {
				return err
			}
		case <-ch.call.Lost():
			return l.lost(&control.LostError{Err: net.ErrClosed})
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	}
}

// answered takes in the reply to the NOOP after the transfer.
func (l *link) answered(ctx context.Context, ch *channel) {
	question := ch.question
	if ch.question = nil; question == nil || l.sess.Live() == nil {
		return
	}
	mixed := l.sess.Mixed()
	r, err := l.sess.Next(ctx, question, plan.Quick(l.roundTrip(), l.cfg.attempt).Reply)
	switch {
	case err != nil:
		l.sess.Drop(err)
		l.noQueue()
	case mixed || r.Code/100 != 2:
		l.noQueue()
	default:
		l.lesson.Queue = Yes
		l.keep()
	}
}

// queued takes in how a transfer with commands behind it has ended.
func (l *link) queued(ok bool) {
	if l.sess.Mixed() {
		l.noQueue()
	}
	q := l.cfg.queue
	q.mu.Lock()
	if ok {
		q.broken = max(q.broken-1, 0)
	} else {
		q.broken += brokenCounts
		q.wary = true
	}
	broken := q.broken
	q.mu.Unlock()
	if broken >= maxBroken {
		l.noQueue()
	}
}

// unqueued takes in that a transfer without commands behind it has ended well.
func (l *link) unqueued() {
	q := l.cfg.queue
	q.mu.Lock()
	q.wary = false
	q.mu.Unlock()
}

// noQueue takes down that the server does not keep a command that is sent with
// one that transfers.
func (l *link) noQueue() {
	if l.lesson.Queue != No {
		l.note("the server does not keep commands until a transfer has ended: none are sent that early")
		l.lesson.Queue = No
		l.keep()
	}
}
