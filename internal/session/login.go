package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// Dial opens a session in the login directory. A server that says "later" is
// asked later: one that allows a connection per address still counts the one
// that was closed a moment ago.
func Dial(ctx context.Context, cfg *Config) (c *Conn, err error) {
	err = retry.Do(ctx, cfg.RetryFor, func() (err error) {
		c, err = open(ctx, cfg, "", false)
		if proto.NotOpen(err).Code != 421 && ctx.Err() == nil {
			return retry.Permanent(err)
		}
		return err
	})
	return c, err
}

// Guest opens a control connection on which somebody else logs in, through
// [NewShim].
func Guest(ctx context.Context, cfg *Config) (*Conn, error) {
	c := newConn(cfg, "")
	c.guest = true
	if _, err := c.control.Open(ctx); err != nil {
		c.transfer.Close()
		return nil, proto.ContextError(ctx, err)
	}
	return c, nil
}

// Open opens a session, logs in and changes to a directory if one is named; if
// that cannot be entered the error is [proto.ErrNoDir]. The login is sent in one
// go; a server that answers that oddly is asked again, one command at a time, and
// remembered. The answer to FEAT may still be on its way: see [Conn.CatchUp].
func Open(ctx context.Context, cfg *Config, dir string) (*Conn, error) {
	return open(ctx, cfg, dir, true)
}

func open(ctx context.Context, cfg *Config, dir string, hurried bool) (*Conn, error) {
	if err := cfg.Shared.refused(); err != nil {
		return nil, err
	}
	for {
		c := newConn(cfg, dir)
		c.hurried = hurried
		before, start := c.control.Lost(), time.Now()
		err := c.enter(ctx)
		if err == nil {
			c.opening = time.Since(start)
			return c, nil
		}
		meant := proto.RefusedLogin(err) && c.control.Meant(proto.ReplyOf(err))
		again := odd(err) && !meant || ctx.Err() == nil && c.control.Accepted(ctx)
		c.control.Drop(ctx, err)
		c.transfer.Close()
		lost := c.control.Lost()
		switch {
		case errors.Is(err, proto.ErrNoDir) && !again:
			return nil, retry.Futile(err)
		case lost == before || !again || ctx.Err() != nil, c.Greeting().Code == 0 && proto.IsSilence(err):
			err = &proto.NotOpenError{What: "ftpnat: " + cfg.Server, Err: proto.ContextError(ctx, c.refused(err))}
			cfg.Shared.refuse(err)
			return nil, err
		}
		cfg.Shared.lost.Store(int32(lost))
		trace.From(ctx).Notef("the login, sent in one go, failed: %v: it is tried again more slowly", err)
	}
}

// refused returns an error with what it means for other tries: a server that says
// no more than that it is not available is asked a few times, and one that wants
// TLS is best answered by a person.
func (c *Conn) refused(err error) error {
	r := proto.ReplyOf(err)
	switch {
	case c.cfg.TLS.Config == nil && r.Code >= 400 && r.WantsTLS():
		return fmt.Errorf("%w: the server wants TLS: use ftpes:// (or ftps://), or set Dialer.TLSConfig", err)
	case r.Code == 421 && !r.Later():
		return retry.Futile(err)
	}
	return err
}

// odd reports whether the failure of a login may come from how it was sent, and
// not from what was sent.
func odd(err error) bool {
	r := proto.ReplyOf(err)
	var stranger *tls.CertificateVerificationError
	switch {
	case errors.As(err, &stranger):
		return false
	case r.Code == 0:
		return true // there is none
	case r.Code/100 == 4, errors.Is(err, control.ErrNoTLS):
		return false
	case errors.Is(err, proto.ErrNoDir):
		return r.Code/10 != 55
	}
	return r.Code/10 != 53 && r.Code != 332 && r.Code/10 != 55
}

// noDir is the refusal of the directory in which a session is to begin.
type noDir struct{ error }

// Unwrap returns the refusal.
func (e noDir) Unwrap() error { return e.error }

// Is reports whether target is [proto.ErrNoDir].
func (e noDir) Is(target error) bool { return target == proto.ErrNoDir }

// enter opens the control connection, logs in and goes to the directory.
func (c *Conn) enter(ctx context.Context) error {
	for _, arg := range []string{c.cfg.User, c.cfg.Password, c.cfg.Account} {
		if strings.ContainsAny(arg, "\r\n\x00") {
			return fmt.Errorf("the user, the password or the account: %w", control.ErrArgument)
		}
	}
	if _, err := c.control.Open(ctx); err != nil {
		return err
	}
	if err := c.login(ctx); err != nil {
		return err
	}
	if c.dir != "" {
		if _, err := c.Want(ctx, 2, "CWD "+c.dir); proto.ReplyOf(err).Code != 0 {
			return noDir{err}
		} else if err != nil {
			return err
		}
	}
	if err := c.landed(ctx); err != nil {
		return err
	}
	c.control.State().SetHome()
	return nil
}

// login has jlaffaye/ftp log in: USER, PASS, FEAT, TYPE I and UTF-8. If that was
// sent in one go, it is given the replies that are there.
func (c *Conn) login(ctx context.Context) error {
	back := &backend{c: c}
	nc := newShim(ctx, back)
	verbs, err := ftp.Dial(c.cfg.Server, ftp.DialWithDialFunc(func(string, string) (net.Conn, error) { return nc, nil }))
	if err == nil {
		err = verbs.Login(c.cfg.User, c.cfg.Password)
	}
	if err == nil {
		return nil
	}
	var refused *textproto.Error
	r := back.last
	switch {
	case proto.ReplyOf(err).Code != 0:
		return err
	case errors.As(err, &refused) && r.Completed():
		r = proto.Reply{Code: refused.Code, Lines: strings.Split(refused.Msg, "\n")}
	case r.Code == 0 || r.Code == 331 && control.Verb(back.line) == "USER":
		return err // none of the server's
	}
	// jlaffaye/ftp keeps the words of some and not the code.
	if control.Verb(back.line) == "TYPE" || control.Verb(back.line) == "OPTS" {
		return proto.Refusal(back.line, r) // the user was let in
	}
	return proto.LoginRefusal(c.cfg.User, r)
}

// flight returns the login as it may be sent in one go.
func (c *Conn) flight() (control.Flight, bool) {
	c.path.Recall()
	takes := c.path.Takes(path.Flight)
	if c.cfg.OneByOne || takes == proto.No || c.cfg.Account != "" {
		// Whether an account is asked for depends on the reply to the password.
		return control.Flight{}, false
	}
	f := control.Flight{Proven: takes == proto.Yes}
	if c.guest {
		return f, true
	}
	f.Login = []string{"USER " + c.cfg.User, "PASS " + c.cfg.Password}
	// Servers send each line of their FEAT by itself, and more than a new
	// connection may send in one round trip.
	f.After, f.Last = []string{"TYPE I"}, []string{"FEAT"}
	if !c.cfg.KeepNames {
		f.After = append(f.After, "OPTS UTF8 ON")
	}
	if c.dir != "" {
		f.After = append(f.After, "CWD "+c.dir)
	}
	if also := c.transfer.WithLogin(); also != nil {
		f.Also = []*control.Also{also}
	}
	return f, true
}

// landed reads what is left of a login that was sent in one go, and records what
// that says about the server.
func (c *Conn) landed(ctx context.Context) error {
	flew, err := c.control.Land(ctx)
	switch {
	case err != nil:
		return err
	case c.control.Late():
		// It is not known yet whether all of it was taken.
	case flew:
		c.arrived(true)
	case c.control.Grounded():
		c.path.Learn(path.Flight, false)
	}
	c.TLSVersion() // for when the connection is lost
	if _, utf8 := c.Feature("UTF8"); utf8 && c.cfg.KeepNames {
		trace.From(ctx).Notef("the names are UTF-8 by the server's FEAT: Dialer.Charset is not used")
	}
	return nil
}

// arrived records whether all of a login that was sent in one go was answered.
func (c *Conn) arrived(all bool) {
	c.cfg.Shared.lost.Store(int32(c.control.Lost()))
	switch {
	case all:
		c.path.Learn(path.Flight, true)
		c.cfg.Shared.lost.Store(0)
	case c.control.Grounded():
		c.path.Learn(path.Flight, false)
	}
}
