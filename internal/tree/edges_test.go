package tree

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// TestFetchEnds makes nothing more after an error that concerns more than one name.
func TestFetchEnds(t *testing.T) {
	srv := newServer(map[string]string{"a": "a", "b/c": "c"})
	srv.content = func(string, int, int64) ([]byte, error) { return nil, proto.ErrClosed }
	dst := t.TempDir()
	if err := Fetch(t.Context(), srv, most(1), dst, "."); !errors.Is(err, proto.ErrClosed) {
		t.Errorf("Fetch = %v", err)
	}
	same(t, localTree(t, dst), map[string]string{})
}

// TestFetchEmpty opens an empty file by its listing, which has a size.
func TestFetchEmpty(t *testing.T) {
	var opened []Opening
	src := opener{newServer(map[string]string{"d/empty": ""}), func(how Opening) { opened = append(opened, how) }}
	if err := Fetch(t.Context(), src, most(1), t.TempDir(), "d"); err != nil {
		t.Error(err)
	}
	if len(opened) != 1 || opened[0].Entry == nil {
		t.Errorf("opened by %+v", opened)
	}
}

// TestLocalErrorNamesOnce has an error of package os: the file is named by its
// full path and no second time.
func TestLocalErrorNamesOnce(t *testing.T) {
	dst := t.TempDir()
	if err := os.WriteFile(filepath.Join(dst, "d"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Fetch(t.Context(), newServer(map[string]string{"d/a": "a"}), most(1), dst, ".")
	var outer, inner *fs.PathError
	if !errors.As(err, &outer) || outer.Path != filepath.Join(dst, "d") || errors.As(outer.Err, &inner) {
		t.Errorf("Fetch = %v", err)
	}
}

// unseekable is a File that cannot be begun anew.
type unseekable struct{ File }

func (unseekable) WriteTo(io.Writer) (int64, error) { return 0, errNoRestart("a") }
func (unseekable) Seek(int64, int) (int64, error)   { return 0, fs.ErrClosed }

// TestCopyAnewFails has a copy that must be begun anew and cannot: that is its
// error, whichever step it is that fails.
func TestCopyAnewFails(t *testing.T) {
	out, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	l := &landing{at: new(place), fetch: &fetch{}, to: "a", out: out}
	if err := l.copy(unseekable{}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("copy = %v", err)
	}
	readOnly, err := os.Open(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	l.out = readOnly
	if err := l.copy(unseekable{}); err == nil || errors.Is(err, fs.ErrClosed) {
		t.Errorf("copy to a file that cannot be emptied = %v", err)
	}
}

// TestRangesRefused has the server refuse what is asked before and after the
// ranges: no doubt is cast on these by that.
func TestRangesRefused(t *testing.T) {
	for name, refuse := range map[string]func(*fakeServer){
		"the time": func(s *fakeServer) {
			s.files["file"].e.Absolute = false
			s.modTime = func(*listing.Entry) error { return fs.ErrPermission }
		},
		"the check": func(s *fakeServer) {
			s.check = func(string, listing.Entry, bool) (*Digest, error) { return nil, fs.ErrPermission }
		},
	} {
		srv := newServer(map[string]string{"file": content})
		refuse(srv)
		got, notes, _, err := inRanges(t, srv, 4)
		if !errors.Is(err, fs.ErrPermission) || !slices.Equal(notes, []string{"permission denied: the copy goes on"}) || len(got) > 0 {
			t.Errorf("%s: %v, notes: %q, %d files", name, err, notes, len(got))
		}
	}
}

// TestRangesShort has the data end behind a range, in what it has in common with
// the next one.
func TestRangesShort(t *testing.T) {
	srv := newServer(map[string]string{"file": content})
	cut := false
	srv.content = func(_ string, _ int, off int64) ([]byte, error) {
		if off == 0 && !cut {
			cut = true
			return []byte(content)[:len(content)/3+10], nil
		}
		return []byte(content)[off:], nil
	}
	got, notes, _, err := inRanges(t, srv, 4)
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "one stream") {
		t.Errorf("%v, notes: %q", err, notes)
	}
	same(t, got, srv.tree())
}

// TestRangesProgress reports the progress at first and at the end, as no time
// passes in between.
func TestRangesProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports []int64
		ctx := trace.With(t.Context(), &trace.Hooks{Progress: func(p trace.Progress) { reports = append(reports, p.Bytes) }})
		opts := most(3)
		opts.SplitOver = 150_000
		if err := Fetch(ctx, newServer(map[string]string{"file": content}), opts, t.TempDir(), "file"); err != nil {
			t.Error(err)
		}
		if len(reports) != 2 || reports[1] != int64(len(content)) {
			t.Errorf("reports at %v", reports)
		}
	})
}

// TestWorkersRemain has jobs come more slowly than they are done: there are no
// more workers for that.
func TestWorkersRemain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorkers(t.Context(), most(2))
		var running atomic.Int32
		for range 20 {
			_ = w.do(func() error {
				if n := running.Add(1); n > 2 {
					t.Errorf("%d jobs at once", n)
				}
				time.Sleep(time.Second)
				running.Add(-1)
				return nil
			})
			time.Sleep(300 * time.Millisecond)
		}
		if err := w.wait(nil); err != nil {
			t.Error(err)
		}
	})
}
