package tree

import (
	"errors"
	"io/fs"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// errLoop says that a directory is one of those that it is in: a server may show a
// link to one as a directory.
var errLoop = errors.New("the server says that it is a directory which it is in")

// within is a directory in a walk, and those that it is in. nil is the first.
type within struct {
	up      *within
	unique  string // which MLSD has told of it: RFC 3659, 7.5.2
	entries []listing.Entry
}

// below returns an entry of a directory as one to go on in.
func (w *within) below(e listing.Entry) *within { return &within{up: w, unique: e.Unique} }

// with returns a directory that was listed.
func (w *within) with(entries []listing.Entry) *within {
	if w == nil {
		return &within{entries: entries}
	}
	return &within{up: w.up, unique: w.unique, entries: entries}
}

// loops returns an error if a directory that was listed is one of those above it:
// MLSD has the same unique fact of both, and there is the same in both. The fact
// alone does not tell: some servers have one for all.
func (w *within) loops(name string, entries []listing.Entry) error {
	if w == nil || w.unique == "" {
		return nil
	}
	for above := w.up; above != nil; above = above.up {
		if above.unique == w.unique && sameNames(above.entries, entries) {
			return &fs.PathError{Op: "readdir", Path: name, Err: errLoop}
		}
	}
	return nil
}

func sameNames(a, b []listing.Entry) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Type != b[i].Type {
			return false
		}
	}
	return true
}
