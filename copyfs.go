package ftpnat

import (
	"errors"
	"io/fs"
	"os"
	"path"
)

// CopyFS copies the tree src into a directory, which it makes where needed, as
// [os.CopyFS] does toward a local one. A file that is there already is an
// error that is [fs.ErrExist], and nothing is replaced. Each file is checked as
// Close of a File does. Symbolic links and what is neither file nor directory
// cannot be copied over FTP and are an error.
func (f *FS) CopyFS(dir string, src fs.FS) error {
	if !validName(dir) {
		return &fs.PathError{Op: "copyfs", Path: dir, Err: fs.ErrInvalid}
	}
	present := make(map[string]map[string]bool) // names in the directories that were there before
	return fs.WalkDir(src, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := path.Join(dir, name)
		switch {
		case d.IsDir():
			return f.copyDir(to, present)
		case !d.Type().IsRegular():
			return &fs.PathError{Op: "copyfs", Path: name, Err: unable("FTP can make files and directories alone")}
		case present[path.Dir(to)][path.Base(to)]:
			return &fs.PathError{Op: "copyfs", Path: to, Err: fs.ErrExist}
		}
		return f.copyFile(to, src, name)
	})
}

// copyDir makes a directory; the names in one that was there are put into
// present, which saves a question for every file.
func (f *FS) copyDir(dir string, present map[string]map[string]bool) error {
	if dir != "." {
		err := f.Mkdir(dir, 0o777)
		if errors.Is(err, fs.ErrNotExist) {
			err = f.MkdirAll(dir, 0o777)
		}
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	entries, err := f.ReadDir(dir)
	if err != nil {
		return err
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.Name()] = true
	}
	present[dir] = names
	return nil
}

func (f *FS) copyFile(to string, src fs.FS, name string) error {
	r, err := src.Open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := f.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	if info, err := r.Stat(); err == nil {
		w.out.total = info.Size()
	}
	if _, err := w.ReadFrom(r); err != nil {
		w.abandon()
		var pe *fs.PathError
		if !errors.As(err, &pe) {
			err = &fs.PathError{Op: "copyfs", Path: to, Err: err}
		}
		return err
	}
	return w.Close()
}

// abandon closes a file that was written in part, so that it does not look
// complete where that can be helped.
func (f *File) abandon() {
	f.use.take()
	defer f.use.give()
	f.closed = true
	f.out.abort(f.ctx)
	f.cancel(fs.ErrClosed)
}
