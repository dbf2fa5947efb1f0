package ftpnat

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/shim"
)

// DialFunc returns a function for github.com/jlaffaye/ftp's option
// DialWithDialFunc, which gives an existing program all that a Dialer does for
// data connections:
//
//	c, err := ftp.Dial(addr, ftp.DialWithDialFunc(d.DialFunc(ctx)))
//
// What the program dials is a control connection that leads through ftpnat.
// The program logs in itself; its timeouts and TLS options are to be left out,
// and TLS set in the Dialer. One function serves any number of connections.
//
// The context governs all that is done through the function for as long as its
// connections live: when it ends, they end. A transfer for which no data
// connection can be had fails with a [*NegotiateError].
func (d *Dialer) DialFunc(ctx context.Context) func(network, addr string) (net.Conn, error) {
	b := &bridge{ctx: ctx, d: d, open: make(map[*shim.Conn]struct{})}
	return b.dial
}

// bridge tells the dials of data connections from those of control
// connections.
type bridge struct {
	ctx  context.Context // of the program that dials: see DialFunc
	d    *Dialer
	mu   sync.Mutex
	open map[*shim.Conn]struct{}
}

func (b *bridge) dial(_, addr string) (net.Conn, error) {
	if _, port, err := net.SplitHostPort(addr); err == nil {
		if n, err := strconv.Atoi(port); err == nil && shim.MadeUp(n) {
			return b.data(n)
		}
	}
	cfg, err := b.d.fill(addr)
	if err != nil {
		return nil, err
	}
	l := newLink(cfg)
	l.guest = true
	l.begin(b.ctx)
	if _, err := l.sess.Open(b.ctx); err != nil {
		return nil, contextual(b.ctx, replied("", err))
	}
	back := &backend{l: l}
	c := newShim(b.ctx, back)
	back.closed = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open, c)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[c] = struct{}{}
	return c, nil
}

func (b *bridge) data(port int) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.open {
		if d := c.Waiting(port); d != nil {
			return d, nil
		}
	}
	return nil, errors.New("ftpnat: no data connection waits to be dialled")
}

// newShim returns what jlaffaye/ftp takes for a control connection.
func newShim(ctx context.Context, back *backend) *shim.Conn {
	// jlaffaye/ftp needs a *net.TCPAddr; behind a proxy there is none that
	// means anything.
	remote := back.l.peer
	if !remote.IsValid() {
		remote = netip.IPv4Unspecified()
	}
	local := back.l.local
	if !local.IsValid() {
		local = netip.IPv4Unspecified()
	}
	c := shim.New(ctx, back, net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)), net.TCPAddrFromAddrPort(netip.AddrPortFrom(remote, 0)))
	back.life = c.Life()
	return c
}

// backend carries out what comes through a shim on a link.
type backend struct {
	l      *link
	life   context.Context // of the shim: it ends the transfers too
	closed func()          // nil when nobody wants to know
	line   string          // the last command
	last   Reply           // to it
}

// Greeting returns the server's.
func (b *backend) Greeting() shim.Reply { return shim.Reply(b.l.sess.Greeting()) }

// Command sends a line and returns its reply.
func (b *backend) Command(ctx context.Context, line string) (shim.Reply, error) {
	r, err := b.l.do(ctx, line)
	b.line, b.last = line, r
	if r.Code/100 == 5 && line == "OPTS UTF8 ON" {
		// It goes without that where the answer is 501 or 504, and gives the
		// login up where a box or a server knows of no OPTS.
		r.Code = 501
	}
	return shim.Reply(r), err
}

// Transfer negotiates a data connection.
func (b *backend) Transfer(ctx context.Context, line string, offset int64) (shim.Data, shim.Reply, error) {
	ch, err := b.l.transfer(ctx, request{line: line, offset: offset})
	var refused *ReplyError
	switch {
	case err == nil:
		return &bridged{ch: ch, ctx: b.life}, shim.Reply(ch.prelim), nil
	case errors.As(err, &refused) && !isNegotiate(err):
		return nil, shim.Reply(refused.Reply), nil
	}
	return nil, shim.Reply{}, err
}

func isNegotiate(err error) bool {
	var ne *NegotiateError
	return errors.As(err, &ne)
}

// Close ends the control connection.
func (b *backend) Close() error {
	if b.closed != nil {
		b.closed()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return b.l.close(ctx)
}

// bridged is a channel as the shim uses it.
type bridged struct {
	ch  *channel
	ctx context.Context // of the shim's connection
	err error           // what Verdict returns in place of a reply
}

// Read reads. The end of data is not the end until the server says so.
func (b *bridged) Read(p []byte) (int, error) {
	stop := b.ch.guard(b.ctx)
	defer stop()
	n, err := b.ch.Read(p)
	if err == nil {
		return n, nil
	}
	if b.ctx.Err() != nil {
		return n, b.ctx.Err()
	}
	if isTimeout(err) {
		// The caller's deadline; it may move it and read on.
		return n, err
	}
	// The data connection may have broken with the control connection
	// intact: the server's word on it is better than ours.
	r, verr := b.ch.finish(b.ctx)
	switch {
	case verr != nil:
		b.err = verr
		return n, verr
	case !r.completed():
		return n, replyError(b.ch.req.line, r)
	}
	return n, err
}

// Write sends.
func (b *bridged) Write(p []byte) (int, error) {
	stop := b.ch.guard(b.ctx)
	defer stop()
	n, err := b.ch.Write(p)
	return n, contextual(b.ctx, err)
}

// SetDeadline limits reads and writes.
func (b *bridged) SetDeadline(t time.Time) error { return b.ch.setDeadline(t) }

// End closes the data connection.
func (b *bridged) End() {
	switch {
	case b.ch.req.upload():
		if err := b.ch.endUpload(b.ctx); err != nil {
			b.ch.l.note("the end of the upload could not be sent: %v", err)
		}
		b.ch.closeData()
	case !b.ch.eof:
		b.ch.abandon(b.ctx)
	default:
		b.ch.closeData()
	}
}

// Verdict returns the closing reply.
func (b *bridged) Verdict(ctx context.Context) (shim.Reply, error) {
	if b.err != nil {
		return shim.Reply{}, b.err
	}
	r, err := b.ch.finish(ctx)
	return shim.Reply(r), err
}
