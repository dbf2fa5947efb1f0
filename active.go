package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/hostport"
	"github.com/ftpnat/ftpnat/internal/plan"
)

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
	ch, err := l.summon(ctx, req, t, a)
	if err != nil {
		return nil, nil, err
	}
	nc, err := l.meet(ctx, ch, ear, t, a.Advertised)
	strangers := ear.strangers()
	for _, from := range strangers {
		l.note("a connection from %v, which is not the server, was turned away", from)
	}
	var f *fault
	if errors.As(err, &f) && len(strangers) > 0 {
		// Perhaps the server has more than one address.
		f.cause, f.err = OtherAddress, fmt.Errorf("%w; %v connected", f.err, strangers[0])
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

// summoned takes in whether an upload went well that did not wait for the reply
// to PORT or EPRT. Some servers connect there and then, and lose what comes over
// the connection before they have read the command.
func (l *link) summoned(ok bool) {
	if l.hurt++; ok {
		l.hurt = 0
	}
	if l.hurt >= 2 && l.lesson.Ahead != No {
		l.note("the reply to PORT or EPRT is waited for from now on")
		l.lesson.Ahead = No
		l.keep()
	}
}

// summon sends the address and the command: one after the other, or, where that
// has worked before, without waiting for the reply in between.
func (l *link) summon(ctx context.Context, req request, t plan.Timers, a *Attempt) (*channel, error) {
	line := "EPRT " + hostport.FormatEPRT(a.Advertised)
	if a.Mode == PORT {
		line = "PORT " + hostport.FormatPORT(a.Advertised)
	}
	// A segment of its own in either case: NAT helpers read no further than the
	// first line of one.
	announced, err := l.sess.Send(ctx, line)
	if err != nil {
		return nil, l.lost(err)
	}
	if !l.sure(l.current) || !l.takesAhead() || l.lesson.Ahead == No || l.rests(req) {
		if err := l.announced(ctx, announced, line, t, a); err != nil {
			return nil, err
		}
		return l.start(ctx, req, t)
	}
	ch, err := l.command(ctx, req, t)
	if err != nil {
		return nil, err
	}
	l.shortcut, ch.hurried = hasty, true
	if err := l.announced(ctx, announced, line, t, a); err != nil {
		return nil, l.unsummoned(ctx, ch, t, err)
	}
	return ch, nil
}

// unsummoned takes in the refusal of a command that was sent behind an address
// which the server has refused.
func (l *link) unsummoned(ctx context.Context, ch *channel, t plan.Timers, err error) error {
	if l.sess.Live() == nil {
		return err
	}
	r, rerr := l.sess.Next(ctx, ch.call, t.Reply)
	switch {
	case rerr != nil:
		l.lost(rerr)
	case r.Code < 400:
		// It begins all the same, nobody knows where.
		l.lost(errDisorder)
	}
	return err
}

// announced takes in the reply to PORT or EPRT.
func (l *link) announced(ctx context.Context, c *control.Call, line string, t plan.Timers, a *Attempt) error {
	r, err := l.hear(ctx, c, line, t.Reply)
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
