package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Fetch copies a directory of the server, or one file, into the local directory
// dst, which it makes if it is missing: what is in a directory, or a file under
// the last element of its name. A file that is there already is an error that is
// [fs.ErrExist]. A file is written under a temporary name, and has its own only
// when it is whole. Nothing that the server says makes Fetch write outside of dst.
//
// An error that concerns one name does not end the copy: all of them are returned
// joined, the first hundred and a count.
func Fetch(ctx context.Context, src Source, opts Options, dst, name string) error {
	f := &fetch{workers: newWorkers(ctx, opts), src: src, splitOver: opts.SplitOver, dst: dst, top: name}
	err := f.wait(f.all(name))
	for _, r := range f.open {
		err = r.end(err) // which only an error has left open
	}
	f.places.close()
	return err
}

// fetch is one Fetch.
type fetch struct {
	*workers
	src       Source
	splitOver int64 // see Options
	dst       string
	top       string // the directory that is fetched, or that of the file
	places    places

	open []*ranged // files that may not be done; used by the walk alone until the workers have ended
}

// all leaves everything that is to be fetched to the workers.
func (f *fetch) all(name string) error {
	e := listing.Entry{Type: listing.TypeDir}
	if name != "." {
		var err error
		if e, err = f.src.Stat(f.ctx, name); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(f.dst, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(f.dst)
	if err != nil {
		return err
	}
	at := f.places.add(root, "", isEmpty(root))
	if e.Type == listing.TypeDir {
		return f.walk(name, at, nil)
	}
	defer at.leave()
	f.top, e.Name = path.Dir(name), path.Base(name)
	return f.visit(name, at, &e, nil)
}

// walk visits what is in a directory, in the order of fs.WalkDir, and leaves the
// local one.
func (f *fetch) walk(dir string, at *place, in *within) error {
	defer at.leave()
	entries, err := f.src.ReadDir(f.ctx, dir)
	if err := f.names(err); err != nil {
		return err
	}
	if err := in.loops(dir, entries); err != nil {
		return err
	}
	in = in.with(entries)
	under := ""
	if dir != "." {
		under = dir + "/"
	}
	for i := range entries {
		e := &entries[i]
		if err := f.names(f.visit(under+e.Name, at, e, in)); err != nil {
			return err
		}
	}
	return nil
}

// visit makes a directory and goes on in it, or leaves a file to a worker.
func (f *fetch) visit(name string, at *place, e *listing.Entry, in *within) error {
	to, err := localize(e.Name)
	if err != nil {
		return &fs.PathError{Op: "fetch", Path: name, Err: err}
	}
	switch e.Type {
	case listing.TypeDir:
		below, err := f.mkdir(at, to)
		if err != nil {
			return f.localError(at, to, err)
		}
		return f.walk(name, below, in.below(*e))
	case listing.TypeFile:
		if f.splits(*e) {
			return f.ranges(name, at, to, *e)
		}
		at.enter()
		return f.do(func() error {
			defer at.leave()
			return f.file(name, at, to, e)
		})
	case listing.TypeLink:
		at.enter()
		return f.do(func() error {
			defer at.leave()
			return f.link(name, at, to, e.Target)
		})
	}
	return &fs.PathError{Op: "fetch", Path: name, Err: proto.Unable("it is neither a file nor a directory nor a link")}
}

// file fetches a file by what the listing says of it.
func (f *fetch) file(name string, at *place, to string, e *listing.Entry) error {
	if e.Size < 0 {
		e = nil
	}
	return f.whole(name, at, to, e)
}

// whole fetches a file in one stream. e is nil if the listing does not describe
// it.
func (f *fetch) whole(name string, at *place, to string, e *listing.Entry) error {
	in, err := f.src.Open(f.ctx, name, Opening{Entry: e, Steady: true})
	if err != nil {
		return err
	}
	defer in.Close()
	found := in.Entry()
	if found.Type == listing.TypeDir {
		return f.dirLink(name, at, to)
	}
	l, err := f.begin(at, to, found)
	if err != nil {
		return err
	}
	err = l.copy(in)
	grown := f.grown(name, found, l, err)
	if grown {
		err = nil
	}
	if err = l.end(err); err == nil && grown {
		what := fmt.Errorf("%w: it grows, and its first %d bytes are there", proto.ErrChanged, found.Size)
		err = &fs.PathError{Op: "fetch", Path: name, Err: what}
	}
	return err
}

// grown reports whether a file has changed by growing alone, as logs do, and cuts
// what came at the size that it had at first.
func (f *fetch) grown(name string, was listing.Entry, l *landing, err error) bool {
	if !errors.Is(err, proto.ErrChanged) || was.Size < 0 {
		return false
	}
	info, serr := l.out.Stat()
	if serr != nil || info.Size() < was.Size {
		return false
	}
	now, serr := f.src.Stat(f.ctx, name)
	return serr == nil && now.Type == listing.TypeFile && now.Size > was.Size && l.out.Truncate(was.Size) == nil
}

// link makes a symbolic link, or fetches what is behind it.
func (f *fetch) link(name string, at *place, to, leads string) error {
	target, ok := inside(f.below(name), leads)
	if !ok {
		return f.whole(name, at, to, nil)
	}
	return f.symlink(target, at, to)
}

// dirLink makes a symbolic link to a directory, if that is in the tree. The listing
// need not have told where it leads.
func (f *fetch) dirLink(name string, at *place, to string) error {
	target, err := f.src.ReadLink(f.ctx, name)
	if local, ok := inside(f.below(name), target); ok && err == nil {
		return f.symlink(local, at, to)
	}
	why := errors.New("it is a link to a directory out of the tree")
	if err != nil {
		why = fmt.Errorf("it is not known where it is: %w", err)
	}
	return &fs.PathError{Op: "fetch", Path: name, Err: &proto.FSError{Kind: proto.ErrIsDir, Err: why}}
}

// symlink makes a symbolic link.
func (f *fetch) symlink(target string, at *place, to string) error {
	if err := at.root.Symlink(target, to); err != nil {
		return f.localError(at, to, err)
	}
	return nil
}
