package fsys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/stream"
	"github.com/ftpnat/ftpnat/internal/tree"
)

// Side is an FS as package tree reads from it, but for opening files.
type Side struct{ FS }

// Stat describes a file, or what a symbolic link leads to.
func (s Side) Stat(ctx context.Context, name string) (listing.Entry, error) {
	e, err := s.In(ctx).Stat(name)
	if blind, ok := remote.Unlisted(name, err); ok {
		return blind, nil // a file that is known by name may be read
	}
	return e, err
}

// ReadDir lists a directory.
func (s Side) ReadDir(ctx context.Context, name string) ([]listing.Entry, error) {
	dir, err := s.In(ctx).ReadDir(name)
	if err != nil {
		return nil, err
	}
	return dir.Entries(), Unread(name, dir.Unread())
}

// Unread returns an error that comes together with a listing in the form in which
// package tree knows it; its public form is found in it.
func Unread(name string, err error) error {
	if err != nil {
		err = &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return err
}

// ReadLink returns where a symbolic link leads.
func (s Side) ReadLink(ctx context.Context, name string) (string, error) {
	return s.In(ctx).ReadLink(name)
}

// ModTime sets the time in e to that of MDTM, if the server has it.
func (s Side) ModTime(ctx context.Context, name string, e *listing.Entry) error {
	return s.In(ctx).Ask("fetch", name, func(ctx context.Context, s *remote.Session, at string) error { return remote.ModTime(ctx, s, at, e) })
}

// Check returns the hash of a file that is still the one that e describes.
func (s Side) Check(ctx context.Context, name string, e listing.Entry, timed bool) (sum *tree.Digest, err error) {
	err = s.In(ctx).Ask("fetch", name, func(ctx context.Context, s *remote.Session, at string) error {
		now, err := remote.Stat(ctx, s, at, false)
		if err == nil && timed {
			err = remote.ModTime(ctx, s, at, &now)
		}
		if err == nil && now.Size != e.Size {
			err = fmt.Errorf("%w: it has %d bytes, and had %d", proto.ErrChanged, now.Size, e.Size)
		}
		if err == nil {
			err = stream.Same(e, now)
		}
		if err != nil {
			return err
		}
		d, ok, err := remote.Hash(ctx, s, at)
		if ok {
			sum = &tree.Digest{Name: d.Name, Sum: d.Sum, New: d.New}
		}
		return err
	})
	return sum, err
}

// Target is an FS as package tree writes to it, but for creating files.
type Target struct {
	Side
	made *sync.Map // directories that were made, in which nothing was before
}

// NewTarget returns the target that f is.
func NewTarget(f FS) Target { return Target{Side{f}, new(sync.Map)} }

// Made reports whether a directory was made, so that nothing was in it before.
func (t Target) Made(dir string) bool {
	_, made := t.made.Load(dir)
	return made
}

// Mkdir makes a directory.
func (t Target) Mkdir(ctx context.Context, name string) error {
	err := t.In(ctx).Mkdir(name)
	if err == nil {
		t.made.Store(name, true)
	}
	return err
}

// MkdirAll makes a directory and those above it.
func (t Target) MkdirAll(ctx context.Context, name string) error { return t.In(ctx).MkdirAll(name) }

const (
	// clearFew is how many names are cleared in turn by one call, so that there is
	// something left for other connections, and clearMany how many at once.
	clearFew  = 8
	clearMany = 128
)

// ground is an FS as package tree removes from it.
type ground struct {
	FS
	atOnce atomic.Int32
	stuck  atomic.Bool // a refusal for now has lasted
}

// List lists a directory in the ordinary way: what STAT hides must go too.
func (g *ground) List(ctx context.Context, name string) (entries []listing.Entry, err error) {
	if err := bottomless(name); err != nil {
		return nil, err
	}
	var unread error
	err = g.In(ctx).Ask("readdir", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
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
		err = Unread(name, unread)
	}
	return entries, err
}

// AtOnce returns how many names are best cleared by one call.
func (g *ground) AtOnce() int { return int(g.atOnce.Load()) }

// Remove removes a file, a link or an empty directory.
func (g *ground) Remove(ctx context.Context, name string) error {
	return g.In(ctx).Remove(name, false)
}

// Clear removes entries of a directory, and with last the directory. What is cut
// off is sent again: that it is not there any more is all that counts.
func (g *ground) Clear(ctx context.Context, dir string, entries []listing.Entry, last bool) (errs []error, gone bool, err error) {
	f := g.In(ctx)
	at := f.Path(dir)
	var list []remote.Doomed
	for _, e := range entries {
		list = append(list, remote.Doomed{Name: remote.Below(at, e.Name), File: true, Dir: e.Type == listing.TypeDir})
	}
	if last {
		list = append(list, remote.Doomed{Name: at, Dir: true})
	}
	err = f.Do("remove", dir, retry.Worth, func(ctx context.Context, s *remote.Session, _ string) error {
		defer s.Server.Changed()
		before := len(errs)
		err := remote.Clear(ctx, s, list[before:], func(refusal error) { errs = append(errs, refusal) })
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
	if retry.Worth(err) && proto.RefusedAt(err) && !g.stuck.Load() {
		err = g.Remove(ctx, name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		g.stuck.Store(true)
		return err
	}
	return &fs.PathError{Op: "remove", Path: name, Err: retry.Public(remote.Denied(err))}
}
