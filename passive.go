package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/ftpnat/ftpnat/internal/hostport"
	"github.com/ftpnat/ftpnat/internal/plan"
)

// passive opens a data connection to the server.
func (l *link) passive(ctx context.Context, req request, step plan.Step, t plan.Timers, a *Attempt) (*channel, error) {
	if l.asksQueue(req, step) {
		return l.askQueue(ctx, req, step, t, a)
	}
	nc, err := l.foresaw(ctx, step, t, a)
	if nc == nil && err == nil {
		nc, err = l.dialPassive(ctx, req, step, t, a)
	}
	if err != nil {
		return nil, err
	}
	ch, err := l.start(ctx, req, t)
	if err != nil {
		nc.Close()
		return nil, err
	}
	ch.bind(nc)
	if l.data != nil || req.early && l.sure(step) {
		// The handshake, or the data, need not wait for the 150.
		return ch, nil
	}
	return ch, l.firstReply(ctx, ch, t.Start)
}

// sure reports whether a step has proven itself and shortcuts may be taken.
func (l *link) sure(step plan.Step) bool { return !l.plainly && !l.cfg.oneByOne && l.proven() == step }

// dialPassive asks the server for a port and opens a connection to it.
func (l *link) dialPassive(ctx context.Context, req request, step plan.Step, t plan.Timers, a *Attempt) (net.Conn, error) {
	if err := l.pret(ctx, req, t); err != nil {
		return nil, err
	}
	target, err := l.passiveAddr(ctx, step, t, a)
	if err != nil {
		return nil, err
	}
	return l.dialTarget(ctx, target, t)
}

// dialTarget opens the data connection.
func (l *link) dialTarget(ctx context.Context, target string, t plan.Timers) (net.Conn, error) {
	dctx, cancel := context.WithTimeout(ctx, t.Dial)
	defer cancel()
	nc, err := l.cfg.dial(dctx, "tcp", target)
	if err != nil {
		return nil, &fault{cause: dialCause(err), err: fmt.Errorf("data connection to %s: %w", target, err)}
	}
	return nc, nil
}

func dialCause(err error) Cause {
	var refused *proxyError
	switch {
	case errors.As(err, &refused):
		return ProxyRefused
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

func isSIP(port uint16) bool { return port == sipPort || port == sipsPort }

func (l *link) noteSIP(port uint16) {
	l.note("port %d belongs to SIP, which boxes on the way rewrite: another one is asked for", port)
}

// passiveAddr asks the server for a port and returns where to dial.
func (l *link) passiveAddr(ctx context.Context, step plan.Step, t plan.Timers, a *Attempt) (string, error) {
	for try := 0; ; try++ {
		r, err := l.ask(ctx, a.Mode.String(), t.Reply)
		a.Reply = r
		if err != nil {
			return "", err
		}
		target, err := l.target(step, r, a)
		if err != nil {
			return "", badAddress(r, err)
		}
		if port := a.Advertised.Port(); try > 0 || !isSIP(port) {
			return target, nil
		}
		l.noteSIP(a.Advertised.Port())
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

// offersPRET reports whether the server wants to be told of a command before
// EPSV or PASV. Pure-FTPd takes PRET and does not need it.
func (l *link) offersPRET() bool {
	_, ok := l.sess.Feature("PRET")
	return ok && l.software() != pureFTPd
}

// pret announces the command to servers that want that (DrFTPd).
func (l *link) pret(ctx context.Context, req request, t plan.Timers) error {
	if !l.offersPRET() {
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
