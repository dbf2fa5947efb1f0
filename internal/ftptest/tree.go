package ftptest

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxLinks bounds the symbolic links followed while one name is resolved.
const maxLinks = 40

// Errors that say more than those of io/fs, which they wrap.
var (
	errNotEmpty = fmt.Errorf("directory not empty: %w", fs.ErrExist)
	errIsDir    = fmt.Errorf("is a directory: %w", fs.ErrInvalid)
	errNotDir   = fmt.Errorf("not a directory: %w", fs.ErrInvalid)
)

// Tree is a file tree in memory, with directories, regular files and symbolic
// links. Names are slash-separated and taken from the root, with or without a
// leading slash. All methods may be called concurrently.
type Tree struct {
	mu   sync.RWMutex
	root *node
	last uint64
}

// node is one file, guarded by its tree's lock. data is only ever appended to or
// replaced, so that a reader keeps a consistent view of the bytes it was given.
type node struct {
	id           uint64
	mode         fs.FileMode
	mod          time.Time
	owner, group string
	data         []byte
	src          io.ReaderAt
	size         int64 // of src, or of discarded data
	target       string
	children     map[string]*node
}

// Info describes one file of a Tree. It implements fs.FileInfo and fs.DirEntry.
type Info struct {
	name         string
	size         int64
	mode         fs.FileMode
	mod          time.Time
	id           uint64
	Owner, Group string // Owner and Group are the names that listings show.
	Target       string // Target is what a symbolic link holds.
}

// Name returns the base name of the file.
func (i Info) Name() string { return i.name }

// Size returns the length of a regular file in bytes.
func (i Info) Size() int64 { return i.size }

// Mode returns the type and permission bits.
func (i Info) Mode() fs.FileMode { return i.mode }

// ModTime returns the modification time.
func (i Info) ModTime() time.Time { return i.mod }

// IsDir reports whether the file is a directory.
func (i Info) IsDir() bool { return i.mode.IsDir() }

// Sys returns nil.
func (i Info) Sys() any { return nil }

// Type returns the type bits of the mode.
func (i Info) Type() fs.FileMode { return i.mode.Type() }

// Info returns i itself.
func (i Info) Info() (fs.FileInfo, error) { return i, nil }

// NewTree returns a Tree that holds an empty root directory.
func NewTree() *Tree {
	t := &Tree{}
	t.root = t.newNode(fs.ModeDir | 0o755)
	return t
}

// newNode returns a node with a fresh identity. The caller holds the lock.
func (t *Tree) newNode(mode fs.FileMode) *node {
	t.last++
	n := &node{id: t.last, mode: mode, mod: time.Now(), owner: "ftp", group: "ftp"}
	if mode.IsDir() {
		n.children = make(map[string]*node)
	}
	return n
}

func (n *node) length() int64 {
	switch {
	case n.mode.Type() == fs.ModeSymlink:
		return int64(len(n.target))
	case n.data != nil:
		return int64(len(n.data))
	}
	return n.size
}

func (n *node) info(name string) Info {
	return Info{name: name, size: n.length(), mode: n.mode, mod: n.mod, id: n.id,
		Owner: n.owner, Group: n.group, Target: n.target}
}

// clean turns name into a rooted path without dots.
func clean(name string) string { return path.Clean("/" + name) }

// find returns the node at name. A symbolic link at the end is followed only if
// follow is set. The caller holds the lock.
func (t *Tree) find(name string, follow bool) (*node, error) {
	n, _, err := t.walk(name, follow)
	return n, err
}

// walk resolves name and also returns the path reached, free of links.
func (t *Tree) walk(name string, follow bool) (*node, string, error) {
	links := 0
	at, dir := t.root, "/"
	rest := split(name)
	for len(rest) > 0 {
		if !at.mode.IsDir() {
			return nil, "", fs.ErrNotExist
		}
		part := rest[0]
		rest = rest[1:]
		next := at.children[part]
		if next == nil {
			return nil, "", fs.ErrNotExist
		}
		if next.mode.Type() == fs.ModeSymlink && (follow || len(rest) > 0) {
			if links++; links > maxLinks {
				return nil, "", fs.ErrInvalid
			}
			target := next.target
			if !path.IsAbs(target) {
				target = path.Join(dir, target)
			}
			rest = append(split(target), rest...)
			at, dir = t.root, "/"
			continue
		}
		at, dir = next, path.Join(dir, part)
	}
	return at, dir, nil
}

// split returns the parts of a name, none for the root.
func split(name string) []string {
	name = strings.Trim(clean(name), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// parent returns the directory that holds name, and name's last part.
func (t *Tree) parent(name string) (*node, string, error) {
	name = clean(name)
	if name == "/" {
		return nil, "", fs.ErrInvalid
	}
	dir, err := t.find(path.Dir(name), true)
	if err != nil {
		return nil, "", err
	}
	if !dir.mode.IsDir() {
		return nil, "", fs.ErrNotExist
	}
	return dir, path.Base(name), nil
}

// Stat describes the file that name leads to.
func (t *Tree) Stat(name string) (Info, error) { return t.stat("stat", name, true) }

// Lstat describes the file at name, which may be a symbolic link.
func (t *Tree) Lstat(name string) (Info, error) { return t.stat("lstat", name, false) }

func (t *Tree) stat(op, name string, follow bool) (Info, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, err := t.find(name, follow)
	if err != nil {
		return Info{}, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return n.info(path.Base(clean(name))), nil
}

// ReadDir describes the files of the directory that name leads to, by name.
func (t *Tree) ReadDir(name string) ([]Info, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, err := t.find(name, true)
	if err == nil && !n.mode.IsDir() {
		err = errNotDir
	}
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	list := make([]Info, 0, len(n.children))
	for base, child := range n.children {
		list = append(list, child.info(base))
	}
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.name, b.name) })
	return list, nil
}

// ReadFile returns a copy of the file's content.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	r, err := t.open(name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// open returns a reader over the content that the file has now.
func (t *Tree) open(name string) (*io.SectionReader, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n, err := t.find(name, true)
	if err == nil && n.mode.IsDir() {
		err = errIsDir
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return n.reader(), nil
}

func (n *node) reader() *io.SectionReader {
	switch {
	case n.src != nil:
		return io.NewSectionReader(n.src, 0, n.size)
	case n.data == nil:
		return io.NewSectionReader(zeros{}, 0, n.size)
	}
	return io.NewSectionReader(bytesAt(n.data), 0, int64(len(n.data)))
}

// bytesAt is a slice of bytes as an io.ReaderAt.
type bytesAt []byte

func (b bytesAt) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// zeros is an endless io.ReaderAt of zero bytes.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}
