package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
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
	// AuthSSL has AUTH SSL follow an AUTH TLS that the server does not know.
	AuthSSL bool
	// ClearData asks for data connections in clear text beside it: PROT C.
	ClearData bool
	// ClearCommands ends TLS after the login, where the server lets it: CCC.
	ClearCommands bool
	// Flight, where not nil, is asked for each connection whether the login may
	// be sent in one go, and Launched told when it is on its way.
	Flight   func() (Flight, bool)
	Launched func(ctx context.Context)
	// Merges says that what is sent in two segments may arrive in one: there is a
	// proxy in between.
	Merges bool
	// Limit is how long a dial or a TLS handshake may take.
	Limit time.Duration
	// ReplyLimit is how long the server may take to answer a command, and to
	// greet: many look up our name first, and wait for one that is not there.
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

// ErrExposed says that a password was not sent in clear text after CCC.
var ErrExposed = errors.New("after CCC a password would go in clear text")

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
	lives    int // control connections opened so far

	flown    []flown // sent, and not taken in yet
	answered bool    // a reply to the flight has come
	astray   bool    // one that lets the user in came out of its turn, once
	partly   bool    // it was taken in part
	flying   bool    // the connection began with a flight that has not landed
	patient  bool    // the server is known to take a flight
	lost     int     // flights that were
	turned   bool    // away, by the last connection's greeting
	mixed    bool    // replies on the last connection that was lost
	said     map[string]string
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

// Mixed reports whether on the connection, or on the last one where it was lost,
// a reply came before that to an earlier command.
func (s *Session) Mixed() bool {
	if s.conn != nil {
		return s.conn.Mixed()
	}
	return s.mixed
}

// Lives returns how many control connections were opened so far.
func (s *Session) Lives() int { return s.lives }

// State returns the state that a new connection is brought to.
func (s *Session) State() *State { return &s.state }

// TurnedAway reports whether the last connection began with a refusal.
func (s *Session) TurnedAway() bool { return s.turned }

// Said returns the text of the reply to USER, PASS, TYPE or FEAT; empty where
// the command was not sent.
func (s *Session) Said(verb string) string { return s.said[verb] }

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
	return s.greeting, nil
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
		tc := client(raw, s.cfg.TLS(), s.cfg.ClearCommands)
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
	s.turned = false
	s.lives++
	if err := s.begin(ctx, greeting); err != nil {
		s.Drop(err)
		return err
	}
	return nil
}

// Do sends one command and returns the final reply to it. A connection found
// dead is replaced first; one that dies under a command that changes nothing
// is replaced and the command repeated. An error means that there is no reply.
func (s *Session) Do(ctx context.Context, line string) (Reply, error) {
	if err := CheckCommand(line); err != nil {
		return Reply{}, err
	}
	for try := 0; ; try++ {
		if s.landed(line) {
			// Its reply is there, also where the connection has ended since.
		} else if err := s.Ready(ctx); err != nil {
			return Reply{}, err
		}
		if s.exposed() && secretsOf(line) != nil {
			return Reply{}, ErrExposed
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
			// It may have been carried out, an RNTO for instance.
			s.state.Unanswered()
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
	s.keepWords(line, r)
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
func (s *Session) keepWords(line string, r Reply) {
	switch verb := Verb(line); verb {
	case "USER", "PASS", "TYPE", "FEAT":
		if s.said == nil {
			s.said = make(map[string]string)
		}
		s.said[verb] = r.Text()
	}
}

// once sends one command on the connection that is there and waits for its
// final reply. Without one the connection is given up.
func (s *Session) once(ctx context.Context, line string) (_ Reply, err error) {
	var r Reply
	f, ok := s.claim(line)
	if ok {
		r, err = s.landing(ctx, f)
	} else {
		var call *Call
		if call, err = s.Send(ctx, line); err != nil {
			return Reply{}, err
		}
		r, err = s.final(ctx, call, s.cfg.ReplyLimit)
		if err == nil && belated(call.Verb, r) {
			r, err = s.past(ctx, call, r)
		}
	}
	if err != nil {
		s.Drop(err)
		if errors.Is(err, ErrSilent) {
			err = fmt.Errorf("%s: %w", Redact(line), err)
		}
	}
	return r, err
}

// final returns the final reply to a call.
func (s *Session) final(ctx context.Context, call *Call, limit time.Duration) (Reply, error) {
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
		return nil, &LostError{net.ErrClosed}
	}
	if err := CheckCommand(line); err != nil {
		return nil, err
	}
	s.sawStray(conn)
	s.sawCommand(line)
	call, err := conn.Send(ctx, line)
	if err != nil && conn.Err() != nil {
		s.Drop(err)
	}
	return call, err
}

// SendAll writes commands in one go. Replies to the last of them are told to h,
// where not nil.
func (s *Session) SendAll(ctx context.Context, h Hearer, lines ...string) ([]*Call, error) {
	conn := s.Live()
	if conn == nil {
		return nil, &LostError{net.ErrClosed}
	}
	s.sawStray(conn)
	calls := make([]*Call, len(lines))
	for i, line := range lines {
		s.sawCommand(line)
		calls[i] = conn.newCall(line)
	}
	calls[len(calls)-1].hearer = h
	err := conn.send(ctx, calls...)
	if err != nil && conn.Err() != nil && !s.flying {
		// Ahead of the login's replies there may be a greeting that says why.
		s.Drop(err)
	}
	return calls, err
}

func (s *Session) sawCommand(line string) {
	if s.Observer.Command != nil {
		s.Observer.Command(Redact(line))
	}
}

// sawStray shows the replies that nobody asked for before they are forgotten,
// and reports whether one of them announced the end.
func (s *Session) sawStray(conn *Conn) (ending bool) {
	for _, r := range conn.Stray() {
		s.Saw(r)
		ending = ending || r.Code == 421
	}
	return ending
}

// Next returns the next reply to the call, from the connection that it was
// sent on; unlike Do it leaves that as it is when there is none.
func (s *Session) Next(ctx context.Context, call *Call, limit time.Duration) (Reply, error) {
	return s.next(ctx, call, limit)
}

func (s *Session) next(ctx context.Context, call *Call, limit time.Duration) (Reply, error) {
	r, err := call.conn.Next(ctx, call, limit)
	if err == nil {
		s.Saw(r)
	}
	return r, err
}

// Final returns the final reply to a call.
func (s *Session) Final(ctx context.Context, call *Call) (Reply, error) {
	return s.final(ctx, call, s.cfg.ReplyLimit)
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
	s.mixed = s.conn.Mixed()
	s.conn.Reset()
	s.conn = nil
	if s.flying {
		s.crash(err)
	}
	if s.Observer.Lost != nil {
		s.Observer.Lost(err)
	}
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
		s.sawCommand("QUIT")
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
		s.sawStray(conn)
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
