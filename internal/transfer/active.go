package transfer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/hostport"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// active has the server open the data connection.
func (a *attempt) active(ctx context.Context) (*Transfer, error) {
	if err := a.pret(ctx); err != nil {
		return nil, err
	}
	e := a.e
	ln, err := data.Listen(ctx, e.cfg.Listen, e.path.Local(), &e.ports, e.path.MayAccept)
	if err != nil {
		return nil, &fault{cause: proto.ListenFailed, err: err}
	}
	defer ln.Close()
	release, err := a.advertise(ctx, ln.Addr())
	if err != nil {
		return nil, err
	}
	t, nc, err := a.invite(ctx, ln)
	if err != nil {
		release()
		return nil, err
	}
	a.Used = proto.AddrOf(nc.RemoteAddr())
	t.bind(nc)
	t.OnClose(release) // some NATs cut what is open when its mapping goes
	return t, nil
}

// advertise decides on the address for PORT or EPRT.
func (a *attempt) advertise(ctx context.Context, local netip.AddrPort) (release func(), err error) {
	release = func() {}
	if a.step.Source == plan.Local {
		a.Advertised = local
		return release, nil
	}
	if a.e.cfg.Map != nil {
		mctx, cancel := context.WithTimeout(ctx, a.e.cfg.Attempt)
		public, unmap, err := a.e.cfg.Map(mctx, local)
		cancel()
		if err == nil {
			a.Advertised = public
			if unmap != nil {
				release = func() { unmap() }
			}
			return release, nil
		}
		trace.From(ctx).Notef("the port could not be mapped: %v", err)
		a.unmapped = err
	}
	a.Advertised, err = a.publicAddr(ctx, local)
	return release, err
}

// publicAddr returns the address to advertise for a port that is not mapped.
func (a *attempt) publicAddr(ctx context.Context, local netip.AddrPort) (netip.AddrPort, error) {
	p := a.e.path
	if !p.Public().IsValid() {
		if err := a.e.seenAddr(ctx, a.timers.Reply); err != nil {
			return netip.AddrPort{}, err
		}
	}
	var err error
	addr := p.Public()
	switch {
	case !addr.IsValid() && plan.Global(p.Local()), addr == p.Local():
		err = errSameAddress
	case !addr.IsValid():
		err = errors.New("neither a setting nor the server tells it")
	case addr.Is4() != local.Addr().Is4():
		err = fmt.Errorf("%v is not of the family of the control connection", addr)
	}
	if err != nil {
		return netip.AddrPort{}, &fault{cause: proto.NoAddress, err: err}
	}
	return netip.AddrPortFrom(addr, local.Port()), nil
}

// invite tells the server where to connect, sends the command and waits for the
// server to do both.
func (a *attempt) invite(ctx context.Context, ln *data.Listener) (*Transfer, net.Conn, error) {
	if err := a.announce(ctx); err != nil {
		return nil, nil, err
	}
	t, err := a.start(ctx)
	if err != nil {
		return nil, nil, err
	}
	nc, err := a.meet(ctx, t, ln)
	strangers := ln.Strangers()
	for _, from := range strangers {
		trace.From(ctx).Notef("a connection from %v, which is not the server, was turned away", from)
	}
	var f *fault
	if errors.As(err, &f) && len(strangers) > 0 {
		// Perhaps the server has more than one address.
		f.cause, f.err = proto.OtherAddress, fmt.Errorf("%w; %v connected", f.err, strangers[0])
	}
	return t, nc, err
}

// announce sends PORT or EPRT.
func (a *attempt) announce(ctx context.Context) error {
	line := "EPRT " + hostport.FormatEPRT(a.Advertised)
	if a.Mode == proto.PORT {
		line = "PORT " + hostport.FormatPORT(a.Advertised)
	}
	r, err := a.e.ask(ctx, line, a.timers.Reply)
	a.Reply = r
	if err == nil && !r.Completed() {
		err = &fault{cause: proto.Refused, reply: r, err: proto.Refusal(line, r)}
	}
	if r.Code >= 400 {
		a.e.overheard(ctx, r)
	}
	return err
}

// meet waits for the server's connection and for its first reply, in whichever
// order they come.
func (a *attempt) meet(ctx context.Context, t *Transfer, ln *data.Listener) (nc net.Conn, err error) {
	defer func() {
		if err != nil && nc != nil {
			nc.Close()
			nc = nil
		}
	}()
	conn := a.e.sess.Live()
	if conn == nil {
		return nil, a.e.lost(ctx, errClosed())
	}
	timer := time.NewTimer(a.timers.Accept)
	defer timer.Stop()
	arrivals := ln.Arrivals()
	for nc == nil || t.begun.Code == 0 {
		select {
		case nc = <-arrivals:
			arrivals = nil
			timer.Reset(a.timers.Start)
		case r := <-t.call.Replies():
			a.e.sess.Saw(ctx, r)
			if err := t.judgeFirst(ctx, r); err != nil {
				return nc, err
			}
			if nc == nil {
				timer.Reset(a.timers.Accept)
			}
		case <-conn.Done():
			if len(t.call.Replies()) == 0 {
				return nc, a.e.lost(ctx, conn.Err())
			}
		case <-ctx.Done():
			return nc, ctx.Err()
		case <-timer.C:
			return nc, a.unmet(ctx, nc != nil)
		}
	}
	return nc, nil
}

// unmet gives the control connection up because the server has not connected, or
// not begun: it may sit in connect() for a minute, deaf to us.
func (a *attempt) unmet(ctx context.Context, connected bool) error {
	cause, err := proto.AcceptTimeout, fmt.Errorf("nobody connected to %v", a.Advertised)
	if connected {
		cause, err = proto.ControlSilent, proto.ErrSilent
	}
	a.e.sess.Drop(ctx, err)
	return &fault{cause: cause, err: err}
}
