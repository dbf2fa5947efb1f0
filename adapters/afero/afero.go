// Package afero makes a directory of an FTP server an afero.Fs
// (github.com/spf13/afero), for reading and writing.
//
//	fsys, err := ftpnat.Open(ctx, "ftp://user:password@ftp.example.com/site")
//	...
//	var disk afero.Fs = aferoftp.New(fsys)
//
// A file is open for reading or for writing and is written from its start to
// its end. Everything else is an error that is errors.ErrUnsupported; see the
// README for a table.
package afero

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/spf13/afero"
)

// Fs is a directory of an FTP server. It is safe for concurrent use.
//
// Names are separated by slashes (by backslashes too on Windows) and begin at
// the directory that the FS was opened with, whether they begin with a slash or
// not; ".." does not lead out of it.
//
// Errors are *fs.PathError and *os.LinkError with the name that the caller gave.
// They work with errors.Is and with os.IsNotExist and os.IsExist, which afero
// itself uses; other errors have the server's reply, as a *ftpnat.ReplyError.
type Fs struct {
	fsys *ftpnat.FS
}

var _ interface {
	afero.Fs
	afero.Symlinker
} = (*Fs)(nil)

// New returns fsys as an afero.Fs. The context of fsys governs every call; see
// ftpnat.FS.WithContext. Closing fsys is up to the caller.
func New(fsys *ftpnat.FS) *Fs {
	return &Fs{fsys}
}

// Name returns "ftpnat".
func (f *Fs) Name() string { return "ftpnat" }

// Create opens a file for writing, replacing any existing file. The server has
// the file when Close has returned nil, and not before.
func (f *Fs) Create(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Open opens a file for reading, or a directory.
func (f *Fs) Open(name string) (afero.File, error) {
	return f.OpenFile(name, os.O_RDONLY, 0)
}

// OpenFile opens a file as ftpnat.FS.OpenFile does. O_RDWR is taken for
// O_WRONLY if the file is created or emptied, because that is how programs open
// a file that they only write; reading from it is an error. perm is not used.
func (f *Fs) OpenFile(name string, flag int, perm os.FileMode) (afero.File, error) {
	if flag&os.O_RDWR != 0 && (flag&os.O_TRUNC != 0 || flag&(os.O_CREATE|os.O_EXCL) == os.O_CREATE|os.O_EXCL) {
		flag = flag&^os.O_RDWR | os.O_WRONLY
	}
	file, err := f.fsys.OpenFile(inside(name), flag, perm)
	if err != nil {
		return nil, named(name, err)
	}
	return &File{file: file, name: name, out: flag&os.O_WRONLY != 0}, nil
}

// Stat describes a file, following symbolic links.
func (f *Fs) Stat(name string) (os.FileInfo, error) {
	info, err := f.fsys.Stat(inside(name))
	return info, named(name, err)
}

// LstatIfPossible describes a file without following symbolic links.
func (f *Fs) LstatIfPossible(name string) (os.FileInfo, bool, error) {
	info, err := f.fsys.Lstat(inside(name))
	return info, true, named(name, err)
}

// ReadlinkIfPossible returns the target of a symbolic link, if the server tells
// it.
func (f *Fs) ReadlinkIfPossible(name string) (string, error) {
	target, err := f.fsys.ReadLink(inside(name))
	return target, named(name, err)
}

// SymlinkIfPossible returns an error that is afero.ErrNoSymlink: FTP has no
// command for it.
func (f *Fs) SymlinkIfPossible(oldname, newname string) error {
	return &os.LinkError{Op: "symlink", Old: oldname, New: newname, Err: afero.ErrNoSymlink}
}

// Mkdir makes a directory. perm is not used.
func (f *Fs) Mkdir(name string, perm os.FileMode) error {
	return named(name, f.fsys.Mkdir(inside(name), perm))
}

// MkdirAll makes a directory, and those above it that are missing. perm is not
// used.
func (f *Fs) MkdirAll(name string, perm os.FileMode) error {
	return named(name, f.fsys.MkdirAll(inside(name), perm))
}

// Remove removes a file, a symbolic link or an empty directory.
func (f *Fs) Remove(name string) error {
	return named(name, f.fsys.Remove(inside(name)))
}

// RemoveAll removes a file, or a directory with all that is in it. It is not an
// error if there is none.
func (f *Fs) RemoveAll(name string) error {
	return named(name, f.fsys.RemoveAll(inside(name)))
}

// Rename gives a file another name. Whether an existing file with the new name
// is replaced is up to the server; if not, the error is fs.ErrExist.
func (f *Fs) Rename(oldname, newname string) error {
	err := f.fsys.Rename(inside(oldname), inside(newname))
	var le *os.LinkError
	if errors.As(err, &le) {
		return &os.LinkError{Op: le.Op, Old: oldname, New: newname, Err: plain(le.Err)}
	}
	return err
}

// Chmod sets the permission bits, if the server has SITE CHMOD.
func (f *Fs) Chmod(name string, mode os.FileMode) error {
	return named(name, f.fsys.Chmod(inside(name), mode))
}

// Chown returns an error that is errors.ErrUnsupported: FTP has no command for
// it.
func (f *Fs) Chown(name string, uid, gid int) error {
	return &fs.PathError{Op: "chown", Path: name, Err: errors.ErrUnsupported}
}

// Chtimes sets the time of the last change, if the server has a command for it.
// atime is not used.
func (f *Fs) Chtimes(name string, atime, mtime time.Time) error {
	return named(name, f.fsys.Chtimes(inside(name), atime, mtime))
}

// inside returns the name in the FS of a name that is relative or absolute.
func inside(name string) string {
	if name = strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(name)), "/"); name != "" {
		return name
	}
	return "."
}

// named puts the caller's name into an error.
func named(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return &fs.PathError{Op: pe.Op, Path: name, Err: plain(pe.Err)}
	}
	return err
}

// plain reduces an error to fs.ErrNotExist or fs.ErrExist where it is one: afero
// compares by os.IsNotExist and os.IsExist, which do not unwrap.
func plain(err error) error {
	for _, kind := range []error{fs.ErrNotExist, fs.ErrExist} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return err
}
