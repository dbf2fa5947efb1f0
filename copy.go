package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/stream"
	"github.com/ftpnat/ftpnat/internal/tree"
)

// CopyFS copies the tree src into a directory, which it makes if needed, as
// [os.CopyFS] does for local directories. A file that already exists is an error
// that is [fs.ErrExist], and nothing is replaced. Each file is checked as Close
// of a [File] does; one of a local directory is sent again from the start if its
// transfer breaks, as by [FS.WriteFile]. Symbolic links, and what is neither a file
// nor a directory, cannot be copied over FTP and are an error.
//
// An error that concerns one name, of the source or of the server, does not end
// the copy: everything else is copied, and all such errors are returned joined, the
// first hundred and a count. [Trace.Note] tells of each. What ends it at once is
// the end of a context, a disk or a quota that is full, and a connection that
// cannot be had; files that were whole by then stay.
//
// Up to Dialer.MaxConns files are copied at once, so that src must be safe for
// concurrent use, as those of the standard library are. If MaxConns is 1, src is
// used only by the caller's goroutine, one file after the other. src may be a
// file system of the same server that shares its connections with f.
func (f *FS) CopyFS(dir string, src fs.FS) error {
	if !remote.ValidName(dir) {
		return &fs.PathError{Op: "copyfs", Path: dir, Err: fs.ErrInvalid}
	}
	opts := f.c.treeOptions()
	from, remote := src.(*FS)
	if remote && from.c == f.c {
		opts.Most = max(opts.Most/2, 1) // each file is read and written
	}
	return tree.Copy(f.ctx, newTarget(f), opts, dir, func(ctx context.Context) (fs.FS, context.CancelFunc) {
		if !remote {
			return src, func() {}
		}
		// It has a context of its own, and ends with the copy too.
		both, cancel := context.WithCancel(from.ctx)
		stop := context.AfterFunc(ctx, cancel)
		return from.WithContext(both), func() {
			stop()
			cancel()
		}
	})
}

// treeOptions returns how much is done at once.
func (c *client) treeOptions() tree.Options {
	return tree.Options{Most: c.maxConns, Room: c.Pool.Room, SplitOver: c.splitOver}
}

// Fetch copies a directory of the server, or one file, into the local directory
// dst, which it makes if needed. Of a directory it copies the content, as
// [os.CopyFS] does; a file is copied under the last element of its name. Fetch
// uses up to Dialer.MaxConns connections at once, and opens no more of them than
// there are files waiting.
//
// A file that already exists is an error that is [fs.ErrExist], and nothing is
// replaced. Each file is read as from a [File]: a transfer that breaks is
// resumed, and the count and the server's word must be right. A file is written
// under a temporary name beginning with a dot, and gets its own name only when
// it is whole. The context of the FS governs the copy. New files and
// directories have the modes 0o666 and 0o777 before umask, and a file has in
// addition the permission bits that the server tells.
//
// An error that concerns one name, as of rights, of a file that changes, of a link
// or of a line of a listing ([*ListingError]), does not end the copy: everything
// else is fetched, and all such errors are returned joined, each with its name, the
// first hundred and a count. [Trace.Note] tells of each. What ends it at once is
// the end of the context, a local disk that is full or broken, and a connection
// that cannot be had; files that were whole by then stay.
//
// Of a file that grows while it is read, as a log does, what was there at first is
// fetched if the server tells sizes, and an error that is [ErrChanged] says so.
//
// A symbolic link that leads to a place in the tree is copied as a link. For a
// link that leads out of it, or whose target the listing does not tell, the file
// behind it is fetched; if there is no file behind it, that is an error, unless
// there is a directory and [FS.ReadLink] has its place in the tree. Nothing
// that the server says makes Fetch write outside of dst. A name that the local
// system cannot hold, or that it takes for the name of another file, is an
// error, and so is a directory that is found in itself: see [FS.ReadDir].
func (f *FS) Fetch(dst, name string) error {
	if !remote.ValidName(name) {
		return &fs.PathError{Op: "fetch", Path: name, Err: fs.ErrInvalid}
	}
	return tree.Fetch(f.ctx, side{f}, f.c.treeOptions(), dst, name)
}

// side is an FS as package tree sees it.
type side struct{ f *FS }

// Stat describes a file, or what a symbolic link leads to.
func (s side) Stat(ctx context.Context, name string) (listing.Entry, error) {
	info, err := s.f.WithContext(ctx).Stat(name)
	if e, ok := remote.Unlisted(name, err); ok {
		return e, nil // a file that is known by name may be read
	}
	if err != nil {
		return listing.Entry{}, err
	}
	return info.(fileInfo).e, nil
}

// ReadDir lists a directory.
func (s side) ReadDir(ctx context.Context, name string) ([]listing.Entry, error) {
	dir, err := s.f.WithContext(ctx).readDir(name)
	if err != nil {
		return nil, err
	}
	return dir.Entries(), unreadIn(name, dir.Unread())
}

// unreadIn returns an error that comes together with a listing in the form in which
// package tree knows it; its public form is found in it.
func unreadIn(name string, err error) error {
	if err != nil {
		err = &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	return err
}

// ReadLink returns where a symbolic link leads.
func (s side) ReadLink(ctx context.Context, name string) (string, error) {
	return s.f.WithContext(ctx).ReadLink(name)
}

// Open opens a file for reading.
func (s side) Open(ctx context.Context, name string, how tree.Opening) (tree.File, error) {
	file, err := s.open(s.f.WithContext(ctx), name, how.Entry)
	if err != nil {
		return nil, err
	}
	source := file.source()
	source.Asked = source.Asked || how.Timed
	source.Quiet, source.Steady = how.Quiet, how.Steady
	file.in = file.fs.c.Reader(source)
	return opened{file}, nil
}

// open opens a file that a listing has described, or asks the server.
func (s side) open(f *FS, name string, e *listing.Entry) (*File, error) {
	if e == nil {
		return f.openRead(name)
	}
	file := &File{fs: f, name: name, found: *e, info: fileInfo{*e}}
	file.open(f.path(name))
	return file, nil
}

// ModTime sets the time in e to that of MDTM, if the server has it.
func (s side) ModTime(ctx context.Context, name string, e *listing.Entry) error {
	return s.f.WithContext(ctx).ask("fetch", name, func(ctx context.Context, s *remote.Session, at string) error { return s.ModTime(ctx, at, e) })
}

// Check returns the hash of a file that is still the one that e describes.
func (s side) Check(ctx context.Context, name string, e listing.Entry, timed bool) (sum *tree.Digest, err error) {
	err = s.f.WithContext(ctx).ask("fetch", name, func(ctx context.Context, s *remote.Session, at string) error {
		now, err := s.Stat(ctx, at, false)
		if err == nil && timed {
			err = s.ModTime(ctx, at, &now)
		}
		if err == nil && now.Size != e.Size {
			err = fmt.Errorf("%w: it has %d bytes, and had %d", proto.ErrChanged, now.Size, e.Size)
		}
		if err == nil {
			err = stream.Same(e, now)
		}
		if err != nil {
			return err
		}
		d, ok, err := s.Hash(ctx, at)
		if ok {
			sum = &tree.Digest{Name: d.Name, Sum: d.Sum, New: d.New}
		}
		return err
	})
	return sum, err
}

// target is an FS as a target of package tree.
type target struct {
	side
	made *sync.Map // directories that were made, in which nothing was before
}

func newTarget(f *FS) target { return target{side{f}, new(sync.Map)} }

// Mkdir makes a directory.
func (t target) Mkdir(ctx context.Context, name string) error {
	err := t.f.WithContext(ctx).Mkdir(name, 0o777)
	if err == nil {
		t.made.Store(name, true)
	}
	return err
}

// MkdirAll makes a directory and those above it.
func (t target) MkdirAll(ctx context.Context, name string) error {
	return t.f.WithContext(ctx).MkdirAll(name, 0o777)
}

// Create opens a file for writing that must not be there. The listing of a
// directory that was there before does not have it, which need not be all: servers
// hide names, those with a dot above all. So SIZE is asked too.
func (t target) Create(ctx context.Context, name string, size int64) (tree.Writer, error) {
	_, made := t.made.Load(path.Dir(name))
	return created{t.f.WithContext(ctx).create(name, stream.Target{Total: size, Ours: made, New: !made, Whole: true})}, nil
}

// opened is a file that is read, as package tree sees it.
type opened struct{ *File }

// Entry returns what Open has found.
func (f opened) Entry() listing.Entry { return f.found }

// created is a file that is written, as package tree sees it.
type created struct{ *File }

// Abort gives the file up.
func (f created) Abort() { _ = f.File.Abort() }

// maxDepth is how many directories in each other are listed.
const maxDepth = 100

// bottomless returns the error of a directory that is too deep to be listed. Where a
// server shows a link to a directory above as a directory, a walk finds it in itself
// again and again.
func bottomless(name string) error {
	if strings.Count(name, "/") < maxDepth {
		return nil
	}
	err := fmt.Errorf("more than %d directories in each other, which is most likely one that leads back to itself", maxDepth)
	return &fs.PathError{Op: "readdir", Path: name, Err: err}
}

const (
	// clearFew is how many names are cleared in turn by one call, so that there is
	// something left for other connections, and clearMany how many at once.
	clearFew  = 8
	clearMany = 128
)

// ground is an FS as package tree removes from it.
type ground struct {
	f      *FS
	atOnce atomic.Int32
	stuck  atomic.Bool // a refusal for now has lasted
}

// List lists a directory in the ordinary way: what STAT hides must go too.
func (g *ground) List(ctx context.Context, name string) (entries []listing.Entry, err error) {
	if err := bottomless(name); err != nil {
		return nil, err
	}
	var unread error
	err = g.f.WithContext(ctx).ask("readdir", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		g.atOnce.Store(clearFew)
		if s.Pipelines() {
			g.atOnce.Store(clearMany)
		}
		entries, err = s.List(ctx, at)
		if proto.Unread(err) != nil {
			unread, err = err, nil
		}
		return err
	})
	if err == nil {
		err = unreadIn(name, unread)
	}
	return entries, err
}

// AtOnce returns how many names are best cleared by one call.
func (g *ground) AtOnce() int { return int(g.atOnce.Load()) }

// Remove removes a file, a link or an empty directory.
func (g *ground) Remove(ctx context.Context, name string) error {
	return g.f.WithContext(ctx).remove(name, false)
}

// Clear removes entries of a directory, and with last the directory. What is cut
// off is sent again: that it is not there any more is all that counts.
func (g *ground) Clear(ctx context.Context, dir string, entries []listing.Entry, last bool) (errs []error, gone bool, err error) {
	f := g.f.WithContext(ctx)
	at := f.path(dir)
	var list []remote.Doomed
	for _, e := range entries {
		list = append(list, remote.Doomed{Name: remote.Below(at, e.Name), File: true, Dir: e.Type == listing.TypeDir})
	}
	if last {
		list = append(list, remote.Doomed{Name: at, Dir: true})
	}
	err = f.do("remove", dir, retry.Worth, func(ctx context.Context, s *remote.Session, _ string) error {
		defer s.Server.Changed()
		before := len(errs)
		err := s.Clear(ctx, list[before:], func(refusal error) { errs = append(errs, refusal) })
		if len(errs) > before {
			err = retry.Progress(err)
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if last {
		gone = errs[len(entries)] == nil
		errs = errs[:len(entries)]
	}
	return g.settled(ctx, dir, entries, errs), gone, nil
}

// settled makes of the refusals of a directory's entries what they mean. That a
// name is not listed any more proves that it is gone: it was there before.
func (g *ground) settled(ctx context.Context, dir string, entries []listing.Entry, errs []error) []error {
	var now []listing.Entry
	var lerr error
	asked := false
	for i, err := range errs {
		e := entries[i]
		if err == nil {
			continue
		}
		if e.Type != listing.TypeDir && !asked {
			asked = true
			now, lerr = g.List(ctx, dir)
		}
		found := true
		if e.Type != listing.TypeDir {
			known := lerr == nil || proto.Unread(lerr) != nil && !proto.Unread(lerr).Mentions(e.Name)
			was := e
			e, found = remote.Find(now, e.Name)
			if !found {
				e = was
				found = !known && !errors.Is(lerr, fs.ErrNotExist)
			}
		}
		switch {
		case !found:
			errs[i] = nil
		case e.Type == listing.TypeDir:
			errs[i] = &proto.FSError{Kind: proto.ErrNotEmpty, Err: err}
		default:
			errs[i] = g.refused(ctx, dir+"/"+e.Name, err)
		}
	}
	return errs
}

// refused returns the error of a file that is still there. A refusal for now is
// waited out, but not for one file after the other.
func (g *ground) refused(ctx context.Context, name string, err error) error {
	if retry.Worth(err) && proto.RefusedAt(err) && !g.stuck.Load() {
		err = g.Remove(ctx, name)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		g.stuck.Store(true)
		return err
	}
	return &fs.PathError{Op: "remove", Path: name, Err: public(remote.Denied(err))}
}
