package ftpnat

import (
	"context"
	"io"
	"net"
	"strings"

	"github.com/ftpnat/ftpnat/internal/session"
)

// Conn is a control connection to a server that is logged in. It does one thing
// at a time: a call during another one, or while a transfer is open, returns
// [ErrBusy].
//
// The connection may be replaced, if a negotiation cost it or if it was found
// dead. The state of the session (login, working directory, options) is then
// restored.
type Conn struct {
	cfg *config
	c   *session.Exclusive
}

// Do sends one command, its arguments joined by spaces, and returns the final
// reply to it. A reply whose code is not want is a [*ReplyError]; a want of
// one or two digits is met by codes that begin with it, and zero by all.
// Commands that need a data connection are not for Do.
func (c *Conn) Do(ctx context.Context, want int, cmd string, args ...string) (Reply, error) {
	r, err := c.c.Do(ctx, want, strings.Join(append([]string{cmd}, args...), " "))
	return Reply(r), err
}

// Retrieve returns the content of a file from the byte offset on. The reader
// returns io.EOF only when the server has said that all was sent; it holds the
// Conn until it is closed. The context governs the reads too.
func (c *Conn) Retrieve(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	d, err := c.c.Retrieve(ctx, path, offset)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Store stores what r provides as a file, replacing any existing file, and
// returns the number of bytes. If it returns an error, the file on the server is
// not to be relied on. r must not use the Conn; its first 64 KiB are read before
// the server is asked, and a file that is no larger is sent in one go.
//
// If the server tells the size of the file afterwards, and it is not that number,
// the error is [ErrMismatch]. The question takes a round trip; it travels with a
// file of up to 64 KiB where the server is known to take that. It is not asked in
// TYPE A, in which sizes mean nothing.
func (c *Conn) Store(ctx context.Context, path string, r io.Reader) (int64, error) {
	return c.c.Store(ctx, path, r)
}

// Report returns what is known of the path, and what the last transfer on the
// Conn met on its way. While an operation is under way it has the server's
// name alone.
func (c *Conn) Report() *Report {
	r := &Report{Server: c.cfg.session.Server}
	_ = c.c.Use(func() { r = c.cfg.report(c.c.Conn) })
	return r
}

// Close ends the session. Operations in progress are aborted.
func (c *Conn) Close() error { return c.c.Close() }

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
	return session.NewBridge(ctx, func(addr string) (*session.Config, error) {
		cfg, err := d.fill(addr)
		if err != nil {
			return nil, err
		}
		return cfg.session, nil
	}).Dial
}
