package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestAnyEnd has goroutines do whatever comes to their mind over two connections
// or one, with contexts that end at any time; some connections break, and the FS
// is closed in the middle. What succeeds is right, and nothing is left behind.
func TestAnyEnd(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := setup{
				ftp: func(srv *ftptest.Server) {
					all := ftptest.Personalities()
					srv.Personality = all[int(seed)%len(all)]
					srv.Limits.Rate = 2 << 20
					for i := 3; i < 60; i += 9 {
						srv.Faults = append(srv.Faults, ftptest.Fault{On: ftptest.Data, Conn: i, After: 20_000, Kind: ftptest.Reset})
					}
				},
				dialer: func(d *ftpnat.Dialer) { d.MaxConns, d.SplitOver = 1+int(seed)%2, 100_000 },
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				dir := t.TempDir()
				var group sync.WaitGroup
				for g := range 6 {
					r := rand.New(rand.NewPCG(seed, uint64(g)))
					group.Go(func() {
						for i := range 25 {
							(&hurried{t, w, fsys, r}).act(fmt.Sprintf("%d-%d", g, i), dir)
						}
					})
				}
				if seed%3 == 0 {
					time.Sleep(time.Duration(rand.New(rand.NewPCG(seed, 99)).IntN(20_000)) * time.Millisecond)
					fsys.Close()
				}
				group.Wait()
				wholeBelow(t, dir)
			})
		})
	}
}

// wholeBelow fails the test where a local file is not whole.
func wholeBelow(t *testing.T, dir string) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		got, err := os.ReadFile(path)
		if d.Name() != "file.bin" || !bytes.Equal(got, content) {
			t.Errorf("%s is left, with %d bytes", path, len(got))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// hurried does things with little patience.
type hurried struct {
	t    *testing.T
	w    *world
	fsys *ftpnat.FS
	r    *rand.Rand
}

func (h *hurried) act(name, dir string) {
	ctx := h.t.Context()
	if h.r.IntN(3) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(h.r.IntN(2_000))*time.Millisecond)
		defer cancel()
	}
	fsys := h.fsys.WithContext(ctx)
	var err error
	switch n := h.r.IntN(10); n {
	case 0, 1:
		var got []byte
		if got, err = fsys.ReadFile("pub/file.bin"); err == nil && !bytes.Equal(got, content) {
			h.t.Errorf("ReadFile: %d other bytes", len(got))
		}
	case 2, 3:
		err = h.read(fsys)
	case 4, 5, 6:
		err = h.write(fsys, "up"+name)
	case 7:
		if _, err = fsys.Upload("whole"+name, bytes.NewReader(content)); err == nil {
			h.w.has(h.t, "whole"+name, string(content))
		}
	case 8:
		err = fs.WalkDir(fsys, ".", func(_ string, _ fs.DirEntry, err error) error { return err })
	default:
		err = fsys.Fetch(dir+"/"+name, "pub")
	}
	var pe *fs.PathError
	if err != nil && !errors.As(err, &pe) {
		h.t.Errorf("%s: %v", name, err)
	}
	if ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		h.t.Errorf("%s: %v, and its context has not ended", name, err)
	}
}

// read reads a part of a file, in pieces.
func (h *hurried) read(fsys *ftpnat.FS) error {
	f, err := fsys.OpenFile("pub/file.bin", os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	for range 1 + h.r.IntN(4) {
		off := h.r.Int64N(int64(len(content)))
		p := make([]byte, 1+h.r.IntN(60_000))
		n, err := f.ReadAt(p, off)
		if !bytes.Equal(p[:n], content[off:off+int64(n)]) {
			h.t.Errorf("ReadAt %d: %d other bytes", off, n)
		}
		if err != nil && err != io.EOF {
			return err
		}
		time.Sleep(time.Duration(h.r.IntN(100)) * time.Millisecond)
	}
	return nil
}

// write writes a file in pieces.
func (h *hurried) write(fsys *ftpnat.FS, name string) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	n := h.r.IntN(len(content))
	for data := content[:n]; len(data) > 0 && err == nil; {
		k := min(len(data), 1+h.r.IntN(90_000))
		_, err = f.Write(data[:k])
		data = data[k:]
		time.Sleep(time.Duration(h.r.IntN(100)) * time.Millisecond)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		h.w.has(h.t, name, string(content[:n]))
	}
	return err
}
