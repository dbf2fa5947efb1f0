package tree

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// Copy copies the tree that src returns into a directory, which it makes if it
// is missing. A file that is there already is an error that is [fs.ErrExist],
// and so is a symbolic link, or anything else that is neither a file nor a
// directory. Errors of single names are returned joined, and end nothing. src is
// called once, with the context of the copy; what it returns is used by several goroutines at once
// if Most is more than 1.
func Copy(ctx context.Context, dst Target, opts Options, dir string, src func(context.Context) (fs.FS, context.CancelFunc)) error {
	w := newWorkers(ctx, opts)
	from, stop := src(w.ctx)
	defer stop()
	c := &copying{workers: w, dst: dst, src: from, dir: dir, present: make(map[string]map[string]bool), made: make(map[string]bool)}
	return w.wait(fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = c.visit(name, d)
		} else if d == nil {
			return c.ended(name, err) // there is no tree
		}
		one := err != nil
		if err = c.names(c.ended(name, err)); err == nil && one && d.IsDir() && !c.made[path.Join(c.dir, name)] {
			return fs.SkipDir
		}
		return err
	}))
}

// copying is one Copy.
type copying struct {
	*workers
	dst     Target
	src     fs.FS
	dir     string                     // in dst
	present map[string]map[string]bool // names in the directories that were there before
	made    map[string]bool            // directories that are there
}

// visit makes a directory, or leaves a file to a worker.
func (c *copying) visit(name string, d fs.DirEntry) error {
	to := name
	switch {
	case name == ".":
		to = c.dir
	case c.dir != ".":
		to = c.dir + "/" + name
	}
	switch {
	case d.IsDir():
		err := c.mkdir(to)
		c.made[to] = err == nil
		return err
	case !d.Type().IsRegular():
		return &fs.PathError{Op: "copyfs", Path: name, Err: proto.Unable("FTP can make files and directories alone")}
	case c.present[path.Dir(to)][path.Base(to)]:
		return &fs.PathError{Op: "copyfs", Path: to, Err: fs.ErrExist}
	}
	return c.do(func() error { return c.ended(to, c.file(to, name)) })
}

// ended returns the error of the context if that is why err happened, be it in
// src.
func (c *copying) ended(name string, err error) error {
	if cerr := c.ctx.Err(); err != nil && cerr != nil {
		return &fs.PathError{Op: "copyfs", Path: name, Err: proto.Ended(c.ctx, cerr)}
	}
	return err
}

// mkdir makes a directory. The names in one that was there are recorded, which
// saves a question for every file.
func (c *copying) mkdir(dir string) error {
	if dir != "." {
		err := c.dst.Mkdir(c.ctx, dir)
		if errors.Is(err, fs.ErrNotExist) {
			err = c.dst.MkdirAll(c.ctx, dir)
		}
		if err == nil || !errors.Is(err, fs.ErrExist) && !unsure(err) {
			return err
		}
	}
	entries, err := c.dst.ReadDir(c.ctx, dir)
	if err != nil && proto.Unread(err) == nil {
		return err
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.Name] = true
	}
	c.present[dir] = names
	return nil
}

// file copies a file.
func (c *copying) file(to, name string) error {
	in, err := c.src.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	size := int64(-1)
	if info, err := in.Stat(); err == nil {
		size = info.Size()
	}
	out, err := c.dst.Create(c.ctx, to, size)
	if err != nil {
		return err
	}
	if _, err := out.ReadFrom(in); err != nil {
		out.Abort()
		var pe *fs.PathError
		if !errors.As(err, &pe) {
			err = &fs.PathError{Op: "copyfs", Path: to, Err: err}
		}
		return err
	}
	return out.Close()
}
