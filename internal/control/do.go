package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// Do sends one command and returns the final reply to it. A connection found
// dead is replaced first; one that dies under a command that changes nothing
// is replaced and the command repeated. An error means that there is no reply.
func (s *Session) Do(ctx context.Context, line string) (proto.Reply, error) {
	if err := CheckCommand(line); err != nil {
		return proto.Reply{}, err
	}
	for try := 0; ; try++ {
		if err := s.ready(ctx, line); err != nil {
			return proto.Reply{}, err
		}
		if s.exposed() && proto.Secrets(line) != nil {
			return proto.Reply{}, ErrExposed
		}
		r, err := s.once(ctx, line)
		if err == nil && r.Code == 421 && !s.Answers(ctx) {
			// Not carried out, and nobody is there any more.
			if try == 0 && ctx.Err() == nil {
				continue
			}
			return r, ctx.Err()
		}
		if err == nil {
			return r, s.noted(ctx, line, r)
		}
		if try > 0 || ctx.Err() != nil || errors.Is(err, proto.ErrSilent) || !repeatable(line) {
			// It may have been carried out, an RNTO for instance.
			s.state.Unanswered()
			return proto.Reply{}, err
		}
	}
}

// repeatable reports whether a command that may or may not have been carried
// out can be sent again: it asks, or sets what it sets to the same value.
func repeatable(line string) bool {
	switch Verb(line) {
	case "USER", "PASS", "PWD", "XPWD", "SYST", "FEAT", "OPTS", "TYPE", "MODE", "STRU", "NOOP",
		"SIZE", "MDTM", "MLST", "STAT", "HELP", "HASH", "XCRC", "XMD5", "XSHA1", "XSHA256", "XSHA512",
		"RNFR", "LANG", "CLNT", "HOST":
		return true
	case "CWD", "XCWD":
		return strings.HasPrefix(line[strings.IndexByte(line, ' ')+1:], "/")
	}
	return false
}

// noted records what a final reply means for the session's state.
func (s *Session) noted(ctx context.Context, line string, r proto.Reply) error {
	was := s.state.LoggedIn()
	s.state.Note(line, r)
	s.keepWords(line, r)
	switch Verb(line) {
	case "FEAT":
		if r.Code/100 == 2 {
			s.features = parseFeatures(r)
		}
	case "USER", "PASS", "ACCT":
		if s.state.LoggedIn() && !was {
			if err := s.protect(ctx); err != nil {
				s.Drop(ctx, err)
				return err
			}
		}
	}
	if s.state.NeedPWD() {
		// What becomes of this is no matter of the command, which has been
		// answered: the next one finds a connection again.
		if pwd, err := s.once(ctx, "PWD"); err == nil {
			s.state.SetDir(ParseDir(pwd))
		}
	}
	return nil
}

// keepWords keeps what a server says at the login: programs are known by it.
func (s *Session) keepWords(line string, r proto.Reply) {
	switch verb := Verb(line); verb {
	case "USER", "PASS", "TYPE", "FEAT":
		if s.said == nil {
			s.said = make(map[string]string)
		}
		s.said[verb] = r.Text()
		s.identified = 0 // there may be enough of it now
	}
}

// once sends one command on the connection that is there and waits for its
// final reply. Without one the connection is given up.
func (s *Session) once(ctx context.Context, line string) (_ proto.Reply, err error) {
	var r proto.Reply
	f, ok := s.login.claim(line)
	if ok {
		r, err = s.landing(ctx, f)
	} else {
		var call *Call
		if call, err = s.Send(ctx, line); err != nil {
			return proto.Reply{}, err
		}
		r, err = s.final(ctx, call, s.cfg.ReplyLimit)
		if err == nil && belated(call.Verb, r) {
			r, err = s.past(ctx, call, r)
		}
		if err == nil {
			call.Done()
		}
	}
	if err != nil {
		s.Drop(ctx, err)
		if errors.Is(err, proto.ErrSilent) {
			err = fmt.Errorf("%s: %w", proto.Redact(line), err)
		}
	}
	return r, err
}

// final returns the final reply to a call.
func (s *Session) final(ctx context.Context, call *Call, limit time.Duration) (proto.Reply, error) {
	for {
		r, err := s.next(ctx, call, limit)
		if err != nil || !r.Preliminary() {
			return r, err
		}
	}
}

// Send writes a command on the connection that is there, for callers that
// wait for replies themselves, with [Session.Next].
func (s *Session) Send(ctx context.Context, line string) (*Call, error) {
	conn := s.Live()
	if conn == nil {
		return nil, &proto.LostError{Err: net.ErrClosed}
	}
	if err := CheckCommand(line); err != nil {
		return nil, err
	}
	s.sawStray(ctx, conn)
	s.sawCommand(ctx, line)
	call, err := conn.Send(ctx, line)
	if err != nil && conn.Err() != nil {
		s.Drop(ctx, err)
	}
	return call, err
}

// SendAll writes commands in one go. Replies to the last of them are told to h,
// if that is not nil.
func (s *Session) SendAll(ctx context.Context, h Hearer, lines ...string) ([]*Call, error) {
	conn := s.Live()
	if conn == nil {
		return nil, &proto.LostError{Err: net.ErrClosed}
	}
	s.sawStray(ctx, conn)
	for _, line := range lines {
		s.sawCommand(ctx, line)
	}
	calls := conn.newCalls(lines)
	calls[len(calls)-1].hearer = h
	err := conn.send(ctx, calls...)
	if err != nil && conn.Err() != nil && !s.Flying() {
		// Ahead of the login's replies there may be a greeting that says why.
		s.Drop(ctx, err)
	}
	return calls, err
}

func (s *Session) sawCommand(ctx context.Context, line string) {
	s.latest = Verb(line)
	trace.From(ctx).Sent(proto.Redact(line))
}

// sawStray shows the replies that nobody asked for before they are forgotten,
// and reports whether one of them announced the end.
func (s *Session) sawStray(ctx context.Context, conn *Conn) (ending bool) {
	for _, r := range conn.Stray() {
		s.Saw(ctx, r)
		ending = ending || r.Code == 421
	}
	return ending
}

// sawStrays is sawStray, and reports whether there was any.
func (s *Session) sawStrays(ctx context.Context, conn *Conn) (any bool) {
	for _, r := range conn.Stray() {
		s.Saw(ctx, r)
		any = true
	}
	return any
}

// Next returns the next reply to the call, from the connection that it was
// sent on; unlike Do it leaves that as it is when there is none.
func (s *Session) Next(ctx context.Context, call *Call, limit time.Duration) (proto.Reply, error) {
	return s.next(ctx, call, limit)
}

func (s *Session) next(ctx context.Context, call *Call, limit time.Duration) (proto.Reply, error) {
	r, err := call.conn.Next(ctx, call, limit)
	if err == nil {
		s.Saw(ctx, r)
	}
	return r, err
}

// Final returns the final reply to a call.
func (s *Session) Final(ctx context.Context, call *Call) (proto.Reply, error) {
	return s.final(ctx, call, s.cfg.ReplyLimit)
}

// Saw shows a reply that was taken from [Call.Replies].
func (s *Session) Saw(ctx context.Context, r proto.Reply) { trace.From(ctx).Got(r) }

// Answers reports whether the control connection still answers: several
// servers say 421 and go on. One that does not is given up.
func (s *Session) Answers(ctx context.Context) bool {
	conn := s.Live()
	if conn == nil {
		return false
	}
	limit := min(s.cfg.Limit, 2*time.Second+4*conn.RTT())
	call, err := s.Send(ctx, "NOOP")
	if err != nil {
		return false
	}
	r, err := s.next(ctx, call, limit)
	if err != nil || r.Code == 421 {
		if err == nil {
			err = &proto.LostError{Err: errors.New(r.String())}
		}
		s.Drop(ctx, err)
		return false
	}
	return true
}

// Drop gives the connection up for the reason err, with a reset.
func (s *Session) Drop(ctx context.Context, err error) {
	if s.conn == nil {
		return
	}
	if lost := s.conn.Err(); lost != nil {
		err = lost
	}
	s.drop(ctx, err)
}

func (s *Session) drop(ctx context.Context, err error) {
	s.sawStray(ctx, s.conn)
	s.mixed = s.conn.Mixed()
	s.conn.Reset()
	s.conn = nil
	missing := s.login.coming()
	was := s.Grounded()
	s.login.crash(err)
	if s.cfg.Grounded != nil && s.Grounded() && !was {
		s.cfg.Grounded()
	}
	if missing {
		s.caughtUp(false)
	}
	if s.cfg.Lost != nil {
		s.cfg.Lost()
	}
	trace.From(ctx).Dropped(err)
}

// quitFor is how long the server may take to close after QUIT, beyond a few
// round trips.
const quitFor = 200 * time.Millisecond

// Close says QUIT and ends the connection when the server has, or soon after:
// a server that counts connections has this one off its list then.
func (s *Session) Close(ctx context.Context) error {
	if s.conn == nil {
		return nil
	}
	if conn := s.Live(); conn != nil {
		s.sawCommand(ctx, "QUIT")
		qctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := conn.Send(qctx, "QUIT"); err != nil {
			conn.Reset()
			s.conn = nil
			return nil
		}
		patience := time.NewTimer(quitFor + 4*conn.RTT())
		defer patience.Stop()
		select {
		case <-conn.Done():
		case <-patience.C:
		case <-qctx.Done():
		}
		s.sawStray(ctx, conn)
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}

// past returns the reply that follows a belated one, or that one if none
// does: then it was the command's own.
func (s *Session) past(ctx context.Context, call *Call, r proto.Reply) (proto.Reply, error) {
	conn := call.conn
	conn.Again(call)
	next, err := s.final(ctx, call, 100*time.Millisecond+2*conn.RTT())
	if !errors.Is(err, proto.ErrSilent) {
		return next, err
	}
	conn.Forget(call)
	return r, nil
}
