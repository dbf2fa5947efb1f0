package control

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Config says how a session gets its control connections.
type Config struct {
	// Server is the host:port that Dial leads to, for the hooks.
	Server string
	// Dial opens a socket to the server.
	Dial func(ctx context.Context) (net.Conn, error)
	// TLS, if not nil, puts the control connection under TLS: by AUTH TLS
	// (RFC 4217), or from the first byte if Implicit is set. Each connection has
	// a copy of its own, with sessions of its own to resume.
	TLS      *tls.Config
	Implicit bool
	// AuthSSL sends AUTH SSL after an AUTH TLS that the server does not know.
	AuthSSL bool
	// ClearData asks for data connections in clear text beside it: PROT C.
	ClearData bool
	// ClearCommands ends TLS after the login if the server allows it: CCC.
	ClearCommands bool
	// Flight, if not nil, is asked for each connection whether the login may be
	// sent in one go.
	Flight func() (Flight, bool)
	// Lost, if not nil, is called when a connection was given up, and Grounded
	// when the session will send one command at a time from now on.
	Lost, Grounded func()
	// Landed, if not nil, is called when the replies of a flight that were
	// postponed have come, or were lost.
	Landed func(ok bool)
	// Merges says that what is sent in two segments may arrive in one, because
	// there is a proxy in between.
	Merges bool
	// Limit is how long a dial or a TLS handshake may take.
	Limit time.Duration
	// ReplyLimit is how long the server may take to answer a command, and to
	// greet: many look up our name first, and wait for one that is not there.
	ReplyLimit time.Duration
	// RetryFor limits the tries to replace a lost connection; zero and less
	// mean one try.
	RetryFor time.Duration
}

// ErrExposed says that a password was not sent because it would have gone in
// clear text after CCC.
var ErrExposed = errors.New("after CCC a password would go in clear text")

// Session is a control session: a control connection that is opened, logged
// in and, when it is lost, replaced by one in the same state. Its methods are
// for one goroutine at a time.
type Session struct {
	cfg      Config
	conn     *Conn
	state    State
	greeting proto.Reply
	features map[string]string
	said     map[string]string // by the server at the login, by verb
	latest   string            // verb of the last command sent
	lives    int               // control connections opened so far
	mixed    bool              // replies on the last connection that was lost
	login    pipelined         // a login that was sent in one go

	tls, data  *tls.Config // of the connection and of the data connections beside it
	program    Software
	identified int // life in which program was looked for
}

// NewSession returns a session that has no connection yet.
func NewSession(cfg Config) *Session { return &Session{cfg: cfg} }

// Live returns the control connection; nil if there is none that works.
func (s *Session) Live() *Conn {
	if s.conn == nil || s.conn.Err() != nil {
		return nil
	}
	return s.conn
}

// Mixed reports whether a reply came before that to an earlier command, on the
// connection or, if it was lost, on the last one.
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

// Latest returns the verb of the last command that was sent.
func (s *Session) Latest() string { return s.latest }

// Greeting returns the reply that the last connection began with.
func (s *Session) Greeting() proto.Reply { return s.greeting }

// Feature returns what the server's FEAT said about a command, if FEAT was
// asked for.
func (s *Session) Feature(verb string) (arg string, ok bool) {
	arg, ok = s.features[verb]
	return arg, ok
}

// Features returns what FEAT said, by verb; nil if it was not answered. The map
// must not be changed.
func (s *Session) Features() map[string]string { return s.features }

// DataTLS returns the configuration of data connections beside the control
// connection, whose TLS session they resume; nil for clear text.
func (s *Session) DataTLS() *tls.Config { return s.data }

// Software returns which program the server is.
func (s *Session) Software() Software {
	if s.program == UnknownSoftware && s.identified != s.lives {
		s.identified = s.lives
		s.program = identify(func(verb string) string {
			if verb == "" {
				return s.greeting.Text()
			}
			return s.said[verb]
		})
	}
	return s.program
}
