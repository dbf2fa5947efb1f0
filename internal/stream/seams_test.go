package stream

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// TestPersist repeats tries until one has brought bytes, which are returned with its
// error, or has failed for good: without a pause first, if the transfer had been good
// for a while.
func TestPersist(t *testing.T) {
	lost := &proto.LostError{Err: io.EOF}
	refused := proto.Refusal("RETR x", proto.Reply{Code: 451, Lines: []string{"Later."}})
	type try struct {
		n   int
		err error
	}
	for _, c := range []struct {
		name   string
		steady bool
		first  error
		tries  []try
		paused bool
	}{
		{"bytes", false, lost, []try{{5, nil}}, true},
		{"bytes, at once", true, lost, []try{{5, nil}}, false},
		{"bytes, after a refusal", true, refused, []try{{5, nil}}, true},
		{"bytes and an error", false, lost, []try{{5, io.ErrShortWrite}}, true},
		{"bytes and an error that is worth another try", false, lost, []try{{5, lost}}, true},
		{"bytes and an error, at once", true, lost, []try{{5, io.ErrShortWrite}}, false},
		{"bytes and one that is worth another try, at once", true, lost, []try{{5, lost}}, false},
		{"no bytes at first", false, lost, []try{{0, lost}, {5, nil}}, true},
		{"no bytes at first, at once", true, lost, []try{{0, lost}, {5, nil}}, true},
		{"the end", false, lost, []try{{0, lost}, {0, io.EOF}}, true},
		{"the end, at once", true, lost, []try{{0, io.EOF}}, false},
	} {
		inWorld(t, setup{}, func(t *testing.T, w *world) {
			r := w.files.Reader(Source{Name: "file", Path: "file"})
			if r.opened = time.Now(); c.steady {
				time.Sleep(steadyFor)
			}
			start, calls := time.Now(), 0
			n, err := r.persist(w.ctx, c.first, func() (int, error) {
				if calls++; calls > len(c.tries) {
					return 0, io.ErrNoProgress
				}
				return c.tries[calls-1].n, c.tries[calls-1].err
			})
			last := c.tries[len(c.tries)-1]
			if n != last.n || !errors.Is(err, last.err) || (err == nil) != (last.err == nil) || calls != len(c.tries) || time.Now().After(start) != c.paused {
				t.Errorf("%s: %d, %v after %d tries in %v", c.name, n, err, calls, time.Since(start))
			}
		})
	}
}

// TestRestVerdict has a transfer be ended for others of which all had come and not all
// was read: what the server said of it is the verdict when it is read to its end.
func TestRestVerdict(t *testing.T) {
	for _, final := range []string{"", "552 No.", "451 Later."} {
		inWorld(t, scripted(ftptest.Step{On: "RETR", Nth: 1, Final: final}), func(t *testing.T, w *world) {
			if err := w.srv.Tree.WriteFile("short", content[:3000], 0o644); err != nil {
				t.Fatal(err)
			}
			r := w.files.Reader(Source{Name: "short", Path: "short", Entry: fileEntry(3000)})
			defer r.Stop(w.ctx)
			n, err := r.Read(w.ctx, make([]byte, 1000), 0)
			if n != 1000 || err != nil {
				t.Fatal(n, err)
			}
			idle()
			if err := w.look(w.ctx); err != nil {
				t.Fatal(err)
			}
			if r.run == nil || !r.run.over {
				t.Fatal("it was not ended")
			}
			sizes, retrs := w.sent("SIZE"), w.sent("RETR")
			got, err := readAllOf(w.ctx, r, 1000)
			if !bytes.Equal(got, content[1000:3000]) || (err == nil) != (final != "552 No.") {
				t.Errorf("%q: %d bytes, %v", final, len(got), err)
			}
			if asked := w.sent("SIZE")+w.sent("RETR") > sizes+retrs; asked != (final == "451 Later.") {
				t.Errorf("%q: asked again: %v", final, asked)
			}
		})
	}
}

// TestAtEnd reads at and beyond the end of a file that has grown or shrunk since its
// size was told: no transfer is begun there.
func TestAtEnd(t *testing.T) {
	size := int64(len(content))
	for _, c := range []struct {
		told, off int64
		retr      int
		want      error
	}{
		{size, size, 0, io.EOF},
		{size, size + 1, 0, io.EOF},
		{100, size, 0, io.EOF},
		{100, size + 1, 0, io.EOF},
		{100, size - 1, 1, nil},
		{100, 100, 1, nil},
		{2 * size, size - 1, 1, nil},
	} {
		inWorld(t, setup{}, func(t *testing.T, w *world) {
			r := w.files.Reader(Source{Name: "file", Path: "file", Entry: fileEntry(c.told)})
			defer r.Stop(w.ctx)
			n, err := r.Read(w.ctx, make([]byte, 10), c.off)
			if err != c.want || (n > 0) != (err == nil) || w.sent("RETR") != c.retr {
				t.Errorf("%d told, at %d: %d, %v, %d times RETR", c.told, c.off, n, err, w.sent("RETR"))
			}
		})
	}
}

// TestPastMost has all be compared up to so much, and the end beyond.
func TestPastMost(t *testing.T) {
	for off, want := range map[int64]int64{allMost: 0, allMost + 1: allMost + 1 - overlap} {
		p := past{end: off, tail: make([]byte, overlap), sum: new(maphash.Hash)}
		if got := p.start(off, true); got != want {
			t.Errorf("at %d: from %d", off, got)
		}
	}
}

// shrinking is a source that has less when it is read again after it was read so often.
type shrinking struct {
	*bytes.Reader
	whole int
	short *bytes.Reader
}

// Seek seeks.
func (s *shrinking) Seek(off int64, whence int) (int64, error) {
	if whence == io.SeekStart && off == 0 {
		s.whole--
	}
	if s.whole < 0 {
		return s.short.Seek(off, whence)
	}
	return s.Reader.Seek(off, whence)
}

// Read reads.
func (s *shrinking) Read(p []byte) (int, error) {
	if s.whole < 0 {
		return s.short.Read(p)
	}
	return s.Reader.Read(p)
}

// TestSourceShrinks has the source of an upload have less when it is read once more, to
// prove what the server has: nothing is called proven.
func TestSourceShrinks(t *testing.T) {
	for _, left := range []int{0, 100_000, len(fresh) - 1} {
		s := setup{ftp: func(s *ftptest.Server) {
			s.Faults = []ftptest.Fault{resetAt(1, 70_000), resetAt(2, 70_000)}
		}}
		inWorld(t, s, func(t *testing.T, w *world) {
			src := &shrinking{bytes.NewReader(fresh), 2, bytes.NewReader(fresh[:left])}
			if _, err := w.files.Upload(w.ctx, Target{Name: "file", Path: "file"}, src); !errors.Is(err, io.ErrUnexpectedEOF) || src.whole >= 0 {
				t.Errorf("%d bytes are left: %v", left, err)
			}
			w.has(t, "file", content)
			time.Sleep(time.Minute)
			w.names(t, "file")
		})
	}
}

// TestWriteProgress has nothing reported at once, not too often afterwards, and the end
// in any case: however the file is written.
func TestWriteProgress(t *testing.T) {
	for name, write := range map[string]func(w *world, out *Writer) error{
		"pieces": func(w *world, out *Writer) error {
			for at := 0; at < len(fresh); at += 10_000 {
				time.Sleep(meterEvery / 4)
				if _, err := out.Write(w.ctx, fresh[at:at+10_000]); err != nil {
					return err
				}
			}
			return nil
		},
		"one": func(w *world, out *Writer) error {
			_, err := out.Write(w.ctx, fresh)
			return err
		},
	} {
		inWorld(t, setup{}, func(t *testing.T, w *world) {
			calls, last, at := 0, trace.Progress{}, time.Now()
			begun := time.Time{}
			w.ctx = trace.With(w.ctx, &trace.Hooks{
				Reply: func(r proto.Reply) {
					if r.Code == 150 {
						begun = time.Now()
					}
				},
				Progress: func(p trace.Progress) {
					if calls++; p.Bytes < p.Total && (time.Since(at) < meterEvery || time.Since(begun) < meterEvery) {
						t.Errorf("%s: %+v, %v after the one before", name, p, time.Since(at))
					}
					last, at = p, time.Now()
				},
			})
			out := w.files.Writer(Target{Name: "up", Path: "up", Total: int64(len(fresh))})
			err := write(w, out)
			if cerr := out.Close(w.ctx); err != nil || cerr != nil {
				t.Error(err, cerr)
			}
			if last.Bytes != last.Total || last.Total != int64(len(fresh)) || calls == 0 || name == "pieces" && calls < 2 {
				t.Errorf("%s: %d calls, the last one %+v", name, calls, last)
			}
		})
	}
}

// TestRefusedAtOnce has the only connection be another's when a file is refused of which
// nothing more can be found out: the error does not wait for it.
func TestRefusedAtOnce(t *testing.T) {
	for reply, waits := range map[string]bool{"553 No.": false, "550 Permission denied.": true} {
		var asked chan struct{}
		s := setup{proven: true, ftp: func(s *ftptest.Server) {
			asked = make(chan struct{})
			s.Script = []ftptest.Step{{On: "STOR", Nth: 1, Reply: reply, Do: func() { close(asked) }}}
		}}
		inWorld(t, s, func(t *testing.T, w *world) {
			if err := w.look(w.ctx); err != nil {
				t.Fatal(err)
			}
			done := make(chan error)
			go func() {
				<-asked
				done <- w.files.With(w.ctx, func(*remote.Session) error {
					time.Sleep(time.Minute)
					return nil
				})
			}()
			start := time.Now()
			err := w.files.writeOnce(w.ctx, w.files.Writer(Target{Name: "up", Path: "up", Ours: true}), fresh[:10])
			if code := proto.ReplyOf(err).Code; waits != (err == nil) || !waits && code != 553 || (time.Since(start) > time.Minute) != waits {
				t.Errorf("%q: %v after %v", reply, err, time.Since(start))
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// lostFor has a command be lost so many times, from the nth on.
func lostFor(verb string, nth, times int) (all []ftptest.Step) {
	for i := range times {
		all = append(all, ftptest.Step{On: verb, Nth: nth + i, Reply: ftptest.None, Then: ftptest.Reset})
	}
	return all
}

// TestHashLost has the server's hash, which it has, never come: what it has is not
// called proven.
func TestHashLost(t *testing.T) {
	for _, times := range []int{1, 400} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) {
			s.Personality = ftptest.Plain()
			s.Script = lostFor("XSHA256", 1, times)
		}}, func(t *testing.T, w *world) {
			err := w.write("upload", fresh)
			if (err == nil) != (times == 1) || w.sent("XSHA256") < 2 {
				t.Errorf("lost %d times: %v", times, err)
			}
		})
	}
}

// TestAbortLost has what was written not be removed: Abort says so.
func TestAbortLost(t *testing.T) {
	inWorld(t, scripted(lostFor("DELE", 1, 100)...), func(t *testing.T, w *world) {
		out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
		if _, err := out.Write(w.ctx, fresh); err != nil {
			t.Fatal(err)
		}
		if err := out.Abort(w.ctx); err == nil {
			t.Error("nil, and it is still there")
		}
	})
}

// TestPutBack has the context end between the file that is replaced being moved away and
// the new one getting its name: the old one has it again.
func TestPutBack(t *testing.T) {
	for _, how := range []string{"upload", "atomic"} {
		var cancel context.CancelFunc
		inWorld(t, scripted(ftptest.Step{On: "RNTO", Nth: 1, Reply: "553 File exists."},
			ftptest.Step{On: "RNTO", Nth: 3, Reply: ftptest.None, Do: func() { cancel() }},
		), func(t *testing.T, w *world) {
			w.ctx, cancel = context.WithCancel(w.ctx)
			if err := w.write(how, fresh); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", how, err)
			}
			w.has(t, "file", content)
			time.Sleep(time.Minute)
			w.names(t, "file")
		})
	}
}

// TestSourceFails has the source of a whole file fail: that is the error, and the file is
// not ended.
func TestSourceFails(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		for _, total := range []int64{-1, 100, int64(len(fresh))} {
			out := w.files.Writer(Target{Name: "up", Path: "up", Total: total, Whole: true})
			n, err := out.ReadFrom(w.ctx, io.MultiReader(bytes.NewReader(fresh[:50]), iotest.ErrReader(io.ErrNoProgress)))
			if source, ok := errors.AsType[*SourceError](err); n != 50 || !ok || source.Err != io.ErrNoProgress || source.Error() != io.ErrNoProgress.Error() {
				t.Errorf("of %d: %d, %v", total, n, err)
			}
			if err := out.Abort(w.ctx); err != nil {
				t.Error(err)
			}
		}
		w.names(t, "file")
	})
}

// TestOneTry has a server have less of a file than it said, and no time for other tries:
// it is sent once.
func TestOneTry(t *testing.T) {
	for _, limit := range []time.Duration{-1, 0} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) {
			s.Faults = []ftptest.Fault{{On: ftptest.Data, Dir: ftptest.Received, After: 1000, Kind: ftptest.Drained}}
		}}, func(t *testing.T, w *world) {
			w.files.RetryFor = limit
			err := w.files.WriteFile(w.ctx, Target{Name: "up", Path: "up"}, fresh[:2000])
			if !errors.Is(err, proto.ErrMismatch) || w.sent("STOR") != 1 {
				t.Errorf("%v: %v after %d times STOR", limit, err, w.sent("STOR"))
			}
		})
	}
}

// TestListedMeanwhile has a directory be listed while a file in it is written: that
// listing is not kept.
func TestListedMeanwhile(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
		_, err := out.Write(w.ctx, fresh)
		idle()
		lerr := w.files.With(w.ctx, func(s *remote.Session) error {
			_, err := s.List(w.ctx, "")
			return err
		})
		if _, kept := w.files.Server.Recall(""); err != nil || lerr != nil || !kept {
			t.Fatal(err, lerr, kept)
		}
		if err := out.Close(w.ctx); err != nil {
			t.Error(err)
		}
		if _, kept := w.files.Server.Recall(""); kept {
			t.Error("a listing from before is kept")
		}
	})
}

// TestLentImpatiently has somebody who cannot wait for the server's verdict want the
// connection of an upload: the verdict is that of Close.
func TestLentImpatiently(t *testing.T) {
	for _, full := range []bool{true, false} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) {
			s.Limits.Rate = 20_000
			if full {
				s.Script = []ftptest.Step{{On: "STOR", Final: "552 Full."}}
			}
		}}, func(t *testing.T, w *world) {
			out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
			_, err := out.Write(w.ctx, fresh)
			idle()
			ctx, cancel := context.WithTimeout(w.ctx, time.Second)
			defer cancel()
			if lerr := w.look(ctx); err != nil || !errors.Is(lerr, context.DeadlineExceeded) {
				t.Fatal(err, lerr)
			}
			if err := out.Close(w.ctx); (proto.ReplyOf(err).Code == 552) != full || (err == nil) == full {
				t.Errorf("full %v: %v", full, err)
			}
		})
	}
}

// TestSameSizeProvesNothing has the verdict on a file be lost that is as long as the one
// that was there, on a server that tells no times: nobody can know which one is there.
func TestSameSizeProvesNothing(t *testing.T) {
	for size, want := range map[int]error{len(fresh): proto.ErrNoVerdict, len(fresh) - 1: nil} {
		inWorld(t, scripted(ftptest.Step{On: "MDTM", Reply: "500 What?"}, ftptest.Step{On: "STOR", Nth: 1, Final: ftptest.None, Then: ftptest.Reset}), func(t *testing.T, w *world) {
			if err := w.srv.Tree.WriteFile("up", content[:size], 0o644); err != nil {
				t.Fatal(err)
			}
			err := w.files.writeOnce(w.ctx, w.files.Writer(Target{Name: "up", Path: "up", Total: -1}), fresh)
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%d bytes were there: %v", size, err)
			}
		})
	}
}

// TestUnreadable has a server refuse to show what it has of an upload that broke twice
// and went on: nothing proves that, and all of it is sent once more.
func TestUnreadable(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Faults = []ftptest.Fault{resetAt(1, 70_000), resetAt(2, 70_000)}
		s.Script = []ftptest.Step{{On: "RETR", Reply: "550 Permission denied."}}
	}}
	inWorld(t, s, func(t *testing.T, w *world) {
		if _, err := w.files.Upload(w.ctx, Target{Name: "file", Path: "file"}, bytes.NewReader(fresh)); err != nil {
			t.Error(err)
		}
		w.has(t, "file", fresh)
		if n := w.sent("STOR"); n != 4 {
			t.Errorf("%d STOR", n)
		}
	})
}

// TestBrokenOrRefused remembers of an upload that a session may still write what it
// was sent, and not where the server has refused.
func TestBrokenOrRefused(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&proto.LostError{Err: io.EOF}, true}, {proto.ErrNoVerdict, true},
		{proto.Refusal("STOR file", proto.Reply{Code: 450, Lines: []string{"Busy."}}), false},
	} {
		u := new(upload)
		if err := u.broken(t.Context(), c.err); err != c.err || u.broke != c.want {
			t.Errorf("%v: %v, broke %v", c.err, err, u.broke)
		}
	}
}

// TestTooLongToHold has a listing break off behind more names than are remembered: what
// is listed then could not be told from them.
func TestTooLongToHold(t *testing.T) {
	d := Files{}.Dir("")
	d.seen = make([]uint64, maxSeen)
	if err := d.hold(t.Context()); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
}
