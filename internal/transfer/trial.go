package transfer

import (
	"context"
	"net"
	"time"
)

// tryOut sends the command and a NOOP, and makes the transfer if that goes well.
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
