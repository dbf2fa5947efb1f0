package afero_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	aferoftp "github.com/ftpnat/ftpnat/adapters/afero"
	"github.com/ftpnat/ftpnat/ftptest"
	"github.com/spf13/afero"
)

// open returns the root of a fresh server with a directory tmp.
func open(t *testing.T) (*aferoftp.Fs, *ftptest.Server) {
	t.Helper()
	srv := ftptest.NewServer(fstest.MapFS{"tmp": &fstest.MapFile{Mode: fs.ModeDir | 0o755}})
	t.Cleanup(srv.Close)
	fsys, err := ftpnat.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fsys.Close() })
	return aferoftp.New(fsys), srv
}

func write(t *testing.T, fsys afero.Fs, name, text string) {
	t.Helper()
	if err := afero.WriteFile(fsys, name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, fsys afero.Fs, name string) string {
	t.Helper()
	data, err := afero.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// cannot says why a test of afero's suite has no counterpart here.
func cannot(why string) func(*testing.T) {
	return func(t *testing.T) { t.Skip("FTP cannot: " + why) }
}

// TestSuite has the tests of afero's own suite, under their names, on an FTP
// server. Those of FTP's limits are skipped by name.
func TestSuite(t *testing.T) {
	suite := map[string]func(*testing.T){
		"Read0":                testRead0,
		"OpenFile":             testOpenFile,
		"Create":               testCreate,
		"MemFileRead":          testReadPastEnd,
		"Rename":               testRename,
		"Remove":               testRemove,
		"Truncate":             cannot("change the size of a file that is there"),
		"Seek":                 testSeek,
		"ReadAt":               testReadAt,
		"WriteAt":              cannot("write into the middle of a file"),
		"Readdirnames":         testReaddirnames,
		"ReaddirSimple":        testReaddirSimple,
		"Readdir":              testReaddir,
		"ReaddirRegularFile":   testReaddirRegularFile,
		"ReaddirAll":           testReaddirAll,
		"Walk":                 testWalk,
		"Glob":                 testGlob,
		"ReadFile, WriteFile":  testReadFileWriteFile,
		"ReadDir":              testReadDir,
		"TempFile, TempDir":    testTemp,
		"DirExists, Exists":    testExists,
		"IsDir, IsEmpty":       testIsDirIsEmpty,
		"WriteReader":          testWriteReader,
		"FileContainsBytes":    testFileContainsBytes,
		"LstatIfPossible":      testLstat,
		"SymlinkIfPossible":    testSymlink,
		"BasePathFs":           testBasePath,
		"ReadOnlyFs, RegexpFs": testReadOnly,
		"CopyOnWriteFs":        testCopyOnWrite,
		"CacheOnReadFs":        testCacheOnRead,
		"IOFS, FromIOFS":       testIOFS,
		"Chown":                cannot("change the owner of a file"),
	}
	for name, test := range suite {
		t.Run(name, test)
	}
}

func testRead0(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "/a.txt", strings.Repeat("lorem ipsum ", 100))
	f, err := fsys.Open("/a.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.Read(nil); n != 0 || err != nil {
		t.Errorf("Read(0) = %d, %v", n, err)
	}
	if n, err := f.Read(make([]byte, 100)); n <= 0 || err != nil {
		t.Errorf("Read(100) = %d, %v", n, err)
	}
}

func testOpenFile(t *testing.T) {
	fsys, _ := open(t)
	for _, step := range []struct {
		flag  int
		text  string
		want  string
		fails error
	}{
		{os.O_RDWR | os.O_CREATE | os.O_EXCL, "initial", "initial", nil},
		{os.O_RDWR | os.O_CREATE | os.O_EXCL, "", "initial", fs.ErrExist},
		{os.O_WRONLY | os.O_APPEND, "|append", "initial|append", nil},
		{os.O_RDWR, "", "initial|append", errors.ErrUnsupported},
		{os.O_RDWR | os.O_CREATE, "", "initial|append", errors.ErrUnsupported},
		{os.O_WRONLY, "", "initial|append", errors.ErrUnsupported},
		{os.O_RDWR | os.O_TRUNC, "", "", nil},
	} {
		f, err := fsys.OpenFile("/tmp/test.txt", step.flag, 0o600)
		if !errors.Is(err, step.fails) || (err == nil) != (step.fails == nil) {
			t.Fatalf("OpenFile %#x: %v, want %v", step.flag, err, step.fails)
		}
		if err == nil {
			io.WriteString(f, step.text)
			if _, err := f.Read(make([]byte, 1)); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("Read of a file that is being written: %v", err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(t, fsys, "/tmp/test.txt"); got != step.want {
			t.Errorf("after OpenFile %#x: %q, want %q", step.flag, got, step.want)
		}
	}
}

func testCreate(t *testing.T) {
	fsys, _ := open(t)
	for _, text := range []string{"initial", "second create", ""} {
		f, err := fsys.Create("tmp/test.txt")
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, text)
		if info, err := f.Stat(); err != nil || info.Size() != int64(len(text)) {
			t.Errorf("Stat: %v, %v", info, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if got := read(t, fsys, "tmp/test.txt"); got != text {
			t.Errorf("%q, want %q", got, text)
		}
	}
}

func testReadPastEnd(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "a", "abcd")
	f, err := fsys.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 8)
	if n, err := io.ReadFull(f, b); n != 4 || err != io.ErrUnexpectedEOF {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := f.Read(b); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

func testRename(t *testing.T) {
	fsys, _ := open(t)
	for _, name := range []string{"/tmp/from", "/tmp/exists"} {
		write(t, fsys, name, name)
	}
	if err := fsys.Rename("/tmp/from", "/tmp/to"); err != nil {
		t.Fatal(err)
	}
	if err := fsys.Rename("/tmp/to", "/tmp/exists"); err != nil && !os.IsExist(err) {
		t.Error(err)
	}
	err := fsys.Rename("/tmp/none", "/tmp/to")
	if !os.IsNotExist(err) || !strings.Contains(err.Error(), "/tmp/none") {
		t.Errorf("Rename of a file that is not there: %v", err)
	}
}

func testRemove(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "/tmp/a", "")
	if err := fsys.Remove("/tmp/a"); err != nil {
		t.Fatal(err)
	}
	if _, err := fsys.Stat("/tmp/a"); !os.IsNotExist(err) {
		t.Errorf("Stat: %v", err)
	}
	if err := fsys.Remove("/tmp/a"); !os.IsNotExist(err) {
		t.Errorf("Remove: %v", err)
	}
	if err := fsys.RemoveAll("/tmp/a"); err != nil {
		t.Error(err)
	}
}

func testSeek(t *testing.T) {
	fsys, _ := open(t)
	const data = "hello, world\n"
	write(t, fsys, "a", data)
	f, err := fsys.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, tt := range []struct {
		in     int64
		whence int
		out    int64
	}{
		{0, 1, 0}, {0, 0, 0}, {5, 0, 5}, {2, 1, 7}, {0, 2, int64(len(data))}, {-1, 2, int64(len(data)) - 1}, {1 << 33, 0, 1 << 33},
		{1 << 33, 2, 1<<33 + int64(len(data))},
	} {
		if off, err := f.Seek(tt.in, tt.whence); off != tt.out || err != nil {
			t.Errorf("#%d: Seek(%d, %d) = %d, %v", i, tt.in, tt.whence, off, err)
		}
	}
	f.Seek(7, io.SeekStart)
	if rest, err := io.ReadAll(f); string(rest) != "world\n" || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}

func testReadAt(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "a", "hello, world\n")
	f, err := fsys.Open("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 5)
	if n, err := f.ReadAt(b, 7); n != 5 || err != nil || string(b) != "world" {
		t.Errorf("%d, %v, %q", n, err, b)
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
}

// tree makes the directories and files of afero's tests.
func tree(t *testing.T, fsys afero.Fs) (dir string) {
	t.Helper()
	dir = "/tmp/more/subdirectories/for/testing/we"
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		write(t, fsys, fmt.Sprintf("%s/testfile%d", dir, i+1), "content")
	}
	return dir
}

func testReaddirnames(t *testing.T) {
	fsys, _ := open(t)
	dir := tree(t, fsys)
	for name, want := range map[string][]string{path.Dir(dir): {"we"}, dir: {"testfile1", "testfile2", "testfile3", "testfile4"}} {
		f, err := fsys.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if names, err := f.Readdirnames(-1); !slices.Equal(names, want) || err != nil {
			t.Errorf("%s: %v, %v", name, names, err)
		}
		f.Close()
	}
}

func testReaddirSimple(t *testing.T) {
	fsys, _ := open(t)
	f, err := fsys.Open(path.Dir(tree(t, fsys)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if infos, err := f.Readdir(1); len(infos) != 1 || err != nil {
		t.Errorf("%v, %v", infos, err)
	}
	if infos, err := f.Readdir(5); len(infos) != 0 || err != io.EOF {
		t.Errorf("%v, %v", infos, err)
	}
}

// testReaddir compares Readdir(n), called again and again, with that of the
// local disk.
func testReaddir(t *testing.T) {
	fsys, _ := open(t)
	remote := tree(t, fsys)
	base := afero.NewBasePathFs(afero.NewOsFs(), t.TempDir())
	local := tree(t, base)
	for n := range 6 {
		var got [2]string
		for i, dir := range []struct {
			fsys afero.Fs
			name string
		}{{fsys, remote}, {base, local}} {
			f, err := dir.fsys.Open(dir.name)
			if err != nil {
				t.Fatal(err)
			}
			for range 6 {
				infos, err := f.Readdir(n)
				got[i] += fmt.Sprintln(len(infos), err)
			}
			f.Close()
		}
		if got[0] != got[1] {
			t.Errorf("Readdir(%d):\n%s\non disk:\n%s", n, got[0], got[1])
		}
	}
}

func testReaddirRegularFile(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "a", "text")
	for name, do := range map[string]func() (afero.File, error){
		"reading": func() (afero.File, error) { return fsys.Open("a") },
		"writing": func() (afero.File, error) { return fsys.Create("b") },
	} {
		f, err := do()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Readdirnames(-1); err == nil {
			t.Error(name, "Readdirnames: no error")
		}
		if _, err := f.Readdir(-1); err == nil {
			t.Error(name, "Readdir: no error")
		}
		f.Close()
	}
}

func testReaddirAll(t *testing.T) {
	fsys, _ := open(t)
	f, err := fsys.Open(tree(t, fsys))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	infos, err := f.Readdir(-1)
	if len(infos) != 4 || err != nil || infos[3].Size() != 7 || infos[3].Name() != "testfile4" {
		t.Errorf("%v, %v", infos, err)
	}
}

func testWalk(t *testing.T) {
	fsys, _ := open(t)
	tree(t, fsys)
	mem := afero.NewMemMapFs()
	tree(t, mem)
	var got [2]string
	for i, each := range []afero.Fs{fsys, mem} {
		err := afero.Walk(each, "/tmp", func(name string, info os.FileInfo, err error) error {
			got[i] += fmt.Sprintln(name, info.Name(), info.IsDir(), err)
			if !info.IsDir() {
				got[i] += fmt.Sprintln(info.Size())
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if got[0] != got[1] {
		t.Errorf("%s\nin memory:\n%s", got[0], got[1])
	}
}

func testGlob(t *testing.T) {
	fsys, _ := open(t)
	dir := tree(t, fsys)
	if names, err := afero.Glob(fsys, "/tmp/*/*/*/*/*/testfile[12]"); !slices.Equal(names, []string{dir + "/testfile1", dir + "/testfile2"}) || err != nil {
		t.Errorf("%v, %v", names, err)
	}
	if names, err := afero.Glob(fsys, "/tmp/none*"); names != nil || err != nil {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := afero.Glob(fsys, "[]a"); err == nil {
		t.Error("a bad pattern is no error")
	}
}

func testReadFileWriteFile(t *testing.T) {
	fsys, srv := open(t)
	text := strings.Repeat("0123456789\n", 50_000)
	write(t, fsys, "/tmp/large", text)
	if got := read(t, fsys, "/tmp/large"); got != text {
		t.Errorf("%d bytes", len(got))
	}
	if data, err := fs.ReadFile(srv.FS(), "tmp/large"); string(data) != text || err != nil {
		t.Errorf("on the server: %d bytes, %v", len(data), err)
	}
	if _, err := afero.ReadFile(fsys, "rumpelstilzchen"); !os.IsNotExist(err) {
		t.Error(err)
	}
}

func testReadDir(t *testing.T) {
	fsys, _ := open(t)
	if infos, err := afero.ReadDir(fsys, tree(t, fsys)); len(infos) != 4 || err != nil {
		t.Errorf("%v, %v", infos, err)
	}
	if _, err := afero.ReadDir(fsys, "rumpelstilzchen"); !os.IsNotExist(err) {
		t.Error(err)
	}
}

func testTemp(t *testing.T) {
	fsys, _ := open(t)
	f, err := afero.TempFile(fsys, "/tmp", "ioutil_test")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if ok, err := afero.Exists(fsys, f.Name()); !ok || err != nil {
		t.Errorf("%s: %v, %v", f.Name(), ok, err)
	}
	dir, err := afero.TempDir(fsys, "", "afero")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := afero.DirExists(fsys, dir); !ok || err != nil {
		t.Errorf("%s: %v, %v", dir, ok, err)
	}
	if dir := afero.GetTempDir(fsys, "a/b"); dir != "/tmp/a/b/" {
		t.Error(dir)
	}
}

func testExists(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "/tmp/a", "a")
	for name, want := range map[string][2]bool{"/": {true, true}, "": {true, true}, "/tmp": {true, true}, "../tmp": {true, true}, "/tmp/a": {true, false}, "/none": {}, "/none/none": {}} {
		exists, err := afero.Exists(fsys, name)
		dir, err2 := afero.DirExists(fsys, name)
		if exists != want[0] || dir != want[1] || err != nil || err2 != nil {
			t.Errorf("%q: %v, %v, %v, %v", name, exists, err, dir, err2)
		}
	}
}

func testIsDirIsEmpty(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "/a", "a")
	write(t, fsys, "/b", "")
	for name, want := range map[string][2]bool{"/tmp": {true, true}, "/": {true, false}, "/a": {false, false}, "/b": {false, true}} {
		dir, err := afero.IsDir(fsys, name)
		empty, err2 := afero.IsEmpty(fsys, name)
		if dir != want[0] || empty != want[1] || err != nil || err2 != nil {
			t.Errorf("%s: %v, %v, %v, %v", name, dir, err, empty, err2)
		}
	}
}

func testWriteReader(t *testing.T) {
	fsys, _ := open(t)
	if err := afero.WriteReader(fsys, "/x/y/z", strings.NewReader("abc")); err != nil {
		t.Error(err)
	}
	if got := read(t, fsys, "/x/y/z"); got != "abc" {
		t.Errorf("%q", got)
	}
	if err := afero.SafeWriteReader(fsys, "/x/y/z", strings.NewReader("abc")); err == nil {
		t.Error("SafeWriteReader has replaced a file")
	}
	if err := afero.SafeWriteReader(fsys, "/x/new", strings.NewReader("abc")); err != nil {
		t.Error(err)
	}
}

func testFileContainsBytes(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "a", "abcdefg")
	for text, want := range map[string]bool{"cde": true, "x": false} {
		if got, err := afero.FileContainsBytes(fsys, "a", []byte(text)); got != want || err != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

func testLstat(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "a", "abc")
	if info, ok, err := fsys.LstatIfPossible("/a"); !ok || err != nil || info.Size() != 3 {
		t.Errorf("%v, %v, %v", info, ok, err)
	}
}

func testSymlink(t *testing.T) {
	fsys, _ := open(t)
	if err := fsys.SymlinkIfPossible("a", "b"); !errors.Is(err, afero.ErrNoSymlink) {
		t.Error(err)
	}
	if _, err := fsys.ReadlinkIfPossible("/tmp"); err == nil {
		t.Error("a directory has a target")
	}
}

func testBasePath(t *testing.T) {
	fsys, srv := open(t)
	base := afero.NewBasePathFs(fsys, "/tmp")
	write(t, base, "/a", "abc")
	if data, err := fs.ReadFile(srv.FS(), "tmp/a"); string(data) != "abc" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := base.Stat("../a"); err == nil {
		t.Error("out of the base path")
	}
}

func testReadOnly(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "/tmp/a.txt", "abc")
	if _, err := afero.NewReadOnlyFs(fsys).Create("/b"); err == nil {
		t.Error("written")
	}
	if got := read(t, afero.NewReadOnlyFs(fsys), "/tmp/a.txt"); got != "abc" {
		t.Errorf("%q", got)
	}
}

// testCopyOnWrite puts memory over the server: what is changed stays there.
func testCopyOnWrite(t *testing.T) {
	fsys, srv := open(t)
	write(t, fsys, "/tmp/a", "below")
	union := afero.NewCopyOnWriteFs(afero.NewReadOnlyFs(fsys), afero.NewMemMapFs())
	f, err := union.OpenFile("/tmp/a", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("BE"), 0)
	f.Close()
	write(t, union, "/tmp/b", "above")
	if got := read(t, union, "/tmp/a") + read(t, union, "/tmp/b"); got != "BElowabove" {
		t.Errorf("%q", got)
	}
	infos, err := afero.ReadDir(union, "/tmp")
	if len(infos) != 2 || err != nil {
		t.Errorf("%v, %v", infos, err)
	}
	if data, err := fs.ReadFile(srv.FS(), "tmp/a"); string(data) != "below" || err != nil {
		t.Errorf("on the server: %q, %v", data, err)
	}
}

// testCacheOnRead reads a file from the server once.
func testCacheOnRead(t *testing.T) {
	fsys, srv := open(t)
	write(t, fsys, "/tmp/a", "abc")
	cached := afero.NewCacheOnReadFs(fsys, afero.NewMemMapFs(), time.Hour)
	for range 3 {
		if got := read(t, cached, "/tmp/a"); got != "abc" {
			t.Errorf("%q", got)
		}
	}
	reads := 0
	for _, c := range srv.Commands() {
		if strings.HasPrefix(c, "RETR") {
			reads++
		}
	}
	if reads != 1 {
		t.Errorf("%d RETR, want 1", reads)
	}
}

func testIOFS(t *testing.T) {
	fsys, _ := open(t)
	tree(t, fsys)
	if err := fstest.TestFS(afero.NewIOFS(fsys), "tmp/more/subdirectories/for/testing/we/testfile1"); err != nil {
		t.Error(err)
	}
}

// TestCannot has what FTP cannot do, as the README has it.
func TestCannot(t *testing.T) {
	fsys, _ := open(t)
	f, err := fsys.Create("/a")
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString("hello, world\n")
	if _, err := f.WriteAt([]byte("more"), 13); err != nil {
		t.Errorf("WriteAt at the end: %v", err)
	}
	if err := f.Truncate(17); err != nil {
		t.Errorf("Truncate to the size: %v", err)
	}
	r, err := fsys.Open("/tmp")
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"WriteAt":  func() error { _, err := f.WriteAt([]byte("WORLD"), 7); return err },
		"ReadAt":   func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		"Seek":     func() error { _, err := f.Seek(0, io.SeekStart); return err },
		"Truncate": func() error { return f.Truncate(3) },
		"Sync":     f.Sync,
		"Chown":    func() error { return fsys.Chown("/a", 1, 1) },
		"a reader's Truncate": func() error {
			return r.Truncate(0)
		},
	} {
		if err := do(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.Close()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, fsys, "/a"); got != "hello, world\nmore" {
		t.Errorf("%q", got)
	}
	if _, err := f.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
}

// TestRefused shows the server's words in the caller's error.
func TestRefused(t *testing.T) {
	srv := ftptest.NewServer(nil, ftptest.Reply("STOR", "553 Prohibited file name."))
	defer srv.Close()
	fsys, err := ftpnat.Open(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	err = afero.WriteFile(aferoftp.New(fsys), "/dir/../a", bytes.Repeat([]byte("x"), 100), 0o644)
	var pe *fs.PathError
	var reply *ftpnat.ReplyError
	if !errors.As(err, &pe) || pe.Path != "/dir/../a" || !errors.As(err, &reply) || reply.Reply.Code != 553 {
		t.Errorf("%v", err)
	}
}

// TestTimes sets a time and reads it back.
func TestTimes(t *testing.T) {
	fsys, _ := open(t)
	write(t, fsys, "/a", "abc")
	at := time.Date(2026, 11, 28, 12, 30, 15, 0, time.UTC)
	if err := fsys.Chtimes("/a", at, at); err != nil {
		t.Fatal(err)
	}
	if info, err := fsys.Stat("/a"); err != nil || !info.ModTime().Equal(at) {
		t.Errorf("%v, %v", info, err)
	}
}
