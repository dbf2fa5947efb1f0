package ftpnat_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// localTree returns what is in a local directory: the content of files, the
// targets of links after "-> ", and "/" for directories.
func localTree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		key := filepath.ToSlash(rel)
		switch d.Type() {
		case fs.ModeDir:
			all[key] = "/"
		case fs.ModeSymlink:
			target, err := os.Readlink(name)
			all[key] = "-> " + target
			return err
		default:
			data, err := os.ReadFile(name)
			all[key] = string(data)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// serverTree returns the same of a server.
func serverTree(t testing.TB, tree *ftptest.Tree, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	var walk func(at, below string)
	walk = func(at, below string) {
		list, err := tree.ReadDir(at)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range list {
			name := at + "/" + i.Name()
			if i.IsDir() {
				all[below+i.Name()] = "/"
				walk(name, below+i.Name()+"/")
				continue
			}
			data, err := tree.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[below+i.Name()] = string(data)
		}
	}
	walk(dir, "")
	return all
}

// sameTrees compares two trees by name.
func sameTrees(t testing.TB, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if data, ok := got[name]; !ok || data != want[name] {
			t.Errorf("%q: %v, with %d bytes, want %d", name, ok, len(data), len(want[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			t.Errorf("%q was not asked for", name)
		}
	}
}

// everyServerAndConns runs f for each kind of server, with one connection and
// with four.
func everyServerAndConns(t *testing.T, f func(t *testing.T, w *world, fsys *ftpnat.FS)) {
	for _, p := range ftptest.Personalities() {
		for _, conns := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", p.Name, conns), func(t *testing.T) {
				s := setup{
					ftp:    func(srv *ftptest.Server) { srv.Personality, srv.Limits.MaxConns = p, conns },
					dialer: func(d *ftpnat.Dialer) { d.MaxConns = conns },
				}
				inBubble(t, s, func(t *testing.T, w *world) { f(t, w, w.openFS(t, "")) })
			})
		}
	}
}

// TestFetch copies a tree down from each kind of server, and does not do so
// twice.
func TestFetch(t *testing.T) {
	everyServerAndConns(t, func(t *testing.T, w *world, fsys *ftpnat.FS) {
		plant(t, w.Server.Tree)
		dst := filepath.Join(t.TempDir(), "new", "dst")
		if err := fsys.Fetch(dst, "."); err != nil {
			t.Fatal(err)
		}
		want := serverTree(t, w.Server.Tree, "")
		sameTrees(t, localTree(t, dst), want)
		var pe *fs.PathError
		if err := fsys.Fetch(dst, "."); !errors.Is(err, fs.ErrExist) || !errors.As(err, &pe) || filepath.Dir(pe.Path) == "." {
			t.Errorf("Fetch over a tree = %v", err)
		}
		sameTrees(t, localTree(t, dst), want)
		if w.d.MaxConns > 1 {
			return
		}
		part := t.TempDir()
		for name, dir := range map[string]string{"odd": "a", "odd/two words": "b", "pub/file.bin": "c", "empty": "d"} {
			if err := fsys.Fetch(filepath.Join(part, dir), name); err != nil {
				t.Errorf("Fetch(%q) = %v", name, err)
			}
		}
		sameTrees(t, localTree(t, filepath.Join(part, "a")), serverTree(t, w.Server.Tree, "odd"))
		sameTrees(t, localTree(t, filepath.Join(part, "b")), map[string]string{"x": "blank"})
		sameTrees(t, localTree(t, filepath.Join(part, "c")), map[string]string{"file.bin": string(content)})
		sameTrees(t, localTree(t, filepath.Join(part, "d")), map[string]string{"empty": ""})
	})
}

// plantMany puts small files into a server.
func plantMany(t testing.TB, tree *ftptest.Tree, files, size int) {
	t.Helper()
	for i := range files {
		if err := tree.WriteFile(fmt.Sprintf("many/%02d", i), content[i:i+size], 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestParallelTrips counts the round trips of many small files over four
// connections, the logins of three of them too.
func TestParallelTrips(t *testing.T) {
	const files = 50
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.PureFTPd(), ftptest.ProFTPD(), ftptest.Pyftpdlib()} {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality = p }}, func(t *testing.T, w *world) {
				plantMany(t, w.Server.Tree, files, 10<<10)
				fsys := w.openFS(t, "")
				dst := t.TempDir()
				trips := func(what string, most float64, f func() error) {
					start := time.Now()
					if err := f(); err != nil {
						t.Error(err)
					}
					n := float64(time.Since(start)) / float64(rtt) / files
					t.Logf("%s: %.2f round trips a file", what, n)
					if n > most {
						t.Errorf("%s: %.2f round trips a file, want %.2f", what, n, most)
					}
				}
				trips("down", 1.4, func() error { return fsys.Fetch(dst, "many") })
				sameTrees(t, localTree(t, dst), serverTree(t, w.Server.Tree, "many"))
				trips("up", 1.7, func() error { return fsys.CopyFS("up", os.DirFS(dst)) })
				sameTrees(t, serverTree(t, w.Server.Tree, "up"), serverTree(t, w.Server.Tree, "many"))
				if n := w.Server.Counters().Connections; n != defaultMaxConns {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

// TestFetchAsks opens no connection that no file waits for, and asks nothing
// but for listings and files.
func TestFetchAsks(t *testing.T) {
	inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality = ftptest.ProFTPD() }}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		plantMany(t, w.Server.Tree, 1, 1000)
		if err := fsys.Fetch(t.TempDir(), "many"); err != nil {
			t.Fatal(err)
		}
		if n := w.Server.Counters().Connections; n != 1 {
			t.Errorf("%d connections for one file", n)
		}
		plantMany(t, w.Server.Tree, 20, 1000)
		before := w.Server.Counters().Commands
		if err := fsys.Fetch(t.TempDir(), "many"); err != nil {
			t.Fatal(err)
		}
		after := w.Server.Counters().Commands
		for verb, want := range map[string]int{"RETR": 20, "MLSD": 1, "MLST": 1, "SIZE": 0, "MDTM": 0, "LIST": 0} {
			if n := after[verb] - before[verb]; n != want {
				t.Errorf("%d %s, want %d", n, verb, want)
			}
		}
	})
}

// TestHooksInTurn has hooks that are not for several goroutines at once.
func TestHooksInTurn(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		plantMany(t, w.Server.Tree, 40, 1000)
		var inside, calls, overlaps atomic.Int32
		hook := func() {
			calls.Add(1)
			if inside.Add(1) > 1 {
				overlaps.Add(1)
			}
			for range 20 {
				runtime.Gosched()
			}
			inside.Add(-1)
		}
		ctx := ftpnat.WithTrace(t.Context(), &ftpnat.Trace{
			Command:  func(string) { hook() },
			Reply:    func(ftpnat.Reply) { hook() },
			Attempt:  func(ftpnat.Attempt) { hook() },
			Progress: func(ftpnat.ProgressEvent) { hook() },
		})
		fsys := w.openFS(t, "").WithContext(ctx)
		dst := t.TempDir()
		if err := fsys.Fetch(dst, "many"); err != nil {
			t.Fatal(err)
		}
		if err := fsys.CopyFS("up", os.DirFS(dst)); err != nil {
			t.Fatal(err)
		}
		if calls.Load() < 400 || overlaps.Load() > 0 {
			t.Errorf("%d of %d calls of hooks overlapped", overlaps.Load(), calls.Load())
		}
	})
}

// TestFetchFew has a server that takes one connection, and one that takes two.
func TestFetchFew(t *testing.T) {
	for _, most := range []int{1, 2} {
		inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Limits.MaxConns = most }}, func(t *testing.T, w *world) {
			plantMany(t, w.Server.Tree, 40, 20_000)
			fsys := w.openFS(t, "")
			dst := t.TempDir()
			if err := fsys.Fetch(dst, "many"); err != nil {
				t.Fatal(err)
			}
			sameTrees(t, localTree(t, dst), serverTree(t, w.Server.Tree, "many"))
			if n := w.Server.Counters().Connections; n > most+defaultMaxConns {
				t.Errorf("%d connections were tried where %d are taken", n, most)
			}
			if err := fsys.CopyFS("up", os.DirFS(dst)); err != nil {
				t.Fatal(err)
			}
			sameTrees(t, serverTree(t, w.Server.Tree, "up"), serverTree(t, w.Server.Tree, "many"))
		})
	}
}

// TestFetchOne has a server that takes one connection and is slow: the crew
// comes down to one worker, which is not made to lend its connection.
func TestFetchOne(t *testing.T) {
	inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Limits.MaxConns, srv.Limits.Rate = 1, 50_000 }}, func(t *testing.T, w *world) {
		for i := range 16 {
			if err := w.Server.Tree.WriteFile(fmt.Sprintf("slow/%d", i), content[i:], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dst := t.TempDir()
		if err := w.openFS(t, "").Fetch(dst, "slow"); err != nil {
			t.Fatal(err)
		}
		sameTrees(t, localTree(t, dst), serverTree(t, w.Server.Tree, "slow"))
		if n := w.Server.Counters().Commands["RETR"]; n > 40 {
			t.Errorf("%d RETR for 16 files", n)
		}
	})
}

// TestFetchSlowAncient has a server without REST that is slow, so that its
// transfers are due to be lent: they are not, as they could not go on.
func TestFetchSlowAncient(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Personality, srv.Limits.MaxConns, srv.Limits.Rate = ftptest.Ancient(), 1, 20_000
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		for i := range 5 {
			if err := w.Server.Tree.WriteFile(fmt.Sprintf("slow/%d/file", i), content[i:], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dst := t.TempDir()
		if err := w.openFS(t, "").Fetch(dst, "slow"); err != nil {
			t.Fatal(err)
		}
		sameTrees(t, localTree(t, dst), serverTree(t, w.Server.Tree, "slow"))
		if n := w.Server.Counters().Commands["RETR"]; n != 5 {
			t.Errorf("%d RETR for 5 files", n)
		}
	})
}

// TestFetchResumes breaks data connections.
func TestFetchResumes(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.ProFTPD(), ftptest.VSFTPD(), ftptest.IIS(), ftptest.Plain()} {
		for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset, ftptest.Silence} {
			s := setup{ftp: func(srv *ftptest.Server) {
				srv.Personality = p
				for i := 2; i < 12; i += 2 {
					srv.Faults = append(srv.Faults, ftptest.Fault{On: ftptest.Data, Conn: i, After: 40_000, Kind: kind})
				}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				for i := range 4 {
					if err := w.Server.Tree.WriteFile(fmt.Sprintf("big/%d", i), content[i:], 0o644); err != nil {
						t.Fatal(err)
					}
				}
				dst := t.TempDir()
				if err := w.openFS(t, "").Fetch(dst, "big"); err != nil {
					t.Errorf("%s: %v", p.Name, err)
				}
				sameTrees(t, localTree(t, dst), serverTree(t, w.Server.Tree, "big"))
				if w.Server.Counters().Commands["REST"] == 0 {
					t.Error("nothing was resumed")
				}
			})
		}
	}
}

// TestFetchLinks makes those links that are inside, and follows no other to a
// directory.
func TestFetchLinks(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.PureFTPd(), ftptest.ProFTPD()} {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality = p }}, func(t *testing.T, w *world) {
				for name, target := range map[string]string{
					"t/d/up": "../x", "t/here": "d/up", "t/d/cycle": "..", "t/self": ".", "t/out": "../pub/file.bin", "t/abs": "/pub/file.bin",
					"dirout/l": "../pub", "broken/l": "../nothing", "twisted/l": "d/../../pub",
				} {
					if err := w.Server.Tree.MkdirAll(filepath.ToSlash(filepath.Dir(name))); err != nil {
						t.Fatal(err)
					}
					if err := w.Server.Tree.Symlink(target, name); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Server.Tree.WriteFile("t/x", []byte("x"), 0o644); err != nil {
					t.Fatal(err)
				}
				fsys := w.openFS(t, "")
				base := t.TempDir()
				for _, name := range []string{"dirout", "broken", "twisted"} {
					dst := filepath.Join(base, name)
					if err := fsys.Fetch(dst, name); err == nil || !strings.Contains(err.Error(), name+"/l") {
						t.Errorf("Fetch(%s) = %v", name, err)
					}
					sameTrees(t, localTree(t, dst), nil)
				}
				if p.Name == "ProFTPD" {
					// It does not tell where links lead.
					for _, name := range []string{"t/d/cycle", "t/self"} {
						if err := w.Server.Tree.Remove(name); err != nil {
							t.Fatal(err)
						}
					}
				}
				dst := filepath.Join(base, "t")
				if err := fsys.Fetch(dst, "t"); err != nil {
					t.Fatal(err)
				}
				want := map[string]string{
					"d": "/", "x": "x", "d/up": "-> ../x", "here": "-> d/up", "d/cycle": "-> ..", "self": "-> .",
					"out": string(content), "abs": string(content),
				}
				if p.Name == "ProFTPD" {
					delete(want, "d/cycle")
					delete(want, "self")
					want["here"] = "x" // while STAT, by which t/d is listed, tells
				}
				sameTrees(t, localTree(t, dst), want)
			})
		})
	}
}
