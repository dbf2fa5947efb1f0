package ftptest

import (
	"slices"
	"time"
)

// Ahead is what a server does with commands that came before it had answered the
// one before them. What comes behind a command that moves data is During's matter.
type Ahead uint8

const (
	// InOrder answers all of them in the order in which they came.
	InOrder Ahead = iota
	// FirstOnly carries out the first line of what one read brought and throws the
	// rest away, whatever the first is.
	FirstOnly
	// RefuseAhead refuses them.
	RefuseAhead
	// LastFirst answers what is there from the last to the first.
	LastFirst
	// CutAhead ends the control connection in order as soon as there is one.
	CutAhead
	// ResetAhead does the same with a reset.
	ResetAhead
)

// ends reports whether commands sent ahead end the control connection, and how.
func (a Ahead) ends() Ending {
	switch a {
	case CutAhead:
		return Cut
	case ResetAhead:
		return Reset
	}
	return Keep
}

// glance is how long a server looks for bytes on a connection that cannot say
// whether there are some.
const glance = time.Millisecond

// waiting reports whether the client has sent more than was taken. It knows only
// while the reader of the control connection stands still.
func (s *session) waiting() bool {
	if !s.parked {
		return false
	}
	if s.br.Buffered() > 0 {
		return true
	}
	if c, ok := s.wire.Conn.(interface{ Buffered() int }); ok {
		return c.Buffered() > 0
	}
	return s.watch(glance)
}

// watch waits for up to d for a byte of the client's and reports whether one came.
func (s *session) watch(d time.Duration) bool {
	start := time.Now()
	_ = s.conn.SetReadDeadline(start.Add(d))
	_, err := s.br.Peek(1)
	_ = s.conn.SetReadDeadline(time.Time{})
	if err == nil {
		return true
	}
	s.pause(s.ctx, d-time.Since(start)) // a stream that has ended fails at once
	return false
}

// hold lets the time pass that an answer takes. It reports false if what came
// meanwhile ended the control connection.
func (s *session) hold(key string, st *Step, way Ahead) bool {
	d := st.Delay + s.p.delay(key)
	kind := way.ends()
	if kind == Keep || !s.parked {
		s.pause(s.ctx, d)
		return true
	}
	if d > 0 && s.watch(d) || s.waiting() {
		s.end(kind)
		s.quit = true
		return false
	}
	return true
}

// delay returns the time that the personality takes for an answer.
func (p *Personality) delay(key string) time.Duration {
	if d, ok := p.Delays[key]; ok || key == Greeting {
		return d
	}
	return p.Delays[Any]
}

// earlyTalk deals with what came before the greeting, once that has been sent.
func (s *session) earlyTalk() {
	for !s.quit && s.waiting() {
		line, err := s.next()
		if err != nil {
			return // the reader meets it too
		}
		verb, _ := cutCommand(line)
		s.heard(verb, line)
		if s.p.Early == RefuseAhead {
			s.say("ahead")
		}
	}
}

// inTurn carries out a command that came outside of a transfer, and what the
// personality takes along with it.
func (s *session) inTurn(line string) {
	switch {
	case s.refuse:
		verb, _ := cutCommand(line)
		s.heard(verb, line)
		s.refuse = s.waiting()
		s.say("ahead")
	case s.p.Ahead == LastFirst:
		s.backwards(line)
	default:
		s.handle(line)
	}
}

// backwards answers line after those that are there behind it, the last first.
func (s *session) backwards(line string) {
	lines := []string{line}
	for len(lines) < maxPending && s.waiting() {
		line, err := s.next()
		if err != nil {
			break // the reader meets it too
		}
		lines = append(lines, line)
	}
	for _, line := range slices.Backward(lines) {
		switch {
		case s.quit:
			return
		case s.xfer != nil:
			s.interject(input{line: line})
		default:
			s.handle(line)
		}
	}
}
