package ftptest

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// session is what is done over one control connection. Its fields belong to the
// goroutine of run, but for those of control that a transfer uses through methods.
type session struct {
	control
	dataSide
	state
	script script

	cur    *Step
	verb   string // of the command that is carried out
	before string // of the one before it

	behind  bool // what was read holds another line
	chain   bool // every command since the transfer's came in one read with it
	refuse  bool // the next command came before the last one was answered
	pending []kept

	pbsz       bool
	private    bool // PROT P
	unreadable bool // what is listed may not be read
}

// state is what REIN and AUTH bring back to what it was before a login.
type state struct {
	user     string
	loggedIn bool
	cwd      string
	ascii    bool
	rest     int64
	rnfr     string
	epsvAll  bool
	pret     bool
	facts    []string
}

// newState returns the state before a login.
func newState() state { return state{cwd: "/", ascii: true, facts: defaultFacts} }

func newSession(srv *Server, id int, w *wire) *session {
	s := &session{state: newState(), script: script{seen: make(map[string]int)}, cur: noStep}
	s.control = control{
		srv: srv, p: &srv.Personality, id: id, wire: w, conn: w,
		local: addrPort(w.LocalAddr()), remote: addrPort(w.RemoteAddr()),
		in: make(chan input), more: make(chan struct{}),
	}
	s.dataSide.c = &s.control
	s.ctx, s.cancel = context.WithCancel(srv.life.ctx)
	s.log = srv.rec.dialog(id, s.remote, w)
	if srv.TLS != nil {
		// A clone has ticket keys of its own: a session resumes this connection's only.
		s.tlsConf = srv.TLS.Clone()
	}
	return s
}

// run is the life of a session. A name in full is the reply that turns the
// client away.
func (s *session) run(full string) {
	defer s.srv.rec.finished(s.log)
	defer s.cancel()
	defer s.hangUp()
	defer s.dropData()
	if s.srv.ImplicitTLS {
		if s.startTLS() != nil {
			return
		}
		s.private = !s.p.TLS.ClearData
	}
	if full != "" {
		s.say(full)
		s.wire.end(Cut)
		return
	}
	s.br = bufio.NewReaderSize(s.conn, maxLine)
	if s.p.Control.ReadSize > 0 {
		s.br = bufio.NewReaderSize(&joiner{conn: s.conn, size: s.p.Control.ReadSize}, s.p.Control.ReadSize)
	}
	s.greet()
	var reader sync.WaitGroup
	defer reader.Wait()
	defer s.hangUp() // ends the reader
	defer s.cancel()
	reader.Go(s.readLines)
	s.loop()
}

// greet sends the first reply, or what the script has in its place.
func (s *session) greet() {
	s.parked = true
	defer func() { s.parked = false }()
	st := s.script.step(&s.control, Greeting, "")
	if !s.hold(Greeting, st, s.p.Control.Early) {
		return
	}
	if !s.play(st) {
		s.say("greeting")
	}
	s.end(st.Then)
	if s.p.Control.Early == FirstOnly || s.p.Control.Early == RefuseAhead {
		s.earlyTalk()
	}
}

// loop takes commands and the ends of transfers until the session is over.
func (s *session) loop() {
	for !s.quit {
		in, done := s.in, (chan struct{})(nil)
		if s.xfer != nil {
			done = s.xfer.done
			if s.p.Control.During == Queue || len(s.pending) == maxPending {
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
	if s.srv.Limits.IdleTimeout == 0 || s.xfer != nil {
		return nil, func() {}
	}
	timer := time.NewTimer(s.srv.Limits.IdleTimeout)
	return timer.C, func() { timer.Stop() }
}

// take handles what the reader brought and lets it go on.
func (s *session) take(cmd input) {
	if s.p.Control.Ahead == FirstOnly {
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
	s.script.lines++
	s.srv.rec.record(s.log, Received, line)
	_, arg := cutCommand(line)
	return s.script.step(&s.control, verb, arg)
}

// handle carries out one command line.
func (s *session) handle(line string) {
	verb, arg := cutCommand(line)
	s.before, s.verb = s.verb, verb
	st := s.heard(verb, line)
	if st.Do != nil {
		defer st.Do()
	}
	way := s.p.Control.Ahead
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
	exec(s, verb, arg)
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
