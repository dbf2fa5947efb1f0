package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Config says how a session gets its control connections.
type Config struct {
	// Dial opens a socket to the server.
	Dial func(ctx context.Context) (net.Conn, error)
	// TLS, where not nil, puts the control connection under TLS: by AUTH TLS
	// (RFC 4217), or from the first byte where Implicit is set. It is called
	// for each connection, which has sessions of its own to resume.
	TLS      func() *tls.Config
	Implicit bool
	// Limit is how long a greeting, a TLS handshake or a dial may take.
	Limit time.Duration
	// ReplyLimit is how long the server may take to answer a command.
	ReplyLimit time.Duration
	// RetryFor is how long a lost connection is tried to be replaced; not
	// above zero means one try.
	RetryFor time.Duration
}

// Observer sees what happens on a session, secrets masked. Any field may be
// nil.
type Observer struct {
	Connect func(local, remote net.Addr, took time.Duration, err error)
	Command func(line string)
	Reply   func(Reply)
	Lost    func(err error)
}

// RefusedError is a negative reply where the session cannot go on without a
// positive one.
type RefusedError struct {
	Command string // redacted; empty for the greeting
	Reply   Reply
}

func (e *RefusedError) Error() string {
	if e.Command == "" {
		return "the server refused the connection: " + e.Reply.String()
	}
	return fmt.Sprintf("%s: %s", e.Command, e.Reply)
}

// Session is a control session: a control connection that is opened, logged
// in and, when it is lost, replaced by one in the same state. Its methods are
// for one goroutine at a time.
type Session struct {
	Observer Observer

	cfg      Config
	conn     *Conn
	state    State
	greeting Reply
	features map[string]string
	opened   bool
	lives    int // control connections opened so far
}

// NewSession returns a session that has no connection yet.
func NewSession(cfg Config) *Session { return &Session{cfg: cfg} }

// Live returns the control connection, nil when there is none that works.
func (s *Session) Live() *Conn {
	if s.conn == nil || s.conn.Err() != nil {
		return nil
	}
	return s.conn
}

// Lives returns how many control connections were opened so far.
func (s *Session) Lives() int { return s.lives }

// State returns the state that a new connection is brought to.
func (s *Session) State() *State { return &s.state }

// Greeting returns the reply that the last connection began with.
func (s *Session) Greeting() Reply { return s.greeting }

// Feature returns what the server's FEAT said about a command, if FEAT was
// asked for.
func (s *Session) Feature(verb string) (arg string, ok bool) {
	arg, ok = s.features[verb]
	return arg, ok
}

// Features reports whether FEAT was answered.
func (s *Session) Features() map[string]string { return s.features }

// Open makes the first control connection and returns the greeting.
func (s *Session) Open(ctx context.Context) (Reply, error) {
	if err := s.connect(ctx); err != nil {
		return Reply{}, err
	}
	s.opened = true
	return s.greeting, nil
}

// Ready makes sure that there is a control connection in the session's state:
// a lost one is replaced, tried again with growing pauses.
func (s *Session) Ready(ctx context.Context) error {
	if s.Live() != nil {
		return nil
	}
	if s.conn != nil {
		s.drop(s.conn.Err())
	}
	if err := ctx.Err(); err != nil {
		return err
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
		return refused.Reply.Code/100 == 4
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
	if err := s.restore(ctx); err != nil {
		s.Drop(err)
		return err
	}
	return nil
}

func (s *Session) connect(ctx context.Context) (err error) {
	start := time.Now()
	dctx, cancel := context.WithTimeout(ctx, s.cfg.Limit)
	defer cancel()
	raw, err := s.cfg.Dial(dctx)
	if err != nil {
		err = limitError(ctx, err, s.cfg.Limit)
		s.sawConnect(nil, nil, time.Since(start), err)
		return err
	}
	rtt := time.Since(start)
	nc := raw
	if s.cfg.TLS != nil && s.cfg.Implicit {
		tc := tls.Client(raw, s.cfg.TLS())
		if err := tc.HandshakeContext(dctx); err != nil {
			raw.Close()
			err = handshakeError(ctx, err)
			s.sawConnect(raw.LocalAddr(), raw.RemoteAddr(), time.Since(start), err)
			return err
		}
		nc = tc
	}
	s.sawConnect(raw.LocalAddr(), raw.RemoteAddr(), time.Since(start), nil)
	var greeting *Call
	s.conn, greeting = NewConn(raw, nc, rtt)
	s.lives++
	if err := s.welcome(ctx, greeting); err != nil {
		s.Drop(err)
		return err
	}
	return nil
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

// welcome reads the greeting and secures the connection.
func (s *Session) welcome(ctx context.Context, greeting *Call) error {
	r, err := s.next(ctx, greeting, s.cfg.Limit)
	if err == nil && r.Preliminary() {
		// 120 Service ready in nnn minutes: one more wait, not minutes.
		r, err = s.next(ctx, greeting, s.cfg.Limit)
	}
	if err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("greeting: %w", err)
		}
		return err
	}
	s.greeting = r
	if r.Code/100 != 2 {
		return &RefusedError{Reply: r}
	}
	if s.cfg.TLS == nil || s.cfg.Implicit {
		return nil
	}
	s.sawCommand("AUTH TLS")
	r, err = s.conn.StartTLS(ctx, s.cfg.TLS(), s.cfg.Limit)
	if r.Code != 0 && s.Observer.Reply != nil {
		s.Observer.Reply(r)
	}
	if err == nil && r.Code/100 != 2 {
		err = &RefusedError{Command: "AUTH TLS", Reply: r}
	}
	return err
}

// restore repeats what the server must know.
func (s *Session) restore(ctx context.Context) error {
	for _, line := range s.state.Before() {
		if err := s.repeat(ctx, line); err != nil {
			return err
		}
	}
	for _, line := range s.state.Login() {
		if err := s.repeat(ctx, line); err != nil {
			return err
		}
	}
	if s.state.LoggedIn() {
		if err := s.protect(ctx); err != nil {
			return err
		}
	}
	for _, line := range s.state.After() {
		if err := s.repeat(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) repeat(ctx context.Context, line string) error {
	r, err := s.once(ctx, line)
	if err != nil {
		return err
	}
	if !r.Positive() {
		return &RefusedError{Command: Redact(line), Reply: r}
	}
	return nil
}

// protect asks for TLS on the data connections: RFC 4217, 9.
func (s *Session) protect(ctx context.Context) error {
	if s.cfg.TLS == nil {
		return nil
	}
	if _, err := s.once(ctx, "PBSZ 0"); err != nil {
		return err
	}
	return s.repeat(ctx, "PROT P")
}

// Do sends one command and returns the final reply to it. A connection found
// dead is replaced first; one that dies under a command that changes nothing
// is replaced and the command repeated. An error means that there is no reply.
func (s *Session) Do(ctx context.Context, line string) (Reply, error) {
	if err := CheckCommand(line); err != nil {
		return Reply{}, err
	}
	for try := 0; ; try++ {
		if err := s.Ready(ctx); err != nil {
			return Reply{}, err
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
		if try > 0 || ctx.Err() != nil || errors.Is(err, ErrSilent) || !repeatable(line) {
			return Reply{}, err
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
func (s *Session) noted(ctx context.Context, line string, r Reply) error {
	was := s.state.LoggedIn()
	s.state.Note(line, r)
	switch Verb(line) {
	case "FEAT":
		if r.Code/100 == 2 {
			s.features = parseFeatures(r)
		}
	case "USER", "PASS", "ACCT":
		if s.state.LoggedIn() && !was {
			if err := s.protect(ctx); err != nil {
				s.Drop(err)
				return err
			}
		}
	}
	if !s.state.NeedPWD() {
		return nil
	}
	pwd, err := s.once(ctx, "PWD")
	if err == nil {
		s.state.SetDir(ParseDir(pwd))
	}
	return err
}

func parseFeatures(r Reply) map[string]string {
	features := make(map[string]string)
	if len(r.Lines) < 3 {
		return features
	}
	for _, l := range r.Lines[1 : len(r.Lines)-1] {
		verb, arg, _ := strings.Cut(strings.TrimSpace(l), " ")
		if verb != "" {
			features[strings.ToUpper(verb)] = arg
		}
	}
	return features
}

// ParseDir returns the directory that a 257 reply names: RFC 959, appendix II;
// empty where it names none.
func ParseDir(r Reply) string {
	if r.Code != 257 {
		return ""
	}
	_, rest, ok := strings.Cut(r.Text(), `"`)
	if !ok {
		return ""
	}
	var dir strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] == '"' {
			if i+1 >= len(rest) || rest[i+1] != '"' {
				return dir.String()
			}
			i++
		}
		dir.WriteByte(rest[i])
	}
	return ""
}

// once sends one command on the connection that is there and waits for its
// final reply. Without one the connection is given up.
func (s *Session) once(ctx context.Context, line string) (Reply, error) {
	call, err := s.Send(ctx, line)
	if err != nil {
		return Reply{}, err
	}
	for {
		r, err := s.next(ctx, call, s.cfg.ReplyLimit)
		if err != nil {
			s.Drop(err)
			if errors.Is(err, ErrSilent) {
				err = fmt.Errorf("%s: %w", Redact(line), err)
			}
			return Reply{}, err
		}
		if !r.Preliminary() {
			return r, nil
		}
	}
}

// Send writes a command on the connection that is there, for callers that
// wait for replies themselves, with [Session.Next].
func (s *Session) Send(ctx context.Context, line string) (*Call, error) {
	conn := s.Live()
	if conn == nil {
		return nil, &LostError{net.ErrClosed}
	}
	if err := CheckCommand(line); err != nil {
		return nil, err
	}
	s.sawStray(conn)
	s.sawCommand(line)
	call, err := conn.Send(ctx, line)
	if err != nil {
		s.Drop(err)
	}
	return call, err
}

func (s *Session) sawCommand(line string) {
	if s.Observer.Command != nil {
		s.Observer.Command(Redact(line))
	}
}

// sawStray shows the replies that nobody asked for before they are forgotten.
func (s *Session) sawStray(conn *Conn) {
	for _, r := range conn.Stray() {
		if s.Observer.Reply != nil {
			s.Observer.Reply(r)
		}
	}
}

// Next returns the next reply to the call; unlike Do it leaves the connection
// as it is when there is none.
func (s *Session) Next(ctx context.Context, call *Call, limit time.Duration) (Reply, error) {
	return s.next(ctx, call, limit)
}

func (s *Session) next(ctx context.Context, call *Call, limit time.Duration) (Reply, error) {
	if s.conn == nil {
		return Reply{}, &LostError{net.ErrClosed}
	}
	r, err := s.conn.Next(ctx, call, limit)
	if err == nil {
		s.Saw(r)
	}
	return r, err
}

// Saw shows a reply that was taken from [Call.Replies].
func (s *Session) Saw(r Reply) {
	if s.Observer.Reply != nil {
		s.Observer.Reply(r)
	}
}

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
			err = &LostError{errors.New(r.String())}
		}
		s.Drop(err)
		return false
	}
	return true
}

// Drop gives the connection up for the reason err, with a reset.
func (s *Session) Drop(err error) {
	if s.conn == nil {
		return
	}
	if lost := s.conn.Err(); lost != nil {
		err = lost
	}
	s.drop(err)
}

func (s *Session) drop(err error) {
	s.sawStray(s.conn)
	s.conn.Reset()
	s.conn = nil
	if s.Observer.Lost != nil {
		s.Observer.Lost(err)
	}
}

// Close says QUIT where the connection is free to hear it, and ends it.
func (s *Session) Close(ctx context.Context) error {
	if s.conn == nil {
		return nil
	}
	if conn := s.Live(); conn != nil {
		s.sawCommand("QUIT")
		qctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := conn.Send(qctx, "QUIT"); err != nil {
			conn.Reset()
			s.conn = nil
			return nil
		}
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
