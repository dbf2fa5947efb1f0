package control

import (
	"context"
	"errors"
	"slices"
	"time"
)

// The limits on the next reply to a flight, beyond a few round trips, on a
// server that is not known to take one: some read one line and throw away what
// came with it, so that nothing more would ever come. A password may take some
// time to check; before that there is nothing to be done.
const (
	flightLimit = 5 * time.Second
	userLimit   = 2 * time.Second
)

// Flight is a login that is sent in one go, without waiting for replies.
type Flight struct {
	Login  []string // USER and PASS
	After  []string // what follows the login
	Proven bool     // this server is known to take it
}

// flown is a command of a flight whose reply was not taken in yet.
type flown struct {
	line string
	call *Call
}

// flight returns the commands to send in one go on a new connection, in the
// order in which they will be asked for; none for one command at a time.
func (s *Session) flight() []string {
	if s.cfg.Flight == nil || s.lost >= maxLost || s.cfg.TLS != nil && s.cfg.ClearCommands {
		return nil
	}
	f, ok := s.cfg.Flight()
	login, after := f.Login, f.After
	if s.state.LoggedIn() {
		login, after = s.state.Login(), s.state.After()
	}
	if !ok || len(login) == 0 {
		return nil
	}
	s.patient = f.Proven
	lines := slices.Concat(s.state.Before(), login)
	if s.cfg.TLS != nil {
		lines = append(lines, pbsz, s.level())
	}
	return append(lines, after...)
}

// launch sends the commands of a flight.
func (s *Session) launch(ctx context.Context, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	s.flying, s.answered = true, false
	calls := make([]*Call, len(lines))
	for i, line := range lines {
		s.sawCommand(line)
		calls[i] = s.conn.newCall(line)
		s.flown = append(s.flown, flown{line, calls[i]})
	}
	if err := s.conn.send(ctx, calls...); err != nil {
		return err
	}
	if s.cfg.Launched != nil && s.lost == 0 {
		s.cfg.Launched(ctx)
	}
	return nil
}

// claim returns the call of a command that has flown already; nil if it has
// not. What was sent before it and is not asked for is taken in on the way.
func (s *Session) claim(ctx context.Context, line string) (*Call, error) {
	i := slices.IndexFunc(s.flown, func(f flown) bool { return f.line == line })
	if i < 0 {
		return nil, nil
	}
	call := s.flown[i].call
	skipped := s.flown[:i]
	s.flown = s.flown[i+1:]
	return call, s.skip(ctx, skipped)
}

// skip takes in the replies to commands that nobody asks for: a PASS where
// USER was enough, say.
func (s *Session) skip(ctx context.Context, skipped []flown) error {
	for _, f := range skipped {
		r, err := s.final(ctx, f.call, s.flownLimit())
		if err != nil {
			return err
		}
		s.answered = true
		s.state.Note(f.line, r)
	}
	return nil
}

// flownLimit is how long a reply to a flight may take.
func (s *Session) flownLimit() time.Duration {
	if s.patient {
		return s.cfg.ReplyLimit
	}
	limit := flightLimit
	if !s.answered {
		limit = userLimit
	}
	return min(s.cfg.ReplyLimit, limit+4*s.conn.RTT())
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

// Flying reports whether replies to a flight are outstanding.
func (s *Session) Flying() bool { return s.flying }

// maxLost is how many flights may be lost: the first one may have been lost for
// what Launched sent along.
const maxLost = 2

// crash takes in that a flight was lost with its connection.
func (s *Session) crash(err error) {
	s.flying, s.flown = false, nil
	if s.lost++; errors.Is(err, ErrSilent) && s.answered {
		// It took a part of it.
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
