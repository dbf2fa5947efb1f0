package ftpnat

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/stream"
)

// File is an open file or directory of an [FS]. A file is open either for
// reading or for writing.
//
// Reading: io.EOF is returned only if the server has said that the file is
// complete and the number of bytes is right. A connection that breaks is
// replaced and the transfer resumed by REST if the file is still the same;
// otherwise the error is [ErrChanged].
//
// Writing: Close returns what the server says of the file, and checks its size.
// If Close returns an error, the file is not to be relied on.
//
// ReadAt may be called at any time by several goroutines. The other methods are
// for one goroutine at a time, except for Close, which aborts operations in
// progress.
type File struct {
	fs     *FS
	name   string
	at     string // path in the client's directory
	ctx    context.Context
	cancel context.CancelCauseFunc

	found listing.Entry // reading: the entry that Open found
	quick bool          // whether found is only a size and a time
	rough bool          // whether found is from a listing, which may be some seconds old
	size  atomic.Int64  // reading: the latest size that is known, in bytes; -1 if none is

	use    ioLock         // guards what follows
	info   fileInfo       // reading: found, or what was asked for since
	asked  bool           // whether info is more than what Open found
	off    int64          // of the next Read, in bytes
	dir    *stream.Dir    // reading a directory
	in     *stream.Reader // reading
	out    *stream.Writer // writing
	closed bool

	useAt ioLock // guards random
	// random is the stream of ReadAt, apart from that of Read, so that mixed
	// use does not break off one for the other.
	random *stream.Reader
}

var _ interface {
	fs.ReadDirFile
	io.Seeker
	io.ReaderAt
	io.WriterTo
	io.Writer
	io.ReaderFrom
} = (*File)(nil)

// open makes the file ready for use.
func (f *File) open(at string) {
	f.at = at
	f.ctx, f.cancel = f.fs.sys.Pool.Within(f.fs.sys.Ctx)
	f.use, f.useAt = newIOLock(), newIOLock()
	f.size.Store(f.found.Size)
}

// source returns what is known of the file for those who read it.
func (f *File) source() stream.Source {
	return stream.Source{Name: f.name, Path: f.at, Entry: f.found, Asked: f.quick, Size: &f.size}
}

// reader returns the stream of Read.
func (f *File) reader() *stream.Reader {
	if f.in == nil {
		f.in = f.fs.sys.Reader(f.source())
	}
	return f.in
}

// fail makes an error of what went wrong; io.EOF stays bare.
func (f *File) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	err = proto.Ended(f.ctx, err)
	if cause := context.Cause(f.ctx); cause == fs.ErrClosed {
		err = cause
	}
	return &fs.PathError{Op: op, Path: f.name, Err: retry.Public(err)}
}

// Name returns the name that the file was opened with.
func (f *File) Name() string { return f.name }

// begin locks the file for an operation.
func (f *File) begin(op string, reading bool) error {
	f.use.lock()
	err := error(nil)
	switch {
	case f.closed:
		err = fs.ErrClosed
	case f.isDir():
		err = &proto.FSError{Kind: proto.ErrIsDir}
	case reading && f.out != nil:
		err = proto.Unable("the file is open for writing")
	case !reading && f.out == nil:
		err = proto.Unable("the file is open for reading")
	default:
		return nil
	}
	f.use.unlock()
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *File) isDir() bool { return f.out == nil && f.info.IsDir() }

// Stat returns what Open found; where that was only that there is a file, the
// server is asked for the rest. For a file that is open for writing it is the
// number of bytes so far.
func (f *File) Stat() (fs.FileInfo, error) {
	f.use.lock()
	defer f.use.unlock()
	if f.closed {
		return nil, &fs.PathError{Op: "stat", Path: f.name, Err: fs.ErrClosed}
	}
	if f.out != nil {
		return fileInfo{listing.Entry{Name: remote.BaseName(f.name), Type: listing.TypeFile, Size: f.out.Size()}}, nil
	}
	if err := f.complete(); err != nil {
		return nil, f.fail("stat", err)
	}
	return f.info, nil
}

// complete looks up what Open has left open, or had from a listing.
func (f *File) complete() error {
	if !f.quick && !f.rough || f.asked {
		return nil
	}
	var e listing.Entry
	err := f.look("stat", func(ctx context.Context, s *remote.Session, at string) (err error) {
		e, err = remote.Stat(ctx, s, at, f.quick)
		if !errors.Is(err, proto.ErrMissing) {
			return err
		}
		// The listing has it under another name, with other cases, or hides
		// it; or it is gone.
		e = f.found
		return remote.ModTime(ctx, s, at, &e)
	})
	if err != nil {
		return err
	}
	e.Name = f.found.Name
	f.info, f.asked = fileInfo{e}, true
	if f.rough && e.Size >= 0 {
		f.size.Store(e.Size)
	}
	return nil
}

// look asks the server about the file, without the name in the error.
func (f *File) look(op string, fn func(ctx context.Context, s *remote.Session, at string) error) error {
	err := f.fs.sys.In(f.ctx).Ask(op, f.name, fn)
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Read reads on from where the file stands.
func (f *File) Read(p []byte) (int, error) {
	if err := f.begin("read", true); err != nil {
		return 0, err
	}
	defer f.use.unlock()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.reader().Read(f.ctx, p, f.off)
	f.off += int64(n)
	return n, f.fail("read", err)
}

// ReadAt reads len(p) bytes from the offset on. It does not change where Read
// stands. Calls with growing offsets cost least.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.begin("read", true); err != nil {
		return 0, err
	}
	f.use.unlock()
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	f.useAt.lock()
	defer f.useAt.unlock()
	if f.random == nil {
		f.random = f.fs.sys.Reader(f.source())
	}
	n := 0
	for n < len(p) {
		m, err := f.random.Read(f.ctx, p[n:], off+int64(n))
		n += m
		if err != nil {
			return n, f.fail("read", err)
		}
	}
	return n, nil
}

// Seek sets where Read goes on. It costs nothing by itself, but for a first Seek
// from the end of a file of which Open had nothing but a listing: that is asked for
// its size.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.use.lock()
	defer f.use.unlock()
	off, err := f.seek(offset, whence)
	if err != nil {
		return 0, &fs.PathError{Op: "seek", Path: f.name, Err: err}
	}
	return off, nil
}

func (f *File) seek(offset int64, whence int) (int64, error) {
	if f.closed {
		return 0, fs.ErrClosed
	}
	if f.out != nil {
		if here := f.out.Size(); whence == io.SeekCurrent && offset == 0 || whence == io.SeekStart && offset == here {
			return here, nil
		}
		return 0, proto.Unable("FTP writes files from one end to the other")
	}
	if f.isDir() {
		if offset != 0 || whence != io.SeekStart {
			return 0, fs.ErrInvalid
		}
		if f.dir != nil {
			f.dir.Stop(f.ctx)
		}
		return 0, nil
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		if f.rough {
			if err := f.complete(); err != nil {
				return 0, err
			}
		}
		size := f.size.Load()
		if size < 0 {
			return 0, proto.Unable("the server does not tell the size")
		}
		offset += size
	default:
		return 0, fs.ErrInvalid
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	f.off = offset
	return offset, nil
}

// WriteTo copies the rest of the file to w. While w writes, the connection can
// serve others: w may use the same FS.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	if err := f.begin("read", true); err != nil {
		return 0, err
	}
	_, regular := data.Regular(w)
	if file, ok := w.(*os.File); ok && regular {
		defer f.use.unlock()
		n, err := f.reader().CopyTo(f.ctx, file, f.off)
		f.off += n
		return n, f.fail("read", err)
	}
	f.use.unlock()
	buf := data.Buffer()
	defer data.Recycle(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, *buf)
}

// ReadDir returns the next entries of a directory. If n is above zero they are at
// most n, in the order of the server and as soon as some have come; no more of them
// are held in memory, apart from 8 bytes a name. If it is not, they are all that is
// left, sorted by name.
//
// io.EOF says that the directory is known to be whole. A [*ListingError] is returned
// once, in place of it, or with the entries where n is not above zero. A listing
// that breaks off, or whose connection was lent to others, is asked for anew and as
// a whole; names that were returned before are left out. So is one that does not
// tell by itself whether it is whole, and every one if Dialer.Charset is set. What
// can no longer be completed is an error in the place of io.EOF.
//
// A date whose numbers may be a day and a month in either order is unknown until a
// line has shown the order, where n is above zero.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	f.use.lock()
	defer f.use.unlock()
	if f.closed {
		return nil, &fs.PathError{Op: "readdir", Path: f.name, Err: fs.ErrClosed}
	}
	if err := f.complete(); err != nil {
		return nil, f.fail("readdir", err)
	}
	if !f.isDir() {
		return nil, f.fail("readdir", &proto.FSError{Kind: proto.ErrNotDir})
	}
	if f.dir == nil {
		f.dir = f.fs.sys.Dir(f.at)
	}
	list, err := f.dir.Next(f.ctx, n)
	return (&place{fs: f.fs, dir: f.name}).entries(list), f.fail("readdir", err)
}

// Write appends p to what was written. What the server makes of it is known
// when Close has returned.
func (f *File) Write(p []byte) (int, error) {
	if err := f.begin("write", false); err != nil {
		return 0, err
	}
	defer f.use.unlock()
	n, err := f.out.Write(f.ctx, p)
	return n, f.fail("write", err)
}

// ReadFrom writes what r gives. While r reads, the connection can serve
// others: r may be a file of the same FS.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	if err := f.begin("write", false); err != nil {
		return 0, err
	}
	if _, ok := data.Regular(r); ok {
		defer f.use.unlock()
		n, err := f.out.ReadFrom(f.ctx, r)
		var source *stream.SourceError
		if errors.As(err, &source) {
			err = source.Err
		}
		return n, f.fail("write", err)
	}
	f.use.unlock()
	if file, ok := r.(*File); ok {
		r = gatherer{file}
	}
	buf := data.Buffer()
	defer data.Recycle(buf)
	return io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, *buf)
}

// gatherer is a reader that fills its buffers, for a file that may share its
// connection with the one that is written: each change between the two costs
// round trips.
type gatherer struct{ r io.Reader }

// Read reads until p is full or there is no more.
func (g gatherer) Read(p []byte) (int, error) {
	n, err := io.ReadFull(g.r, p)
	if err == io.ErrUnexpectedEOF {
		err = nil // the next Read has the end
	}
	return n, err
}

// Close ends the use of the file. Of a file that was read it returns no error,
// whether all of it was read or not. Of a file that was written it returns nil
// only when the server said that it has the file and its size is right.
func (f *File) Close() error {
	if !f.use.tryLock() {
		// Something is under way.
		f.cancel(fs.ErrClosed)
		f.use.lock()
	}
	defer f.use.unlock()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	defer f.cancel(fs.ErrClosed)
	if f.out != nil {
		return f.fail("close", f.out.Close(f.ctx))
	}
	if f.dir != nil {
		f.dir.Stop(f.ctx)
	}
	if f.in != nil {
		f.in.Stop(f.ctx)
	}
	if !f.useAt.tryLock() {
		f.cancel(fs.ErrClosed)
		f.useAt.lock()
	}
	defer f.useAt.unlock()
	if f.random != nil {
		f.random.Stop(f.ctx)
	}
	return nil
}

// Abort gives up a file that is being written, in place of Close: what was written
// is removed. What was there before stays if no more than 64 KiB were written, or
// if the file was opened by [FS.CreateAtomic], or if the server puts files in place
// at their end. What was appended to a file cannot be taken back; the error is then
// [errors.ErrUnsupported]. An operation in progress is aborted. A Close that
// follows returns [fs.ErrClosed].
func (f *File) Abort() error {
	if !f.use.tryLock() {
		f.cancel(fs.ErrClosed)
		f.use.lock()
	}
	defer f.use.unlock()
	var err error
	switch {
	case f.closed:
		err = fs.ErrClosed
	case f.out == nil:
		err = proto.Unable("the file is open for reading")
	}
	if err != nil {
		return &fs.PathError{Op: "abort", Path: f.name, Err: err}
	}
	f.closed = true
	defer f.cancel(fs.ErrClosed)
	if err := f.out.Abort(f.ctx); err != nil {
		return &fs.PathError{Op: "abort", Path: f.name, Err: retry.Public(err)}
	}
	return nil
}

// ioLock is a lock that may be held during I/O.
type ioLock chan struct{}

func newIOLock() ioLock { return make(ioLock, 1) }

func (l ioLock) lock() { l <- struct{}{} }

func (l ioLock) unlock() { <-l }

// tryLock takes the lock if nobody has it.
func (l ioLock) tryLock() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}
