package ftpnat_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// loopback starts a server on a real socket and returns a session with it.
func loopback(t testing.TB, srv *ftptest.Server) *ftpnat.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv.Start(ln)
	t.Cleanup(func() { srv.Close() })
	c, err := new(ftpnat.Dialer).Dial(t.Context(), ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestBulk sends a file each way by the kernel's path, and through memory.
func TestBulk(t *testing.T) {
	const size = 5<<20 + 7
	data := bytes.Repeat(content, size/len(content)+1)[:size]
	srv := &ftptest.Server{Tree: ftptest.NewTree()}
	c := loopback(t, srv)
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	if err := os.WriteFile(src, data, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, r := range []io.Reader{file, bytes.NewReader(data)} {
		n, err := c.Store(t.Context(), "f", r)
		if err != nil || n != size {
			t.Fatalf("%T: stored %d bytes, %v", r, n, err)
		}
		if got, err := srv.Tree.ReadFile("f"); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%T: the server has %d other bytes, %v", r, len(got), err)
		}
	}
	dst, err := os.Create(filepath.Join(dir, "dst"))
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	sum := sha256.New()
	for _, w := range []io.Writer{dst, sum} {
		rc, err := c.Retrieve(t.Context(), "f", 0)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(w, rc)
		if err != nil || n != size {
			t.Fatalf("%T: read %d bytes, %v", w, n, err)
		}
		rc.Close()
	}
	if got, err := os.ReadFile(dst.Name()); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the file has %d other bytes, %v", len(got), err)
	}
	if want := sha256.Sum256(data); !bytes.Equal(sum.Sum(nil), want[:]) {
		t.Error("other bytes through memory")
	}
}

// TestBulkErrors tells an error of the caller's file from one of the network.
func TestBulkErrors(t *testing.T) {
	srv := &ftptest.Server{Tree: ftptest.NewTree()}
	if err := srv.Tree.WriteFile("f", bytes.Repeat(content, 40), 0o644); err != nil {
		t.Fatal(err)
	}
	srv.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, After: 3 << 20, Kind: ftptest.Reset}}
	c := loopback(t, srv)
	readOnly, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	copyTo := func(w io.Writer) error {
		rc, err := c.Retrieve(t.Context(), "f", 0)
		if err != nil {
			return err
		}
		defer rc.Close()
		_, err = io.Copy(w, rc)
		return err
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := copyTo(out); err == nil {
		t.Error("a connection that was reset: no error")
	}
	if err := copyTo(readOnly); err == nil || !errors.Is(err, os.ErrPermission) && !strings.Contains(err.Error(), "bad file descriptor") {
		t.Errorf("a file that cannot be written: %v", err)
	}
	if err := copyTo(out); err != nil {
		t.Errorf("after it: %v", err)
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := c.Store(t.Context(), "dir", dir); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory as the source: %v", err)
	}
}

// TestIdleUploadCancelled leaves no file that looks complete: the server is not
// told that this was the end.
func TestIdleUploadCancelled(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer fsys.Close()
		ctx, cancel := context.WithCancel(w.ctx)
		f, err := fsys.WithContext(ctx).Create("half")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rtt)
		cancel()
		time.Sleep(time.Minute)
		if err := f.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v", err)
		}
		for _, d := range w.Server.Transcript() {
			if _, after, stored := strings.Cut(d.String(), "STOR half"); stored && strings.Contains(after, "S: 226") {
				t.Errorf("the server took the file for complete:\n%s", d)
			}
		}
	})
}
