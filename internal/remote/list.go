package remote

import (
	"context"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
)

// List returns the content of a directory, sorted by name. It is complete, or
// there is an error. A [*proto.ListingError] comes together with all entries that
// could be understood.
func (s *Session) List(ctx context.Context, dir string) ([]listing.Entry, error) {
	start, epoch := time.Now(), s.Server.Epoch()
	got, err := s.directory(dir).list(ctx)
	if err != nil || got == nil {
		return nil, err
	}
	entries := Sort(got.entries)
	if !s.HasMLST() {
		s.Server.Keep(dir, entries, time.Since(start), epoch)
	}
	if got.unread != nil {
		return entries, got.unread
	}
	return entries, nil
}

// ListRaw returns what the server sends as the listing of a directory, in the form
// that List reads. It is complete, or there is an error.
func (s *Session) ListRaw(ctx context.Context, dir string) ([]byte, error) {
	d := s.directory(dir)
	d.raw = true
	got, err := d.list(ctx)
	if err != nil || got == nil {
		return nil, err
	}
	return got.raw, nil
}

// OpenList opens a listing of a directory. ErrUnclear says that it has to be read
// whole to be understood: see List.
func (s *Session) OpenList(ctx context.Context, dir string) (*Listing, error) {
	return s.directory(dir).open(ctx)
}

// directory returns a directory that is to be listed. It has a Session of its own,
// so that those of callers that list nothing need not be on the heap.
func (s *Session) directory(name string) directory {
	own := *s
	return directory{Session: &own, name: name}
}

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
