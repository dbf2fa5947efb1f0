package stream

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestPast compares what was handed on with what is there now.
func TestPast(t *testing.T) {
	other := bytes.Clone(content)
	other[49_999]++
	early := bytes.Clone(content)
	early[10]++
	for _, c := range []struct {
		name string
		all  bool
		now  []byte
		want error
	}{
		{"the same", false, content, nil},
		{"another end", false, other, errDiffers},
		{"another beginning, and the end is compared", false, early, nil},
		{"all of it", true, content, nil},
		{"another beginning", true, early, errDiffers},
		{"shorter", true, content[:20_000], io.EOF},
	} {
		for _, local := range []bool{false, true} {
			var p past
			p.begin(0, c.all)
			if local {
				f, err := os.Create(filepath.Join(t.TempDir(), "f"))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				for off := 0; off < 50_000; off += 25_000 {
					n, err := f.Write(content[off : off+25_000])
					if err != nil {
						t.Fatal(err)
					}
					p.copied(f, int64(n))
				}
			} else {
				for off := 0; off < 50_000; off += 1000 {
					p.took(content[off : off+1000])
				}
			}
			from := p.start(50_000, c.all)
			if c.all != (from == 0) || from == 50_000 || p.start(40_000, c.all) != 40_000 {
				t.Fatalf("%s, local %v: from %d", c.name, local, from)
			}
			if err := p.same(bytes.NewReader(c.now[min(from, int64(len(c.now))):]), from); !errors.Is(err, c.want) {
				t.Errorf("%s, local %v: %v, want %v", c.name, local, err, c.want)
			}
		}
	}
}

// TestReadReplaced has another file of the same size and time take the place of
// the one that was begun.
func TestReadReplaced(t *testing.T) {
	other := bytes.Clone(content)
	for i := range other {
		other[i]++
	}
	replace := func(s *ftptest.Server) {
		cut(ftptest.Reset, 1)(s)
		s.Limits.Rate = 20_000 // the rest would take seconds
		s.Script = []ftptest.Step{{On: "REST", Do: func() {
			info, err := s.Tree.Stat("file")
			if err == nil && s.Tree.WriteFile("file", other, 0o644) == nil {
				err = s.Tree.Chtimes("file", info.ModTime())
			}
			if err != nil {
				panic(err)
			}
		}}}
	}
	for _, flag := range []int{-1, os.O_RDWR, os.O_WRONLY} {
		inWorld(t, setup{ftp: replace}, func(t *testing.T, w *world) {
			r := w.reader(t)
			var err error
			if flag < 0 {
				_, err = readAllOf(w.ctx, r, 0)
			} else {
				out, oerr := os.OpenFile(filepath.Join(t.TempDir(), "out"), flag|os.O_CREATE, 0o600)
				if oerr != nil {
					t.Fatal(oerr)
				}
				defer out.Close()
				_, err = r.CopyTo(w.ctx, out, 0)
			}
			if !errors.Is(err, proto.ErrChanged) {
				t.Errorf("flag %d: %v", flag, err)
			}
			start := time.Now()
			if err := w.look(w.ctx); err != nil || time.Since(start) > time.Second {
				t.Errorf("flag %d, and then: %v after %v", flag, err, time.Since(start))
			}
			if n := len(w.srv.Transcript()); n != 2 { // the first one was lost
				t.Errorf("flag %d: %d connections", flag, n)
			}
		})
	}
}

// TestPastElsewhere goes on with a copy in another local file, or at another place of
// it: what came before is not there, and is not compared.
func TestPastElsewhere(t *testing.T) {
	create := func() *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	for name, next := range map[string]func(first *os.File) (*os.File, int64){
		"there":         func(first *os.File) (*os.File, int64) { return first, 1000 },
		"another file":  func(*os.File) (*os.File, int64) { return create(), 1000 },
		"another place": func(first *os.File) (*os.File, int64) { return first, 5000 },
	} {
		var p past
		p.begin(0, true)
		put := func(f *os.File, off, at int64) {
			if _, err := f.Seek(at, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			n, err := f.Write(content[off : off+1000])
			if err != nil {
				t.Fatal(err)
			}
			p.copied(f, int64(n))
		}
		first := create()
		put(first, 0, 0)
		second, at := next(first)
		put(second, 1000, at)
		want := int64(1000)
		if name == "there" {
			want = 0
		}
		from := p.start(2000, true)
		if err := p.same(bytes.NewReader(content[from:]), from); from != want || err != nil {
			t.Errorf("%s: from %d, %v", name, from, err)
		}
	}
}
