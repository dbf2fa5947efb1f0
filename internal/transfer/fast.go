package transfer

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// tooEarly is why a transfer that was begun in the fast way has to be begun again
// in the plain one.
type tooEarly struct {
	step      plan.Step
	blamed    bool     // for the offer, if the plain way does it with the same step
	first     *attempt // of the plain way, if nothing in it was sent early; nil for none
	noVerdict error    // whether a whole upload was complete was not told; nil if it was not
	life      int      // of the session that was sent the command; zero if none was
}

// fast makes the transfer on the step that worked last, with whatever may be
// sent early. It returns a transfer; or an error that is final, because it is
// about the file or the context; or why it is to be made in the plain way; or
// nothing, if there is nothing to be gained.
func (e *Engine) fast(ctx context.Context, req Request) (*Transfer, *tooEarly, error) {
	step, ok := e.sure()
	switch {
	case !ok:
		return nil, nil, nil
	case e.missed:
		return nil, &tooEarly{step: step, blamed: true}, nil
	}
	if e.checksFirst(req) {
		// The question takes along the one for a data connection.
		replies, err := e.Ask(ctx, req.Question())
		if err != nil {
			return nil, nil, err
		}
		req.Known = e.hearSize(replies[0])
	}
	a := &fastAttempt{attempt: e.attempt(req, step, plan.Quick(e.RTT(), e.cfg.Attempt))}
	switch {
	case e.asksQueue(req):
		return e.trial(ctx, a)
	case e.pending() == nil && !e.queues(req) && !req.Whole:
		return nil, nil, nil
	}
	nc, err := a.accept(ctx)
	a.offered = err == nil
	if err == errNoOffer {
		if nc, err = a.dialPassive(ctx); err != nil {
			return a.handOver(ctx, err) // nothing was sent early
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, a.failed(ctx, err)
		}
		return nil, &tooEarly{step: step, blamed: e.missed}, nil
	}
	t := newTransfer(a.attempt)
	t.hasty = true
	t.bind(nc)
	return a.judge(ctx, t, a.dash(ctx, t))
}

// fastAttempt is an attempt in the fast way.
type fastAttempt struct {
	*attempt
	offered bool // its data connection was opened early
}

var (
	// errNoOffer says that nothing was opened early, or that it grew too old.
	errNoOffer = errors.New("no data connection was opened ahead of need")
	// errMissed says that it came to nothing.
	errMissed = errors.New("the data connection that was asked for ahead of need did not come about")
)

// accept returns the connection of the offer.
func (a *fastAttempt) accept(ctx context.Context) (net.Conn, error) {
	e := a.e
	if e.pending() == nil {
		return nil, errNoOffer
	}
	if err := e.settle(ctx); err != nil {
		return nil, err
	}
	f := e.offer
	if f == nil {
		return nil, errMissed
	}
	e.offer = nil
	defer e.keep(f)
	a.Reply = f.reply
	if err := a.locate(ctx, f.reply); err != nil {
		f.drop()
		e.blame(f)
		return nil, err
	}
	if port := a.Advertised.Port(); isSIP(port) {
		f.drop()
		noteSIP(ctx, port)
		return nil, errNoOffer
	}
	nc := f.take(ctx, 3*e.RTT()+offerSlack)
	switch {
	case nc != nil:
		e.path.Learn(path.Ahead, true)
		return nc, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case f.aged():
		return nil, errNoOffer
	}
	// A firewall that opens ports by what it reads may overlook a reply that
	// comes among others.
	trace.From(ctx).Notef("%s did not answer at once: the server is asked for another port", a.target())
	e.blame(f)
	return nil, errMissed
}

// handOver makes a failed attempt the first one of the plain way.
func (a *fastAttempt) handOver(ctx context.Context, err error) (*Transfer, *tooEarly, error) {
	if err := a.failed(ctx, err); err != nil {
		return nil, nil, err
	}
	return nil, &tooEarly{step: a.step, first: a.attempt}, nil
}

// dash sends the command, and in the same write what is to follow the transfer
// if the server keeps that, and begins the transfer. A whole upload it ends too.
func (a *fastAttempt) dash(ctx context.Context, t *Transfer) error {
	e := a.e
	rest := a.restsAlong()
	if !rest {
		if err := a.restart(ctx); err != nil {
			return err
		}
	}
	var most [5]string
	lines := append(most[:0], a.req.Line)
	var f *offer
	ahead := 0
	if e.queues(a.req) {
		if e.checksBehind(a.req) {
			lines = append(lines, a.req.Question())
		}
		if f = e.newOffer(); f != nil {
			f.behind = true
		}
	} else if !a.req.kind.upload() && e.checksBehind(a.req) && e.TakesAhead() {
		// What does not keep commands has answered this one before.
		lines, ahead = append(lines[:0], a.req.Question(), a.req.Line), 1
	}
	if a.asksFirst() {
		lines = slices.Insert(lines, 0, a.req.First)
	}
	if rest {
		lines = slices.Insert(lines, 0, a.restLine())
	}
	a.life = e.sess.Lives()
	calls, err := e.sendOffer(ctx, f, lines...)
	if err != nil {
		return e.lost(ctx, err)
	}
	t.behind = f != nil || rest
	if rest {
		if err := a.hearRest(ctx, calls[0]); err != nil {
			return err
		}
		calls = calls[1:]
	}
	if a.asksFirst() {
		defer a.hearFirst(calls[0])
		calls = calls[1:]
	}
	t.call, t.behind = calls[ahead], f != nil || len(calls) > 1+ahead
	if len(calls) > 1 {
		t.check = calls[1-ahead]
	}
	if e.sess.DataTLS() == nil && !a.req.Whole {
		// The handshake, or the data, would not have to wait for the 150.
		if err := t.firstReply(ctx, t.patience); err != nil {
			return err
		}
	}
	if err := t.begin(ctx); err != nil || !a.req.Whole {
		return err
	}
	return t.sendWhole(ctx)
}

// restsAlong reports whether REST is sent with a download's command: the server
// keeps that until it has done with REST.
func (a *fastAttempt) restsAlong() bool {
	return a.req.Offset > 0 && !a.req.kind.upload() && a.e.queues(a.req)
}

// hearRest waits for the reply to that REST. If it is refused, what the server sends
// begins elsewhere: the connection is given up.
func (a *fastAttempt) hearRest(ctx context.Context, c *control.Call) error {
	line := a.restLine()
	r, err := a.e.hear(ctx, c, line, a.timers.Reply)
	if err = a.restarted(line, r, err); errors.Is(err, proto.ErrNoRestart) {
		a.e.sess.Drop(ctx, err)
	}
	return err
}

// asksFirst reports whether the command that asks something before the transfer is
// sent with it.
func (a *fastAttempt) asksFirst() bool {
	return a.req.First != "" && a.req.Whole && a.e.TakesAhead()
}

// hearFirst takes the reply to that command, which has come if any other has.
func (a *fastAttempt) hearFirst(c *control.Call) {
	select {
	case r := <-c.Replies():
		*a.req.Told = r
	default:
	}
}

// judge decides what the outcome of a transfer in the fast way means.
func (a *fastAttempt) judge(ctx context.Context, t *Transfer, err error) (*Transfer, *tooEarly, error) {
	if err == nil {
		a.Elapsed = time.Since(a.Start)
		a.e.made(ctx, a.attempt)
		return t, nil, nil
	}
	t.Close()
	early := &tooEarly{step: a.step, life: a.life}
	if a.req.Whole && errors.Is(err, proto.ErrNoVerdict) && ctx.Err() == nil {
		early.noVerdict = err
	} else if ferr := a.failed(ctx, err); ferr != nil && !(a.req.Whole && temporary(ferr)) {
		return nil, nil, ferr // the file's, or the context's
	}
	if a.Cause == proto.TLSReuseRequired {
		// The server says what it wants, and is not asked again.
		early.first = a.attempt
		return nil, early, nil
	}
	if t.behind && !t.done && a.Cause != proto.OK {
		t.done = true
		a.e.queued(ctx, false)
	}
	shortcut := t.behind || a.req.Whole || a.offered && a.Cause != proto.ControlSilent && a.Elapsed < offerFor
	if !shortcut && !a.again {
		// What was opened early is to blame neither for silence nor for what
		// took so long: the plain way would fail like that.
		early.first = a.attempt
		return nil, early, nil
	}
	trace.From(ctx).Notef("%v: once more, one command at a time: %v", a.Mode, proto.Opaque(err))
	return nil, early, nil
}

// temporary reports whether a refusal of a whole upload may come from its data
// having come too early.
func temporary(err error) bool {
	var r *proto.Error
	return errors.As(err, &r) && r.Reply.Code/100 == 4
}

// TakesAhead reports whether the server is known to read a command that comes
// before the last one was answered. Some small ones throw it away.
func (e *Engine) TakesAhead() bool {
	known := e.path.Takes(path.Flight)
	if e.cfg.OneByOne {
		return false
	}
	return known == proto.Yes || known == proto.Unknown && e.sess.Software() != control.UnknownSoftware
}

// queues reports whether the server is known to keep a command that comes with
// the one that transfers until it has done with the transfer. With others it may
// cost the transfer, so that unknown means no. What cannot be tried again is not
// put at risk on a server that is known by its words alone.
func (e *Engine) queues(req Request) bool {
	known := e.path.Takes(path.Queue)
	program := e.sess.Software()
	switch {
	case e.cfg.Queueing.Wary(), known == proto.No, !e.TakesAhead(), req.kind.upload() && !req.Whole, program == control.Pyftpdlib:
		return false
	case req.Resumes:
		return known == proto.Yes || program != control.UnknownSoftware
	}
	return known == proto.Yes && program != control.UnknownSoftware
}

// checksBehind reports whether the question for the size is to travel with the
// command: the answer to it is needed at the end.
func (e *Engine) checksBehind(req Request) bool {
	switch {
	case req.Check == "":
		return false
	case req.kind.upload():
		return req.Whole
	case req.Known > 0, e.tells == proto.Yes:
		return false
	}
	program := e.sess.Software()
	if _, listed := e.sess.Feature("SIZE"); !listed || e.sizes == proto.No {
		return false
	}
	return e.tells == proto.No || program != control.VSFTPD && program != control.ProFTPD // whose 150 tells
}

// checksFirst reports whether a download is to be preceded by the question for
// the size: it takes along the one for a data connection, so that it costs
// nothing where the answer could not come along with the transfer.
func (e *Engine) checksFirst(req Request) bool {
	return !req.kind.upload() && e.pending() == nil && e.checksBehind(req) && !e.queues(req) && !e.asksQueue(req) &&
		e.TakesAhead() && e.path.Takes(path.Ahead) != proto.No
}

// queued records how a transfer with commands behind it has ended.
func (e *Engine) queued(ctx context.Context, ok bool) {
	mixed := e.sess.Mixed()
	if e.cfg.Queueing.Ended(ok) || mixed {
		e.noQueue(ctx)
	}
}

// noQueue records that the server does not keep a command that is sent with one
// that transfers.
func (e *Engine) noQueue(ctx context.Context) {
	if e.path.Learn(path.Queue, false) {
		trace.From(ctx).Notef("the server does not keep commands until a transfer has ended: none are sent that early")
	}
}

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

// Ask sends commands that ask something, in one go if the server takes that, and
// with them one for a data connection that a transfer is likely to need. It
// returns the final replies. If they do not come the commands are sent again, one
// by one.
func (e *Engine) Ask(ctx context.Context, lines ...string) ([]proto.Reply, error) {
	for _, line := range lines {
		if err := control.CheckCommand(line); err != nil {
			return nil, err
		}
	}
	if e.TakesAhead() {
		if err := e.Settle(ctx); err != nil {
			return nil, err
		}
		if err := e.ready(ctx); err != nil {
			return nil, err
		}
		replies, err := e.askInOne(ctx, lines)
		if err == nil || ctx.Err() != nil {
			return replies, err
		}
	}
	replies := make([]proto.Reply, len(lines))
	for i, line := range lines {
		r, err := e.plain(ctx, line)
		if err != nil {
			return nil, err
		}
		replies[i] = r
	}
	return replies, nil
}

// askInOne sends commands that ask something in one go. An error means that the
// connection was given up.
func (e *Engine) askInOne(ctx context.Context, lines []string) ([]proto.Reply, error) {
	f := e.newOffer()
	calls, err := e.sendOffer(ctx, f, lines...)
	// What is not answered was most likely swallowed; how long the server takes
	// is known from what it was asked plainly.
	limit := min(e.path.Patience(plan.Quick(e.RTT(), e.cfg.Attempt).Reply), e.verdictLimit())
	replies := make([]proto.Reply, len(lines))
	for i := 0; err == nil && i < len(lines); i++ {
		replies[i], err = e.final(ctx, calls[i], limit)
		if err == nil && replies[i].Code == 421 && !e.sess.Answers(ctx) {
			err = proto.Refusal(lines[i], replies[i])
		}
	}
	if err == nil {
		for _, call := range calls[:len(lines)] {
			call.Done()
		}
		return replies, nil
	}
	e.sess.Drop(ctx, err)
	if f != nil && ctx.Err() == nil {
		e.blame(f)
	}
	return nil, proto.ContextError(ctx, err)
}

// plain sends one command, with nothing else on its way, and returns the final
// reply.
func (e *Engine) plain(ctx context.Context, line string) (proto.Reply, error) {
	if err := e.Settle(ctx); err != nil {
		return proto.Reply{}, err
	}
	if err := e.ready(ctx); err != nil {
		return proto.Reply{}, err
	}
	start := time.Now()
	r, err := e.sess.Do(ctx, line)
	if err != nil {
		return proto.Reply{}, proto.ContextError(ctx, err)
	}
	e.path.Answered(time.Since(start))
	return r, nil
}
