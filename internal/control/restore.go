package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Ready makes sure that there is a control connection in the session's state:
// a lost one is replaced, tried again with growing pauses.
func (s *Session) Ready(ctx context.Context) error {
	if conn := s.Live(); conn != nil && (!s.sawStray(conn) || s.Answers(ctx)) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.conn != nil {
		s.drop(s.conn.Err())
	}
	if s.cfg.RetryFor <= 0 {
		return s.revive(ctx)
	}
	pace := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(250*time.Millisecond),
		backoff.WithMaxInterval(5*time.Second),
		backoff.WithMaxElapsedTime(s.cfg.RetryFor))
	err := backoff.Retry(func() error {
		err := s.revive(ctx)
		if err != nil && !transient(err) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(pace, ctx))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// transient reports whether a new connection may do better.
func transient(err error) bool {
	var refused *RefusedError
	if errors.As(err, &refused) {
		return refused.Reply.Code/100 == 4 || refused.Reply.Preliminary() // 120: ready in a while
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return false
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return !dns.IsNotFound
	}
	var pe *ProtocolError
	return !errors.As(err, &pe)
}

// revive opens one connection and brings it to the session's state.
func (s *Session) revive(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	err := s.restore(ctx)
	if err == nil && s.state.LoggedIn() {
		_, err = s.Land(ctx)
	}
	if refusesLogin(err) && s.flying && s.Accepted(ctx) {
		err = fmt.Errorf("%w: %v", errDisplaced, err)
	}
	if err != nil {
		s.Drop(err)
	}
	return err
}

// refusesLogin reports whether a server says that the user is not let in, which
// no other connection does better.
func refusesLogin(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) && refused.Reply.Code/10 == 53
}

// restore repeats what the server must know.
func (s *Session) restore(ctx context.Context) error {
	for _, line := range s.state.Before() {
		if _, err := s.repeat(ctx, line); err != nil {
			return err
		}
	}
	in := false
	for _, line := range s.state.Login() {
		if in && Verb(line) == "PASS" {
			continue // USER was enough this time
		}
		r, err := s.repeat(ctx, line)
		if err != nil {
			return err
		}
		in = r.Code/100 == 2
	}
	if s.state.LoggedIn() {
		if err := s.protect(ctx); err != nil {
			return err
		}
	}
	for _, line := range s.state.After() {
		if _, err := s.repeat(ctx, line); err != nil {
			return err
		}
	}
	if line := s.state.Rename(); line != "" {
		// The file may be gone: then the server says so to the RNTO.
		_, err := s.once(ctx, line)
		return err
	}
	return nil
}

func (s *Session) repeat(ctx context.Context, line string) (Reply, error) {
	r, err := s.once(ctx, line)
	if err == nil && !r.Positive() {
		err = &RefusedError{Command: Redact(line), Reply: r}
	}
	return r, err
}

// protect says what TLS is for, once it is known who we are: RFC 4217, 9 and 5.
func (s *Session) protect(ctx context.Context) error {
	if s.cfg.TLS == nil {
		return nil
	}
	if _, err := s.once(ctx, pbsz); err != nil {
		return err
	}
	if _, err := s.repeat(ctx, s.level()); err != nil {
		return err
	}
	if !s.cfg.ClearCommands {
		return nil
	}
	s.sawCommand("CCC")
	r, err := s.conn.EndTLS(ctx, s.cfg.ReplyLimit)
	if r.Code != 0 {
		s.Saw(r)
	}
	return err
}

// pbsz is for form's sake; PROT has to follow it.
const pbsz = "PBSZ 0"

// level is the command that sets what data connections are.
func (s *Session) level() string {
	if s.cfg.ClearData {
		return "PROT C"
	}
	return "PROT P"
}

// exposed reports whether the connection was under TLS and is not any more.
func (s *Session) exposed() bool {
	conn := s.Live()
	if conn == nil || s.cfg.TLS == nil {
		return false
	}
	_, sealed := conn.TLS()
	return !sealed
}
