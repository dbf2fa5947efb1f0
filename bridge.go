package ftpnat

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"

	"github.com/ftpnat/ftpnat/internal/session"
	"github.com/ftpnat/ftpnat/internal/shim"
)

// DialFunc returns a function for the option DialWithDialFunc of
// github.com/jlaffaye/ftp. It gives an existing program all that a Dialer does
// for data connections:
//
//	c, err := ftp.Dial(addr, ftp.DialWithDialFunc(d.DialFunc(ctx)))
//
// The control connection that the program dials leads through ftpnat. The
// program logs in itself; it should leave out timeouts and TLS options of its
// own, and set TLS in the Dialer. One function serves any number of connections.
//
// The context governs everything that is done through the function: when it
// ends, the connections end. A transfer for which no data connection can be had
// fails with a [*NegotiateError].
func (d *Dialer) DialFunc(ctx context.Context) func(network, addr string) (net.Conn, error) {
	b := &bridge{ctx: ctx, d: d, open: make(map[*shim.Conn]struct{})}
	return b.dial
}

// bridge tells the dials of data connections from those of control connections.
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
	c, err := session.Guest(b.ctx, cfg.session)
	if err != nil {
		return nil, public(err)
	}
	s := session.NewShim(b.ctx, c)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[s] = struct{}{}
	context.AfterFunc(s.Life(), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open, s)
	})
	return s, nil
}

func (b *bridge) data(port int) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.open {
		if d := s.Waiting(port); d != nil {
			return d, nil
		}
	}
	return nil, errors.New("ftpnat: no data connection waits to be dialled")
}
