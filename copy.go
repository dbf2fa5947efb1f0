package ftpnat

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/fsys"
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
	opts := f.sys.Options()
	from, remote := src.(*FS)
	if remote && from.sys.Client == f.sys.Client {
		opts.Most = max(opts.Most/2, 1) // each file is read and written
	}
	ctx, cancel := f.sys.Pool.Within(f.sys.Ctx)
	defer cancel(nil)
	return tree.Copy(ctx, target{fsys.NewTarget(f.sys)}, opts, dir, func(ctx context.Context) (fs.FS, context.CancelFunc) {
		if !remote {
			return src, func() {}
		}
		// It has a context of its own, and ends with the copy too.
		both, cancel := context.WithCancel(from.sys.Ctx)
		stop := context.AfterFunc(ctx, cancel)
		return from.WithContext(both), func() {
			stop()
			cancel()
		}
	})
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
	ctx, cancel := f.sys.Pool.Within(f.sys.Ctx)
	defer cancel(nil)
	return tree.Fetch(ctx, side{fsys.Side{FS: f.sys}}, f.sys.Options(), dst, name)
}

// What follows are files as package tree sees them. They have less than a File,
// as there may be millions: no locks, since one job alone has each, and no context
// of their own, but that of the copy, which ends with the pool too.

// side is an FS as package tree reads from it.
type side struct{ fsys.Side }

// Open opens a file for reading that a listing has described, or asks the server. ctx
// is one of the pool's.
func (s side) Open(ctx context.Context, name string, how tree.Opening) (tree.File, error) {
	f := &fetched{ctx: ctx, name: name}
	asked := how.Timed
	if how.Entry != nil {
		f.found = *how.Entry
	} else {
		found, err := s.In(ctx).Find(name)
		if err != nil {
			return nil, err
		}
		f.found, asked = found.Entry, asked || found.Quick
	}
	f.in = s.Reader(stream.Source{Name: name, Path: s.Path(name), Entry: f.found, Asked: asked, Quiet: how.Quiet, Steady: how.Steady})
	return f, nil
}

// fetched is a file that is read.
type fetched struct {
	ctx   context.Context
	name  string
	found listing.Entry
	in    *stream.Reader
	off   int64 // of the next Read
}

// Entry returns what was known of the file at first.
func (f *fetched) Entry() listing.Entry { return f.found }

// Read reads on.
func (f *fetched) Read(p []byte) (int, error) {
	n, err := f.in.Read(f.ctx, p, f.off)
	f.off += int64(n)
	return n, f.fail(err)
}

// Seek sets where Read goes on, from the start of the file.
func (f *fetched) Seek(off int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return f.off, fs.ErrInvalid
	}
	f.off = off
	return off, nil
}

// WriteTo copies the rest of the file.
func (f *fetched) WriteTo(w io.Writer) (n int64, err error) {
	if file, ok := w.(*os.File); ok {
		n, err = f.in.CopyTo(f.ctx, file, f.off)
		f.off += n
		return n, f.fail(err)
	}
	buf := data.Buffer()
	defer data.Recycle(buf)
	return io.CopyBuffer(w, struct{ io.Reader }{f}, *buf)
}

// Close ends the use of the file.
func (f *fetched) Close() error {
	f.in.Stop(f.ctx)
	return nil
}

func (f *fetched) fail(err error) error { return failed(f.ctx, "read", f.name, err) }

// failed makes an error of what went wrong with a file of a copy; io.EOF stays bare.
func failed(ctx context.Context, op, name string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &fs.PathError{Op: op, Path: name, Err: retry.Public(proto.Ended(ctx, err))}
}

// target is an FS as package tree writes to it.
type target struct{ fsys.Target }

// Create opens a file for writing that must not be there. The listing of a
// directory that was there before does not have it, which need not be all: servers
// hide names, those with a dot above all. So SIZE is asked too.
func (t target) Create(ctx context.Context, name string, size int64) (tree.Writer, error) {
	parent, _ := remote.Split(name)
	made := t.Made(parent)
	file := &sent{ctx: ctx, name: name}
	t.WriterIn(&file.out, stream.Target{Name: name, Path: t.Path(name), Total: size, Ours: made, New: !made, Whole: true})
	return file, nil
}

// sent is a file that is written.
type sent struct {
	ctx  context.Context
	name string
	out  stream.Writer
}

// ReadFrom writes what r gives. An error of r is returned as it is.
func (f *sent) ReadFrom(r io.Reader) (int64, error) {
	if file, ok := r.(*File); ok {
		r = gatherer{file}
	}
	n, err := f.out.ReadFrom(f.ctx, r)
	if source, ok := errors.AsType[*stream.SourceError](err); ok {
		return n, source.Err
	}
	return n, failed(f.ctx, "write", f.name, err)
}

// Close returns nil if the server has the whole file.
func (f *sent) Close() error { return failed(f.ctx, "close", f.name, f.out.Close(f.ctx)) }

// Abort gives the file up.
func (f *sent) Abort() { _ = f.out.Abort(f.ctx) }
