package ftpnat

import (
	"context"
	"slices"
	"strings"

	"github.com/ftpnat/ftpnat/internal/control"
)

// takesAhead reports whether the server is known to read a command that comes
// before the last one was answered. Some small ones throw it away.
func (l *link) takesAhead() bool {
	text := Reply(l.sess.Greeting()).Text()
	return slices.ContainsFunc([]string{"vsFTPd", "ProFTPD", "Pure-FTPd", "pyftpdlib"}, func(name string) bool { return strings.Contains(text, name) })
}

// doBoth sends two commands that ask something in one go and returns the
// replies to them.
func (l *link) doBoth(ctx context.Context, first, second string) (a, b Reply, err error) {
	if err := l.ready(ctx); err != nil {
		return a, b, err
	}
	var calls [2]*control.Call
	var replies [2]control.Reply
	for i, line := range []string{first, second} {
		if calls[i], err = l.sess.Send(ctx, line); err != nil {
			l.sess.Drop(err)
			return a, b, contextual(ctx, replied(line, err))
		}
	}
	for i, line := range []string{first, second} {
		if replies[i], err = l.sess.Next(ctx, calls[i], replyLimits*l.cfg.attempt); err != nil {
			l.sess.Drop(err)
			return a, b, contextual(ctx, replied(line, err))
		}
	}
	return Reply(replies[0]), Reply(replies[1]), nil
}
