package ftpnat_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// TestFileReader runs the checks of testing/iotest.
func TestFileReader(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		small := content[:20_000]
		if err := w.Server.Tree.WriteFile("small", small, 0o644); err != nil {
			t.Fatal(err)
		}
		fsys := w.openFS(t, "")
		f, err := fsys.Open("small")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := iotest.TestReader(f, small); err != nil {
			t.Error(err)
		}
	})
}

// TestReadAt reads pieces from many goroutines.
func TestReadAt(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		file, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		f := file.(*ftpnat.File)
		var group sync.WaitGroup
		for i := range 4 {
			group.Go(func() {
				off := int64(i * 49_000)
				p := make([]byte, 10_000)
				if _, err := f.ReadAt(p, off); err != nil || !bytes.Equal(p, content[off:off+10_000]) {
					t.Errorf("ReadAt(%d): %v", off, err)
				}
			})
		}
		group.Wait()
		n, err := f.ReadAt(make([]byte, 100), int64(len(content))-10)
		if n != 10 || err != io.EOF {
			t.Errorf("ReadAt over the end = %d, %v", n, err)
		}
		if _, err := f.ReadAt(make([]byte, 1), -1); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("ReadAt(-1) = %v", err)
		}
	})
}

// TestZip opens an archive on the server.
func TestZip(t *testing.T) {
	var archive bytes.Buffer
	zw := zip.NewWriter(&archive)
	for i := range 3 {
		w, err := zw.Create(fmt.Sprintf("part%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content[i:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		if err := w.Server.Tree.WriteFile("a.zip", archive.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		fsys := w.openFS(t, "")
		f, err := fsys.Open("a.zip")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		zr, err := zip.NewReader(f.(io.ReaderAt), info.Size())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			mustRead(t, zr, fmt.Sprintf("part%d", i), string(content[i:]))
		}
	})
}

// TestHTTP serves the FS over HTTP, ranges too.
func TestHTTP(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		handler := http.FileServerFS(w.openFS(t, ""))
		for ranges, want := range map[string]string{
			"":                     string(content),
			"bytes=100-199":        string(content[100:200]),
			"bytes=-5":             string(content[len(content)-5:]),
			"bytes=199990-":        string(content[199_990:]),
			"bytes=0-0":            string(content[:1]),
			"bytes=100000-150000":  string(content[100_000:150_001]),
			"bytes=150000-1000000": string(content[150_000:]),
		} {
			r := httptest.NewRequest(http.MethodGet, "/pub/file.bin", nil)
			if ranges != "" {
				r.Header.Set("Range", ranges)
			}
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, r)
			if rec.Code/100 != 2 || rec.Body.String() != want {
				t.Errorf("range %q: %d, %d bytes, want %d", ranges, rec.Code, rec.Body.Len(), len(want))
			}
		}
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/no", nil))
		if rec.Code != http.StatusNotFound {
			t.Errorf("a file that is not there: %d", rec.Code)
		}
	})
}

// TestResume breaks the data connection several times on the way.
func TestResume(t *testing.T) {
	for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset, ftptest.Silence} {
		for _, p := range []ftptest.Personality{ftptest.ProFTPD(), ftptest.VSFTPD()} {
			t.Run(fmt.Sprintf("%s/%d", p.Name, kind), func(t *testing.T) {
				s := setup{ftp: func(srv *ftptest.Server) {
					srv.Personality = p
					for i := 1; i <= 3; i++ {
						srv.Faults = append(srv.Faults, ftptest.Fault{On: ftptest.Data, Conn: i, After: 40_000, Kind: kind})
					}
				}}
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "pub")
					f, err := fsys.Open("file.bin")
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					got, err := io.ReadAll(f)
					if err != nil || !bytes.Equal(got, content) {
						t.Errorf("%d bytes, %v", len(got), err)
					}
					if n := w.Server.Counters().Commands["REST"]; n == 0 {
						t.Error("nothing was resumed")
					}
				})
			})
		}
	}
}

// TestChanged has the file change while it is read.
func TestChanged(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.ProFTPD(), ftptest.VSFTPD()} {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{ftp: func(srv *ftptest.Server) { srv.Personality = p; srv.Limits.Rate = 50_000 }}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				f, err := fsys.Open("pub/file.bin")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if _, err := io.ReadFull(f, make([]byte, 30_000)); err != nil {
					t.Fatal(err)
				}
				if err := w.Server.Tree.WriteFile("pub/file.bin", content[:150_000], 0o644); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute) // what is remembered of listings is old then
				seek := f.(io.Seeker)
				if _, err := seek.Seek(10_000, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, f); !errors.Is(err, ftpnat.ErrChanged) {
					t.Errorf("read %d bytes, %v", n, err)
				}
			})
		})
	}
}

// TestTruth has servers whose words and deeds differ.
func TestTruth(t *testing.T) {
	tests := []struct {
		name  string
		steps []ftptest.Step
		fault []ftptest.Fault
		want  error // nil means the right bytes
	}{
		{"426 after all bytes", []ftptest.Step{{On: "RETR", Nth: 1, Final: "426 Failure writing network stream."}}, nil, nil},
		{"451 once", []ftptest.Step{{On: "RETR", Nth: 1, Reply: "451 Local error."}}, nil, nil},
		{"250 for 226", []ftptest.Step{{On: "RETR", Final: "250 Done."}}, nil, nil},
		{"226 and cut short, then right", nil, []ftptest.Fault{{On: ftptest.Data, Conn: 1, After: 100_000, Kind: ftptest.Cut}}, nil},
		{"550 at the end", []ftptest.Step{{On: "RETR", Final: "551 Disk error."}}, nil, &ftpnat.ReplyError{}},
		{"no verdict", []ftptest.Step{{On: "RETR", Nth: 1, Final: ftptest.None, Then: ftptest.Cut}}, nil, nil},
		{"silence for a verdict", []ftptest.Step{{On: "RETR", Nth: 1, Final: ftptest.None, Then: ftptest.Silence}}, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := setup{ftp: func(srv *ftptest.Server) {
				srv.Personality = ftptest.ProFTPD()
				srv.Script, srv.Faults = tt.steps, tt.fault
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				for _, how := range []string{"Open", "ReadFile"} {
					fsys := w.openFS(t, "pub")
					var got []byte
					var err error
					if how == "ReadFile" {
						got, err = fsys.ReadFile("file.bin")
					} else if f, oerr := fsys.Open("file.bin"); oerr == nil {
						got, err = io.ReadAll(f)
						f.Close()
					} else {
						err = oerr
					}
					var refused *ftpnat.ReplyError
					switch {
					case tt.want == nil && (err != nil || !bytes.Equal(got, content)):
						t.Errorf("%s: %d bytes, %v", how, len(got), err)
					case tt.want != nil && !errors.As(err, &refused):
						t.Errorf("%s: %d bytes, %v; want a refusal", how, len(got), err)
					}
				}
			})
		})
	}
}

// TestTruncatedListing never takes part of a directory for all of it.
func TestTruncatedListing(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.PureFTPd(), ftptest.VSFTPD()} {
		s := setup{ftp: func(srv *ftptest.Server) { srv.Personality = p; srv.Limits.MaxListing = 3 }}
		inBubble(t, s, func(t *testing.T, w *world) {
			plant(t, w.Server.Tree)
			fsys := w.openFS(t, "")
			if list, err := fsys.ReadDir("odd"); !errors.Is(err, ftpnat.ErrTruncated) {
				t.Errorf("%s: ReadDir = %d entries, %v", p.Name, len(list), err)
			}
		})
	}
}

// TestNoREST has a server that cannot resume: an error says so, and nothing is
// read twice in silence.
func TestNoREST(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Personality = ftptest.Ancient()
		srv.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 2, After: 50_000, Kind: ftptest.Reset}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		f, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		n, err := io.Copy(io.Discard, f)
		if !errors.Is(err, errors.ErrUnsupported) || n == 0 || n >= int64(len(content)) {
			t.Errorf("read %d bytes, %v", n, err)
		}
	})
}

// TestProgress counts how often progress is told.
func TestProgress(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) { srv.Limits.Rate = 100_000 }}
	inBubble(t, s, func(t *testing.T, w *world) {
		var events []ftpnat.ProgressEvent
		ctx := ftpnat.WithTrace(t.Context(), &ftpnat.Trace{Progress: func(e ftpnat.ProgressEvent) { events = append(events, e) }})
		fsys := w.openFS(t, "").WithContext(ctx)
		f, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := io.Copy(io.Discard, f); err != nil {
			t.Fatal(err)
		}
		last := ftpnat.ProgressEvent{Name: "pub/file.bin", Bytes: int64(len(content)), Total: int64(len(content))}
		if n := len(events); n < 4 || n > 12 || events[n-1] != last {
			t.Errorf("events: %+v", events)
		}
		if !slices.IsSortedFunc(events, func(a, b ftpnat.ProgressEvent) int { return int(a.Bytes - b.Bytes) }) {
			t.Errorf("progress goes back: %+v", events)
		}
	})
}

// TestCancelRead ends the context of a read that stands.
func TestCancelRead(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Personality = ftptest.ProFTPD()
		srv.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, After: 1000, Kind: ftptest.Silence}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		fsys := w.openFS(t, "")
		f, err := fsys.WithContext(ctx).Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(3*time.Second, cancel)
		start := time.Now()
		_, err = io.Copy(io.Discard, f)
		if !errors.Is(err, context.Canceled) || time.Since(start) > 4*time.Second {
			t.Errorf("read = %v after %v", err, time.Since(start))
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		mustRead(t, fsys, "pub/file.bin", string(content))
	})
}

// TestCloseDuringRead closes a file from another goroutine.
func TestCloseDuringRead(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Personality = ftptest.ProFTPD()
		srv.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, After: 1000, Kind: ftptest.Silence}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		f, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := io.Copy(io.Discard, f); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("read = %v", err)
			}
		})
		synctest.Wait()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		group.Wait()
		if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("second Close = %v", err)
		}
	})
}

// TestCloseHalfRead measures what it costs to close a file early.
func TestCloseHalfRead(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality = p; srv.Limits.Rate = 100_000 }}, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "")
			f, err := fsys.Open("pub/file.bin")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Read(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > 3*rtt+50*time.Millisecond {
				t.Errorf("%s: Close took %v", p.Name, took)
			}
			mustRead(t, fsys, "empty", "")
		})
	}
}

// TestCopyDown copies a tree to disk, over real sockets.
func TestCopyDown(t *testing.T) {
	srv := &ftptest.Server{Tree: ftptest.NewTree(), Personality: ftptest.VSFTPD()}
	plant(t, srv.Tree)
	if err := srv.Tree.WriteFile("big.bin", bytes.Repeat(content, 50), 0o644); err != nil {
		t.Fatal(err)
	}
	fsys := openLoopback(t, srv, nil)
	dir := filepath.Join(t.TempDir(), "down")
	if err := os.CopyFS(dir, fsys); err != nil {
		t.Fatal(err)
	}
	for name, data := range treeFiles {
		mustRead(t, os.DirFS(dir), name, data)
	}
	mustRead(t, os.DirFS(dir), "big.bin", strings.Repeat(string(content), 50))
}

// openLoopback serves srv on loopback and opens its root.
func openLoopback(t testing.TB, srv *ftptest.Server, d *ftpnat.Dialer) *ftpnat.FS {
	t.Helper()
	ln := listenLoopback(t)
	srv.Start(ln)
	t.Cleanup(func() { srv.Close() })
	if d == nil {
		d = new(ftpnat.Dialer)
	}
	fsys, err := d.Open(t.Context(), "ftp://"+ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fsys.Close() })
	return fsys
}

// TestIdleNAT has a NAT forget the control connection during a transfer, so
// that the server's last word never comes: a fresh connection settles it.
func TestIdleNAT(t *testing.T) {
	s := setup{
		near: []memnet.Box{memnet.NAT{Public: natAddr, IdleTimeout: 8 * time.Second}},
		ftp:  func(srv *ftptest.Server) { srv.Limits.Rate = 10_000 },
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		w.d.DialContext = noKeepalive(w.d.DialContext)
		fsys := w.openFS(t, "pub")
		f, err := fsys.Open("file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		if err := fsys.WriteFile("up", content, 0o666); err != nil {
			t.Error(err)
		}
		w.has(t, "pub/up", string(content))
		if _, err := fsys.Upload("up2", bytes.NewReader(content)); err != nil {
			t.Error(err)
		}
		w.has(t, "pub/up2", string(content))
		w.left(t, "pub", "file.bin", "up", "up2")
	})
}

// TestUnreadableLine names the line of a listing that cannot be understood, in an
// error that comes with the rest.
func TestUnreadableLine(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		if err := w.Server.Tree.WriteFile("d/a", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		// Of a name with a line end, LIST makes two lines.
		if err := w.Server.Tree.WriteFile("d/evil\nname", nil, 0o644); err != nil {
			t.Fatal(err)
		}
		fsys := w.openFS(t, "")
		list, err := fsys.ReadDir("d")
		var unread *ftpnat.ListingError
		if !errors.As(err, &unread) || !strings.Contains(err.Error(), "name") || len(list) == 0 {
			t.Errorf("ReadDir = %v, %v", list, err)
		}
	})
}
