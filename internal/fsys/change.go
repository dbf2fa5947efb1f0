package fsys

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/tree"
)

// Change calls fn, which changes something on the server, and repeats it after
// what again allows: after a break it is not known whether it was carried out.
func (f FS) Change(op, name string, again func(error) bool, fn func(ctx context.Context, s *remote.Session, at string) error) error {
	if name == "." {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return f.Do(op, name, again, func(ctx context.Context, s *remote.Session, at string) error {
		defer s.Server.Changed()
		return fn(ctx, s, at)
	})
}

// MayWrite checks what is there where the flags demand it.
func (f FS) MayWrite(name string, flag int) error {
	if flag&os.O_CREATE != 0 && flag&os.O_EXCL == 0 && flag&(os.O_TRUNC|os.O_APPEND) != 0 {
		return nil
	}
	var e listing.Entry
	err := f.Ask("open", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		e, err = remote.Lookup(ctx, s, at, false)
		return err
	})
	absent := errors.Is(err, proto.ErrMissing)
	switch {
	case err != nil && !absent:
		return err
	case absent && flag&os.O_CREATE == 0:
		return err
	case absent:
		return nil
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return &proto.FSError{Kind: fs.ErrExist}
	case e.Type == listing.TypeDir:
		return &proto.FSError{Kind: proto.ErrIsDir}
	case flag&(os.O_TRUNC|os.O_APPEND) == 0:
		return proto.Unable("FTP replaces a file or appends to it: O_TRUNC or O_APPEND is needed")
	}
	return nil
}

// Mkdir makes a directory. After a break, nil means that there is one now where
// nothing was before.
func (f FS) Mkdir(name string) error {
	var making remote.Making
	return f.Change("mkdir", name, retry.Worth, func(ctx context.Context, s *remote.Session, at string) error {
		return making.Do(ctx, s, at)
	})
}

// MkdirAll makes a directory, and those above it that are missing.
func (f FS) MkdirAll(name string) error {
	if name == "." {
		return nil
	}
	unexplained, err := f.mkdirAgain(name)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		e, serr := f.Stat(name)
		if serr == nil && e.Type != listing.TypeDir {
			return &fs.PathError{Op: "mkdir", Path: name, Err: &proto.FSError{Kind: proto.ErrNotDir}}
		}
		return serr
	case errors.Is(err, fs.ErrNotExist), unexplained:
		parent, _ := remote.Split(name)
		if parent == "" {
			return err
		}
		if err := f.MkdirAll(parent); err != nil {
			return err
		}
		if _, err = f.mkdirAgain(name); errors.Is(err, fs.ErrExist) {
			err = nil // somebody else was faster
		}
	}
	if err != nil && !proto.IsNotOpen(err) {
		// Of two who make a directory at once, some servers refuse both.
		if e, serr := f.Stat(name); serr == nil && e.Type == listing.TypeDir {
			return nil
		}
	}
	return err
}

// mkdirAgain is Mkdir for a caller to whom it is the same who has made the directory.
// It also reports whether the error is a refusal that the server does not tell the
// reason of, as where nothing may be listed.
func (f FS) mkdirAgain(name string) (unexplained bool, err error) {
	err = f.Change("mkdir", name, retry.Worth, func(ctx context.Context, s *remote.Session, at string) error {
		err := new(remote.Making).Do(ctx, s, at)
		var kind *proto.FSError
		unexplained = proto.ReplyOf(err).Code/100 == 5 && !errors.As(err, &kind)
		return err
	})
	return unexplained, err
}

// Remove removes a file, a link or an empty directory; with careful, what is in a
// directory must stay.
func (f FS) Remove(name string, careful bool) error {
	removal := remote.Removal{Careful: careful, Asks: careful}
	return f.Change("remove", name, retry.Worth, func(ctx context.Context, s *remote.Session, at string) error {
		return removal.Do(ctx, s, at)
	})
}

// RemoveAll removes a file, or a directory with all that is in it.
func (f FS) RemoveAll(name string) error {
	err := f.Remove(name, false)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, proto.ErrNotEmpty) {
		return err
	}
	return tree.Remove(f.Ctx, &ground{FS: f}, f.Options(), name)
}

// Rename gives a file another name. After a break, the server is asked for both.
func (f FS) Rename(oldname, newname string) error {
	if !remote.ValidName(newname) || newname == "." {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: fs.ErrInvalid}
	}
	renaming := remote.Renaming{From: f.Path(oldname), To: f.Path(newname), Size: -1}
	err := f.Change("rename", oldname, retry.Worth, func(ctx context.Context, s *remote.Session, _ string) error {
		return renaming.Do(ctx, s)
	})
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: pe.Err}
	}
	return err
}
