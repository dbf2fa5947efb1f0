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
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// look asks the server something, which takes a connection.
func (w *world) look(ctx context.Context) error {
	return w.files.With(ctx, func(s *remote.Session) error {
		_, err := remote.Size(ctx, s, "file")
		return err
	})
}

// TestWrite writes files of several sizes.
func TestWrite(t *testing.T) {
	for _, size := range []int{0, 1, maxHeld, maxHeld + 1, len(content)} {
		inWorld(t, setup{}, func(t *testing.T, w *world) {
			out := w.files.Writer(Target{Name: "up", Path: "up", Total: int64(size)})
			for at := 0; at < size; {
				n, err := out.Write(w.ctx, content[at:min(at+20_000, size)])
				if err != nil {
					t.Fatal(err)
				}
				at += n
			}
			if w.sent("STOR") != 0 && size <= maxHeld {
				t.Error("a short file was begun before its end")
			}
			if err := out.Close(w.ctx); err != nil || out.Size() != int64(size) {
				t.Errorf("%v, size %d", err, out.Size())
			}
			w.has(t, "up", content[:size])
			if w.sent("STOR") != 1 || w.last.Bytes != int64(size) {
				t.Errorf("STOR %d times, progress %+v", w.sent("STOR"), w.last)
			}
		})
	}
}

// TestWriteAppend writes behind what is there.
func TestWriteAppend(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		out := w.files.Writer(Target{Name: "file", Path: "file", Total: -1, Append: true})
		if _, err := out.Write(w.ctx, []byte("more")); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(w.ctx); err != nil {
			t.Error(err)
		}
		w.has(t, "file", append(bytes.Clone(content), "more"...))
	})
}

// TestWriteMismatch has the server tell another size than was sent.
func TestWriteMismatch(t *testing.T) {
	for _, size := range []int{100, len(content)} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "SIZE", Reply: "213 7"}} }}, func(t *testing.T, w *world) {
			out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
			if _, err := out.Write(w.ctx, content[:size]); err != nil {
				t.Fatal(err)
			}
			if err := out.Close(w.ctx); !errors.Is(err, proto.ErrMismatch) {
				t.Errorf("%d bytes: %v", size, err)
			}
		})
	}
}

// TestWriteNoVerdict loses the control connection at the end of an upload: the
// size decides.
func TestWriteNoVerdict(t *testing.T) {
	for _, size := range []int{100, len(content)} {
		for reply, want := range map[string]error{"": nil, "213 7": proto.ErrNoVerdict, "550 What?": proto.ErrNoVerdict} {
			inWorld(t, setup{ftp: func(s *ftptest.Server) {
				s.Script = []ftptest.Step{{On: "STOR", Final: ftptest.None, Then: ftptest.Reset}}
				if reply != "" {
					s.Script = append(s.Script, ftptest.Step{On: "SIZE", Reply: reply})
				}
			}}, func(t *testing.T, w *world) {
				out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
				if _, err := out.Write(w.ctx, content[:size]); err != nil {
					t.Fatal(err)
				}
				if err := out.Close(w.ctx); !errors.Is(err, want) {
					t.Errorf("%d bytes, SIZE %q: %v", size, reply, err)
				}
			})
		}
	}
}

// TestWriteNoParent finds out why a file is refused.
func TestWriteNoParent(t *testing.T) {
	for _, size := range []int{100, len(content)} {
		for name, want := range map[string]error{"none/up": proto.ErrMissing, "file/up": proto.ErrNotDir} {
			inWorld(t, setup{}, func(t *testing.T, w *world) {
				out := w.files.Writer(Target{Name: name, Path: name, Total: -1})
				_, err := out.Write(w.ctx, content[:size])
				if cerr := out.Close(w.ctx); !errors.Is(cerr, want) || err != nil && !errors.Is(err, want) {
					t.Errorf("%s: %v, %v", name, err, cerr)
				}
			})
		}
	}
}

// TestWriteLent ends an upload that stands idle for somebody else, again and
// again.
func TestWriteLent(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
		for i := range 4 {
			if _, err := out.Write(w.ctx, content[i*50_000:(i+1)*50_000]); err != nil {
				t.Fatal(err)
			}
			idle()
			if err := w.look(w.ctx); err != nil {
				t.Error(err)
			}
		}
		if err := out.Close(w.ctx); err != nil {
			t.Error(err)
		}
		w.has(t, "up", content)
		if w.sent("APPE") == 0 || len(w.resumed) == 0 || !w.resumed[0].Upload {
			t.Errorf("APPE %d times, resumed %+v", w.sent("APPE"), w.resumed)
		}
	})
}

// TestWriteImpatient has somebody come for the connection of an upload who does
// not wait for its end.
func TestWriteImpatient(t *testing.T) {
	for _, patience := range []time.Duration{10 * time.Millisecond, time.Second, time.Minute} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Limits.Rate = 40_000 }}, func(t *testing.T, w *world) {
			out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
			if _, err := out.Write(w.ctx, content[:100_000]); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(w.ctx, patience)
			defer cancel()
			start := time.Now()
			if err := w.look(ctx); patience < time.Minute && !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > patience {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			if _, err := out.Write(w.ctx, content[100_000:]); err != nil {
				t.Error(err)
			}
			if err := out.Close(w.ctx); err != nil {
				t.Error(err)
			}
			w.has(t, "up", content)
		})
	}
}

// TestWriteAlmost has somebody come for the connection of an upload whose context
// ends about when the server's verdict comes: the upload is none the worse.
func TestWriteAlmost(t *testing.T) {
	for patience := 5 * time.Millisecond; patience < 150*time.Millisecond; patience += 5 * time.Millisecond {
		inWorld(t, setup{}, func(t *testing.T, w *world) {
			out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
			if _, err := out.Write(w.ctx, content[:100_000]); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			ctx, cancel := context.WithTimeout(w.ctx, patience)
			defer cancel()
			if err := w.look(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: %v", patience, err)
			}
			_, err := out.Write(w.ctx, content[100_000:])
			if cerr := out.Close(w.ctx); err != nil || cerr != nil {
				t.Errorf("%v: Write: %v; Close: %v", patience, err, cerr)
			}
		})
	}
}

// TestWriteRefused has the server refuse a file, at once or at its end, and the
// second time while somebody else ends it.
func TestWriteRefused(t *testing.T) {
	for _, step := range []ftptest.Step{{On: "STOR", Reply: "552 Quota exceeded."}, {On: "STOR", Final: "552 Quota exceeded."}} {
		for _, size := range []int{100, len(content)} {
			for _, lent := range []bool{false, true} {
				inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{step} }}, func(t *testing.T, w *world) {
					out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
					_, err := out.Write(w.ctx, content[:size])
					if lent {
						idle()
						if err := w.look(w.ctx); err != nil {
							t.Error(err)
						}
					}
					cerr := out.Close(w.ctx)
					if err == nil {
						err = cerr
					}
					if proto.ReplyOf(err).Code != 552 || proto.ReplyOf(cerr).Code != 552 {
						t.Errorf("%d bytes: Write or Close: %v, Close: %v", size, err, cerr)
					}
				})
			}
		}
	}
}

// TestWriteEnded ends the context of an upload, and the pool.
func TestWriteEnded(t *testing.T) {
	for _, shut := range []bool{false, true} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) { s.Limits.Rate = 10_000 }}, func(t *testing.T, w *world) {
			ctx, cancel := w.pool.Within(w.ctx)
			defer cancel(nil)
			out := w.files.Writer(Target{Name: "up", Path: "up", Total: -1})
			if _, err := out.Write(ctx, content); err != nil {
				t.Fatal(err)
			}
			want := context.Canceled
			if shut {
				w.pool.Close()
				want = proto.ErrClosed
			} else {
				cancel(nil)
			}
			_, werr := out.Write(ctx, content)
			cerr := out.Close(ctx)
			if werr, cerr = proto.Ended(ctx, werr), proto.Ended(ctx, cerr); !errors.Is(werr, want) || !errors.Is(cerr, want) {
				t.Errorf("Write: %v; Close: %v; want %v", werr, cerr, want)
			}
		})
	}
}

// TestWriteFrom sends what others have: a local file, something else, and what
// fails.
func TestWriteFrom(t *testing.T) {
	local := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(local, content, 0o600); err != nil {
		t.Fatal(err)
	}
	errSource := errors.New("the source")
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		file, err := os.Open(local)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for name, src := range map[string]io.Reader{"local": file, "memory": bytes.NewReader(content)} {
			out := w.files.Writer(Target{Name: name, Path: name, Total: -1})
			if n, err := out.ReadFrom(w.ctx, src); n != int64(len(content)) || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			if err := out.Close(w.ctx); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.has(t, name, content)
		}
		out := w.files.Writer(Target{Name: "bad", Path: "bad", Total: -1})
		_, err = out.ReadFrom(w.ctx, io.MultiReader(bytes.NewReader(content), failing{errSource}))
		var source *SourceError
		if !errors.As(err, &source) || source.Err != errSource {
			t.Error(err)
		}
		out.Abort(w.ctx)
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestUpload puts files in place under their names.
func TestUpload(t *testing.T) {
	received := func(conn int) func(*ftptest.Server) {
		return func(s *ftptest.Server) {
			s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: conn, Dir: ftptest.Received, After: 70_000, Kind: ftptest.Reset}}
		}
	}
	for _, c := range []struct {
		name  string
		ftp   func(*ftptest.Server)
		whole bool
	}{
		{"undisturbed", nil, true},
		{"a reset", received(1), true},
		{"always a reset", received(0), true}, // it gets further each time
		{"no rename over a file", func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RNTO", Nth: 1, Reply: "553 File exists."}}
		}, true},
		{"no rename at all", func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RNTO", Reply: "553 Not allowed."}}
		}, false},
		{"lost at the rename", func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RNTO", Nth: 1, Reply: ftptest.None, Then: ftptest.Reset}}
		}, true},
		{"the right hash", func(s *ftptest.Server) { s.Personality = ftptest.Plain() }, true},
		{"another hash", func(s *ftptest.Server) {
			s.Personality = ftptest.Plain()
			s.Script = []ftptest.Step{{On: "XSHA256", Reply: "250 52186c933993da4082b3cdc7c40bb4bf735b391ff54a2ef78c037dda6c38a680"}}
		}, false},
		{"another size", func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "SIZE", Reply: "213 7"}}
		}, false},
		{"no room", func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "STOR", Final: "552 Quota exceeded."}}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, setup{ftp: c.ftp}, func(t *testing.T, w *world) {
				data := bytes.Repeat([]byte("new"), 60_000)
				n, err := w.files.Upload(w.ctx, Target{Name: "file", Path: "file"}, bytes.NewReader(data))
				want := content
				if c.whole {
					want = data
				}
				if (err == nil) != c.whole || err == nil && n != int64(len(data)) {
					t.Errorf("%d, %v", n, err)
				}
				w.has(t, "file", want)
				w.names(t, "file")
			})
		})
	}
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		errSource := &os.PathError{Op: "read", Path: "src", Err: os.ErrDeadlineExceeded}
		if _, err := w.files.Upload(w.ctx, Target{Name: "file", Path: "file"}, &seeker{content, errSource}); err != error(errSource) {
			t.Error(err)
		}
		w.has(t, "file", content)
		w.names(t, "file")
	})
}

// seeker is a source that cannot be read to its end.
type seeker struct {
	data []byte
	err  error
}

func (s *seeker) Seek(_ int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return 2 * int64(len(s.data)), nil
	}
	return 0, nil
}

func (s *seeker) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, s.err
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}
