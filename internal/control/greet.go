package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// begin reads the greeting, secures the connection and sends the login as far
// as that may be sent ahead. The password waits for TLS.
func (s *Session) begin(ctx context.Context, greeting *Call) (err error) {
	flight, last := s.flight()
	lost := s.lost
	var auth *Call
	explicit := s.cfg.TLS != nil && !s.cfg.Implicit
	switch {
	case explicit && flight != nil:
		s.flying = true
		s.sawCommand(authTLS)
		auth, err = s.conn.sendLast(ctx, authTLS)
	case !explicit:
		err = s.launch(ctx, flight, last)
	}
	if err == nil || ctx.Err() == nil && (s.conn == nil || s.conn.Err() != nil) {
		// What the server says before it closes is better than that it did.
		if werr := s.welcome(ctx, greeting); werr != nil {
			if s.turned {
				s.lost = lost // that was no fault of the flight's
			}
			return werr
		}
	}
	if err == nil && explicit {
		err = s.secure(ctx, auth)
		if err == nil {
			err = s.launch(ctx, flight, last)
		}
	}
	return err
}

func (s *Session) sawConnect(local, remote net.Addr, took time.Duration, err error) {
	if s.Observer.Connect != nil {
		s.Observer.Connect(local, remote, took, err)
	}
}

// limitError says which limit ended a dial: the context's own or ours.
func limitError(ctx context.Context, err error, limit time.Duration) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no connection within %v: %w", limit, err)
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
		s.flying, s.flown, s.turned = false, nil, true
		return &RefusedError{Reply: r}
	}
	return nil
}

// The commands that ask for TLS: RFC 4217, 4 and RFC 2228.
const (
	authTLS = "AUTH TLS"
	authSSL = "AUTH SSL"
)

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
		err = &RefusedError{Command: line, Reply: r}
	}
	return err
}

func (s *Session) auth(ctx context.Context, line string, sent *Call) (r Reply, err error) {
	limit := s.cfg.Limit
	if sent == nil {
		s.sawCommand(line)
		sent, err = s.conn.sendLast(ctx, line)
	} else {
		limit = min(limit, flightLimit+4*s.conn.RTT())
	}
	if err == nil {
		r, err = s.conn.startTLS(ctx, sent, s.cfg.TLS(), s.cfg.ClearCommands, limit, s.cfg.Limit)
	}
	if r.Code != 0 {
		s.Saw(r)
	}
	return r, err
}
