package memnet

import (
	"bytes"
	"strings"
	"time"
)

// Inspector reads the control connections that cross it as a firewall or a proxy
// does that knows FTP as one command and then its reply. What each field says is
// done to a command that offends; Relay, the zero value, tolerates it.
type Inspector struct {
	Early      Action // to what the client says before the server's greeting
	Ahead      Action // to a command that comes before the one before it was answered
	Shared     Action // to a command behind another one in the same segment
	Long       Action // to a segment of more bytes than MaxSegment
	MaxSegment int

	// Answers are the replies that it gives itself in place of the server, by the
	// verb of the command: at once, or right behind the greeting.
	Answers map[string]string

	ControlPort uint16 // zero means 21
}

type inspectDevice struct {
	base
	Inspector
}

func (b Inspector) install(*Network) device { return &inspectDevice{Inspector: b} }

func (d *inspectDevice) open(p *syn, _ Direction) (Verdict, filter) {
	if p.dst.Port() != controlPort(d.ControlPort) {
		return Pass, nil
	}
	return Pass, &inspectFlow{box: d}
}

// inspectFlow is a control connection that is read.
type inspectFlow struct {
	box     *inspectDevice
	greeted bool
	waiting bool // for the reply to a command
	replies lineReader
	held    []byte // replies of the box's own, until the greeting
}

func (f *inspectFlow) segment(from End, s *segment) Action {
	switch {
	case s.kind != data:
		return Relay
	case from == Server:
		f.replies.next(s.data, func(line []byte) bool {
			if isReply(line) {
				f.greeted, f.waiting = true, false
			}
			return true
		})
		if f.greeted && len(f.held) > 0 {
			s.data, f.held = append(s.data, f.held...), nil
		}
		return Relay
	case f.box.MaxSegment > 0 && len(s.data) > f.box.MaxSegment && f.box.Long != Relay:
		if f.box.Long != Discard {
			return f.box.Long
		}
		f.keep(s, s.data[:0])
		return Relay
	}
	return f.commands(s)
}

// commands judges the commands of a segment, one after the other.
func (f *inspectFlow) commands(s *segment) Action {
	var kept []byte
	shared := false
	for line := range bytes.Lines(s.data) {
		action := f.judge(shared)
		shared = true
		switch {
		case action == Discard:
			continue
		case action != Relay:
			return action
		case f.answers(s, line):
			continue
		}
		kept = append(kept, line...)
		f.waiting = true
	}
	f.keep(s, kept)
	return Relay
}

// judge says what is done to the next command.
func (f *inspectFlow) judge(shared bool) Action {
	switch {
	case !f.greeted && f.box.Early != Relay:
		return f.box.Early
	case shared && f.box.Shared != Relay:
		return f.box.Shared
	case f.waiting:
		return f.box.Ahead
	}
	return Relay
}

// answers gives the box's own reply to a command, where it has one.
func (f *inspectFlow) answers(s *segment, line []byte) bool {
	verb, _, _ := strings.Cut(string(bytes.TrimSpace(line)), " ")
	reply, ok := f.box.Answers[strings.ToUpper(verb)]
	switch {
	case ok && f.greeted:
		s.answer = append(s.answer, reply+"\r\n"...)
	case ok:
		f.held = append(f.held, reply+"\r\n"...)
	}
	return ok
}

// keep leaves some bytes of a segment.
func (f *inspectFlow) keep(s *segment, kept []byte) {
	if len(kept) != len(s.data) {
		s.data = kept
		f.box.counters.Rewrites++
	}
}

// isReply reports whether a line ends a reply, as far as a box can tell.
func isReply(line []byte) bool {
	return len(line) >= 4 && line[3] == ' ' && isDigit(line[0]) && isDigit(line[1]) && isDigit(line[2])
}

// Idle forgets data connections, that is those to and from other ports than
// that of control connections, which carry nothing for a while.
type Idle struct {
	After       time.Duration
	Reset       bool   // tells both ends; they are left in the dark otherwise
	ControlPort uint16 // zero means 21
}

type idleDevice struct {
	base
	Idle
	net *Network
}

func (b Idle) install(n *Network) device { return &idleDevice{Idle: b, net: n} }

func (d *idleDevice) open(p *syn, _ Direction) (Verdict, filter) {
	if p.dst.Port() == controlPort(d.ControlPort) {
		return Pass, nil
	}
	return Pass, &idleFlow{box: d, last: d.net.now()}
}

// idleFlow is a data connection.
type idleFlow struct {
	box  *idleDevice
	last time.Duration
}

func (f *idleFlow) segment(_ End, s *segment) Action {
	now := f.box.net.now()
	if now-f.last > f.box.After {
		if f.box.Reset && s.kind != rst {
			return Reset
		}
		return forget
	}
	f.last = now
	return Relay
}

// refresh implements refreshed.
func (f *idleFlow) refresh() {
	if now := f.box.net.now(); now-f.last <= f.box.After {
		f.last = now
	}
}
