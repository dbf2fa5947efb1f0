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
	"slices"
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

// session is one control connection. Its fields belong to the goroutine of run,
// but for those that a transfer uses through methods.
type session struct {
	srv           *Server
	p             *Personality
	id            int
	wire          *wire
	conn          net.Conn // wire, or TLS over it
	br            *bufio.Reader
	local, remote netip.AddrPort
	ctx           context.Context
	cancel        context.CancelFunc
	log           *dialog
	seen          map[string]int
	lines         int

	wmu sync.Mutex // orders replies
	out []byte     // replies that wait for others

	in      chan input
	more    chan struct{}
	parked  bool // the reader stands still, so that br is the loop's
	behind  bool // what was read holds another line
	chain   bool // every command since the transfer's came in one read with it
	refuse  bool // the next command came before the last one was answered
	pending []kept
	quit    bool
	tlsConf *tls.Config

	user     string
	loggedIn bool
	cwd      string
	ascii    bool
	rest     int64
	verb     string // of the command that is carried out
	before   string // of the one before it
	rnfr     string

	unreadable bool // what is listed may not be read
	private    bool // PROT P
	pbsz       bool
	epsvAll    bool
	pret       bool
	facts      []string
	cur        *Step
	data       *pending
	lost       *pending // forgotten: see LoseBehind
	xfer       *transfer
}

// input is a command line or what ended them.
type input struct {
	line   string
	err    error
	shared bool // it came in one read with what was ahead of it
	behind bool // that read brought another line
}

func newSession(srv *Server, id int, w *wire) *session {
	s := &session{
		srv: srv, p: &srv.Personality, id: id, wire: w, conn: w,
		local: addrPort(w.LocalAddr()), remote: addrPort(w.RemoteAddr()),
		seen: make(map[string]int), in: make(chan input), more: make(chan struct{}),
		cur: noStep,
	}
	s.ctx, s.cancel = context.WithCancel(srv.ctx)
	s.log = srv.dialog(id, s.remote, w)
	if srv.TLS != nil {
		// A clone has ticket keys of its own: a session resumes this connection's only.
		s.tlsConf = srv.TLS.Clone()
	}
	s.reinit()
	return s
}

// reinit brings the session into the state before login.
func (s *session) reinit() {
	s.user, s.loggedIn, s.cwd = "", false, "/"
	s.ascii, s.rest, s.rnfr = true, 0, ""
	s.epsvAll, s.pret = false, false
	s.facts = defaultFacts
}

// run is the life of a session. A name in full is the reply that turns the
// client away.
func (s *session) run(full string) {
	defer s.srv.finished(s.log)
	defer s.cancel()
	defer s.hangUp()
	defer s.dropData()
	if s.srv.ImplicitTLS && s.startTLS() != nil {
		return
	}
	if full != "" {
		s.say(full)
		s.wire.end(Cut)
		return
	}
	s.br = bufio.NewReaderSize(s.conn, maxLine)
	if s.p.ReadSize > 0 {
		s.br = bufio.NewReaderSize(&joiner{conn: s.conn, size: s.p.ReadSize}, s.p.ReadSize)
	}
	s.greet()
	var reader sync.WaitGroup
	defer reader.Wait()
	defer s.hangUp() // ends the reader
	defer s.cancel()
	reader.Go(s.readLines)
	s.loop()
}

// hangUp closes the control connection.
func (s *session) hangUp() {
	s.flush()
	closeConn(s.conn, s.wire)
}

// closeConn closes a connection that may be TLS over w. Where w has ended, no
// closure alert is tried: on a silent connection it would never be written.
func closeConn(conn net.Conn, w *wire) {
	if w.state() == Keep {
		_ = conn.Close()
	}
	_ = w.Close()
}

// greet sends the first reply, or what the script has in its place.
func (s *session) greet() {
	s.parked = true
	defer func() { s.parked = false }()
	st := s.step(Greeting, "")
	if !s.hold(Greeting, st, s.p.Early) {
		return
	}
	if !s.play(st) {
		s.say("greeting")
	}
	s.end(st.Then)
	if s.p.Early == FirstOnly || s.p.Early == RefuseAhead {
		s.earlyTalk()
	}
}

// loop takes commands and the ends of transfers until the session is over.
func (s *session) loop() {
	for !s.quit {
		in, done := s.in, (chan struct{})(nil)
		if s.xfer != nil {
			done = s.xfer.done
			if s.p.During == Queue || len(s.pending) == maxPending {
				in = nil
			}
		}
		timer, stop := s.idle()
		select {
		case <-s.ctx.Done():
			s.quit = true
		case <-done:
			s.endTransfer()
		case <-timer:
			s.say("idle")
			s.quit = true
		case cmd := <-in:
			s.take(cmd)
		}
		stop()
	}
}

// idle returns the channel that fires when the client is silent for too long.
func (s *session) idle() (<-chan time.Time, func()) {
	if s.srv.IdleTimeout == 0 || s.xfer != nil {
		return nil, func() {}
	}
	timer := time.NewTimer(s.srv.IdleTimeout)
	return timer.C, func() { timer.Stop() }
}

// take handles what the reader brought and lets it go on.
func (s *session) take(cmd input) {
	if s.p.Ahead == FirstOnly {
		_, _ = s.br.Discard(s.br.Buffered())
		cmd.behind = false
	}
	s.parked, s.behind = true, cmd.behind
	switch {
	case errors.Is(cmd.err, errTooLong):
		s.say("toolong")
	case cmd.err != nil:
		s.quit = true
		return
	default:
		s.dispatch(cmd)
	}
	if s.xfer != nil && (!s.behind || len(s.pending) == maxPending) {
		s.xfer.release()
	}
	s.parked, s.behind = false, false
	select {
	case s.more <- struct{}{}:
	case <-s.ctx.Done():
	}
}

// dispatch handles a command during a transfer or outside of one.
func (s *session) dispatch(cmd input) {
	for s.xfer != nil && s.xfer.closing() {
		<-s.xfer.done
		s.endTransfer()
	}
	if s.xfer != nil {
		s.interject(cmd)
		return
	}
	s.inTurn(cmd.line)
}

// heard records a command and returns the step for it.
func (s *session) heard(verb, line string) *Step {
	s.lines++
	s.srv.record(s.log, Received, line)
	_, arg := cutCommand(line)
	return s.step(verb, arg)
}

// handle carries out one command line.
func (s *session) handle(line string) {
	verb, arg := cutCommand(line)
	s.before, s.verb = s.verb, verb
	st := s.heard(verb, line)
	if st.Do != nil {
		defer st.Do()
	}
	way := s.p.Ahead
	if s.xfer != nil || slices.Contains(movers, verb) {
		way = InOrder
	}
	if !s.hold(verb, st, way) {
		return
	}
	s.refuse = way == RefuseAhead && s.waiting()
	if s.play(st) {
		s.end(st.Then)
		return
	}
	if st.As != "" {
		verb, arg = cutCommand(st.As)
	}
	s.cur = st
	s.exec(verb, arg)
	s.cur = noStep
	if s.xfer == nil || s.xfer.step != st {
		s.end(st.Then)
	}
}

// play says what a step says ahead of the command, and reports whether it stood
// in the command's place.
func (s *session) play(st *Step) bool {
	if st.Before != "" {
		s.reply(st.Before)
	}
	if st.Endless != "" {
		s.endless(st.Endless)
	}
	if st.Raw != "" {
		s.send([]byte(st.Raw), st.Raw)
	}
	if st.Reply != "" && st.Reply != None {
		s.reply(st.Reply)
	}
	return st.replaces()
}

// endless sends text until the connection fails.
func (s *session) endless(text string) {
	block := []byte(strings.Repeat(text, maxLine/len(text)+1))
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.flushLocked()
	for {
		if _, err := s.conn.Write(block); err != nil {
			s.quit = true
			return
		}
	}
}

// pause waits for d in real or virtual time, or for the context.
func (s *session) pause(ctx context.Context, d time.Duration) {
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
func (s *session) reply(text string) {
	if text == "" || text == None {
		return
	}
	s.send([]byte(strings.ReplaceAll(text, "\n", "\r\n")+"\r\n"), text)
}

// send writes bytes to the control connection and records them as text. An error
// is left to the reader, which meets it too.
func (s *session) send(raw []byte, text string) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.srv.record(s.log, Sent, text)
	s.write(raw)
}

// readLines hands command lines to the loop, one at a time: the connection may
// turn into another before the next is read.
func (s *session) readLines() {
	for {
		shared := s.br.Buffered() > 0
		line, err := s.next()
		select {
		case s.in <- input{line, err, shared, s.lineBuffered()}:
		case <-s.ctx.Done():
			return
		}
		if err != nil && !errors.Is(err, errTooLong) {
			return
		}
		select {
		case <-s.more:
		case <-s.ctx.Done():
			return
		}
	}
}

// next reads one command line.
func (s *session) next() (string, error) {
	line, err := readCommand(s.br)
	if err != nil {
		return "", err
	}
	return unTelnet(line, s.p.Telnet), nil
}

// lineBuffered reports whether another whole line was read already.
func (s *session) lineBuffered() bool {
	b, _ := s.br.Peek(s.br.Buffered())
	return bytes.IndexByte(b, '\n') >= 0
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

// startTLS turns the control connection into TLS.
func (s *session) startTLS() error {
	if s.tlsConf == nil {
		return io.ErrUnexpectedEOF
	}
	s.flush()
	conn := tls.Server(s.wire, s.tlsConf)
	if err := conn.HandshakeContext(s.ctx); err != nil {
		return err
	}
	s.wmu.Lock()
	s.conn = conn
	s.wmu.Unlock()
	if s.br != nil {
		// What came in the clear ahead of the handshake is dropped (RFC 2595, 2.4).
		s.br.Reset(conn)
	}
	s.private = s.srv.ImplicitTLS && !s.p.ClearData
	return nil
}
