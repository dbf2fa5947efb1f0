package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// prober is a probe in progress.
type prober struct {
	*Engine
	timers  plan.Timers
	works   plan.Step // the first one that does
	stopped error
}

// all tries each step once.
func (p *prober) all(ctx context.Context) {
	p.timers.Start = min(p.timers.Start, p.timers.Reply+p.timers.Dial)
	if err := p.seenAddr(ctx, p.timers.Reply); err != nil {
		trace.From(ctx).Notef("the server does not tell how it sees this machine: %v", err)
	}
	for _, step := range p.path.AllSteps(p.sealed()) {
		if !p.try(ctx, step) {
			break
		}
	}
	if p.works != (plan.Step{}) {
		p.path.Worked(p.works)
	}
}

// try takes one step and reports whether the next one can be taken.
func (p *prober) try(ctx context.Context, step plan.Step) bool {
	if err := p.clear(ctx); err != nil {
		return p.stop(ctx, err)
	}
	limit, ok := p.share(ctx)
	if !ok {
		return p.stop(ctx, errTimeUp)
	}
	sctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a := p.attempt(Request{Line: "LIST"}, step, p.timers)
	t, err := a.run(sctx)
	switch {
	case err == nil && a.Err == errSameAddress:
		return true
	case err != nil && ctx.Err() != nil:
		return p.stop(ctx, ctx.Err())
	case err != nil && sctx.Err() != nil:
		// The server has begun and sends nothing.
		a.Cause, a.Err = proto.ControlSilent, proto.ErrStalled
	case err != nil && !(a.Mode.Passive() && a.Advertised.Port() != 0):
		return p.stop(ctx, fmt.Errorf("%v could not be tried: %w", a.Mode, err))
	case err != nil:
		// The server refuses the listing and not the way to it.
		a.Reply = proto.ReplyOf(err)
	}
	if t != nil {
		t.Abandon(ctx)
	}
	p.took(ctx, a)
	return true
}

// share returns how long a step may take, and whether that is long enough to
// show anything. A server that begins and sends nothing gets half of the time
// that is left, so that there is some for every other step.
func (p *prober) share(ctx context.Context) (time.Duration, bool) {
	t := p.timers
	least := t.Reply + max(t.Dial, t.Accept)
	end, limited := ctx.Deadline()
	if !limited {
		return least + t.Reply + t.Start, true
	}
	left := time.Until(end)
	return min(least+t.Reply+t.Start, max(least, left/2)), left >= least
}

var errTimeUp = errors.New("the time was up")

// stop ends the probe for the reason err.
func (p *prober) stop(ctx context.Context, err error) bool {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errTimeUp
	}
	p.stopped = err
	trace.From(ctx).Notef("the probe ends early: %v", err)
	return false
}

// took records what a step has shown.
func (p *prober) took(ctx context.Context, a *attempt) {
	p.made(ctx, a)
	switch {
	case a.Cause != proto.OK:
		p.path.FailedProbe(a.step, a.Cause)
	case p.works == (plan.Step{}):
		p.works = a.step
	}
}
