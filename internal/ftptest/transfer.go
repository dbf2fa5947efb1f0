package ftptest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// awaitTimeout bounds the wait for the client's close ahead of a 226.
const awaitTimeout = 10 * time.Second

// chunk is how much is read or written at once.
const chunk = 64 << 10

// errNoReuse is returned for a TLS session that was not resumed.
var errNoReuse = errors.New("ftptest: TLS session not resumed")

// transfer moves data in a goroutine of its own and gives both of its replies.
type transfer struct {
	s    *session
	step *Step
	verb string
	vars []string  // of its replies
	send io.Reader // what is sent, or
	recv io.Writer // where to put what is received
	list bool      // it is a listing
	tls  bool
	done chan struct{}

	truncated bool // the listing was cut short

	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	wire    *wire
	aborted bool
	quiet   bool
	last    bool // the closing reply is on its way
}

// startTransfer begins a transfer over the pending data connection. It refuses
// where there is none.
func (s *session) startTransfer(t *transfer) {
	if s.xfer != nil {
		s.say("during")
		return
	}
	if s.srv.RequireTLS && !s.private {
		s.say("tls.data")
		return
	}
	p := s.data
	if p == nil {
		s.say("nodata")
		return
	}
	s.data = nil
	t.vars = append(t.vars, s.vars()...)
	t.s, t.step, t.tls, t.done = s, s.cur, s.private, make(chan struct{})
	t.ctx, t.cancel = context.WithCancel(s.ctx)
	p.start(s)
	s.xfer = t
	ok := s.srv.start(func() {
		defer close(t.done)
		defer t.cancel()
		t.run(p)
	})
	if !ok {
		t.cancel()
		close(t.done)
		p.drop()
	}
}

// abort ends the transfer; quiet suppresses its closing reply.
func (t *transfer) abort(quiet bool) {
	t.cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aborted, t.last, t.quiet = true, true, quiet
	if t.wire != nil {
		_ = t.wire.Close()
	}
}

// say sends a reply unless the transfer was ended quietly.
func (t *transfer) say(key string, override string) {
	t.mu.Lock()
	quiet := t.quiet
	t.mu.Unlock()
	switch {
	case quiet:
	case override != "":
		t.s.reply(override)
	default:
		t.s.reply(t.s.p.text(key, t.vars...))
	}
}

// finish gives the closing reply.
func (t *transfer) finish(key string) {
	t.mu.Lock()
	t.last = !t.step.Early
	t.mu.Unlock()
	t.say(t.key(key), t.step.Final)
}

// closing reports whether the closing reply is on its way: what the client sends
// from then on comes after the transfer.
func (t *transfer) closing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// key returns the key of a reply that a listing, or this command, may have for
// itself.
func (t *transfer) key(key string) string {
	if list := "list." + key; t.list && t.s.p.has(list) {
		return list
	}
	if own := t.verb + "." + key; t.s.p.has(own) {
		return own
	}
	return key
}

// run is the life of a transfer.
func (t *transfer) run(p *pending) {
	wire, ok := t.open(p)
	if !ok {
		return
	}
	defer func() { _ = wire.Close() }()
	wire.arm()
	if t.step.After150 != "" {
		_ = wire.Close()
		t.say("", t.step.After150)
		return
	}
	if t.step.Early {
		t.finish(t.ending())
	}
	conn, err := t.secure(wire)
	if err == nil {
		err = t.move(conn)
		if err == nil {
			t.awaitClose(conn, wire)
		}
		closeConn(conn, wire)
	}
	if !t.step.Early {
		t.conclude(wire, err)
	}
}

// ending is the key of the reply to a transfer that went well.
func (t *transfer) ending() string {
	if t.truncated {
		return "truncated"
	}
	return "end"
}

// conclude gives the closing reply that err calls for.
func (t *transfer) conclude(w *wire, err error) {
	switch {
	case err == nil:
		t.finish(t.ending())
	case errors.Is(err, errNoReuse):
		_ = w.Close()
		t.finish("tls.reuse")
		if t.s.p.ReuseCloses {
			t.s.wire.end(Cut)
		}
	case errors.Is(err, errQuota):
		t.finish("quota")
	case t.isAborted():
		t.finish("aborted")
	default:
		_ = w.Close()
		t.finish("broken")
	}
}

func (t *transfer) isAborted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.aborted
}

// open establishes the data connection and gives the preliminary reply, in the
// order of the personality. It has given a closing reply if it fails.
func (t *transfer) open(p *pending) (*wire, bool) {
	s := t.s
	begun := "begin"
	switch s.p.Begin {
	case ReplyFirst:
		t.begin(begun)
	case ReplyEither:
		if p.ready() {
			begun = "begin.open"
		}
		t.begin(begun)
	}
	timeout := orDefault(s.srv.ConnectTimeout, defaultConnectTimeout)
	if p.passive {
		timeout = orDefault(s.srv.AcceptTimeout, defaultAcceptTimeout)
	}
	w, err := p.wait(t.ctx, timeout)
	if err != nil {
		s.srv.tally(func(c *Counters) { c.DataFailed++ })
		t.finish("noconn")
		return nil, false
	}
	if p.passive && s.p.CheckPeer && addrPort(w.RemoteAddr()).Addr() != s.remote.Addr() {
		s.srv.tally(func(c *Counters) { c.DataFailed++ })
		_ = w.Close()
		t.finish("badpeer")
		return nil, false
	}
	t.adopt(w)
	if s.p.Begin == DataFirst {
		t.begin(begun)
	}
	return w, true
}

// begin gives the preliminary reply.
func (t *transfer) begin(key string) {
	t.say(t.key(key), t.step.Preliminary)
}

// adopt lets abort reach the connection.
func (t *transfer) adopt(w *wire) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wire = w
	if t.aborted {
		_ = w.Close()
	}
}

// secure does the TLS handshake if the client asked for one.
func (t *transfer) secure(w *wire) (net.Conn, error) {
	if !t.tls {
		return w, nil
	}
	conn := tls.Server(w, t.s.tlsConf)
	if err := conn.HandshakeContext(t.ctx); err != nil {
		return nil, err
	}
	if t.s.srv.RequireReuse && !conn.ConnectionState().DidResume {
		closeConn(conn, w)
		return nil, errNoReuse
	}
	return conn, nil
}

// move copies the data, at the speed of the server's Rate.
func (t *transfer) move(conn net.Conn) error {
	dst, src := io.Writer(conn), t.send
	if t.recv != nil {
		dst, src = t.recv, conn
	}
	size := int64(chunk)
	if rate := t.s.srv.Rate; rate > 0 {
		size = max(1, min(size, rate/10))
	}
	buf := make([]byte, size)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			if rate := t.s.srv.Rate; rate > 0 {
				t.s.pause(t.ctx, time.Duration(n)*time.Second/time.Duration(rate))
			}
		}
		if err != nil {
			return t.ended(err)
		}
	}
}

// ended tells the end of the data from a failure. crypto/tls takes the end of the
// stream between two records for a closure alert; only the wire knows.
func (t *transfer) ended(err error) error {
	if t.recv == nil || !t.tls {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if t.s.srv.RequireCloseNotify && t.wire.atEOF() {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// awaitClose ends the server's side of a download and waits for the client's, as
// some servers do ahead of the 226.
func (t *transfer) awaitClose(conn net.Conn, w *wire) {
	if !t.s.p.AwaitClose || t.recv != nil {
		return
	}
	if c, ok := conn.(*tls.Conn); ok {
		_ = c.CloseWrite()
	}
	_ = w.CloseWrite()
	timer := time.AfterFunc(awaitTimeout, func() { _ = w.Close() })
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, conn)
}
