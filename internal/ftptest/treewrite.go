package ftptest

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// create returns the regular file at name, made with the permissions perm if it
// is not there. The caller holds the lock.
func (t *Tree) create(name string, perm fs.FileMode) (*node, error) {
	if n, err := t.find(name, true); err == nil {
		if n.mode.IsDir() {
			return nil, fs.ErrExist
		}
		return n, nil
	}
	dir, base, err := t.parent(name)
	if err != nil {
		return nil, err
	}
	if dir.children[base] != nil { // a link that leads nowhere
		return nil, fs.ErrNotExist
	}
	n := t.newNode(perm.Perm())
	dir.children[base] = n
	dir.mod = n.mod
	return n, nil
}

// change runs f under the lock and names the operation in its error.
func (t *Tree) change(op, name string, f func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := f(); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// WriteFile replaces the content of the file at name, which it makes if needed
// together with its directories.
func (t *Tree) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return t.change("write", name, func() error {
		n, err := t.createAll(name, perm)
		if err != nil {
			return err
		}
		n.src, n.size, n.data, n.mod = nil, 0, bytes.Clone(data), time.Now()
		return nil
	})
}

// WriteFrom makes a file of the given size whose content is read from src when
// it is asked for; a nil src stands for zero bytes. Large files cost no memory.
func (t *Tree) WriteFrom(name string, src io.ReaderAt, size int64, perm fs.FileMode) error {
	return t.change("write", name, func() error {
		n, err := t.createAll(name, perm)
		if err != nil {
			return err
		}
		n.src, n.size, n.data, n.mod = src, size, nil, time.Now()
		return nil
	})
}

func (t *Tree) createAll(name string, perm fs.FileMode) (*node, error) {
	if err := t.mkdirAll(path.Dir(clean(name))); err != nil {
		return nil, err
	}
	return t.create(name, perm)
}

func (t *Tree) mkdirAll(name string) error {
	parts := split(name)
	for i := range parts {
		dir := "/" + strings.Join(parts[:i+1], "/")
		if n, err := t.find(dir, true); err == nil {
			if !n.mode.IsDir() {
				return fs.ErrExist
			}
			continue
		}
		parent, base, err := t.parent(dir)
		if err != nil {
			return err
		}
		parent.children[base] = t.newNode(fs.ModeDir | 0o755)
	}
	return nil
}

// MkdirAll makes the directory at name and those above it.
func (t *Tree) MkdirAll(name string) error {
	return t.change("mkdir", name, func() error { return t.mkdirAll(name) })
}

// Mkdir makes one directory.
func (t *Tree) Mkdir(name string, perm fs.FileMode) error {
	return t.change("mkdir", name, func() error {
		return t.add(name, fs.ModeDir|perm.Perm(), "")
	})
}

// Symlink makes a symbolic link at name that holds target.
func (t *Tree) Symlink(target, name string) error {
	return t.change("symlink", name, func() error {
		return t.add(name, fs.ModeSymlink|0o777, target)
	})
}

func (t *Tree) add(name string, mode fs.FileMode, target string) error {
	if clean(name) == "/" {
		return fs.ErrExist
	}
	dir, base, err := t.parent(name)
	if err != nil {
		return err
	}
	if dir.children[base] != nil {
		return fs.ErrExist
	}
	n := t.newNode(mode)
	n.target = target
	dir.children[base] = n
	dir.mod = n.mod
	return nil
}

// Remove removes a file, a symbolic link or an empty directory.
func (t *Tree) Remove(name string) error {
	return t.change("remove", name, func() error { return t.remove(name, nil) })
}

// remove removes name if its mode passes the check, which may be nil.
func (t *Tree) remove(name string, check func(fs.FileMode) error) error {
	dir, base, err := t.parent(name)
	if err != nil {
		return err
	}
	n := dir.children[base]
	if n == nil {
		return fs.ErrNotExist
	}
	if check != nil {
		if err := check(n.mode); err != nil {
			return err
		}
	}
	if len(n.children) > 0 {
		return errNotEmpty
	}
	delete(dir.children, base)
	dir.mod = time.Now()
	return nil
}

// empty removes all that is in a directory.
func (t *Tree) empty(name string) {
	_ = t.update("empty", name, func(n *node) { clear(n.children) })
}

// Rename moves a file or directory; a file in the way is replaced.
func (t *Tree) Rename(from, to string) error {
	return t.change("rename", from, func() error {
		src, srcBase, err := t.parent(from)
		if err != nil {
			return err
		}
		n := src.children[srcBase]
		if n == nil {
			return fs.ErrNotExist
		}
		dst, dstBase, err := t.parent(to)
		if err != nil {
			return err
		}
		if n.mode.IsDir() && within(n, dst) {
			return fs.ErrInvalid
		}
		if old := dst.children[dstBase]; old != nil && old != n && (old.mode.IsDir() || n.mode.IsDir()) {
			return fs.ErrExist
		}
		delete(src.children, srcBase)
		dst.children[dstBase] = n
		return nil
	})
}

// within reports whether n is dir or a directory below it.
func within(dir, n *node) bool {
	if dir == n {
		return true
	}
	for _, child := range dir.children {
		if child.mode.IsDir() && within(child, n) {
			return true
		}
	}
	return false
}

// update runs f on the node that name leads to.
func (t *Tree) update(op, name string, f func(*node)) error {
	return t.change(op, name, func() error {
		n, err := t.find(name, true)
		if err != nil {
			return err
		}
		f(n)
		return nil
	})
}

// Chtimes sets the modification time of the file that name leads to.
func (t *Tree) Chtimes(name string, mod time.Time) error {
	return t.update("chtimes", name, func(n *node) { n.mod = mod })
}

// Chmod sets the permission bits of the file that name leads to.
func (t *Tree) Chmod(name string, perm fs.FileMode) error {
	return t.update("chmod", name, func(n *node) { n.mode = n.mode.Type() | perm.Perm() })
}

// Chown sets the names of the owner and group that listings show.
func (t *Tree) Chown(name, owner, group string) error {
	return t.update("chown", name, func(n *node) { n.owner, n.group = owner, group })
}

// openWrite opens the file at name for writing at offset, or at its end when
// offset is negative. At offset zero the old content is dropped, as servers do.
func (t *Tree) openWrite(name string, offset int64, discard bool) (*treeWriter, error) {
	w := &treeWriter{tree: t, off: offset, discard: discard}
	err := t.change("open", name, func() error {
		n, err := t.create(name, 0o644)
		if err != nil {
			return err
		}
		w.n = n
		return w.prepare()
	})
	return w, err
}

// treeWriter writes to one node; what was written is there at once, so that a
// broken upload leaves its part behind.
type treeWriter struct {
	tree    *Tree
	n       *node
	off     int64
	discard bool
}

// prepare brings the node into the state that the first Write expects.
func (w *treeWriter) prepare() error {
	n := w.n
	n.mod = time.Now()
	if w.discard {
		n.src, n.data, n.size = nil, nil, n.length()
		if w.off == 0 {
			n.size = 0
		}
		return nil
	}
	if n.data == nil && n.size > 0 && w.off != 0 {
		return fs.ErrPermission // generated content is not extended
	}
	if n.data == nil || w.off == 0 {
		n.src, n.data, n.size = nil, []byte{}, 0
	}
	size := int64(len(n.data))
	if w.off < 0 {
		w.off = size
	}
	if w.off > size {
		return fs.ErrInvalid // a hole would be silent damage
	}
	return nil
}

// Write implements io.Writer.
func (w *treeWriter) Write(p []byte) (int, error) {
	w.tree.mu.Lock()
	defer w.tree.mu.Unlock()
	n := w.n
	n.mod = time.Now()
	if w.discard {
		n.size += int64(len(p))
		return len(p), nil
	}
	if w.off < int64(len(n.data)) {
		// Readers may hold the old bytes: overwrite a copy.
		tail := n.data[min(w.off+int64(len(p)), int64(len(n.data))):]
		n.data = slices.Concat(n.data[:w.off], p, tail)
	} else {
		n.data = append(n.data, p...)
	}
	w.off += int64(len(p))
	return len(p), nil
}
