package data

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

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
	var inCopy hidden
	if _, err := io.Copy(&inCopy, file); err != nil {
		t.Fatal(err)
	}
	type ownRead struct{ *os.File }
	for v, want := range map[any]bool{r: false, w: false, file: true, inCopy.r: true, ownRead{file}: false, new(bytes.Buffer): false} {
		if _, got := Regular(v); got != want {
			t.Errorf("Regular(%T %v) = %v", v, v, got)
		}
	}
}

// hidden keeps what io.Copy makes of its source.
type hidden struct {
	io.Writer
	r io.Reader
}

func (h *hidden) ReadFrom(r io.Reader) (int64, error) {
	h.r = r
	return 0, nil
}

// noSocket is a file that is none to the kernel.
type noSocket struct{ *os.File }

func (noSocket) SyscallConn() (syscall.RawConn, error) { return nil, errors.ErrUnsupported }

// TestNoSendfile leaves a file as it is where the kernel cannot send it.
func TestNoSendfile(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := New(nc, Upload)
	if n, err, rerr := c.sendfile(nc.(*net.TCPConn), noSocket{file}); n != 0 || err != nil || rerr != errByHand {
		t.Errorf("%d bytes, %v, %v", n, err, rerr)
	}
	if at, err := file.Seek(0, io.SeekCurrent); at != 0 || err != nil {
		t.Errorf("the file stands at %d, %v", at, err)
	}
}

// TestPiece limits how long a connection stands still, and not how long a
// piece takes.
func TestPiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		c := New(ours, Download)
		move := func() (int64, error) {
			n, err := ours.Read(make([]byte, 1))
			return int64(n), err
		}
		const pause = Stall - time.Second
		go func() {
			for range 3 {
				time.Sleep(pause)
				theirs.Write([]byte{1})
			}
		}()
		start := time.Now()
		for i := range 3 {
			if n, err := c.piece(move); n != 1 || err != nil {
				t.Errorf("piece %d: %d bytes, %v", i, n, err)
			}
		}
		if took := time.Since(start); took != 3*pause {
			t.Errorf("took %v, want %v", took, 3*pause)
		}
		start = time.Now()
		n, err := c.piece(move)
		if took := time.Since(start); n != 0 || !errors.Is(err, proto.ErrStalled) || took != Stall {
			t.Errorf("nothing came: %d bytes, %v after %v", n, err, took)
		}
		if c.n != 3 {
			t.Errorf("counted %d bytes", c.n)
		}
	})
}

// tcp returns the two ends of a real connection.
func tcp(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ours, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	theirs, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

// TestCopyTo has the kernel write a file if it can, with what Peek has read
// before it.
func TestCopyTo(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	for name, flag := range map[string]int{"a file": 0, "a file to append to": os.O_APPEND} {
		t.Run(name, func(t *testing.T) {
			dst, err := os.OpenFile(filepath.Join(t.TempDir(), "dst"), os.O_CREATE|os.O_WRONLY|flag, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer dst.Close()
			ours, theirs := tcp(t)
			c := New(ours, Download)
			defer c.Close()
			go func() {
				theirs.Write(content)
				theirs.Close()
			}()
			<-c.Peek()
			n, err, werr := c.CopyAllTo(dst)
			if n != int64(len(content)) || err != io.EOF || werr != nil || c.Count() != n {
				t.Errorf("%d bytes, %v, %v; counted %d", n, err, werr, c.Count())
			}
			if got, err := os.ReadFile(dst.Name()); err != nil || !bytes.Equal(got, content) {
				t.Errorf("the file has %d other bytes, %v", len(got), err)
			}
			if runtime.GOOS == "linux" && c.byHand != (flag != 0) {
				t.Errorf("by hand: %v", c.byHand)
			}
		})
	}
}

// TestCopyFrom has the kernel send a file if it can.
func TestCopyFrom(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	file, err := os.Create(filepath.Join(t.TempDir(), "src"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(content); err != nil {
		t.Fatal(err)
	}
	for _, r := range []io.Reader{file, noSocket{file}, struct{ io.Reader }{file}, File{noSocket{file}}} {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		ours, theirs := tcp(t)
		got := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(theirs)
			got <- all
		}()
		c := New(ours, Upload)
		err, rerr := c.CopyAllFrom(r)
		if err != nil || rerr != nil || c.Count() != int64(len(content)) {
			t.Errorf("%T: %v, %v; counted %d", r, err, rerr, c.Count())
		}
		c.Close()
		if all := <-got; !bytes.Equal(all, content) {
			t.Errorf("%T: %d other bytes came", r, len(all))
		}
		if _, kernel := r.(*os.File); runtime.GOOS == "linux" && kernel && c.byHand {
			t.Error("a file went by hand")
		}
	}
}

// failing returns an error of its own after some bytes.
type failing struct{ err error }

func (f failing) Read(p []byte) (int, error)  { return copy(p, "half"), f.err }
func (f failing) Write(p []byte) (int, error) { return len(p) / 2, f.err }

// TestWhoseError tells the caller's errors from those of the network.
func TestWhoseError(t *testing.T) {
	mine := errors.New("mine")
	ours, theirs := tcp(t)
	c := New(ours, Upload)
	defer c.Close()
	if err, rerr := c.CopyAllFrom(failing{mine}); err != nil || rerr != mine || c.Count() != 4 {
		t.Errorf("reading fails: %v, %v, %d bytes", err, rerr, c.Count())
	}
	theirs.Write([]byte("1234"))
	if n, err, werr := c.CopyAllTo(failing{mine}); n != 2 || err != nil || werr != mine {
		t.Errorf("writing fails: %d, %v, %v", n, err, werr)
	}
	theirs.Write([]byte("1234"))
	if n, err, werr := c.CopyAllTo(failing{}); n != 2 || err != nil || werr != io.ErrShortWrite {
		t.Errorf("a short write: %d, %v, %v", n, err, werr)
	}
	readOnly, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	theirs.Write([]byte("1234"))
	if _, err, werr := c.CopyAllTo(readOnly); err != nil || werr == nil {
		t.Errorf("a file that cannot be written: %v, %v", err, werr)
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err, rerr := c.CopyAllFrom(dir); err != nil || rerr == nil {
		t.Errorf("a directory as the source: %v, %v", err, rerr)
	}
}
