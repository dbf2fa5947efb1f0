package ftptest

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"
	"time"
)

func TestTreeFS(t *testing.T) {
	if err := fstest.TestFS(sampleTree(t).FS(), "hello.txt", "dir/a.csv", ".hidden", "link"); err != nil {
		t.Error(err)
	}
}

func TestTreeFrom(t *testing.T) {
	mod := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	src := fstest.MapFS{
		"a/b.txt": {Data: []byte("b"), Mode: 0o600, ModTime: mod},
		"a/link":  {Data: []byte("b.txt"), Mode: fs.ModeSymlink | 0o777},
	}
	tree, err := TreeFrom(src)
	check(t, err)
	info, err := tree.Stat("/a/link")
	check(t, err)
	if info.Mode() != 0o600 || !info.ModTime().Equal(mod) || info.Size() != 1 {
		t.Errorf("got %v %v %d", info.Mode(), info.ModTime(), info.Size())
	}
	again, err := TreeFrom(tree.FS())
	check(t, err)
	if got, err := again.ReadFile("a/link"); err != nil || string(got) != "b" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTreeErrors(t *testing.T) {
	tree := sampleTree(t)
	check(t, tree.Symlink("loop", "loop"))
	for name, row := range map[string]struct{ got, want error }{
		"missing":    {tree.Remove("none"), fs.ErrNotExist},
		"not empty":  {tree.Remove("dir"), fs.ErrExist},
		"root":       {tree.Remove("/"), fs.ErrInvalid},
		"into self":  {tree.Rename("dir", "dir/sub"), fs.ErrInvalid},
		"below self": {tree.Rename("/", "x"), fs.ErrInvalid},
		"exists":     {tree.Mkdir("dir", 0o755), fs.ErrExist},
		"loop":       {tree.Chmod("loop", 0), fs.ErrInvalid},
		"file":       {tree.MkdirAll("hello.txt/x"), fs.ErrExist},
	} {
		if !errors.Is(row.got, row.want) {
			t.Errorf("%s: got %v, want %v", name, row.got, row.want)
		}
	}
}

func TestTreeWriteKeepsReaders(t *testing.T) {
	tree := NewTree()
	check(t, tree.WriteFile("f", []byte("0123456789"), 0o644))
	before, err := tree.open("f")
	check(t, err)
	w, err := tree.openWrite("f", 4, false)
	check(t, err)
	if _, err := w.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	old := make([]byte, 10)
	if _, err := before.ReadAt(old, 0); err != nil || string(old) != "0123456789" {
		t.Errorf("old reader: %q, %v", old, err)
	}
	if got, _ := tree.ReadFile("f"); string(got) != "0123abc789" {
		t.Errorf("got %q", got)
	}
	if _, err := tree.openWrite("f", 11, false); err == nil {
		t.Error("a hole was accepted")
	}
}

func TestChown(t *testing.T) {
	tree := sampleTree(t)
	check(t, tree.Chown("dir", "alice", "staff"))
	if info, err := tree.Stat("dir"); err != nil || info.Owner != "alice" || info.Group != "staff" {
		t.Errorf("got %+v, %v", info, err)
	}
}
