package transfer

import (
	"context"
	"net"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// asksQueue reports whether a download is one to find out with whether the server
// keeps commands. It costs two round trips; who has made one transfer before is
// likely to make more.
func (e *Engine) asksQueue(req Request) bool {
	return e.ended && e.path.Takes(path.Queue) == proto.Unknown && !e.cfg.Queueing.Wary() && !req.kind.upload() && !e.rests(req) &&
		e.TakesAhead() && !e.queues(req) && e.sess.Software() != control.Pyftpdlib
}

// trial begins a download with a NOOP behind the command, and both before the
// data connection is there, so that the server cannot begin. One that answers the
// NOOP all the same does not keep commands.
func (e *Engine) trial(ctx context.Context, a *fastAttempt) (*Transfer, *tooEarly, error) {
	if err := e.clear(ctx); err != nil {
		return nil, nil, err
	}
	target, err := a.passiveAddr(ctx)
	if err != nil {
		return a.handOver(ctx, err)
	}
	t := newTransfer(a.attempt)
	t.hasty, t.behind = true, true
	return a.judge(ctx, t, a.tryOut(ctx, t, target))
}

func (a *fastAttempt) tryOut(ctx context.Context, t *Transfer, target string) error {
	calls, err := a.e.sess.SendAll(ctx, nil, a.req.Line, "NOOP")
	if err != nil {
		return a.e.lost(ctx, err)
	}
	t.call, t.question = calls[0], calls[1]
	if err := a.watch(ctx, t); err != nil {
		return err
	}
	var nc net.Conn
	if nc, err = a.dial(ctx, target); err != nil {
		return err
	}
	t.bind(nc)
	if err := t.firstReply(ctx, t.patience); err != nil {
		return err
	}
	if err := t.begin(ctx); err != nil || t.req.Resumes {
		return err
	}
	return a.outlasts(ctx, t)
}

// outlasts sees whether the control connection ends as soon as the server has begun
// and finds the NOOP: a transfer of which nothing was handed on can still be made again.
func (a *fastAttempt) outlasts(ctx context.Context, t *Transfer) error {
	timer := time.NewTimer(a.e.RTT()/8 + time.Millisecond)
	defer timer.Stop()
	select {
	case <-t.call.Lost():
		if t.verdict.Code == 0 && len(t.call.Replies()) == 0 {
			return a.e.lost(ctx, errClosed())
		}
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// watch waits for a while in which the server has nothing to do.
func (a *fastAttempt) watch(ctx context.Context, t *Transfer) error {
	timer := time.NewTimer(2*a.e.RTT() + offerSlack)
	defer timer.Stop()
	for {
		select {
		case r := <-t.call.Replies():
			if err := t.saw(ctx, r); err != nil {
				return err
			}
		case <-t.call.Lost():
			return a.e.lost(ctx, errClosed())
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	}
}
