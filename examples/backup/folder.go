package main

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"sync"
	"time"
)

// folder keeps the files of a backup under their own names. It makes no links:
// where a stranger's links point to is for the manifest to say.
type folder struct {
	v     *vault
	mu    sync.Mutex      // guards owned, and held while a file gets its place
	owned map[string]bool // files that the backup has put here
}

// errNotOurs says that a name in the folder is taken.
var errNotOurs = errors.New("the folder has something of that name which the backup did not put there" +
	" (or a name that differs only in case)")

// held reports whether the file is there with its size and time.
func (f *folder) held(r record) bool {
	info, err := f.v.base.Lstat(filepath.FromSlash(r.local()))
	if err != nil || !info.Mode().IsRegular() || info.Size() != r.Size {
		return false
	}
	// Two seconds are what the coarsest file systems tell apart.
	return r.Time.IsZero() || info.ModTime().Sub(r.Time).Abs() <= 2*time.Second
}

func (f *folder) mkdir(r record) error {
	return f.v.base.MkdirAll(filepath.FromSlash(r.local()), 0o777)
}

// put gives a part its place. The journal knows of it before, so that a file is
// never here without being known.
func (f *folder) put(r record, id string) error {
	base, part, local := f.v.base, f.v.part(id), filepath.FromSlash(r.local())
	if !r.Time.IsZero() {
		if err := base.Chtimes(part, r.Time, r.Time); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := base.MkdirAll(filepath.Dir(local), 0o777); err != nil {
		return err
	}
	info, err := base.Lstat(local)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.IsDir():
		if base.Remove(local) != nil { // one of the backup is empty by now
			return errNotOurs
		}
	case !f.owned[r.local()]:
		return errNotOurs
	}
	if err := f.v.note(entry{ID: id, Offset: r.Size, SHA256: r.SHA256, Done: &r}); err != nil {
		return err
	}
	f.owned[r.local()] = true
	return base.Rename(part, local)
}

// remove removes a file, and the directories that are empty without it.
func (f *folder) remove(r record) error {
	if r.Kind == kindLink {
		return nil
	}
	err := f.v.base.Remove(filepath.FromSlash(r.local()))
	if errors.Is(err, fs.ErrNotExist) || r.Kind == kindDir {
		err = nil // a directory with something else in it stays
	}
	for d := path.Dir(r.local()); d != "." && err == nil; d = path.Dir(d) {
		if f.v.base.Remove(filepath.FromSlash(d)) != nil {
			break
		}
	}
	return err
}

// commit has nothing to do: files are put in place one by one.
func (f *folder) commit(_, _ []record) error { return nil }

func (f *folder) each(records []record, fn func(record, io.Reader, error) error) error {
	for _, r := range records {
		if err := f.one(r, fn); err != nil {
			return err
		}
	}
	return nil
}

func (f *folder) one(r record, fn func(record, io.Reader, error) error) error {
	file, err := f.v.base.Open(filepath.FromSlash(r.local()))
	if err != nil {
		return fn(r, nil, err)
	}
	defer file.Close()
	return fn(r, file, nil)
}
