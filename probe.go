package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ftpnat/ftpnat/internal/plan"
)

// The limits of a probe. A person waits for it.
const (
	// probeLimit is how long all of it may take, but for a QUIT at the end.
	probeLimit = 28 * time.Second
	// probeRetry is how long a lost control connection is tried again: a
	// server that allows one needs about a second to see that the last is gone.
	probeRetry = 4 * time.Second
	// closeWithin is what is left of a deadline of the caller's for the end.
	closeWithin = 300 * time.Millisecond
)

// Probe logs in to addr and tries every allowed mode with a listing of the
// login directory, also after one has worked, and returns what it found. It
// changes nothing on the server and takes less than 30 seconds, or less than a
// deadline of ctx where that is nearer; what it could not get to is in
// [Report.Stopped]. What it learns goes into the Dialer's Memory.
//
// The error is nil whenever there is a report; see [Report.Err] for whether a
// mode works.
func (d *Dialer) Probe(ctx context.Context, addr string) (*Report, error) {
	cfg, err := d.fill(addr)
	if err != nil {
		return nil, err
	}
	cfg.retryFor, cfg.oneByOne = min(cfg.retryFor, probeRetry), true
	limit := probeLimit
	if end, ok := ctx.Deadline(); ok {
		left := time.Until(end)
		limit = min(limit, left-min(closeWithin, left/2))
	}
	pctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := dial(pctx, cfg)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && pctx.Err() != nil:
		return nil, fmt.Errorf("ftpnat: %s: the login took more than %v: %w", cfg.addr, roundTime(limit), err)
	case err != nil:
		return nil, err
	}
	defer c.Close()
	op, err := c.acquire(pctx)
	if err != nil {
		return nil, err
	}
	defer c.release(op)
	r := c.l.probe(op.ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return r, nil
}

// prober is a probe under way.
type prober struct {
	*link
	timers  plan.Timers
	works   plan.Step // the first one that does
	stopped string
}

// probe tries each step of the plan once, until ctx ends.
func (l *link) probe(ctx context.Context) *Report {
	p := &prober{link: l, timers: plan.Quick(l.roundTrip(), l.cfg.attempt)}
	p.timers.Start = min(p.timers.Start, p.timers.Reply+p.timers.Dial)
	l.attempts = nil
	l.tlsVersion()
	if _, err := l.seenAddr(ctx, p.timers.Reply); err != nil {
		l.note("the server does not tell how it sees this machine: %v", err)
	}
	in := l.input()
	in.Proven, in.Avoid = plan.Step{}, nil
	for _, step := range plan.Make(in) {
		if !p.try(ctx, step) {
			break
		}
	}
	if p.works != (plan.Step{}) {
		l.learn(p.works)
	}
	r := l.report()
	r.Mode, r.Stopped = Mode(p.works.Mode), p.stopped
	return r
}

// try takes one step and reports whether the next one can be taken.
func (p *prober) try(ctx context.Context, step plan.Step) bool {
	if err := p.ready(ctx); err != nil {
		return p.stop(ctx, fmt.Errorf("the control connection could not be opened again: %w", err))
	}
	limit, ok := p.share(ctx)
	if !ok {
		return p.stop(ctx, errTimeUp)
	}
	sctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ch, a, err := p.attempt(sctx, request{line: "LIST"}, step, p.timers)
	switch {
	case err == nil && a.Cause == NoAddress && a.Err == errSameAddress:
		return true
	case err != nil && ctx.Err() != nil:
		return p.stop(ctx, ctx.Err())
	case err != nil && sctx.Err() != nil:
		// The server has begun and sends nothing.
		a.Cause, a.Err = ControlSilent, ErrStalled
	case err != nil && !(a.Mode.passive() && a.Advertised.Port() != 0):
		return p.stop(ctx, fmt.Errorf("%v could not be tried: %w", a.Mode, err))
	case err != nil:
		// The server refuses the listing and not the way to it.
		a.Reply = replyOf(err)
	}
	if ch != nil {
		ch.abandon(ctx)
	}
	p.took(step, a)
	return true
}

// share returns how long a step may take, and whether it is long enough to
// tell anything. A server that begins and sends nothing gets half of the time
// that is left, so that there is some for every other step.
func (p *prober) share(ctx context.Context) (time.Duration, bool) {
	t := p.timers
	least := t.Reply + max(t.Dial, t.Accept)
	end, _ := ctx.Deadline()
	left := time.Until(end)
	return min(least+t.Reply+t.Start, max(least, left/2)), left >= least
}

var errTimeUp = errors.New("the time was up")

// stop ends the probe for the reason err.
func (p *prober) stop(ctx context.Context, err error) bool {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errTimeUp
	}
	p.stopped = err.Error()
	p.note("the probe ends early: %v", err)
	return false
}

// took keeps what a step has shown.
func (p *prober) took(step plan.Step, a Attempt) {
	p.attempts = append(p.attempts, a)
	call(p.trace.Attempt, a)
	switch {
	case a.Cause != OK:
		p.unlearn(step, a.Cause.lethal())
	case p.works == (plan.Step{}):
		p.works = step
	}
}
