package session

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/shim"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// NewShim returns what jlaffaye/ftp takes for a control connection, and closes c
// with it. The context governs all that is done through it.
func NewShim(ctx context.Context, c *Conn) *shim.Conn { return newShim(ctx, &backend{c: c}) }

func newShim(ctx context.Context, back *backend) *shim.Conn {
	s := shim.New(ctx, back, tcpAddr(back.c.path.Local()), tcpAddr(back.c.path.Peer()))
	back.life = s.Life()
	return s
}

// tcpAddr returns an address in the form that jlaffaye/ftp needs. Behind a proxy
// there is none that means anything.
func tcpAddr(addr netip.Addr) *net.TCPAddr {
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))
}

// backend carries out on a session what comes through a shim.
type backend struct {
	c    *Conn
	life context.Context // of the shim: it ends the transfers too
	line string          // the last command
	last proto.Reply     // to it
}

// Greeting returns the server's.
func (b *backend) Greeting() proto.Reply { return usual("", b.c.Greeting()) }

// Command sends a line and returns its reply.
func (b *backend) Command(ctx context.Context, line string) (proto.Reply, error) {
	if line == "FEAT" && b.c.hurried && !b.c.cfg.KeepNames && b.c.control.Postpone(ctx, line) {
		// The lines of FEAT may be more than a server may send in one round trip
		// on a new connection, and nobody asks jlaffaye/ftp for features.
		return proto.Reply{Code: 211, Lines: []string{"End"}}, nil
	}
	r, err := b.c.Do(ctx, line)
	verb := control.Verb(line)
	if r.Code == 332 && (verb == "USER" || verb == "PASS") && b.c.cfg.Account != "" && err == nil {
		line = "ACCT " + b.c.cfg.Account
		r, err = b.c.Do(ctx, line)
	}
	if b.line, b.last = line, r; err != nil {
		b.last = proto.Reply{} // what followed the reply went wrong, and it is no refusal
	}
	if r.Code/100 == 5 && line == "OPTS UTF8 ON" {
		// jlaffaye/ftp goes on without it after a 501 or 504, and gives the
		// login up if a box or a server does not know OPTS at all.
		r.Code = 501
	}
	return usual(verb, r), err
}

// usualCodes are the replies that jlaffaye/ftp waits for, by command; the empty
// one stands for the greeting.
var usualCodes = map[string]int{
	"": 220, "USER": 230, "PASS": 230, "ACCT": 230, "TYPE": 200, "OPTS": 200, "NOOP": 200,
	"CWD": 250, "CDUP": 250, "DELE": 250, "RMD": 250, "RNTO": 250,
}

// usual returns a positive reply with the code that RFC 959 has for it: the first
// digit is what says yes, and some servers have others of their own behind it.
func usual(verb string, r proto.Reply) proto.Reply {
	if code, ok := usualCodes[verb]; ok && r.Completed() && !(r.Code == 202 && changes[verb]) {
		r.Code = code
	}
	return r
}

// changes has the commands that a server which calls them superfluous has not
// carried out.
var changes = map[string]bool{"DELE": true, "RMD": true, "RNTO": true}

// Transfer negotiates a data connection.
func (b *backend) Transfer(ctx context.Context, line string, offset int64) (shim.Data, proto.Reply, error) {
	t, err := b.c.transfer.Open(ctx, transfer.Request{Line: line, Offset: offset})
	switch {
	case err == nil:
		return &bridged{t: t, ctx: b.life}, t.Begun(), nil
	case proto.RefusedAt(err):
		return nil, proto.ReplyOf(err), nil
	}
	return nil, proto.Reply{}, err
}

// Close ends the session.
func (b *backend) Close() error { return b.c.Quit(context.WithoutCancel(b.life)) }

// bridged is a transfer as the shim uses it.
type bridged struct {
	t   *transfer.Transfer
	ctx context.Context // of the shim's connection
	err error           // what Verdict returns in place of a reply
}

// Read reads. The end of data is not the end until the server says so.
func (b *bridged) Read(p []byte) (int, error) {
	stop := b.t.Guard(b.ctx)
	defer stop()
	n, err := b.t.Read(p)
	switch {
	case err == nil:
		return n, nil
	case b.ctx.Err() != nil:
		return n, b.ctx.Err()
	case proto.IsTimeout(err):
		// The caller's deadline; it may be moved and the reading go on.
		return n, err
	}
	// The data connection may have broken with the control connection intact:
	// the server's word on it is better than ours.
	r, verr := b.t.Finish(b.ctx)
	switch {
	case verr != nil:
		b.err = verr
		return n, verr
	case !r.Completed():
		return n, proto.Refusal(b.t.Line(), r)
	}
	return n, err
}

// Write sends.
func (b *bridged) Write(p []byte) (int, error) {
	stop := b.t.Guard(b.ctx)
	defer stop()
	n, err := b.t.Write(p)
	return n, proto.ContextError(b.ctx, err)
}

// SetDeadline limits reads and writes.
func (b *bridged) SetDeadline(t time.Time) error { return b.t.SetDeadline(t) }

// End closes the data connection.
func (b *bridged) End() {
	switch {
	case b.t.Upload():
		b.t.CloseData(b.ctx)
	case !b.t.Ended():
		b.t.Abandon(b.ctx)
	default:
		b.t.Close()
	}
}

// Verdict returns the closing reply.
func (b *bridged) Verdict(ctx context.Context) (proto.Reply, error) {
	if b.err != nil {
		return proto.Reply{}, b.err
	}
	return b.t.Finish(ctx)
}
