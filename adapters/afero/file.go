package afero

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/ftpnat/ftpnat"
	"github.com/spf13/afero"
)

// File is an open file or directory. It is open either for reading or for
// writing.
type File struct {
	file *ftpnat.File
	name string
	out  bool // whether the file is open for writing
}

var _ interface {
	afero.File
	fs.ReadDirFile
	io.WriterTo
	io.ReaderFrom
} = (*File)(nil)

// Name returns the name that the file was opened with.
func (f *File) Name() string { return f.name }

// Close ends the use of the file. Of a file that was written it returns nil only
// when the server said that it has the file and its size is right.
func (f *File) Close() error { return f.fail(f.file.Close()) }

// Stat describes the file. While it is written that is the number of bytes so
// far.
func (f *File) Stat() (os.FileInfo, error) {
	info, err := f.file.Stat()
	return info, f.fail(err)
}

// Read reads on from where the file stands.
func (f *File) Read(p []byte) (int, error) {
	n, err := f.file.Read(p)
	return n, f.fail(err)
}

// ReadAt reads len(p) bytes from the offset on.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.file.ReadAt(p, off)
	return n, f.fail(err)
}

// WriteTo copies the rest of the file to w.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	n, err := f.file.WriteTo(w)
	return n, f.fail(err)
}

// Seek sets where Read goes on. In a file that is being written it can only stay
// where it is.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	n, err := f.file.Seek(offset, whence)
	return n, f.fail(err)
}

// Write appends p to what was written.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	return n, f.fail(err)
}

// WriteString appends s to what was written.
func (f *File) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// ReadFrom writes what r gives.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	n, err := f.file.ReadFrom(r)
	return n, f.fail(err)
}

// WriteAt writes p if off is the end of what was written: FTP writes a file from
// its start to its end.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if f.out {
		if _, err := f.Seek(off, io.SeekStart); err != nil {
			return 0, err
		}
	}
	return f.Write(p)
}

// Truncate does nothing if size is that of what was written so far, and is an
// error otherwise.
func (f *File) Truncate(size int64) error {
	if f.out {
		_, err := f.Seek(size, io.SeekStart)
		return err
	}
	return &fs.PathError{Op: "truncate", Path: f.name, Err: errors.ErrUnsupported}
}

// Sync does nothing for a file that is open for reading. For one that is being
// written it is an error: the server tells what it has when the file is closed.
func (f *File) Sync() error {
	if f.out {
		return &fs.PathError{Op: "sync", Path: f.name, Err: errors.ErrUnsupported}
	}
	return nil
}

// ReadDir returns the next n entries of a directory, or all that are left if n
// is not above zero.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	entries, err := f.file.ReadDir(n)
	return entries, f.fail(err)
}

// Readdir is ReadDir with a FileInfo for each entry.
func (f *File) Readdir(n int) ([]os.FileInfo, error) {
	entries, err := f.ReadDir(n)
	infos := make([]os.FileInfo, 0, len(entries))
	for _, e := range entries {
		info, infoErr := e.Info()
		if infoErr != nil {
			return infos, named(f.name, infoErr)
		}
		infos = append(infos, info)
	}
	return infos, err
}

// Readdirnames is ReadDir with the names alone.
func (f *File) Readdirnames(n int) ([]string, error) {
	entries, err := f.ReadDir(n)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// fail puts the name that the file was opened with into an error.
func (f *File) fail(err error) error { return named(f.name, err) }
