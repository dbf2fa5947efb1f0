package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// The limits on the next reply to a flight on a server that is not known to take
// one: some read one line and throw away what came with it, so that nothing more
// would ever come. What takes longer than the first may be a password that is
// checked; before that there is nothing to be done.
const (
	flightLimit = 10 * time.Second
	userLimit   = 2 * time.Second
	restLimit   = 500 * time.Millisecond // once the password is checked
	mixedLimit  = 100 * time.Millisecond // where replies come out of turn
)

// Flight is a login that is sent in one go, without waiting for replies.
type Flight struct {
	Login  []string // USER and PASS
	After  []string // what follows the login
	Also   []*Also  // what travels with it; sent once in a session
	Last   []string // what has the longest replies; sent behind the rest
	Proven bool     // this server is known to take it
}

// Also is a command that travels with a login and is no part of it. Its replies
// are not waited for.
type Also struct {
	Line   string
	Hearer Hearer // nil for nobody
	Call   *Call  // set when the command is sent
}

// stage is how far a login that was sent in one go has come.
type stage uint8

const (
	landed     stage = iota // none is on its way
	unanswered              // nothing of it was answered yet
	answered                // some of it was
)

// pipelined is a login that was sent in one go, and what became of those before
// it.
type pipelined struct {
	stage  stage
	rest   []flown  // commands whose replies nobody has asked for
	late   []flown  // of Flight.Last, whose replies are waited for when they are needed
	owed   []string // commands of late, to be sent again: the connection was lost
	proven bool     // the server is known to take it
	partly bool     // silence means that the server took some of it
	astray bool     // a reply that lets the user in came out of turn, once
	doubt  error    // a reply may be that to another command: see settle
	lost   int      // number of those that were lost with their connections
}

// flown is a command of a flight whose reply nobody has asked for.
type flown struct {
	line  string
	call  *Call
	last  bool        // one of Flight.Last
	reply proto.Reply // zero until it is read
}

// land ends the flight.
func (p *pipelined) land() { p.stage, p.rest, p.doubt = landed, nil, nil }

// flight returns the commands to send in one go on a new connection, in the
// order in which they will be asked for. There is no Login if they are to be
// sent one at a time.
func (s *Session) flight() Flight {
	if s.cfg.Flight == nil || s.Grounded() || s.cfg.TLS != nil && s.cfg.ClearCommands {
		return Flight{}
	}
	f, ok := s.cfg.Flight()
	if s.state.LoggedIn() {
		f.Login, f.After, f.Also, f.Last = s.state.Login(), s.state.After(), nil, nil
	}
	if !ok || len(f.Login) == 0 {
		return Flight{}
	}
	if s.login.lost > 0 {
		f.Also = nil // it may be why
	}
	s.login.proven = f.Proven
	f.Login = slices.Concat(s.state.Before(), f.Login)
	if s.cfg.TLS != nil {
		f.Login = append(f.Login, pbsz, s.level())
	}
	return f
}

// launch sends the commands of a flight. Each of Also has a segment to itself:
// boxes on the way read those, and a login that shared one with a command that
// they do not like would be lost with it.
func (s *Session) launch(ctx context.Context, f Flight) error {
	if f.Login == nil {
		return nil
	}
	s.login.stage = unanswered
	if err := s.fly(ctx, slices.Concat(f.Login, f.After), false); err != nil {
		return err
	}
	for _, also := range f.Also {
		s.sawCommand(ctx, also.Line)
		call := s.conn.newCall(also.Line)
		call.hearer = also.Hearer
		also.Call = call
		if err := s.conn.send(ctx, call); err != nil {
			return err
		}
	}
	if len(f.Last) == 0 {
		return nil
	}
	return s.fly(ctx, f.Last, true)
}

// fly sends commands whose replies will be asked for.
func (s *Session) fly(ctx context.Context, lines []string, last bool) error {
	calls := make([]*Call, len(lines))
	for i, line := range lines {
		s.sawCommand(ctx, line)
		calls[i] = s.conn.newCall(line)
		s.login.rest = append(s.login.rest, flown{line: line, call: calls[i], last: last})
	}
	return s.conn.send(ctx, calls...)
}

// claim returns a command of the flight, which is taken off it, and whether
// there is one.
func (p *pipelined) claim(line string) (flown, bool) {
	i := slices.IndexFunc(p.rest, func(f flown) bool { return f.line == line })
	if i < 0 {
		return flown{}, false
	}
	f := p.rest[i]
	p.rest = slices.Delete(p.rest, i, i+1)
	return f, true
}

// has reports whether the reply to a command of the flight has come.
func (p *pipelined) has(line string) bool {
	i := slices.IndexFunc(p.rest, func(f flown) bool { return f.line == line })
	return i >= 0 && (p.rest[i].reply.Code != 0 || len(p.rest[i].call.replies) > 0)
}

// landing returns the reply to a command of the flight.
func (s *Session) landing(ctx context.Context, f flown) (proto.Reply, error) {
	// If the last command is not answered, what was sent ahead of it may be why;
	// if nothing is, that may have shared a segment with it.
	s.login.partly = s.login.doubt != nil || !f.last && (s.login.stage == answered || !s.cfg.Merges)
	r, err := s.touchdown(ctx, f)
	switch verb := Verb(f.line); {
	case err != nil:
	case foreign(verb, r):
		err = displacedBy(f.line, r)
	case odd(verb, r) && s.login.doubt == nil:
		s.login.doubt = displacedBy(f.line, r)
	}
	if err == nil {
		s.login.stage = answered
	}
	return r, err
}

// touchdown waits for that reply. On a server that is not known to take a flight
// it may be the reply to a later command, if something on the way has thrown
// away what came in between: a refusal, and a reply that comes only after one
// more command was sent, count when the others have been answered too.
func (s *Session) touchdown(ctx context.Context, f flown) (proto.Reply, error) {
	if f.reply.Code != 0 {
		return f.reply, nil
	}
	trips := 4 * s.conn.RTT()
	limit := min(s.cfg.ReplyLimit, userLimit+trips)
	if s.login.proven {
		limit = min(s.cfg.ReplyLimit, flightLimit+trips)
	}
	r, err := s.inTurn(ctx, f.call, limit)
	switch {
	case errors.Is(err, proto.ErrSilent) && s.login.stage == answered && !f.last && !s.conn.disordered():
		if r, err = s.prod(ctx, f); err == nil {
			err = s.gather(ctx, min(s.cfg.ReplyLimit, restLimit+trips))
		}
	case err == nil && notIn(Verb(f.line), r):
		err = s.gather(ctx, limit)
	}
	return r, err
}

// inTurn waits for the reply to a command of a flight; not for long if replies
// come out of turn, because one at a time is what works there.
func (s *Session) inTurn(ctx context.Context, c *Call, limit time.Duration) (proto.Reply, error) {
	short := min(limit, mixedLimit+4*s.conn.RTT())
	r, err := s.final(ctx, c, short)
	if errors.Is(err, proto.ErrSilent) && short < limit && !s.conn.disordered() {
		r, err = s.final(ctx, c, limit-short)
	}
	return r, err
}

// prod sends one more command, which brings forth a reply if nothing is left
// of a flight, and returns the reply to a call that may have waited for that. If
// not even that is answered, the server is at work on the password, and must not
// be sent it once more.
func (s *Session) prod(ctx context.Context, f flown) (proto.Reply, error) {
	if _, err := s.Send(ctx, "NOOP"); err != nil {
		return proto.Reply{}, err
	}
	limit := flightLimit
	if Verb(f.line) == "PASS" {
		limit = s.cfg.ReplyLimit
	}
	return s.final(ctx, f.call, min(s.cfg.ReplyLimit, limit))
}

// gather waits for the replies to what is left of a flight. An error says that
// some of it was not answered.
func (s *Session) gather(ctx context.Context, limit time.Duration) error {
	for i := range s.login.rest {
		f := &s.login.rest[i]
		if f.last {
			continue // what was sent ahead of it may be why
		}
		r, err := s.final(ctx, f.call, limit)
		switch {
		case errors.Is(err, proto.ErrSilent):
			return fmt.Errorf("%s: %w", proto.Redact(f.line), err)
		case err != nil:
			return nil // the connection has ended, which is an answer
		case displaced(Verb(f.line), r):
			s.login.astray = s.login.astray || admits(r)
			return fmt.Errorf("%s: %w: %s", proto.Redact(f.line), errDisplaced, r)
		}
		f.reply = r
	}
	return nil
}

// settle finds out whether a server whose replies were odd has given one too many.
// What it says to PWD can hardly be taken for anything else.
func (s *Session) settle(ctx context.Context) error {
	doubt := s.login.doubt
	if doubt == nil {
		return nil
	}
	conn := s.Live()
	if conn == nil || s.sawStrays(ctx, conn) {
		return doubt
	}
	call, err := s.Send(ctx, "PWD")
	if err != nil {
		return err
	}
	r, err := s.final(ctx, call, min(s.cfg.ReplyLimit, flightLimit))
	if err == nil && r.Code != 257 && !r.Unsupported() {
		err = doubt
	}
	return err
}

// skip reads the replies to commands that nobody asks for: a PASS if USER was
// enough, say.
func (s *Session) skip(ctx context.Context, skipped []flown) error {
	for _, f := range skipped {
		r, err := s.landing(ctx, f)
		if err != nil {
			return err
		}
		s.state.Note(f.line, r)
	}
	return nil
}

// Land ends a flight: it waits for what is left of the replies. It reports whether
// there was a flight.
func (s *Session) Land(ctx context.Context) (bool, error) {
	if !s.Flying() {
		return false, nil
	}
	rest := s.login.rest
	s.login.rest = nil
	err := s.skip(ctx, rest)
	if err == nil {
		err = s.settle(ctx)
	}
	if err != nil {
		s.Drop(ctx, err)
		return true, err
	}
	s.login.land()
	return true, nil
}

// Meant reports whether the refusal of a login that was sent in one go is meant,
// and none of how it was sent: all the rest has been answered, and not in the same
// way, as by a server that understands nothing of what comes too early.
func (s *Session) Meant(refusal proto.Reply) bool {
	return s.Flying() && refusal.Code != 331 && !slices.ContainsFunc(s.login.rest, func(f flown) bool {
		return !f.last && (f.reply.Code == 0 || f.reply.Code/10 == 50 && f.reply.Code == refusal.Code)
	})
}

// moment is how long a reply may take that comes right behind others.
const moment = time.Millisecond

// Postpone says that the reply to a command of a flight is not needed yet, and
// reports whether that can be: the command is one of Flight.Last, its reply has not
// come, and the server is one of the programs that are known. [Session.Ready] waits
// for it.
func (s *Session) Postpone(ctx context.Context, line string) bool {
	i := slices.IndexFunc(s.login.rest, func(f flown) bool { return f.line == line && f.last })
	if i < 0 || s.Software() == UnknownSoftware {
		return false
	}
	f := &s.login.rest[i]
	if r, err := s.final(ctx, f.call, moment); err == nil {
		f.reply = r
	}
	if f.reply.Code != 0 || ctx.Err() != nil || s.Live() == nil {
		return false
	}
	s.login.late = append(s.login.late, *f)
	s.login.rest = slices.Delete(s.login.rest, i, i+1)
	return true
}

// Late reports whether there are replies that were postponed and not read.
func (s *Session) Late() bool { return len(s.login.late) > 0 }

// Coming reports whether such a reply is all that is on its way.
func (s *Session) Coming() bool { return s.Live() != nil && !s.Flying() && s.login.coming() }

func (p *pipelined) coming() bool {
	return slices.ContainsFunc(p.late, func(f flown) bool { return len(f.call.replies) == 0 })
}

// catchUp reads the replies that were postponed. An error means that the
// connection was given up.
func (s *Session) catchUp(ctx context.Context) error {
	for s.Late() {
		f := s.login.late[0]
		r, err := s.touchdown(ctx, f)
		if err != nil {
			s.Drop(ctx, err)
			return err
		}
		s.login.late = s.login.late[1:]
		if err := s.noted(ctx, f.line, r); err != nil {
			return err
		}
	}
	s.caughtUp(true)
	return nil
}

// caughtUp tells what became of the replies that were postponed.
func (s *Session) caughtUp(ok bool) {
	if s.cfg.Landed != nil {
		s.cfg.Landed(ok)
	}
}

// askAgain sends the commands whose postponed replies were lost, one at a time.
// An error means that the connection was given up.
func (s *Session) askAgain(ctx context.Context) error {
	owed := s.login.owed
	s.login.owed = nil
	for _, line := range owed {
		r, err := s.once(ctx, line)
		if err == nil {
			err = s.noted(ctx, line, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Accepted reports whether a login that was refused has been accepted after
// all, by what else came in answer to the flight: the refusal was that of a
// command that the server has taken out of its turn.
func (s *Session) Accepted(ctx context.Context) bool {
	if !s.Flying() || s.conn == nil {
		return false
	}
	limit := userLimit + 4*s.conn.RTT()
	for _, f := range s.login.rest {
		r := f.reply
		if r.Code == 0 {
			var err error
			if r, err = s.next(ctx, f.call, limit); err != nil {
				return false
			}
		}
		if admits(r) {
			s.login.astray = true
			break
		}
	}
	return s.login.astray
}

// Flying reports whether replies to a flight are outstanding.
func (s *Session) Flying() bool { return s.login.stage != landed }

// maxLost is how many flights may be lost: the first one may have been lost for
// what travelled with it.
const maxLost = 2

// crash records that the connection was given up: a flight that was on its way is
// lost.
func (p *pipelined) crash(err error) {
	missing := p.coming()
	for _, f := range p.late {
		p.owed = append(p.owed, f.line)
	}
	p.late = nil
	if p.stage == landed && !missing {
		return
	}
	p.partly = p.partly && p.stage != landed
	p.land()
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, proto.ErrSilent) {
		return // the caller's doing
	}
	if p.lost++; p.astray || errors.Is(err, proto.ErrSilent) && p.partly {
		p.lost = maxLost
	}
}

// Lost returns how many flights were lost with their connections. From two on
// the session sends one command at a time.
func (s *Session) Lost() int { return s.login.lost }

// Lose adds flights that were lost by other sessions.
func (s *Session) Lose(n int) { s.login.lost += n }

// Grounded reports whether the session sends one command at a time because of
// lost flights.
func (s *Session) Grounded() bool { return s.login.lost >= maxLost }
