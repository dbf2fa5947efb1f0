package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// vault is a target: the store of the files, and beside it a directory of the
// backup's own with the manifest, the journal, and the parts of files that are
// being read. All of it is reached through base, which no name leads out of.
type vault struct {
	base  *os.Root
	state string // the directory of the backup's own, in base
	store store

	mu      sync.Mutex // guards what follows
	journal *os.File   // nil until it is needed
	left    map[string]entry
	live    map[string]entry // of left, what this run has met or made
}

// store is where the files of a backup are kept.
type store interface {
	// held reports whether the file of a record is there, by its size.
	held(r record) bool
	// mkdir makes the directory of a record.
	mkdir(r record) error
	// put takes in a file that is in a part of the vault and complete. The
	// file may be in its place only after commit.
	put(r record, part string) error
	// remove removes what there is of a record.
	remove(r record) error
	// commit makes records all that the store has, where it had old.
	commit(old, records []record) error
	// each calls fn with the content of each file, or with an error.
	each(records []record, fn func(r record, content io.Reader, err error) error) error
}

const (
	manifestFile = "manifest.json"
	journalFile  = "journal.jsonl"
	partsDir     = "parts"
	// folderState is the directory of the backup's own in a folder.
	folderState = ".ftp-backup"
	// archiveState is added to the name of an archive.
	archiveState = ".backup"
)

// openVault opens a target, which is made where create is set.
func openVault(target string, create bool) (*vault, error) {
	v := &vault{left: map[string]entry{}, live: map[string]entry{}}
	lower := strings.ToLower(target)
	for _, s := range []string{".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar.zst", ".7z", ".rar"} {
		if strings.HasSuffix(lower, s) {
			return nil, fmt.Errorf("%s: archives are .tar or .zip", target)
		}
	}
	dir, form := target, format(nil)
	switch {
	case strings.HasSuffix(lower, ".tar"):
		form = tarFormat{}
	case strings.HasSuffix(lower, ".zip"):
		form = zipFormat{}
	}
	if form != nil {
		dir = filepath.Dir(target)
	}
	if create {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
	}
	base, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	v.base = base
	if form == nil {
		v.state, v.store = folderState, &folder{v: v, owned: map[string]bool{}}
	} else {
		file := filepath.Base(target)
		v.state, v.store = file+archiveState, &archive{v: v, file: file, form: form, parts: map[name]string{}}
	}
	if err := v.prepare(create); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *vault) prepare(create bool) error {
	if create {
		if err := v.base.MkdirAll(v.at(partsDir), 0o777); err != nil {
			return err
		}
	}
	if err := v.replay(); err != nil {
		return err
	}
	if a, ok := v.store.(*archive); ok {
		return a.index()
	}
	return nil
}

// close ends the use of the vault. What has been read stays for the next run.
func (v *vault) close() {
	if v.journal != nil {
		v.journal.Close()
	}
	v.base.Close()
}

// at returns the path of a file of the backup's own.
func (v *vault) at(file string) string { return filepath.Join(v.state, file) }

// part returns the path of a part.
func (v *vault) part(id string) string { return filepath.Join(v.state, partsDir, id) }

// reserves reports whether a name on the server is in the way of the backup's
// own directory, also where a and A are the same.
func (v *vault) reserves(at string) bool {
	_, isFolder := v.store.(*folder)
	return isFolder && strings.EqualFold(at, folderState)
}

// known reports whether there was a backup before.
func (v *vault) known() bool {
	_, err := v.base.Stat(v.at(manifestFile))
	return err == nil || len(v.left) > 0
}

// load returns the manifest; an empty one where there is none. Files that an
// interrupted run has put in place are in it.
func (v *vault) load() (*manifest, error) {
	m := new(manifest)
	data, err := v.base.ReadFile(v.at(manifestFile))
	switch {
	case err == nil:
		if m, err = decodeManifest(data); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	f, isFolder := v.store.(*folder)
	if !isFolder {
		return m, nil
	}
	all := m.byName()
	for _, e := range v.left {
		if e.Done != nil && f.held(*e.Done) {
			all[e.Done.Name] = *e.Done
		}
	}
	m.Records = m.Records[:0]
	for _, r := range all {
		m.Records = append(m.Records, r)
		if r.Kind == kindFile {
			f.owned[r.local()] = true
		}
	}
	return m, nil
}

// save writes the manifest, and forgets what only an interrupted run needs.
func (v *vault) save(m *manifest) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	if err := v.replace(v.at(manifestFile), data); err != nil {
		return err
	}
	return v.tidy()
}

// replace writes a file so that it has the old content or the new one,
// whatever happens.
func (v *vault) replace(file string, data []byte) error {
	f, err := v.base.Create(file + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return v.base.Rename(file+".new", file)
}
