package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestHashAgainst has the server's hash speak against an upload that went on where it
// broke: nothing else speaks for it, and it is sent again from its start.
func TestHashAgainst(t *testing.T) {
	inWorld(t, setup{ftp: func(s *ftptest.Server) {
		s.Personality, s.Faults = ftptest.Plain(), []ftptest.Fault{resetAt(1, 70_000)}
		s.Script = []ftptest.Step{{On: "XSHA256", Nth: 1, Reply: "250 52186c933993da4082b3cdc7c40bb4bf735b391ff54a2ef78c037dda6c38a680"}}
	}}, func(t *testing.T, w *world) {
		if err := w.write("upload", fresh); err != nil || len(w.resumed) != 1 || w.sent("RETR") > 0 || w.sent("XSHA256") != 2 {
			t.Errorf("%v, resumed %v, RETR %d times, XSHA256 %d", err, w.resumed, w.sent("RETR"), w.sent("XSHA256"))
		}
		w.has(t, "file", fresh)
	})
}

// TestEmptiedAndRefused has a file that is too long to be held break, and be emptied and
// refused when it is sent again: that there is nothing is no proof of it.
func TestEmptiedAndRefused(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain()} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) {
			s.Personality, s.Faults = p, []ftptest.Fault{resetAt(1, 70_000)}
			s.Script = []ftptest.Step{{On: "STOR", Nth: 1, Final: ftptest.None, Then: ftptest.Reset}, {On: "STOR", Nth: 2, After150: "552 Full."}}
		}}, func(t *testing.T, w *world) {
			err := w.files.WriteFile(w.ctx, Target{Name: "up", Path: "up"}, fresh)
			if proto.ReplyOf(err).Code != 552 || w.sent("STOR") != 2 {
				t.Errorf("%s: %v after %d times STOR", p.Name, err, w.sent("STOR"))
			}
			w.has(t, "up", nil)
		})
	}
}

// TestTimedFrom has a file whose time a listing told to the minute be asked for it if the
// file is long enough for its transfer to break.
func TestTimedFrom(t *testing.T) {
	for size, want := range map[int64]int{timedFrom - 1: 0, timedFrom: 1, timedFrom + 1: 1} {
		for _, exact := range []listing.Precision{listing.PrecisionMinute, listing.PrecisionSecond} {
			if exact == listing.PrecisionSecond {
				want = 0
			}
			inWorld(t, setup{}, func(t *testing.T, w *world) {
				if err := w.srv.Tree.WriteFile("some", content[:size], 0o644); err != nil {
					t.Fatal(err)
				}
				e := fileEntry(size)
				e.ModTime, e.Precision, e.Absolute = time.Now(), exact, true
				r := w.files.Reader(Source{Name: "some", Path: "some", Entry: e})
				defer r.Stop(w.ctx)
				if _, err := r.Read(w.ctx, make([]byte, 100), 0); err != nil || w.sent("MDTM") != want {
					t.Errorf("%d bytes, %v: %v, MDTM %d times", size, exact, err, w.sent("MDTM"))
				}
			})
		}
	}
}

// TestMostAndBroken has an error come along with more than is read at most: that is told.
func TestMostAndBroken(t *testing.T) {
	got, err := readUpTo(atOnce{}, 10_000, 4000)
	if err != io.ErrNoProgress || !bytes.Equal(got, content[:5000]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// atOnce reads bytes and fails with the same Read.
type atOnce struct{}

// Read reads.
func (atOnce) Read(p []byte) (int, error) { return copy(p, content[:5000]), io.ErrNoProgress }

// TestLentAndLost has the control connection break when an upload is ended for somebody
// else: that one has another, and what became of the file is found out.
func TestLentAndLost(t *testing.T) {
	inWorld(t, scripted(ftptest.Step{On: "STOR", Nth: 1, Final: ftptest.None, Then: ftptest.Reset}), func(t *testing.T, w *world) {
		out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
		if _, err := out.Write(w.ctx, fresh); err != nil {
			t.Fatal(err)
		}
		idle()
		ctx, cancel := context.WithTimeout(w.ctx, 5*time.Second)
		defer cancel()
		if err := w.look(ctx); err != nil {
			t.Error(err)
		}
		if err := out.Close(w.ctx); err != nil {
			t.Error(err)
		}
		w.has(t, "up", fresh)
	})
}

// TestSizeLost has the question for the size of a file that was written be lost whenever
// it is asked, and no time for other tries: it is asked as often as a session does by
// itself. The file was ended for somebody else, or not.
func TestSizeLost(t *testing.T) {
	for _, lent := range []bool{false, true} {
		first, want := 1, 3
		if lent {
			first, want = 2, 4 // the other one has asked too
		}
		inWorld(t, scripted(lostFor("SIZE", first, 100)...), func(t *testing.T, w *world) {
			w.files.RetryFor = -1
			out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1, Ours: true})
			_, err := out.Write(w.ctx, fresh)
			if idle(); lent && err == nil {
				err = w.look(w.ctx)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := out.Close(w.ctx); !errors.Is(err, proto.ErrLost) || w.sent("SIZE") != want {
				t.Errorf("lent %v: %v after %d times SIZE", lent, err, w.sent("SIZE"))
			}
		})
	}
}

// TestLocalErrorOnce has a local file fail in the middle of a copy: no other try is made.
func TestLocalErrorOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		local, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer local.Close()
		r := w.reader(t)
		defer r.Stop(w.ctx)
		m, err := r.Read(w.ctx, make([]byte, 1000), 0)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(steadyFor)
		n, err := r.CopyTo(w.ctx, local, int64(m))
		if _, ok := errors.AsType[*os.PathError](err); n != 0 || !ok || w.sent("RETR") != 1 {
			t.Errorf("%d, %v after %d times RETR", n, err, w.sent("RETR"))
		}
	})
}
