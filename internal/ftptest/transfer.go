package ftptest

import (
	"bufio"
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

// lingerTimeout bounds the wait for the acknowledgement of the end of the data:
// vsftpd's data_connection_timeout.
const lingerTimeout = 5 * time.Minute

// chunk is how much is read or written at once.
const chunk = 64 << 10

// errNoAck is returned when the end of the data was not acknowledged in time.
var errNoAck = errors.New("ftptest: the end of the data was not acknowledged")

// errNoReuse is returned for a TLS session that was not resumed.
var errNoReuse = errors.New("ftptest: TLS session not resumed")

// transfer moves data in a goroutine of its own and gives both of its replies.
type transfer struct {
	c    *control
	step *Step
	verb string
	vars []string  // of its replies
	send io.Reader // what is sent, or
	recv io.Writer // where to put what is received
	list bool      // it is a listing
	tls  bool
	done chan struct{}
	gate *gate // belongs to the session; nil when there is none, or it was passed

	truncated  bool // the listing was cut short
	unreadable bool // what it lists may not be read

	place func(whole bool) // what becomes of an upload, ahead of its closing reply

	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	wire    *wire
	aborted bool
	quiet   bool
	last    bool // the closing reply is on its way
}

// start begins a transfer over the pending data connection. It refuses
// where there is none.
func (t *transfer) start(s *session) {
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
	t.c, t.step, t.tls, t.done = &s.control, s.cur, s.private, make(chan struct{})
	t.ctx, t.cancel = context.WithCancel(s.ctx)
	if s.p.Control.During == BeforeBegin {
		s.answerShared()
	}
	p.start(t.c)
	s.xfer, s.chain = t, true
	if s.behind && s.p.Control.During != Queue {
		t.gate = newGate()
	}
	g := t.gate
	t.beginEarly(p)
	ok := s.srv.start(func() {
		defer close(t.done)
		defer t.cancel()
		t.run(p, g)
	})
	if !ok {
		t.cancel()
		close(t.done)
		p.drop()
	}
}

// abort ends the transfer; quiet suppresses its closing reply.
func (t *transfer) abort(quiet bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aborted, t.last, t.quiet = true, true, quiet
	t.cancel()
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
		t.c.reply(override)
	default:
		t.c.reply(t.c.p.text(key, t.vars...))
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
	if list := "list." + key; t.list && t.c.p.has(list) {
		return list
	}
	if own := t.verb + "." + key; t.c.p.has(own) {
		return own
	}
	return key
}

// run is the life of a transfer.
func (t *transfer) run(p *pending, g *gate) {
	if t.place != nil {
		defer func() { t.placed(false) }()
	}
	wire, ok := t.open(p)
	if !ok {
		return
	}
	defer func() {
		if !t.c.p.Data.KeepUpload || t.recv == nil {
			_ = wire.Close()
		}
	}()
	t.stop(g)
	wire.arm()
	t.limit(wire.index)
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
			err = t.awaitEnd(conn, wire)
		}
		switch {
		case t.c.p.Data.KeepUpload && t.recv != nil:
		case t.c.p.TLS.NoNotify:
			_ = wire.Close()
		default:
			closeConn(conn, wire)
		}
	}
	t.placed(err == nil)
	if !t.step.Early {
		t.conclude(wire, err)
	}
}

// limit applies SendMost.
func (t *transfer) limit(index int) {
	for _, i := range []int{index, 0} {
		if most, ok := t.c.srv.Limits.SendMost[i]; ok && t.send != nil {
			t.send = io.LimitReader(t.send, most)
			return
		}
	}
}

// placed settles, once, what becomes of an upload.
func (t *transfer) placed(whole bool) {
	if place := t.place; place != nil {
		t.place = nil
		place(whole)
	}
}

// ending is the key of the reply to a transfer that went well.
func (t *transfer) ending() string {
	switch {
	case t.truncated:
		return "truncated"
	case t.unreadable:
		return "unreadable"
	}
	return "end"
}

// conclude gives the closing reply that err calls for.
func (t *transfer) conclude(w *wire, err error) {
	switch {
	case err == nil:
		t.finish(t.ending())
	case t.c.ctx.Err() != nil: // the session is over
		_ = w.Close()
	case errors.Is(err, errNoReuse):
		_ = w.Close()
		t.finish("tls.reuse")
		if t.c.p.TLS.ReuseCloses {
			t.c.end(Cut)
		}
	case errors.Is(err, errNoAck):
		t.finish("noack")
		t.c.end(Cut)
	case errors.Is(err, errQuota):
		t.finish("quota")
	case t.isAborted():
		t.finish("aborted")
	default:
		_ = w.Close()
		t.finish("broken")
		if t.c.p.Data.DoubleClose {
			t.say("broken.after", "")
		}
	}
}

func (t *transfer) isAborted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.aborted
}

// beginEarly gives the preliminary reply where it does not wait for the data
// connection.
func (t *transfer) beginEarly(p *pending) {
	switch {
	case t.c.p.Data.Begin == ReplyEither && p.ready():
		t.begin("begin.open")
	case t.c.p.Data.Begin != DataFirst:
		t.begin("begin")
	}
}

// open establishes the data connection and gives the preliminary reply if that
// has waited for it. It has given a closing reply if it fails.
func (t *transfer) open(p *pending) (*wire, bool) {
	timeout := orDefault(t.c.srv.Limits.ConnectTimeout, defaultConnectTimeout)
	if p.passive {
		timeout = orDefault(t.c.srv.Limits.AcceptTimeout, defaultAcceptTimeout)
	}
	w, err := p.wait(t.ctx, timeout)
	if err != nil {
		t.c.srv.rec.tally(func(n *Counters) { n.DataFailed++ })
		t.finish("noconn")
		return nil, false
	}
	if p.passive && t.c.p.Data.CheckPeer && addrPort(w.RemoteAddr()).Addr() != t.c.remote.Addr() {
		t.c.srv.rec.tally(func(n *Counters) { n.DataFailed++ })
		_ = w.Close()
		t.finish("badpeer")
		return nil, false
	}
	t.adopt(w)
	if t.c.p.Data.Begin == DataFirst {
		t.begin("begin")
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
	if !t.tls || t.c.p.TLS.Lazy && t.nothing() {
		return w, nil
	}
	conn := tls.Server(w, t.c.tlsConf)
	if err := conn.HandshakeContext(t.ctx); err != nil {
		return nil, err
	}
	if t.c.srv.RequireReuse && !conn.ConnectionState().DidResume {
		closeConn(conn, w)
		return nil, errNoReuse
	}
	return conn, nil
}

// nothing reports whether there is nothing to send.
func (t *transfer) nothing() bool {
	r, ok := t.send.(interface{ Len() int })
	if ok {
		return r.Len() == 0
	}
	s, ok := t.send.(*io.SectionReader)
	return ok && s.Size() == 0
}

// move copies the data, at the speed of the server's Rate.
func (t *transfer) move(conn net.Conn) error {
	dst, src := io.Writer(conn), t.send
	if t.recv != nil {
		dst, src = t.recv, conn
	}
	if t.list && t.c.p.TLS.LineRecords {
		src = lineReader{bufio.NewReaderSize(src, chunk)}
	}
	size := int64(chunk)
	if rate := t.c.srv.Limits.Rate; rate > 0 {
		size = max(1, min(size, rate/10))
	}
	buf := make([]byte, size)
	for t.ctx.Err() == nil {
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			if rate := t.c.srv.Limits.Rate; rate > 0 {
				t.c.pause(t.ctx, time.Duration(n)*time.Second/time.Duration(rate))
			}
		}
		if err != nil {
			return t.ended(err)
		}
	}
	return t.ctx.Err()
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
	if t.c.srv.RequireCloseNotify && t.wire.atEOF() {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// awaitEnd ends the server's side of the data connection and waits for as much
// of the client's as the server wants to see ahead of the closing reply.
func (t *transfer) awaitEnd(conn net.Conn, w *wire) error {
	awaitClose := t.c.p.Data.AwaitClose && t.recv == nil
	if !t.c.p.Data.Linger && !awaitClose {
		return nil
	}
	if c, ok := conn.(*tls.Conn); ok && !t.c.p.TLS.NoNotify {
		_ = c.CloseWrite()
	}
	_ = w.CloseWrite()
	if t.c.p.Data.Linger {
		return t.awaitAck(w)
	}
	timer := time.AfterFunc(awaitTimeout, func() { _ = w.Close() })
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, conn)
	return nil
}

// awaitAck waits until the client's host has acknowledged the end of the data,
// where the network can tell. A reset is as good as that.
func (t *transfer) awaitAck(w *wire) error {
	c, ok := w.Conn.(interface{ AwaitAck(context.Context) error })
	if !ok || w.state() != Keep {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, lingerTimeout)
	defer cancel()
	if errors.Is(c.AwaitAck(ctx), context.DeadlineExceeded) {
		return errNoAck
	}
	return nil
}
