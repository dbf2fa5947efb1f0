package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/hostport"
	"github.com/ftpnat/ftpnat/internal/plan"
)

// request is a command that needs a data connection.
type request struct {
	line   string // the command, such as "RETR name"
	offset int64  // for REST, in bytes
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
	l.attempts = nil
	quick := plan.Quick(l.roundTrip(), l.cfg.attempt)
	ch, silent, err := l.pass(ctx, req, plan.Make(l.input()), quick, false)
	patient := plan.Patient(quick, len(silent), l.cfg.attempt)
	if ch == nil && err == nil && len(silent) > 0 && patient != quick {
		ch, _, err = l.pass(ctx, req, silent, patient, true)
	}
	if ch == nil && err == nil {
		err = l.failed(nil)
	}
	return ch, err
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

// pass tries the steps in order until one works. It returns those that met
// silence, and after them those that were left out because of it; the last
// pass leaves none out.
func (l *link) pass(ctx context.Context, req request, steps []plan.Step, t plan.Timers, last bool) (ch *channel, silent []plan.Step, err error) {
	var left []plan.Step
	badIP := false
	for i := 0; i < len(steps); i++ {
		step := steps[i]
		if err := l.ready(ctx); err != nil {
			return nil, nil, l.gaveUp(ctx, err)
		}
		ch, a, err := l.attempt(ctx, req, step, t)
		switch {
		case err != nil:
			return nil, nil, err
		case a.Cause == NoAddress && a.Err == errSameAddress:
			// The step would repeat another one: nothing was tried.
			continue
		}
		l.attempts = append(l.attempts, a)
		call(l.trace.Attempt, a)
		if a.Cause == OK {
			l.learn(step)
			return ch, nil, nil
		}
		l.unlearn(step, a.Cause.lethal() || a.Cause == Refused)
		switch {
		case a.Cause == TLSReuseRequired || a.Cause == TLSFailed:
			// The path is not at fault: no other mode does better.
			return nil, nil, l.failed(nil)
		case a.Cause == BadIP && !badIP:
			// One of several addresses of a NAT may be the right one.
			badIP = true
			i--
		case a.Cause == BadIP:
			// The same mode twice, and the same answer: that is how this
			// network leaves. Coming in may be another matter.
			steps = slices.DeleteFunc(slices.Clone(steps[i+1:]), func(s plan.Step) bool { return s.Mode.Passive() })
			i = -1
		case a.Cause == ControlReset:
			// Perhaps for its address alone: the others come last.
			same, rest := splitMode(steps[i+1:], step.Mode)
			steps = slices.Concat(steps[:i+1], rest, same)
		case a.Cause == ControlSilent && !last:
			// The same again would cost as much and hardly do better.
			same, rest := splitMode(steps[i+1:], step.Mode)
			steps, left = slices.Concat(steps[:i+1], rest), append(left, same...)
		}
		if a.Cause.silent() {
			silent = append(silent, step)
		}
	}
	return nil, append(silent, left...), nil
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
	open := l.passive
	if !step.Mode.Passive() {
		open = l.active
	}
	ch, err := open(ctx, req, step, t, &a)
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

// passive opens a data connection to the server.
func (l *link) passive(ctx context.Context, req request, step plan.Step, t plan.Timers, a *Attempt) (*channel, error) {
	if err := l.pret(ctx, req, t); err != nil {
		return nil, err
	}
	target, err := l.passiveAddr(ctx, step, t, a)
	if err != nil {
		return nil, err
	}
	dctx, cancel := context.WithTimeout(ctx, t.Dial)
	defer cancel()
	nc, err := l.cfg.dial(dctx, "tcp", target)
	if err != nil {
		return nil, &fault{cause: dialCause(err), err: fmt.Errorf("data connection to %s: %w", target, err)}
	}
	ch, err := l.start(ctx, req, t)
	if err != nil {
		nc.Close()
		return nil, err
	}
	if err := l.firstReply(ctx, ch, t.Start); err != nil {
		nc.Close()
		return nil, err
	}
	ch.bind(nc)
	return ch, nil
}

func dialCause(err error) Cause {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return DialRefused
	case isTimeout(err) || errors.Is(err, syscall.ETIMEDOUT):
		return DialTimeout
	}
	return DialFailed
}

// A SIP helper on the way rewrites what crosses its ports, and a transfer with
// it: another port is asked for.
const (
	sipPort  = 5060
	sipsPort = 5061
)

// passiveAddr asks the server for a port and returns where to dial.
func (l *link) passiveAddr(ctx context.Context, step plan.Step, t plan.Timers, a *Attempt) (string, error) {
	for try := 0; ; try++ {
		r, err := l.ask(ctx, a.Mode.String(), t.Reply)
		a.Reply = r
		if err != nil {
			return "", err
		}
		target, err := l.target(step, r, a)
		var f *fault
		if err != nil && !errors.As(err, &f) {
			err = &fault{cause: BadAddress, reply: r, err: err}
		}
		if err != nil {
			return "", err
		}
		if port := a.Advertised.Port(); try > 0 || port != sipPort && port != sipsPort {
			return target, nil
		}
		l.note("port %d belongs to SIP, which boxes on the way rewrite: another one is asked for", a.Advertised.Port())
	}
}

// target returns where to dial by the reply to EPSV or PASV.
func (l *link) target(step plan.Step, r Reply, a *Attempt) (string, error) {
	switch r.Code {
	case 229:
		port, err := hostport.ParseEPSV(r.Text())
		if err != nil {
			return "", err
		}
		a.Advertised = netip.AddrPortFrom(l.peer, port)
	case 227: // in answer to EPSV too, on some servers
		ap, err := hostport.ParsePASV(r.Text())
		if err != nil {
			return "", err
		}
		a.Advertised = ap
	default:
		return "", fmt.Errorf("the reply %q has no address", r)
	}
	if step.Source == plan.Advertised {
		return l.advertised(a)
	}
	port := a.Advertised.Port()
	if !l.peer.IsValid() {
		return net.JoinHostPort(l.cfg.host, fmt.Sprint(port)), nil
	}
	a.Used = netip.AddrPortFrom(l.peer, port)
	if addr := a.Advertised.Addr(); addr != l.peer {
		l.note("the address %v in the 227 is not the server's: %v is dialled", addr, l.peer)
	}
	return a.Used.String(), nil
}

// advertised returns the address in a 227 where it may be dialled.
func (l *link) advertised(a *Attempt) (string, error) {
	addr, port := a.Advertised.Addr(), a.Advertised.Port()
	switch {
	case addr == l.peer:
		return "", &fault{cause: NoAddress, err: errSameAddress}
	case !l.mayDial(addr):
		return "", fmt.Errorf("the address %v in the 227 is not one that may be dialled", addr)
	case port < 1024:
		return "", fmt.Errorf("the 227 names port %d of another host, which is below 1024", port)
	}
	a.Used = a.Advertised
	return a.Used.String(), nil
}

// pret announces the command to servers that want that (DrFTPd).
func (l *link) pret(ctx context.Context, req request, t plan.Timers) error {
	if _, ok := l.sess.Feature("PRET"); !ok {
		return nil
	}
	r, err := l.ask(ctx, "PRET "+req.line, t.Reply)
	var f *fault
	switch {
	case err == nil && !r.completed():
		return replyError("PRET "+req.line, r)
	case errors.As(err, &f) && f.cause == Refused && unsupported(f.reply):
		l.note("PRET is in FEAT and not known: the server is asked without it")
		return nil
	case errors.As(err, &f) && f.cause == Refused:
		// Pure-FTPd looks at the file here already. That is no fault of
		// the mode, which was not asked for yet.
		return replyError("PRET "+req.line, f.reply)
	}
	return err
}

// active has the server open the data connection.
func (l *link) active(ctx context.Context, req request, step plan.Step, t plan.Timers, a *Attempt) (*channel, error) {
	if err := l.pret(ctx, req, t); err != nil {
		return nil, err
	}
	ear, err := l.listen(ctx)
	if err != nil {
		return nil, &fault{cause: ListenFailed, err: err}
	}
	defer ear.close()
	release, err := l.advertise(ctx, step, ear.addr, t, a)
	if err != nil {
		return nil, err
	}
	ch, nc, err := l.invite(ctx, req, ear, t, a)
	if err != nil {
		release()
		return nil, err
	}
	a.Used = addrOf(nc.RemoteAddr())
	ch.release = release // some NATs cut what is open when its mapping goes
	ch.bind(nc)
	return ch, nil
}

// invite tells the server where to connect, sends the command and waits for
// the server to do both.
func (l *link) invite(ctx context.Context, req request, ear *ear, t plan.Timers, a *Attempt) (*channel, net.Conn, error) {
	if err := l.announce(ctx, t, a); err != nil {
		return nil, nil, err
	}
	ch, err := l.start(ctx, req, t)
	if err != nil {
		return nil, nil, err
	}
	nc, err := l.meet(ctx, ch, ear, t, a.Advertised)
	for _, from := range ear.strangers() {
		l.note("a connection from %v, which is not the server, was turned away", from)
	}
	return ch, nc, err
}

// advertise decides on the address for PORT or EPRT.
func (l *link) advertise(ctx context.Context, step plan.Step, local netip.AddrPort, t plan.Timers, a *Attempt) (release func(), err error) {
	release = func() {}
	if step.Source == plan.Local {
		a.Advertised = local
		return release, nil
	}
	if m := l.cfg.Dialer.Mapper; m != nil && !l.cfg.Dialer.PublicAddr.IsValid() {
		mctx, cancel := context.WithTimeout(ctx, l.cfg.attempt)
		mapping, err := m.Map(mctx, local)
		cancel()
		if err == nil {
			a.Advertised = mapping.Public
			if mapping.Release != nil {
				release = func() { mapping.Release() }
			}
			return release, nil
		}
		l.note("the port could not be mapped: %v", err)
	}
	addr, err := l.publicAddr(ctx, t.Reply)
	switch {
	case err != nil:
		return nil, err
	case !addr.IsValid() && public(l.local), addr == l.local:
		return nil, &fault{cause: NoAddress, err: errSameAddress}
	case !addr.IsValid():
		return nil, &fault{cause: NoAddress, err: errors.New("neither a setting nor the server tells it")}
	case addr.Is4() != local.Addr().Is4():
		return nil, &fault{cause: NoAddress, err: fmt.Errorf("%v is not of the family of the control connection", addr)}
	}
	a.Advertised = netip.AddrPortFrom(addr, local.Port())
	return release, nil
}

// announce sends PORT or EPRT.
func (l *link) announce(ctx context.Context, t plan.Timers, a *Attempt) error {
	line := "EPRT " + hostport.FormatEPRT(a.Advertised)
	if a.Mode == PORT {
		line = "PORT " + hostport.FormatPORT(a.Advertised)
	}
	r, err := l.ask(ctx, line, t.Reply)
	a.Reply = r
	if err == nil && !r.completed() {
		err = &fault{cause: Refused, reply: r, err: replyError(line, r)}
	}
	if r.Code >= 400 {
		l.overheard(r)
	}
	return err
}

// meet waits for the server's connection and for its first reply, whichever
// comes first.
func (l *link) meet(ctx context.Context, ch *channel, ear *ear, t plan.Timers, advertised netip.AddrPort) (nc net.Conn, err error) {
	timer := time.NewTimer(t.Accept)
	defer timer.Stop()
	defer func() {
		if err != nil && nc != nil {
			nc.Close()
			nc = nil
		}
	}()
	conn := l.sess.Live()
	if conn == nil {
		return nil, l.lost(&control.LostError{Err: net.ErrClosed})
	}
	arrivals := ear.arrivals
	for nc == nil || ch.prelim.Code == 0 {
		select {
		case nc = <-arrivals:
			arrivals = nil
			timer.Reset(t.Start)
		case r := <-ch.call.Replies():
			l.sess.Saw(r)
			if err := l.judgeFirst(ctx, ch, Reply(r)); err != nil {
				return nc, err
			}
			if nc == nil {
				timer.Reset(t.Accept)
			}
		case <-conn.Done():
			select {
			case r := <-ch.call.Replies():
				l.sess.Saw(r)
				if err := l.judgeFirst(ctx, ch, Reply(r)); err != nil {
					return nc, err
				}
				continue
			default:
			}
			return nc, l.lost(conn.Err())
		case <-ctx.Done():
			return nc, ctx.Err()
		case <-timer.C:
			// The server may sit in connect() for a minute, deaf to us.
			cause, err := AcceptTimeout, fmt.Errorf("nobody connected to %v", advertised)
			if nc != nil {
				cause, err = ControlSilent, control.ErrSilent
			}
			l.sess.Drop(err)
			return nc, &fault{cause: cause, err: err}
		}
	}
	return nc, nil
}

// ask sends a command of the negotiation and returns the final reply to it.
// Anything but a positive one is a fault.
func (l *link) ask(ctx context.Context, line string, limit time.Duration) (Reply, error) {
	c, err := l.sess.Send(ctx, line)
	if err != nil {
		return Reply{}, l.lost(err)
	}
	for strays := 0; ; {
		r, err := l.sess.Next(ctx, c, limit)
		if err != nil {
			return Reply{}, l.lost(err)
		}
		switch {
		case r.Preliminary():
		case strayReply(c.Verb, r.Code) && strays < maxStrays:
			strays++
			conn := l.sess.Live()
			if conn == nil {
				return Reply{}, l.lost(&control.LostError{Err: net.ErrClosed})
			}
			conn.Again(c)
		case r.Code == 421 && !l.sess.Answers(ctx):
			return Reply(r), &fault{cause: ControlReset, reply: Reply(r), err: replyError(line, Reply(r))}
		case r.Code >= 400:
			return Reply(r), &fault{cause: Refused, reply: Reply(r), err: replyError(line, Reply(r))}
		default:
			return Reply(r), nil
		}
	}
}

// maxStrays is how many replies that cannot be meant are passed over while
// the right one is awaited.
const maxStrays = 3

// strayReply reports whether a reply belongs to an earlier command: the end of
// a transfer that was told twice, or late.
func strayReply(verb string, code int) bool {
	switch verb {
	case "EPSV", "PASV":
		return code == 200 || code == 225 || code == 226 || code == 250
	case "PORT", "EPRT", "REST":
		return code == 225 || code == 226
	}
	return false
}

// lost says why there is no reply, and gives the control connection up.
func (l *link) lost(err error) error {
	l.sess.Drop(err)
	switch {
	case errors.Is(err, control.ErrArgument):
		return err
	case errors.Is(err, control.ErrSilent):
		return &fault{cause: ControlSilent, err: err}
	}
	return &fault{cause: ControlReset, err: err}
}

// start sends REST where it is needed, and the command.
func (l *link) start(ctx context.Context, req request, t plan.Timers) (*channel, error) {
	stale := l.restLife == l.sess.Lives() && l.restLife > 0
	if req.offset > 0 || stale && req.verb() != "APPE" {
		// On some servers a REST stays in force: it is taken back.
		line := fmt.Sprintf("REST %d", req.offset)
		r, err := l.ask(ctx, line, t.Reply)
		var f *fault
		refused := errors.As(err, &f) && f.cause == Refused
		switch {
		case refused && req.offset > 0:
			return nil, replyError(line, f.reply)
		case err != nil && !refused:
			return nil, err
		case err == nil && req.offset > 0 && r.Code/100 != 3 && r.Code/100 != 2:
			return nil, replyError(line, r)
		}
		l.restLife = 0
		if req.offset > 0 {
			l.restLife = l.sess.Lives()
		}
	}
	c, err := l.sess.Send(ctx, req.line)
	if err != nil {
		return nil, l.lost(err)
	}
	return &channel{l: l, req: req, call: c}, nil
}

// firstReply waits for the server to begin.
func (l *link) firstReply(ctx context.Context, ch *channel, limit time.Duration) error {
	for ch.prelim.Code == 0 {
		r, err := l.sess.Next(ctx, ch.call, limit)
		if err != nil {
			return l.lost(err)
		}
		if err := l.judgeFirst(ctx, ch, Reply(r)); err != nil {
			return err
		}
	}
	return nil
}

// judgeFirst takes in a reply to the data command. The channel's prelim is
// set when the server has begun.
func (l *link) judgeFirst(ctx context.Context, ch *channel, r Reply) error {
	switch {
	case r.Code/100 == 1:
		ch.prelim = r
		return nil
	case ch.prelim.Code != 0 && r.completed():
		// The server has sent all before we took its connection.
		ch.verdict = &r
		return nil
	case r.Code == 226 || r.Code == 250 || r.Code == 225:
		return l.earlyEnd(ctx, ch, r)
	case r.Code/100 == 2:
		// An answer to something earlier.
		if ch.strays++; ch.strays <= maxStrays {
			if conn := l.sess.Live(); conn != nil {
				conn.Again(ch.call)
			}
			return nil
		}
	}
	return l.refusal(ctx, ch, r)
}

// earlyEnd tells a 226 that has come before any 150 and is the end of this
// transfer from one that is the end of an earlier one: after that the 150
// follows on its heels.
func (l *link) earlyEnd(ctx context.Context, ch *channel, r Reply) error {
	conn := l.sess.Live()
	if conn == nil {
		ch.prelim, ch.verdict = r, &r
		return nil
	}
	conn.Again(ch.call)
	next, err := l.sess.Next(ctx, ch.call, 100*time.Millisecond+2*conn.RTT())
	switch {
	case err == nil:
		return l.judgeFirst(ctx, ch, Reply(next))
	case ctx.Err() != nil:
		return ctx.Err()
	}
	conn.Forget(ch.call)
	ch.prelim, ch.verdict = r, &r
	return nil
}

// refusal turns a negative reply to the data command into a fault of the way,
// or into the server's last word on the file.
func (l *link) refusal(ctx context.Context, ch *channel, r Reply) error {
	err := replyError(ch.req.line, r)
	if r.Code == 421 && !l.sess.Answers(ctx) {
		return &fault{cause: ControlReset, reply: r, err: err}
	}
	if cause := l.dataCause(ch, r); cause != OK {
		l.overheard(r)
		return &fault{cause: cause, reply: r, err: err}
	}
	return err
}

// dataCause returns what a negative reply says of the data connection; OK
// where it says nothing of it.
func (l *link) dataCause(ch *channel, r Reply) Cause {
	text := strings.ToLower(r.Text())
	switch {
	case r.Code == 522 && l.data != nil:
		return TLSReuseRequired
	case r.Code == 503 && (strings.Contains(text, "port") || strings.Contains(text, "pasv")):
		// It does not know of the mode that it has agreed to.
		return Refused
	case r.Code == 421:
		return Refused
	case r.Code != 425 && r.Code != 426:
		return OK
	case l.data != nil && (strings.Contains(text, "reuse") || ch.prelim.Code != 0 && !ch.resumed):
		return TLSReuseRequired
	case strings.Contains(text, "bad ip") || strings.Contains(text, "security"):
		return BadIP
	}
	return DataRefused
}
