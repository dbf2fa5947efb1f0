package ftpnat

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/stream"
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
	to := stream.Target{Name: name, Path: f.sys.Path(name), Total: -1}
	file.out = f.sys.Atomic(to)
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
		err = f.sys.MayWrite(name, flag)
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
	to.Name, to.Path = name, f.sys.Path(name)
	file.out = f.sys.Writer(to)
	file.open(to.Path)
	return file
}

// WriteFile writes a file, replacing any existing file. A transfer that fails is
// made again from the start, for as long as Dialer.RetryFor, unless the server's
// refusal is final or several in a row got no further; and so is one that the server
// calls complete and of which it has less than was sent. If it returns an error, the
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
	ctx, cancel := f.sys.Pool.Within(f.sys.Ctx)
	defer cancel(nil)
	to := stream.Target{Name: name, Path: f.sys.Path(name), Total: int64(len(data))}
	if err := proto.Ended(ctx, f.sys.WriteFile(ctx, to, data)); err != nil {
		return &fs.PathError{Op: "writefile", Path: name, Err: retry.Public(err)}
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
	err := f.sys.Ask("hash", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		sum, err = remote.HashBy(ctx, s, at, algorithm)
		return err
	})
	return sum, err
}

// Mkdir makes a directory. perm is not used; the permission bits are those that
// the server gives to new directories (see [FS.Chmod]). If the connection breaks,
// nil means that there is a directory now where nothing was before; if there is
// something of which that is not known, the error matches [ErrLost].
func (f *FS) Mkdir(name string, perm fs.FileMode) error { return f.sys.Mkdir(name) }

// MkdirAll makes a directory, and those above it that are missing. It is not an
// error if the directory already exists, nor if others make it at the same time. If the
// connection breaks, it is tried again.
func (f *FS) MkdirAll(name string, perm fs.FileMode) error { return f.sys.MkdirAll(name) }

// Remove removes a file, a symbolic link or an empty directory. If the server is
// not one of a few well-known programs, a directory is listed first: some
// servers remove it with all that is in it. If the connection breaks, nil means
// that there is nothing under the name any more.
func (f *FS) Remove(name string) error { return f.sys.Remove(name, true) }

// RemoveAll removes a file, or a directory with all that is in it. Symbolic links
// are removed and not followed. It is not an error if the name does not exist.
//
// An error that concerns one name, as of rights or of a line of a listing
// ([*ListingError]), does not end it: everything else is removed, and all such
// errors are returned joined, each with its name, the first hundred and a count.
// [Trace.Note] tells of each. What ends it at once is the end of the context and a
// connection that cannot be had. Up to Dialer.MaxConns connections are used.
func (f *FS) RemoveAll(name string) error { return f.sys.RemoveAll(name) }

// Rename gives a file another name. Whether an existing file with the new name is
// replaced is up to the server; if it does not replace it, the error is
// [fs.ErrExist]. If the connection breaks, the server is asked for both names.
func (f *FS) Rename(oldname, newname string) error { return f.sys.Rename(oldname, newname) }

// Chtimes sets the time of the last change. FTP has no time of the last access;
// atime is not used. There are three commands for this, and some servers have
// none of them: the error is then [errors.ErrUnsupported].
func (f *FS) Chtimes(name string, atime, mtime time.Time) error {
	return f.sys.Change("chtimes", name, retry.Worth, func(ctx context.Context, s *remote.Session, at string) error {
		return remote.Chtimes(ctx, s, at, mtime.UTC())
	})
}

// Chmod sets the permission bits, by SITE CHMOD. If the server does not have it,
// the error is [errors.ErrUnsupported].
func (f *FS) Chmod(name string, mode fs.FileMode) error {
	return f.sys.Change("chmod", name, retry.Worth, func(ctx context.Context, s *remote.Session, at string) error { return remote.Chmod(ctx, s, at, mode) })
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
// temporary files are removed, if the server can be reached; that takes at most five
// seconds after the context has ended.
func (f *FS) Upload(name string, src io.ReadSeeker) (int64, error) {
	if !remote.ValidName(name) || name == "." {
		return 0, &fs.PathError{Op: "upload", Path: name, Err: fs.ErrInvalid}
	}
	ctx, cancel := f.sys.Pool.Within(f.sys.Ctx)
	defer cancel(nil)
	n, err := f.sys.Upload(ctx, stream.Target{Name: name, Path: f.sys.Path(name)}, src)
	if err = proto.Ended(ctx, err); err != nil {
		return n, &fs.PathError{Op: "upload", Path: name, Err: retry.Public(err)}
	}
	return n, nil
}
