package ftptest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Limits on what a client may send.
const (
	maxLine    = 4096 // bytes of one command line
	maxPending = 64   // commands kept while a transfer runs
)

// errTooLong is returned for a command line over the limit; it was skipped.
var errTooLong = errors.New("ftptest: command line too long")

// control is a control connection: command lines come in, replies go out.
type control struct {
	srv           *Server
	p             *Personality
	id            int
	local, remote netip.AddrPort
	ctx           context.Context
	cancel        context.CancelFunc
	log           *dialog
	quit          bool // the session is over

	wire    *wire
	conn    net.Conn // wire, or TLS over it
	tlsConf *tls.Config

	br     *bufio.Reader
	in     chan input
	more   chan struct{}
	parked bool // the reader stands still, so that br is the loop's

	wmu sync.Mutex // orders replies
	out []byte     // replies that wait for others
}

// write sends bytes, or keeps them for as long as the personality says, so that
// later ones travel in the same segment. wmu is held.
func (c *control) write(raw []byte) {
	if c.p.Control.Coalesce == 0 {
		_, _ = c.conn.Write(raw) // the reader meets the error too
		return
	}
	first := len(c.out) == 0
	c.out = append(c.out, raw...)
	if !first {
		return
	}
	ok := c.srv.start(func() {
		c.pause(c.ctx, c.p.Control.Coalesce)
		c.flush()
	})
	if !ok {
		c.flushLocked()
	}
}

// flush sends what write has kept.
func (c *control) flush() {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.flushLocked()
}

func (c *control) flushLocked() {
	if out := c.out; len(out) > 0 && c.wire.state() == Keep {
		c.out = nil
		_, _ = c.conn.Write(out)
	}
}

// end ends the control connection in the given way, after what was said.
func (c *control) end(kind Ending) {
	if kind != Keep {
		c.flush()
	}
	c.wire.end(kind)
}

// hangUp closes the control connection.
func (c *control) hangUp() {
	c.flush()
	closeConn(c.conn, c.wire)
}

// endless sends text until the connection fails.
func (c *control) endless(text string) {
	block := []byte(strings.Repeat(text, maxLine/len(text)+1))
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.flushLocked()
	for {
		if _, err := c.conn.Write(block); err != nil {
			c.quit = true
			return
		}
	}
}

// pause waits for d in real or virtual time, or for the context.
func (c *control) pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// reply sends a reply whose lines are separated by "\n".
func (c *control) reply(text string) {
	if text == "" || text == None {
		return
	}
	c.send([]byte(strings.ReplaceAll(text, "\n", "\r\n")+"\r\n"), text)
}

// send writes bytes to the control connection and records them as text. An error
// is left to the reader, which meets it too.
func (c *control) send(raw []byte, text string) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.srv.rec.record(c.log, Sent, text)
	c.write(raw)
}

// readLines hands command lines to the loop, one at a time: the connection may
// turn into another before the next is read.
func (c *control) readLines() {
	for {
		shared := c.br.Buffered() > 0
		line, err := c.next()
		select {
		case c.in <- input{line, err, shared, c.lineBuffered()}:
		case <-c.ctx.Done():
			return
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return
		}
		select {
		case <-c.more:
		case <-c.ctx.Done():
			return
		}
	}
}

// next reads one command line.
func (c *control) next() (string, error) {
	line, err := readCommand(c.br)
	if err != nil {
		return "", err
	}
	return unTelnet(line, c.p.Control.Telnet), nil
}

// lineBuffered reports whether another whole line was read already.
func (c *control) lineBuffered() bool {
	b, _ := c.br.Peek(c.br.Buffered())
	return bytes.IndexByte(b, '\n') >= 0
}

// startTLS turns the control connection into TLS.
func (c *control) startTLS() error {
	if c.tlsConf == nil {
		return io.ErrUnexpectedEOF
	}
	c.flush()
	conn := tls.Server(c.wire, c.tlsConf)
	if err := conn.HandshakeContext(c.ctx); err != nil {
		return err
	}
	c.wmu.Lock()
	c.conn = conn
	c.wmu.Unlock()
	if c.br != nil {
		// What came in the clear ahead of the handshake is dropped (RFC 2595, 2.4).
		c.br.Reset(conn)
	}
	return nil
}

// waiting reports whether the client has sent more than was taken. It knows only
// while the reader of the control connection stands still.
func (c *control) waiting() bool {
	if !c.parked {
		return false
	}
	if c.br.Buffered() > 0 {
		return true
	}
	if b, ok := c.wire.Conn.(interface{ Buffered() int }); ok {
		return b.Buffered() > 0
	}
	return c.watch(glance)
}

// watch waits for up to d for a byte of the client's and reports whether one came.
func (c *control) watch(d time.Duration) bool {
	start := time.Now()
	_ = c.conn.SetReadDeadline(start.Add(d))
	_, err := c.br.Peek(1)
	_ = c.conn.SetReadDeadline(time.Time{})
	if err == nil {
		return true
	}
	c.pause(c.ctx, d-time.Since(start)) // a stream that has ended fails at once
	return false
}

// input is a command line or what ended them.
type input struct {
	line   string
	err    error
	shared bool // it came in one read with what was ahead of it
	behind bool // that read brought another line
}

// closeConn closes a connection that may be TLS over w. Where w has ended, no
// closure alert is tried: on a silent connection it would never be written.
func closeConn(conn net.Conn, w *wire) {
	if w.state() == Keep {
		_ = conn.Close()
	}
	_ = w.Close()
}

// readCommand reads one line without its end; a longer one is skipped whole.
func readCommand(br *bufio.Reader) (string, error) {
	line, err := br.ReadSlice('\n')
	if err == nil {
		return strings.TrimRight(string(line), "\r\n"), nil
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		return "", err
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = br.ReadSlice('\n')
	}
	if err != nil {
		return "", err
	}
	return "", errTooLong
}

// Telnet's escape and the range of its commands that take an option.
const (
	telnetIAC  = 0xff
	telnetWill = 0xfb
	telnetDont = 0xfe
)

// unTelnet removes Telnet commands ahead of the line, and if whole is set, in it,
// where it also halves a doubled escape (RFC 854).
func unTelnet(line string, whole bool) string {
	var b strings.Builder
	for i := 0; i < len(line); i++ {
		if line[i] != telnetIAC || (!whole && b.Len() > 0) {
			b.WriteByte(line[i])
			continue
		}
		if i++; i == len(line) {
			break
		}
		switch c := line[i]; {
		case c == telnetIAC:
			b.WriteByte(c)
		case c >= telnetWill && c <= telnetDont:
			i++
		}
	}
	return b.String()
}

// cutCommand returns the verb in upper case and the argument as it stands.
func cutCommand(line string) (verb, arg string) {
	verb, arg, _ = strings.Cut(line, " ")
	return strings.ToUpper(verb), arg
}
