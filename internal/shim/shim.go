// Package shim is a net.Conn that github.com/jlaffaye/ftp takes for its
// control connection, and another for each of its data connections.
//
// jlaffaye/ftp asks for a passive data connection, dials it, and sends its
// data command, in this order. The shim answers EPSV, PASV and REST itself,
// hands out a data connection that leads nowhere yet, and tells its [Backend]
// the data command when that comes: the backend opens a real data connection
// in whatever way there is, and the shim binds the two together. Everything
// else goes to the backend as it is.
//
// The package knows nothing of modes and of TLS.
package shim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Backend carries out what is sent on the made-up control connection.
type Backend interface {
	// Greeting returns the server's first reply.
	Greeting() proto.Reply
	// Command carries out one command that needs no data connection. An
	// error is what the reader of the reply gets in its place.
	Command(ctx context.Context, line string) (proto.Reply, error)
	// Transfer opens a data connection for a command and returns the
	// preliminary reply to it. A reply without Data is the server's refusal.
	Transfer(ctx context.Context, line string, offset int64) (Data, proto.Reply, error)
	// Close ends the session.
	Close() error
}

// Data is an open data connection.
type Data interface {
	// Read returns io.EOF only at the end of data that the server has
	// called complete.
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	// SetDeadline limits reads and writes, those under way too.
	SetDeadline(t time.Time) error
	// End closes the data connection: the caller wants no more of a
	// download, or an upload is complete. No Read or Write is under way.
	End()
	// Verdict returns the closing reply.
	Verdict(ctx context.Context) (proto.Reply, error)
}

// madeUp is added to the number of a data connection to make its port: above
// all real ports, so that no dial of a control connection is taken for it.
const madeUp = 1 << 16

// serial counts the data connections of all control connections: one function
// dials for several, and a port must belong to one alone.
var serial atomic.Uint32

// nextPort returns a port that no other data connection waits on.
func nextPort() int { return madeUp + int(serial.Add(1)%(1<<30)) }

// maxLine bounds a command line without an end.
const maxLine = 64 << 10

// Conn is the made-up control connection. As jlaffaye/ftp does, a caller must
// write a command and read its reply before the next one.
type Conn struct {
	ctx           context.Context
	cancel        context.CancelFunc
	backend       Backend
	local, remote *net.TCPAddr

	limit  deadline
	next   atomic.Pointer[DataConn] // handed out by EPSV or PASV
	closed atomic.Bool

	turn    chan struct{} // held by the call that uses what follows
	line    []byte        // a command without its end yet
	out     bytes.Buffer
	err     error     // for the next Read, where there is no reply
	offset  int64     // of the REST that is held back
	current *DataConn // bound, its verdict not yet read
}

// New returns a control connection to the backend. The context governs all
// that is done through it.
func New(ctx context.Context, b Backend, local, remote *net.TCPAddr) *Conn {
	c := &Conn{backend: b, local: local, remote: remote, turn: make(chan struct{}, 1)}
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.reply(b.Greeting())
	return c
}

// begin waits for the turn of a call and returns its end. Calls that are
// under way are ended by Close, so that nobody waits for long.
func (c *Conn) begin() (end func()) {
	c.turn <- struct{}{}
	return func() { <-c.turn }
}

// Life returns a context that ends with the connection.
func (c *Conn) Life() context.Context { return c.ctx }

// Waiting returns the data connection that port was made up for, once; nil
// when none waits. It never waits itself, whatever is under way.
func (c *Conn) Waiting(port int) *DataConn {
	d := c.next.Load()
	if d == nil || d.port != port || d.dialled.Swap(true) {
		return nil
	}
	return d
}

// MadeUp reports whether a port can only be that of a data connection.
func MadeUp(port int) bool { return port >= madeUp }

// Write takes commands and carries them out.
func (c *Conn) Write(p []byte) (int, error) {
	defer c.begin()()
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	c.line = append(c.line, p...)
	for {
		i := bytes.IndexByte(c.line, '\n')
		if i < 0 {
			break
		}
		line := strings.TrimRight(string(c.line[:i]), "\r")
		c.line = c.line[i+1:]
		c.command(line)
	}
	if len(c.line) > maxLine {
		return 0, errors.New("ftpnat: a command line without an end")
	}
	return len(p), nil
}

func (c *Conn) command(line string) {
	verb, arg, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EPSV", "PASV":
		c.passive(strings.ToUpper(verb))
	case "REST":
		c.rest(arg)
	case "PRET":
		c.say(200, "The command is announced to the server when it is known how.")
	case "RETR", "LIST", "NLST", "MLSD", "STOR", "APPE", "STOU":
		c.transfer(line)
	case "AUTH", "PBSZ", "PROT", "CCC":
		c.say(534, "TLS is ftpnat's: set Dialer.TLSConfig, and give jlaffaye/ftp no TLS option.")
	case "PORT", "EPRT":
		c.say(502, "The data connection is ftpnat's to choose: see Dialer.Modes.")
	case "QUIT":
		c.say(221, "Goodbye.")
	default:
		if c.current != nil {
			c.say(503, "A transfer is under way.")
			return
		}
		ctx, done := c.limit.begin(c.ctx)
		defer done()
		r, err := c.backend.Command(ctx, line)
		c.answer(r, timedOut(ctx, err))
	}
}

func (c *Conn) passive(verb string) {
	port := nextPort()
	c.next.Store(&DataConn{c: c, port: port})
	if verb == "EPSV" {
		c.say(229, fmt.Sprintf("Entering Extended Passive Mode (|||%d|)", port))
		return
	}
	ip := c.remote.IP.To4()
	if ip == nil {
		ip = net.IPv4zero.To4()
	}
	c.say(227, fmt.Sprintf("Entering Passive Mode (%d,%d,%d,%d,%d,%d).", ip[0], ip[1], ip[2], ip[3], port>>8, port&0xff))
}

func (c *Conn) rest(arg string) {
	n, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || n < 0 {
		c.say(501, "REST wants a number of bytes.")
		return
	}
	c.offset = n
	c.say(350, "Restarting at "+arg+".")
}

func (c *Conn) transfer(line string) {
	d := c.next.Swap(nil)
	offset := c.offset
	c.offset = 0
	if d == nil || !d.dialled.Load() || !d.usable() {
		c.say(425, "Use EPSV or PASV first.")
		return
	}
	if c.current != nil {
		c.say(503, "A transfer is under way.")
		return
	}
	ctx, done := c.limit.begin(c.ctx)
	defer done()
	data, r, err := c.backend.Transfer(ctx, line, offset)
	if err == nil && data != nil {
		c.current = d
		d.bind(data, upload(line))
		if r.Code != 125 && r.Code != 150 {
			// jlaffaye/ftp takes no other for the beginning.
			r = proto.Reply{Code: 150, Lines: []string{"The data connection is open."}}
		}
	}
	c.answer(r, timedOut(ctx, err))
}

// timedOut gives an error that a deadline caused the form that net.Conn has
// for it.
func timedOut(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), os.ErrDeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return err
}

// upload reports whether a command sends to the server.
func upload(line string) bool {
	verb, _, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "STOR", "APPE", "STOU":
		return true
	}
	return false
}

func (c *Conn) answer(r proto.Reply, err error) {
	if err != nil {
		c.err = err
		return
	}
	c.reply(r)
}

func (c *Conn) say(code int, text string) { c.reply(proto.Reply{Code: code, Lines: []string{text}}) }

func (c *Conn) reply(r proto.Reply) {
	last := len(r.Lines) - 1
	if last < 0 {
		fmt.Fprintf(&c.out, "%03d \r\n", r.Code)
	}
	for i, l := range r.Lines {
		switch {
		case i == last:
			fmt.Fprintf(&c.out, "%03d %s\r\n", r.Code, l)
		case i == 0, strings.HasPrefix(l, fmt.Sprintf("%03d", r.Code)):
			// A line that looks like the last one must not end the reply.
			fmt.Fprintf(&c.out, "%03d-%s\r\n", r.Code, l)
		default:
			fmt.Fprintf(&c.out, "%s\r\n", l)
		}
	}
}

// Read returns replies: those that are there, or the closing reply of the
// transfer that was ended last.
func (c *Conn) Read(p []byte) (int, error) {
	defer c.begin()()
	if c.out.Len() == 0 && c.err == nil && c.current != nil && !c.closed.Load() {
		c.verdict()
	}
	switch {
	case c.closed.Load():
		return 0, net.ErrClosed
	case c.out.Len() > 0:
		return c.out.Read(p)
	case c.err != nil:
		err := c.err
		c.err = nil
		return 0, err
	}
	return 0, io.EOF
}

// verdict waits for the closing reply.
func (c *Conn) verdict() {
	d := c.current
	c.current = nil
	ctx, done := c.limit.begin(c.ctx)
	defer done()
	early := d.early()
	d.Close()
	r, err := d.data.Verdict(ctx)
	switch {
	case err != nil && early && c.ctx.Err() == nil:
		// Nothing hangs on it: the next command finds a connection.
		c.say(226, "The transfer was ended.")
	case err != nil:
		c.err = timedOut(ctx, err)
	case early || r.Code/100 == 2:
		// 250 closes a transfer too, and a refusal of what the caller did
		// not want to read is none.
		if r.Code != 226 {
			r = proto.Reply{Code: 226, Lines: []string{"The transfer has ended."}}
		}
		c.reply(r)
	default:
		c.reply(r)
	}
}

// Close ends the session, and what is under way.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.cancel()
	defer c.begin()()
	if c.current != nil {
		c.current.Close()
		c.current = nil
	}
	return c.backend.Close()
}

// LocalAddr returns our end of the real control connection.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the server's end of the real control connection.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline limits commands and replies, those under way too.
func (c *Conn) SetDeadline(t time.Time) error {
	c.limit.set(t)
	return nil
}

// SetReadDeadline is SetDeadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.SetDeadline(t) }

// SetWriteDeadline is SetDeadline.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.SetDeadline(t) }
