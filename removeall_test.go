package ftpnat_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// manyFiles has 2,000 files in 40 directories, and something beside them.
func manyFiles() map[string]int {
	files := map[string]int{"kept": 1}
	for i := range 40 {
		for j := range 50 {
			files[fmt.Sprintf("tree/d%02d/f%02d.txt", i, j)] = j
		}
	}
	return files
}

// TestRemoveAllFigures counts the round trips of a RemoveAll after Open. Before it
// sent commands without waiting, and one name after the other over one connection,
// it were more than 2,200.
func TestRemoveAllFigures(t *testing.T) {
	most := map[int]float64{1: 220, 4: 80}
	for _, p := range ftptest.Personalities() {
		for _, conns := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", p.Name, conns), func(t *testing.T) {
				inBubble(t, treeSetup(t, p, conns, manyFiles()), func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					start := time.Now()
					if err := fsys.RemoveAll("tree"); err != nil {
						t.Error(err)
					}
					trips := float64(time.Since(start)) / float64(rtt)
					n := w.counts()
					t.Logf("%.1f round trips; DELE %d, RMD %d, MLST %d, MLSD %d, LIST %d", trips, n["DELE"], n["RMD"], n["MLST"], n["MLSD"], n["LIST"])
					if limit := most[conns]; limit > 0 && trips > limit {
						t.Errorf("%.1f round trips, want at most %.1f", trips, limit)
					}
					w.left(t, "", "kept")
				})
			})
		}
	}
}

// smallTree has five files in each of four directories, one of them in another.
func smallTree() map[string]int {
	files := map[string]int{"kept": 1, "other/f0": 1}
	for _, dir := range []string{"tree", "tree/a", "tree/a/b", "tree/c"} {
		for j := range 5 {
			files[fmt.Sprintf("%s/f%d", dir, j)] = j
		}
	}
	return files
}

// TestRemoveAllCut ends each of the first control connections after a number of
// bytes, in either direction and each way: all is removed, and nothing else.
func TestRemoveAllCut(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD(), ftptest.ProFTPD()} {
		for _, conns := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d", p.Name, conns), func(t *testing.T) {
				for _, dir := range []ftptest.Direction{ftptest.Sent, ftptest.Received} {
					for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset, ftptest.Silence} {
						for after := int64(400); after < 1600; after += 67 {
							s := treeSetup(t, p, conns, smallTree())
							inner := s.ftp
							s.ftp = func(srv *ftptest.Server) {
								inner(srv)
								srv.Faults = []ftptest.Fault{
									{Conn: 1, Dir: dir, After: after, Kind: kind}, {Conn: 2, Dir: dir, After: after + 29, Kind: kind},
								}
							}
							inBubble(t, s, func(t *testing.T, w *world) {
								fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr)
								if err != nil {
									t.Fatal(err)
								}
								defer fsys.Close()
								if err := fsys.RemoveAll("tree"); err != nil {
									t.Errorf("%v %v after %d: %v", dir, kind, after, err)
								}
								w.left(t, "", "kept", "other")
								w.left(t, "other", "f0")
							})
						}
					}
				}
			})
		}
	}
}

// TestRemoveAllDenied has the server refuse to remove one file, or any directory:
// everything else is removed, and the error names what stays.
func TestRemoveAllDenied(t *testing.T) {
	for _, p := range append(theFour(), ftptest.Plain(), ftptest.Ancient()) {
		for _, conns := range []int{1, 4} {
			denied := func(steps ...ftptest.Step) setup {
				s := treeSetup(t, p, conns, smallTree())
				inner := s.ftp
				s.ftp = func(srv *ftptest.Server) {
					inner(srv)
					srv.Script = steps
				}
				return s
			}
			check := func(s setup, names ...string) func(t *testing.T) {
				return func(t *testing.T) {
					inBubble(t, s, func(t *testing.T, w *world) {
						fsys, start := w.openFS(t, ""), time.Now()
						err := fsys.RemoveAll("tree")
						if took := time.Since(start); took > defaultRetryFor+time.Minute {
							t.Errorf("took %v", took)
						}
						if !errors.Is(err, fs.ErrPermission) {
							t.Errorf("%v is not ErrPermission", err)
						}
						for _, name := range names {
							if err == nil || !strings.Contains(err.Error(), "remove "+name+":") {
								t.Errorf("%v does not name %s", err, name)
							}
						}
						if n := strings.Count(fmt.Sprint(err), "\n") + 1; n != len(names) {
							t.Errorf("%d errors, want %d: %v", n, len(names), err)
						}
						left := filesBelow(t, w.Server.Tree, "tree")
						if !strings.Contains(t.Name(), "RMD") && !slices.Equal(left, names) || strings.Contains(t.Name(), "RMD") && len(left) > 0 {
							t.Errorf("left %q", left)
						}
						w.left(t, "other", "f0")
					})
				}
			}
			name := fmt.Sprintf("%s/%d/", p.Name, conns)
			t.Run(name+"file", check(denied(ftptest.Step{On: "DELE", Arg: "a/b/f2", Reply: "550 Permission denied."}), "tree/a/b/f2"))
			t.Run(name+"RMD", check(denied(ftptest.Step{On: "RMD", Reply: "550 Permission denied."}), "tree/a/b", "tree/c"))
			t.Run(name+"later", check(denied(
				ftptest.Step{On: "DELE", Arg: "c/f1", Reply: "450 Busy."}, ftptest.Step{On: "DELE", Arg: "c/f2", Reply: "450 Busy."},
				ftptest.Step{On: "DELE", Arg: "a/f1", Reply: "553 Permission denied."},
			), "tree/a/f1", "tree/c/f1", "tree/c/f2"))
		}
	}
}

// filesBelow returns the files in a tree.
func filesBelow(t *testing.T, tree *ftptest.Tree, dir string) (names []string) {
	t.Helper()
	list, err := tree.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if name := dir + "/" + i.Name(); i.IsDir() {
			names = append(names, filesBelow(t, tree, name)...)
		} else {
			names = append(names, name)
		}
	}
	return names
}

// TestRemoveAllUnread has lines in a listing that are not understood: what was read
// is removed, and the rest is told.
func TestRemoveAllUnread(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD(), ftptest.Ancient()} {
		s := treeSetup(t, p, 4, smallTree())
		inner := s.ftp
		s.ftp = func(srv *ftptest.Server) {
			inner(srv)
			srv.EditList = func(dir string, lines []string) []string {
				if !strings.HasSuffix(dir, "tree/a") {
					return lines
				}
				lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasSuffix(line, "f4") })
				return append(lines, "What? is this")
			}
		}
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, s, func(t *testing.T, w *world) {
				err := w.openFS(t, "").RemoveAll("tree")
				var unread *ftpnat.ListingError
				if !errors.As(err, &unread) || unread.Dir != "tree/a" || !strings.Contains(err.Error(), "remove tree/a:") {
					t.Errorf("%v", err)
				}
				if left := filesBelow(t, w.Server.Tree, "tree"); !slices.Equal(left, []string{"tree/a/f4"}) {
					t.Errorf("left %q", left)
				}
			})
		})
	}
}

// TestRemoveAllLies has a server list what leads out of the directory, and a
// name as a file and as a directory. Nothing else is removed.
func TestRemoveAllLies(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD(), ftptest.Ancient()} {
		s := treeSetup(t, p, 4, smallTree())
		inner := s.ftp
		s.ftp = func(srv *ftptest.Server) {
			inner(srv)
			srv.EditList = func(dir string, lines []string) []string {
				if !strings.Contains(dir, "tree/c") || len(lines) == 0 {
					return lines
				}
				for _, name := range []string{"..", "../kept", "../../kept", "/kept", "../other", "loop"} {
					lines = append(lines, strings.Replace(lines[0], "f0", name, 1))
				}
				dirs := slices.Clone(lines[len(lines)-6:])
				for _, line := range dirs {
					line = strings.Replace(line, "type=file", "type=dir", 1)
					if strings.HasPrefix(line, "-") {
						line = "d" + line[1:]
					}
					lines = append(lines, line)
				}
				return lines
			}
		}
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, s, func(t *testing.T, w *world) {
				if err := w.openFS(t, "").RemoveAll("tree"); err != nil {
					t.Errorf("what is listed and not there: %v", err)
				}
				w.left(t, "", "kept", "other")
				w.left(t, "other", "f0")
				if n := w.counts(); n["DELE"]+n["RMD"] > 1000 {
					t.Errorf("sent %v", n)
				}
				for _, d := range w.Server.Transcript() {
					for _, line := range d.Commands() {
						if strings.Contains(line, "..") {
							t.Errorf("sent %q", line)
						}
					}
				}
			})
		})
	}
}

// TestRemoveAllCutListing has a server that lists no more than 100 entries, without
// a word: what comes to light is removed too.
func TestRemoveAllCutListing(t *testing.T) {
	files := map[string]int{"kept": 1}
	for i := range 330 {
		files[fmt.Sprintf("tree/d/f%03d", i)] = 1
	}
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD()} {
		s := treeSetup(t, p, 4, files)
		inner := s.ftp
		s.ftp = func(srv *ftptest.Server) {
			inner(srv)
			srv.EditList = func(_ string, lines []string) []string { return lines[:min(len(lines), 100)] }
		}
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, s, func(t *testing.T, w *world) {
				if err := w.openFS(t, "").RemoveAll("tree"); err != nil {
					t.Error(err)
				}
				w.left(t, "", "kept")
			})
		})
	}
}
