package ftptest

import (
	"io"
	"io/fs"
	"path"
)

// TreeFrom returns a Tree with the files of fsys. Symbolic links are kept if
// fsys implements fs.ReadLinkFS.
func TreeFrom(fsys fs.FS) (*Tree, error) {
	t := NewTree()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return t.copyFrom(fsys, name, d)
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Tree) copyFrom(fsys fs.FS, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch d.Type() {
	case fs.ModeDir:
		err = t.MkdirAll(name)
	case fs.ModeSymlink:
		target, err := fs.ReadLink(fsys, name)
		if err != nil {
			return err
		}
		return t.Symlink(target, name)
	default:
		var data []byte
		if data, err = fs.ReadFile(fsys, name); err == nil {
			err = t.WriteFile(name, data, info.Mode())
		}
	}
	if err != nil {
		return err
	}
	if perm := info.Mode().Perm(); perm != 0 {
		if err := t.Chmod(name, perm); err != nil {
			return err
		}
	}
	if info.ModTime().IsZero() {
		return nil
	}
	return t.Chtimes(name, info.ModTime())
}

// FS returns the tree as a file system that shows every later change. It
// implements fs.ReadDirFS, fs.StatFS, fs.ReadFileFS and fs.ReadLinkFS.
func (t *Tree) FS() fs.FS { return treeFS{t} }

type treeFS struct{ t *Tree }

func (f treeFS) check(op, name string) error {
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return nil
}

// Open implements fs.FS.
func (f treeFS) Open(name string) (fs.File, error) {
	if err := f.check("open", name); err != nil {
		return nil, err
	}
	f.t.mu.RLock()
	defer f.t.mu.RUnlock()
	n, err := f.t.find(name, true)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	base := path.Base(name)
	if !n.mode.IsDir() {
		return &treeFile{SectionReader: n.reader(), info: n.info(base)}, nil
	}
	return &treeDir{fsys: f, name: name, info: n.info(base)}, nil
}

// ReadDir implements fs.ReadDirFS.
func (f treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.check("readdir", name); err != nil {
		return nil, err
	}
	infos, err := f.t.ReadDir(name)
	if err != nil {
		return nil, err
	}
	list := make([]fs.DirEntry, len(infos))
	for i, info := range infos {
		list[i] = info
	}
	return list, nil
}

// Stat implements fs.StatFS.
func (f treeFS) Stat(name string) (fs.FileInfo, error) {
	if err := f.check("stat", name); err != nil {
		return nil, err
	}
	return f.stat(f.t.Stat(name))
}

// Lstat implements fs.ReadLinkFS.
func (f treeFS) Lstat(name string) (fs.FileInfo, error) {
	if err := f.check("lstat", name); err != nil {
		return nil, err
	}
	return f.stat(f.t.Lstat(name))
}

// stat gives the root the name that fs.FS knows it by.
func (f treeFS) stat(info Info, err error) (fs.FileInfo, error) {
	if err != nil {
		return nil, err
	}
	if info.name == "/" {
		info.name = "."
	}
	return info, nil
}

// ReadLink implements fs.ReadLinkFS.
func (f treeFS) ReadLink(name string) (string, error) {
	if err := f.check("readlink", name); err != nil {
		return "", err
	}
	info, err := f.t.Lstat(name)
	if err == nil && info.Type() != fs.ModeSymlink {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return info.Target, err
}

// ReadFile implements fs.ReadFileFS.
func (f treeFS) ReadFile(name string) ([]byte, error) {
	if err := f.check("read", name); err != nil {
		return nil, err
	}
	return f.t.ReadFile(name)
}

// treeFile is an open regular file.
type treeFile struct {
	*io.SectionReader
	info Info
}

func (f *treeFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *treeFile) Close() error               { return nil }

// treeDir is an open directory; it is listed when it is first read.
type treeDir struct {
	fsys treeFS
	name string
	info Info
	list []fs.DirEntry
	read bool
}

func (d *treeDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *treeDir) Close() error               { return nil }

func (d *treeDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (d *treeDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		list, err := d.fsys.ReadDir(d.name)
		if err != nil {
			return nil, err
		}
		d.list, d.read = list, true
	}
	if n <= 0 {
		list := d.list
		d.list = nil
		return list, nil
	}
	if len(d.list) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.list))
	list := d.list[:n:n]
	d.list = d.list[n:]
	return list, nil
}
