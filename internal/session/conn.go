// Package session is one logged-in connection to a server: the login, commands,
// and the transfers beside them.
package session

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// Conn is one session. A lost control connection is replaced, in the same state,
// by the next call that needs it. Conn is for one goroutine at a time.
type Conn struct {
	cfg      *Config
	control  *control.Session
	path     *path.Path
	transfer *transfer.Engine

	dir     string // to change to after the login
	guest   bool   // somebody else logs in: see Guest
	hurried bool   // FEAT need not be answered when the session is opened
	version string // of TLS on the last control connection

	opening time.Duration // what it took to dial and log in
}

// newConn returns a session without a control connection.
func newConn(cfg *Config, dir string) *Conn {
	c := &Conn{cfg: cfg, path: path.New(cfg.Path), dir: dir}
	c.control = control.NewSession(control.Config{
		Server:        cfg.Server,
		Dial:          c.dial,
		TLS:           cfg.TLS.Config,
		Implicit:      cfg.TLS.Implicit,
		AuthSSL:       cfg.TLS.AuthSSL,
		ClearData:     cfg.TLS.ClearData,
		ClearCommands: cfg.TLS.ClearCommands,
		Flight:        c.flight,
		Lost:          func() { c.transfer.Lost() },
		Grounded:      func() { c.path.Learn(path.Flight, false) },
		Landed:        c.arrived,
		Merges:        cfg.Path.Proxy,
		Limit:         cfg.Attempt,
		ReplyLimit:    replyLimits * cfg.Attempt,
		RetryFor:      cfg.RetryFor,
	})
	c.transfer = transfer.New(cfg.transfers(), c.control, c.path)
	c.control.Lose(int(cfg.Shared.lost.Load()))
	return c
}

// dial opens a socket and tells the path of its ends.
func (c *Conn) dial(ctx context.Context) (net.Conn, error) {
	nc, err := c.cfg.Dial(ctx)
	if err != nil {
		c.path.Connected(netip.Addr{}, netip.Addr{})
		return nil, err
	}
	c.path.Connected(proto.AddrOf(nc.LocalAddr()).Addr(), proto.AddrOf(nc.RemoteAddr()).Addr())
	return nc, nil
}

// Do sends one command and returns its final reply, whatever that says. No
// command that transfers is for Do.
func (c *Conn) Do(ctx context.Context, line string) (proto.Reply, error) {
	if err := c.transfer.Settle(ctx); err != nil {
		return proto.Reply{}, err
	}
	r, err := c.control.Do(ctx, line)
	return r, proto.ContextError(ctx, err)
}

// Want is Do for a command whose reply must have a certain code: see
// [proto.Reply.Is]. Another reply is a [*proto.Error], and so is a 202 to what
// changes something: the server has not done it.
func (c *Conn) Want(ctx context.Context, code int, line string) (proto.Reply, error) {
	r, err := c.Do(ctx, line)
	if err == nil && (!r.Is(code) || r.Code == 202 && code != 202) {
		err = proto.Refusal(line, r)
	}
	return r, err
}

// ready makes sure that there is a control connection with no reply outstanding.
func (c *Conn) ready(ctx context.Context) error {
	if err := c.transfer.Settle(ctx); err != nil {
		return err
	}
	return proto.ContextError(ctx, c.control.Ready(ctx))
}

// Transfer returns what opens data connections for the session.
func (c *Conn) Transfer() *transfer.Engine { return c.transfer }

// Path returns what is known of the way to the server.
func (c *Conn) Path() *path.Path { return c.path }

// Control returns the control session.
func (c *Conn) Control() *control.Session { return c.control }

// CatchUp waits for the answer to FEAT if the session was opened without it.
func (c *Conn) CatchUp(ctx context.Context) error {
	if !c.control.Late() {
		return nil
	}
	return proto.ContextError(ctx, c.control.Ready(ctx))
}

// Feature returns what FEAT said about a command, and whether it named it.
func (c *Conn) Feature(verb string) (arg string, ok bool) { return c.control.Feature(verb) }

// Features returns what FEAT said, by command; nil if it was not answered. The
// map must not be changed.
func (c *Conn) Features() map[string]string { return c.control.Features() }

// Software returns which program the server is.
func (c *Conn) Software() control.Software { return c.control.Software() }

// Pipelines reports whether the server is known to read a command that comes
// before the last one was answered. Some small ones throw it away.
func (c *Conn) Pipelines() bool { return c.transfer.TakesAhead() }

// Patience returns the limit of one attempt to open a connection, with which
// other limits are measured.
func (c *Conn) Patience() time.Duration { return c.cfg.Attempt }

// Greeting returns the reply that the last control connection began with.
func (c *Conn) Greeting() proto.Reply { return c.control.Greeting() }

// Alive reports whether there is a control connection, as far as is known.
func (c *Conn) Alive() bool { return c.control.Live() != nil }

// Answers reports whether the server answers. A control connection on which it
// does not is given up.
func (c *Conn) Answers(ctx context.Context) bool { return c.control.Answers(ctx) }

// RTT returns the round trip time of the control connection, or of the last one.
func (c *Conn) RTT() time.Duration { return c.transfer.RTT() }

// Opening returns how long it takes to open another one: what the way has taught
// before this one was dialled is not in it.
func (c *Conn) Opening() time.Duration { return c.opening }

// TLSVersion returns the version of TLS on the control connection, or on the last
// one; empty for clear text.
func (c *Conn) TLSVersion() string {
	if conn := c.control.Live(); conn != nil {
		if state, _ := conn.TLS(); state.Version != 0 {
			c.version = tls.VersionName(state.Version)
		}
	}
	return c.version
}

var errAstray = errors.New("the connection was given up: the way back to its directory is not known")

// Home replaces the control connection by one in the directory in which the
// session began.
func (c *Conn) Home(ctx context.Context) error {
	c.control.Drop(ctx, errAstray)
	c.control.State().GoHome()
	return proto.ContextError(ctx, c.control.Ready(ctx))
}

// Drop gives the control connection up for the reason err. The next call replaces
// it.
func (c *Conn) Drop(ctx context.Context, err error) { c.control.Drop(ctx, err) }

// closeFor is how long the end of a session may take.
const closeFor = time.Second

// Close ends the session.
func (c *Conn) Close() { _ = c.Quit(context.Background()) } // an error means that it was gone already

// Quit is Close with the hooks of ctx. It returns the error of the socket.
func (c *Conn) Quit(ctx context.Context) error {
	c.transfer.Close()
	ctx, cancel := context.WithTimeout(ctx, closeFor)
	defer cancel()
	return c.control.Close(ctx)
}
