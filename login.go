package ftpnat

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/plan"
)

// connect opens a session, logs in and goes to a directory, where one is
// named. The login is sent in one go; a server that answers that oddly is asked
// again, one command at a time, and remembered.
func connect(ctx context.Context, cfg *config, dir string) (*link, error) {
	var suspect *Attempt
	for {
		l := newLink(cfg)
		l.dir, l.suspect = dir, suspect
		l.begin(ctx)
		before := l.sess.Lost()
		err := l.enter(ctx)
		if err == nil {
			return l, nil
		}
		again := odd(err) || ctx.Err() == nil && l.sess.Accepted(ctx)
		l.sess.Drop(err)
		l.dropAhead()
		lost := l.sess.Lost()
		switch {
		case verbOf(err) == "CWD" && !again:
			return nil, err
		case lost == before || !again || ctx.Err() != nil, l.sess.Greeting().Code == 0 && isSilence(err):
			return nil, fmt.Errorf("ftpnat: %s: %w", cfg.addr, contextual(ctx, err))
		}
		cfg.crashed.Store(int32(lost))
		suspect = l.suspect
		l.note("the login, sent in one go, failed: %v: it is tried again more slowly", err)
	}
}

// odd reports whether the failure of a login may come from how it was sent, and
// not from what was sent.
func odd(err error) bool {
	r := replyOf(err)
	var stranger *tls.CertificateVerificationError
	switch {
	case errors.As(err, &stranger):
		return false
	case r.Code == 0:
		return true // there is none
	case r.Code/100 == 4, verbOf(err) == "AUTH":
		return false
	case verbOf(err) == "CWD":
		return r.Code/10 != 55
	}
	return r.Code/10 != 53 && r.Code != 332 && r.Code/10 != 55
}

// enter opens the control connection, logs in and goes to the directory.
func (l *link) enter(ctx context.Context) error {
	for _, arg := range []string{l.cfg.user, l.cfg.password} {
		if strings.ContainsAny(arg, "\r\n\x00") {
			return fmt.Errorf("the user or the password: %w", control.ErrArgument)
		}
	}
	if _, err := l.sess.Open(ctx); err != nil {
		return replied("", err)
	}
	if err := l.login(ctx); err != nil {
		return err
	}
	if l.dir != "" {
		if _, err := l.want(ctx, 2, "CWD "+l.dir); err != nil {
			return err
		}
	}
	return l.landed(ctx)
}

// login has jlaffaye/ftp log in: USER, PASS, FEAT, TYPE I and UTF-8. Where that
// was sent in one go, it is told the replies that are there.
func (l *link) login(ctx context.Context) error {
	back := &backend{l: l}
	shim := newShim(ctx, back)
	verbs, err := ftp.Dial(l.cfg.addr, ftp.DialWithDialFunc(func(string, string) (net.Conn, error) { return shim, nil }))
	if err == nil {
		err = verbs.Login(l.cfg.user, l.cfg.password)
	}
	what := "login as " + l.cfg.user
	if control.Verb(back.line) == "TYPE" {
		what = back.line // the user was let in
	}
	if refusal := back.last; err != nil && refusal.Code >= 400 && replyOf(replied("", err)).Code == 0 {
		// It keeps the words and not the code.
		return replyError(what, refusal)
	}
	return replied(what, err)
}

// flight returns the login as it may be sent in one go.
func (l *link) flight() (control.Flight, bool) {
	l.recall()
	if l.cfg.oneByOne || l.lesson.Flight == No {
		return control.Flight{}, false
	}
	f := control.Flight{Proven: l.lesson.Flight == Yes}
	if l.guest {
		return f, true
	}
	f.Login = []string{"USER " + l.cfg.user, "PASS " + l.cfg.password}
	// Servers send each line of their FEAT by itself, and more than a new
	// connection may send in one round trip.
	f.After, f.Last = []string{"TYPE I"}, []string{"FEAT"}
	if l.cfg.Dialer.Charset == nil {
		f.After = append(f.After, "OPTS UTF8 ON")
	}
	if l.dir != "" {
		f.After = append(f.After, "CWD "+l.dir)
	}
	return f, true
}

// suspects takes down that the control connection was lost before the login was
// there, when a command of a mode had been sent along with it.
func (l *link) suspects(err error) {
	if l.launched == (plan.Step{}) || l.sess.TurnedAway() {
		return
	}
	if l.sess.Astray() {
		l.launched = plan.Step{} // it came too early
		return
	}
	if l.sess.Lost() == l.launchLost {
		l.launched = plan.Step{} // the login had landed
		return
	}
	a := &Attempt{Mode: Mode(l.launched.Mode), Start: l.launchedAt, Elapsed: time.Since(l.launchedAt), Cause: ControlReset, Err: opaque(err)}
	if isSilence(err) {
		a.Cause = ControlSilent
	}
	l.suspect, l.launched = a, plan.Step{}
}

// landed takes in what is left of a login that was sent in one go, and what
// that tells of the server.
func (l *link) landed(ctx context.Context) error {
	flew, err := l.sess.Land(ctx)
	if err != nil {
		return replied("", err)
	}
	was := l.lesson.Flight
	l.launched = plan.Step{}
	switch {
	case l.suspect == nil:
	case flew && l.lesson.Mode != l.suspect.Mode:
		// All was the same but for that one command, and now it works.
		l.unlearn(plan.Step{Mode: plan.Mode(l.suspect.Mode), Source: plan.Peer}, true)
	default:
		// What has worked before is not blamed for what may be chance.
		l.suspect = nil
	}
	switch {
	case flew:
		l.lesson.Flight = Yes
		l.cfg.crashed.Store(0)
	case l.sess.Grounded():
		l.lesson.Flight = No
	}
	if l.lesson.Flight != was {
		l.keep()
	}
	return nil
}
