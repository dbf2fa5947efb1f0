package ftpnat_test

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestBoxes does everything on each of the servers that people have and did not
// choose. What is nil is so; refused is what they do not do, which is an error.
func TestBoxes(t *testing.T) {
	const lists = "list, walk, glob, fetch"
	unlisted := ftptest.BlindBox()
	unlisted.Denied = []string{"LIST", "NLST", "STAT"}
	for _, box := range []struct {
		p       ftptest.Personality
		refused string
	}{
		{ftptest.FritzBox(), ""},
		{ftptest.Synology(), ""},
		{ftptest.ZOS(), ""},
		{ftptest.IIS(), ""},
		{ftptest.HiddenStores(), ""},
		{ftptest.WriteBehind(2 * time.Second), ""},
		{unlisted, lists + ", remove all"},
		{ftptest.DropBox(), lists + ", read, ask after, append, upload, rename, remove, remove all"},
		{ftptest.Ancient(), ""},
		{ftptest.FileZilla(), ""},
		{ftptest.NodeFtpd(), ""},
		{ftptest.Aioftp(), ""},
	} {
		t.Run(box.p.Name, func(t *testing.T) {
			refused := strings.Split(box.refused, ", ")
			inBubble(t, played(box.p), func(t *testing.T, w *world) {
				b := &bench{T: t, w: w, fs: w.openFS(t, ""), refused: refused}
				w.put(t, "dir/sub/deep", small)
				w.put(t, "dir/a", small)
				w.put(t, "dir/b c", []byte("spaced"))
				b.looks()
				b.writes()
				b.moves()
				b.copies()
			})
		})
	}
}

// bench has the calls of a test of a server.
type bench struct {
	*testing.T
	w       *world
	fs      *ftpnat.FS
	refused []string // what must be an error, if it is not right
}

// did checks the outcome of a call; right is whether it has done what it says.
func (b *bench) did(what string, err error, right func() bool) {
	b.Helper()
	refuses := slices.Contains(b.refused, what)
	switch {
	case err == nil && !right():
		b.Errorf("%s: nil, and it is not so", what)
	case err != nil && !refuses:
		b.Errorf("%s: %v", what, err)
	}
}

// has reports whether the server has a file, in a while.
func (b *bench) has(name string, want []byte) func() bool {
	return func() bool {
		time.Sleep(5 * time.Second)
		got, err := b.w.Server.Tree.ReadFile(name)
		return err == nil && bytes.Equal(got, want)
	}
}

// gone reports whether the server has nothing under a name.
func (b *bench) gone(name string) func() bool {
	return func() bool {
		_, err := b.w.Server.Tree.Lstat(name)
		return errors.Is(err, fs.ErrNotExist)
	}
}

func (b *bench) looks() {
	got, err := b.fs.ReadFile("dir/a")
	b.did("read", err, func() bool { return bytes.Equal(got, small) })
	list, err := b.fs.ReadDir("dir")
	b.did("list", err, func() bool {
		return len(list) == 3 && list[0].Name() == "a" && list[1].Name() == "b c" && list[2].Name() == "sub" && list[2].IsDir()
	})
	var walked []string
	err = fs.WalkDir(b.fs, "dir", func(name string, _ fs.DirEntry, err error) error {
		walked = append(walked, name)
		return err
	})
	b.did("walk", err, func() bool {
		return slices.Equal(walked, []string{"dir", "dir/a", "dir/b c", "dir/sub", "dir/sub/deep"})
	})
	names, err := b.fs.Glob("dir/*c")
	b.did("glob", err, func() bool { return slices.Equal(names, []string{"dir/b c"}) })
	info, err := b.fs.Stat("dir/a")
	b.did("ask after", err, func() bool { return info.Size() == int64(len(small)) && !info.IsDir() })
	for _, name := range []string{"dir/none", "none/none"} {
		if _, err := b.fs.Stat(name); err == nil || !errors.Is(err, fs.ErrNotExist) && !slices.Contains(b.refused, "ask after") {
			b.Errorf("Stat of %s: %v", name, err)
		}
	}
	to := filepath.Join(b.TempDir(), "down")
	err = b.fs.Fetch(to, "dir")
	b.did("fetch", err, func() bool { return len(localTree(b.T, to)) == 4 })
}

func (b *bench) writes() {
	data := bytes.Repeat([]byte("box"), 50_000)
	for name, data := range map[string][]byte{"dir/new": small, "dir/large": data, "dir/a": data} {
		b.did("write", b.fs.WriteFile(name, data, 0), b.has(name, data))
	}
	_, err := b.fs.Upload("dir/up", bytes.NewReader(data))
	b.did("upload", err, b.has("dir/up", data))
	f, err := b.fs.Create("dir/stream")
	if err == nil {
		_, err = f.Write(data)
		err = errors.Join(err, f.Close())
	}
	b.did("create", err, b.has("dir/stream", data))
	before, _ := b.w.Server.Tree.ReadFile("dir/new")
	if f, err = b.fs.Append("dir/new"); err == nil {
		_, err = f.Write([]byte("more"))
		err = errors.Join(err, f.Close())
	}
	b.did("append", err, b.has("dir/new", append(before, "more"...)))
}

func (b *bench) moves() {
	b.did("mkdir", b.fs.MkdirAll("dir/x/y/z", 0), func() bool {
		info, err := b.w.Server.Tree.Stat("dir/x/y/z")
		return err == nil && info.IsDir()
	})
	if err := b.fs.Mkdir("dir/x", 0); err == nil {
		b.Error("mkdir of what is there: nil")
	}
	b.did("rename", b.fs.Rename("dir/b c", "dir/x/moved"), b.has("dir/x/moved", []byte("spaced")))
	b.did("remove", b.fs.Remove("dir/large"), b.gone("dir/large"))
	b.did("remove all", b.fs.RemoveAll("dir/x"), b.gone("dir/x"))
}

func (b *bench) copies() {
	src := fstest.MapFS{"one": {Data: small}, "sub/two": {Data: small}}
	b.did("copy", b.fs.CopyFS("tree", src), func() bool { return b.has("tree/one", small)() && b.has("tree/sub/two", small)() })
	src["one"] = &fstest.MapFile{Data: []byte("other")}
	if err := b.fs.CopyFS("tree", src); err == nil {
		b.Error("copy over what is there: nil")
	}
	if !b.has("tree/one", small)() {
		b.Error("copy over what is there: it was replaced")
	}
}
