package tree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// content is a file that is large enough for three ranges.
var content = func() string {
	b := make([]byte, 200_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}()

// inRanges fetches the file and returns the notes, and the progress.
func inRanges(t *testing.T, src Source, conns int) (got map[string]string, notes []string, last trace.Progress, err error) {
	t.Helper()
	ctx := trace.With(t.Context(), &trace.Hooks{
		Note:     func(s string) { notes = append(notes, s) },
		Progress: func(p trace.Progress) { last = p },
	})
	opts := most(conns)
	opts.SplitOver = 150_000
	dst := t.TempDir()
	err = Fetch(ctx, src, opts, dst, ".")
	return localTree(t, dst), notes, last, err
}

func TestRanges(t *testing.T) {
	for conns := 1; conns <= 5; conns++ {
		srv := newServer(map[string]string{"file": content, "small": "small", "zero": ""})
		hashed := false
		srv.check = func(_ string, e listing.Entry, timed bool) (*Digest, error) {
			hashed = true
			sum := sha256.Sum256([]byte(content))
			if timed || e.Size != int64(len(content)) {
				t.Errorf("Check of %+v, timed: %v", e, timed)
			}
			return &Digest{"SHA256", strings.ToUpper(hex.EncodeToString(sum[:])), sha256.New}, nil
		}
		got, notes, last, err := inRanges(t, srv, conns)
		if err != nil || len(notes) > 0 {
			t.Errorf("%v, notes: %q", err, notes)
		}
		same(t, got, srv.tree())
		if srv.calls["close"] != srv.calls["open"] {
			t.Errorf("%d connections: %d files opened, %d closed", conns, srv.calls["open"], srv.calls["close"])
		}
		split := conns > 1
		want := trace.Progress{Name: "file", Bytes: int64(len(content)), Total: int64(len(content))}
		if n := srv.opens["file"]; hashed != split || split && (n != min(conns, 3) || last != want) {
			t.Errorf("%d connections: opened %d times, hashed: %v, %+v", conns, n, hashed, last)
		}
	}
}

// TestRangesDoubt has servers whose ranges do not make the file: it is fetched
// in one stream.
func TestRangesDoubt(t *testing.T) {
	size := int64(len(content))
	even := strings.Repeat("0123456789abcdef", len(content)/16)
	ignored := func(data string) func(string, int, int64) ([]byte, error) {
		return func(string, int, int64) ([]byte, error) { return []byte(data), nil }
	}
	at := func(which func(off int64) bool, other int64) func(string, int, int64) ([]byte, error) {
		return func(_ string, _ int, off int64) ([]byte, error) {
			if off > 0 && which(off) {
				off = other
			}
			return []byte(content)[off:], nil
		}
	}
	last := func(off int64) bool { return off > size/2 }
	middle := func(off int64) bool { return off < size/2 }
	begun := false
	for _, tt := range []struct {
		name    string
		data    string
		content func(name string, nth int, off int64) ([]byte, error)
		check   func(string, listing.Entry, bool) (*Digest, error)
	}{
		{name: "REST ignored", data: content, content: ignored(content)},
		{name: "REST ignored, the same all over", data: even, content: ignored(even)},
		{name: "REST to another place", data: content, content: at(middle, 1000)},
		{name: "REST too short", data: content, content: at(last, 1000)},
		{name: "REST too far", data: content, content: at(last, 190_000)},
		{name: "a range ends at its end", data: content, content: func(_ string, _ int, off int64) ([]byte, error) {
			if off == 0 && !begun {
				begun = true
				return []byte(content)[:66_666], nil
			}
			return []byte(content)[off:], nil
		}},
		{name: "more than there is", data: content, content: func(_ string, _ int, off int64) ([]byte, error) {
			if last(off) {
				return []byte(content + "x")[off:], nil
			}
			return []byte(content)[off:], nil
		}},
		{name: "REST refused", data: content, content: func(name string, _ int, off int64) ([]byte, error) {
			if off > 0 {
				return nil, errNoRestart(name)
			}
			return []byte(content), nil
		}},
		{name: "changed", data: content, content: func(_ string, _ int, off int64) ([]byte, error) {
			if off > 0 {
				return nil, proto.ErrChanged
			}
			return []byte(content), nil
		}},
		{name: "another hash", data: content, check: func(string, listing.Entry, bool) (*Digest, error) {
			return &Digest{"SHA256", strings.Repeat("0f", 32), sha256.New}, nil
		}},
		{name: "changed afterwards", data: content, check: func(string, listing.Entry, bool) (*Digest, error) {
			return nil, proto.ErrChanged
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(map[string]string{"file": tt.data})
			srv.content, srv.check = tt.content, tt.check
			got, notes, _, err := inRanges(t, srv, 4)
			if err != nil {
				t.Error(err)
			}
			same(t, got, srv.tree())
			if len(notes) != 1 || !strings.Contains(notes[0], "one stream") {
				t.Errorf("notes: %q", notes)
			}
		})
	}
}

// TestRangesTimed has a listing whose times are to the minute: the time is asked
// for first, compared afterwards, and asked for anew if there is a doubt.
func TestRangesTimed(t *testing.T) {
	for _, known := range []bool{true, false} {
		srv := newServer(map[string]string{"file": content})
		rough := &srv.files["file"].e
		rough.Precision, rough.Absolute = listing.PrecisionMinute, false
		srv.modTime = func(e *listing.Entry) error {
			if known {
				e.ModTime, e.Precision, e.Absolute = written, listing.PrecisionSecond, true
			}
			return nil
		}
		srv.check = func(_ string, e listing.Entry, timed bool) (*Digest, error) {
			if timed != known || isExact(e) != known {
				t.Errorf("Check of %+v, timed: %v", e, timed)
			}
			return nil, proto.ErrChanged
		}
		opened := opener{srv, func(how Opening) {
			if how.Quiet && how.Timed != known {
				t.Errorf("opened by %+v", how)
			}
			if how.Steady && known && how.Entry.Precision != listing.PrecisionNone {
				t.Errorf("opened anew by %+v", how)
			}
		}}
		got, _, _, err := inRanges(t, opened, 2)
		if err != nil {
			t.Error(err)
		}
		same(t, got, srv.tree())
	}
}

// TestRangesFail has a range fail: the error names the file, nothing is left.
func TestRangesFail(t *testing.T) {
	for _, off := range []int64{0, 66_666, 133_332} {
		srv := newServer(map[string]string{"file": content, "more": content})
		srv.content = func(name string, _ int, at int64) ([]byte, error) {
			if at == off && name == "file" {
				return []byte(content)[at : at+100], fs.ErrPermission
			}
			return []byte(content)[at:], nil
		}
		var pe *fs.PathError
		got, _, _, err := inRanges(t, srv, 4)
		if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &pe) || pe.Path != "file" {
			t.Errorf("Fetch = %v", err)
		}
		for name, data := range got {
			if name != "more" || !bytes.Equal([]byte(data), []byte(content)) {
				t.Errorf("%s is left", name)
			}
		}
	}
}

// failing is a server on which the nth opening of a file fails.
type failing struct {
	*fakeServer
	nth int
	err error

	opened atomic.Int64
}

// Open opens a file.
func (f *failing) Open(ctx context.Context, name string, how Opening) (File, error) {
	if f.opened.Add(1) == int64(f.nth) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
	}
	in, err := f.fakeServer.Open(ctx, name, how)
	if err == nil && errors.Is(f.err, proto.ErrLost) {
		return stuck{in, ctx}, nil
	}
	return in, err
}

// stuck is a file that comes only when its context has ended.
type stuck struct {
	File
	ctx context.Context
}

// Read waits.
func (s stuck) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// TestRangesOpen has one of the ranges not be opened: there is no file then. Where that
// concerns all, what the others wait for ends.
func TestRangesOpen(t *testing.T) {
	for _, cause := range []error{fs.ErrPermission, proto.ErrLost} {
		for nth := 1; nth <= 3; nth++ {
			srv := &failing{fakeServer: newServer(map[string]string{"file": content}), nth: nth, err: cause}
			got, _, _, err := inRanges(t, srv, 3)
			if !errors.Is(err, cause) || len(got) > 0 {
				t.Errorf("the %d. fails: %v, %v is there", nth, err, short(got))
			}
		}
	}
}
