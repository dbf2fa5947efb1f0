package ftpnat

import (
	"context"
	"errors"
	"fmt"
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
// [FS.Upload].
func (f *FS) Create(name string) (*File, error) {
	return f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
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

// WriteFile writes a file, replacing any existing file. If it returns an error,
// the file is not to be relied on. perm is not used; the permission bits are
// those that the server gives to new files (see [FS.Chmod]).
func (f *FS) WriteFile(name string, data []byte, perm fs.FileMode) error {
	file, err := f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	file.out.SetTotal(int64(len(data)))
	if len(data) > 0 {
		_, err = file.Write(data)
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}

// change calls fn, which changes something on the server. It is repeated only if
// the server has refused the change for now: after a break it is not known
// whether the command was carried out.
func (f *FS) change(op, name string, fn func(ctx context.Context, s *remote.Session, at string) error) error {
	if name == "." {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return f.do(op, name, isRefusal, func(ctx context.Context, s *remote.Session, at string) error {
		defer s.Server.Changed()
		return fn(ctx, s, at)
	})
}

// isRefusal reports whether err is a refusal that may not last.
func isRefusal(err error) bool { return retry.Worth(err) && proto.RefusedAt(err) }

// Mkdir makes a directory. perm is not used; the permission bits are those that
// the server gives to new directories (see [FS.Chmod]).
func (f *FS) Mkdir(name string, perm fs.FileMode) error {
	return f.change("mkdir", name, func(ctx context.Context, s *remote.Session, at string) error { return s.Mkdir(ctx, at) })
}

// MkdirAll makes a directory, and those above it that are missing. It is not an
// error if the directory already exists.
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
	return err
}

// Remove removes a file, a symbolic link or an empty directory. If the server is
// not one of a few well-known programs, a directory is listed first: some
// servers remove it with all that is in it.
func (f *FS) Remove(name string) error { return f.remove(name, true) }

// remove is Remove; with careful, what is in a directory must stay.
func (f *FS) remove(name string, careful bool) error {
	return f.change("remove", name, func(ctx context.Context, s *remote.Session, at string) error { return s.Remove(ctx, at, careful) })
}

// RemoveAll removes a file, or a directory with all that is in it. Symbolic links
// are removed and not followed. It is not an error if the name does not exist.
func (f *FS) RemoveAll(name string) error {
	err := f.remove(name, false)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, proto.ErrNotEmpty) {
		return err
	}
	// What STAT hides must go too.
	var entries []listing.Entry
	err = f.ask("readdir", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		entries, err = s.List(ctx, at)
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := f.RemoveAll(name + "/" + e.Name); err != nil {
			return err
		}
	}
	if err := f.remove(name, false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Rename gives a file another name. Whether an existing file with the new name is
// replaced is up to the server; if it does not replace it, the error is
// [fs.ErrExist].
func (f *FS) Rename(oldname, newname string) error {
	if !remote.ValidName(newname) || newname == "." {
		return &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: fs.ErrInvalid}
	}
	err := f.change("rename", oldname, func(ctx context.Context, s *remote.Session, at string) error {
		return s.Rename(ctx, at, f.path(newname))
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
	return f.change("chtimes", name, func(ctx context.Context, s *remote.Session, at string) error { return s.Chtimes(ctx, at, mtime.UTC()) })
}

// Chmod sets the permission bits, by SITE CHMOD. If the server does not have it,
// the error is [errors.ErrUnsupported].
func (f *FS) Chmod(name string, mode fs.FileMode) error {
	return f.change("chmod", name, func(ctx context.Context, s *remote.Session, at string) error { return s.Chmod(ctx, at, mode) })
}

// Upload writes a file that appears under its name only when it is whole. The
// content of src, from its start to its end, is written under a temporary name
// in the same directory, which is renamed when the server has confirmed it and
// its size is right; if the server can hash files, the hash must be right too. A
// connection that breaks is replaced and the upload resumed. Upload returns the
// size in bytes.
//
// An existing file is replaced. If the server refuses to rename over a file,
// that file is moved out of the way first and removed afterwards, or put back if
// the rename fails. On an error the temporary file is removed, if the server can
// be reached.
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

// CopyFS copies the tree src into a directory, which it makes if needed, as
// [os.CopyFS] does for local directories. A file that already exists is an error
// that is [fs.ErrExist], and nothing is replaced. Each file is checked as Close
// of a [File] does. Symbolic links, and what is neither a file nor a directory,
// cannot be copied over FTP and are an error. The first error ends the copy;
// files that were whole by then stay.
//
// Up to Dialer.MaxConns files are copied at once, so that src must be safe for
// concurrent use, as those of the standard library are. If MaxConns is 1, src is
// used only by the caller's goroutine, one file after the other. src may be a
// file system of the same server that shares its connections with f.
func (f *FS) CopyFS(dir string, src fs.FS) error {
	if !remote.ValidName(dir) {
		return &fs.PathError{Op: "copyfs", Path: dir, Err: fs.ErrInvalid}
	}
	opts := f.c.treeOptions()
	from, remote := src.(*FS)
	if remote && from.c == f.c {
		opts.Most = max(opts.Most/2, 1) // each file is read and written
	}
	return tree.Copy(f.ctx, side{f}, opts, dir, func(ctx context.Context) (fs.FS, context.CancelFunc) {
		if !remote {
			return src, func() {}
		}
		// It has a context of its own, and ends with the copy too.
		both, cancel := context.WithCancel(from.ctx)
		stop := context.AfterFunc(ctx, cancel)
		return from.WithContext(both), func() {
			stop()
			cancel()
		}
	})
}

// treeOptions returns how much is done at once.
func (c *client) treeOptions() tree.Options {
	return tree.Options{Most: c.maxConns, Room: c.Pool.Room, SplitOver: c.splitOver}
}

// Fetch copies a directory of the server, or one file, into the local directory
// dst, which it makes if needed. Of a directory it copies the content, as
// [os.CopyFS] does; a file is copied under the last element of its name. Fetch
// uses up to Dialer.MaxConns connections at once, and opens no more of them than
// there are files waiting.
//
// A file that already exists is an error that is [fs.ErrExist], and nothing is
// replaced. Each file is read as from a [File]: a transfer that breaks is
// resumed, and the count and the server's word must be right. A file is written
// under a temporary name beginning with a dot, and gets its own name only when
// it is whole. The first error ends the copy and names the file; files that were
// whole by then stay. The context of the FS governs the copy. New files and
// directories have the modes 0o666 and 0o777 before umask, and a file has in
// addition the permission bits that the server tells.
//
// A symbolic link that leads to a place in the tree is copied as a link. For a
// link that leads out of it, or whose target the server does not tell, the file
// behind it is fetched; if there is no file behind it, that is an error. Nothing
// that the server says makes Fetch write outside of dst. A name that the local
// system cannot hold, or that it takes for the name of another file, is an
// error.
func (f *FS) Fetch(dst, name string) error {
	if !remote.ValidName(name) {
		return &fs.PathError{Op: "fetch", Path: name, Err: fs.ErrInvalid}
	}
	return tree.Fetch(f.ctx, side{f}, f.c.treeOptions(), dst, name)
}

// side is an FS as package tree sees it.
type side struct{ f *FS }

// Stat describes a file, or what a symbolic link leads to.
func (s side) Stat(ctx context.Context, name string) (listing.Entry, error) {
	info, err := s.f.WithContext(ctx).Stat(name)
	if err != nil {
		return listing.Entry{}, err
	}
	return info.(fileInfo).e, nil
}

// ReadDir lists a directory.
func (s side) ReadDir(ctx context.Context, name string) ([]listing.Entry, error) {
	dir, err := s.f.WithContext(ctx).readDir(name)
	if err != nil {
		return nil, err
	}
	return dir.Entries(), nil
}

// Open opens a file for reading.
func (s side) Open(ctx context.Context, name string, how tree.Opening) (tree.File, error) {
	file, err := s.open(s.f.WithContext(ctx), name, how.Entry)
	if err != nil {
		return nil, err
	}
	source := file.source()
	source.Asked = source.Asked || how.Timed
	source.Quiet, source.Steady = how.Quiet, how.Steady
	file.in = file.fs.c.Reader(source)
	return opened{file}, nil
}

// open opens a file that a listing has described, or asks the server.
func (s side) open(f *FS, name string, e *listing.Entry) (*File, error) {
	if e == nil {
		return f.openRead(name)
	}
	file := &File{fs: f, name: name, found: *e, info: fileInfo{*e}}
	file.open(f.path(name))
	return file, nil
}

// ModTime sets the time in e to that of MDTM, if the server has it.
func (s side) ModTime(ctx context.Context, name string, e *listing.Entry) error {
	return s.f.WithContext(ctx).ask("fetch", name, func(ctx context.Context, s *remote.Session, at string) error { return s.ModTime(ctx, at, e) })
}

// Check returns the hash of a file that is still the one that e describes.
func (s side) Check(ctx context.Context, name string, e listing.Entry, timed bool) (sum *tree.Digest, err error) {
	err = s.f.WithContext(ctx).ask("fetch", name, func(ctx context.Context, s *remote.Session, at string) error {
		now, err := s.Stat(ctx, at, false)
		if err == nil && timed {
			err = s.ModTime(ctx, at, &now)
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
		d, ok, err := s.Hash(ctx, at)
		if ok {
			sum = &tree.Digest{Name: d.Name, Sum: d.Sum, New: d.New}
		}
		return err
	})
	return sum, err
}

// Mkdir makes a directory.
func (s side) Mkdir(ctx context.Context, name string) error {
	return s.f.WithContext(ctx).Mkdir(name, 0o777)
}

// MkdirAll makes a directory and those above it.
func (s side) MkdirAll(ctx context.Context, name string) error {
	return s.f.WithContext(ctx).MkdirAll(name, 0o777)
}

// Create opens a file for writing.
func (s side) Create(ctx context.Context, name string, size int64) (tree.Writer, error) {
	return created{s.f.WithContext(ctx).create(name, stream.Target{Total: size})}, nil
}

// opened is a file that is read, as package tree sees it.
type opened struct{ *File }

// Entry returns what Open has found.
func (f opened) Entry() listing.Entry { return f.found }

// created is a file that is written, as package tree sees it.
type created struct{ *File }

// Abort closes the file so that it does not look complete, as far as that can be
// helped.
func (f created) Abort() {
	f.use.lock()
	defer f.use.unlock()
	f.closed = true
	f.out.Abort(f.ctx)
	f.cancel(fs.ErrClosed)
}
