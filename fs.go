package ftpnat

import (
	"context"
	"io"
	"io/fs"
	"maps"
	"time"

	"github.com/ftpnat/ftpnat/internal/fsys"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/stream"
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
	sys fsys.FS
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

// WithContext returns the same file system with another context, which governs
// every call on it and on the files opened with it: when ctx ends, they end at
// once. The hooks of [WithTrace] are taken from ctx.
func (f *FS) WithContext(ctx context.Context) *FS {
	if ctx == nil {
		panic("ftpnat: nil context")
	}
	return &FS{f.sys.In(ctx)}
}

// Close closes all connections, including those of every FS that was made from
// this one by WithContext and Sub. Operations in progress are aborted.
func (f *FS) Close() error {
	f.sys.Pool.Close()
	return nil
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
	found, err := f.sys.Find(name)
	if err != nil {
		return nil, err
	}
	return f.opened(name, found), nil
}

// opened returns a file of which it is known what is there.
func (f *FS) opened(name string, found fsys.Found) *File {
	file := &File{fs: f, name: name, found: found.Entry, info: fileInfo{found.Entry}, quick: found.Quick, rough: found.Rough}
	file.open(f.sys.Path(name))
	return file
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
	dir, err := f.sys.ReadDir(name)
	if err != nil {
		return nil, err
	}
	at := &place{fs: f, dir: name}
	if dir.Rough() {
		at.rough = dir
	}
	return at.entries(dir.Entries()), fsys.Unread(name, retry.Public(dir.Unread()))
}

// ReadDirRaw returns the listing of a directory as the server sent it, for programs
// that read it themselves: facts that [Facts] does not have, or a form that is not
// known here. It is what [FS.ReadDir] would read, by MLSD or LIST, byte for byte and
// in the server's charset, and as that it is complete or there is an error; a line
// that is not understood is none. [bytes.Lines] has its lines. A listing of more
// than 256 MiB is an error.
func (f *FS) ReadDirRaw(name string) ([]byte, error) {
	var raw []byte
	err := f.sys.Ask("readdir", name, func(ctx context.Context, s *remote.Session, at string) (err error) {
		raw, err = remote.ListRaw(ctx, s, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// Stat describes a file, following symbolic links. If the server has no MLST, it
// asks for the size and the time of a file and whether a directory can be entered;
// the mode and what else is in a listing alone is known then only if the directory
// was listed in the last minutes and the file is the same. [FS.Lstat] tells more, and
// may list the directory for it.
func (f *FS) Stat(name string) (fs.FileInfo, error) { return described(f.sys.Stat(name)) }

// ModTime asks the server for the time of the last change of a file. Unlike the
// time in a listing, which may be exact to the minute and in an unknown zone, it
// is exact to the second and absolute. If the server does not tell, the error is
// [errors.ErrUnsupported].
func (f *FS) ModTime(name string) (time.Time, error) { return f.sys.ModTime(name) }

// Lstat describes a file without following symbolic links.
func (f *FS) Lstat(name string) (fs.FileInfo, error) { return described(f.sys.Lstat(name)) }

func described(e listing.Entry, err error) (fs.FileInfo, error) {
	if err != nil {
		return nil, err
	}
	return fileInfo{e}, nil
}

// ReadLink returns the target of a symbolic link, if the server tells it. Where
// MLST and MLSD do not, the directory is listed by LIST.
func (f *FS) ReadLink(name string) (string, error) { return f.sys.ReadLink(name) }

// ReadFile returns the content of a file. It requests the content at once and so
// takes fewer round trips than Open.
func (f *FS) ReadFile(name string) ([]byte, error) {
	if !remote.ValidName(name) {
		return nil, &fs.PathError{Op: "readfile", Path: name, Err: fs.ErrInvalid}
	}
	ctx, cancel := f.sys.Pool.ForCall(f.sys.Ctx)
	defer cancel(nil)
	content, err := f.sys.ReadFile(ctx, f.sys.Path(name))
	if err == nil {
		return content, nil
	}
	if !retry.Worth(err) {
		return nil, &fs.PathError{Op: "readfile", Path: name, Err: retry.Public(proto.Ended(ctx, err))}
	}
	// From here on it is read like any other, so that what has come is not
	// asked for again.
	file, err := f.openRead(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return stream.ReadAll(file, file.size.Load())
}

// Features returns the extensions that the server names in answer to FEAT (RFC
// 2389), with what it says of each, by the name of the command in capital letters.
// It is empty if the server has no FEAT. It takes no round trip where there is a
// connection.
func (f *FS) Features() (map[string]string, error) {
	features := make(map[string]string)
	err := f.sys.Ask("features", ".", func(ctx context.Context, s *remote.Session, _ string) error {
		maps.Copy(features, s.Features())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return features, nil
}

// Dir returns the file system of a directory, which shares the connections. No command
// is sent, and the directory need not be there yet. The error is [fs.ErrInvalid], if
// the name is not valid.
func (f *FS) Dir(dir string) (*FS, error) {
	if !remote.ValidName(dir) {
		return nil, &fs.PathError{Op: "sub", Path: dir, Err: fs.ErrInvalid}
	}
	return &FS{f.sys.Sub(dir)}, nil
}

// Sub is [FS.Dir] for [fs.Sub]. What it returns is an *FS.
func (f *FS) Sub(dir string) (fs.FS, error) {
	sub, err := f.Dir(dir)
	if err != nil {
		return nil, err
	}
	return sub, nil
}

// Refresh forgets what was listed: the calls that follow, on this FS and on all
// that share its connections, ask the server afresh. It is for those who know that
// somebody else has changed something, and cannot have a [FS.ReadDir] tell what was
// fetched ahead up to 30 seconds ago, or an [FS.Open] what a listing told before.
// What was changed through the FS itself is seen at once without it. It sends
// nothing.
func (f *FS) Refresh() { f.sys.Server.Changed() }
