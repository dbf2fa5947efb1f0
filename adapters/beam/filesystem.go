package beam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	"github.com/ftpnat/ftpnat"
)

// fileSystem is what Beam works with for a moment: it asks for the files of a
// pattern, and then for the size and time of each.
type fileSystem struct {
	mu     sync.Mutex
	listed map[string]fs.FileInfo // what List has seen, by path
}

var _ interface {
	filesystem.Interface
	filesystem.LastModifiedGetter
	filesystem.Remover
	filesystem.Copier
	filesystem.Renamer
} = (*fileSystem)(nil)

// Close does nothing: files that were opened are still in use.
func (f *fileSystem) Close() error { return nil }

// in calls do with the FS of a path and the name in it.
func in(ctx context.Context, name string, do func(fsys *ftpnat.FS, p place) error) error {
	p, err := parse(name)
	if err != nil {
		return err
	}
	s := serverOf(p.server)
	fsys, err := s.use(ctx)
	if err != nil {
		return err
	}
	defer s.done()
	return p.explain(do(fsys, p))
}

// explain puts the server into an error.
func (p place) explain(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("%s: %w", p.prefix, err)
}

// List returns the paths of the files that match a pattern, sorted.
func (f *fileSystem) List(ctx context.Context, pattern string) (paths []string, err error) {
	err = in(ctx, pattern, func(fsys *ftpnat.FS, p place) error {
		files, err := glob(fsys, p.name)
		if err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.listed = make(map[string]fs.FileInfo, len(files))
		for _, file := range files {
			paths = append(paths, p.prefix+file.name)
			f.listed[p.prefix+file.name] = file.info
		}
		return nil
	})
	return paths, err
}

// stat describes a file, from the listing if it was just listed.
func (f *fileSystem) stat(ctx context.Context, name string) (info fs.FileInfo, err error) {
	f.mu.Lock()
	info = f.listed[name]
	f.mu.Unlock()
	if info != nil {
		return info, nil
	}
	err = in(ctx, name, func(fsys *ftpnat.FS, p place) error {
		info, err = fsys.Stat(p.name)
		return err
	})
	return info, err
}

// Size returns the size of a file in bytes.
func (f *fileSystem) Size(ctx context.Context, name string) (int64, error) {
	info, err := f.stat(ctx, name)
	if err != nil {
		return -1, err
	}
	return info.Size(), nil
}

// LastModified returns the time of the last change of a file. It is as exact as the
// server's listing if the file was just listed.
func (f *fileSystem) LastModified(ctx context.Context, name string) (time.Time, error) {
	info, err := f.stat(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Remove removes a file.
func (f *fileSystem) Remove(ctx context.Context, name string) error {
	return in(ctx, name, func(fsys *ftpnat.FS, p place) error { return fsys.Remove(p.name) })
}

// Rename gives a file another name, replacing any existing file. If the server does
// not replace it, that is removed first.
func (f *fileSystem) Rename(ctx context.Context, oldname, newname string) error {
	to, err := parse(newname)
	if err != nil {
		return err
	}
	return in(ctx, oldname, func(fsys *ftpnat.FS, p place) error {
		if p.server != to.server {
			return fmt.Errorf("%s%s is on another server", to.prefix, to.name)
		}
		if err := mkdir(fsys, to.name); err != nil {
			return err
		}
		err := fsys.Rename(p.name, to.name)
		if errors.Is(err, fs.ErrExist) {
			if err := fsys.Remove(to.name); err != nil {
				return err
			}
			err = fsys.Rename(p.name, to.name)
		}
		return err
	})
}

// Copy copies a file through this machine, within a server or to another one.
func (f *fileSystem) Copy(ctx context.Context, oldname, newname string) error {
	src, err := f.open(ctx, oldname)
	if err != nil {
		return err
	}
	defer src.Close()
	return upload(ctx, newname, src)
}

func upload(ctx context.Context, name string, src io.ReadSeeker) error {
	return in(ctx, name, func(fsys *ftpnat.FS, p place) error {
		if err := mkdir(fsys, p.name); err != nil {
			return err
		}
		_, err := fsys.Upload(p.name, src)
		return err
	})
}

// mkdir makes the directory that a file is to be in.
func mkdir(fsys *ftpnat.FS, name string) error {
	if dir := path.Dir(name); dir != "." {
		return fsys.MkdirAll(dir, 0o777)
	}
	return nil
}

// reader is a file that keeps the connections of its server in use.
type reader struct {
	*ftpnat.File
	place place
	close func() error // once
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.File.Read(p)
	return n, r.place.explain(err)
}

func (r *reader) WriteTo(w io.Writer) (int64, error) {
	n, err := r.File.WriteTo(w)
	return n, r.place.explain(err)
}

func (r *reader) Close() error { return r.close() }

// OpenRead opens a file for reading.
func (f *fileSystem) OpenRead(ctx context.Context, name string) (io.ReadCloser, error) {
	return f.open(ctx, name)
}

func (f *fileSystem) open(ctx context.Context, name string) (*reader, error) {
	p, err := parse(name)
	if err != nil {
		return nil, err
	}
	s := serverOf(p.server)
	fsys, err := s.use(ctx)
	if err != nil {
		return nil, err
	}
	file, err := fsys.OpenFile(p.name, os.O_RDONLY, 0)
	if err != nil {
		s.done()
		return nil, p.explain(err)
	}
	r := &reader{File: file, place: p}
	r.close = sync.OnceValue(func() error {
		defer s.done()
		return file.Close()
	})
	return r, nil
}

// writer keeps a file on the local disk until it is complete: a bundle may take
// long to write, and what was sent over a connection that then breaks could not be
// sent again.
type writer struct {
	local  *os.File
	ctx    context.Context // of the bundle
	name   string
	failed error        // of a Write
	close  func() error // once
}

// OpenWrite opens a file for writing. It appears on the server, whole and in place
// of any existing file, when Close returns nil.
func (f *fileSystem) OpenWrite(ctx context.Context, name string) (io.WriteCloser, error) {
	if _, err := parse(name); err != nil {
		return nil, err
	}
	local, err := os.CreateTemp("", "ftpnat-beam-*")
	if err != nil {
		return nil, err
	}
	w := &writer{local: local, ctx: ctx, name: name}
	forget := sync.OnceFunc(func() {
		local.Close()
		os.Remove(local.Name())
	})
	// Beam does not close a file of a bundle that has failed.
	stop := context.AfterFunc(ctx, forget)
	w.close = sync.OnceValue(func() error {
		defer stop()
		defer forget()
		return w.send()
	})
	return w, nil
}

// Write appends p to the local file.
func (w *writer) Write(p []byte) (int, error) {
	n, err := w.local.Write(p)
	if err != nil {
		w.failed = err
	}
	return n, err
}

// Close sends the file. An error is logged, because parquetio.Write does not look at
// it.
func (w *writer) Close() error { return w.close() }

func (w *writer) send() error {
	err := w.failed
	if err == nil {
		err = w.ctx.Err()
	}
	if err == nil {
		err = upload(w.ctx, w.name, w.local)
	}
	if err != nil {
		log.Errorf(w.ctx, "%s was not written: %v", w.name, err)
	}
	return err
}
