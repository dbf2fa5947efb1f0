package ftpnat

import (
	"context"
	"errors"
	"io/fs"
	"sync/atomic"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
)

const (
	// clearFew is how many names are cleared in turn by one call, so that there is
	// something left for other connections, and clearMany how many at once.
	clearFew  = 8
	clearMany = 128
)

// ground is an FS as package tree removes from it.
type ground struct {
	f      *FS
	atOnce atomic.Int32
	stuck  atomic.Bool // a refusal for now has lasted
}

// List lists a directory in the ordinary way: what STAT hides must go too.
func (g *ground) List(ctx context.Context, name string) (entries []listing.Entry, err error) {
	if err := bottomless(name); err != nil {
		return nil, err
	}
	var unread error
	err = g.f.WithContext(ctx).ask("readdir", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		g.atOnce.Store(clearFew)
		if s.Pipelines() {
			g.atOnce.Store(clearMany)
		}
		entries, err = s.List(ctx, at)
		if proto.Unread(err) != nil {
			unread, err = err, nil
		}
		return err
	})
	if err == nil {
		err = unreadIn(name, unread)
	}
	return entries, err
}

// AtOnce returns how many names are best cleared by one call.
func (g *ground) AtOnce() int { return int(g.atOnce.Load()) }

// Remove removes a file, a link or an empty directory.
func (g *ground) Remove(ctx context.Context, name string) error {
	return g.f.WithContext(ctx).remove(name, false)
}

// Clear removes entries of a directory, and with last the directory. What is cut
// off is sent again: that it is not there any more is all that counts.
func (g *ground) Clear(ctx context.Context, dir string, entries []listing.Entry, last bool) (errs []error, gone bool, err error) {
	f := g.f.WithContext(ctx)
	at := f.path(dir)
	var list []remote.Doomed
	for _, e := range entries {
		list = append(list, remote.Doomed{Name: remote.Below(at, e.Name), File: true, Dir: e.Type == listing.TypeDir})
	}
	if last {
		list = append(list, remote.Doomed{Name: at, Dir: true})
	}
	err = f.do("remove", dir, retry.Worth, func(ctx context.Context, s *remote.Session, _ string) error {
		defer s.Server.Changed()
		before := len(errs)
		err := s.Clear(ctx, list[before:], func(refusal error) { errs = append(errs, refusal) })
		if len(errs) > before {
			err = retry.Progress(err)
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if last {
		gone = errs[len(entries)] == nil
		errs = errs[:len(entries)]
	}
	return g.settled(ctx, dir, entries, errs), gone, nil
}

// settled makes of the refusals of a directory's entries what they mean. That a
// name is not listed any more proves that it is gone: it was there before.
func (g *ground) settled(ctx context.Context, dir string, entries []listing.Entry, errs []error) []error {
	var now []listing.Entry
	var lerr error
	asked := false
	for i, err := range errs {
		e := entries[i]
		if err == nil {
			continue
		}
		if e.Type != listing.TypeDir && !asked {
			asked = true
			now, lerr = g.List(ctx, dir)
		}
		found := true
		if e.Type != listing.TypeDir {
			known := lerr == nil || proto.Unread(lerr) != nil && !proto.Unread(lerr).Mentions(e.Name)
			was := e
			e, found = remote.Find(now, e.Name)
			if !found {
				e = was
				found = !known && !errors.Is(lerr, fs.ErrNotExist)
			}
		}
		switch {
		case !found:
			errs[i] = nil
		case e.Type == listing.TypeDir:
			errs[i] = &proto.FSError{Kind: proto.ErrNotEmpty, Err: err}
		default:
			errs[i] = g.refused(ctx, dir+"/"+e.Name, err)
		}
	}
	return errs
}

// refused returns the error of a file that is still there. A refusal for now is
// waited out, but not for one file after the other.
func (g *ground) refused(ctx context.Context, name string, err error) error {
	if isRefusal(err) && !g.stuck.Load() {
		err = g.Remove(ctx, name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		g.stuck.Store(true)
		return err
	}
	return &fs.PathError{Op: "remove", Path: name, Err: public(remote.Denied(err))}
}
