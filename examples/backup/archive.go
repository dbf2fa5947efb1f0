package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
)

// archive keeps the files of a backup in one file. What was read waits in the
// parts of the vault until commit writes a new archive from the old one and
// the parts, and gives it the old one's place.
type archive struct {
	v    *vault
	file string // in the vault's base
	form format

	sizes map[string]int64 // of the files in the archive there is
	mu    sync.Mutex
	parts map[name]string // of what was put
}

// format is a kind of archive.
type format interface {
	// scan calls fn with each regular file of an archive, in its order.
	scan(f *os.File, fn func(member) error) error
	create(w io.Writer) packer
}

// member is a file in an archive.
type member struct {
	name string
	size int64
	open func() (io.ReadCloser, error)
	raw  any // the header as the format has it
}

// packer writes an archive.
type packer interface {
	// add adds a directory, a link, or a file with its content.
	add(r record, content io.Reader) error
	// copy adds a file of another archive of the same format.
	copy(m member) error
	Close() error
}

// index finds what the archive has. One without a manifest or a journal is
// somebody else's and not to be replaced.
func (a *archive) index() error {
	a.sizes = map[string]int64{}
	if _, err := a.v.base.Stat(a.file); err == nil && !a.v.known() {
		return &fs.PathError{Op: "open", Path: a.file, Err: errors.New("the file is there already, and no backup")}
	}
	return a.scan(func(m member) error {
		a.sizes[m.name] = m.size
		return nil
	})
}

// scan calls fn with each file of the archive, if there is one.
func (a *archive) scan(fn func(member) error) error {
	f, err := a.v.base.Open(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := a.form.scan(f, fn); err != nil {
		return &fs.PathError{Op: "read", Path: a.file, Err: err}
	}
	return nil
}

func (a *archive) held(r record) bool {
	size, ok := a.sizes[string(r.Name)]
	return ok && size == r.Size
}

func (a *archive) mkdir(record) error { return nil }

func (a *archive) put(r record, id string) error {
	if err := a.v.note(entry{ID: id, Offset: r.Size, SHA256: r.SHA256, Done: &r}); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.parts[r.Name] = id
	return nil
}

// remove has nothing to do: commit does not copy what is not to be there.
func (a *archive) remove(record) error { return nil }

// commit writes a new archive where something has changed.
func (a *archive) commit(old, records []record) error {
	if len(a.parts) == 0 && sameNames(old, records) {
		return nil
	}
	fresh := a.v.at("archive.new")
	f, err := a.v.base.Create(fresh)
	if err != nil {
		return err
	}
	err = a.pack(a.form.create(f), records)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, a.v.base.Remove(fresh))
	}
	return a.v.base.Rename(fresh, a.file)
}

// sameNames reports whether two sets of records have the same files,
// directories and links.
func sameNames(a, b []record) bool {
	type shape struct {
		kind   string
		target name
	}
	shapes := map[name]shape{}
	for _, r := range a {
		shapes[r.Name] = shape{r.Kind, r.Target}
	}
	return len(a) == len(b) && !slices.ContainsFunc(b, func(r record) bool { return shapes[r.Name] != shape{r.Kind, r.Target} })
}

// pack writes directories and links, then what the old archive has, then what
// is new.
func (a *archive) pack(p packer, records []record) error {
	old, added := map[string]bool{}, []record(nil)
	for _, r := range records {
		switch {
		case r.Kind != kindFile:
			if err := p.add(r, nil); err != nil {
				return err
			}
		case a.parts[r.Name] != "":
			added = append(added, r)
		default:
			old[string(r.Name)] = true
		}
	}
	err := a.scan(func(m member) error {
		if !old[m.name] {
			return nil
		}
		delete(old, m.name)
		return p.copy(m)
	})
	if err != nil {
		return err
	}
	for missing := range old {
		return &fs.PathError{Op: "copy", Path: missing, Err: errors.New("the archive has lost it")}
	}
	slices.SortFunc(added, record.compare)
	for _, r := range added {
		if err := a.add(p, r); err != nil {
			return err
		}
	}
	return p.Close()
}

func (a *archive) add(p packer, r record) error {
	part, err := a.v.base.Open(a.v.part(a.parts[r.Name]))
	if err != nil {
		return err
	}
	defer part.Close()
	return p.add(r, part)
}

func (a *archive) each(records []record, fn func(record, io.Reader, error) error) error {
	want := make(map[string]record, len(records))
	for _, r := range records {
		want[string(r.Name)] = r
	}
	err := a.scan(func(m member) error {
		r, ok := want[m.name]
		if !ok {
			return nil
		}
		delete(want, m.name)
		content, err := m.open()
		if err != nil {
			return fn(r, nil, err)
		}
		defer content.Close()
		return fn(r, content, nil)
	})
	if err != nil {
		return err
	}
	for _, r := range want {
		if err := fn(r, nil, fs.ErrNotExist); err != nil {
			return err
		}
	}
	return nil
}
