package main

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/ftpnat/ftpnat"
)

// deepest is how many directories may be inside one another.
const deepest = 100

// walker looks for all there is on a server.
type walker struct {
	b      *job
	tree   tree
	unique map[string]string // of directories, where the server tells it
}

// walk lists the whole tree. What cannot be listed is a problem of the tree;
// the error is for when there is no use in going on.
func (b *job) walk(ctx context.Context) (tree, error) {
	w := &walker{b: b, unique: map[string]string{}}
	err := fs.WalkDir(b.fsys, ".", func(at string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if at == "." {
			return err
		}
		return w.visit(at, d, err)
	})
	return w.tree, err
}

func (w *walker) visit(at string, d fs.DirEntry, err error) error {
	if err != nil {
		w.doubt(at, err)
		return w.b.hopeless(err)
	}
	w.b.out.status("listing: %d found", len(w.tree.records))
	skip := error(nil)
	if d.IsDir() {
		skip = fs.SkipDir
	}
	if !validName(at) || w.b.v.reserves(at) {
		w.doubt(at, errors.New("the name is one that the backup cannot use"))
		return skip
	}
	info, err := d.Info()
	if err != nil {
		w.doubt(at, err)
		return w.b.hopeless(err)
	}
	r := recordOf(at, info)
	if local := localName(at, goos); local != at {
		r.Local = name(local)
	}
	switch {
	case r.Kind == kindDir && w.loops(at, info):
		w.doubt(at, errors.New("the directory leads back into itself"))
		return skip
	case r.Kind == kindFile && !info.Mode().IsRegular():
		w.doubt(at, errors.New("neither a file, nor a directory, nor a link"))
		return nil
	}
	w.tree.records = append(w.tree.records, r)
	return w.b.hopeless(nil)
}

// doubt takes down that it is not known what is at a name.
func (w *walker) doubt(at string, err error) {
	w.tree.problems = append(w.tree.problems, problem{name(at), because(err)})
	w.tree.unknown = append(w.tree.unknown, at)
}

// loops reports whether a directory is one that it is in: some servers list
// links as what they lead to.
func (w *walker) loops(at string, info fs.FileInfo) bool {
	if facts, _ := info.Sys().(*ftpnat.Facts); facts != nil && facts.Unique != "" {
		w.unique[at] = facts.Unique
		for d := path.Dir(at); d != "."; d = path.Dir(d) {
			if w.unique[d] == facts.Unique {
				return true
			}
		}
	}
	return strings.Count(at, "/") >= deepest
}
