package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// Open opens a data connection and has the server begin to use it for req. An
// error that is no *proto.NegotiateError is about req itself or the context: the
// server's refusal of a file is a *proto.Error, and proto.ErrNoRestart too if it
// is for the offset. If req is a whole upload, an error that is
// proto.ErrNoVerdict leaves open whether the server has the file.
func (e *Engine) Open(ctx context.Context, req Request) (*Transfer, error) {
	if err := control.CheckCommand(req.Line); err != nil {
		return nil, err
	}
	req.kind = kindOf(req.Line)
	e.headStart(ctx)
	defer func() { e.port = nil }()
	if err := e.ready(ctx); err != nil {
		return nil, err
	}
	e.path.Recall()
	e.attempts = e.attempts[:0]
	t, early, err := e.fast(ctx, req)
	if t != nil || err != nil {
		return t, err
	}
	if early == nil {
		early = new(tooEarly)
	}
	t, err = e.plainly(ctx, req, early)
	switch {
	case err == nil:
		e.compare(ctx, early, e.path.Proven())
	case early.noVerdict != nil:
		// A server that replaces nothing refuses what it has got already.
		err = errors.Join(early.noVerdict, err)
	}
	return t, err
}

// compare records what it tells about offers that the plain way has worked, by
// step, after a try to be faster.
func (e *Engine) compare(ctx context.Context, early *tooEarly, step plan.Step) {
	e.missed = false
	if !early.blamed || early.step != step {
		return
	}
	if e.path.Learn(path.Ahead, false) {
		trace.From(ctx).Notef("what is sent ahead of need opens no data connections here: nothing more is")
	}
}

// plainly makes the transfer one command at a time, after what came of the fast
// way.
func (e *Engine) plainly(ctx context.Context, req Request, early *tooEarly) (*Transfer, error) {
	t, err := e.negotiate(ctx, req, early)
	if err != nil || !req.Whole {
		return t, err
	}
	if err := t.sendBody(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// negotiate goes through the plan until a step works: briskly over all steps, then
// quickly over those that may have been lost on the way, and with patience over all
// that met silence. Whatever a step does to the control connection, the next one
// finds one in the same state.
func (e *Engine) negotiate(ctx context.Context, req Request, early *tooEarly) (*Transfer, error) {
	start := time.Now()
	quick := plan.Quick(e.RTT(), e.cfg.Attempt)
	brisk := e.brisk(quick)
	n := &negotiation{e: e, req: req, first: early.first, life: early.life}
	c := &course{steps: e.path.Steps(e.sealed()), again: func(a *attempt) bool { return plan.Again(brisk, quick, a.Cause, a.Elapsed) }}
	t, err := n.pass(ctx, c, brisk)
	silent := slices.Concat(c.silent, c.left)
	if t == nil && err == nil && len(c.lost) > 0 {
		second := &course{steps: c.lost}
		t, err = n.pass(ctx, second, quick)
		silent = slices.DeleteFunc(silent, func(s plan.Step) bool {
			return slices.Contains(c.lost, s) && !slices.Contains(second.silent, s) && !slices.Contains(second.left, s)
		})
	}
	patient := plan.Patient(quick, len(silent), plan.Left(e.cfg.Attempt, time.Since(start)))
	if t == nil && err == nil && patient != quick {
		t, err = n.pass(ctx, &course{steps: silent, last: true}, patient)
	}
	if t == nil && err == nil {
		err = n.failed()
	}
	return t, err
}

// failed returns the error of a negotiation in which nothing worked. A server that
// breaks off in every mode what it has not begun means the file.
func (n *negotiation) failed() error {
	a := n.refused
	if a == nil || n.failures {
		return n.e.failed(nil)
	}
	if a.step.Mode.Passive() && a.Used.IsValid() {
		n.e.path.Worked(a.step)
	}
	final := *a.refusal
	final.Final = true
	return &final
}

// brisk returns the timers of the first pass. Behind a proxy a data connection is
// dialled with one socket, and the round trip is not all that it takes.
func (e *Engine) brisk(quick plan.Timers) plan.Timers {
	if conn := e.sess.Live(); conn != nil {
		e.lag = max(e.lag, conn.Lag())
	}
	brisk := plan.Brisk(quick, e.RTT(), e.lag)
	if !e.path.Peer().IsValid() {
		brisk.Dial = quick.Dial
	}
	return brisk
}

// sealed reports whether no box on the way can read the commands.
func (e *Engine) sealed() bool {
	conn := e.sess.Live()
	if conn == nil {
		return false
	}
	_, ok := conn.TLS()
	return ok
}

// failed returns the error of a negotiation; err is why not all was tried.
func (e *Engine) failed(err error) error {
	return &proto.NegotiateError{Server: e.cfg.Server, Attempts: e.Attempts(), Err: err, Proven: e.cfg.Worked.Load()}
}

// gaveUp says that there is no control connection to go on with.
func (e *Engine) gaveUp(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(e.attempts) == 0 {
		return err
	}
	return e.failed(proto.Limited(proto.Opaque(err)))
}

// idleDoubt is how long a control connection may have been idle and not be
// doubted. NATs are known to forget one after 5 s.
const idleDoubt = 4 * time.Second

// idle returns for how long nothing came on the control connection.
func (e *Engine) idle() time.Duration {
	if conn := e.sess.Live(); conn != nil {
		return conn.Idle()
	}
	return 0
}

// negotiation is up to three passes through the plan.
type negotiation struct {
	e     *Engine
	req   Request
	first *attempt // made already, of the first step; nil for none
	again bool     // a step was repeated because of what was changed
	life  int      // of the session that was sent the command last; zero if none was

	refused  *attempt // the first that has a refusal
	failures bool     // one has none
}

// pass tries the steps of a course in order until one works. The course has those
// that met silence then, and those that were left out because of it.
func (n *negotiation) pass(ctx context.Context, c *course, timers plan.Timers) (*Transfer, error) {
	e := n.e
	for len(c.steps) > 0 {
		step := c.steps[0]
		a, t, err := n.try(ctx, step, timers)
		switch {
		case err != nil:
			return nil, err
		case a.Err == errSameAddress:
			// The step would repeat another one: nothing was tried.
			c.steps = c.steps[1:]
			continue
		case a.again && !n.again:
			trace.From(ctx).Notef("%v: once more: %v", a.Mode, a.Err)
			n.again = true
			continue
		}
		e.made(ctx, a)
		if a.Cause == proto.OK {
			e.path.Worked(step)
			return t, nil
		}
		if a.Cause.Lethal() && a.idle > idleDoubt && !c.stale {
			// More likely a NAT had forgotten the connection, or the server
			// had: the mode is not to blame before it failed on a fresh one.
			c.stale = true
			continue
		}
		e.path.Failed(step, a.Cause)
		switch {
		case a.refusal == nil:
			n.failures = true
		case n.refused == nil:
			n.refused = a
		}
		if a.Cause == proto.TLSReuseRequired || a.Cause == proto.TLSFailed {
			// The path is not at fault: no other mode does better.
			return nil, e.failed(nil)
		}
		if c.again != nil && c.again(a) {
			c.lost = append(c.lost, step)
		}
		c.failed(a.Cause)
	}
	return nil, nil
}

// try returns an attempt at a step: the one that was made already, or a new one
// on a control connection without a reply outstanding.
func (n *negotiation) try(ctx context.Context, step plan.Step, timers plan.Timers) (*attempt, *Transfer, error) {
	if a := n.first; a != nil {
		n.first = nil
		if a.step == step {
			return a, nil, nil
		}
	}
	if err := n.e.clear(ctx); err != nil {
		return nil, nil, n.e.gaveUp(ctx, err)
	}
	if n.req.Afresh != nil && n.life != 0 && n.life != n.e.sess.Lives() {
		line, err := n.req.Afresh()
		if err != nil {
			return nil, nil, err
		}
		n.req.Line, n.life = line, 0
	}
	a := n.e.attempt(n.req, step, timers)
	t, err := a.run(ctx)
	n.life = max(n.life, a.life)
	return a, t, err
}

// made records an attempt.
func (e *Engine) made(ctx context.Context, a *attempt) {
	e.attempts = append(e.attempts, a.Attempt)
	trace.From(ctx).Attempted(a.Attempt)
}

// course is what is ahead of a pass, as the failures on its way change it.
type course struct {
	steps  []plan.Step         // still to be tried; the first is the one under way
	silent []plan.Step         // that met silence
	left   []plan.Step         // left out because of that
	lost   []plan.Step         // of the silent ones, what is to be tried again soon
	again  func(*attempt) bool // reports which those are; nil for none
	last   bool                // leave none out
	badIP  bool                // the server has found the data connection's address wrong
	stale  bool                // a step was repeated because the control connection had been idle
}

// failed goes on to the next step, by why the one under way failed.
func (c *course) failed(cause proto.Cause) {
	step, next := c.steps[0], c.steps[1:]
	if cause.Silent() {
		c.silent = append(c.silent, step)
	}
	switch {
	case cause == proto.BadIP && !c.badIP:
		// One of several addresses of a NAT may be the right one.
		c.badIP, next = true, c.steps
	case cause == proto.BadIP:
		// The same mode twice, and the same answer: that is how this
		// network leaves. Coming in may be another matter.
		next = slices.DeleteFunc(slices.Clone(next), func(s plan.Step) bool { return s.Mode.Passive() })
	case cause == proto.ControlReset:
		// Perhaps for its address alone: the others come last.
		same, rest := splitMode(next, step.Mode)
		next = slices.Concat(rest, same)
	case cause == proto.ControlSilent && !c.last:
		// The same again would cost as much and hardly do better.
		same, rest := splitMode(next, step.Mode)
		next, c.left = rest, append(c.left, same...)
	}
	c.steps = next
}

// splitMode separates the steps of a mode from the others.
func splitMode(steps []plan.Step, m proto.Mode) (same, rest []plan.Step) {
	for _, s := range steps {
		if s.Mode == m {
			same = append(same, s)
		} else {
			rest = append(rest, s)
		}
	}
	return same, rest
}

// errSameAddress says that a public address is the local one, or that there is
// none.
var errSameAddress = errors.New("the address was tried before")

// attempt is one try to open a data connection for a request.
type attempt struct {
	proto.Attempt
	e      *Engine
	req    Request
	step   plan.Step
	timers plan.Timers
	idle   time.Duration // of the control connection before
	again  bool          // what made it fail was changed meanwhile
	life   int           // of the session that was sent the command; zero if none was

	refusal  *proto.Error // a 426 in place of a 150, which is that of nodeftpd to a file that it cannot open
	own      Transfer     // see newTransfer
	unmapped error        // why the NAT has mapped no port; nil if it was not asked, or has
}

func (e *Engine) attempt(req Request, step plan.Step, timers plan.Timers) *attempt {
	a := &attempt{e: e, req: req, step: step, timers: timers, idle: e.idle()}
	a.Mode, a.Start = step.Mode, time.Now()
	return a
}

// run takes the step. A failure of the step is in the Attempt; an error ends the
// negotiation.
func (a *attempt) run(ctx context.Context) (*Transfer, error) {
	var t *Transfer
	var err error
	if a.step.Mode.Passive() {
		t, err = a.passive(ctx)
	} else {
		t, err = a.active(ctx)
	}
	if err == nil {
		err = t.begin(ctx)
	}
	if err == nil {
		a.Elapsed = time.Since(a.Start)
		return t, nil
	}
	if t != nil {
		t.Close()
	}
	return nil, a.failed(ctx, err)
}

// restart sends REST if it is needed. On some servers a REST stays in force: it
// is taken back then.
func (a *attempt) restart(ctx context.Context) error {
	e := a.e
	if e.rests(a.req) {
		line := a.restLine()
		r, err := e.ask(ctx, line, a.timers.Reply)
		if err := a.restarted(line, r, err); err != nil {
			return err
		}
	}
	if !e.parts(a.req) {
		return nil
	}
	_, err := e.ask(ctx, "NOOP", a.timers.Reply)
	var f *fault
	if errors.As(err, &f) && f.cause == proto.Refused {
		return nil
	}
	return err
}

func (a *attempt) restLine() string { return fmt.Sprintf("REST %d", a.req.Offset) }

// restarted records the reply to REST, or why there is none.
func (a *attempt) restarted(line string, r proto.Reply, err error) error {
	var f *fault
	refused := errors.As(err, &f) && f.cause == proto.Refused
	switch {
	case refused && a.req.Offset > 0:
		return noRestart{proto.Refusal(line, f.reply)}
	case err != nil && !refused:
		return err
	case err == nil && a.req.Offset > 0 && !r.Is(3) && !r.Is(2):
		return noRestart{proto.Refusal(line, r)}
	}
	a.e.restLife = 0
	if a.req.Offset > 0 {
		a.e.restLife = a.e.sess.Lives()
	}
	return nil
}

// start sends REST if it is needed, and the command.
func (a *attempt) start(ctx context.Context) (*Transfer, error) {
	if err := a.restart(ctx); err != nil {
		return nil, err
	}
	a.life = a.e.sess.Lives()
	calls, err := a.e.sess.SendAll(ctx, nil, a.req.Line)
	if err != nil {
		return nil, a.e.lost(ctx, err)
	}
	t := newTransfer(a)
	t.call = calls[0]
	return t, nil
}

// failed records why the attempt has failed. It returns an error that is none of
// the way: that ends the negotiation.
func (a *attempt) failed(ctx context.Context, err error) error {
	a.Elapsed = time.Since(a.Start)
	if ctx.Err() != nil {
		// A reply may be outstanding that nobody waits for any more.
		a.e.sess.Drop(ctx, ctx.Err())
		return ctx.Err()
	}
	var f *fault
	if !errors.As(err, &f) {
		if a.step.Mode.Passive() && a.Used.IsValid() {
			// The server refuses the file and not the way to it.
			a.e.path.Worked(a.step)
		}
		return err
	}
	a.Cause, a.Err, a.again = f.cause, proto.Limited(proto.Opaque(f.err)), f.again
	if a.unmapped != nil {
		a.Err = &proto.UnmappedError{Err: a.Err, Mapper: a.unmapped}
	}
	if f.reply.Code != 0 {
		a.Reply = f.reply
	}
	var refused *proto.Error
	if f.reply.Code == 426 && errors.As(f.err, &refused) && !refused.Ended {
		a.refusal = refused
	}
	return nil
}
