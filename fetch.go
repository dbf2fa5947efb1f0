package ftpnat

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// Fetch copies a directory of the server, or one file, into the local
// directory dst, which it makes where needed: of a directory what is in it, as
// [os.CopyFS] does, and a file under the last element of its name. It uses up
// to Dialer.MaxConns connections at once and asks for no more of them than
// there are files to wait for.
//
// A file that is there already is an error that is [fs.ErrExist], and nothing
// is replaced. Each file is read as from a [File]: what breaks is resumed, and
// the count and the server's word must be right. It is written under a
// temporary name beginning with a dot, and has its own only when it is whole.
// The first error ends the copy, and names the file; what was whole by then
// stays. The context of the FS governs it. New files and directories have the
// modes 0o666 and 0o777 before umask, and a file those bits beside that the
// server tells.
//
// A symbolic link that leads to a place in the tree becomes one. In place of a
// link that leads out of it, or of which the server does not tell where it
// leads, the file that is behind it is fetched, and where that is no file it is
// an error. Nothing that the server says makes Fetch write outside of dst. A
// name that the local system cannot hold is an error, as is one that it takes
// for that of another file.
func (f *FS) Fetch(dst, name string) error {
	if !validName(name) {
		return &fs.PathError{Op: "fetch", Path: name, Err: fs.ErrInvalid}
	}
	c := newCrew(f, f.p.cfg.maxConns)
	t := &fetch{fs: f.WithContext(c.ctx), crew: c, dst: dst, top: name}
	err := c.wait(t.all(name))
	for _, s := range t.open {
		err = s.end(err)
	}
	if t.root != nil {
		t.root.Close()
	}
	return err
}

// fetch is one Fetch.
type fetch struct {
	fs   *FS // in the context of the crew
	crew *crew
	dst  string
	root *os.Root // dst
	top  string   // the name that is fetched, or where it is when it is a file

	open []*ranged // those that may not be done; by the walk alone, until the crew has ended
}

// all hands all that is to be fetched to the crew.
func (t *fetch) all(name string) error {
	e := listing.Entry{Type: listing.TypeDir}
	if name != "." {
		info, err := t.fs.Stat(name)
		if err != nil {
			return err
		}
		e = info.(fileInfo).e
	}
	err := os.MkdirAll(t.dst, 0o777)
	if err == nil {
		t.root, err = os.OpenRoot(t.dst)
	}
	if err != nil {
		return err
	}
	if e.Type == listing.TypeDir {
		return t.walk(name)
	}
	t.top, _ = split(name)
	return t.visit(name, e)
}

// walk visits what is in a directory, in the order of fs.WalkDir.
func (t *fetch) walk(dir string) error {
	entries, err := t.fs.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, d := range entries {
		e := *d.(*dirEntry).e
		if err := t.visit(path.Join(dir, e.Name), e); err != nil {
			return err
		}
	}
	return nil
}

// visit makes a directory and goes on in it, or leaves a file to the crew.
func (t *fetch) visit(name string, e listing.Entry) error {
	to, err := t.local(name)
	if err != nil {
		return err
	}
	switch e.Type {
	case listing.TypeDir:
		if err := t.mkdir(to); err != nil {
			return t.fail(to, err)
		}
		return t.walk(name)
	case listing.TypeFile:
		if t.splits(e) {
			return t.ranges(name, to, e)
		}
		return t.crew.do(func() error { return t.file(name, to, e) })
	case listing.TypeLink:
		return t.crew.do(func() error { return t.link(name, to, e) })
	}
	return &fs.PathError{Op: "fetch", Path: name, Err: unable("it is neither a file nor a directory nor a link")}
}

// file fetches a file by what the listing told, as far as it did.
func (t *fetch) file(name, to string, e listing.Entry) error {
	if e.Size < 0 {
		return t.opened(name, to)
	}
	return t.whole(to, t.fs.openEntry(name, e))
}

// opened fetches what is behind a name that the listing does not describe.
func (t *fetch) opened(name, to string) error {
	in, err := t.fs.openRead(name)
	if err != nil {
		return err
	}
	return t.whole(to, in)
}

// openEntry opens a file that a listing has described.
func (f *FS) openEntry(name string, e listing.Entry) *File {
	file := &File{fs: f, name: name, found: e, info: fileInfo{e}}
	file.open(f.path(name))
	return file
}

// whole copies a file in one stream, and closes it.
func (t *fetch) whole(to string, in *File) error {
	defer in.Close()
	if in.isDir() {
		return &fs.PathError{Op: "fetch", Path: in.name, Err: &kindError{errIsDir, errors.New("it is a link to a directory out of the tree")}}
	}
	l, err := t.begin(to, in.found)
	if err != nil {
		return err
	}
	return l.end(l.copy(in))
}

// link makes a symbolic link, or fetches what is behind it.
func (t *fetch) link(name, to string, e listing.Entry) error {
	target, ok := inside(t.below(name), e.Target)
	if !ok {
		return t.opened(name, to)
	}
	if err := t.root.Symlink(target, to); err != nil {
		return t.fail(to, err)
	}
	return nil
}
