package ftpnat

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"sync/atomic"
	"syscall"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// File is an open file or directory of an [FS]. A file is open for reading or
// for writing.
//
// Reading: io.EOF comes only when the server has said that the file is
// complete and the number of bytes is right. A connection that breaks is
// replaced and the transfer resumed (REST), when the file is still the same;
// else the error is [ErrChanged].
//
// Writing: Close reports what the server says of the file, and checks its
// size. An error of Close means that the file is not to be relied on.
//
// ReadAt may be called at any time by several goroutines. The other methods
// are for one goroutine at a time, but Close, which ends what is under way.
type File struct {
	fs     *FS
	name   string
	at     string // in the pool's directory
	ctx    context.Context
	cancel context.CancelCauseFunc

	found   listing.Entry // reading: by Open
	glanced bool          // found is a size and no more, of what is likely a file
	size    atomic.Int64  // reading: by the latest that is known; -1 when it is not

	use    turn     // guards what follows
	info   fileInfo // reading: found, or what was asked for since
	asked  bool     // info is not what Open glanced at
	list   []listing.Entry
	listed bool  // list is what is in the directory
	off    int64 // of the next Read, or of the next entry
	in     stream
	out    *sink // writing
	closed bool

	useAt turn // guards random
	// random is the stream of ReadAt, apart from that of Read, so that mixed
	// use does not break off one for the other.
	random stream
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
	f.ctx, f.cancel = f.fs.p.join(f.fs.ctx)
	f.use, f.useAt = newTurn(), newTurn()
	f.in.f, f.random.f = f, f
	f.in.end, f.random.end = -1, -1
	f.size.Store(f.found.Size)
}

// fail makes an error of what went wrong; io.EOF stays bare.
func (f *File) fail(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	err = ended(f.ctx, err)
	if cause := context.Cause(f.ctx); cause == fs.ErrClosed {
		err = cause
	}
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

// Name returns the name that the file was opened with.
func (f *File) Name() string { return f.name }

// begin locks the file for an operation.
func (f *File) begin(op string, reading bool) error {
	f.use.take()
	err := error(nil)
	switch {
	case f.closed:
		err = fs.ErrClosed
	case f.isDir():
		err = &kindError{kind: errIsDir}
	case reading && f.out != nil:
		err = unable("the file is open for writing")
	case !reading && f.out == nil:
		err = unable("the file is open for reading")
	default:
		return nil
	}
	f.use.give()
	return &fs.PathError{Op: op, Path: f.name, Err: err}
}

func (f *File) isDir() bool { return f.out == nil && f.info.IsDir() }

// Stat returns what Open found; where that was only that there is a file, the
// server is asked for the rest. For a file that is open for writing it is the
// number of bytes so far.
func (f *File) Stat() (fs.FileInfo, error) {
	f.use.take()
	defer f.use.give()
	if f.closed {
		return nil, &fs.PathError{Op: "stat", Path: f.name, Err: fs.ErrClosed}
	}
	if f.out != nil {
		return fileInfo{listing.Entry{Name: baseName(f.name), Type: listing.TypeFile, Size: f.out.size()}}, nil
	}
	if err := f.complete(); err != nil {
		return nil, f.fail("stat", err)
	}
	return f.info, nil
}

// complete looks up what Open has left open.
func (f *File) complete() error {
	if !f.glanced || f.asked {
		return nil
	}
	var e listing.Entry
	err := f.look("stat", func(ctx context.Context, ls *lease, at string) (err error) {
		e, err = ls.stat(ctx, at, true)
		if !errors.Is(err, errMissing) {
			return err
		}
		// The listing has it under another name, with other cases, or hides
		// it; or it is gone.
		e = f.found
		return ls.touched(ctx, at, &e)
	})
	if err != nil {
		return err
	}
	e.Name = f.found.Name
	f.info, f.asked = fileInfo{e}, true
	return nil
}

// look asks the server about the file, without the name in the error.
func (f *File) look(op string, fn func(ctx context.Context, ls *lease, at string) error) error {
	err := f.fs.WithContext(f.ctx).ask(op, f.name, fn)
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
	defer f.use.give()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := f.in.read(f.ctx, p, f.off)
	f.off += int64(n)
	return n, f.fail("read", err)
}

// ReadAt reads len(p) bytes from the offset on. It does not change where Read
// stands. Calls with growing offsets cost least.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if err := f.begin("read", true); err != nil {
		return 0, err
	}
	f.use.give()
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: fs.ErrInvalid}
	}
	f.useAt.take()
	defer f.useAt.give()
	n := 0
	for n < len(p) {
		m, err := f.random.read(f.ctx, p[n:], off+int64(n))
		n += m
		if err != nil {
			return n, f.fail("read", err)
		}
	}
	return n, nil
}

// Seek sets where Read goes on. It costs nothing by itself.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.use.take()
	defer f.use.give()
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
		if here := f.out.size(); whence == io.SeekCurrent && offset == 0 || whence == io.SeekStart && offset == here {
			return here, nil
		}
		return 0, unable("FTP writes files from one end to the other")
	}
	if f.isDir() {
		if offset != 0 || whence != io.SeekStart {
			return 0, fs.ErrInvalid
		}
		f.off = 0
		return 0, nil
	}
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += f.off
	case io.SeekEnd:
		size := f.size.Load()
		if size < 0 {
			return 0, unable("the server does not tell the size")
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
	if file, ok := w.(*os.File); ok && isRegular(file) {
		defer f.use.give()
		n, err := f.toSystem(file)
		return n, f.fail("read", err)
	}
	f.use.give()
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, *buf)
}

// systemFile is an *os.File, or what that becomes in io.Copy, which hides its
// WriteTo.
type systemFile interface {
	fs.File
	io.Seeker
	syscall.Conn
}

// regular returns the file of the system that v is. Pipes and the like are
// none: who is at their other end may wait for this FS.
func regular(v any) (systemFile, bool) {
	file, ok := v.(systemFile)
	if !ok {
		return nil, false
	}
	if _, plain := v.(*os.File); !plain && reflect.TypeOf(v).PkgPath() != "os" {
		// A file inside something that may have a Read of its own.
		return nil, false
	}
	return file, isRegular(file)
}

func isRegular(file fs.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// toSystem copies to a file of the system on the kernel's own path.
func (f *File) toSystem(file *os.File) (n int64, err error) {
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	for {
		m, err := f.in.copyTo(f.ctx, file, *buf, f.off)
		n, f.off = n+m, f.off+m
		switch {
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

// ReadDir returns the next n entries of a directory, or all that are left
// where n is not above zero, as [fs.ReadDirFile] has it.
func (f *File) ReadDir(n int) ([]fs.DirEntry, error) {
	f.use.take()
	defer f.use.give()
	if f.closed {
		return nil, &fs.PathError{Op: "readdir", Path: f.name, Err: fs.ErrClosed}
	}
	if err := f.enter(); err != nil {
		return nil, f.fail("readdir", err)
	}
	rest := f.list[f.off:]
	if n > 0 {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		rest = rest[:min(n, len(rest))]
	}
	f.off += int64(len(rest))
	return f.fs.entries(f.name, rest), nil
}

// enter sees to the list of a directory. Open has it but where the server
// passed the directory off as a file.
func (f *File) enter() error {
	if err := f.complete(); err != nil {
		return err
	}
	if !f.isDir() {
		return &kindError{kind: errNotDir}
	}
	if f.listed {
		return nil
	}
	return f.look("readdir", func(ctx context.Context, ls *lease, at string) (err error) {
		f.list, err = ls.list(ctx, at)
		f.listed = err == nil
		return err
	})
}

// Write appends p to what was written. What the server makes of it is known
// when Close has returned.
func (f *File) Write(p []byte) (int, error) {
	if err := f.begin("write", false); err != nil {
		return 0, err
	}
	defer f.use.give()
	n, err := f.out.write(f.ctx, p)
	return n, f.fail("write", err)
}

// ReadFrom writes what r gives. While r reads, the connection can serve
// others: r may be a file of the same FS.
func (f *File) ReadFrom(r io.Reader) (int64, error) {
	if err := f.begin("write", false); err != nil {
		return 0, err
	}
	if _, ok := regular(r); ok {
		defer f.use.give()
		n, err := f.out.readFrom(f.ctx, r)
		return n, f.fail("write", err)
	}
	f.use.give()
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, *buf)
}

// Close ends the use of the file. Of a file that was read it returns no error,
// whether all of it was read or not. Of a file that was written it returns nil
// only when the server said that it has the file and its size is right.
func (f *File) Close() error {
	if !f.use.tryTake() {
		// Something is under way.
		f.cancel(fs.ErrClosed)
		f.use.take()
	}
	defer f.use.give()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	defer f.cancel(fs.ErrClosed)
	if f.out != nil {
		return f.fail("close", f.out.close(f.ctx))
	}
	if f.isDir() {
		return nil
	}
	f.in.stop(f.ctx)
	if !f.useAt.tryTake() {
		f.cancel(fs.ErrClosed)
		f.useAt.take()
	}
	defer f.useAt.give()
	f.random.stop(f.ctx)
	return nil
}
