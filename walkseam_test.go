package ftpnat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// someBig is a tree whose directories are listed by STAT, with a large file in
// the last one.
func someBig(t *testing.T, w *world, at time.Time) {
	t.Helper()
	plantSizes(t, w.Server.Tree, map[string]int{"tree/a/x": 1, "tree/b/x": 2, "tree/c/x": 3, "tree/d/x": 4})
	putAt(t, w, "tree/z/big", content, at)
}

func putAt(t *testing.T, w *world, name string, data []byte, at time.Time) {
	t.Helper()
	if err := w.Server.Tree.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := w.Server.Tree.Chtimes(name, at); err != nil {
		t.Fatal(err)
	}
}

// TestFetchReplaced breaks the transfer of a file that was listed to the minute,
// by STAT, and has another one of its size in its place when it goes on.
func TestFetchReplaced(t *testing.T) {
	was := time.Date(2024, 5, 6, 10, 20, 10, 0, time.UTC)
	other := slices.Clone(content)
	slices.Reverse(other)
	for _, p := range pipelined {
		for _, later := range []time.Duration{20 * time.Second, 45 * time.Minute, time.Hour + time.Minute} {
			s := setup{
				ftp: func(srv *ftptest.Server) {
					srv.Personality = p
					srv.Faults = []ftptest.Fault{{On: ftptest.Data, After: 60_000, Kind: ftptest.Reset}}
				},
				dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 },
			}
			t.Run(fmt.Sprintf("%s/%v", p.Name, later), func(t *testing.T) {
				inBubble(t, s, func(t *testing.T, w *world) {
					someBig(t, w, was)
					done := false
					ctx := ftpnat.WithTrace(w.ctx, &ftpnat.Trace{Lost: func(error) {}, Progress: func(ftpnat.ProgressEvent) {}, Command: func(line string) {
						// The second RETR of it, or what comes ahead of that.
						if n := w.Server.Counters().Commands["RETR"]; n >= 5 && !done {
							done = true
							putAt(t, w, "tree/z/big", other, was.Add(later))
						}
					}})
					dst := t.TempDir()
					err := w.openFS(t, "").WithContext(ctx).Fetch(dst, "tree")
					got, _ := os.ReadFile(filepath.Join(dst, "z/big"))
					if !done || w.counts()["STAT"] == 0 {
						t.Fatalf("%s: not what is to be tested: %v", p.Name, w.counts())
					}
					if err == nil && !bytes.Equal(got, content) && !bytes.Equal(got, other) {
						t.Errorf("%s, %v later: %d bytes that are neither the old file nor the new", p.Name, later, len(got))
					}
					if err != nil && !errors.Is(err, ftpnat.ErrChanged) {
						t.Errorf("%s, %v later: %v", p.Name, later, err)
					}
				})
			})
		}
	}
}

// TestRangesReplaced changes a file within its ranges, which STAT has listed to
// the minute.
func TestRangesReplaced(t *testing.T) {
	was := time.Date(2024, 5, 6, 10, 20, 10, 0, time.UTC)
	other := slices.Clone(content)
	for _, at := range []int{30_000, 90_000, 180_000} { // none is compared
		copy(other[at:], "another")
	}
	for _, p := range pipelined {
		for _, later := range []time.Duration{20 * time.Second, 45 * time.Minute} {
			s := setup{
				ftp:    func(srv *ftptest.Server) { srv.Personality, srv.Limits.Rate, srv.Limits.MaxConns = p, 50_000, 2 },
				dialer: func(d *ftpnat.Dialer) { d.SplitOver = int64(len(content)) },
			}
			t.Run(fmt.Sprintf("%s/%v", p.Name, later), func(t *testing.T) {
				inBubble(t, s, func(t *testing.T, w *world) {
					someBig(t, w, was)
					fsys := w.openFS(t, "")
					done := false
					ctx := ftpnat.WithTrace(w.ctx, &ftpnat.Trace{Progress: func(e ftpnat.ProgressEvent) {
						if e.Name == "tree/z/big" && e.Bytes > 20_000 && !done {
							done = true
							putAt(t, w, "tree/z/big", other, was.Add(later))
						}
					}})
					dst := t.TempDir()
					err := fsys.WithContext(ctx).Fetch(dst, "tree")
					got, _ := os.ReadFile(filepath.Join(dst, "z/big"))
					if !done || w.counts()["STAT"] == 0 || w.counts()["REST"] == 0 {
						t.Fatalf("%s: not what is to be tested: %v", p.Name, w.counts())
					}
					if err == nil && !bytes.Equal(got, content) && !bytes.Equal(got, other) {
						t.Errorf("%s, %v later: %d bytes of both", p.Name, later, len(got))
					}
					if err != nil && !errors.Is(err, ftpnat.ErrChanged) {
						t.Errorf("%s, %v later: %v", p.Name, later, err)
					}
				})
			})
		}
	}
}

// TestLentReplaced replaces a half read file by another of its size while its
// connection is lent. Its directory was listed a moment ago.
func TestLentReplaced(t *testing.T) {
	other := slices.Clone(content)
	slices.Reverse(other)
	s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }}
	inBubble(t, s, func(t *testing.T, w *world) {
		putAt(t, w, "pub/file.bin", content, treeTime)
		fsys := w.openFS(t, "")
		if _, err := fsys.ReadDir("pub"); err != nil {
			t.Fatal(err)
		}
		f, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		half := make([]byte, 70_000)
		if _, err := io.ReadFull(f, half); err != nil {
			t.Fatal(err)
		}
		putAt(t, w, "pub/file.bin", other, treeTime.Add(67*time.Minute))
		if _, err := fsys.ReadFile("empty"); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(f)
		if err == nil && !bytes.Equal(append(half, rest...), content) {
			t.Error("half of the old file and half of the new")
		}
		if err != nil && !errors.Is(err, ftpnat.ErrChanged) {
			t.Error(err)
		}
	})
}

// oddTree returns files, with their sizes, whose names servers are known to take
// for something else. They are at each of the places.
func oddTree(places ...string) map[string]int {
	files := make(map[string]int)
	for _, top := range []string{"a", "b", "-la", " lead", "st*r", "~t", "é", "20240101000000 x", "q?", "z"} {
		for _, sub := range []string{"c", "-R", "d e", "é"} {
			for i, f := range []string{"f", "-g", "*", " h", "i j", "é"} {
				for _, place := range places {
					files[place+top+"/"+sub+"/"+f] = i + len(sub)
				}
			}
		}
	}
	return files
}

// under returns the files in a directory, by their names from there.
func under(files map[string]int, dir string) map[string]int {
	below := make(map[string]int)
	for name, size := range files {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			below[rest] = size
		} else if dir == "." || dir == "" {
			below[name] = size
		}
	}
	return below
}

// TestWalkOdd walks below directories with odd names, from the directory of the
// URL and that of a Sub, over one connection, while a file is half read, on
// servers that keep a REST in force.
func TestWalkOdd(t *testing.T) {
	for _, p := range pipelined {
		for _, where := range []struct{ url, sub string }{{"", "."}, {"base", "."}, {"", "base"}, {"base", "ü"}} {
			t.Run(fmt.Sprintf("%s/%s/%s", p.Name, where.url, where.sub), func(t *testing.T) {
				p.Files.RestPersists = true
				files := oddTree("base/", "base/ü/")
				s := treeSetup(t, p, 1, files)
				inBubble(t, s, func(t *testing.T, w *world) {
					putAt(t, w, "base/ü/big", content, treeTime)
					files["base/ü/big"] = len(content)
					f := w.openFS(t, where.url)
					big, err := f.Open(strings.TrimPrefix("base/ü/big", where.url+"/"))
					if err != nil {
						t.Fatal(err)
					}
					defer big.Close()
					half := make([]byte, 70_000)
					if _, err := io.ReadFull(big, half); err != nil {
						t.Fatal(err)
					}
					sub, err := f.Dir(where.sub)
					if err != nil {
						t.Fatal(err)
					}
					prefix := path.Join(where.url, where.sub)
					want := under(files, prefix)
					for _, info := range []bool{true, false} {
						seen, err := walk(sub, info)
						if err != nil {
							t.Fatal(err)
						}
						walked(seen).same(t, expect(want), info)
						rest := make([]byte, 50_000)
						n, err := io.ReadFull(big, rest)
						half = append(half, rest[:n]...)
						if err != nil {
							t.Fatal(err)
						}
						if data, err := f.ReadFile(strings.TrimPrefix("base/ü/big", where.url+"/")); err != nil || !bytes.Equal(data, content) {
							t.Errorf("%d bytes, %v", len(data), err)
						}
					}
					rest, err := io.ReadAll(big)
					if half = append(half, rest...); err != nil || !bytes.Equal(half, content) {
						t.Errorf("%d bytes, %v", len(half), err)
					}
					dst := t.TempDir()
					if err := sub.Fetch(dst, "."); err != nil {
						t.Fatal(err)
					}
					sameTrees(t, localTree(t, dst), serverTree(t, w.Server.Tree, prefix))
					if w.counts()["STAT"] == 0 {
						t.Error("no STAT")
					}
				})
			})
		}
	}
}

// TestListedBefore writes a file while its directory is being listed: what Open
// finds is not what the listing said.
func TestListedBefore(t *testing.T) {
	s := setup{
		ftp:    func(srv *ftptest.Server) { srv.Limits.Rate = 50 },
		dialer: func(d *ftpnat.Dialer) { d.MaxConns = 2 },
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		listed := make(chan error)
		go func() {
			_, err := fsys.ReadDir("pub")
			listed <- err
		}()
		time.Sleep(10 * rtt)
		if err := fsys.WriteFile("pub/file.bin", []byte("new"), 0o644); err != nil {
			t.Fatal(err)
		}
		select {
		case <-listed:
			t.Fatal("the listing came too soon")
		default:
		}
		if err := <-listed; err != nil {
			t.Fatal(err)
		}
		f, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil || info.Size() != 3 {
			t.Errorf("%d bytes, %v", info.Size(), err)
		}
	})
}

// TestRemoveHidden removes a tree in which STAT does not show the links to "..",
// as is ProFTPD's way.
func TestRemoveHidden(t *testing.T) {
	files := map[string]int{"kept": 1}
	for _, dir := range []string{"a", "b", "c", "d"} {
		files["tree/"+dir+"/x"] = 1
		files["other/"+dir+"/x"] = 1
	}
	s := treeSetup(t, ftptest.ProFTPD(), 1, files)
	inner := s.ftp
	s.ftp = func(srv *ftptest.Server) { inner(srv); srv.EditStat = without(` up -> \.\.$`) }
	inBubble(t, s, func(t *testing.T, w *world) {
		for _, dir := range []string{"a", "b", "c", "d"} {
			if err := w.Server.Tree.Symlink("..", "tree/"+dir+"/up"); err != nil {
				t.Fatal(err)
			}
		}
		fsys := w.openFS(t, "")
		if _, err := walk(fsys, false); err != nil {
			t.Fatal(err)
		}
		if err := fsys.RemoveAll("tree"); err != nil {
			t.Error(err)
		}
		if _, err := fsys.Lstat("tree"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Lstat = %v", err)
		}
		if w.counts()["STAT"] == 0 {
			t.Error("no STAT")
		}
	})
}
