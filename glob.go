package ftpnat

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// Glob returns the names that match a pattern of [path.Match]. Unlike that of
// [fs.Glob] the error tells of directories that could not be listed, in which there
// may be other names; it is returned together with those that were found. Of a
// listing of which a part was not understood it is a [*ListingError]. That something
// is not there, or is no directory, is no error.
func (f *FS) Glob(pattern string) ([]string, error) {
	g := &globbed{f: f, depth: strings.Count(pattern, "/")}
	names, err := fs.Glob(g, pattern)
	if err != nil {
		return names, err
	}
	return names, errors.Join(g.failed...)
}

// mostFailed is how many errors of directories Glob tells.
const mostFailed = 100

// globbed is an FS without its Glob, for io/fs to do the work, which leaves out
// what cannot be listed.
type globbed struct {
	f      *FS
	depth  int // slashes in the pattern
	files  map[string]bool
	failed []error
	over   error // why nothing more can be had
}

// Open opens a file.
func (g *globbed) Open(name string) (fs.File, error) { return g.f.Open(name) }

// ReadDir lists a directory. An error would make io/fs drop what came with it.
func (g *globbed) ReadDir(name string) ([]fs.DirEntry, error) {
	switch {
	case g.over != nil:
		return nil, g.over
	case g.files[name]:
		return nil, nil
	}
	list, err := g.f.ReadDir(name)
	g.note(err)
	if strings.Count(name, "/")+1 < g.depth || name == "." && g.depth > 0 {
		g.keep(name, list)
	}
	return list, nil
}

// keep records the files in a directory, of which nothing has to be asked to know
// that there is nothing in them.
func (g *globbed) keep(dir string, list []fs.DirEntry) {
	if g.files == nil {
		g.files = make(map[string]bool)
	}
	for _, e := range list {
		if e.Type().IsRegular() {
			g.files[strings.TrimPrefix(dir+"/", "./")+e.Name()] = true
		}
	}
}

// Stat describes a file. A link that leads nowhere is there all the same.
func (g *globbed) Stat(name string) (fs.FileInfo, error) {
	info, err := g.f.Lstat(name)
	g.note(err)
	return info, err
}

// note keeps an error with which names may have been lost.
func (g *globbed) note(err error) {
	var kind *proto.FSError
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrInvalid):
		return
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrClosed),
		!isUnread(err) && !errors.As(err, &kind) && !proto.RefusedAt(err) && retry.Worth(err):
		g.over = err
	}
	if len(g.failed) < mostFailed {
		g.failed = append(g.failed, err)
	}
}

// isUnread reports whether err tells of lines that were not understood.
func isUnread(err error) bool {
	var unread *ListingError
	return errors.As(err, &unread)
}
