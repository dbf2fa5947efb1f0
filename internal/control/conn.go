package control

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// ErrArgument says that a command holds a byte that would end it.
var ErrArgument = errors.New("a command must not contain CR, LF or NUL")

// maxReplies bounds the replies to one command. A command has one or two; a
// server that sends more is not followed.
const maxReplies = 16

// maxStray bounds the replies that nobody asked for.
const maxStray = maxReplies / 2

// maxCommand bounds a command line; servers take between 512 and 4096 bytes
// and a path beyond this is a mistake of the caller.
const maxCommand = 16 << 10

// writeLimit is how long a command may take to be handed to the network. Only
// a peer that has stopped reading long ago makes it wait at all.
const writeLimit = time.Minute

// promptly is how long a command may take to be handed over before the context
// is watched.
const promptly = 10 * time.Millisecond

// lastWordsFor is how long what is there may take to be read after a command
// could not be sent.
const lastWordsFor = 100 * time.Millisecond

// Call is a command that was sent and the replies it got so far.
type Call struct {
	Verb    string // in capital letters
	line    string
	conn    *Conn
	replies chan proto.Reply
	got     int // replies so far
	sent    time.Time
	rtt     time.Duration // the connection's before the final reply
	secrets []string
	passed  bool   // a refusal came that was taken for that of a later command
	ending  bool   // whatever comes after the 150 is the closing reply: see Abandon
	last    bool   // no byte after this reply belongs to this reader: AUTH, CCC
	hearer  Hearer // nil for nobody
}

// Hearer is told of a reply as it comes, by the goroutine that reads, and must
// not wait.
type Hearer interface{ Heard(proto.Reply) }

// Conn is one control connection. Its methods are for one goroutine at a
// time; the reader it starts is its own and ends with Close or Reset.
type Conn struct {
	raw net.Conn // the socket
	nc  net.Conn // the socket, or TLS over it

	past tls.ConnectionState // of the TLS that CCC has ended

	patience *time.Timer        // of Next; nil before its first use
	spare    []chan proto.Reply // of calls that are done, for the next ones
	text     []byte             // of send, the last one with its memory

	mu      sync.Mutex
	pending []*Call
	stray   []proto.Reply
	secrets []string // of the last command that had any
	err     error
	rtt     time.Duration
	lag     time.Duration
	heard   time.Time // when the last reply came
	mixed   bool      // a reply overtook that to an earlier command
	unasked bool      // a port came that nobody had asked for

	done    chan struct{} // closed when err is set
	readers sync.WaitGroup
	parked  chan struct{} // the reader has ended after a call with last set
}

// NewConn takes over the socket raw and starts to read replies from nc, which
// is raw itself or implicit TLS over it. The returned call stands for the
// greeting.
func NewConn(raw, nc net.Conn, rtt time.Duration) (*Conn, *Call) {
	c := &Conn{raw: raw, nc: nc, rtt: rtt, heard: time.Now(), done: make(chan struct{})}
	greeting := c.newCall("")
	greeting.sent = c.heard
	c.pending = append(c.pending, greeting)
	c.startReader(nc)
	return c, greeting
}

// take gives the call a reply. Because it counts them there is always room.
func (c *Call) take(r proto.Reply) error {
	r = proto.Mask(r, c.secrets)
	if c.got++; c.got > maxReplies {
		return &ProtocolError{"too many replies to one command", head(r)}
	}
	c.replies <- r
	if c.hearer != nil {
		c.hearer.Heard(r)
	}
	return nil
}

func (c *Conn) startReader(nc net.Conn) {
	c.parked = make(chan struct{})
	c.readers.Go(func() {
		br := bufio.NewReaderSize(nc, readSize)
		var lines shelf
		for {
			r, err := readReply(br, &lines)
			if err != nil {
				c.fail(err)
				return
			}
			stop, err := c.deliver(r, br.Buffered())
			if err != nil {
				c.fail(err)
				return
			}
			if stop {
				close(c.parked)
				return
			}
		}
	})
}

// fail records why the connection ended; the first reason stays.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(err)
}

func (c *Conn) failLocked(err error) {
	if c.err != nil {
		return
	}
	var pe *ProtocolError
	if errors.As(err, &pe) {
		err = &ProtocolError{pe.Reason, proto.MaskText(pe.Line, c.secrets)}
	} else {
		err = &proto.LostError{Err: err}
	}
	c.err = err
	close(c.done)
}

// Err returns why the connection ended, nil while it lives.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// RTT returns the shortest time from a command to its reply that was seen, or
// the time that it took to connect, whichever is less.
func (c *Conn) RTT() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rtt
}

// Lag returns by how much the slowest reply came late, of those for which a server
// has nothing to do.
func (c *Conn) Lag() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lag
}

// Idle returns how long ago the last reply came.
func (c *Conn) Idle() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.heard)
}

// Stray takes the replies that nobody asked for.
func (c *Conn) Stray() []proto.Reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stray
	c.stray = nil
	return s
}

// CheckCommand reports whether line can be sent as one command.
func CheckCommand(line string) error {
	if i := strings.IndexAny(line, "\r\n\x00"); i >= 0 {
		// What follows may be a command of its own, and a secret.
		return fmt.Errorf("%w: byte %q after %q", ErrArgument, line[i], proto.Redact(line[:i]))
	}
	if len(line) > maxCommand {
		return fmt.Errorf("a command of %d bytes is longer than the %d that are sent", len(line), maxCommand)
	}
	return nil
}

// Verb returns the command word of a line in capital letters.
func Verb(line string) string {
	verb, _, _ := strings.Cut(line, " ")
	return strings.ToUpper(verb)
}

// Next returns the next reply to the call: it waits at most limit, which is
// proto.ErrSilent, and not beyond ctx. Neither takes the reply away: a later Next
// can still return it.
func (c *Conn) Next(ctx context.Context, call *Call, limit time.Duration) (proto.Reply, error) {
	select {
	case r := <-call.replies:
		return r, nil
	default:
	}
	if c.patience == nil {
		c.patience = time.NewTimer(limit)
	} else {
		c.patience.Reset(limit)
	}
	defer c.patience.Stop()
	select {
	case r := <-call.replies:
		return r, nil
	case <-c.done:
		return c.lastWords(call)
	case <-ctx.Done():
		return proto.Reply{}, ctx.Err()
	case <-c.patience.C:
		return proto.Reply{}, fmt.Errorf("%w within %v", proto.ErrSilent, limit.Round(time.Millisecond))
	}
}

// maxSpare bounds the channels that are kept for other calls.
const maxSpare = 4

// Done says that the call is over: its last reply was taken, and no other is waited
// for. Most of its memory is the next one's then.
func (c *Call) Done() {
	conn := c.conn
	conn.mu.Lock()
	defer conn.mu.Unlock()
	if c.replies == nil || len(c.replies) > 0 || len(conn.spare) == maxSpare || slices.Contains(conn.pending, c) {
		return
	}
	conn.spare = append(conn.spare, c.replies)
	c.replies = nil
}

// Lost is closed when the connection that the call was sent on has ended.
func (c *Call) Lost() <-chan struct{} { return c.conn.done }

// Replies is the channel that Next reads, for those who wait for something
// else too; Done tells when nothing more will come on it.
func (c *Call) Replies() <-chan proto.Reply { return c.replies }

func (c *Conn) lastWords(call *Call) (proto.Reply, error) {
	select {
	case r := <-call.replies:
		return r, nil
	default:
		return proto.Reply{}, c.Err()
	}
}

// handover waits for the reply to a call after which the socket is used in
// another way. With ok set the server has agreed, and nobody reads meanwhile.
func (c *Conn) handover(ctx context.Context, call *Call, limit time.Duration) (r proto.Reply, ok bool, err error) {
	r, err = c.Next(ctx, call, limit)
	if err != nil || r.Code/100 != 2 {
		return r, false, err
	}
	select {
	case <-c.parked:
		return r, true, nil
	case <-c.done:
		return r, false, c.Err()
	}
}

// startTLS goes on over TLS if the server agrees to the AUTH of a call,
// within limit; the handshake has its own. The reply is returned as it is where
// the server does not agree. With clear set, [Conn.EndTLS] can follow.
func (c *Conn) startTLS(ctx context.Context, auth *Call, cfg *tls.Config, clear bool, limit, handshake time.Duration) (proto.Reply, error) {
	r, ok, err := c.handover(ctx, auth, limit)
	if !ok {
		return r, err
	}
	c.raw.SetDeadline(time.Time{}) // that of the last command
	tc := client(c.raw, cfg, clear)
	hctx, cancel := context.WithTimeout(ctx, handshake)
	defer cancel()
	if err := tc.HandshakeContext(hctx); err != nil {
		c.fail(err)
		return r, handshakeError(ctx, err)
	}
	c.nc = tc
	c.startReader(tc)
	return r, nil
}

func handshakeError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, io.EOF) {
		err = &proto.LostError{Err: err}
	}
	return fmt.Errorf("TLS handshake: %w", silence(err))
}

// silence calls the end of a limit of ours by its name.
func silence(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return proto.ErrSilent
	}
	return err
}

// TLS returns the state of TLS on the connection, the last one if CCC has
// ended it, and whether there is any now.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	tc, ok := c.nc.(*tls.Conn)
	if !ok {
		return c.past, false
	}
	return tc.ConnectionState(), true
}

// Raw returns the socket, for its addresses.
func (c *Conn) Raw() net.Conn { return c.raw }

// Close ends the connection in good order and waits for the reader.
func (c *Conn) Close() error {
	if tc, ok := c.nc.(*tls.Conn); ok {
		// close_notify must not wait for a peer that does not read.
		tc.SetWriteDeadline(time.Now().Add(time.Second))
		tc.CloseWrite()
	}
	err := c.raw.Close()
	c.fail(net.ErrClosed)
	c.readers.Wait()
	return err
}

// Reset ends the connection with a TCP reset if the socket can, so that a
// server behind a box that swallows what we send learns of it: after a plain
// close it would count the connection for as long as its own timers run.
func (c *Conn) Reset() {
	if l, ok := c.raw.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
	c.raw.Close()
	c.fail(net.ErrClosed)
	c.readers.Wait()
}
