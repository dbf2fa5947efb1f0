package ftpnat

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/pool"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/stream"
	"github.com/ftpnat/ftpnat/internal/tree"
)

// Create opens a file for writing, replacing any existing file.
//
// No command is sent before more than 64 KiB were written, or before Close if
// the file is no larger: errors may come then, and an existing file stays until
// then. To have a file appear under its name only when it is whole, use
// [FS.CreateAtomic] or [FS.Upload].
//
// If more is written, the server is asked first for the size and the time of what
// is there, so that the new file can be told from it if the server's closing reply
// is lost. The question travels with the one for a data connection, or costs a
// round trip.
func (f *FS) Create(name string) (*File, error) {
	return f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
}

// CreateAtomic opens a file for writing that appears under its name at Close, when
// it is whole: until then, the name has what it had before. What is written goes to
// a temporary name in the same directory, which is renamed when the server has
// confirmed it and its size is right: see [FS.Upload] for how an existing file is
// replaced. On an error, and by [File.Abort], the temporary file is removed if the
// server can be reached.
//
// Unlike Upload, it cannot send again what was written: a connection that breaks
// ends the file with an error, unless no more than 64 KiB were written.
func (f *FS) CreateAtomic(name string) (*File, error) {
	if !remote.ValidName(name) || name == "." {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrInvalid}
	}
	file := &File{fs: f, name: name}
	to := stream.Target{Name: name, Path: f.path(name), Total: -1}
	file.out = f.c.Atomic(to)
	file.open(to.Path)
	return file, nil
}

// Append opens a file for writing at its end. It creates the file if it does not
// exist.
func (f *FS) Append(name string) (*File, error) {
	return f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
}

// OpenFile opens a file with flags of package os: O_RDONLY alone, or O_WRONLY
// with O_CREATE, O_TRUNC, O_APPEND and O_EXCL. What FTP cannot do is an error
// that is [errors.ErrUnsupported]: O_RDWR, and writing into an existing file
// without O_TRUNC or O_APPEND. O_EXCL is not atomic: the name is looked up
// before the file is created. perm is not used; the permission bits are those
// that the server gives to new files (see [FS.Chmod]).
func (f *FS) OpenFile(name string, flag int, perm fs.FileMode) (*File, error) {
	const access = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
	var err error
	switch {
	case !remote.ValidName(name):
		err = fs.ErrInvalid
	case flag&access == os.O_RDONLY && flag&^os.O_SYNC == os.O_RDONLY:
		return f.openRead(name)
	case flag&access != os.O_WRONLY:
		err = proto.Unable("FTP opens a file for reading or for writing")
	case name == ".":
		err = &proto.FSError{Kind: proto.ErrIsDir}
	default:
		err = f.mayWrite(name, flag)
	}
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f.create(name, stream.Target{Total: -1, Append: flag&(os.O_APPEND|os.O_TRUNC) == os.O_APPEND}), nil
}

// create opens a file for writing.
func (f *FS) create(name string, to stream.Target) *File {
	file := &File{fs: f, name: name}
	to.Name, to.Path = name, f.path(name)
	file.out = f.c.Writer(to)
	file.open(to.Path)
	return file
}

// mayWrite checks what is there where the flags demand it.
func (f *FS) mayWrite(name string, flag int) error {
	if flag&os.O_CREATE != 0 && flag&os.O_EXCL == 0 && flag&(os.O_TRUNC|os.O_APPEND) != 0 {
		return nil
	}
	var e listing.Entry
	err := f.ask("open", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		e, err = s.Lookup(ctx, at, false)
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

// WriteFile writes a file, replacing any existing file. A transfer that fails is
// made again from the start, for as long as Dialer.RetryFor, unless the server's
// refusal is final or several in a row got no further. If it returns an error, the
// file is not to be relied on. perm is not used; the permission bits are those that
// the server gives to new files (see [FS.Chmod]).
func (f *FS) WriteFile(name string, data []byte, perm fs.FileMode) error {
	if !remote.ValidName(name) || name == "." {
		err := fs.ErrInvalid
		if name == "." {
			err = &proto.FSError{Kind: proto.ErrIsDir}
		}
		return &fs.PathError{Op: "writefile", Path: name, Err: err}
	}
	ctx, cancel := f.c.Pool.Within(f.ctx)
	defer cancel(nil)
	to := stream.Target{Name: name, Path: f.path(name), Total: int64(len(data))}
	if err := pool.Ended(ctx, f.c.WriteFile(ctx, to, data)); err != nil {
		return &fs.PathError{Op: "writefile", Path: name, Err: public(err)}
	}
	return nil
}

// Hash returns the hash of a file as the server computes it, where it has a command
// for that: HASH (draft-bryan-ftpext-hash-02), XSHA256, XSHA512, XSHA1, XMD5 or
// XCRC. The algorithm is one of "SHA-256", "SHA-512", "SHA-1", "MD5" and "CRC32",
// in any case and with or without hyphens. If the server does not offer it, the
// error is [errors.ErrUnsupported]. It takes one round trip, or three if the
// algorithm is not the one that the server uses by itself, and as long as the
// server needs to read the file.
func (f *FS) Hash(name, algorithm string) ([]byte, error) {
	var sum []byte
	err := f.ask("hash", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		sum, err = s.HashBy(ctx, at, algorithm)
		return err
	})
	return sum, err
}

// changeAgain calls fn, which changes something on the server, and repeats it after
// what again allows: after a break it is not known whether it was carried out.
func (f *FS) changeAgain(op, name string, again func(error) bool, fn func(ctx context.Context, s *remote.Session, at string) error) error {
	if name == "." {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return f.do(op, name, again, func(ctx context.Context, s *remote.Session, at string) error {
		defer s.Server.Changed()
		return fn(ctx, s, at)
	})
}

// Mkdir makes a directory. perm is not used; the permission bits are those that
// the server gives to new directories (see [FS.Chmod]). If the connection breaks,
// nil means that there is a directory now where nothing was before; if the server
// could not be asked for that, an error matches [ErrLost].
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	var making remote.Making
	return f.changeAgain("mkdir", name, making.Again, func(ctx context.Context, s *remote.Session, at string) error {
		return making.Do(ctx, s, at)
	})
}

// MkdirAll makes a directory, and those above it that are missing. It is not an
// error if the directory already exists, nor if others make it at the same time.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error {
	if name == "." {
		return nil
	}
	err := f.Mkdir(name, perm)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		info, serr := f.Stat(name)
		if serr == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: &proto.FSError{Kind: proto.ErrNotDir}}
		}
		return serr
	case errors.Is(err, fs.ErrNotExist):
		parent, _ := remote.Split(name)
		if parent == "" {
			return err
		}
		if err := f.MkdirAll(parent, perm); err != nil {
			return err
		}
		if err = f.Mkdir(name, perm); errors.Is(err, fs.ErrExist) {
			err = nil // somebody else was faster
		}
	}
	if err != nil {
		// Of two who make a directory at once, some servers refuse both.
		if info, serr := f.Stat(name); serr == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

// Remove removes a file, a symbolic link or an empty directory. If the server is
// not one of a few well-known programs, a directory is listed first: some
// servers remove it with all that is in it. If the connection breaks, nil means
// that there is nothing under the name any more.
func (f *FS) Remove(name string) error { return f.remove(name, true) }

// remove is Remove; with careful, what is in a directory must stay.
func (f *FS) remove(name string, careful bool) error {
	removal := remote.Removal{Careful: careful, Asks: careful}
	return f.changeAgain("remove", name, retry.Worth, func(ctx context.Context, s *remote.Session, at string) error {
		return removal.Do(ctx, s, at)
	})
}

// RemoveAll removes a file, or a directory with all that is in it. Symbolic links
// are removed and not followed. It is not an error if the name does not exist.
//
// An error that concerns one name, as of rights or of a line of a listing
// ([*ListingError]), does not end it: everything else is removed, and all such
// errors are returned joined, each with its name, the first hundred and a count.
// [Trace.Note] tells of each. What ends it at once is the end of the context and a
// connection that cannot be had. Up to Dialer.MaxConns connections are used.
func (f *FS) RemoveAll(name string) error {
	err := f.remove(name, false)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, proto.ErrNotEmpty) {
		return err
	}
	return tree.Remove(f.ctx, &ground{f: f}, f.c.treeOptions(), name)
}

// Rename gives a file another name. Whether an existing file with the new name is
// replaced is up to the server; if it does not replace it, the error is
// [fs.ErrExist]. If the connection breaks, the server is asked for both names.
func (f *FS) Rename(oldname, newname string) error {
	if !remote.ValidName(newname) || newname == "." {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: fs.ErrInvalid}
	}
	unsettled := false
	err := f.changeAgain("rename", oldname, retry.Worth, func(ctx context.Context, s *remote.Session, at string) error {
		to := f.path(newname)
		if unsettled {
			if done, err := s.Renamed(ctx, at, to, -1); done || err != nil {
				return err
			}
		}
		err := s.Rename(ctx, at, to)
		if unsettled && proto.RefusedAt(err) {
			// It may have been carried out just now.
			if done, derr := s.Renamed(ctx, at, to, -1); done && derr == nil {
				return nil
			}
		}
		unsettled = unsettled || errors.Is(err, remote.ErrUnsettled)
		return err
	})
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: pe.Err}
	}
	return err
}

// Chtimes sets the time of the last change. FTP has no time of the last access;
// atime is not used. There are three commands for this, and some servers have
// none of them: the error is then [errors.ErrUnsupported].
func (f *FS) Chtimes(name string, atime, mtime time.Time) error {
	return f.changeAgain("chtimes", name, retry.Worth, func(ctx context.Context, s *remote.Session, at string) error { return s.Chtimes(ctx, at, mtime.UTC()) })
}

// Chmod sets the permission bits, by SITE CHMOD. If the server does not have it,
// the error is [errors.ErrUnsupported].
func (f *FS) Chmod(name string, mode fs.FileMode) error {
	return f.changeAgain("chmod", name, retry.Worth, func(ctx context.Context, s *remote.Session, at string) error { return s.Chmod(ctx, at, mode) })
}

// Upload writes a file that appears under its name only when it is whole. The
// content of src, from its start to its end, is written under a temporary name
// in the same directory, which is renamed when the server has confirmed it and
// its size is right; if the server can hash files, the hash must be right too.
// Upload returns the size in bytes. src may be a file of the same FS.
//
// If a connection breaks, the content is sent again under another temporary name,
// for as long as Dialer.RetryFor or until three tries in a row got no further.
// It goes on where it broke if the server can hash files; or, once it has broken
// twice, if the server lets the file be read back and compared.
//
// An existing file is replaced. If the server refuses to rename over a file,
// that file is moved out of the way first and removed afterwards, or put back if
// the rename fails. Upload returns nil only if the rename was confirmed, by the
// server's reply or by what it tells of both names afterwards. On an error the
// temporary files are removed, if the server can be reached.
func (f *FS) Upload(name string, src io.ReadSeeker) (int64, error) {
	if !remote.ValidName(name) || name == "." {
		return 0, &fs.PathError{Op: "upload", Path: name, Err: fs.ErrInvalid}
	}
	ctx, cancel := f.c.Pool.Within(f.ctx)
	defer cancel(nil)
	n, err := f.c.Upload(ctx, stream.Target{Name: name, Path: f.path(name)}, src)
	if err = pool.Ended(ctx, err); err != nil {
		return n, &fs.PathError{Op: "upload", Path: name, Err: public(err)}
	}
	return n, nil
}
