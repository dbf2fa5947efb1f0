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
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// readAllOf reads from an offset to the end.
func readAllOf(ctx context.Context, r *Reader, off int64) ([]byte, error) {
	var all []byte
	buf := make([]byte, 30_000)
	for {
		n, err := r.Read(ctx, buf, off+int64(len(all)))
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// cut returns a server whose first data connections end after 70,000 bytes.
func cut(kind ftptest.Ending, conns ...int) func(*ftptest.Server) {
	return func(s *ftptest.Server) {
		for _, n := range conns {
			s.Faults = append(s.Faults, ftptest.Fault{On: ftptest.Data, Conn: n, Dir: ftptest.Sent, After: 70_000, Kind: kind})
		}
	}
}

// TestRead reads a file whose transfer breaks, or does not.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		name    string
		ftp     func(*ftptest.Server)
		resumes int
		want    error
	}{
		{"undisturbed", nil, 0, nil},
		{"a reset", cut(ftptest.Reset, 1), 1, nil},
		{"two resets", cut(ftptest.Reset, 1, 2), 2, nil},
		{"an end that is none", cut(ftptest.Cut, 1), 1, nil},
		{"no closing reply", func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RETR", Nth: 1, Final: ftptest.None, Then: ftptest.Reset}}
		}, 0, nil},
		{"short twice at one place", func(s *ftptest.Server) {
			cut(ftptest.Cut, 1)(s)
			s.Faults = append(s.Faults, ftptest.Fault{On: ftptest.Data, Conn: 2, Dir: ftptest.Sent, After: 0, Kind: ftptest.Cut})
			s.Script = []ftptest.Step{{On: "RETR", Final: "226 Transfer complete."}}
		}, 1, proto.ErrShort},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, setup{ftp: c.ftp}, func(t *testing.T, w *world) {
				r := w.reader(t)
				got, err := readAllOf(w.ctx, r, 0)
				if !errors.Is(err, c.want) || !bytes.Equal(got, content[:len(got)]) || err == nil && len(got) != len(content) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if len(w.resumed) != c.resumes {
					t.Errorf("resumed %v", w.resumed)
				}
				if c.want == nil && (w.last.Bytes != int64(len(content)) || w.last.Total != w.last.Bytes) {
					t.Errorf("progress %+v", w.last)
				}
				r.Stop(w.ctx)
			})
		})
	}
}

// TestReadChanged has another file take the place of the one that was begun.
func TestReadChanged(t *testing.T) {
	inWorld(t, setup{ftp: cut(ftptest.Reset, 1)}, func(t *testing.T, w *world) {
		r := w.reader(t)
		if _, err := r.Read(w.ctx, make([]byte, 1000), 0); err != nil {
			t.Fatal(err)
		}
		if err := w.srv.Tree.WriteFile("file", content[:150_000], 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := readAllOf(w.ctx, r, 1000)
		if !errors.Is(err, proto.ErrChanged) || len(got) > 70_000 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// TestReadListed goes on in a file that a listing has described, by its time if
// that is exact, or else by the one of MDTM.
func TestReadListed(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain(), ftptest.Ancient()} {
		for _, changed := range []bool{false, true} {
			inWorld(t, setup{ftp: func(s *ftptest.Server) {
				cut(ftptest.Reset, 3)(s)
				s.Personality = p
			}}, func(t *testing.T, w *world) {
				var e listing.Entry
				if err := w.files.With(w.ctx, func(s *remote.Session) error {
					entries, err := s.List(w.ctx, "")
					e, _ = remote.Find(entries, "file")
					return err
				}); err != nil || e.Name != "file" {
					t.Fatal(e, err)
				}
				r := w.files.Reader(Source{Name: "file", Path: "file", Entry: e})
				buf := make([]byte, 1000)
				if _, err := r.Read(w.ctx, buf, 0); err != nil {
					t.Fatal(err)
				}
				idle()
				if err := w.look(w.ctx); err != nil {
					t.Error(err)
				}
				var want error
				if _, rest := w.feature("REST"); !rest {
					want = errors.ErrUnsupported
				}
				if changed {
					want = proto.ErrChanged
					time.Sleep(25 * time.Hour)
					if err := w.srv.Tree.WriteFile("file", content, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				if got, err := readAllOf(w.ctx, r, 1000); !errors.Is(err, want) || err == nil && !bytes.Equal(got, content[1000:]) {
					t.Errorf("%s, changed: %v: %d bytes, %v", p.Name, changed, len(got), err)
				}
			})
		}
	}
}

// TestReadOffsets reads here and there.
func TestReadOffsets(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		r := w.reader(t)
		for _, c := range []struct {
			off     int64
			resumes int // so far
			retr    int
		}{
			{100_000, 1, 1},
			{150_000, 1, 1}, // read on
			{50_000, 2, 2},
			{0, 2, 3},
		} {
			buf := make([]byte, 5000)
			n, err := r.Read(w.ctx, buf, c.off)
			if err != nil || !bytes.Equal(buf[:n], content[c.off:c.off+int64(n)]) {
				t.Errorf("at %d: %d bytes, %v", c.off, n, err)
			}
			if len(w.resumed) != c.resumes || w.sent("RETR") != c.retr {
				t.Errorf("at %d: resumed %v, %d times RETR", c.off, w.resumed, w.sent("RETR"))
			}
		}
		if n, err := r.Read(w.ctx, make([]byte, 10), int64(len(content))); n != 0 || err != io.EOF {
			t.Errorf("at the end: %d bytes, %v", n, err)
		}
		r.Stop(w.ctx)
	})
}

// TestReadLent has two files share one connection.
func TestReadLent(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		a, b := w.reader(t), w.reader(t)
		buf := make([]byte, 50_000)
		for off := int64(0); off < 200_000; {
			n, err := a.Read(w.ctx, buf, off)
			if err != nil || !bytes.Equal(buf[:n], content[off:off+int64(n)]) {
				t.Fatalf("a at %d: %d, %v", off, n, err)
			}
			idle()
			m, err := b.Read(w.ctx, buf[:n], off)
			if err != nil || !bytes.Equal(buf[:m], content[off:off+int64(m)]) {
				t.Fatalf("b at %d: %d, %v", off, m, err)
			}
			idle()
			off += int64(m)
		}
		a.Stop(w.ctx)
		b.Stop(w.ctx)
	})
}

// TestReadEnded ends the context of a read.
func TestReadEnded(t *testing.T) {
	inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Limits.Rate = 10_000 }}, func(t *testing.T, w *world) {
		r := w.reader(t)
		ctx, cancel := context.WithCancel(w.ctx)
		if _, err := r.Read(ctx, make([]byte, 1000), 0); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := r.Read(ctx, make([]byte, 100_000), 1000); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := w.files.With(w.ctx, func(s *remote.Session) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

// TestCopyTo copies to a local file, with a break and without one.
func TestCopyTo(t *testing.T) {
	for _, ftp := range []func(*ftptest.Server){nil, cut(ftptest.Reset, 1)} {
		inWorld(t, setup{ftp: ftp}, func(t *testing.T, w *world) {
			r := w.reader(t)
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			n, err := r.CopyTo(w.ctx, out, 0)
			got, rerr := os.ReadFile(out.Name())
			if err != nil || rerr != nil || n != int64(len(content)) || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %d in the file: %v, %v", n, len(got), err, rerr)
			}
			closed, err := os.Create(filepath.Join(t.TempDir(), "closed"))
			if err != nil {
				t.Fatal(err)
			}
			closed.Close()
			if _, err := w.reader(t).CopyTo(w.ctx, closed, 0); !errors.Is(err, os.ErrClosed) {
				t.Errorf("to a closed file: %v", err)
			}
		})
	}
}

// TestReadFile reads a file by one command, whole or not.
func TestReadFile(t *testing.T) {
	for _, c := range []struct {
		name string
		ftp  func(*ftptest.Server)
		want func(error) bool
	}{
		{"undisturbed", nil, func(err error) bool { return err == nil }},
		{"a reset", cut(ftptest.Reset, 1), retry.Worth},
		{"short", func(s *ftptest.Server) {
			cut(ftptest.Cut, 1)(s)
			s.Script = []ftptest.Step{{On: "RETR", Final: "226 Transfer complete."}}
		}, func(err error) bool { return errors.Is(err, proto.ErrShort) }},
		{"refused", func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RETR", Reply: "550 No such file."}, {On: "MLST", Reply: "550 No such file."}}
		}, func(err error) bool { return proto.ReplyOf(err).Code == 550 && !retry.Worth(err) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, setup{ftp: c.ftp}, func(t *testing.T, w *world) {
				got, err := w.files.ReadFile(w.ctx, "file")
				if !c.want(err) || err == nil && !bytes.Equal(got, content) || err != nil && got != nil {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		})
	}
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		if _, err := w.files.ReadFile(w.ctx, ""); !errors.Is(err, proto.ErrIsDir) {
			t.Error(err)
		}
	})
}
