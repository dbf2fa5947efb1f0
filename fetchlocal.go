package ftpnat

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
)

// below returns a name as it is in the tree that is fetched.
func (t *fetch) below(name string) string {
	if top := slashed(t.top); top != "" {
		return strings.TrimPrefix(name, top+"/")
	}
	return name
}

// local returns where a name is in the local directory.
func (t *fetch) local(name string) (string, error) {
	to, err := localize(t.below(name))
	if err != nil {
		return "", &fs.PathError{Op: "fetch", Path: name, Err: err}
	}
	return to, nil
}

// localize is filepath.Localize for names that need not be UTF-8, where the
// local system takes any bytes.
func localize(name string) (string, error) {
	const what = "the local system cannot hold the name"
	if !utf8.ValidString(name) && runtime.GOOS == "windows" {
		return "", &kindError{fs.ErrInvalid, errors.New(what)}
	}
	if _, err := filepath.Localize(strings.ToValidUTF8(name, "_")); err != nil {
		return "", &kindError{fs.ErrInvalid, errors.New(what)}
	}
	return filepath.FromSlash(name), nil
}

// inside returns the target of a symbolic link in local form, if it surely
// leads to a place in the tree: one that goes up at its beginning alone, and
// not beyond the root. Further on there may be another link, and going up from
// where that leads ends who knows where. Links that are all inside have no way
// out together.
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

// mkdir makes a directory, or finds it. A link to one is not taken for it: what
// is inside by its name would not be so in fact.
func (t *fetch) mkdir(to string) error {
	err := t.root.Mkdir(to, 0o777)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if info, lerr := t.root.Lstat(to); lerr != nil || info.IsDir() {
		return lerr
	}
	return err
}

// landing is a local file that is being written, under a temporary name.
type landing struct {
	t        *fetch
	to, temp string
	out      *os.File
}

// begin creates the temporary file for a file that is not there.
func (t *fetch) begin(to string, e listing.Entry) (*landing, error) {
	if _, err := t.root.Lstat(to); err == nil {
		return nil, t.fail(to, fs.ErrExist)
	}
	perm := fs.FileMode(0o666)
	if e.HasMode {
		perm |= e.Mode.Perm()
	}
	// The name is short, as the file's own may be as long as names can be.
	temp := filepath.Join(filepath.Dir(to), ".ftpnat-"+strings.ToLower(rand.Text()[:12])+".part")
	out, err := t.root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, t.fail(to, err)
	}
	return &landing{t, to, temp, out}, nil
}

// restarts is how many times a file is begun anew where it cannot be resumed.
const restarts = 3

// copy fills the file in one stream. Where a transfer broke and the server has
// no REST, it is begun anew.
func (l *landing) copy(in *File) error {
	in.in.steady = true
	for try := 0; ; try++ {
		_, err := in.WriteTo(l.out)
		if !errors.Is(err, errors.ErrUnsupported) || verbOf(err) != "REST" || try == restarts {
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
		err = l.t.fail(l.to, err)
	}
	return err
}

// end closes the file, and gives it its name where err is nil; else it is
// removed.
func (l *landing) end(err error) error {
	if cerr := l.out.Close(); err == nil && cerr != nil {
		err = l.t.fail(l.to, cerr)
	}
	if err == nil {
		perr := l.publish()
		if perr == nil {
			return nil
		}
		err = l.t.fail(l.to, perr)
	}
	if rerr := l.t.root.Remove(l.temp); rerr != nil {
		err = errors.Join(err, l.t.fail(l.temp, rerr))
	}
	return err
}

// publish gives the file its name, unless somebody else has it.
func (l *landing) publish() error {
	if l.t.root.Link(l.temp, l.to) == nil {
		return l.t.root.Remove(l.temp)
	}
	return l.claim()
}

// claim is publish where there can be no link: an empty file takes the name
// first, unless there is one.
func (l *landing) claim() error {
	place, err := l.t.root.OpenFile(l.to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	place.Close()
	if err := l.t.root.Rename(l.temp, l.to); err != nil {
		return errors.Join(err, l.t.root.Remove(l.to))
	}
	return nil
}

// fail makes an error of the local side, with the full path of the file. What
// package os wraps around is about names in dst.
func (t *fetch) fail(to string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return &fs.PathError{Op: "fetch", Path: filepath.Join(t.dst, to), Err: err}
}
