package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
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
	Last   []string // what has the longest replies; sent behind what Launched sends
	Proven bool     // this server is known to take it
}

// flown is a command of a flight whose reply was not taken in yet.
type flown struct {
	line  string
	call  *Call
	last  bool  // sent behind what Launched sends
	reply Reply // taken in already; zero until then
}

// flight returns the commands to send in one go on a new connection, in the
// order in which they will be asked for; none for one command at a time.
func (s *Session) flight() (lines, last []string) {
	if s.cfg.Flight == nil || s.lost >= maxLost || s.cfg.TLS != nil && s.cfg.ClearCommands {
		return nil, nil
	}
	f, ok := s.cfg.Flight()
	login, after, last := f.Login, f.After, f.Last
	if s.state.LoggedIn() {
		login, after, last = s.state.Login(), s.state.After(), nil
	}
	if !ok || len(login) == 0 {
		return nil, nil
	}
	s.patient = f.Proven
	lines = slices.Concat(s.state.Before(), login)
	if s.cfg.TLS != nil {
		lines = append(lines, pbsz, s.level())
	}
	return append(lines, after...), last
}

// launch sends the commands of a flight.
func (s *Session) launch(ctx context.Context, lines, last []string) error {
	if len(lines) == 0 {
		return nil
	}
	s.flying, s.answered = true, false
	conn := s.conn
	err := s.fly(ctx, lines, false)
	if err == nil && s.cfg.Launched != nil && s.lost == 0 {
		s.cfg.Launched(ctx)
		if s.conn == nil {
			err = conn.Err() // it found the connection lost, and gave it up
		}
	}
	if err == nil && len(last) > 0 {
		err = s.fly(ctx, last, true)
	}
	return err
}

// fly sends commands whose replies will be asked for.
func (s *Session) fly(ctx context.Context, lines []string, last bool) error {
	calls := make([]*Call, len(lines))
	for i, line := range lines {
		s.sawCommand(line)
		calls[i] = s.conn.newCall(line)
		s.flown = append(s.flown, flown{line: line, call: calls[i], last: last})
	}
	return s.conn.send(ctx, calls...)
}

// claim returns a command that has flown already, and whether it has.
func (s *Session) claim(line string) (flown, bool) {
	i := slices.IndexFunc(s.flown, func(f flown) bool { return f.line == line })
	if i < 0 {
		return flown{}, false
	}
	f := s.flown[i]
	s.flown = slices.Delete(s.flown, i, i+1)
	return f, true
}

// landed reports whether the reply to a command that has flown has come.
func (s *Session) landed(line string) bool {
	i := slices.IndexFunc(s.flown, func(f flown) bool { return f.line == line })
	return i >= 0 && (s.flown[i].reply.Code != 0 || len(s.flown[i].call.replies) > 0)
}

// landing returns the reply to a command that has flown.
func (s *Session) landing(ctx context.Context, f flown) (Reply, error) {
	// Where the last command is silent, what was sent ahead of it may be why; and
	// where all is, if it can have shared a segment with that.
	s.partly = !f.last && (s.answered || !s.cfg.Merges)
	r, err := s.touchdown(ctx, f)
	if err == nil && displaced(Verb(f.line), r) {
		err = fmt.Errorf("%s: %w: %s", Redact(f.line), errDisplaced, r)
	}
	s.answered = s.answered || err == nil
	return r, err
}

// touchdown waits for that reply. On a server that is not known to take a flight
// it may be the reply to a later command, where something on the way has thrown
// away what came in between: a refusal, and a reply that comes only after one
// more command was sent, count when the others have been answered too.
func (s *Session) touchdown(ctx context.Context, f flown) (Reply, error) {
	if f.reply.Code != 0 {
		return f.reply, nil
	}
	trips := 4 * s.conn.RTT()
	limit := min(s.cfg.ReplyLimit, userLimit+trips)
	if s.patient {
		limit = min(s.cfg.ReplyLimit, flightLimit+trips)
	}
	r, err := s.inTurn(ctx, f.call, limit)
	switch {
	case errors.Is(err, ErrSilent) && s.answered && !f.last && !s.conn.disordered():
		if r, err = s.prod(ctx, f.call); err == nil {
			err = s.gather(ctx, min(s.cfg.ReplyLimit, restLimit+trips))
		}
	case err == nil && r.Code/100 == 5 && (Verb(f.line) == "USER" || Verb(f.line) == "PASS"):
		err = s.gather(ctx, limit)
	}
	return r, err
}

// inTurn waits for the reply to a command of a flight; not for long where replies
// come out of turn, as one at a time is what works there.
func (s *Session) inTurn(ctx context.Context, c *Call, limit time.Duration) (Reply, error) {
	short := min(limit, mixedLimit+4*s.conn.RTT())
	r, err := s.final(ctx, c, short)
	if errors.Is(err, ErrSilent) && short < limit && !s.conn.disordered() {
		r, err = s.final(ctx, c, limit-short)
	}
	return r, err
}

// prod sends one more command, which brings forth a reply where nothing is left
// of a flight, and returns the reply to a call that may have waited for that.
func (s *Session) prod(ctx context.Context, c *Call) (Reply, error) {
	if _, err := s.Send(ctx, "NOOP"); err != nil {
		return Reply{}, err
	}
	return s.final(ctx, c, min(s.cfg.ReplyLimit, flightLimit))
}

// gather waits for the replies to what is left of a flight. An error says that
// some of it was not answered.
func (s *Session) gather(ctx context.Context, limit time.Duration) error {
	for i := range s.flown {
		f := &s.flown[i]
		if f.last {
			continue // what was sent ahead of it may be why
		}
		r, err := s.final(ctx, f.call, limit)
		switch {
		case errors.Is(err, ErrSilent):
			return fmt.Errorf("%s: %w", Redact(f.line), err)
		case err != nil:
			return nil // the connection has ended, which is an answer
		case displaced(Verb(f.line), r):
			s.astray = s.astray || admits(r)
			return fmt.Errorf("%s: %w: %s", Redact(f.line), errDisplaced, r)
		}
		f.reply = r
	}
	return nil
}

// errDisplaced says that a server gave more replies than it got commands.
var errDisplaced = errors.New("the reply is one to another command")

// displaced reports whether a positive reply cannot be that to the command. A
// server that says one thing twice shifts the replies to all that came with it:
// the directory would be taken for that of the session when it was refused.
func displaced(verb string, r Reply) bool {
	switch verb {
	case "TYPE":
		return r.Code/100 == 2 && r.Code != 200
	case "CWD", "XCWD", "CDUP", "XCUP":
		return r.Code/100 == 2 && r.Code != 250
	}
	return false
}

// skip takes in the replies to commands that nobody asks for: a PASS where
// USER was enough, say.
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

// Land ends a flight: what is left of it is taken in. It reports whether there
// was one.
func (s *Session) Land(ctx context.Context) (bool, error) {
	if !s.flying {
		return false, nil
	}
	rest := s.flown
	s.flown = nil
	if err := s.skip(ctx, rest); err != nil {
		s.Drop(err)
		return true, err
	}
	s.flying = false
	return true, nil
}

// Accepted reports whether a login that was refused has been accepted after
// all, by what else came in answer to the flight: the refusal was that of a
// command that the server has taken out of its turn.
func (s *Session) Accepted(ctx context.Context) bool {
	if !s.flying || s.conn == nil {
		return false
	}
	limit := userLimit + 4*s.conn.RTT()
	for _, f := range s.flown {
		r := f.reply
		if r.Code == 0 {
			var err error
			if r, err = s.next(ctx, f.call, limit); err != nil {
				return false
			}
		}
		if admits(r) {
			s.astray = true
			break
		}
	}
	return s.astray
}

// Astray reports whether such a refusal has been found out already.
func (s *Session) Astray() bool { return s.astray }

// admits reports whether a reply lets the user in. Where commands are obeyed side
// by side, one reply may stand within another.
func admits(r Reply) bool {
	return r.Code == 230 || slices.ContainsFunc(r.Lines, func(line string) bool { return strings.HasPrefix(line, "230 ") })
}

// Flying reports whether replies to a flight are outstanding.
func (s *Session) Flying() bool { return s.flying }

// maxLost is how many flights may be lost: the first one may have been lost for
// what Launched sent along.
const maxLost = 2

// crash takes in that a flight was lost with its connection.
func (s *Session) crash(err error) {
	s.flying, s.flown = false, nil
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrSilent) {
		return // the caller's doing
	}
	if s.lost++; s.astray || errors.Is(err, ErrSilent) && s.partly {
		s.lost = maxLost
	}
}

// Lost returns how many flights were lost with their connections. From two on
// the session sends one command at a time.
func (s *Session) Lost() int { return s.lost }

// Lose tells the session of flights that were lost before.
func (s *Session) Lose(n int) { s.lost += n }

// Grounded reports whether the session sends one command at a time for that.
func (s *Session) Grounded() bool { return s.lost >= maxLost }
