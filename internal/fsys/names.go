package fsys

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/walk"
)

// Found is what is known of a name that is opened.
type Found struct {
	listing.Entry
	Quick bool // only a size and a time
	Rough bool // from a listing, which may be some seconds old
}

// Find looks up a file that is to be read, or a directory. If nothing tells of the
// name, it is taken for a file of unknown size.
func (f FS) Find(name string) (found Found, err error) {
	err = f.Ask("open", name, func(ctx context.Context, s *remote.Session, at string) error {
		s = s.ForTransfer()
		e, quick, err := remote.QuickStat(ctx, s, at)
		if err == nil && !quick {
			e, err = remote.Stat(ctx, s, at, true)
		}
		blind, unlisted := remote.Unlisted(at, err)
		switch {
		case unlisted:
			e, err = blind, nil
		case err != nil:
			return err
		}
		e.Name = remote.BaseName(remote.Slashed(name))
		found = Found{e, quick, !quick && !unlisted && e.Type == listing.TypeFile && !s.HasMLST()}
		return nil
	})
	return found, err
}

// Stat describes a file, following symbolic links.
func (f FS) Stat(name string) (listing.Entry, error) {
	return f.describe("stat", name, func(ctx context.Context, s *remote.Session, at string) (listing.Entry, error) {
		return remote.Glance(ctx, s, at)
	})
}

// Lstat describes a file without following symbolic links.
func (f FS) Lstat(name string) (listing.Entry, error) {
	return f.describe("lstat", name, func(ctx context.Context, s *remote.Session, at string) (listing.Entry, error) {
		return remote.Lstat(ctx, s, at)
	})
}

func (f FS) describe(op, name string, fn func(context.Context, *remote.Session, string) (listing.Entry, error)) (e listing.Entry, err error) {
	err = f.Ask(op, name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		e, err = fn(ctx, s, at)
		return err
	})
	e.Name = remote.BaseName(remote.Slashed(name))
	return e, err
}

// ModTime asks the server for the exact time of the last change of a file.
func (f FS) ModTime(name string) (time.Time, error) {
	var e listing.Entry
	err := f.Ask("modtime", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		if !s.HasMLST() && remote.AsksOf(s, at) {
			if err = remote.ModTime(ctx, s, at, &e); err != nil || e.Absolute {
				return err
			}
		}
		if e, err = remote.Stat(ctx, s, at, true); err != nil || e.Absolute {
			return err
		}
		if err = remote.ModTime(ctx, s, at, &e); err == nil && !e.Absolute {
			err = proto.Unable("the server does not tell the time of it")
		}
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	return e.ModTime, nil
}

// ReadLink returns the target of a symbolic link.
func (f FS) ReadLink(name string) (string, error) {
	var target string
	err := f.Ask("readlink", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		target, err = remote.ReadLink(ctx, s, at)
		return err
	})
	return target, err
}

// ReadDir returns a listing that was fetched ahead, or a new one.
func (f FS) ReadDir(name string) (dir *walk.Dir, err error) {
	if err := bottomless(name); err != nil {
		return nil, err
	}
	if dir = f.takeAhead(name); dir != nil {
		return dir, nil
	}
	err = f.Ask("readdir", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		ctx = trace.Serial(ctx)
		dir, err = f.Walk.ReadDir(ctx, s, at, f.crew(ctx))
		return err
	})
	return dir, err
}

// crew returns the connections that nobody uses.
func (f FS) crew(ctx context.Context) walk.Crew {
	return walk.Crew{Most: f.Pool.Room() - 1, Lend: func() (walk.Session, func()) {
		lease := f.Pool.Try(ctx)
		if lease == nil {
			return nil, nil
		}
		return &remote.Session{Conn: lease.Conn(), Server: f.Server}, lease.Release
	}}
}

// takeAhead returns a listing that was fetched ahead, nil if there is none.
func (f FS) takeAhead(name string) *walk.Dir {
	if !remote.ValidName(name) || f.Ctx.Err() != nil || f.Pool.Err() != nil {
		return nil
	}
	return f.Walk.Take(f.Path(name))
}

// maxDepth is how many directories in each other are listed.
const maxDepth = 100

// bottomless returns the error of a directory that is too deep to be listed. Where a
// server shows a link to a directory above as a directory, a walk finds it in itself
// again and again.
func bottomless(name string) error {
	if strings.Count(name, "/") < maxDepth {
		return nil
	}
	err := fmt.Errorf("more than %d directories in each other, which is most likely one that leads back to itself", maxDepth)
	return &fs.PathError{Op: "readdir", Path: name, Err: err}
}
