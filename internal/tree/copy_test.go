package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

func from(src fs.FS) func(context.Context) (fs.FS, context.CancelFunc) {
	return func(context.Context) (fs.FS, context.CancelFunc) { return src, func() {} }
}

func TestCopy(t *testing.T) {
	src := fstest.MapFS{
		"a/b/x": {Data: []byte("x")}, "a/y": {Data: []byte("y")}, "empty": {}, "none": {Mode: fs.ModeDir},
	}
	want := map[string]string{"a": "/", "a/b": "/", "a/b/x": "x", "a/y": "y", "empty": "", "none": "/"}
	for _, conns := range []int{1, 4} {
		for _, dir := range []string{".", "to", "deep/er"} {
			srv := newServer(nil)
			if err := Copy(t.Context(), srv, most(conns), dir, from(src)); err != nil {
				t.Errorf("%s: %v", dir, err)
			}
			all := map[string]string{}
			for name, data := range want {
				all[strings.TrimPrefix(dir+"/", "./")+name] = data
			}
			switch dir {
			case "to":
				all["to"] = "/"
			case "deep/er":
				all["deep"], all["deep/er"] = "/", "/"
			}
			same(t, srv.tree(), all)
		}
	}
}

// TestCopyThere has directories that are there: each is listed once, and no file
// in it is replaced.
func TestCopyThere(t *testing.T) {
	src := fstest.MapFS{"a/1": {}, "a/2": {}, "a/3": {}, "b/1": {}}
	srv := newServer(map[string]string{"a/other": "o", "b/1": "mine"})
	err := Copy(t.Context(), srv, most(1), ".", from(src))
	var pe *fs.PathError
	if !errors.Is(err, fs.ErrExist) || !errors.As(err, &pe) || pe.Op != "copyfs" || pe.Path != "b/1" {
		t.Errorf("Copy = %v", err)
	}
	same(t, srv.tree(), map[string]string{"a": "/", "a/other": "o", "a/1": "", "a/2": "", "a/3": "", "b": "/", "b/1": "mine"})
	if n := srv.calls["readdir"]; n != 3 { // and the root
		t.Errorf("%d listings", n)
	}
}

var errFailing = errors.New("failing")

// failingFS is a source whose files fail if their names have an x.
type failingFS struct{ fs.FS }

// Open opens a file.
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

func TestCopyFails(t *testing.T) {
	src := fstest.MapFS{}
	for _, name := range []string{"a", "b", "c", "d", "x"} {
		src[name] = &fstest.MapFile{Data: []byte(name)}
	}
	link := fstest.MapFS{"d/l": {Data: []byte("x"), Mode: fs.ModeSymlink}}
	for _, conns := range []int{1, 4} {
		for _, tt := range []struct {
			name   string
			src    fs.FS
			server func(*fakeServer)
			want   error
			path   string
			aborts int
		}{
			{name: "source", src: failingFS{src}, want: errFailing, path: "to/x", aborts: 1},
			{name: "link", src: link, want: errors.ErrUnsupported, path: "d/l"},
			{name: "refused", src: src, server: func(s *fakeServer) {
				s.create = func(name string) error {
					if name == "to/d" {
						return fs.ErrPermission
					}
					return nil
				}
			}, want: fs.ErrPermission, path: "to/d"},
			{name: "a file for a directory", src: fstest.MapFS{"d/1": {}}, server: func(s *fakeServer) { s.add("to/d", "file") }, want: proto.ErrNotDir, path: "to/d"},
		} {
			t.Run(fmt.Sprintf("%s/%d", tt.name, conns), func(t *testing.T) {
				srv := newServer(nil)
				if tt.server != nil {
					tt.server(srv)
				}
				err := Copy(t.Context(), srv, most(conns), "to", from(tt.src))
				var pe *fs.PathError
				if !errors.Is(err, tt.want) || !errors.As(err, &pe) || pe.Path != tt.path || srv.calls["abort"] < tt.aborts {
					t.Errorf("Copy = %v, with %d aborts", err, srv.calls["abort"])
				}
				for name, data := range srv.tree() {
					if data != "/" && data != "file" && "to/"+data != name {
						t.Errorf("%s: %q", name, data)
					}
				}
			})
		}
	}
}

// TestCopyEnded has the context end while a source stands still: that ends too,
// and the error is the context's.
func TestCopyEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		stopped := false
		err := Copy(ctx, newServer(nil), most(2), "to", func(ctx context.Context) (fs.FS, context.CancelFunc) {
			return standing{fstest.MapFS{"a": {}, "b": {}, "c": {}}, ctx}, func() { stopped = true }
		})
		var pe *fs.PathError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &pe) || pe.Op != "copyfs" || time.Since(start) != 5*time.Second || !stopped {
			t.Errorf("Copy = %v after %v; stopped: %v", err, time.Since(start), stopped)
		}
	})
}

// standing is a source whose files do not come before its context ends.
type standing struct {
	fs.FS
	ctx context.Context
}

// Open opens a file, or a directory as it is.
func (s standing) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil || name == "." {
		return f, err
	}
	return standingFile{f, s.ctx}, nil
}

type standingFile struct {
	fs.File
	ctx context.Context
}

// Read waits.
func (f standingFile) Read([]byte) (int, error) {
	<-f.ctx.Done()
	return 0, io.ErrUnexpectedEOF
}
