package tree

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// below returns a name as it is in the tree that is fetched.
func (f *fetch) below(name string) string {
	if f.top != "." {
		return strings.TrimPrefix(name, f.top+"/")
	}
	return name
}

// local returns the name of a file in the local directory.
func (f *fetch) local(name string) (string, error) {
	to, err := localize(f.below(name))
	if err != nil {
		return "", &fs.PathError{Op: "fetch", Path: name, Err: err}
	}
	return to, nil
}

// localize is filepath.Localize for names that need not be UTF-8, if the local
// system accepts any bytes.
func localize(name string) (string, error) {
	errName := &proto.FSError{Kind: fs.ErrInvalid, Err: errors.New("the local system cannot hold the name")}
	if !utf8.ValidString(name) && runtime.GOOS == "windows" {
		return "", errName
	}
	if _, err := filepath.Localize(strings.ToValidUTF8(name, "_")); err != nil {
		return "", errName
	}
	return filepath.FromSlash(name), nil
}

// inside returns the target of a symbolic link in local form, if it surely leads
// to a place in the tree: it may go up at its beginning only, and not beyond the
// root. Further on there may be another link, and going up from where that leads
// may end anywhere. Links that are all inside have no way out together.
func inside(link, target string) (string, bool) {
	if target == "" {
		return "", false
	}
	ups := 0
	for part := range strings.SplitSeq(target, "/") {
		if part == ".." {
			ups++
		}
	}
	rest, ok := strings.CutPrefix(path.Clean(target)+"/", strings.Repeat("../", ups))
	if !ok || ups > strings.Count(link, "/") {
		return "", false
	}
	up := strings.Repeat("../", ups)
	if rest == "" {
		return filepath.FromSlash(strings.TrimSuffix(up, "/")), true
	}
	local, err := localize(strings.TrimSuffix(rest, "/"))
	return filepath.FromSlash(up) + local, err == nil
}

// mkdir makes a directory, or finds it. A link to a directory is an error: what
// would be in the tree by its name would not be there in fact.
func (f *fetch) mkdir(to string) error {
	err := f.root.Mkdir(to, 0o777)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, lerr := f.root.Lstat(to); lerr != nil || info.IsDir() {
		return lerr
	}
	return err
}

// localError makes an error of the local side, with the full path of the file.
// Package os names files relative to dst in it.
func (f *fetch) localError(to string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	local := &fs.PathError{Op: "fetch", Path: filepath.Join(f.dst, to), Err: err}
	if !isOneName(err) {
		return &diskError{local}
	}
	return local
}

// landing is a local file that is being written, under a temporary name.
type landing struct {
	fetch    *fetch
	to, temp string
	out      *os.File
}

// begin creates the temporary file for a file that does not exist yet.
func (f *fetch) begin(to string, e listing.Entry) (*landing, error) {
	if _, err := f.root.Lstat(to); err == nil {
		return nil, f.localError(to, fs.ErrExist)
	}
	perm := fs.FileMode(0o666)
	if e.HasMode {
		perm |= e.Mode.Perm()
	}
	// The name is short, because that of the file may be as long as names can be.
	temp := filepath.Join(filepath.Dir(to), ".ftpnat-"+strings.ToLower(rand.Text()[:12])+".part")
	out, err := f.root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, f.localError(to, err)
	}
	return &landing{f, to, temp, out}, nil
}

func (l *landing) localError(err error) error { return l.fetch.localError(l.to, err) }

// maxRestarts is how many times a file is begun anew if it cannot be resumed.
const maxRestarts = 3

// copy fills the file in one stream. If a transfer broke and the server has no
// REST, it begins anew.
func (l *landing) copy(in File) error {
	for try := 0; ; try++ {
		_, err := in.WriteTo(l.out)
		if !errors.Is(err, proto.ErrNoRestart) || try == maxRestarts {
			return err
		}
		if err := l.rewind(); err != nil {
			return err
		}
		if _, err := in.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

// rewind empties the file.
func (l *landing) rewind() error {
	err := l.out.Truncate(0)
	if err == nil {
		_, err = l.out.Seek(0, io.SeekStart)
	}
	if err != nil {
		err = l.localError(err)
	}
	return err
}

// end closes the file, and gives it its name if err is nil; otherwise the file
// is removed.
func (l *landing) end(err error) error {
	if cerr := l.out.Close(); err == nil && cerr != nil {
		err = l.localError(cerr)
	}
	if err == nil {
		perr := l.publish()
		if perr == nil {
			return nil
		}
		err = l.localError(perr)
	}
	if rerr := l.fetch.root.Remove(l.temp); rerr != nil {
		err = errors.Join(err, l.fetch.localError(l.temp, rerr))
	}
	return err
}

// publish gives the file its name, unless another file has it.
func (l *landing) publish() error {
	if l.fetch.root.Link(l.temp, l.to) == nil {
		return l.fetch.root.Remove(l.temp)
	}
	return l.claim()
}

// claim is publish for file systems without hard links: an empty file takes the
// name first, unless there is one.
func (l *landing) claim() error {
	place, err := l.fetch.root.OpenFile(l.to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	place.Close()
	if err := l.fetch.root.Rename(l.temp, l.to); err != nil {
		return errors.Join(err, l.fetch.root.Remove(l.to))
	}
	return nil
}
