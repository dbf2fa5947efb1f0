package ftpnat

import (
	"context"

	"github.com/ftpnat/ftpnat/internal/plan"
)

// Probe logs in to addr and tries every allowed mode with a listing of the
// login directory, also after one has worked, and returns what it found. It
// changes nothing on the server. The error is nil whenever there is a report;
// see [Report.Err] for whether a mode works.
func (d *Dialer) Probe(ctx context.Context, addr string) (*Report, error) {
	c, err := d.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	op, err := c.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer c.release(op)
	return c.l.probe(op.ctx)
}

// probe tries each step of the plan once.
func (l *link) probe(ctx context.Context) (*Report, error) {
	in := l.input()
	in.Proven, in.Avoid = plan.Step{}, nil
	timers := plan.Quick(l.roundTrip(), l.cfg.attempt)
	timers.Start = min(timers.Start, timers.Reply+timers.Dial)
	l.attempts = nil
	var works plan.Step
	for _, step := range plan.Make(in) {
		if err := l.ready(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			l.note("the control connection could not be opened again: %v", err)
			break
		}
		ch, a, err := l.attempt(ctx, request{line: "LIST"}, step, timers)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && a.Cause == NoAddress && a.Err == errSameAddress:
			continue
		case err != nil && !a.Used.IsValid():
			return nil, err
		case err != nil:
			// The server refuses the listing and not the way to it.
			a.Reply, a.Err = replyOf(err), nil
		}
		if ch != nil {
			ch.abandon(ctx)
		}
		l.attempts = append(l.attempts, a)
		call(l.trace.Attempt, a)
		if a.Cause == OK && works == (plan.Step{}) {
			works = step
		}
	}
	if _, err := l.publicAddr(ctx, timers.Reply); err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if works != (plan.Step{}) {
		l.learn(works)
	}
	r := l.report()
	r.Mode = Mode(works.Mode)
	return r, nil
}
