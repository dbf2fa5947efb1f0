package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

func TestFetch(t *testing.T) {
	files := map[string]string{
		"a/empty": "", "a/b/c/deep": "deep", "a/b/x": "x", "a/none": "/", "a/z": "z",
		"a/b/up": "-> ../z", "a/self": "-> .", "a/out": "-> ../away", "away": "from out of the tree",
	}
	want := map[string]string{
		"empty": "", "b": "/", "b/c": "/", "b/c/deep": "deep", "b/x": "x", "none": "/", "z": "z",
		"b/up": "-> ../z", "self": "-> .", "out": "from out of the tree",
	}
	for _, conns := range []int{1, 4} {
		srv := newServer(files)
		dst := filepath.Join(t.TempDir(), "made", "here")
		if err := Fetch(t.Context(), srv, most(conns), dst, "a"); err != nil {
			t.Error(err)
		}
		same(t, localTree(t, dst), want)
		whole := t.TempDir()
		delete(srv.files, "a/out") // which leads into the tree from here
		delete(srv.files, "a/self")
		delete(srv.files, "a/b/up")
		if err := Fetch(t.Context(), srv, most(conns), whole, "."); err != nil {
			t.Error(err)
		}
		same(t, localTree(t, whole), srv.tree())
		if n := srv.calls["stat"]; n != 1 {
			t.Errorf("%d times Stat: the root was asked about", n)
		}
	}
}

func TestFetchOne(t *testing.T) {
	srv := newServer(map[string]string{"a/b/x": "x", "a/l": "-> b/x", "top": "top"})
	dst := t.TempDir()
	for _, name := range []string{"a/b/x", "a/l", "top"} {
		if err := Fetch(t.Context(), srv, most(4), dst, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, localTree(t, dst), map[string]string{"x": "x", "l": "x", "top": "top"})
	if err := Fetch(t.Context(), srv, most(4), dst, "gone"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Fetch of what is not there = %v", err)
	}
}

// TestFetchSizes opens a file by its listing if that has a size, and asks
// otherwise.
func TestFetchSizes(t *testing.T) {
	srv := newServer(map[string]string{"d/known": "12345", "d/unknown": "123"})
	srv.files["d/unknown"].e.Size = -1
	dst := t.TempDir()
	var opened []Opening
	if err := Fetch(t.Context(), opener{srv, func(how Opening) { opened = append(opened, how) }}, most(1), dst, "d"); err != nil {
		t.Error(err)
	}
	if known := opened[0]; known.Entry == nil || known.Entry.Size != 5 || !known.Steady {
		t.Errorf("a file of known size is opened by %+v", known)
	}
	if unknown := opened[1]; unknown.Entry != nil || !unknown.Steady {
		t.Errorf("a file of unknown size is opened by %+v", unknown)
	}
	same(t, localTree(t, dst), map[string]string{"known": "12345", "unknown": "123"})
}

// opener shows how files are opened.
type opener struct {
	*fakeServer
	look func(Opening)
}

// Open opens a file.
func (o opener) Open(ctx context.Context, name string, how Opening) (File, error) {
	o.look(how)
	return o.fakeServer.Open(ctx, name, how)
}

// TestFetchFails has one name fail: its error names it, all others are there, and
// nothing is half of a file.
func TestFetchFails(t *testing.T) {
	odd := func(name string, e listing.Entry) func(*fakeServer) {
		return func(s *fakeServer) { s.add("many/"+name, "data").e = e }
	}
	file := func(name string) listing.Entry { return listing.Entry{Name: name, Type: listing.TypeFile, Size: 4} }
	for _, tt := range []struct {
		name   string
		server func(*fakeServer)
		local  func(dst string) error // what is done on this side first
		want   error
		text   string // in the error
	}{
		{name: "read error", server: func(s *fakeServer) {
			s.content = func(name string, _ int, _ int64) ([]byte, error) {
				if name == "many/07" {
					return []byte("da"), io.ErrUnexpectedEOF
				}
				return []byte("data"), nil
			}
		}, want: io.ErrUnexpectedEOF, text: "many/07"},
		{name: "exists", local: func(dst string) error { return os.WriteFile(filepath.Join(dst, "07"), nil, 0o666) }, want: fs.ErrExist, text: "07"},
		{name: "exists as a directory", local: func(dst string) error { return os.Mkdir(filepath.Join(dst, "07"), 0o777) }, want: fs.ErrExist, text: "07"},
		{name: "exists as a broken link", local: func(dst string) error { return os.Symlink("x", filepath.Join(dst, "07")) }, want: fs.ErrExist, text: "07"},
		{name: "a file for a directory", local: func(dst string) error { return os.WriteFile(filepath.Join(dst, "sub"), nil, 0o666) }, want: fs.ErrExist, text: "sub"},
		{name: "a file for a link", local: func(dst string) error { return os.WriteFile(filepath.Join(dst, "link"), nil, 0o666) }, want: fs.ErrExist, text: "link"},
		{name: "a file for dst", local: func(dst string) error { return errors.Join(os.Remove(dst), os.WriteFile(dst, nil, 0o666)) }, text: "dst"},
		{name: "name with a separator", server: odd("x", file("../../x")), want: fs.ErrInvalid, text: "../x"},
		{name: "device", server: odd("dev", listing.Entry{Name: "dev", Type: listing.TypeOther}), want: errors.ErrUnsupported, text: "many/dev"},
		{name: "not there", server: odd("gone", file("gone too")), want: fs.ErrNotExist, text: "many/gone"},
		{name: "a directory by a link out of the tree", server: func(s *fakeServer) { s.add("many/l", "-> ../other"); s.add("other/x", "x") }, want: proto.ErrIsDir, text: "many/l"},
		{name: "a link that leads nowhere", server: func(s *fakeServer) { s.add("many/l", "-> ../nothing") }, want: fs.ErrNotExist, text: "many/l"},
	} {
		for _, conns := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, conns), func(t *testing.T) {
				srv := newServer(map[string]string{"many/sub/x": "data", "many/link": "-> sub/x"})
				for i := range 12 {
					srv.add(fmt.Sprintf("many/%02d", i), "data")
				}
				if tt.server != nil {
					tt.server(srv)
				}
				dst := filepath.Join(t.TempDir(), "dst")
				if err := os.Mkdir(dst, 0o777); err != nil {
					t.Fatal(err)
				}
				before := map[string]string{}
				if tt.local != nil {
					if err := tt.local(dst); err != nil {
						t.Fatal(err)
					}
					before = localTree(t, filepath.Dir(dst))
				}
				err := Fetch(t.Context(), srv, most(conns), dst, "many")
				var pe *fs.PathError
				if !errors.As(err, &pe) || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("Fetch = %v", err)
				}
				after := localTree(t, filepath.Dir(dst))
				for i := range 12 {
					name := fmt.Sprintf("dst/%02d", i)
					if after[name] != "data" && before[name] == "" && tt.text != "dst" && i != 7 {
						t.Errorf("%s is missing", name)
					}
				}
				for name, data := range after {
					if was, ok := before[name]; !(ok && was == data || data == "/" || data == "data" || data == "-> sub/x") {
						t.Errorf("%s: %q", name, data)
					}
				}
			})
		}
	}
}

// TestFirstError has the connection fail for one file while the others take long:
// they end too, and its error is the one that is returned.
func TestFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := newServer(nil)
		for i := range 12 {
			srv.add(fmt.Sprint("f", i), "data")
		}
		srv.content = func(name string, _ int, _ int64) ([]byte, error) {
			if name == "f11" {
				return nil, proto.ErrLost
			}
			return []byte("data"), nil
		}
		srv.during = func(ctx context.Context, name string) {
			if name == "f0" || name == "f1" || name == "f10" {
				<-ctx.Done()
			}
		}
		dst := t.TempDir()
		if err := Fetch(t.Context(), srv, most(4), dst, "."); !errors.Is(err, proto.ErrLost) {
			t.Errorf("Fetch = %v", err)
		}
		for name, data := range localTree(t, dst) {
			if data != "data" {
				t.Errorf("%s: %q", name, data)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		srv.content = nil
		if err := Fetch(ctx, srv, most(4), t.TempDir(), "."); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Fetch = %v", err)
		}
	})
}

// TestFetchAnew has a server that cannot resume and transfers that break: they
// are begun anew, but not for ever.
func TestFetchAnew(t *testing.T) {
	for _, breaks := range []int{maxRestarts, maxRestarts + 1} {
		srv := newServer(map[string]string{"file": "0123456789"})
		srv.content = func(name string, nth int, off int64) ([]byte, error) {
			if nth <= breaks {
				return []byte("01234")[:5-nth], errNoRestart(name)
			}
			return []byte("0123456789")[off:], nil
		}
		dst := t.TempDir()
		err := Fetch(t.Context(), srv, most(1), dst, ".")
		if breaks > maxRestarts {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("Fetch = %v", err)
			}
			same(t, localTree(t, dst), nil)
			continue
		}
		if err != nil {
			t.Error(err)
		}
		same(t, localTree(t, dst), map[string]string{"file": "0123456789"})
	}
}

// TestLanding has somebody else create the file meanwhile, a file that cannot be
// written, and a file system without hard links.
func TestLanding(t *testing.T) {
	dst := t.TempDir()
	root, err := os.OpenRoot(dst)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := &fetch{dst: dst, top: "."}
	at := f.places.add(root, "", true)
	land := func(name string, meanwhile func(*landing), claim bool) error {
		in, err := newServer(map[string]string{"file": "data"}).Open(t.Context(), "file", Opening{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := f.begin(at, name, in.Entry())
		if err != nil {
			t.Fatal(err)
		}
		meanwhile(l)
		if err = l.copy(in); err == nil && claim {
			err = l.claim()
		}
		return l.end(err)
	}
	nothing := func(*landing) {}
	other := func(l *landing) {
		if err := root.WriteFile(l.to, []byte("other"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	unwritable := func(l *landing) {
		l.out.Close()
		if l.out, err = root.Open(l.temp); err != nil {
			t.Fatal(err)
		}
	}
	var pe *fs.PathError
	if err := land("taken", other, false); !errors.Is(err, fs.ErrExist) || !errors.As(err, &pe) || pe.Path != filepath.Join(dst, "taken") {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := land("claimed", other, true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a name that is taken, without links: %v", err)
	}
	if err := land("unwritable", unwritable, false); err == nil {
		t.Error("a file that cannot be written")
	}
	if err := land("whole", nothing, false); err != nil {
		t.Error(err)
	}
	l, err := f.begin(at, "moved", listing.Entry{})
	if err == nil {
		err = l.claim()
	}
	if err != nil {
		t.Error(err)
	}
	l.out.Close()
	same(t, localTree(t, dst), map[string]string{"taken": "other", "claimed": "other", "whole": "data", "moved": ""})
}

// TestLocalNames has names that are not UTF-8, the mode of a program, and a
// directory that is a link on this side.
func TestLocalNames(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems do not accept names of any bytes")
	}
	srv := newServer(map[string]string{"caf\xe9": "1", "back\\slash": "2", "C:": "3", "nul": "4"})
	srv.files["nul"].e.HasMode, srv.files["nul"].e.Mode = true, 0o755
	dst := t.TempDir()
	if err := Fetch(t.Context(), srv, most(4), dst, "."); err != nil {
		t.Error(err)
	}
	same(t, localTree(t, dst), srv.tree())
	if info, err := os.Stat(filepath.Join(dst, "nul")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("the mode of a program is %v, %v", info.Mode(), err)
	}
	outside, dst := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dst, "sub")); err != nil {
		t.Fatal(err)
	}
	if err := Fetch(t.Context(), newServer(map[string]string{"sub/x": "x"}), most(1), dst, "."); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Fetch into a link = %v", err)
	}
	same(t, localTree(t, outside), nil)
}

func TestInside(t *testing.T) {
	for _, tt := range []struct{ link, target, want string }{
		{"l", "x", "x"}, {"l", "./x/", "x"}, {"l", "..", ""}, {"d/l", "..", ".."}, {"d/l", "../x/y", "../x/y"},
		{"d/l", "../../x", ""}, {"d/l", "x/../y", ""}, {"d/l", "x/..", ""}, {"d/l", "../x/..", ""}, {"l", "/x", ""}, {"l", "", ""},
		{"a/b/l", "../../x", "../../x"}, {"a/b/l", "../..", "../.."}, {"l", ".", "."}, {"l", "x\x00", ""}, {"l", "a/./b", "a/b"},
	} {
		got, ok := inside(tt.link, tt.target)
		if ok != (tt.want != "") || ok && filepath.ToSlash(got) != tt.want {
			t.Errorf("inside(%q, %q) = %q, %v, want %q", tt.link, tt.target, got, ok, tt.want)
		}
	}
}
