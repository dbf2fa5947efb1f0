package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/ftptest"
)

func TestGetFile(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	w.write("dir/a.csv", "old")
	w.ok("get", srv.URL+"pub/a.csv")
	w.ok("get", srv.URL+"pub/a.csv", "other.csv")
	w.ok("get", srv.URL+"pub/a.csv", "dir")
	has(t, w.local(), ".", map[string]string{"a.csv": "1,2,3\n", "other.csv": "1,2,3\n", "dir/a.csv": "1,2,3\n", "cache/ftpnat/paths.json": w.memory()})
	info, err := os.Stat("a.csv")
	if err != nil || !info.ModTime().Equal(day) {
		t.Errorf("got %v, %v", info, err)
	}
	w.fails(codeLocalWrite, "missing", "get", srv.URL+"pub/a.csv", "missing/a.csv")
	w.fails(codeNotFound, "not found", "get", srv.URL+"nope")
}

// memory is what is kept between runs.
func (w *world) memory() string {
	data, err := os.ReadFile(filepath.Join(w.dir, "cache", "ftpnat", "paths.json"))
	if err != nil {
		w.t.Error(err)
	}
	return string(data)
}

func TestGetTree(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	want := map[string]string{"a.csv": "1,2,3\n", "sub/b.txt": "bee", "sub/c d.txt": "sea"}
	w.ok("get", srv.URL+"pub")
	has(t, w.local(), "pub", want)
	w.ok("get", srv.URL+"pub", "copy")
	has(t, w.local(), "copy", want)
	w.ok("get", srv.URL+"pub", "copy")
	has(t, w.local(), "copy/pub", want)
	r := w.run("get", srv.URL+"pub")
	if r.code != 0 || !strings.Contains(r.err, "0 files copied, 3 there already") {
		t.Errorf("got %+v", r)
	}
	w.ok("get", srv.URL)
	has(t, w.local(), "127.0.0.1/pub", want)
}

// A download that breaks goes on in the next run, where it stopped, and the file
// has its name only when it is complete.
func TestGetGoesOn(t *testing.T) {
	w := newWorld(t)
	const step = 50_000
	data := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	srv := serve(t, fstest.MapFS{"big": {Data: data, ModTime: day}}, ftptest.CutData(step))
	for i := range 10 {
		r := w.run("get", "--retry-for", "0", srv.URL+"big")
		info, err := os.Stat(".big" + partSuffix)
		if r.code == 0 {
			if i < 2 {
				t.Errorf("done after %d runs", i+1)
			}
			break
		}
		if r.code != int(codePartial) && r.code != int(codeConnect) || !strings.Contains(r.err, "again") && r.code == int(codePartial) {
			t.Errorf("got %+v", r)
		}
		if err != nil || info.Size() == 0 {
			t.Fatalf("run %d left %v, %v: %s", i, info, err, r.err)
		}
		if _, err := os.Stat("big"); err == nil {
			t.Fatal("half a file has its name")
		}
	}
	has(t, w.local(), ".", map[string]string{"big": string(data), "cache/ftpnat/paths.json": w.memory()})
}

// A part of a file that has changed since is not gone on with.
func TestGetChanged(t *testing.T) {
	for name, c := range map[string]struct {
		part string
		time time.Time
	}{
		"other time":    {"01234", day.Add(-time.Hour)},
		"other content": {"zzzzz", day},
		"longer":        {"0123456789abcdef", day},
		"the same":      {"01234", day},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			srv := serve(t, fstest.MapFS{"f": {Data: []byte("0123456789"), ModTime: day}})
			w.write(".f"+partSuffix, c.part)
			if err := os.Chtimes(".f"+partSuffix, c.time, c.time); err != nil {
				t.Fatal(err)
			}
			w.ok("get", "--no-memory", srv.URL+"f")
			has(t, w.local(), ".", map[string]string{"f": "0123456789"})
		})
	}
}

func TestPut(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	w.write("x.txt", "ex")
	w.write("tree/y.txt", "why")
	w.write("tree/deep/z.txt", "zed")
	w.ok("put", "x.txt", srv.URL+"pub")
	w.ok("put", "x.txt", srv.URL+"pub/a.csv")
	w.ok("put", "x.txt", "tree", srv.URL+"pub/sub/")
	w.ok("put", "tree", srv.URL+"new")
	w.in = "from a pipe"
	w.ok("put", "-", srv.URL+"pub/stdin")
	w.ok("put", "-", srv.URL+"pub/sub/b.txt")
	has(t, srv.FS(), ".", map[string]string{
		"pub/x.txt": "ex", "pub/a.csv": "ex", "pub/sub/x.txt": "ex", "pub/sub/tree/y.txt": "why", "pub/sub/tree/deep/z.txt": "zed",
		"new/y.txt": "why", "new/deep/z.txt": "zed", "pub/stdin": "from a pipe", "pub/sub/b.txt": "from a pipe", "pub/sub/c d.txt": "sea",
	})
	w.fails(codeUsage, "needs the name", "put", "-", srv.URL+"pub/")
	w.fails(codeUsage, "needs the name", "put", "-", srv.URL+"pub")
	w.fails(codeLocalRead, "nope", "put", "nope", srv.URL)
	w.fails(codeNotFound, "mkdir -p", "put", "x.txt", srv.URL+"missing/")
	r := w.run("put", "tree", srv.URL+"pub/sub")
	if !strings.Contains(r.err, "2 there already") {
		t.Errorf("got %s", r.err)
	}
}

// An upload that is refused at its end leaves nothing.
func TestPutRefused(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, nil, ftptest.Fail("STOR", "552 Quota exceeded."))
	w.write("x.txt", "ex")
	w.fails(codeFull, "disk full", "put", "--retry-for", "0", "x.txt", srv.URL)
	w.in = "ex"
	w.fails(codeFull, "Make room", "put", "--retry-for", "0", "-", srv.URL+"x")
	has(t, srv.FS(), ".", nil)
}

func TestMirror(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	want := map[string]string{"a.csv": "1,2,3\n", "sub/b.txt": "bee", "sub/c d.txt": "sea"}
	w.ok("mirror", srv.URL+"pub", "down")
	has(t, w.local(), "down", want)
	w.ok("mirror", "./down", srv.Addr+"/up")
	has(t, srv.FS(), "up", want)

	// What has changed is copied, and what is surplus removed if that is asked for.
	w.write("down/a.csv", "4,5,6,7\n")
	w.write("down/new.txt", "new")
	for _, name := range []string{"down/sub/b.txt", "down/sub/c d.txt", "down/sub"} {
		if err := os.Remove(filepath.FromSlash(name)); err != nil {
			t.Fatal(err)
		}
	}
	got := w.ok("mirror", "--delete", "-n", "down", srv.URL+"up")
	if want := "copy    a.csv (changed, 8 B)\ncopy    new.txt (new, 3 B)\nremove  sub/c d.txt\nremove  sub/b.txt\nremove  sub/\n"; got != want {
		t.Errorf("got %s", got)
	}
	w.ok("mirror", "down", srv.URL+"up")
	has(t, srv.FS(), "up", map[string]string{"a.csv": "4,5,6,7\n", "new.txt": "new", "sub/b.txt": "bee", "sub/c d.txt": "sea"})
	w.ok("mirror", "--delete", "down", srv.URL+"up")
	has(t, srv.FS(), "up", map[string]string{"a.csv": "4,5,6,7\n", "new.txt": "new"})

	w.ok("mirror", "--delete", srv.URL+"pub", "down")
	has(t, w.local(), "down", want)
	if got := w.ok("mirror", "--delete", "-n", srv.URL+"pub", "down"); got != "" {
		t.Errorf("got %s", got)
	}
}

func TestMirrorFilter(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, fstest.MapFS{
		"t/a.csv": {Data: []byte("a")}, "t/a.txt": {Data: []byte("a")}, "t/tmp/b.csv": {Data: []byte("b")},
		"t/x/y/c.csv": {Data: []byte("c")}, "t/x/y/c.bak": {Data: []byte("c")}, "t/empty/e.txt": {Data: []byte("e")},
	})
	w.ok("mirror", "--include", "*.csv", "--exclude", "tmp", srv.URL+"t", "one")
	has(t, w.local(), "one", map[string]string{"a.csv": "a", "x/y/c.csv": "c"})
	if _, err := os.Stat("one/empty"); err == nil {
		t.Error("a directory without a file for it was made")
	}
	w.ok("mirror", "--exclude", "**/*.csv", "--exclude", "x/**", srv.URL+"t", "two")
	has(t, w.local(), "two", map[string]string{"a.txt": "a", "empty/e.txt": "e"})

	// What is left out is not removed either.
	w.write("one/keep.txt", "kept")
	w.write("one/gone.csv", "gone")
	w.ok("mirror", "--delete", "--include", "*.csv", "--exclude", "tmp", srv.URL+"t", "one")
	has(t, w.local(), "one", map[string]string{"a.csv": "a", "x/y/c.csv": "c", "keep.txt": "kept"})
	w.fails(codeUsage, "pattern", "mirror", "--include", "[", srv.URL+"t", "one")
}

func TestMirrorVerify(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, fstest.MapFS{"t/f": {Data: []byte("right"), ModTime: day}})
	set := func(text string, when time.Time) {
		w.write("d/f", text)
		if err := os.Chtimes("d/f", when, when); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		verify, text string
		time         time.Time
		copied       bool
	}{
		{"size", "wrong", day.Add(time.Hour), false},
		{"size", "longer", day, true},
		{"time", "wrong", day, false},
		{"time", "right", day.Add(time.Hour), true},
		{"hash", "wrong", day, true},
		{"hash", "right", day.Add(time.Hour), false},
	} {
		set(c.text, c.time)
		r := w.run("mirror", "--verify", c.verify, srv.URL+"t", "d")
		if copied := strings.Contains(r.err, "1 file copied"); r.code != 0 || copied != c.copied {
			t.Errorf("by %s, %s of %v: got %+v", c.verify, c.text, c.time, r)
		}
	}
	w.fails(codeUsage, "--verify", "mirror", "--verify", "luck", srv.URL+"t", "d")
}

// One file that fails is no reason to leave out the others, but one not to remove
// anything.
func TestMirrorFailures(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files(), ftptest.Reply("RETR", "550 Permission denied.").On(1))
	w.write("d/surplus", "stays")
	r := w.fails(codePartial, "not complete: 1 file could not be copied", "mirror", "--delete", "-P", "1", srv.URL+"pub", "d")
	for _, want := range []string{"failed: a.csv: not permitted", "nothing was removed", "2 files copied"} {
		if !strings.Contains(r.err, want) {
			t.Errorf("no %q in %s", want, r.err)
		}
	}
	has(t, w.local(), "d", map[string]string{"surplus": "stays", "sub/b.txt": "bee", "sub/c d.txt": "sea"})
	w.ok("mirror", "--delete", srv.URL+"pub", "d")
	has(t, w.local(), "d", map[string]string{"a.csv": "1,2,3\n", "sub/b.txt": "bee", "sub/c d.txt": "sea"})
}

// A file where a directory should be is named, and stays.
func TestMirrorConflict(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, files())
	w.write("d/sub", "a file")
	w.fails(codePartial, "a file on one side and a directory on the other", "mirror", srv.URL+"pub", "d")
	if data, _ := os.ReadFile("d/sub"); string(data) != "a file" {
		t.Errorf("got %q", data)
	}
}

// Links are followed to files, and named where they are left out.
func TestMirrorLinks(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, nil)
	w.write("d/a.txt", "a")
	w.write("d/sub/b.txt", "b")
	for name, to := range map[string]string{"file": "a.txt", "dir": "sub", "out": filepath.Join(w.dir, "home"), "dead": "nowhere"} {
		if err := os.Symlink(to, filepath.Join("d", name)); err != nil {
			t.Skip("links cannot be made here:", err)
		}
	}
	r := w.run("mirror", "d", srv.URL+"d")
	for _, name := range []string{"dir", "out", "dead"} {
		if !strings.Contains(r.err, "left out: "+name+" ") {
			t.Errorf("%s is not named in %s", name, r.err)
		}
	}
	has(t, srv.FS(), "d", map[string]string{"a.txt": "a", "sub/b.txt": "b", "file": "a"})
}

func TestSides(t *testing.T) {
	for _, c := range []struct {
		src, dst string
		up, ok   bool
	}{
		{"ftp://h/x", "d", false, true}, {"d", "ftp://h/x", true, true}, {"./d", "h/x", true, true}, {"h/x", "/d", false, true},
		{"h/x", `C:\d`, false, true}, {"a", "b", false, false}, {"ftp://h/x", "ftps://h/x", false, false}, {"./a", "../b", false, false},
	} {
		up, err := sides(c.src, c.dst)
		if up != c.up || (err == nil) != c.ok {
			t.Errorf("%s %s: got %v, %v", c.src, c.dst, up, err)
		}
	}
}

// Ctrl-C leaves nothing half under its name, on either side.
func TestInterrupt(t *testing.T) {
	for _, c := range []struct {
		name string
		args func(url string) []string
	}{
		{"get", func(url string) []string { return []string{"get", url + "big"} }},
		{"put", func(url string) []string { return []string{"put", "here", url + "there"} }},
		{"put a stream", func(url string) []string { return []string{"put", "-", url + "there"} }},
		{"mirror", func(url string) []string { return []string{"mirror", url, "d"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			data := strings.Repeat("x", 1<<20)
			srv := serve(t, fstest.MapFS{"big": {Data: []byte(data), ModTime: day}}, ftptest.StallData(70_000))
			w.write("here", data)
			w.in = data
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w.ctx = ctx
			moving := false
			w.see = func(text string) {
				moving = moving || strings.Contains(text, "→ RETR") || strings.Contains(text, "→ STOR")
				if moving && strings.Contains(text, "← 150") {
					cancel()
				}
			}
			w.fails(codeInterrupted, "interrupted", append([]string{"-v"}, c.args(srv.URL)...)...)
			has(t, srv.FS(), ".", map[string]string{"big": data})
			for _, name := range []string{"big", "d/big"} {
				if _, err := fs.Stat(w.local(), name); err == nil {
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}

// A terminal sees a bar, and others a line now and then.
func TestProgress(t *testing.T) {
	w := newWorld(t)
	srv := serve(t, fstest.MapFS{"big": {Data: bytes.Repeat([]byte("x"), 1<<20), ModTime: day}})
	w.term = true
	if r := w.run("get", srv.URL+"big"); !strings.Contains(r.err, "%") || !strings.Contains(r.err, "big: 1.0 MB in ") {
		t.Errorf("a terminal gets %q", r.err)
	}
	if r := w.run("get", "-q", srv.URL+"big", "-"); r.err != "" {
		t.Errorf("-q gives %q", r.err)
	}
	var b bytes.Buffer
	p := (&app{system: &system{err: &b}}).newProgress("big", 2, 3_000_000)
	p.next = p.start
	p.begin("x", 1_000_000)
	p.start = p.start.Add(-time.Second)
	p.trace().Progress(ftpnat.ProgressEvent{Name: "x", Bytes: 2_000_000})
	if got := b.String(); !strings.HasPrefix(got, "ftpnat: big 0/2 files: 1.0 MB of 2.0 MB, ") || !strings.Contains(got, "left") {
		t.Errorf("got %q", got)
	}
	p.end("x", true)
	if p.complete != 1 || p.bytes() != 1_000_000 {
		t.Errorf("got %d, %d", p.complete, p.bytes())
	}
}
