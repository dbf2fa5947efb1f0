package ftpnat

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// Create opens a file for writing, in place of what was there.
//
// The server is first asked when more than 64 KiB were written, or at Close for
// a file that is no larger, so that errors may come then, and what the name had
// stays until then. To have a file appear under its name only when
// it is whole, use [FS.Upload].
func (f *FS) Create(name string) (*File, error) {
	return f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
}

// Append opens a file for writing at its end, and creates it where there is
// none.
func (f *FS) Append(name string) (*File, error) {
	return f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
}

// OpenFile opens a file with flags of package os: O_RDONLY alone, or
// O_WRONLY with O_CREATE, O_TRUNC, O_APPEND and O_EXCL. What FTP cannot do is
// an error that is [errors.ErrUnsupported]: O_RDWR, and writing into a file
// that is there without O_TRUNC or O_APPEND. O_EXCL looks first and creates
// then, and somebody else may come between. The permission bits are those that
// the server gives new files: see [FS.Chmod].
func (f *FS) OpenFile(name string, flag int, _ fs.FileMode) (*File, error) {
	const access = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
	var err error
	switch {
	case !validName(name):
		err = fs.ErrInvalid
	case flag&access == os.O_RDONLY && flag&^os.O_SYNC == os.O_RDONLY:
		return f.openRead(name)
	case flag&access != os.O_WRONLY:
		err = unable("FTP opens a file for reading or for writing")
	case name == ".":
		err = &kindError{kind: errIsDir}
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
	file := &File{fs: f, name: name}
	file.out = &sink{fs: f, name: name, at: f.path(name), total: -1, append: flag&(os.O_APPEND|os.O_TRUNC) == os.O_APPEND}
	file.open(f.path(name))
	return file, nil
}

// mayWrite checks what is there where the flags demand it.
func (f *FS) mayWrite(name string, flag int) error {
	if flag&os.O_CREATE != 0 && flag&os.O_EXCL == 0 && flag&(os.O_TRUNC|os.O_APPEND) != 0 {
		return nil
	}
	var e listing.Entry
	err := f.ask("open", name, func(ctx context.Context, ls *lease, at string) (err error) {
		e, err = ls.lstat(ctx, at, false)
		return err
	})
	absent := errors.Is(err, errMissing)
	switch {
	case err != nil && !absent:
		return err
	case absent && flag&os.O_CREATE == 0:
		return err
	case absent:
		return nil
	case flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		return &kindError{kind: fs.ErrExist}
	case e.Type == listing.TypeDir:
		return &kindError{kind: errIsDir}
	case flag&(os.O_TRUNC|os.O_APPEND) == 0:
		return unable("FTP replaces a file or appends to it: O_TRUNC or O_APPEND is needed")
	}
	return nil
}

// WriteFile writes a file, in place of what was there. As everywhere, an error
// means that the file is not to be relied on. The permission bits are those
// that the server gives new files.
func (f *FS) WriteFile(name string, data []byte, perm fs.FileMode) error {
	file, err := f.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	file.out.total = int64(len(data))
	if len(data) > 0 {
		_, err = file.Write(data)
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}
