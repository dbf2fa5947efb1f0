package ftpnat

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// loopback starts a server on a real socket and returns a session with it.
func loopback(t testing.TB, srv *ftptest.Server) *Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv.Start(ln)
	t.Cleanup(func() { srv.Close() })
	c, err := new(Dialer).Dial(t.Context(), ln.Addr().String())
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
	srv.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 2, Dir: ftptest.Sent, After: 3 << 20, Kind: ftptest.Reset}}
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
	if err := copyTo(readOnly); err == nil || !errors.Is(err, os.ErrPermission) && !strings.Contains(err.Error(), "bad file descriptor") {
		t.Errorf("a file that cannot be written: %v", err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := copyTo(out); err == nil {
		t.Error("a connection that was reset: no error")
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

// TestRegular keeps pipes off the kernel's path: the time of a socket would
// pass while nobody writes into one.
func TestRegular(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for v, want := range map[any]bool{r: false, w: false, file: true, new(bytes.Buffer): false} {
		if _, got := regular(v); got != want {
			t.Errorf("regular(%T %v) = %v", v, v, got)
		}
	}
}

// BenchmarkBulk moves 1 GiB over loopback and reports the time as a ratio to
// that of a bare TCP connection, measured in the same run.
func BenchmarkBulk(b *testing.B) {
	const size = 1 << 30
	srv := &ftptest.Server{Tree: ftptest.NewTree(), Discard: true}
	if err := srv.Tree.WriteFrom("zeros", nil, size, 0o644); err != nil {
		b.Fatal(err)
	}
	c := loopback(b, srv)
	for b.Loop() {
		start := time.Now()
		bare(b, size)
		base := time.Since(start)
		start = time.Now()
		rc, err := c.Retrieve(b.Context(), "zeros", 0)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, rc); err != nil || n != size {
			b.Fatal(n, err)
		}
		rc.Close()
		b.ReportMetric(float64(time.Since(start))/float64(base), "ratio")
		b.SetBytes(size)
	}
}

// bare moves zeros over a TCP connection, written as the test server does it.
func bare(b *testing.B, size int64) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err == nil {
			buf := make([]byte, 64<<10)
			for left := size; left > 0 && err == nil; left -= int64(len(buf)) {
				clear(buf)
				_, err = nc.Write(buf)
			}
			nc.Close()
		}
		done <- err
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	buf := make([]byte, bulkSize)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{nc}, buf); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
