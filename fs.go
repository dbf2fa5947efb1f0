package ftpnat

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/pool"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/session"
	"github.com/ftpnat/ftpnat/internal/stream"
	"github.com/ftpnat/ftpnat/internal/walk"
)

// FS is a directory of a server as a file system. It is safe for concurrent use.
//
// It implements [fs.FS], [fs.ReadDirFS], [fs.StatFS], [fs.ReadFileFS],
// [fs.GlobFS], [fs.SubFS] and [fs.ReadLinkFS], and its methods for writing have
// the names of those of [os.Root].
//
// Names follow [fs.ValidPath], but may contain bytes that are not UTF-8: they
// are sent to the server as they came from it. Errors are [*fs.PathError] and
// [*os.LinkError] around what the server said, which [errors.As] finds as a
// [*ReplyError]. An error that is [fs.ErrNotExist] has been confirmed by the
// server.
//
// An FS holds at most Dialer.MaxConns connections, and any number of files may
// be open at once: a file that is not being read or written lends its connection
// and later continues from where it stood, by REST (RFC 3659, 5). If the server
// does not have REST, the next Read of such a file is an error.
type FS struct {
	c   *client
	dir string // in the directory of the client, which is the empty name
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

// client is what the FS of one Open have in common.
type client struct {
	stream.Files
	walk      *walk.Walk
	maxConns  int
	splitOver int64
}

func newClient(cfg *config, dir string) *client {
	server := remote.NewServer(cfg.dialer.Charset, cfg.dialer.ServerZone)
	return &client{
		Files: stream.Files{
			Pool: pool.New(pool.Config[*session.Conn]{
				Max:      cfg.maxConns,
				RetryFor: cfg.session.RetryFor,
				Open:     func(ctx context.Context) (*session.Conn, error) { return session.Open(ctx, cfg.session, dir) },
				Full:     func(err error) bool { return proto.ReplyOf(err).TooMany() },
				// A server that was there before may come back; a name that was
				// never reached is likely a mistake, which is best said at once.
				Again: func(err error, proven bool) bool { return proven || proto.ReplyOf(err).Code != 0 },
			}),
			Server:   server,
			RetryFor: cfg.session.RetryFor,
		},
		walk:      walk.New(server, cfg.session.Attempt),
		maxConns:  cfg.maxConns,
		splitOver: cfg.dialer.SplitOver,
	}
}

func openFS(ctx context.Context, cfg *config, dir string) (*FS, error) {
	if len(dir) > 1 {
		dir = strings.TrimRight(dir, "/")
	}
	if strings.ContainsAny(dir, "\x00\r\n") {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrInvalid}
	}
	c := newClient(cfg, dir)
	lease, err := c.Pool.Acquire(ctx)
	if err != nil {
		c.Pool.Close()
		if errors.Is(err, proto.ErrNoDir) {
			err = &fs.PathError{Op: "open", Path: dir, Err: whyNoDir(ctx, cfg, dir, err)}
		}
		return nil, public(err)
	}
	lease.Release()
	return &FS{c: c, ctx: context.Background()}, nil
}

// whyNoDir finds out, from the login directory, why a directory cannot be
// entered.
func whyNoDir(ctx context.Context, cfg *config, dir string, err error) error {
	c := newClient(cfg, "")
	defer c.Pool.Close()
	explained := err
	lerr := c.With(ctx, func(s *remote.Session) error {
		explained = s.Explain(ctx, remote.OpList, path.Clean(dir), err)
		return nil
	})
	return errors.Join(explained, lerr)
}

// WithContext returns the same file system with another context, which governs
// every call on it and on the files opened with it: when ctx ends, they end at
// once. The hooks of [WithTrace] are taken from ctx.
func (f *FS) WithContext(ctx context.Context) *FS {
	if ctx == nil {
		panic("ftpnat: nil context")
	}
	return &FS{c: f.c, dir: f.dir, ctx: ctx}
}

// Close closes all connections, including those of every FS that was made from
// this one by WithContext and Sub. Operations in progress are aborted.
func (f *FS) Close() error {
	f.c.Pool.Close()
	return nil
}

// path returns where a name is in the client's directory.
func (f *FS) path(name string) string { return remote.Slashed(path.Join(f.dir, name)) }

// do calls fn with a connection and the path of a name, again if again allows
// that for its error.
func (f *FS) do(op, name string, again func(error) bool, fn func(ctx context.Context, s *remote.Session, at string) error) error {
	if !remote.ValidName(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	ctx, cancel := f.c.Pool.ForCall(f.ctx)
	defer cancel(nil)
	err := retry.Do(ctx, f.c.RetryFor, func() error {
		return f.c.With(ctx, func(s *remote.Session) error {
			err := fn(ctx, s, f.path(name))
			if err != nil && !again(err) {
				return retry.Permanent(err)
			}
			return err
		})
	})
	if err = pool.Ended(ctx, err); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: public(err)}
	}
	return nil
}

// ask is do for what changes nothing on the server.
func (f *FS) ask(op, name string, fn func(ctx context.Context, s *remote.Session, at string) error) error {
	return f.do(op, name, retry.Worth, fn)
}

// Open opens a file for reading, or a directory. A file is looked up on the
// server; its content is not requested before the first Read. A directory is
// not listed before the first ReadDir. On most servers it takes one round trip. If
// nothing may be listed and the server does not tell of the name either, it is taken
// for a file of unknown size, whose first Read has the server's word.
func (f *FS) Open(name string) (fs.File, error) {
	file, err := f.openRead(name)
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (f *FS) openRead(name string) (*File, error) {
	file := &File{fs: f, name: name}
	err := f.ask("open", name, func(ctx context.Context, s *remote.Session, at string) error {
		s = s.ForTransfer()
		e, quick, err := s.QuickStat(ctx, at)
		if err == nil && !quick {
			e, err = s.Stat(ctx, at, true)
		}
		blind, unlisted := remote.Unlisted(at, err)
		switch {
		case unlisted:
			e, err = blind, nil
		case err != nil:
			return err
		}
		e.Name = remote.BaseName(remote.Slashed(name))
		file.found, file.info, file.quick = e, fileInfo{e}, quick
		file.rough = !quick && !unlisted && e.Type == listing.TypeFile && !s.HasMLST()
		return nil
	})
	if err != nil {
		return nil, err
	}
	file.open(f.path(name))
	return file, nil
}

// ReadDir lists a directory, sorted by name. If there are lines in the listing that
// cannot be understood, or names that cannot be used, the error is a
// [*ListingError] and comes together with all other entries.
//
// If directories are listed in the order of [fs.WalkDir], those that come next
// are fetched together with the one that is asked for, on servers that are known
// to allow that. The result may then be up to 30 seconds old; changes that are
// made through the same FS are seen at once, and others after [FS.Refresh]. It is what the server tells on the
// control connection, where some servers hide what is neither a file nor a
// directory: ProFTPD links to "..", Pure-FTPd sockets and devices.
//
// It is an error if the name has more than a hundred elements: a server that shows a
// link to a directory above as a directory would have a walk go on without an end.
// What is deeper is reached by [FS.Sub].
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	dir, err := f.readDir(name)
	if err != nil {
		return nil, err
	}
	at := &place{fs: f, dir: name}
	if dir.Rough() {
		at.rough = dir
	}
	return at.entries(dir.Entries()), f.unread(name, dir)
}

// ReadDirRaw returns the listing of a directory as the server sent it, for programs
// that read it themselves: facts that [Facts] does not have, or a form that is not
// known here. It is what [FS.ReadDir] would read, by MLSD or LIST, byte for byte and
// in the server's charset, and as that it is complete or there is an error; a line
// that is not understood is none. [bytes.Lines] has its lines. A listing of more
// than 256 MiB is an error.
func (f *FS) ReadDirRaw(name string) ([]byte, error) {
	var raw []byte
	err := f.ask("readdir", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		raw, err = s.ListRaw(ctx, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// readDir returns a listing that was fetched ahead, or a new one.
func (f *FS) readDir(name string) (dir *walk.Dir, err error) {
	if err := bottomless(name); err != nil {
		return nil, err
	}
	if dir = f.takeAhead(name); dir != nil {
		return dir, nil
	}
	err = f.ask("readdir", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		dir, err = f.c.walk.ReadDir(ctx, s, at)
		return err
	})
	return dir, err
}

// unread returns the error that comes together with a listing.
func (f *FS) unread(name string, dir *walk.Dir) error {
	if err := dir.Unread(); err != nil {
		return &fs.PathError{Op: "readdir", Path: name, Err: public(err)}
	}
	return nil
}

// takeAhead returns a listing that was fetched ahead, nil if there is none.
func (f *FS) takeAhead(name string) *walk.Dir {
	if !remote.ValidName(name) || f.ctx.Err() != nil || f.c.Pool.Err() != nil {
		return nil
	}
	return f.c.walk.Take(f.path(name))
}

// Stat describes a file, following symbolic links. If the server has no MLST, it
// asks for the size and the time of a file and whether a directory can be entered;
// the mode and what else is in a listing alone is known then only if the directory
// was listed in the last minutes and the file is the same. [FS.Lstat] tells more, and
// may list the directory for it.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	return f.describe("stat", name, func(ctx context.Context, s *remote.Session, at string) (listing.Entry, error) {
		return remote.Glance(ctx, s, at)
	})
}

// ModTime asks the server for the time of the last change of a file. Unlike the
// time in a listing, which may be exact to the minute and in an unknown zone, it
// is exact to the second and absolute. If the server does not tell, the error is
// [errors.ErrUnsupported].
func (f *FS) ModTime(name string) (time.Time, error) {
	var e listing.Entry
	err := f.ask("modtime", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		if e, err = s.Stat(ctx, at, true); err != nil || e.Absolute {
			return err
		}
		if err = s.ModTime(ctx, at, &e); err == nil && !e.Absolute {
			err = proto.Unable("the server does not tell the time of it")
		}
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	return e.ModTime, nil
}

// Lstat describes a file without following symbolic links.
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	return f.describe("lstat", name, func(ctx context.Context, s *remote.Session, at string) (listing.Entry, error) {
		return s.Lstat(ctx, at)
	})
}

func (f *FS) describe(op, name string, fn func(context.Context, *remote.Session, string) (listing.Entry, error)) (fs.FileInfo, error) {
	var e listing.Entry
	err := f.ask(op, name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		e, err = fn(ctx, s, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	e.Name = remote.BaseName(remote.Slashed(name))
	return fileInfo{e}, nil
}

// ReadLink returns the target of a symbolic link, if the server tells it. Where
// MLST and MLSD do not, the directory is listed by LIST.
func (f *FS) ReadLink(name string) (string, error) {
	var target string
	err := f.ask("readlink", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		target, err = s.ReadLink(ctx, at)
		return err
	})
	return target, err
}

// ReadFile returns the content of a file. It requests the content at once and so
// takes fewer round trips than Open.
func (f *FS) ReadFile(name string) ([]byte, error) {
	if !remote.ValidName(name) {
		return nil, &fs.PathError{Op: "readfile", Path: name, Err: fs.ErrInvalid}
	}
	ctx, cancel := f.c.Pool.ForCall(f.ctx)
	defer cancel(nil)
	content, err := f.c.ReadFile(ctx, f.path(name))
	if err == nil {
		return content, nil
	}
	if !retry.Worth(err) {
		return nil, &fs.PathError{Op: "readfile", Path: name, Err: public(pool.Ended(ctx, err))}
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

// Glob returns the names that match a pattern of [path.Match]. As by [fs.Glob],
// directories that cannot be listed are left out; a [*ListingError] of one that can
// is returned together with the names.
func (f *FS) Glob(pattern string) ([]string, error) {
	g := &globbed{f: f}
	names, err := fs.Glob(g, pattern)
	if err != nil {
		return names, err
	}
	return names, errors.Join(g.unread...)
}

// mostUnread is how many listings that were not understood Glob tells of.
const mostUnread = 100

// globbed is an FS without its Glob, for io/fs to do the work.
type globbed struct {
	f      *FS
	unread []error
}

// Open opens a file.
func (g *globbed) Open(name string) (fs.File, error) { return g.f.Open(name) }

// ReadDir lists a directory. An error would make io/fs drop what came with it.
func (g *globbed) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := g.f.ReadDir(name)
	if !isUnread(err) {
		return list, err
	}
	if len(g.unread) < mostUnread {
		g.unread = append(g.unread, err)
	}
	return list, nil
}

// Stat describes a file. A link that leads nowhere is there all the same.
func (g *globbed) Stat(name string) (fs.FileInfo, error) { return g.f.Lstat(name) }

// isUnread reports whether err tells of lines that were not understood.
func isUnread(err error) bool {
	var unread *ListingError
	return errors.As(err, &unread)
}

// Features returns the extensions that the server names in answer to FEAT (RFC
// 2389), with what it says of each, by the name of the command in capital letters.
// It is empty if the server has no FEAT. It takes no round trip where there is a
// connection.
func (f *FS) Features() (map[string]string, error) {
	features := make(map[string]string)
	err := f.ask("features", ".", func(ctx context.Context, s *remote.Session, _ string) error {
		maps.Copy(features, s.Features())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return features, nil
}

// Sub returns the file system of a directory. It is an *FS, and shares the
// connections.
func (f *FS) Sub(dir string) (fs.FS, error) {
	if !remote.ValidName(dir) {
		return nil, &fs.PathError{Op: "sub", Path: dir, Err: fs.ErrInvalid}
	}
	return &FS{c: f.c, dir: f.path(dir), ctx: f.ctx}, nil
}

// Refresh forgets what was listed: the calls that follow, on this FS and on all
// that share its connections, ask the server afresh. It is for those who know that
// somebody else has changed something, and cannot have a [FS.ReadDir] tell what was
// fetched ahead up to 30 seconds ago, or an [FS.Open] what a listing told before.
// What was changed through the FS itself is seen at once without it. It sends
// nothing.
func (f *FS) Refresh() { f.c.Server.Changed() }
