package session

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// Config is what the sessions of one client have in common. It is not changed.
type Config struct {
	Server   string // host:port
	User     string
	Password string
	Account  string // for ACCT, if the server asks for one
	TLS      Security
	// KeepNames leaves names as the server has them: UTF-8 is not asked for
	// together with the login.
	KeepNames bool
	// OneByOne sends no command before the last one is answered: for a probe, and
	// for servers that do not take it.
	OneByOne bool

	// Dial opens a socket for the control connection.
	Dial     func(ctx context.Context) (net.Conn, error)
	Attempt  time.Duration // limit of opening a connection, of either kind
	RetryFor time.Duration // limit of replacing a lost one; negative means one try

	Transfer transfer.Config // without what stands here already
	Path     path.Config
	Shared   *Shared
}

// Security says what is under TLS.
type Security struct {
	Config        *tls.Config // nil for clear text; with a ServerName
	Implicit      bool        // from the first byte
	AuthSSL       bool        // AUTH SSL if the server does not know AUTH TLS
	ClearData     bool        // PROT C
	ClearCommands bool        // CCC after the login
}

// Shared is what the sessions of one client have found out together. Its zero
// value is ready, and it is safe for concurrent use.
type Shared struct {
	lost     atomic.Int32 // logins in one go that were lost
	narrow   atomic.Bool  // many commands at a time were not kept apart
	queueing path.Queueing
	worked   atomic.Bool // a data connection has
	signs    atomic.Bool // the server has ended one over TLS with a close_notify
	refusal  atomic.Pointer[refusal]
}

// refusal is what a server has said to the login.
type refusal struct {
	err  error
	when time.Time
}

// refusedFor is how long a refused login stands for all that need a connection: a
// copy of a tree would else send the password for each of its files, which locks
// accounts. After that, whoever comes again is believed to know why.
const refusedFor = time.Minute

// refused returns the refusal of the login that still stands; nil for none.
func (s *Shared) refused() error {
	if r := s.refusal.Load(); r != nil && time.Since(r.when) < refusedFor {
		return r.err
	}
	return nil
}

// refuse keeps an error of a login if it is the server's last word.
func (s *Shared) refuse(err error) {
	if proto.RefusedLogin(err) && !proto.NotOpen(err).TooMany() {
		s.refusal.Store(&refusal{err, time.Now()})
	}
}

// transfers returns the settings of data connections.
func (c *Config) transfers() transfer.Config {
	t := c.Transfer
	t.Server, t.Attempt, t.OneByOne = c.Server, c.Attempt, c.OneByOne
	t.Queueing, t.Worked, t.Signs = &c.Shared.queueing, &c.Shared.worked, &c.Shared.signs
	return t
}

// replyLimits is how many times the limit of an attempt the server has for the
// answer to an ordinary command, which may have to move a directory or hash a
// file.
const replyLimits = 4
