package ftpnat

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// CopyFS copies the tree src into a directory, which it makes where needed, as
// [os.CopyFS] does toward a local one. A file that is there already is an
// error that is [fs.ErrExist], and nothing is replaced. Each file is checked as
// Close of a File does. Symbolic links and what is neither file nor directory
// cannot be copied over FTP and are an error. The first error ends the copy;
// what was whole by then stays.
//
// Up to Dialer.MaxConns files are copied at once, so that src must be safe for
// concurrent use, as those of the standard library are. With a MaxConns of 1 it
// is used by the caller's goroutine alone, one file after the other. src may be
// of the same server and share its connections with f.
func (f *FS) CopyFS(dir string, src fs.FS) error {
	if !validName(dir) {
		return &fs.PathError{Op: "copyfs", Path: dir, Err: fs.ErrInvalid}
	}
	most := f.p.cfg.maxConns
	if s, ok := src.(*FS); ok && s.p == f.p {
		most = max(most/2, 1) // each file is read and written
	}
	c := newCrew(f, most)
	src, stop := c.govern(src)
	defer stop()
	up := &copyUp{fs: f.WithContext(c.ctx), src: src, dir: dir, present: make(map[string]map[string]bool)}
	return c.wait(fs.WalkDir(src, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = up.visit(c, name, d)
		}
		return up.ended(name, err)
	}))
}

// govern puts an FS that is read from under the context of the crew too.
func (c *crew) govern(src fs.FS) (fs.FS, context.CancelFunc) {
	s, ok := src.(*FS)
	if !ok {
		return src, func() {}
	}
	ctx, cancel := context.WithCancel(s.ctx)
	stop := context.AfterFunc(c.ctx, cancel)
	return s.WithContext(ctx), func() {
		stop()
		cancel()
	}
}

// copyUp is one CopyFS.
type copyUp struct {
	fs      *FS // in the context of the crew
	src     fs.FS
	dir     string
	present map[string]map[string]bool // names in the directories that were there before
}

// visit makes a directory, or leaves a file to the crew.
func (u *copyUp) visit(c *crew, name string, d fs.DirEntry) error {
	to := path.Join(u.dir, name)
	switch {
	case d.IsDir():
		return u.fs.copyDir(to, u.present)
	case !d.Type().IsRegular():
		return &fs.PathError{Op: "copyfs", Path: name, Err: unable("FTP can make files and directories alone")}
	case u.present[path.Dir(to)][path.Base(to)]:
		return &fs.PathError{Op: "copyfs", Path: to, Err: fs.ErrExist}
	}
	return c.do(func() error { return u.ended(to, u.fs.copyFile(to, u.src, name)) })
}

// ended returns the error of the context where that is why err happened, be it
// in src.
func (u *copyUp) ended(name string, err error) error {
	if cerr := u.fs.ctx.Err(); err != nil && cerr != nil {
		return &fs.PathError{Op: "copyfs", Path: name, Err: cerr}
	}
	return err
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
	if _, err := w.ReadFrom(gathered(r)); err != nil {
		w.abandon()
		var pe *fs.PathError
		if !errors.As(err, &pe) {
			err = &fs.PathError{Op: "copyfs", Path: to, Err: err}
		}
		return err
	}
	return w.Close()
}

// gathered returns a reader of r that fills its buffers, where r may share its
// connection with what is written: each change between the two costs round
// trips.
func gathered(r fs.File) io.Reader {
	if f, ok := r.(*File); ok {
		return gatherer{f}
	}
	return r
}

type gatherer struct{ r io.Reader }

// Read reads until p is full or there is no more.
func (g gatherer) Read(p []byte) (int, error) {
	n, err := io.ReadFull(g.r, p)
	if err == io.ErrUnexpectedEOF {
		err = nil // the next Read has the end
	}
	return n, err
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
