package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// fresh is what is uploaded in place of content.
var fresh = bytes.Repeat([]byte("new"), 60_000)

// resetAt resets the data connection of an upload.
func resetAt(conn int, after int64) ftptest.Fault {
	return ftptest.Fault{On: ftptest.Data, Conn: conn, Dir: ftptest.Received, After: after, Kind: ftptest.Reset}
}

// TestUploadAgain has uploads that do not go through at once, on servers with
// manners of their own: C2 to C5 and C16 of the field's report, and A0.
func TestUploadAgain(t *testing.T) {
	steps := func(p ftptest.Personality, more ...any) func(*ftptest.Server) {
		return func(s *ftptest.Server) {
			s.Personality = p
			for _, m := range more {
				switch m := m.(type) {
				case ftptest.Step:
					s.Script = append(s.Script, m)
				case ftptest.Fault:
					s.Faults = append(s.Faults, m)
				}
			}
		}
	}
	dots := ftptest.Step{On: "STOR", Reply: "553 Prohibited file name: that", Arg: ".part"}
	noRest := []any{resetAt(1, 70_000), resetAt(2, 70_000), ftptest.Step{On: "REST", Reply: "350 Go on."},
		ftptest.Step{On: "STOR", Nth: 3, Reply: "451 Append/Restart not permitted, try again"},
		ftptest.Step{On: "APPE", Reply: "451 Append/Restart not permitted, try again"}}
	for name, ftp := range map[string]func(*ftptest.Server){
		"no restarts":         steps(ftptest.ProFTPD(), noRest...),
		"a lock, and silence": steps(ftptest.VSFTPD(), resetAt(1, 70_000), ftptest.Step{On: "STOR", Nth: 2, Reply: ftptest.None}),
		"short, and 226":      steps(ftptest.VSFTPD(), ftptest.Fault{On: ftptest.Data, Conn: 1, Dir: ftptest.Received, After: 1000, Kind: ftptest.Drained}),
		"REST ignored":        steps(ftptest.VSFTPD(), resetAt(1, 70_000), resetAt(2, 70_000), ftptest.Step{On: "REST", Reply: "350 Fine."}),
		"write-behind":        steps(ftptest.WriteBehind(2 * time.Second)),
		"always a reset":      steps(ftptest.Plain(), resetAt(0, 70_000)),
		"no verdict":          steps(ftptest.VSFTPD(), ftptest.Step{On: "STOR", Nth: 1, Final: ftptest.None, Then: ftptest.Reset}),
		"a hash that is lost": steps(ftptest.Plain(), ftptest.Step{On: "XSHA256", Nth: 1, Then: ftptest.Reset}),
		"no reading back": steps(ftptest.VSFTPD(), resetAt(1, 70_000), resetAt(2, 70_000),
			ftptest.Step{On: "RETR", Reply: "550 Permission denied."}),
	} {
		for _, size := range []int{10_000, len(fresh)} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				inWorld(t, setup{ftp: ftp}, func(t *testing.T, w *world) {
					_, err := w.files.Upload(w.ctx, Target{Name: "file", Path: "file"}, bytes.NewReader(fresh[:size]))
					if err != nil {
						t.Error(err)
					}
					w.has(t, "file", fresh[:size])
					time.Sleep(time.Minute)
					w.names(t, "file")
				})
			})
		}
	}
	inWorld(t, setup{ftp: steps(ftptest.PureFTPd(), withDot(dots)...)}, func(t *testing.T, w *world) {
		for i := range 3 {
			before := w.sent("STOR")
			if _, err := w.files.Upload(w.ctx, Target{Name: "file", Path: "file"}, bytes.NewReader(fresh[:100])); err != nil {
				t.Error(err)
			}
			if n := w.sent("STOR") - before; i > 0 && n != 1 {
				t.Errorf("%d times STOR: what the server refuses was not remembered", n)
			}
		}
		w.names(t, "file")
	})
}

// withDot has the first name with a dot be refused: the one without is another.
func withDot(s ftptest.Step) []any {
	s.Nth = 1
	return []any{s}
}

// TestLateSTOR has a session that was given up read its STOR when the file has been
// sent again, which empties what has that name: it must not be the name that the
// file is put in place from. Nothing of that stays.
func TestLateSTOR(t *testing.T) {
	for _, size := range []int{10_000, len(fresh)} {
		for _, how := range []string{"upload", "atomic"} {
			for _, then := range []ftptest.Ending{ftptest.Keep, ftptest.Reset} {
				t.Run(fmt.Sprint(how, " ", size, " ", then), func(t *testing.T) {
					inWorld(t, setup{ftp: func(s *ftptest.Server) {
						s.Script = []ftptest.Step{{On: "STOR", Nth: 1, Reply: ftptest.None, Then: then},
							{On: "RNFR", Nth: 1, Do: func() {
								empty := func() { s.Tree.WriteFile(stored(s)[0], nil, 0o644) }
								empty()
								time.AfterFunc(300*time.Millisecond, empty) // it is removed again
							}}}
					}}, func(t *testing.T, w *world) {
						// The fast way is for a mode that has worked.
						if _, err := w.files.ReadFile(w.ctx, "file"); err != nil {
							t.Fatal(err)
						}
						if err := w.write(how, fresh[:size]); err != nil {
							t.Error(err)
						}
						w.has(t, "file", fresh[:size])
						time.Sleep(time.Minute)
						w.names(t, "file")
					})
				})
			}
		}
	}
}

// stored returns the names that a server was given with STOR.
func stored(s *ftptest.Server) (names []string) {
	for _, d := range s.Transcript() {
		for _, line := range d.Commands() {
			if name, ok := strings.CutPrefix(line, "STOR "); ok {
				names = append(names, name)
			}
		}
	}
	return names
}

// write writes "file" so that it appears when it is whole.
func (w *world) write(how string, data []byte) error {
	if how == "upload" {
		_, err := w.files.Upload(w.ctx, Target{Name: "file", Path: "file"}, bytes.NewReader(data))
		return err
	}
	out := w.files.Atomic(Target{Name: "file", Path: "file", Total: -1})
	_, err := out.Write(w.ctx, data)
	if cerr := out.Close(w.ctx); err == nil {
		err = cerr
	}
	return err
}

// TestUploadResumedProof goes on where an upload broke only if the whole can be
// proven: by a hash at once, else by reading back when it has broken twice.
func TestUploadResumedProof(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD()} {
		t.Run(p.Name, func(t *testing.T) {
			inWorld(t, setup{ftp: func(s *ftptest.Server) {
				s.Personality, s.Faults = p, []ftptest.Fault{resetAt(1, 70_000), resetAt(2, 70_000)}
			}}, func(t *testing.T, w *world) {
				if _, err := w.files.Upload(w.ctx, Target{Name: "file", Path: "file"}, bytes.NewReader(fresh)); err != nil {
					t.Error(err)
				}
				w.has(t, "file", fresh)
				hashes := p.Name == "Plain"
				if back := w.sent("RETR") > 0; back == hashes {
					t.Errorf("read back: %v, and the server hashes: %v", back, hashes)
				}
				if len(w.resumed) == 0 {
					t.Error("it was not resumed")
				}
			})
		})
	}
}

// TestUploadSource uploads a file of the same server over one connection, which must
// not wait for itself: C12.
func TestUploadSource(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD()} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Personality = p }}, func(t *testing.T, w *world) {
			ctx, cancel := context.WithTimeout(w.ctx, 5*time.Minute)
			defer cancel()
			src := &remoteSource{r: w.files.Reader(Source{Name: "file", Path: "file", Entry: fileEntry(int64(len(content)))}), ctx: ctx}
			defer src.r.Stop(ctx)
			if _, err := w.files.Upload(ctx, Target{Name: "copy", Path: "copy"}, src); err != nil {
				t.Error(err)
			}
			w.has(t, "copy", content)
		})
	}
}

// TestWritePlainly has uploads under public names that end without a verdict: what
// was there before decides whether its size proves anything (A1), a name that was
// missing is empty (A0b).
func TestWritePlainly(t *testing.T) {
	lost := ftptest.Step{On: "STOR", Nth: 1, Final: ftptest.None, Then: ftptest.Reset}
	refused := ftptest.Step{On: "STOR", Nth: 2, Reply: "553 No."}
	for _, c := range []struct {
		name, old string
		script    []ftptest.Step
		size      int
		want      error
	}{
		{"new", "", []ftptest.Step{lost}, 100_000, nil},
		{"another size", "old", []ftptest.Step{lost}, 100_000, nil},
		{"small, again", strings.Repeat("o", 100), []ftptest.Step{lost}, 100, nil},
		{"small, refused", strings.Repeat("o", 100), []ftptest.Step{lost, refused}, 100, proto.ErrNoVerdict},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Script = c.script }}, func(t *testing.T, w *world) {
				if c.old != "" {
					if err := w.srv.Tree.WriteFile("up", []byte(c.old), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
				_, err := out.Write(w.ctx, content[:c.size])
				if cerr := out.Close(w.ctx); err == nil {
					err = cerr
				}
				if !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if c.want == nil {
					w.has(t, "up", content[:c.size])
				}
			})
		})
	}
}

// TestAtomic writes files that appear when they are whole.
func TestAtomic(t *testing.T) {
	for _, size := range []int{0, 100, len(fresh)} {
		for _, end := range []string{"close", "abort", "refused", "cut"} {
			t.Run(fmt.Sprint(size, " ", end), func(t *testing.T) {
				inWorld(t, setup{ftp: func(s *ftptest.Server) {
					switch end {
					case "refused":
						s.Script = []ftptest.Step{{On: "STOR", Final: "552 Quota exceeded."}}
					case "cut":
						s.Script = []ftptest.Step{{On: "RNTO", Nth: 1, Reply: ftptest.None, Then: ftptest.Reset}}
					}
				}}, func(t *testing.T, w *world) {
					out := w.files.Atomic(Target{Name: "file", Path: "file", Total: -1})
					_, err := out.Write(w.ctx, fresh[:size])
					if size == 0 {
						err = nil
					}
					w.has(t, "file", content)
					if end == "abort" {
						if aerr := out.Abort(w.ctx); err != nil || aerr != nil {
							t.Error(err, aerr)
						}
						w.has(t, "file", content)
						w.names(t, "file")
						return
					}
					if cerr := out.Close(w.ctx); err == nil {
						err = cerr
					}
					want := fresh[:size]
					if end == "refused" {
						want = content
					}
					if (err != nil) != (end == "refused") {
						t.Error(err)
					}
					w.has(t, "file", want)
					w.names(t, "file")
				})
			})
		}
	}
}

// TestAbort gives files up.
func TestAbort(t *testing.T) {
	hidden := ftptest.HiddenStores()
	for _, c := range []struct {
		p     ftptest.Personality
		name  string
		size  int
		stays bool // what was there
		add   bool
	}{
		{ftptest.VSFTPD(), "file", 100, true, false},
		{ftptest.VSFTPD(), "file", len(fresh), false, false},
		{ftptest.VSFTPD(), "other", len(fresh), true, false},
		{hidden, "file", len(fresh), true, false},
		{ftptest.VSFTPD(), "file", 100, true, true},
	} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Personality = c.p }}, func(t *testing.T, w *world) {
			out := w.files.Writer(Target{Name: c.name, Path: c.name, Total: -1, Append: c.add})
			if _, err := out.Write(w.ctx, fresh[:c.size]); err != nil {
				t.Error(err)
			}
			if err := out.Abort(w.ctx); errors.Is(err, errors.ErrUnsupported) != c.add || err != nil && !c.add {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := out.Close(w.ctx); err == nil {
				t.Error("Close after Abort: nil")
			}
			time.Sleep(time.Minute)
			switch {
			case c.add:
			case c.stays:
				w.has(t, "file", content)
				w.names(t, "file")
			default:
				w.names(t)
			}
		})
	}
}

// TestWriteFileAgain sends what is in memory again, whatever its size: C18.
func TestWriteFileAgain(t *testing.T) {
	for _, size := range []int{10_000, len(fresh)} {
		for _, reply := range []string{"451 Local error.", "426 Broken.", "450 Busy."} {
			inWorld(t, setup{ftp: func(s *ftptest.Server) {
				for i := 1; i <= 2; i++ {
					s.Script = append(s.Script, ftptest.Step{On: "STOR", Nth: i, Final: reply})
					s.Faults = append(s.Faults, resetAt(i, 3000))
				}
			}}, func(t *testing.T, w *world) {
				if err := w.files.WriteFile(w.ctx, Target{Name: "up", Path: "up", Total: int64(size)}, fresh[:size]); err != nil {
					t.Errorf("%s: %v", reply, err)
				}
				w.has(t, "up", fresh[:size])
			})
		}
	}
}

// TestOddNames has servers that store a file under another name: an error, and
// nothing stays that has the same name for the server (A8, C20).
func TestOddNames(t *testing.T) {
	for _, name := range []string{"a\tb", "end "} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Personality = ftptest.PureFTPd() }}, func(t *testing.T, w *world) {
			err := w.files.WriteFile(w.ctx, Target{Name: name, Path: name}, []byte("x"))
			if err == nil {
				w.has(t, name, []byte("x"))
				return
			}
			w.names(t, "file")
		})
	}
	inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Personality.Files.StoreAs = []string{" ", "+"} }}, func(t *testing.T, w *world) {
		err := w.files.WriteFile(w.ctx, Target{Name: "a b", Path: "a b"}, []byte("x"))
		if !errors.Is(err, proto.ErrMismatch) {
			t.Error(err)
		}
	})
}

// TestNew has files that must not be there, and whose name no listing has: A11.
func TestNew(t *testing.T) {
	for _, size := range []int{0, 100, len(fresh)} {
		inWorld(t, setup{}, func(t *testing.T, w *world) {
			for name, there := range map[string]bool{"file": true, "none": false} {
				out := w.files.Writer(Target{Name: name, Path: name, Total: int64(size), New: true})
				var err error
				for _, part := range slices.Collect(slices.Chunk(fresh[:size], 50_000)) {
					if err == nil {
						_, err = out.Write(w.ctx, part)
					}
				}
				if cerr := out.Close(w.ctx); err == nil {
					err = cerr
				}
				if exists := errors.Is(err, fs.ErrExist); exists != there || err != nil && !there {
					t.Errorf("%s: %v", name, err)
				}
			}
			w.has(t, "file", content)
			w.has(t, "none", fresh[:size])
		})
	}
}

// fileEntry describes a file of which the size is known.
func fileEntry(size int64) listing.Entry {
	return listing.Entry{Name: "file", Type: listing.TypeFile, Size: size}
}

// remoteSource is a file of the same server as the source of an upload.
type remoteSource struct {
	r   *Reader
	ctx context.Context
	off int64
}

// Seek sets where Read goes on.
func (s *remoteSource) Seek(off int64, whence int) (int64, error) {
	if s.off = off; whence == io.SeekEnd {
		s.off += int64(len(content))
	}
	return s.off, nil
}

// Read reads.
func (s *remoteSource) Read(p []byte) (int, error) {
	n, err := s.r.Read(s.ctx, p, s.off)
	s.off += int64(n)
	return n, err
}
