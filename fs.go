package ftpnat

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// FS is a directory of a server as a file system. It implements [fs.FS],
// [fs.ReadDirFS], [fs.StatFS], [fs.ReadFileFS], [fs.GlobFS], [fs.SubFS] and
// [fs.ReadLinkFS], and has the names of [os.Root] for writing.
//
// Names follow [fs.ValidPath], but may hold bytes that are not UTF-8: they go
// to the server as they came from it. Errors are [*fs.PathError] and
// [*os.LinkError] around what the server said, which [errors.As] finds as a
// [*ReplyError]. That a file does not exist is confirmed before it is said.
//
// An FS is safe for concurrent use. It holds at most Dialer.MaxConns
// connections, and any number of files may be open at once: a file that is
// not being read or written just now lends its connection and goes on later
// where it stood, by REST (RFC 3659, 5). On a server that has none of that its
// next Read is an error.
type FS struct {
	p   *pool
	dir string // in the pool's directory, which is empty
	ctx context.Context
}

var _ interface {
	fs.ReadDirFS
	fs.StatFS
	fs.ReadFileFS
	fs.GlobFS
	fs.SubFS
	fs.ReadLinkFS
	io.Closer
} = (*FS)(nil)

func openFS(ctx context.Context, cfg *config, dir string) (*FS, error) {
	if len(dir) > 1 {
		dir = strings.TrimRight(dir, "/")
	}
	if strings.ContainsAny(dir, "\x00\r\n") {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrInvalid}
	}
	p := newPool(cfg, dir)
	ls, err := p.acquire(ctx)
	if err != nil {
		p.close()
		if verbOf(err) == "CWD" {
			err = &fs.PathError{Op: "open", Path: dir, Err: whyNoDir(ctx, cfg, dir, err)}
		}
		return nil, err
	}
	ls.release()
	return &FS{p: p, ctx: context.Background()}, nil
}

// whyNoDir finds out, from the login directory, why a directory cannot be
// entered.
func whyNoDir(ctx context.Context, cfg *config, dir string, err error) error {
	p := newPool(cfg, "")
	defer p.close()
	ls, lerr := p.acquire(ctx)
	if lerr != nil {
		return errors.Join(err, lerr)
	}
	defer ls.release()
	return ls.whyNoList(ctx, path.Clean(dir), err)
}

// WithContext returns the same file system under another context, which then
// governs every call on it and on the files opened with it: when ctx ends,
// they end at once. Hooks of [WithTrace] are taken from ctx.
func (f *FS) WithContext(ctx context.Context) *FS {
	if ctx == nil {
		panic("ftpnat: nil context")
	}
	return &FS{p: f.p, dir: f.dir, ctx: ctx}
}

// Close ends all connections, those of every FS that came from this one by
// WithContext and Sub too, and cuts what is under way on them.
func (f *FS) Close() error {
	f.p.close()
	return nil
}

// path returns where a name is in the pool's directory.
func (f *FS) path(name string) string { return slashed(path.Join(f.dir, name)) }

// do calls fn with a connection and the path of a name. What breaks on the way
// is tried again where again allows that.
func (f *FS) do(op, name string, again func(error) bool, fn func(ctx context.Context, ls *lease, name string) error) error {
	if !validName(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	ctx, cancel := f.p.within(f.ctx)
	defer cancel(nil)
	err := f.p.cfg.insist(ctx, func() error {
		ls, err := f.p.acquire(ctx)
		if err != nil {
			return err
		}
		defer ls.release()
		err = fn(ctx, ls, f.path(name))
		if err != nil && !again(err) {
			return final{err}
		}
		return err
	})
	if fin, ok := err.(final); ok {
		err = fin.error
	}
	if err = ended(ctx, err); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// final is an error that is not to be tried again.
type final struct{ error }

// ask is do for what changes nothing on the server.
func (f *FS) ask(op, name string, fn func(ctx context.Context, ls *lease, name string) error) error {
	return f.do(op, name, retryable, fn)
}

// Open opens a file for reading, or a directory. A file is looked up on the
// server; its content is not asked for before the first Read. A directory is
// listed. Both cost a few round trips, on most servers one for a file.
func (f *FS) Open(name string) (fs.File, error) {
	file, err := f.openRead(name)
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (f *FS) openRead(name string) (*File, error) {
	file := &File{fs: f, name: name}
	err := f.ask("open", name, func(ctx context.Context, ls *lease, at string) error {
		ls.eager = true
		e, glanced, err := ls.glance(ctx, at)
		if err == nil && !glanced {
			e, err = ls.stat(ctx, at, true)
		}
		if err != nil {
			return err
		}
		e.Name = baseName(slashed(name))
		file.found, file.info, file.glanced = e, fileInfo{e}, glanced
		if e.Type == listing.TypeDir {
			file.list, err = ls.list(ctx, at)
			file.listed = err == nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	file.open(f.path(name))
	return file, nil
}

// ReadDir lists a directory, sorted by name. A listing that cannot be
// understood in whole is an error.
//
// Where directories are listed in the order of [fs.WalkDir], those that come
// next are fetched with the one that is asked for, on servers that are known to
// allow that. What ReadDir returns may then be up to 30 seconds old; anything
// that is changed through the same FS is seen at once. It is what the server
// tells on the control connection, where some do not show what is neither file
// nor directory: ProFTPD hides links to "..", Pure-FTPd sockets and devices.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	list := f.takeAhead(name)
	if list == nil {
		err := f.ask("readdir", name, func(ctx context.Context, ls *lease, at string) (err error) {
			list, err = ls.readDir(ctx, at)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return entriesIn(&place{f, name, list.rough}, list.entries), nil
}

func (f *FS) entries(dir string, list []listing.Entry) []fs.DirEntry {
	return entriesIn(&place{fs: f, dir: dir}, list)
}

func entriesIn(in *place, list []listing.Entry) []fs.DirEntry {
	all := make([]dirEntry, len(list))
	entries := make([]fs.DirEntry, len(list))
	for i := range list {
		all[i] = dirEntry{e: &list[i], in: in}
		entries[i] = &all[i]
	}
	return entries
}

// Stat describes a file, or what a symbolic link leads to.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	return f.describe("stat", name, func(ctx context.Context, ls *lease, at string) (listing.Entry, error) { return ls.stat(ctx, at, false) })
}

// ModTime asks the server when a file was changed last. Unlike the time in a
// listing, which may be exact to the minute and in a zone that is not told, it
// is exact to the second and absolute. Servers that do not tell give an error
// that is [errors.ErrUnsupported].
func (f *FS) ModTime(name string) (time.Time, error) {
	var e listing.Entry
	err := f.ask("modtime", name, func(ctx context.Context, ls *lease, at string) (err error) {
		if e, err = ls.stat(ctx, at, true); err != nil || e.Absolute {
			return err
		}
		if err = ls.touched(ctx, at, &e); err == nil && !e.Absolute {
			err = unable("the server does not tell the time of it")
		}
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	return e.ModTime, nil
}

// Lstat describes a file, without following a symbolic link.
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	return f.describe("lstat", name, func(ctx context.Context, ls *lease, at string) (listing.Entry, error) { return ls.unfollowed(ctx, at) })
}

func (f *FS) describe(op, name string, fn func(context.Context, *lease, string) (listing.Entry, error)) (fs.FileInfo, error) {
	var e listing.Entry
	err := f.ask(op, name, func(ctx context.Context, ls *lease, at string) (err error) {
		e, err = fn(ctx, ls, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	e.Name = baseName(slashed(name))
	return fileInfo{e}, nil
}

// ReadLink returns where a symbolic link points, where the server tells.
func (f *FS) ReadLink(name string) (string, error) {
	info, err := f.describe("readlink", name, func(ctx context.Context, ls *lease, at string) (listing.Entry, error) {
		e, err := ls.unfollowed(ctx, at)
		if err != nil || e.Type == listing.TypeLink && e.Target != "" {
			return e, err
		}
		if e.Type != listing.TypeLink {
			return e, &kindError{kind: fs.ErrInvalid}
		}
		return e, unable("the server does not tell where the link points")
	})
	if err != nil {
		return "", err
	}
	return info.(fileInfo).e.Target, nil
}

// ReadFile returns the content of a file. It asks for the content at once and
// so takes fewer round trips than Open.
func (f *FS) ReadFile(name string) ([]byte, error) {
	var data []byte
	err := f.do("readfile", name, func(error) bool { return false }, func(ctx context.Context, ls *lease, at string) (err error) {
		data, err = ls.fetch(ctx, at)
		return err
	})
	if err == nil || !retryable(err) {
		return data, err
	}
	// From here on it is read like any other, so that what has come is not
	// asked for again.
	file, err := f.openRead(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

// fetch reads a whole file in one go.
func (ls *lease) fetch(ctx context.Context, name string) ([]byte, error) {
	if name == "" {
		return nil, &kindError{kind: errIsDir}
	}
	line, err := ls.line("RETR", name)
	if err != nil {
		return nil, err
	}
	ch, err := ls.l.transfer(ctx, request{line: line, mends: true})
	if err != nil {
		return nil, ls.whyNotRead(ctx, name, err)
	}
	stop := ch.guard(ctx)
	size, told := announced(ch.prelim)
	data, err := readAll(ch, max(size, int64(len(ch.head))))
	stop()
	if ctx.Err() != nil {
		ch.closeData()
		ls.l.sess.Drop(ctx.Err())
		return nil, ctx.Err()
	}
	r, verr := ch.finish(ctx)
	switch {
	case verr == nil && !r.completed():
		return nil, replyError(line, r)
	case err != nil:
		return nil, err
	case verr != nil:
		return nil, verr
	}
	if got := int64(len(data)); told && size != got || !told && ch.unsigned() {
		now, err := ls.size(ctx, name)
		if err != nil || now != got && (told || now >= 0) {
			return nil, errors.Join(ErrShort, err)
		}
	}
	return data, nil
}

// aheadMost bounds the memory that is taken for a file because the server says
// that it is large.
const aheadMost = 1 << 20

// readAll reads r to its end, which is said to come after size bytes.
func readAll(r io.Reader, size int64) ([]byte, error) {
	// The end is seen by reading beyond it.
	want := size + bytes.MinRead
	buf := make([]byte, 0, min(want, aheadMost))
	for {
		if n := int64(len(buf)); n == int64(cap(buf)) {
			more := n
			if n < want {
				more = min(n, want-n)
			}
			buf = slices.Grow(buf, int(more))
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// whyNotRead is why for a RETR: a directory is refused as a missing file is.
func (ls *lease) whyNotRead(ctx context.Context, name string, err error) error {
	var refused *ReplyError
	if isNegotiate(err) || !errors.As(err, &refused) || verbOf(err) == "REST" {
		return err
	}
	if refused.Temporary() && !saysMissing(refused.Reply) {
		return err
	}
	e, serr := ls.stat(ctx, name, false)
	if serr == nil && e.Type == listing.TypeDir {
		return &kindError{errIsDir, err}
	}
	return ls.why(ctx, name, err)
}

// Glob returns the names that match a pattern of [path.Match].
func (f *FS) Glob(pattern string) ([]string, error) {
	return fs.Glob(globbed{f}, pattern)
}

// globbed is an FS without its Glob, for io/fs to do the work.
type globbed struct{ f *FS }

// Open opens a file.
func (g globbed) Open(name string) (fs.File, error) { return g.f.Open(name) }

// ReadDir lists a directory.
func (g globbed) ReadDir(name string) ([]fs.DirEntry, error) { return g.f.ReadDir(name) }

// Stat describes a file. A link that leads nowhere is there all the same.
func (g globbed) Stat(name string) (fs.FileInfo, error) { return g.f.Lstat(name) }

// Sub returns the file system of a directory. It is an *FS with all that an FS
// can do, and shares the connections.
func (f *FS) Sub(dir string) (fs.FS, error) {
	if !validName(dir) {
		return nil, &fs.PathError{Op: "sub", Path: dir, Err: fs.ErrInvalid}
	}
	return &FS{p: f.p, dir: f.path(dir), ctx: f.ctx}, nil
}
