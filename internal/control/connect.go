package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// Open makes the first control connection and returns the greeting.
func (s *Session) Open(ctx context.Context) (proto.Reply, error) {
	if err := s.connect(ctx); err != nil {
		return proto.Reply{}, err
	}
	return s.greeting, nil
}

func (s *Session) connect(ctx context.Context) (err error) {
	start := time.Now()
	dctx, cancel := context.WithTimeout(ctx, s.cfg.Limit)
	defer cancel()
	raw, err := s.cfg.Dial(dctx)
	if err != nil {
		err = limitError(ctx, err, s.cfg.Limit)
		s.connected(ctx, nil, start, err)
		return err
	}
	rtt := time.Since(start)
	s.tls, s.data = pair(s.cfg.TLS, s.cfg.ClearData)
	nc := raw
	if s.tls != nil && s.cfg.Implicit {
		tc := client(raw, s.tls, s.cfg.ClearCommands)
		if err := tc.HandshakeContext(dctx); err != nil {
			raw.Close()
			err = handshakeError(ctx, err)
			s.connected(ctx, raw, start, err)
			return err
		}
		nc = tc
	}
	s.connected(ctx, raw, start, nil)
	var greeting *Call
	s.conn, greeting = NewConn(raw, nc, rtt)
	s.lives++
	if err := s.begin(ctx, greeting); err != nil {
		s.Drop(ctx, err)
		return err
	}
	return nil
}

// begin reads the greeting, secures the connection and sends the login as far
// as that may be sent ahead. The password waits for TLS.
func (s *Session) begin(ctx context.Context, greeting *Call) (err error) {
	flight := s.flight()
	var auth *Call
	explicit := s.cfg.TLS != nil && !s.cfg.Implicit
	switch {
	case explicit && flight.Login != nil:
		s.login.stage = unanswered
		s.sawCommand(ctx, authTLS)
		auth, err = s.conn.sendLast(ctx, authTLS)
	case !explicit:
		err = s.launch(ctx, flight)
	}
	if err == nil || ctx.Err() == nil && s.conn.Err() != nil {
		// What the server says before it closes is better than that it did.
		if werr := s.welcome(ctx, greeting); werr != nil {
			return werr
		}
	}
	if err == nil && explicit {
		err = s.secure(ctx, auth)
		if err == nil {
			err = s.launch(ctx, flight)
		}
	}
	return err
}

// connected calls the hook for a try to connect; raw is nil if there is no
// socket.
func (s *Session) connected(ctx context.Context, raw net.Conn, start time.Time, err error) {
	c := trace.Connect{Server: s.cfg.Server, Elapsed: time.Since(start), Err: err}
	if raw != nil {
		c.Local, c.Remote = proto.AddrOf(raw.LocalAddr()), proto.AddrOf(raw.RemoteAddr())
	}
	trace.From(ctx).Connected(c)
}

// limitError says which limit ended a dial: the context's own or ours.
func limitError(ctx context.Context, err error, limit time.Duration) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w within %v: %w", proto.ErrUnreached, limit, proto.Limited(err))
	}
	return err
}

// welcome reads the greeting.
func (s *Session) welcome(ctx context.Context, greeting *Call) error {
	r, err := s.next(ctx, greeting, s.cfg.ReplyLimit)
	if err == nil && r.Preliminary() {
		// 120 Service ready in nnn minutes: one more wait, not minutes.
		r, err = s.next(ctx, greeting, s.cfg.ReplyLimit)
	}
	if err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("greeting: %w", err)
		}
		return err
	}
	s.greeting = r
	if r.Code/100 != 2 {
		// That is about us, and not about what was sent.
		s.login.land()
		return &proto.Error{Reply: r}
	}
	return nil
}

// The commands that ask for TLS: RFC 4217, 4 and RFC 2228.
const (
	authTLS = "AUTH TLS"
	authSSL = "AUTH SSL"
)

// ErrNoTLS says that the server does not put the connection under TLS.
var ErrNoTLS = errors.New("the server refuses TLS")

// noTLS is the refusal of AUTH.
type noTLS struct{ error }

// Unwrap returns the refusal.
func (e noTLS) Unwrap() error { return e.error }

// Is reports whether target is [ErrNoTLS].
func (e noTLS) Is(target error) bool { return target == ErrNoTLS }

// secure puts the connection under TLS. The call is that of an AUTH TLS that
// was sent already, nil for none.
func (s *Session) secure(ctx context.Context, sent *Call) error {
	line := authTLS
	r, err := s.auth(ctx, line, sent)
	if err == nil && r.Code/100 == 5 && r.Code != 502 && r.Code != 504 && r.Code != 534 && sent != nil {
		// Perhaps for having come before the greeting.
		r, err = s.auth(ctx, line, nil)
	}
	if err == nil && r.Code/100 == 5 && s.cfg.AuthSSL {
		line = authSSL
		r, err = s.auth(ctx, line, nil)
	}
	if err == nil && r.Code/100 != 2 {
		err = noTLS{&proto.Error{Command: line, Reply: r}}
	}
	return err
}

func (s *Session) auth(ctx context.Context, line string, sent *Call) (r proto.Reply, err error) {
	limit := s.cfg.Limit
	if sent == nil {
		s.sawCommand(ctx, line)
		sent, err = s.conn.sendLast(ctx, line)
	} else {
		limit = min(limit, flightLimit+4*s.conn.RTT())
	}
	if err == nil {
		r, err = s.conn.startTLS(ctx, sent, s.tls, s.cfg.ClearCommands, limit, s.cfg.Limit)
	}
	if r.Code != 0 {
		s.Saw(ctx, r)
	}
	return r, err
}

// Ready makes sure that there is a control connection in the session's state:
// a lost one is replaced, tried again with growing pauses.
func (s *Session) Ready(ctx context.Context) error { return s.ready(ctx, "") }

// ready is Ready for a command. One of a flight whose reply is there needs no
// connection any more: what has ended may have said why.
func (s *Session) ready(ctx context.Context, line string) error {
	if s.login.has(line) {
		return nil
	}
	if s.Late() && !s.Flying() {
		if err := s.catchUp(ctx); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if conn := s.Live(); conn != nil && (!s.sawStray(ctx, conn) || s.Answers(ctx)) {
		return nil
	}
	if s.login.has(line) {
		return nil // it came meanwhile, just ahead of the end
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.conn != nil {
		s.drop(ctx, s.conn.Err())
	}
	err := retry.Do(ctx, s.cfg.RetryFor, func() error {
		err := s.revive(ctx)
		if err != nil && transient(err) {
			return retry.Again(err)
		}
		return retry.Permanent(err)
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &proto.NotOpenError{What: "the control connection could not be opened again", Err: err}
}

// transient reports whether a new connection may do better.
func transient(err error) bool {
	var refused *proto.Error
	if errors.As(err, &refused) {
		return refused.Temporary() || refused.Reply.Preliminary() // 120: ready in a while
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
	if err == nil {
		err = s.askAgain(ctx)
	}
	if proto.RefusedLogin(err) && s.Flying() && s.Accepted(ctx) {
		err = fmt.Errorf("%w: %v", errDisplaced, err)
	}
	if err != nil {
		s.Drop(ctx, err)
	}
	return err
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
		if in && Verb(line) != "USER" {
			continue // what came before was enough this time
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

func (s *Session) repeat(ctx context.Context, line string) (proto.Reply, error) {
	r, err := s.once(ctx, line)
	if err == nil && !r.Positive() {
		err = &proto.Error{Command: proto.Redact(line), Reply: r}
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
	r, err := s.once(ctx, s.level())
	switch {
	case err != nil:
		return err
	case s.cfg.ClearData && r.Code/100 == 5:
		// Clear is what data is where nobody has said otherwise: RFC 2228, 3.
		trace.From(ctx).Notef("the server does not know PROT: data is clear without it")
	case !r.Positive():
		return &proto.Error{Command: s.level(), Reply: r}
	}
	if !s.cfg.ClearCommands {
		return nil
	}
	s.sawCommand(ctx, "CCC")
	r, err = s.conn.EndTLS(ctx, s.cfg.ReplyLimit)
	if r.Code != 0 {
		s.Saw(ctx, r)
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
