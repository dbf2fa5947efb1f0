package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

func listenLoopback(t testing.TB) net.Listener {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// has compares a file on the server.
func (w *world) has(t testing.TB, name, want string) {
	t.Helper()
	got, err := w.Server.Tree.ReadFile(name)
	if err != nil || string(got) != want {
		t.Errorf("the server has %d bytes as %s, %v; want %d", len(got), name, err, len(want))
	}
}

// left fails the test where the server holds a name that nobody asked for.
func (w *world) left(t testing.TB, dir string, want ...string) {
	t.Helper()
	list, err := w.Server.Tree.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name())
	}
	if strings.Join(names, "|") != strings.Join(want, "|") {
		t.Errorf("%s holds %q, want %q", dir, names, want)
	}
}

// everyServer runs f for each kind of server, with one connection.
func everyServer(t *testing.T, f func(t *testing.T, w *world, fsys *ftpnat.FS)) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{
				ftp:    func(srv *ftptest.Server) { srv.Personality = p },
				dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 },
			}
			inBubble(t, s, func(t *testing.T, w *world) { f(t, w, w.openFS(t, "")) })
		})
	}
}

func TestWrite(t *testing.T) {
	everyServer(t, func(t *testing.T, w *world, fsys *ftpnat.FS) {
		check := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		check("MkdirAll", fsys.MkdirAll("new/-a/b c", 0o777))
		check("MkdirAll again", fsys.MkdirAll("new/-a/b c", 0o777))
		check("WriteFile", fsys.WriteFile("new/-a/b c/-f", content, 0o666))
		w.has(t, "new/-a/b c/-f", string(content))
		check("WriteFile, shorter", fsys.WriteFile("new/-a/b c/-f", []byte("short"), 0o666))
		w.has(t, "new/-a/b c/-f", "short")
		check("WriteFile, empty", fsys.WriteFile("new/e", nil, 0o666))
		w.has(t, "new/e", "")
		f, err := fsys.Append("new/e")
		check("Append", err)
		for range 3 {
			_, err = io.WriteString(f, "more ")
			check("Write", err)
		}
		check("Close", f.Close())
		w.has(t, "new/e", "more more more ")
		check("Rename", fsys.Rename("new/e", "new/f"))
		w.left(t, "new", "-a", "f")
		check("Remove", fsys.Remove("new/f"))
		if err := fsys.Remove("new"); !errors.Is(err, syscall.ENOTEMPTY) {
			t.Errorf("Remove of a directory with files: %v", err)
		}
		check("RemoveAll", fsys.RemoveAll("new"))
		check("RemoveAll again", fsys.RemoveAll("new"))
		w.left(t, "", "empty", "pub")
		for _, name := range []string{"pub/file.bin/x", "no/x"} {
			if err := fsys.WriteFile(name, []byte("x"), 0o666); err == nil {
				t.Errorf("WriteFile(%s) succeeded", name)
			}
		}
		var le *os.LinkError
		if err := fsys.Rename("no", "x"); !errors.As(err, &le) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Rename of nothing: %v", err)
		}
	})
}

func TestOpenFileFlags(t *testing.T) {
	tests := []struct {
		name string
		flag int
		want error
	}{
		{"empty", os.O_RDONLY, nil},
		{"empty", os.O_RDWR, errors.ErrUnsupported},
		{"empty", os.O_WRONLY, errors.ErrUnsupported},
		{"empty", os.O_WRONLY | os.O_CREATE, errors.ErrUnsupported},
		{"empty", os.O_WRONLY | os.O_CREATE | os.O_EXCL, fs.ErrExist},
		{"empty", os.O_WRONLY | os.O_TRUNC, nil},
		{"empty", os.O_WRONLY | os.O_APPEND, nil},
		{"no", os.O_RDONLY, fs.ErrNotExist},
		{"no", os.O_WRONLY | os.O_TRUNC, fs.ErrNotExist},
		{"no", os.O_WRONLY | os.O_APPEND, fs.ErrNotExist},
		{"no", os.O_WRONLY | os.O_CREATE, nil},
		{"no2", os.O_WRONLY | os.O_CREATE | os.O_EXCL, nil},
		{"pub", os.O_WRONLY | os.O_TRUNC, syscall.EISDIR},
		{".", os.O_WRONLY | os.O_CREATE | os.O_TRUNC, syscall.EISDIR},
	}
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for _, tt := range tests {
			f, err := fsys.OpenFile(tt.name, tt.flag, 0o666)
			if err == nil {
				err = f.Close()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("OpenFile(%s, %#x) = %v, want %v", tt.name, tt.flag, err, tt.want)
			}
		}
		w.left(t, "", "empty", "no", "no2", "pub")
	})
}

// TestHalfWritten writes two files and reads a third in turns over one
// connection.
func TestHalfWritten(t *testing.T) {
	everyServer(t, func(t *testing.T, w *world, fsys *ftpnat.FS) {
		in, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		var out [2]*ftpnat.File
		for i := range out {
			if out[i], err = fsys.Create(fmt.Sprintf("out%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		ancient := w.Server.Personality.Name == "Ancient"
		if ancient {
			// It cannot start in the middle, so the reading is done at once.
			if in, err = open(fsys, content); err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 60_000)
		for {
			n, err := io.ReadFull(in, buf)
			for _, f := range out {
				if _, err := f.Write(buf[:n]); err != nil {
					t.Fatal(err)
				}
			}
			if err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Fatal(err)
				}
				break
			}
		}
		for i, f := range out {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			w.has(t, fmt.Sprintf("out%d", i), string(content))
		}
	})
}

// open returns a file with the data that is on no server.
func open(_ *ftpnat.FS, data []byte) (fs.File, error) {
	return fstest.MapFS{"x": {Data: data}}.Open("x")
}

// TestCopyWithin copies from and to one server over one connection.
func TestCopyWithin(t *testing.T) {
	s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }}
	inBubble(t, s, func(t *testing.T, w *world) {
		plant(t, w.Server.Tree)
		fsys := w.openFS(t, "")
		sub, err := fsys.Sub("odd")
		if err != nil {
			t.Fatal(err)
		}
		if err := fsys.CopyFS("copy", sub); err != nil {
			t.Fatal(err)
		}
		for name, data := range treeFiles {
			if rest, ok := strings.CutPrefix(name, "odd/"); ok {
				w.has(t, "copy/"+rest, data)
			}
		}
		if err := fsys.CopyFS("copy", sub); !errors.Is(err, fs.ErrExist) {
			t.Errorf("CopyFS over files = %v", err)
		}
	})
}

// TestWriteVerdict has servers that refuse, lie about or lose an upload.
func TestWriteVerdict(t *testing.T) {
	var reply *ftpnat.ReplyError
	tests := []struct {
		name string
		step ftptest.Step
		want func(error) bool
	}{
		{"refused", ftptest.Step{On: "STOR", Reply: "553 Not here."}, func(err error) bool { return errors.As(err, &reply) && reply.Reply.Code == 553 }},
		{"quota at the end", ftptest.Step{On: "STOR", Final: "552 Quota exceeded."}, func(err error) bool { return errors.As(err, &reply) && reply.Reply.Code == 552 }},
		{"cut at the end", ftptest.Step{On: "STOR", Final: "426 Broken."}, func(err error) bool { return errors.As(err, &reply) && reply.Reply.Code == 426 }},
		{"another size", ftptest.Step{On: "SIZE", Reply: "213 7"}, func(err error) bool { return errors.Is(err, ftpnat.ErrMismatch) }},
		{"no verdict, right size", ftptest.Step{On: "STOR", Final: ftptest.None, Then: ftptest.Cut}, func(err error) bool { return err == nil }},
		{"busy once", ftptest.Step{On: "STOR", Nth: 1, Reply: "450 Busy."}, func(err error) bool { return err == nil }},
		{"250", ftptest.Step{On: "STOR", Final: "250 Stored."}, func(err error) bool { return err == nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Script = []ftptest.Step{tt.step} }}, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				if err := fsys.WriteFile("up", content, 0o666); !tt.want(err) {
					t.Errorf("WriteFile = %v", err)
				} else if err == nil {
					w.has(t, "up", string(content))
				}
			})
		})
	}
}

// TestUpload uploads to each kind of server, over a file that is there.
func TestUpload(t *testing.T) {
	everyServer(t, func(t *testing.T, w *world, fsys *ftpnat.FS) {
		for _, data := range [][]byte{content, content[:10], nil} {
			n, err := fsys.Upload("pub/up.bin", bytes.NewReader(data))
			if err != nil || n != int64(len(data)) {
				t.Errorf("Upload = %d, %v", n, err)
			}
			w.has(t, "pub/up.bin", string(data))
			w.left(t, "pub", "file.bin", "up.bin")
		}
		if _, err := fsys.Upload("no/up.bin", bytes.NewReader(content)); err == nil {
			t.Error("Upload into no directory succeeded")
		}
	})
}

// TestUploadResumes breaks the data connection of an upload.
func TestUploadResumes(t *testing.T) {
	for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset} {
		for _, rest := range []bool{true, false} {
			t.Run(fmt.Sprintf("%d/%v", kind, rest), func(t *testing.T) {
				s := setup{ftp: func(srv *ftptest.Server) {
					for i := range 3 {
						srv.Faults = append(srv.Faults, ftptest.Fault{On: ftptest.Data, Dir: ftptest.Received, Conn: i + 1, After: 50_000, Kind: kind})
					}
					if !rest {
						srv.Script = []ftptest.Step{{On: "REST", Reply: "501 Not for you."}}
					}
				}}
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					if _, err := fsys.Upload("up.bin", bytes.NewReader(content)); err != nil {
						t.Error(err)
					}
					w.has(t, "up.bin", string(content))
					w.left(t, "", "empty", "pub", "up.bin")
				})
			})
		}
	}
}

// TestUploadNeverReplaces has a server that does not rename over files.
func TestUploadNoReplace(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Script = []ftptest.Step{{On: "RNTO", Nth: 2, Reply: "550 File exists."}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for _, data := range []string{"old", "new"} {
			if _, err := fsys.Upload("up", strings.NewReader(data)); err != nil {
				t.Error(err)
			}
			w.has(t, "up", data)
		}
		w.left(t, "", "empty", "pub", "up")
	})
}

// TestUploadCancelled removes what an upload leaves behind.
func TestUploadCancelled(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) { srv.Limits.Rate = 10_000 }}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := fsys.WithContext(ctx).Upload("up", bytes.NewReader(content))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 6*time.Second {
			t.Errorf("Upload = %v after %v", err, time.Since(start))
		}
		w.left(t, "", "empty", "pub")
		failing := io.NewSectionReader(failingAt(100_000), 0, int64(len(content)))
		if _, err := fsys.Upload("up", failing); !errors.Is(err, errFailing) {
			t.Errorf("Upload of a source that fails = %v", err)
		}
		w.left(t, "", "empty", "pub")
	})
}

var errFailing = errors.New("the source fails")

// failingAt is content with an error from an offset on.
type failingAt int64

func (f failingAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > int64(f) {
		return 0, errFailing
	}
	return copy(p, content[off:]), nil
}

// TestChtimes sets times on every kind of server that can.
func TestChtimes(t *testing.T) {
	everyServer(t, func(t *testing.T, w *world, fsys *ftpnat.FS) {
		want := time.Date(2019, 3, 4, 5, 6, 7, 0, time.UTC)
		if err := fsys.Chtimes("empty", time.Time{}, want); err != nil {
			t.Fatal(err)
		}
		if info, err := w.Server.Tree.Stat("empty"); err != nil || !info.ModTime().Equal(want) {
			t.Errorf("the server has %v, %v", info.ModTime(), err)
		}
		if err := fsys.Chtimes("no", time.Time{}, want); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Chtimes of nothing: %v", err)
		}
		if err := fsys.Chmod("empty", 0o600); err != nil {
			t.Fatal(err)
		}
		if info, err := w.Server.Tree.Stat("empty"); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the server has %v, %v", info.Mode(), err)
		}
		if err := fsys.Chmod("no", 0o600); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Chmod of nothing: %v", err)
		}
	})
}

// TestCopyUp copies a tree from disk to the server, over real sockets.
func TestCopyUp(t *testing.T) {
	srv := &ftptest.Server{Tree: ftptest.NewTree(), Personality: ftptest.VSFTPD()}
	fsys := openLoopback(t, srv, nil)
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/big", bytes.Repeat(content, 60), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, data := range treeFiles {
		path := dir + "/" + name
		if err := os.MkdirAll(path[:strings.LastIndexByte(path, '/')], 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := fsys.CopyFS("up", os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if got, err := srv.Tree.ReadFile("up/big"); err != nil || !bytes.Equal(got, bytes.Repeat(content, 60)) {
		t.Errorf("the server has %d bytes of the big file, %v", len(got), err)
	}
	for name, data := range treeFiles {
		if got, err := srv.Tree.ReadFile("up/" + name); err != nil || string(got) != data {
			t.Errorf("the server has %q as %s, %v", got, name, err)
		}
	}
}
