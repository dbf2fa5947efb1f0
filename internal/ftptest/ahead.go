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
	if d, ok := p.Control.Delays[key]; ok || key == Greeting {
		return d
	}
	return p.Control.Delays[Any]
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
		if s.p.Control.Early == RefuseAhead {
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
	case s.p.Control.Ahead == LastFirst:
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
