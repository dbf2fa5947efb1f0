//go:build linux

package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"

	"github.com/ftpnat/ftpnat"
)

// ftpnatWorker does tasks through ftpnat's FS. All lanes share it.
func (job Job) ftpnatWorker(ctx context.Context, u *url.URL, r *Result) (worker, error) {
	d, err := job.Settings.dialer(u)
	if err != nil {
		return nil, err
	}
	d.MaxConns = max(job.Task.Conns, 1)
	if a := job.Task.Action; a != Download && a != Upload {
		ctx = traced(ctx, r)
	}
	fsys, err := d.Open(ctx, job.URL)
	if err != nil {
		return nil, err
	}
	return ftpnatWorker{fsys.WithContext(ctx)}, nil
}

type ftpnatWorker struct{ fsys *ftpnat.FS }

func (w ftpnatWorker) close() error { return w.fsys.Close() }

func (w ftpnatWorker) transfer(_ int, a Action, name string, data []byte) ([]byte, error) {
	switch a {
	case Write:
		return nil, w.fsys.WriteFile(name, data, 0o644)
	case ReadFile:
		return fs.ReadFile(w.fsys, name)
	}
	f, err := w.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(f)
	return got, errors.Join(err, f.Close())
}

func (w ftpnatWorker) walk(info bool) ([]string, error) {
	var names []string
	err := fs.WalkDir(w.fsys, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info && !e.IsDir() {
			i, err := e.Info()
			if err != nil {
				return err
			}
			path += fmt.Sprintf(" %d", i.Size())
		}
		names = append(names, path)
		return nil
	})
	return names, err
}

func (w ftpnatWorker) bulk(a Action, name, local string) error {
	if a == Upload {
		return w.bulkUp(name, local)
	}
	from, err := w.fsys.Open(name)
	if err != nil {
		return err
	}
	to, err := target(local)
	if err != nil {
		return errors.Join(err, from.Close())
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, from.Close(), to.Close())
}

func (w ftpnatWorker) bulkUp(name, local string) error {
	from, err := os.Open(local)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := w.fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
