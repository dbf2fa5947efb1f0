package ftpnat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/hostport"
	"github.com/ftpnat/ftpnat/internal/plan"
)

// aheadFor is how long a data connection that nobody has used yet is kept: a
// NAT may have forgotten it after that, and some servers have given it up.
const aheadFor = 4 * time.Second

// aheadSlack is how long a data connection that was opened ahead may take
// beyond some round trips before another one is asked for in the plain way.
const aheadSlack = 100 * time.Millisecond

// foreseen is a passive data connection that is opened before it is needed:
// EPSV or PASV travels with an earlier command, and the connection is dialled
// the moment that the reply is there.
type foreseen struct {
	step   plan.Step
	line   string // EPSV or PASV
	behind bool   // was sent with a command that transfers
	life   int    // of the control connection
	sent   time.Time
	call   *control.Call
	host   string // to be dialled
	dial   dialFunc

	settled bool  // the reply was taken in
	reply   Reply // to line

	mu     sync.Mutex
	begun  time.Time // of the dial
	gone   bool
	done   chan struct{} // closed when the dial has ended; nil when there was none
	cancel context.CancelFunc
	nc     net.Conn // nil while there is none to be had
	expiry *time.Timer
}

// foresee returns a data connection that may be asked for now, nil for none.
// It is to be sent.
func (l *link) foresee() *foreseen {
	if l.ahead != nil || l.plainly || l.cfg.oneByOne || l.lesson.Ahead == No || l.offersPRET() {
		return nil
	}
	step := l.proven()
	if step == (plan.Step{}) {
		steps := l.plan()
		if len(steps) == 0 {
			return nil
		}
		step = steps[0]
	}
	if l.current != (plan.Step{}) && l.current != step {
		return nil // a negotiation is about to take another one
	}
	if !step.Mode.Passive() || step.Source != plan.Peer || slices.Contains(l.lesson.Avoid, Mode(step.Mode)) {
		return nil
	}
	f := &foreseen{step: step, line: Mode(step.Mode).String(), life: l.sess.Lives(), sent: time.Now(), dial: l.cfg.dial}
	f.host = l.cfg.host
	if l.peer.IsValid() {
		f.host = l.peer.String()
	}
	return f
}

// sendAhead sends commands, and last the one that asks for f, in one go.
func (l *link) sendAhead(ctx context.Context, f *foreseen, lines ...string) ([]*control.Call, error) {
	calls, err := l.sess.SendAll(ctx, f, append(lines, f.line)...)
	if err != nil {
		f.drop() // the reply may have been faster
		return nil, err
	}
	last := len(calls) - 1
	f.call = calls[last]
	l.ahead = f
	return calls[:last], nil
}

// launch asks for a data connection right behind the login. It does so by
// itself: boxes on the way read segments, and a login that shared one with a
// command that they do not like would be lost with it.
func (l *link) launch(ctx context.Context) {
	f := l.foresee()
	if f == nil {
		return
	}
	l.launched, l.launchedAt, l.launchLost = f.step, f.sent, l.sess.Lost()
	if _, err := l.sendAhead(ctx, f); err != nil {
		l.note("no data connection is opened ahead of need: %v", err)
	}
}

// Heard begins to dial when the reply is there. It is called by the reader of
// replies.
func (f *foreseen) Heard(r control.Reply) {
	port, ok := passivePort(Reply(r))
	f.mu.Lock()
	defer f.mu.Unlock()
	if !ok || f.gone || f.done != nil {
		return
	}
	var ctx context.Context
	ctx, f.cancel = context.WithCancel(context.Background()) // expire has the limit
	f.begun = time.Now()
	f.done = make(chan struct{})
	f.expiry = time.AfterFunc(aheadFor, f.expire)
	go func() {
		defer close(f.done)
		nc, err := f.dial(ctx, "tcp", net.JoinHostPort(f.host, strconv.Itoa(int(port))))
		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case err != nil:
		case f.gone:
			nc.Close()
		default:
			f.nc = nc
		}
	}()
}

// passivePort returns the port in a reply to EPSV or PASV, where it is one that
// can be dialled without further thought.
func passivePort(r Reply) (uint16, bool) {
	var port uint16
	var err error
	switch r.Code {
	case 229:
		port, err = hostport.ParseEPSV(r.Text())
	case 227:
		var ap netip.AddrPort
		ap, err = hostport.ParsePASV(r.Text())
		port = ap.Port()
	default:
		return 0, false
	}
	return port, err == nil && !isSIP(port)
}

// expire closes a connection that nobody has used.
func (f *foreseen) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	f.cancel()
	if f.nc != nil {
		f.nc.Close()
		f.nc = nil
	}
}

// drop ends what is under way and waits for it.
func (f *foreseen) drop() {
	f.mu.Lock()
	f.gone = true
	done, cancel, expiry := f.done, f.cancel, f.expiry
	if done == nil {
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	expiry.Stop()
	cancel()
	<-done
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nc != nil {
		f.nc.Close()
		f.nc = nil
	}
}

// take returns the connection, nil where there is none soon enough. It is the
// caller's then.
func (f *foreseen) take(ctx context.Context, patience time.Duration) net.Conn {
	defer f.drop()
	f.mu.Lock()
	done, begun := f.done, f.begun
	f.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
	default:
		timer := time.NewTimer(patience - time.Since(begun))
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	nc := f.nc
	f.nc = nil
	return nc
}

// aged reports whether the connection was given up for its age alone.
func (f *foreseen) aged() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done != nil && time.Since(f.begun) >= aheadFor
}

// dropAhead gives up what was opened ahead of need.
func (l *link) dropAhead() {
	if l.ahead != nil {
		l.ahead.drop()
		l.ahead = nil
	}
}

// settle takes in the reply to the command that was sent ahead, so that no
// reply is outstanding. A fault is that of the mode, which the command is part
// of; a server that did not keep the command is not asked that again.
func (l *link) settle(ctx context.Context, limit time.Duration) error {
	f := l.ahead
	if f == nil || f.settled || l.sess.Flying() {
		return nil
	}
	f.settled = true
	r, err := l.hear(ctx, f.call, f.line, limit)
	f.reply = r
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		l.sess.Drop(ctx.Err())
		return ctx.Err()
	}
	l.dropAhead()
	var flt *fault
	if !errors.As(err, &flt) {
		return err
	}
	if f.behind {
		// Not kept, or not understood there; and not the mode's fault.
		l.noQueue()
		return nil
	}
	if flt.cause == Refused && (r.Code == 530 || l.offersPRET()) {
		return nil
	}
	return err
}

// foresaw returns the data connection that was opened ahead for a step; nil
// when there is none that can be used.
func (l *link) foresaw(ctx context.Context, step plan.Step, t plan.Timers, a *Attempt) (net.Conn, error) {
	f := l.ahead
	if f == nil {
		return nil, nil
	}
	if err := l.settle(ctx, t.Reply); err != nil {
		a.Reply = f.reply
		return nil, err
	}
	if l.ahead == nil {
		return nil, l.ready(ctx)
	}
	l.ahead = nil
	target, err := l.target(step, f.reply, a)
	a.Reply = f.reply
	if err != nil {
		f.drop()
		return nil, badAddress(f.reply, err)
	}
	if isSIP(a.Advertised.Port()) {
		f.drop()
		l.noteSIP(a.Advertised.Port())
		return nil, nil
	}
	nc := f.take(ctx, 3*l.roundTrip()+aheadSlack)
	if nc == nil {
		l.missed(f, target)
		return nil, ctx.Err()
	}
	l.shortcut = max(l.shortcut, opened)
	l.reached()
	return nc, nil
}

// badAddress makes a fault of a reply that no address can be taken from.
func badAddress(r Reply, err error) error {
	if isFault(err) {
		return err
	}
	return &fault{cause: BadAddress, reply: r, err: err}
}

// missed takes in that a connection that was opened ahead is of no use. A
// firewall that opens ports by what it reads may overlook a reply that comes
// among others.
func (l *link) missed(f *foreseen, target string) {
	if f.aged() {
		return
	}
	l.note("%s did not answer at once: the server is asked for another port", target)
	l.futile = f.step
}

// reached takes in that what was sent ahead of need has opened a data
// connection.
func (l *link) reached() {
	if l.lesson.Ahead == Unknown {
		l.lesson.Ahead = Yes
		l.keep()
	}
}

// overlooked takes in that it has not, and that the plain way has.
func (l *link) overlooked() {
	if l.lesson.Ahead.failed(); l.lesson.Ahead == No {
		l.note("what is sent ahead of need opens no data connections here: nothing more is")
	}
	l.keep()
}

// doAhead is do for a command that a transfer is likely to follow: a data
// connection for that is asked for along with it.
func (l *link) doAhead(ctx context.Context, line string) (Reply, error) {
	replies, err := l.doAll(ctx, line)
	if err != nil {
		return Reply{}, err
	}
	return replies[0], nil
}

// doAll sends commands that ask something in one go, where the server takes
// that, with one for a data connection, and returns the replies to them. Where
// the connection ends under them they are sent again, one by one.
func (l *link) doAll(ctx context.Context, lines ...string) ([]Reply, error) {
	for _, line := range lines {
		if err := control.CheckCommand(line); err != nil {
			return nil, err
		}
	}
	if l.takesAhead() {
		if err := l.clear(ctx); err != nil {
			return nil, err
		}
		replies, err := l.doInOne(ctx, lines)
		if err == nil || ctx.Err() != nil || errors.Is(err, control.ErrSilent) {
			return replies, err
		}
	}
	replies := make([]Reply, len(lines))
	for i, line := range lines {
		r, err := l.do(ctx, line)
		if err != nil {
			return nil, err
		}
		replies[i] = r
	}
	return replies, nil
}

// doInOne sends commands that ask something in one go. An error means that the
// connection was given up.
func (l *link) doInOne(ctx context.Context, lines []string) ([]Reply, error) {
	var calls []*control.Call
	var err error
	if f := l.foresee(); f != nil {
		calls, err = l.sendAhead(ctx, f, lines...)
	} else {
		calls, err = l.sess.SendAll(ctx, nil, lines...)
	}
	replies := make([]Reply, len(lines))
	for i := 0; err == nil && i < len(lines); i++ {
		var r control.Reply
		r, err = l.sess.Final(ctx, calls[i])
		replies[i] = Reply(r)
		if err == nil && r.Code == 421 && !l.sess.Answers(ctx) {
			err = replyError(lines[i], Reply(r))
		}
	}
	if err != nil {
		l.sess.Drop(err)
		return nil, contextual(ctx, replied(lines[0], err))
	}
	return replies, nil
}

// readyFor makes sure that there is a control connection, with nothing but a
// data connection for the step outstanding on it.
func (l *link) readyFor(ctx context.Context, step plan.Step) error {
	if f := l.ahead; f == nil || f.step == step && !l.plainly {
		return l.ready(ctx)
	}
	err := l.clear(ctx)
	l.dropAhead()
	return err
}

// clear makes sure that there is a control connection and that no reply is
// outstanding on it.
func (l *link) clear(ctx context.Context) error {
	if err := l.ready(ctx); err != nil {
		return err
	}
	f := l.ahead
	err := l.settle(ctx, plan.Quick(l.roundTrip(), l.cfg.attempt).Reply)
	var flt *fault
	if !errors.As(err, &flt) {
		return err
	}
	l.note("%s, sent ahead of need: %v", f.line, err)
	l.unlearn(f.step, flt.cause.lethal() || flt.cause == Refused)
	return l.ready(ctx)
}
