package remote

import (
	"context"
	"strings"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// This file has what changes the working directory. It is the session's between
// calls: whoever enters another one leaves it.

// inside calls f with the working directory changed. It reports whether the
// server has changed it: if not, the error is the refusal.
func (s *Session) inside(ctx context.Context, wire string, f func() error) (entered bool, err error) {
	home, err := s.enter(ctx, wire)
	if err != nil {
		return false, err
	}
	err = f()
	back := s.leave(ctx, home)
	if err == nil || ctx.Err() != nil {
		err = back
	}
	return true, err
}

// enter changes the working directory. It returns what leave needs.
func (s *Session) enter(ctx context.Context, wire string) (home string, err error) {
	if home, err = s.home(ctx); err != nil {
		return "", err
	}
	_, err = s.Want(ctx, 2, "CWD "+wire)
	return home, err
}

// leave changes the working directory back.
func (s *Session) leave(ctx context.Context, home string) error {
	if home != "" && ctx.Err() == nil {
		if _, back := s.Want(ctx, 2, "CWD "+home); back == nil {
			return nil
		}
	}
	err := s.Home(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// home returns the name of the session's directory; empty if the server does not
// tell it in a form that CWD surely takes.
func (s *Session) home(ctx context.Context) (string, error) {
	if home := s.Server.homeDir(); home != "" {
		return home, nil
	}
	r, err := s.Do(ctx, "PWD")
	if err != nil {
		return "", err
	}
	home := control.ParseDir(r)
	if !strings.HasPrefix(home, "/") {
		return "", nil
	}
	s.Server.setHome(home)
	return home, nil
}

// isDir reports whether a directory can be entered, and how that was refused. It
// takes one round trip if the server reads ahead.
func isDir(ctx context.Context, s *Session, name string) (entered bool, refused, err error) {
	wire, err := s.Encode(name)
	if err != nil {
		return false, nil, err
	}
	home, err := s.home(ctx)
	if err != nil {
		return false, nil, err
	}
	if home == "" || !s.Pipelines() {
		entered, err = s.inside(ctx, wire, func() error { return nil })
		if !entered && proto.RefusedAt(err) {
			return false, err, nil
		}
		return entered, nil, err
	}
	lines, back := []string{"CWD " + wire, "CWD " + home}, false
	err = s.Batch(ctx, lines, changeLimit, func(i int, r proto.Reply) error {
		switch {
		case i == 0 && !r.Completed():
			refused = proto.Refusal(lines[0], r)
		case i == 1:
			back = r.Completed()
		}
		return nil
	})
	if err == nil && !back {
		err = s.Home(ctx)
	}
	return refused == nil, refused, err
}
