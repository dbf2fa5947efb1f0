package transfer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/ftpnat/ftpnat/internal/hostport"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/proxy"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// passive opens a data connection to the server and sends the command.
func (a *attempt) passive(ctx context.Context) (*Transfer, error) {
	nc, err := a.dialPassive(ctx)
	if err != nil {
		return nil, err
	}
	t, err := a.start(ctx)
	if err != nil {
		nc.Close()
		return nil, err
	}
	t.bind(nc)
	if a.e.sess.DataTLS() != nil {
		return t, nil // the handshake need not wait for the 150
	}
	return t, t.firstReply(ctx, t.patience)
}

// dialPassive asks the server for a port and opens a connection to it.
func (a *attempt) dialPassive(ctx context.Context) (net.Conn, error) {
	if err := a.pret(ctx); err != nil {
		return nil, err
	}
	target, err := a.passiveAddr(ctx)
	if err != nil {
		return nil, err
	}
	return a.dial(ctx, target)
}

// dial opens the data connection.
func (a *attempt) dial(ctx context.Context, target string) (net.Conn, error) {
	dctx, cancel := context.WithTimeout(ctx, a.timers.Dial)
	defer cancel()
	nc, err := dialerOf(a.e).open(dctx, cancel, target)
	if err != nil {
		return nil, &fault{cause: dialCause(err), err: fmt.Errorf("data connection to %s: %w", target, err)}
	}
	return nc, nil
}

func dialCause(err error) proto.Cause {
	var refused *proxy.Error
	switch {
	case errors.As(err, &refused):
		return proto.ProxyRefused
	case errors.Is(err, syscall.ECONNREFUSED):
		return proto.DialRefused
	case proto.IsTimeout(err) || errors.Is(err, syscall.ETIMEDOUT):
		return proto.DialTimeout
	}
	return proto.DialFailed
}

// A SIP helper on the way rewrites what crosses its ports, and a transfer with
// it: another port is asked for.
const (
	sipPort  = 5060
	sipsPort = 5061
)

func isSIP(port uint16) bool { return port == sipPort || port == sipsPort }

func noteSIP(ctx context.Context, port uint16) {
	trace.From(ctx).Notef("port %d belongs to SIP, which boxes on the way rewrite: another one is asked for", port)
}

// askPort returns the answer to EPSV or PASV, which may have been sent already.
func (a *attempt) askPort(ctx context.Context) (proto.Reply, error) {
	line := a.Mode.String()
	call := a.e.port
	a.e.port = nil
	if call == nil || call.Verb != line || a.e.offersPRET() {
		return a.e.ask(ctx, line, a.timers.Reply)
	}
	return a.e.hear(ctx, call, line, a.timers.Reply)
}

// passiveAddr asks the server for a port and returns where to dial.
func (a *attempt) passiveAddr(ctx context.Context) (string, error) {
	for try := 0; ; try++ {
		r, err := a.askPort(ctx)
		a.Reply = r
		if err != nil {
			return "", err
		}
		if err := a.locate(ctx, r); err != nil {
			return "", err
		}
		port := a.Advertised.Port()
		if try > 0 || !isSIP(port) {
			return a.target(), nil
		}
		noteSIP(ctx, port)
	}
}

// locate finds out by the reply to EPSV or PASV where to dial.
func (a *attempt) locate(ctx context.Context, r proto.Reply) error {
	err := a.parse(ctx, r)
	if err == nil {
		return nil
	}
	var f *fault
	if errors.As(err, &f) {
		return err
	}
	return &fault{cause: proto.BadAddress, reply: r, err: err}
}

// parse sets Advertised, and Used if the address to dial is known.
func (a *attempt) parse(ctx context.Context, r proto.Reply) error {
	peer := a.e.path.Peer()
	switch r.Code {
	case 229:
		port, err := hostport.ParseEPSV(r.Text())
		if err != nil {
			return err
		}
		a.Advertised = netip.AddrPortFrom(peer, port)
	case 227: // in answer to EPSV too, by some servers
		ap, err := hostport.ParsePASV(r.Text())
		if err != nil {
			return err
		}
		a.Advertised = ap
	default:
		return fmt.Errorf("the reply %q has no address", r)
	}
	if a.step.Source == plan.Advertised {
		return a.advertised()
	}
	if !peer.IsValid() {
		return nil
	}
	a.Used = netip.AddrPortFrom(peer, a.Advertised.Port())
	if addr := a.Advertised.Addr(); addr != peer {
		trace.From(ctx).Notef("the address %v in the 227 is not the server's: %v is dialled", addr, peer)
	}
	return nil
}

// target returns what to dial.
func (a *attempt) target() string {
	if !a.Used.IsValid() {
		return net.JoinHostPort(a.e.cfg.Host, fmt.Sprint(a.Advertised.Port()))
	}
	return a.Used.String()
}

// advertised decides whether the address in a 227 may be dialled.
func (a *attempt) advertised() error {
	addr, port := a.Advertised.Addr(), a.Advertised.Port()
	switch {
	case addr == a.e.path.Peer():
		return &fault{cause: proto.NoAddress, err: errSameAddress}
	case !a.e.path.MayDial(addr):
		return fmt.Errorf("the address %v in the 227 is not one that may be dialled", addr)
	case port < 1024:
		return fmt.Errorf("the 227 names port %d of another host, which is below 1024", port)
	}
	a.Used = a.Advertised
	return nil
}

// pret announces the command to servers that want that (DrFTPd).
func (a *attempt) pret(ctx context.Context) error {
	if !a.e.offersPRET() {
		return nil
	}
	line := "PRET " + a.req.Line
	r, err := a.e.ask(ctx, line, a.timers.Reply)
	var f *fault
	switch {
	case err == nil && !r.Completed():
		return proto.Refusal(line, r)
	case errors.As(err, &f) && f.cause == proto.Refused && f.reply.Unsupported():
		trace.From(ctx).Notef("PRET is in FEAT and not known: the server is asked without it")
		return nil
	case errors.As(err, &f) && f.cause == proto.Refused:
		// The server looks at the file here already. That is no fault of the
		// mode, which was not asked for yet.
		return proto.Refusal(line, f.reply)
	}
	return err
}
