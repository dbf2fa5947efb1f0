package transfer

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/hostport"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// offerFor is how long a data connection that nobody has used yet is kept: a NAT
// may have forgotten it after that, and some servers have given it up.
const offerFor = 4 * time.Second

// offerSlack is how long a data connection that was asked for early may take
// beyond some round trips before another one is asked for in the plain way.
const offerSlack = 100 * time.Millisecond

// offer is a passive data connection that is opened before it is needed: EPSV or
// PASV travels with an earlier command, and the connection is dialled as soon as
// the reply is there. It is asked for only in a mode that has worked, so that
// nothing that goes wrong with it is the first news of a mode.
type offer struct {
	step    plan.Step
	behind  bool         // was sent behind a command that transfers
	doubted bool         // the control connection had been idle for long
	also    control.Also // the command; it was never sent while Call is nil
	host    string       // to be dialled, if peer is not known
	dialer  dialer

	settled bool        // the reply was read
	reply   proto.Reply // to the command

	peer     netip.Addr  // to be dialled
	patience *time.Timer // of take; nil before its first use

	mu     sync.Mutex
	ctx    context.Context // of the dial, and of the next one if it has not ended; nil before the first
	begun  time.Time       // of the dial
	gone   bool
	done   chan struct{} // closed when the dial has ended; nil if there was none
	cancel context.CancelFunc
	nc     net.Conn // nil if there is none to be had
	expiry *time.Timer
}

// sure returns the step that a transfer takes next, if it has worked before and
// something may be sent early for it: a passive one to the address of the control
// connection.
func (e *Engine) sure() (plan.Step, bool) {
	step := e.path.Proven()
	if e.cfg.OneByOne || step.Source != plan.Peer || e.path.Avoids(step.Mode) || e.offersPRET() {
		return plan.Step{}, false
	}
	return step, slices.Index(e.path.Steps(e.sealed()), step) == 0
}

// headStart asks for the port of the first step while the last reply to the login
// is on its way still. It is no offer: the transfer waits for the port, as it
// would if it had asked later.
func (e *Engine) headStart(ctx context.Context) {
	if !e.sess.Coming() || e.sess.Lost() > 0 || e.offer != nil || e.cfg.OneByOne {
		return
	}
	steps := e.path.Steps(e.sealed())
	if len(steps) == 0 || !steps[0].Mode.Passive() {
		return
	}
	// An error is that of the control connection, which is looked at next.
	e.port, _ = e.sess.Send(ctx, steps[0].Mode.String())
}

// newOffer returns an offer that may be asked for now, which is to be sent; nil
// for none.
func (e *Engine) newOffer() *offer {
	if e.pending() != nil || e.missed || e.path.Takes(path.Ahead) == proto.No {
		return nil
	}
	step, ok := e.sure()
	if !ok {
		return nil
	}
	f := e.spare
	if e.spare = nil; f == nil {
		f = new(offer)
	}
	f.step, f.doubted, f.dialer = step, e.idle() > idleDoubt, dialerOf(e)
	f.peer, f.host = e.path.Peer(), e.cfg.Host
	f.also = control.Also{Line: step.Mode.String(), Hearer: f}
	return f
}

// keep keeps an offer for the next one, if its connection was taken and nothing of
// it goes on: one for each transfer would be a good part of what that costs.
func (e *Engine) keep(f *offer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done == nil || f.gone {
		return
	}
	f.done, f.settled, f.behind, f.reply = nil, false, false, proto.Reply{}
	e.spare = f
}

// pending returns the offer that is there; nil if there is none, or if it is too
// old.
func (e *Engine) pending() *offer {
	switch f := e.offer; {
	case f == nil:
	case f.also.Call == nil:
		e.offer = nil // it did not travel with the login
	case f.settled && f.aged():
		e.dropOffer()
	}
	return e.offer
}

// sendOffer sends commands, and last the one that asks for f, in one go. It
// returns the calls of the others.
func (e *Engine) sendOffer(ctx context.Context, f *offer, lines ...string) ([]*control.Call, error) {
	if f == nil {
		return e.sess.SendAll(ctx, nil, lines...)
	}
	calls, err := e.sess.SendAll(ctx, f, append(lines, f.also.Line)...)
	if err != nil {
		f.drop() // the reply may have been faster
		return nil, err
	}
	last := len(calls) - 1
	f.also.Call = calls[last]
	e.offer = f
	return calls[:last], nil
}

// WithLogin returns a command for a data connection, to travel with the first
// login of a session; nil for none. If it is not sent there is no offer.
func (e *Engine) WithLogin() *control.Also {
	f := e.newOffer()
	if f == nil {
		return nil
	}
	e.offer = f
	return &f.also
}

// Heard begins to dial when the reply is there. It is called by the reader of
// replies.
func (f *offer) Heard(r proto.Reply) {
	port, ok := passivePort(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !ok || f.gone || f.done != nil {
		return
	}
	if f.ctx == nil || f.ctx.Err() != nil {
		f.ctx, f.cancel = context.WithCancel(context.Background()) // expire has the limit
	}
	if f.expiry == nil {
		f.expiry = time.AfterFunc(offerFor, f.expire)
	} else {
		f.expiry.Reset(offerFor)
	}
	f.begun = time.Now()
	done := make(chan struct{})
	f.done = done
	ctx, cancel := f.ctx, f.cancel
	go func() { // drop, or take, waits for it
		defer close(done)
		nc, err := f.dialer.open(ctx, cancel, f.addr(port))
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

// addr returns what is to be dialled.
func (f *offer) addr(port uint16) string {
	if f.peer.IsValid() {
		return netip.AddrPortFrom(f.peer, port).String()
	}
	return net.JoinHostPort(f.host, strconv.Itoa(int(port)))
}

// passivePort returns the port in a reply to EPSV or PASV, if it is one that can
// be dialled without further thought.
func passivePort(r proto.Reply) (uint16, bool) {
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
func (f *offer) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = true
	f.cancel()
	f.close()
}

func (f *offer) close() {
	if f.nc != nil {
		f.nc.Close()
		f.nc = nil
	}
}

// drop ends what is under way and waits for it.
func (f *offer) drop() {
	f.mu.Lock()
	f.gone = true
	done, cancel, expiry := f.done, f.cancel, f.expiry
	f.mu.Unlock()
	if done == nil {
		return
	}
	expiry.Stop()
	cancel()
	<-done
	f.mu.Lock()
	defer f.mu.Unlock()
	f.close()
}

// take returns the connection, nil if there is none soon enough. It is the
// caller's then.
func (f *offer) take(ctx context.Context, patience time.Duration) net.Conn {
	f.mu.Lock()
	done, begun := f.done, f.begun
	f.mu.Unlock()
	if done != nil {
		f.wait(ctx, done, patience-time.Since(begun))
	}
	f.mu.Lock()
	nc := f.nc
	f.nc = nil
	over := nc != nil && f.expiry.Stop()
	f.mu.Unlock()
	if over {
		<-done // all that was left is to say so
	} else {
		f.drop()
	}
	return nc
}

// wait waits for the end of the dial.
func (f *offer) wait(ctx context.Context, done <-chan struct{}, limit time.Duration) {
	select {
	case <-done:
		return
	default:
	}
	if f.patience == nil {
		f.patience = time.NewTimer(limit)
	} else {
		f.patience.Reset(limit)
	}
	defer f.patience.Stop()
	select {
	case <-done:
	case <-f.patience.C:
	case <-ctx.Done():
	}
}

// aged reports whether the connection was given up for its age alone.
func (f *offer) aged() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done != nil && time.Since(f.begun) >= offerFor
}

// Lost says that the control connection was given up.
func (e *Engine) Lost() {
	e.dropOffer()
	e.port = nil
}

// Close gives up what was opened before it was needed.
func (e *Engine) Close() { e.dropOffer() }

func (e *Engine) dropOffer() {
	if e.offer != nil {
		e.offer.drop()
		e.offer = nil
	}
}

// Settle makes sure that no reply is outstanding. While a login is on its way it
// does nothing. The control connection may be gone afterwards.
func (e *Engine) Settle(ctx context.Context) error {
	if f := e.pending(); f == nil || f.settled || e.sess.Flying() {
		return nil
	}
	if err := e.ready(ctx); err != nil {
		return err
	}
	return e.settle(ctx)
}

// clear makes sure that there is a control connection with no reply outstanding,
// and no offer.
func (e *Engine) clear(ctx context.Context) error {
	if err := e.Settle(ctx); err != nil {
		return err
	}
	e.dropOffer()
	return e.ready(ctx)
}

// settle reads the reply to the command that asks for the offer. An offer that
// comes to nothing is dropped, and no mode is to blame: a server that has not
// kept the command behind a transfer is not sent that again, and else the next
// transfer shows whether the mode does better in the plain way. The error is that
// of the context.
func (e *Engine) settle(ctx context.Context) error {
	f := e.pending()
	if f == nil || f.settled || e.sess.Flying() {
		return nil
	}
	f.settled = true
	line := f.also.Line
	call := f.also.Call
	r, err := e.hear(ctx, call, line, plan.Quick(e.RTT(), e.cfg.Attempt).Reply)
	f.reply = r
	switch {
	case err == nil:
		call.Done()
		return nil
	case ctx.Err() != nil:
		e.sess.Drop(ctx, ctx.Err())
		return ctx.Err()
	}
	e.dropOffer()
	trace.From(ctx).Notef("%s, sent ahead of need: %v", line, err)
	switch {
	case f.behind:
		e.noQueue(ctx)
	case r.Code != 530: // that came before the login
		e.blame(f)
	}
	return nil
}

// blame records that an offer has come to nothing, unless the control connection
// may have been forgotten.
func (e *Engine) blame(f *offer) { e.missed = e.missed || !f.doubted && !f.aged() }
