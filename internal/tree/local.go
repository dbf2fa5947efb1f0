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

// localize is filepath.Localize for names that need not be UTF-8, if the local
// system accepts any bytes.
func localize(name string) (string, error) {
	_, err := filepath.Localize(strings.ToValidUTF8(name, "_"))
	if err != nil || !utf8.ValidString(name) && runtime.GOOS == "windows" {
		return "", &proto.FSError{Kind: fs.ErrInvalid, Err: errors.New("the local system cannot hold the name")}
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

// mkdir makes a directory, or finds it, and opens it. A link to a directory is an
// error: what would be in the tree by its name would not be there in fact.
func (f *fetch) mkdir(at *place, to string) (*place, error) {
	err := at.root.Mkdir(to, 0o777)
	made := err == nil
	if !made {
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		info, lerr := at.root.Lstat(to)
		switch {
		case lerr != nil:
			return nil, lerr
		case !info.IsDir():
			return nil, err
		}
	}
	root, err := at.root.OpenRoot(to)
	if err != nil {
		return nil, err
	}
	return f.places.add(root, filepath.Join(at.path, to), made), nil
}

// localError makes an error of the local side, with the full path of the file.
// Package os names files relative to their directory in it.
func (f *fetch) localError(at *place, to string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	local := &fs.PathError{Op: "fetch", Path: filepath.Join(f.dst, at.path, to), Err: err}
	if !isOneName(err) {
		return &diskError{local}
	}
	return local
}

// landing is a local file that is being written, under a temporary name.
type landing struct {
	fetch    *fetch
	at       *place
	to, temp string // in at
	out      *os.File
}

// begin creates the temporary file for a file that does not exist yet.
func (f *fetch) begin(at *place, to string, e listing.Entry) (*landing, error) {
	if !at.fresh {
		if _, err := at.root.Lstat(to); err == nil {
			return nil, f.localError(at, to, fs.ErrExist)
		}
	}
	perm := fs.FileMode(0o666)
	if e.HasMode {
		perm |= e.Mode.Perm()
	}
	temp := tempName()
	out, err := at.root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, f.localError(at, to, err)
	}
	at.enter()
	return &landing{f, at, to, temp, out}, nil
}

// tempName returns a name that nobody else has. It is short, because that of the
// file may be as long as names can be.
func tempName() string {
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	var random [12]byte
	rand.Read(random[:])
	for i, b := range random {
		random[i] = letters[b%byte(len(letters))]
	}
	return ".ftpnat-" + string(random[:]) + ".part"
}

func (l *landing) localError(err error) error { return l.fetch.localError(l.at, l.to, err) }

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
	defer l.at.leave()
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
	if rerr := l.at.root.Remove(l.temp); rerr != nil {
		err = errors.Join(err, l.fetch.localError(l.at, l.temp, rerr))
	}
	return err
}

// publish gives the file its name, unless another file has it.
func (l *landing) publish() error {
	if l.at.root.Link(l.temp, l.to) == nil {
		return l.at.root.Remove(l.temp)
	}
	return l.claim()
}

// claim is publish for file systems without hard links: an empty file takes the
// name first, unless there is one.
func (l *landing) claim() error {
	place, err := l.at.root.OpenFile(l.to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	place.Close()
	if err := l.at.root.Rename(l.temp, l.to); err != nil {
		return errors.Join(err, l.at.root.Remove(l.to))
	}
	return nil
}
