package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// scripted sets what goes wrong.
func scripted(steps ...ftptest.Step) setup {
	return setup{proven: true, ftp: func(s *ftptest.Server) { s.Script = steps }}
}

// TestLostTwiceAtRename loses the reply to RNTO, which was not carried out, and then
// the answer to what became of it: nil is not until the file has its name.
func TestLostTwiceAtRename(t *testing.T) {
	lost := ftptest.Step{Reply: ftptest.None, Then: ftptest.Reset}
	for nth := 2; nth < 5; nth++ {
		rename, question := lost, lost
		rename.On, rename.Nth, question.On, question.Nth = "RNTO", 1, "SIZE", nth
		for _, how := range []string{"upload", "atomic"} {
			inWorld(t, scripted(rename, question), func(t *testing.T, w *world) {
				if err := w.write(how, fresh); err != nil {
					t.Error(err)
				}
				w.has(t, "file", fresh)
				w.names(t, "file")
			})
		}
	}
}

// TestMarkLost has the questions fail without which a file is not known again: it is
// not read then.
func TestMarkLost(t *testing.T) {
	inWorld(t, scripted(ftptest.Step{On: "MDTM", Reply: ftptest.None, Then: ftptest.Reset}), func(t *testing.T, w *world) {
		for _, asked := range []bool{true, false} {
			r := w.files.Reader(Source{Name: "file", Path: "file", Entry: fileEntry(int64(len(content))), Asked: asked})
			n, err := r.Read(w.ctx, make([]byte, 100), 0)
			if n != 0 || err == nil {
				t.Errorf("asked %v: %d, %v", asked, n, err)
			}
			r.Stop(w.ctx)
		}
	})
}

// TestSharedSize has two Readers of one file: what one finds out of its size the other
// knows.
func TestSharedSize(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		src := Source{Name: "file", Path: "file", Entry: fileEntry(-1)}
		first := w.files.Reader(src)
		src.Size = first.src.Size
		second := w.files.Reader(src)
		if _, err := ReadAll(&through{r: first, ctx: w.ctx}, -1); err != nil {
			t.Error(err)
		}
		if n := second.progress().Total; n != int64(len(content)) {
			t.Errorf("the other one knows of %d bytes", n)
		}
	})
}

// TestProgress has nothing reported at once, not too often afterwards, and the end in
// any case.
func TestProgress(t *testing.T) {
	for _, rate := range []int64{0, 100_000} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Limits.Rate = rate }}, func(t *testing.T, w *world) {
			r := w.reader(t)
			start, last, calls := time.Now(), trace.Progress{}, 0
			ctx := trace.With(w.ctx, &trace.Hooks{Progress: func(p trace.Progress) {
				if calls++; p.Bytes < p.Total && time.Since(start) < meterEvery {
					t.Errorf("%+v after %v", p, time.Since(start))
				}
				last = p
			}})
			if _, err := ReadAll(&through{r: r, ctx: ctx}, -1); err != nil {
				t.Error(err)
			}
			size := int64(len(content))
			if last.Bytes != size || last.Total != size || calls > 1+int(time.Since(start)/meterEvery) || rate > 0 && calls < 3 {
				t.Errorf("%d calls in %v, the last one %+v", calls, time.Since(start), last)
			}
		})
	}
}

// TestLateFEAT has what is waited for ahead of a question not come: the question is
// not asked, and that is an error.
func TestLateFEAT(t *testing.T) {
	inWorld(t, scripted(ftptest.Step{On: "FEAT", Delay: time.Minute}), func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(w.ctx, 2*time.Second)
		defer cancel()
		asked := false
		err := w.files.With(ctx, func(*remote.Session) error {
			asked = true
			return nil
		})
		if (err == nil) != asked {
			t.Errorf("asked %v, %v", asked, err)
		}
	})
}

// TestWriteAfterError writes on when an error was returned: that is returned again.
func TestWriteAfterError(t *testing.T) {
	inWorld(t, scripted(ftptest.Step{On: "STOR", Reply: "552 Full."}), func(t *testing.T, w *world) {
		out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
		_, first := out.Write(w.ctx, fresh)
		for range 2 {
			if n, err := out.Write(w.ctx, fresh[:100]); n != 0 || err == nil || err != first {
				t.Errorf("%d, %v, after %v", n, err, first)
			}
		}
		if n, err := out.ReadFrom(w.ctx, bytes.NewReader(fresh)); n != 0 || err != first {
			t.Errorf("ReadFrom: %d, %v", n, err)
		}
		if err := out.Close(w.ctx); err != first {
			t.Error(err)
		}
	})
}

// TestLentOtherwise has a server refuse APPE for an upload that was ended for others:
// it goes on by REST and STOR. What is refused for good is the error.
func TestLentOtherwise(t *testing.T) {
	for _, reply := range []string{"500 What?", "550 No.", "502 Not here."} {
		for _, rest := range []bool{true, false} {
			s := scripted(ftptest.Step{On: "APPE", Reply: reply})
			if !rest {
				s = scripted(ftptest.Step{On: "APPE", Reply: reply}, ftptest.Step{On: "REST", Reply: "502 Not here."})
			}
			inWorld(t, s, func(t *testing.T, w *world) {
				out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
				_, err := out.Write(w.ctx, content[:100_000])
				idle()
				lerr := w.look(w.ctx)
				if err != nil || lerr != nil {
					t.Fatal(err, lerr)
				}
				_, err = out.Write(w.ctx, content[100_000:])
				if cerr := out.Close(w.ctx); err == nil {
					err = cerr
				}
				if (err == nil) != rest {
					t.Errorf("%s, REST %v: %v", reply, rest, err)
				}
				if rest {
					w.has(t, "up", content)
				}
			})
		}
	}
}

// TestLentChanged has a file changed by somebody else while its upload was ended for
// others: nothing is added to it.
func TestLentChanged(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
		_, err := out.Write(w.ctx, content[:100_000])
		idle()
		lerr := w.look(w.ctx)
		if err != nil || lerr != nil {
			t.Fatal(err, lerr)
		}
		if err := w.srv.Tree.WriteFile("up", []byte("another"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err = out.Write(w.ctx, content[100_000:])
		if cerr := out.Close(w.ctx); !errors.Is(err, proto.ErrMismatch) || cerr == nil {
			t.Error(err, cerr)
		}
		w.has(t, "up", []byte("another"))
	})
}

// TestCopyToPieces copies to a local file, with breaks, from several offsets and to
// several places: what is there is what was asked for.
func TestCopyToPieces(t *testing.T) {
	for _, c := range []struct{ off, at int64 }{{0, 0}, {0, 1000}, {150_000, 0}, {150_000, 77}} {
		for _, after := range []int64{-1, 10_000, 30_000} {
			inWorld(t, setup{ftp: func(s *ftptest.Server) {
				if after >= 0 {
					s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, After: after, Kind: ftptest.Reset}}
				}
			}}, func(t *testing.T, w *world) {
				name := filepath.Join(t.TempDir(), "local")
				local, err := os.Create(name)
				if err != nil {
					t.Fatal(err)
				}
				defer local.Close()
				if _, err := local.Seek(c.at, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				r := w.reader(t)
				defer r.Stop(w.ctx)
				n, err := r.CopyTo(w.ctx, local, c.off)
				got, rerr := os.ReadFile(name)
				if want := content[c.off:]; n != int64(len(want)) || err != nil || rerr != nil || !bytes.Equal(got[c.at:], want) {
					t.Errorf("%+v, a reset after %d: %d, %v, %v", c, after, n, err, rerr)
				}
			})
		}
	}
}

// TestReplacedBehindBreak has a file replaced by one of the same size, whose time is
// not told, when its transfer breaks: it is not read on, whichever question tells.
func TestReplacedBehindBreak(t *testing.T) {
	for _, mdtm := range []bool{true, false} {
		for _, size := range []int{len(content), len(content) - 1} {
			var steps []ftptest.Step
			if !mdtm {
				steps = []ftptest.Step{{On: "MDTM", Reply: "500 What?"}, {On: "SIZE", Nth: 2, Reply: "550 Not now."}}
			}
			inWorld(t, setup{ftp: func(s *ftptest.Server) {
				s.Script = steps
				s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, After: 70_000, Kind: ftptest.Reset}}
			}}, func(t *testing.T, w *world) {
				r := w.files.Reader(Source{Name: "file", Path: "file", Asked: true, Entry: listing.Entry{Name: "file", Type: listing.TypeFile, Size: int64(len(content))}})
				defer r.Stop(w.ctx)
				if _, err := r.Read(w.ctx, make([]byte, 100), 0); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if err := w.srv.Tree.WriteFile("file", fresh[:min(size, len(fresh))], 0o644); err != nil {
					t.Fatal(err)
				}
				_, err := ReadAll(&through{r: r, ctx: w.ctx, off: 100}, -1)
				if !errors.Is(err, proto.ErrChanged) {
					t.Errorf("MDTM %v, %d bytes: %v", mdtm, size, err)
				}
			})
		}
	}
}

// TestUploadGoesOn has uploads break: whether one goes on where it broke depends on the
// server's hash, on how often it broke, on what the server has, and on whether it has
// refused to go on before.
func TestUploadGoesOn(t *testing.T) {
	resets := func(n int) (all []ftptest.Fault) {
		for i := range n {
			all = append(all, resetAt(i+1, 70_000))
		}
		return all
	}
	broken := ftptest.Step{On: "STOR", Nth: 1, Final: "426 Broken."}
	for _, c := range []struct {
		name   string
		p      ftptest.Personality
		faults []ftptest.Fault
		script []ftptest.Step
		rests  int // REST above zero
	}{
		{"a hash, one break", ftptest.Plain(), resets(1), nil, 1},
		{"no hash, one break", ftptest.VSFTPD(), resets(1), nil, 0},
		{"no hash, two breaks", ftptest.VSFTPD(), resets(2), nil, 1},
		{"refused, and broken again", ftptest.Plain(), resets(3), []ftptest.Step{{On: "REST", Reply: "502 No."}, {On: "APPE", Reply: "502 No."}}, 1},
		{"all of it is there", ftptest.Plain(), nil, []ftptest.Step{broken}, 0},
		{"more is there", ftptest.Plain(), nil, []ftptest.Step{broken, {On: "SIZE", Nth: 1, Reply: "213 999999"}}, 0},
		{"nothing is there", ftptest.Plain(), nil, []ftptest.Step{broken, {On: "SIZE", Nth: 1, Reply: "213 0"}}, 0},
		{"one byte is missing", ftptest.Plain(), nil, []ftptest.Step{broken, {On: "SIZE", Nth: 1, Reply: "213 179999"}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Personality, s.Faults, s.Script = c.p, c.faults, c.script }}, func(t *testing.T, w *world) {
				if err := w.write("upload", fresh); err != nil {
					t.Error(err)
				}
				w.has(t, "file", fresh)
				rests := 0
				for _, d := range w.srv.Transcript() {
					for _, line := range d.Commands() {
						if strings.HasPrefix(line, "REST ") && line != "REST 0" {
							rests++
						}
					}
				}
				if rests != c.rests {
					t.Errorf("REST was sent %d times, want %d", rests, c.rests)
				}
				time.Sleep(time.Minute)
				w.names(t, "file")
			})
		})
	}
}

// TestReadFileChanged has more come than the file has by SIZE: it is to be read again,
// and nothing else is.
func TestReadFileChanged(t *testing.T) {
	for _, c := range []struct {
		name    string
		steps   []ftptest.Step
		changed bool
	}{
		{"less by SIZE", []ftptest.Step{{On: "SIZE", Reply: "213 7"}, {On: "RETR", Preliminary: "150 Here it comes."}}, true},
		{"refused at its end", []ftptest.Step{{On: "RETR", Final: "550 No."}}, false},
		{"no verdict", []ftptest.Step{{On: "RETR", Final: ftptest.None, Then: ftptest.Reset}}, false},
	} {
		inWorld(t, scripted(c.steps...), func(t *testing.T, w *world) {
			got, err := w.files.ReadFile(w.ctx, "file")
			if err == nil && bytes.Equal(got, content) && c.changed {
				return // what came before the first byte was old
			}
			if err == nil || errors.Is(err, proto.ErrChanged) != c.changed || errors.Is(err, proto.ErrShort) != c.changed {
				t.Errorf("%s: %d bytes, %v", c.name, len(got), err)
			}
		})
	}
}

// TestSkip reads on within a transfer to get to an offset that is near, and begins
// another one for what is far, or behind.
func TestSkip(t *testing.T) {
	big := bytes.Repeat(fresh, 4)
	for _, c := range []struct {
		off   int64
		retrs int
	}{{1000, 1}, {1001, 1}, {1000 + maxSkip, 1}, {1001 + maxSkip, 2}, {999, 2}, {0, 2}} {
		inWorld(t, setup{}, func(t *testing.T, w *world) {
			if err := w.srv.Tree.WriteFile("big", big, 0o644); err != nil {
				t.Fatal(err)
			}
			r := w.files.Reader(Source{Name: "big", Path: "big", Entry: fileEntry(int64(len(big)))})
			defer r.Stop(w.ctx)
			for _, off := range []int64{0, c.off} {
				p := make([]byte, 1000)
				if err := readAllAt(w.ctx, r, p, off); err != nil || !bytes.Equal(p, big[off:off+1000]) {
					t.Errorf("at %d: %v", off, err)
				}
			}
			if n := w.sent("RETR"); n != c.retrs {
				t.Errorf("at %d: %d times RETR", c.off, n)
			}
		})
	}
}

// TestReadable tells local files apart by whether what is written to them can be read.
func TestReadable(t *testing.T) {
	for _, c := range []struct {
		flag int
		data string
		want bool
	}{{os.O_RDWR, "", true}, {os.O_RDWR, "x", true}, {os.O_WRONLY, "", false}, {os.O_WRONLY, "x", false}} {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(c.data), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, c.flag, 0)
		if err != nil {
			t.Fatal(err)
		}
		if readable(f) != c.want {
			t.Errorf("%+v: %v", c, !c.want)
		}
		f.Close()
	}
}

// TestDotNames has a server that took one name with a dot refuse another file: the dot
// is not to blame, and no name without it is tried. One that refused the first keeps
// to names without.
func TestDotNames(t *testing.T) {
	for nth, want := range map[int]proto.Finding{2: proto.Yes, 1: proto.No} {
		inWorld(t, scripted(ftptest.Step{On: "STOR", Nth: nth, Reply: "553 Prohibited file name."}), func(t *testing.T, w *world) {
			first := w.write("upload", fresh[:1000])
			known, before := w.files.Server.Knows(remote.DotNames), w.sent("STOR")
			second := w.write("upload", fresh[:1000])
			if first != nil || known != want || (second == nil) != (nth == 1) || w.sent("STOR") != before+1 {
				t.Errorf("refused the %d. time: %v, then known %v; %v after %d more STOR", nth, first, known, second, w.sent("STOR")-before)
			}
		})
	}
}

// TestWholeBlind has nothing be known of what was there before: the size proves
// nothing then, whatever it is.
func TestWholeBlind(t *testing.T) {
	lost := errors.New("lost")
	for _, have := range []int64{-1, 0, 10, 11} {
		w := &Writer{base: -1, n: 10}
		if err := w.whole(have, lost); err != lost {
			t.Errorf("%d: %v", have, err)
		}
		if err := w.whole(have, nil); err != nil {
			t.Errorf("%d: %v", have, err)
		}
	}
}

// TestStopLent gives up a file whose upload was ended for others: the connection is
// as good as before.
func TestStopLent(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
		_, err := out.Write(w.ctx, fresh)
		idle()
		lerr := w.look(w.ctx) // which ends it
		if err != nil || lerr != nil {
			t.Fatal(err, lerr)
		}
		if err := out.Abort(w.ctx); err != nil {
			t.Error(err)
		}
		if err := w.look(w.ctx); err != nil {
			t.Errorf("the connection is not good any more: %v", err)
		}
		if n := len(w.srv.Transcript()); n != 1 {
			t.Errorf("%d connections", n)
		}
		time.Sleep(time.Minute)
		w.names(t, "file")
	})
}
