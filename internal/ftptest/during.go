package ftptest

import "slices"

// During is what a server does with commands that come during a transfer, those
// that came with the transfer's command included.
type During uint8

const (
	// Queue reads no command, ABOR included, until the transfer has ended.
	Queue During = iota
	// Defer obeys ABOR at once and other commands when the transfer has ended.
	Defer
	// Refuse obeys ABOR at once and refuses other commands.
	Refuse
	// Obey obeys at once; a command that opens a new data connection destroys the
	// transfer without a reply.
	Obey
	// Beside obeys at once, without harm to the transfer.
	Beside
	// BeforeBegin obeys what came with the transfer's command ahead of the
	// preliminary reply, and is Defer to what comes later.
	BeforeBegin
	// RefuseAfter refuses them, ABOR included, when the transfer has ended.
	RefuseAfter
	// Lose answers none of them, ABOR included.
	Lose
	// CutDuring ends the control connection in order at the first of them.
	CutDuring
	// ResetDuring does the same with a reset.
	ResetDuring
)

// ends reports whether commands end the control connection, and how.
func (d During) ends() Ending {
	switch d {
	case CutDuring:
		return Cut
	case ResetDuring:
		return Reset
	}
	return Keep
}

// movers are the commands that begin a transfer.
var movers = []string{"RETR", "STOR", "APPE", "STOU", "LIST", "NLST", "MLSD"}

// kept is a command that waits for the end of a transfer.
type kept struct {
	line   string
	refuse bool // it is only refused then
}

// interject handles a command that came during a transfer.
func (s *session) interject(cmd input) {
	s.chain = s.chain && cmd.shared
	verb, _ := cutCommand(cmd.line)
	switch way := s.p.Control.During; {
	case s.p.Control.KeepShared && s.chain:
		s.pending = append(s.pending, kept{line: cmd.line})
	case way == RefuseAfter:
		s.pending = append(s.pending, kept{cmd.line, true})
	case way == Lose:
		s.heard(verb, cmd.line)
	case way.ends() != Keep:
		s.xfer.awaitBegun()
		s.heard(verb, cmd.line)
		s.end(way.ends())
		s.quit = true
	case verb == "ABOR" || way == Obey:
		s.handle(cmd.line)
	case way == Beside:
		s.xfer.awaitBegun()
		s.handle(cmd.line)
	case way == Refuse:
		s.xfer.awaitBegun()
		s.heard(verb, cmd.line)
		s.say("during")
	default:
		s.pending = append(s.pending, kept{line: cmd.line})
	}
}

// endTransfer ends the transfer and carries out what came meanwhile.
func (s *session) endTransfer() {
	st := s.xfer.step
	s.xfer = nil
	s.end(st.Then)
	for len(s.pending) > 0 && s.xfer == nil && !s.quit {
		next := s.pending[0]
		s.pending = s.pending[1:]
		if !next.refuse {
			s.handle(next.line)
			if s.p.Control.LoseBehind && s.data != nil {
				s.data.start(&s.control)
				s.lost, s.data = s.data, nil
			}
			continue
		}
		verb, _ := cutCommand(next.line)
		s.heard(verb, next.line)
		s.say("during")
	}
}

// answerShared carries out what came with the transfer's command, up to the next
// such command.
func (s *session) answerShared() {
	for len(s.pending) < maxPending && !s.quit && s.waiting() {
		line, err := s.next()
		if err != nil {
			break // the reader meets it too
		}
		verb, _ := cutCommand(line)
		if len(s.pending) > 0 || slices.Contains(movers, verb) {
			s.pending = append(s.pending, kept{line: line})
			continue
		}
		s.handle(line)
	}
	s.behind = false
}

// gate holds back the data of a transfer whose command came with others, until
// those were dealt with: the server reads them ahead of writing.
type gate struct {
	begun chan struct{} // the preliminary reply was given
	pass  chan struct{} // the data may move
}

func newGate() *gate {
	return &gate{begun: make(chan struct{}), pass: make(chan struct{})}
}

// release lets the data move.
func (t *transfer) release() {
	if t.gate != nil {
		close(t.gate.pass)
		t.gate = nil
	}
}

// awaitBegun waits for the preliminary reply, where there is a gate.
func (t *transfer) awaitBegun() {
	if t.gate == nil {
		return
	}
	select {
	case <-t.gate.begun:
	case <-t.done:
	}
}

// stop is the transfer's own side of the gate.
func (t *transfer) stop(g *gate) {
	if g == nil {
		return
	}
	close(g.begun)
	select {
	case <-g.pass:
	case <-t.ctx.Done():
	}
}
