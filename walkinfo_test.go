package ftpnat_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestWalkInfo has a walk tell the same of all entries as the ordinary listing
// does.
func TestWalkInfo(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		if p.Listing.DOSDate != "" {
			continue // links are no links there
		}
		t.Run(p.Name, func(t *testing.T) {
			s := treeSetup(t, p, 1, deepTree())
			inner := s.ftp
			s.ftp = func(srv *ftptest.Server) {
				inner(srv)
				plantLinks(t, srv.Tree)
				for link, target := range map[string]string{"a1/b1/c0/link": "f03", "a2/b1/dir": "c0", "a2/b2/up": "../b1/c1/f00"} {
					if err := srv.Tree.Symlink(target, link); err != nil {
						t.Fatal(err)
					}
				}
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				walked := make(map[string]string)
				err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
					if err != nil || name == "." {
						return err
					}
					walked[name] = describe(t, d)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				ordinary(t, fsys, ".", func(name string, d fs.DirEntry) {
					n++
					if want := describe(t, d); walked[name] != want {
						t.Errorf("%s: the walk had %s, the listing %s", name, walked[name], want)
					}
				})
				if n != len(walked) || n < len(deepTree()) {
					t.Errorf("the walk saw %d entries, the listings have %d", len(walked), n)
				}
			})
		})
	}
}

// describe returns all that is told of an entry. Of a link, STAT tells where it
// leads, which not each MLSD does.
func describe(t *testing.T, d fs.DirEntry) string {
	t.Helper()
	info, err := d.Info()
	if err != nil {
		t.Error(err)
		return ""
	}
	facts := *info.Sys().(*ftpnat.Facts)
	facts.Target = ""
	return fmt.Sprintf("%s %v %d %v %v %+v", info.Name(), d.Type(), info.Size(), info.ModTime().UTC(), info.Mode(), facts)
}

// ordinary goes through a tree by Open, which lists in the ordinary way.
func ordinary(t *testing.T, fsys fs.FS, dir string, f func(name string, d fs.DirEntry)) {
	t.Helper()
	file, err := fsys.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	list, err := file.(fs.ReadDirFile).ReadDir(-1)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		name := path.Join(dir, d.Name())
		f(name, d)
		if d.IsDir() {
			ordinary(t, fsys, name, f)
		}
	}
}

// TestWalkGone asks for the Info of a file that was removed since it was
// listed.
func TestWalkGone(t *testing.T) {
	for _, p := range pipelined {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, treeSetup(t, p, 1, deepTree()), func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				var list []fs.DirEntry
				for _, dir := range []string{".", "a0", "a0/b0", "a0/b0/c0", "a0/b0/c1"} {
					var err error
					if list, err = fsys.ReadDir(dir); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Server.Tree.Remove("a0/b0/c1/f03"); err != nil {
					t.Fatal(err)
				}
				for _, d := range list {
					_, err := d.Info()
					// LIST told all there is; MLST is asked now.
					if gone := p.Name != "vsftpd" && d.Name() == "f03"; gone != errors.Is(err, fs.ErrNotExist) || gone != (err != nil) {
						t.Errorf("%s: %v", d.Name(), err)
					}
				}
				if n := w.counts(); n["STAT"] < 3 || p.Name != "vsftpd" && n["MLST"] < len(list) {
					t.Errorf("sent %v", n)
				}
			})
		})
	}
}

// TestWalkInfoShort asks for the Info of all on a wire without delay: MLSD tells it,
// without a command for each entry, and the same as elsewhere. A walk that does not
// ask lists ahead as ever.
func TestWalkInfoShort(t *testing.T) {
	files := make(map[string]int)
	for i := range 100 {
		for j := range 20 {
			files[fmt.Sprintf("d%02d/e/f%02d", i, j)] = i + j
		}
	}
	for _, p := range ftptest.Personalities() {
		for _, conns := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", p.Name, conns), func(t *testing.T) {
				s := treeSetup(t, p, conns, files)
				s.real = true
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					for _, info := range []bool{true, false} {
						before := w.counts()
						seen, err := walk(fsys, info)
						if err != nil {
							t.Fatal(err)
						}
						seen.same(t, expect(files), info)
						n := w.counts()
						for verb, was := range before {
							n[verb] -= was
						}
						t.Logf("info %v: MLST %d, MLSD %d, LIST %d, STAT %d", info, n["MLST"], n["MLSD"], n["LIST"], n["STAT"])
						if n["MLST"] > 2 || n["MLSD"] > 201 {
							t.Errorf("info %v: sent %v", info, n)
						}
					}
				})
			})
		}
	}
}
