package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestCopyFSParallel copies a tree up to each kind of server.
func TestCopyFSParallel(t *testing.T) {
	src := t.TempDir()
	want := map[string]string{"void": "/"}
	if err := os.Mkdir(filepath.Join(src, "void"), 0o777); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		dir := fmt.Sprintf("d %d", i%3)
		name, data := fmt.Sprintf("%s/-%d", dir, i), content[i:i+i*5000]
		want[dir], want[name] = "/", string(data)
		if err := os.MkdirAll(filepath.Join(src, dir), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(src, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	everyServerAndConns(t, func(t *testing.T, w *world, fsys *ftpnat.FS) {
		if err := fsys.CopyFS("up/here", os.DirFS(src)); err != nil {
			t.Fatal(err)
		}
		sameTrees(t, serverTree(t, w.Server.Tree, "up/here"), want)
		if err := fsys.CopyFS("up/here", os.DirFS(src)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("CopyFS over a tree = %v", err)
		}
	})
}

// TestCopyWithinParallel copies from and to one server over the connections of
// one pool.
func TestCopyWithinParallel(t *testing.T) {
	for _, conns := range []int{1, 2, 4} {
		inBubble(t, setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = conns }}, func(t *testing.T, w *world) {
			for i := range 8 {
				if err := w.Server.Tree.WriteFile(fmt.Sprintf("pub/%d", i), content[i:], 0o644); err != nil {
					t.Fatal(err)
				}
			}
			fsys := w.openFS(t, "")
			sub, err := fsys.Sub("pub")
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := fsys.CopyFS("copy", sub); err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			t.Logf("%d connections: %v", conns, took)
			if took > time.Duration(16/conns)*time.Second {
				t.Errorf("%v for 8 files over %d connections", took, conns)
			}
			sameTrees(t, serverTree(t, w.Server.Tree, "copy"), serverTree(t, w.Server.Tree, "pub"))
		})
	}
}

// failingFS is a source some files of which fail.
type failingFS struct{ fs.FS }

// Open opens a file that fails where its name has an x.
func (f failingFS) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if err != nil || !strings.Contains(name, "x") {
		return file, err
	}
	return failingFile{file}, nil
}

type failingFile struct{ fs.File }

// Read fails.
func (failingFile) Read([]byte) (int, error) { return 0, errFailing }

// TestCopyFSFails has a source that fails, and a server that refuses.
func TestCopyFSFails(t *testing.T) {
	src := t.TempDir()
	for _, name := range []string{"a", "b", "c", "x", "y", "z"} {
		if err := os.WriteFile(filepath.Join(src, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, conns := range []int{1, 4} {
		s := setup{
			ftp:    func(srv *ftptest.Server) { srv.Script = []ftptest.Step{{On: "STOR", Arg: "up/b", Reply: "553 Not here."}} },
			dialer: func(d *ftpnat.Dialer) { d.MaxConns = conns },
		}
		inBubble(t, s, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "")
			var pe *fs.PathError
			if err := fsys.CopyFS("bad", failingFS{os.DirFS(src)}); !errors.Is(err, errFailing) || !errors.As(err, &pe) || pe.Path != "bad/x" {
				t.Errorf("CopyFS = %v", err)
			}
			var reply *ftpnat.ReplyError
			if err := fsys.CopyFS("up", os.DirFS(src)); !errors.As(err, &reply) || reply.Reply.Code != 553 {
				t.Errorf("CopyFS = %v", err)
			}
			if n := w.Server.Counters().Commands["STOR"]; n > 13 { // one for each file of both, and one again
				t.Errorf("%d STOR", n)
			}
			for name, data := range serverTree(t, w.Server.Tree, "up") {
				if !bytes.HasPrefix(content, []byte(data)) {
					t.Errorf("%s has other bytes", name)
				}
			}
		})
	}
}

// TestCopyFSStalled has a source on a server that hangs: the context of the
// copy ends that too.
func TestCopyFSStalled(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Faults = []ftptest.Fault{{On: ftptest.Data, After: 1000, Dir: ftptest.Sent, Kind: ftptest.Silence}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		src := w.openFS(t, "pub")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := fsys.WithContext(ctx).CopyFS("up", src)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 7*time.Second {
			t.Errorf("CopyFS = %v after %v", err, time.Since(start))
		}
	})
}

// TestCopyFSBreaks copies a file of a local directory whose transfer breaks: it is sent
// again, and what is there is whole.
func TestCopyFSBreaks(t *testing.T) {
	src := t.TempDir()
	if err := os.WriteFile(filepath.Join(src, "file"), content[:150_000], 0o600); err != nil {
		t.Fatal(err)
	}
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Received, After: 70_000, Kind: ftptest.Reset}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		if err := w.openFS(t, "").CopyFS("new", os.DirFS(src)); err != nil {
			t.Error(err)
		}
		if got, err := w.Server.Tree.ReadFile("new/file"); err != nil || !bytes.Equal(got, content[:150_000]) {
			t.Errorf("the server has %d bytes: %v", len(got), err)
		}
	})
}
