package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// treeTime is when all files of the test tree were changed.
var treeTime = time.Date(2024, 2, 29, 12, 30, 0, 0, time.UTC)

// treeFiles are the files of the test tree: names that servers are known to
// stumble over are among them.
var treeFiles = map[string]string{
	"hello.txt":            "hello, world\n",
	"empty.bin":            "",
	".hidden":              "x",
	"dir/a.csv":            "1,2\n",
	"dir/.dot/deep":        "deep",
	"dir/sub/b.csv":        "3,4,5\n",
	"odd/two words/x":      "blank",
	"odd/[brackets]/x":     "brackets",
	"odd/st*r/x":           "star",
	"odd/wh?t/x":           "what",
	"odd/-dash/-x":         "dash",
	"odd/-la/x":            "option",
	"odd/ü/ß":              "umlaut",
	"odd/20240101000000 x": "stamp",
	"odd/~tilde":           "tilde",
	"odd/quote\"d":         "quote",
	"odd/a -> b":           "arrow",
	"-first":               "first",
}

// plant puts the test tree into a server.
func plant(t testing.TB, tree *ftptest.Tree) {
	t.Helper()
	for name, data := range treeFiles {
		if err := tree.WriteFile(name, []byte(data), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := tree.Chtimes(name, treeTime); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.MkdirAll("void"); err != nil {
		t.Fatal(err)
	}
}

// plantLinks adds symbolic links.
func plantLinks(t testing.TB, tree *ftptest.Tree) {
	t.Helper()
	if err := tree.Symlink("hello.txt", "link"); err != nil {
		t.Fatal(err)
	}
	if err := tree.Symlink("dir", "dirlink"); err != nil {
		t.Fatal(err)
	}
}

// syncBuffer is a log of several connections.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// openFS opens the server's root; the dialogue is logged when the test fails.
func (w *world) openFS(t testing.TB, dir string) *ftpnat.FS {
	t.Helper()
	return w.openIn(t, t.Context(), dir)
}

// openIn is openFS with a context.
func (w *world) openIn(t testing.TB, ctx context.Context, dir string) *ftpnat.FS {
	t.Helper()
	log := new(syncBuffer)
	ctx = ftpnat.WithTrace(ctx, writeTrace(log))
	fsys, err := w.d.Open(ctx, "ftp://"+w.Addr+"/"+dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.b.String())
	}
	w.extra = append(w.extra, func() {
		fsys.Close()
		if t.Failed() {
			t.Logf("dialogue:\n%s", tail(log.b.String()))
		}
	})
	return fsys.WithContext(ctx)
}

func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "...\n" + s[len(s)-most:]
	}
	return s
}

// TestFSConformance runs the checks of the standard library against each kind
// of server, with many connections and with one.
func TestFSConformance(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		for _, conns := range []int{4, 1} {
			t.Run(fmt.Sprintf("%s/%d", p.Name, conns), func(t *testing.T) {
				// Without REST there is no reading from the middle: see
				// TestNoREST.
				p.Missing = slices.DeleteFunc(slices.Clone(p.Missing), func(v string) bool { return v == "REST" })
				s := setup{
					ftp:    func(srv *ftptest.Server) { srv.Personality = p },
					dialer: func(d *ftpnat.Dialer) { d.MaxConns = conns },
					// A directory has a time in Stat while its listing is new, and
					// that should not end between two questions of one check.
					oneWay: time.Millisecond,
				}
				inBubble(t, s, func(t *testing.T, w *world) {
					plant(t, w.Server.Tree)
					// The checks read each byte alone.
					if err := w.Server.Tree.WriteFile("pub/file.bin", content[:3000], 0o644); err != nil {
						t.Fatal(err)
					}
					if p.Listing.DOSDate == "" {
						// In a listing of DOS form a link looks like a file of
						// another size.
						plantLinks(t, w.Server.Tree)
					}
					fsys := w.openFS(t, "")
					var names []string
					for name := range treeFiles {
						names = append(names, name)
					}
					if err := fstest.TestFS(fsys, names...); err != nil {
						t.Error(err)
					}
					sub, err := fsys.Sub("odd")
					if err != nil {
						t.Fatal(err)
					}
					if err := fstest.TestFS(sub, "-dash/-x", "two words/x", "st*r/x"); err != nil {
						t.Error("sub:", err)
					}
				})
			})
		}
	}
}

// TestLinkBehindMLST has a server that follows links in MLST and shows them in
// MLSD.
func TestLinkBehindMLST(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Personality = ftptest.ProFTPD()
		srv.Script = []ftptest.Step{{On: "MLST", Reply: "250-Start\n type=dir;modify=20240101000000;UNIX.mode=0777; /dirlink\n250 End"}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		plant(t, w.Server.Tree)
		plantLinks(t, w.Server.Tree)
		fsys := w.openFS(t, "")
		if info, err := fsys.Lstat("dirlink"); err != nil || info.Mode().Type() != fs.ModeSymlink {
			t.Errorf("Lstat = %v, %v", info, err)
		}
		if info, err := fsys.Stat("dirlink"); err != nil || !info.IsDir() {
			t.Errorf("Stat = %v, %v", info, err)
		}
	})
}

// mustRead reads a file by ReadFile and compares it.
func mustRead(t testing.TB, fsys fs.FS, name, want string) {
	t.Helper()
	got, err := fs.ReadFile(fsys, name)
	if err != nil || string(got) != want {
		t.Errorf("ReadFile(%q) = %d bytes, %v; want %d bytes", name, len(got), err, len(want))
	}
}

// TestFirstByte counts the round trips from nothing to the first byte of a
// file.
func TestFirstByte(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		start := time.Now()
		fsys, err := w.d.Open(t.Context(), "ftp://"+w.Addr+"/pub")
		if err != nil {
			t.Fatal(err)
		}
		defer fsys.Close()
		mustRead(t, fsys, "file.bin", string(content))
		if trips := float64(time.Since(start)) / float64(rtt); trips > 13 {
			t.Errorf("%.1f round trips to the end of a first file", trips)
		}
		start = time.Now()
		mustRead(t, fsys, "file.bin", string(content))
		if trips := float64(time.Since(start)) / float64(rtt); trips > 4 {
			t.Errorf("%.1f round trips for the next file", trips)
		}
	})
}

// TestHalfRead reads many files in turns over one connection, and uses the FS
// for other things meanwhile.
func TestHalfRead(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.ProFTPD(), ftptest.VSFTPD(), ftptest.PureFTPd()} {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{
				ftp:    func(srv *ftptest.Server) { srv.Personality = p; srv.Limits.MaxConns = 1 },
				dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 },
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				var names []string
				for i := range 5 {
					name := fmt.Sprintf("pub/%d", i)
					names = append(names, name)
					if err := w.Server.Tree.WriteFile(name, content[i:], 0o644); err != nil {
						t.Fatal(err)
					}
				}
				fsys := w.openFS(t, "")
				var files []fs.File
				got := make([][]byte, len(names))
				for _, name := range names {
					f, err := fsys.Open(name)
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					files = append(files, f)
				}
				for range 3 {
					for i, f := range files {
						part := make([]byte, 30_000)
						n, err := io.ReadFull(f, part)
						if err != nil {
							t.Fatal(err)
						}
						got[i] = append(got[i], part[:n]...)
					}
					if _, err := fsys.Stat("pub/file.bin"); err != nil {
						t.Error(err)
					}
				}
				for i, f := range files {
					rest, err := io.ReadAll(f)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(append(got[i], rest...), content[i:]) {
						t.Errorf("file %d: other bytes than the server has", i)
					}
				}
			})
		})
	}
}

// TestCrowd has many goroutines read half files and hold them, with fewer
// connections than goroutines.
func TestCrowd(t *testing.T) {
	for _, conns := range []int{1, 3} {
		t.Run(fmt.Sprint(conns), func(t *testing.T) {
			s := setup{
				ftp:    func(srv *ftptest.Server) { srv.Personality = ftptest.ProFTPD() },
				dialer: func(d *ftpnat.Dialer) { d.MaxConns = conns },
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				var group sync.WaitGroup
				for i := range 8 {
					group.Go(func() {
						f, err := fsys.Open("pub/file.bin")
						if err != nil {
							t.Error(err)
							return
						}
						defer f.Close()
						half := make([]byte, 1000*(i+1))
						if _, err := io.ReadFull(f, half); err != nil {
							t.Error(err)
							return
						}
						mustRead(t, fsys, "pub/file.bin", string(content))
						rest, err := io.ReadAll(f)
						if err != nil || !bytes.Equal(append(half, rest...), content) {
							t.Errorf("reader %d: %d bytes, %v", i, len(half)+len(rest), err)
						}
					})
				}
				group.Wait()
				if n := w.Server.Counters().Connections; n > conns+8 {
					t.Errorf("%d control connections for a limit of %d", n, conns)
				}
			})
		})
	}
}

// TestWaitHonoursContext waits for a connection that does not come.
func TestWaitHonoursContext(t *testing.T) {
	s := setup{
		ftp:    func(srv *ftptest.Server) { srv.Limits.Rate = 1000 },
		dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 },
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		var group sync.WaitGroup
		group.Go(func() { mustRead(t, fsys, "pub/file.bin", string(content)) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := fsys.WithContext(ctx).Stat("empty")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Stat = %v after %v", err, time.Since(start))
		}
		group.Wait()
	})
}

// TestTooMany has a server that takes fewer connections than MaxConns.
func TestTooMany(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) { srv.Limits.MaxConns = 2 }}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() { mustRead(t, fsys, "pub/file.bin", string(content)) })
		}
		group.Wait()
		if n := w.Server.Counters().Connections; n > 4 {
			t.Errorf("%d connections were tried where two are taken", n)
		}
	})
}

// TestIdle closes and probes connections that are not in use.
func TestIdle(t *testing.T) {
	inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Limits.IdleTimeout = 30 * time.Second }}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		time.Sleep(10 * time.Second)
		mustRead(t, fsys, "pub/file.bin", string(content))
		if n := w.Server.Counters().Commands["NOOP"]; n != 1 {
			t.Errorf("%d NOOP before the connection was used again", n)
		}
		time.Sleep(45 * time.Second) // the server has closed it
		mustRead(t, fsys, "pub/file.bin", string(content))
		if n := w.Server.Counters().Connections; n != 2 {
			t.Errorf("%d connections", n)
		}
	})
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		mustRead(t, fsys, "pub/file.bin", string(content))
		time.Sleep(idleLimit + time.Second)
		synctest.Wait()
		for _, d := range w.Server.Transcript() {
			if !d.Ended {
				t.Error("an idle connection is kept for long")
			}
		}
		mustRead(t, fsys, "pub/file.bin", string(content))
	})
}

// TestCloseFS closes an FS that is in use.
func TestCloseFS(t *testing.T) {
	inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Limits.Rate = 10_000 }}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		idle, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := idle.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := fs.ReadFile(fsys, "pub/file.bin"); !errors.Is(err, ftpnat.ErrClosed) {
				t.Errorf("ReadFile = %v", err)
			}
		})
		synctest.Wait()
		if err := fsys.Close(); err != nil {
			t.Error(err)
		}
		group.Wait()
		for name, err := range map[string]error{
			"Open": second(fsys.Open("empty")), "Stat": second(fsys.Stat("empty")), "Read": second(idle.Read(make([]byte, 10))),
			"Mkdir": fsys.Mkdir("x", 0o777), "WriteFile": fsys.WriteFile("x", nil, 0o666),
		} {
			if !errors.Is(err, ftpnat.ErrClosed) {
				t.Errorf("%s after Close = %v", name, err)
			}
		}
		if err := idle.Close(); err != nil {
			t.Error(err)
		}
	})
}

func second[T any](_ T, err error) error { return err }
