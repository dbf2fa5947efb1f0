package ftpnat

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

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// TestHoldBack leaves a large file to the kernel, and holds all that is small.
func TestHoldBack(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const size = holdMost + 1
	if _, err := file.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at     int64
		inside bool // something that is not the system's
		held   int  // and there is no rest; -1 where the rest is all
	}{
		{at: 0, held: -1},
		{at: 1, held: holdMost},
		{at: size, held: 0},
		{at: 0, inside: true, held: -1},
		{at: 1, inside: true, held: holdMost},
	} {
		if _, err := file.Seek(tt.at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		r := io.Reader(file)
		if tt.inside {
			r = struct{ io.Reader }{file}
		}
		held, rest, err := holdBack(r)
		if err != nil {
			t.Fatal(err)
		}
		if tt.held >= 0 {
			if rest != nil || len(held) != tt.held {
				t.Errorf("%+v: %d bytes are held, and there is %T", tt, len(held), rest)
			}
			continue
		}
		if left, err := io.Copy(io.Discard, rest); len(held) > 0 || left != size || err != nil {
			t.Errorf("%+v: %d bytes are held, and %d left, %v", tt, len(held), left, err)
		}
		if isFile := rest == r; isFile == tt.inside {
			t.Errorf("%+v: the rest is a %T", tt, rest)
		}
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
	var inCopy hidden
	if _, err := io.Copy(&inCopy, file); err != nil {
		t.Fatal(err)
	}
	type ownRead struct{ *os.File }
	for v, want := range map[any]bool{r: false, w: false, file: true, inCopy.r: true, ownRead{file}: false, new(bytes.Buffer): false} {
		if _, got := regular(v); got != want {
			t.Errorf("regular(%T %v) = %v", v, v, got)
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

// TestByHand copies where the kernel does not, and in the kernel where it does.
func TestByHand(t *testing.T) {
	srv := &ftptest.Server{Tree: ftptest.NewTree()}
	data := bytes.Repeat(ftpworld.Content, 10)
	if err := srv.Tree.WriteFile("f", data, 0o644); err != nil {
		t.Fatal(err)
	}
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
	for name, flag := range map[string]int{"a file": 0, "a file to append to": os.O_APPEND} {
		t.Run(name, func(t *testing.T) {
			dst, err := os.OpenFile(filepath.Join(t.TempDir(), "dst"), os.O_CREATE|os.O_WRONLY|flag, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer dst.Close()
			rc, err := c.Retrieve(t.Context(), "f", 0)
			if err != nil {
				t.Fatal(err)
			}
			defer rc.Close()
			if n, err := io.Copy(dst, rc); err != nil || n != int64(len(data)) {
				t.Errorf("read %d bytes, %v", n, err)
			}
			if got, err := os.ReadFile(dst.Name()); err != nil || !bytes.Equal(got, data) {
				t.Errorf("the file has %d other bytes, %v", len(got), err)
			}
			if byHand := rc.(*download).ch.byHand; runtime.GOOS == "linux" && byHand != (flag != 0) {
				t.Errorf("by hand: %v", byHand)
			}
		})
	}
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
	if _, err := file.Write(ftpworld.Content); err != nil {
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
	ch := &channel{nc: nc}
	if n, err, rerr := ch.sendfile(nc.(*net.TCPConn), noSocket{file}); n != 0 || err != nil || rerr != errByHand {
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
		ch := &channel{nc: ours}
		move := func() (int64, error) {
			n, err := ours.Read(make([]byte, 1))
			return int64(n), err
		}
		const pause = stall - time.Second
		go func() {
			for range 3 {
				time.Sleep(pause)
				theirs.Write([]byte{1})
			}
		}()
		start := time.Now()
		for i := range 3 {
			if n, err := ch.piece(move); n != 1 || err != nil {
				t.Errorf("piece %d: %d bytes, %v", i, n, err)
			}
		}
		if took := time.Since(start); took != 3*pause {
			t.Errorf("took %v, want %v", took, 3*pause)
		}
		start = time.Now()
		n, err := ch.piece(move)
		if took := time.Since(start); n != 0 || !errors.Is(err, ErrStalled) || took != stall {
			t.Errorf("nothing came: %d bytes, %v after %v", n, err, took)
		}
		if ch.n != 3 {
			t.Errorf("counted %d bytes", ch.n)
		}
	})
}

// TestAnnounced finds the size in a 150 where there is one.
func TestAnnounced(t *testing.T) {
	for text, want := range map[string]int64{
		"Opening BINARY mode data connection for f (1234 bytes).":  1234,
		"Opening BINARY mode data connection for a (b) (0 bytes).": 0,
		"Opening data connection for f(17 bytes)":                  17,
		"for x bytes) (5 bytes)":                                   5,
		"(12 34 bytes)":                                            -1,
		"(-5 bytes)":                                               -1,
		"(+5 bytes)":                                               -1,
		"( bytes)":                                                 -1,
		"7 bytes)":                                                 -1,
		"(1234567890123456789 bytes)":                              -1,
		"(999999999999999999 bytes)":                               999999999999999999,
		"1234.5 kbytes to download":                                -1,
		"":                                                         -1,
	} {
		got, told := announced(Reply{Code: 150, Lines: []string{text}})
		if !told {
			got = -1
		}
		if got != want {
			t.Errorf("%q tells %d, want %d", text, got, want)
		}
	}
}
