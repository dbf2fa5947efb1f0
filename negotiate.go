package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/plan"
)

// request is a command that needs a data connection.
type request struct {
	line   string   // the command, such as "RETR name"
	offset int64    // for REST, in bytes
	tail   []string // may be sent with it, for after the transfer
	early  bool     // the data may be sent before the 150: it can be sent again
	mends  bool     // who asks goes on where a transfer breaks
}

func (r request) verb() string { return control.Verb(r.line) }

// upload reports whether we are the one that sends.
func (r request) upload() bool {
	switch r.verb() {
	case "STOR", "APPE", "STOU":
		return true
	}
	return false
}

// transfer opens a data connection and has the server begin to use it for
// req. It goes through the plan until a step works: first quickly over all
// steps, then with patience over those that met silence. Whatever a step does
// to the control connection, the next one finds one in the same state.
//
// An error that is no *NegotiateError is about req itself or the context: the
// server's refusal of a file is a *ReplyError.
func (l *link) transfer(ctx context.Context, req request) (*channel, error) {
	if err := control.CheckCommand(req.line); err != nil {
		return nil, err
	}
	if err := l.ready(ctx); err != nil {
		return nil, err
	}
	l.recall()
	l.attempts, l.plainly, l.forgotten, l.futile = nil, false, false, plan.Step{}
	defer func() { l.plainly, l.current = false, plan.Step{} }()
	quick := plan.Quick(l.roundTrip(), l.cfg.attempt)
	steps := l.plan()
	tried := l.confirm()
	if len(tried) > 0 {
		steps = slices.DeleteFunc(slices.Clone(steps), func(s plan.Step) bool { return slices.Contains(tried, s) })
	}
	ch, silent, err := l.pass(ctx, req, steps, quick, false)
	silent = append(silent, tried...)
	patient := plan.Patient(quick, len(silent), l.cfg.attempt)
	if ch == nil && err == nil && len(silent) > 0 && patient != quick {
		ch, _, err = l.pass(ctx, req, silent, patient, true)
	}
	if ch == nil && err == nil {
		err = l.failed(nil)
	}
	return ch, err
}

// confirm counts what was seen at the login as an attempt. It returns the step
// if that met silence: once with little patience is enough.
func (l *link) confirm() (tried []plan.Step) {
	a := l.suspect
	if a == nil {
		return nil
	}
	l.suspect = nil
	l.attempts = append(l.attempts, *a)
	call(l.trace.Attempt, *a)
	if a.Cause.silent() {
		tried = append(tried, plan.Step{Mode: plan.Mode(a.Mode), Source: plan.Peer})
	}
	return tried
}

func (l *link) failed(err error) error {
	return &NegotiateError{Server: l.cfg.addr, Attempts: l.attempts, Err: err}
}

// roundTrip returns the measured round trip of the control connection.
func (l *link) roundTrip() time.Duration {
	if conn := l.sess.Live(); conn != nil {
		l.rtt = conn.RTT()
	}
	return l.rtt
}

// idleDoubt is how long a control connection may have been idle and not be
// doubted. NATs are known to forget one after 5 s.
const idleDoubt = 4 * time.Second

// idle returns for how long nothing came on the control connection.
func (l *link) idle() time.Duration {
	if conn := l.sess.Live(); conn != nil {
		return conn.Idle()
	}
	return 0
}

// pass tries the steps in order until one works. It returns those that met
// silence, and after them those that were left out because of it; the last
// pass leaves none out.
func (l *link) pass(ctx context.Context, req request, steps []plan.Step, t plan.Timers, last bool) (ch *channel, silent []plan.Step, err error) {
	c := course{steps: steps, last: last}
	stale := false
	for len(c.steps) > 0 {
		step := c.steps[0]
		l.current = step
		if err := l.readyFor(ctx, step); err != nil {
			return nil, nil, l.gaveUp(ctx, err)
		}
		idle := l.idle()
		ch, a, err := l.attempt(ctx, req, step, t)
		switch {
		case err != nil:
			return nil, nil, err
		case a.Cause == NoAddress && a.Err == errSameAddress:
			// The step would repeat another one: nothing was tried.
			c.steps = c.steps[1:]
			continue
		case l.excused(a):
			continue
		}
		l.attempts = append(l.attempts, a)
		call(l.trace.Attempt, a)
		if a.Cause == OK {
			l.worked(step)
			return ch, nil, nil
		}
		if a.Cause.lethal() && idle > idleDoubt && !stale {
			// More likely a NAT had forgotten the connection, or the server
			// had: the mode is not to blame before it failed on a fresh one.
			stale = true
			continue
		}
		l.unlearn(step, a.Cause.lethal() || a.Cause == Refused)
		if a.Cause == TLSReuseRequired || a.Cause == TLSFailed {
			// The path is not at fault: no other mode does better.
			return nil, nil, l.failed(nil)
		}
		c.failed(a.Cause)
	}
	return nil, append(c.silent, c.left...), nil
}

// course is what is ahead of a pass, as the failures on its way change it.
type course struct {
	steps  []plan.Step // still to be tried; the first is the one under way
	silent []plan.Step // that met silence
	left   []plan.Step // left out because of that
	last   bool        // leave none out
	badIP  bool        // the server has found the data connection's address wrong
}

// failed goes on to the next step, in the light of why the one under way failed.
func (c *course) failed(cause Cause) {
	step, next := c.steps[0], c.steps[1:]
	if cause.silent() {
		c.silent = append(c.silent, step)
	}
	switch {
	case cause == BadIP && !c.badIP:
		// One of several addresses of a NAT may be the right one.
		c.badIP, next = true, c.steps
	case cause == BadIP:
		// The same mode twice, and the same answer: that is how this
		// network leaves. Coming in may be another matter.
		next = slices.DeleteFunc(slices.Clone(next), func(s plan.Step) bool { return s.Mode.Passive() })
	case cause == ControlReset:
		// Perhaps for its address alone: the others come last.
		same, rest := splitMode(next, step.Mode)
		next = slices.Concat(rest, same)
	case cause == ControlSilent && !c.last:
		// The same again would cost as much and hardly do better.
		same, rest := splitMode(next, step.Mode)
		next, c.left = rest, append(c.left, same...)
	}
	c.steps = next
}

// shortcut is what an attempt did before it was known to be right.
type shortcut uint8

const (
	none   shortcut = iota
	opened          // the data connection was opened ahead of need
	hasty           // commands were sent before the one that transfers was answered
)

// excused reports whether the attempt is to be made once more without
// shortcuts: what was tried too early proves nothing of the mode.
func (l *link) excused(a Attempt) bool {
	if l.plainly || !l.shortcut.excuses(a) {
		if l.forgets(a) {
			return true
		}
		if a.Cause != OK {
			l.futile = plan.Step{} // so is the plain way
		}
		return false
	}
	l.note("%v: once more, one command at a time: %v", a.Mode, a.Err)
	switch {
	case l.shortcut == hasty && !l.current.Mode.Passive():
		l.summoned(false)
	case l.behind:
		l.queued(false)
	}
	l.plainly = true
	if !l.current.Mode.Passive() && l.shortcut == hasty {
		l.futile = l.current
	}
	return true
}

// worked takes in a step that opened a data connection, and what that tells of
// what was sent ahead of need.
func (l *link) worked(step plan.Step) {
	l.learn(step)
	switch {
	case l.futile == step:
		l.overlooked()
	case l.shortcut == hasty && !step.Mode.Passive():
		l.reached()
	}
}

// forgets reports whether the attempt is to be made once more as the server did
// not know of the data connection that it had agreed to. The end of the last
// one may have come late and taken it along.
func (l *link) forgets(a Attempt) bool {
	if l.forgotten || a.Cause != DataRefused || !saysNoData("", strings.ToLower(a.Reply.Text())) {
		return false
	}
	l.note("%v: once more: %v", a.Mode, a.Err)
	l.forgotten = true
	return true
}

// excuses reports whether a failure may be that of the shortcut, and not of the
// mode. Silence on the control connection is none of a data connection's.
// What took long took none for the shortcut either, and a server that wants a
// session resumed says so for itself.
func (s shortcut) excuses(a Attempt) bool {
	return a.Cause != OK && a.Cause != TLSReuseRequired && (s == hasty || s == opened && a.Cause != ControlSilent && a.Elapsed < aheadFor)
}

// splitMode tells the steps of a mode from the others.
func splitMode(steps []plan.Step, m plan.Mode) (same, rest []plan.Step) {
	for _, s := range steps {
		if s.Mode == m {
			same = append(same, s)
		} else {
			rest = append(rest, s)
		}
	}
	return same, rest
}

// gaveUp says that there is no control connection to go on with.
func (l *link) gaveUp(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(l.attempts) == 0 {
		return err
	}
	return l.failed(fmt.Errorf("the control connection could not be opened again: %w", opaque(err)))
}

// fault is why an attempt failed.
type fault struct {
	cause Cause
	reply Reply
	err   error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// errSameAddress says that a public address is the local one, or that there
// is none.
var errSameAddress = errors.New("the address was tried before")

// attempt takes one step. A failure of the step is in the Attempt; an error
// ends the whole negotiation.
func (l *link) attempt(ctx context.Context, req request, step plan.Step, t plan.Timers) (*channel, Attempt, error) {
	a := Attempt{Mode: Mode(step.Mode), Start: time.Now()}
	l.shortcut, l.behind = none, false
	var ch *channel
	var err error
	if step.Mode.Passive() {
		ch, err = l.passive(ctx, req, step, t, &a)
	} else {
		ch, err = l.active(ctx, req, step, t, &a)
	}
	if err == nil {
		err = ch.begin(ctx)
	}
	a.Elapsed = time.Since(a.Start)
	if err == nil {
		return ch, a, nil
	}
	if ch != nil {
		ch.discard()
	}
	if ctx.Err() != nil {
		// A reply may be outstanding that nobody waits for any more.
		l.sess.Drop(ctx.Err())
		return nil, a, ctx.Err()
	}
	var f *fault
	if !errors.As(err, &f) {
		if step.Mode.Passive() && a.Used.IsValid() {
			// The server refuses the file and not the way to it.
			l.learn(step)
		}
		return nil, a, err
	}
	a.Cause, a.Err = f.cause, opaque(f.err)
	if f.reply.Code != 0 {
		a.Reply = f.reply
	}
	return nil, a, nil
}

// opaque keeps what an error says but is no *ReplyError to errors.As: those are
// the server's word on what the caller asked for, and a refused PORT is not.
func opaque(err error) error {
	if replyOf(err).Code != 0 {
		return errors.New(err.Error())
	}
	return err
}
