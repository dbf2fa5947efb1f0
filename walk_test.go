package ftpnat_test

import (
	"fmt"
	"io/fs"
	"path"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// flatTree has 50 directories with 20 files each, the tree of the figures.
func flatTree() map[string]int {
	files := make(map[string]int)
	for i := range 50 {
		for j := range 20 {
			files[fmt.Sprintf("d%02d/f%02d.txt", i, j)] = 100*i + j
		}
	}
	return files
}

// deepTree has 51 directories in four levels, files and dot files in some.
func deepTree() map[string]int {
	files := map[string]int{"top.txt": 7, ".top": 1}
	for i := range 5 {
		for j := range 3 {
			for k := range 2 {
				dir := fmt.Sprintf("a%d/b%d/c%d", i, j, k)
				for n := range 30 {
					files[fmt.Sprintf("%s/f%02d", dir, n)] = i + j + k + n
				}
				files[dir+"/.dot"] = 3
			}
		}
		files[fmt.Sprintf("a%d/x", i)] = i
	}
	return files
}

// plantSizes puts files of some sizes into a server's tree, in place of what is
// there.
func plantSizes(t testing.TB, tree *ftptest.Tree, files map[string]int) {
	t.Helper()
	for name, size := range files {
		if err := tree.WriteFile(name, content[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := tree.Chtimes(name, treeTime.Add(time.Duration(size)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
}

// walked is what a walk saw of a tree: sizes of files by name, -1 for
// directories.
type walked map[string]int

// expect returns what a walk has to see.
func expect(files map[string]int) walked {
	w := walked{".": -1}
	for name, size := range files {
		w[name] = size
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			w[dir] = -1
		}
	}
	return w
}

// walk walks a tree; with info it asks for the Info of all.
func walk(fsys fs.FS, info bool) (walked, error) {
	seen := make(walked)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		seen[name] = -1
		if d.IsDir() {
			return nil
		}
		seen[name] = 0
		if info {
			i, err := d.Info()
			if err != nil {
				return err
			}
			seen[name] = int(i.Size())
		}
		return nil
	})
	return seen, err
}

// same compares what a walk saw with what is there; without sizes where it did
// not ask for them.
func (w walked) same(t testing.TB, want walked, sizes bool) {
	t.Helper()
	for name, size := range want {
		got, ok := w[name]
		switch {
		case !ok:
			t.Errorf("the walk missed %q", name)
		case sizes && got != size, (got < 0) != (size < 0):
			t.Errorf("the walk saw %q with %d bytes, want %d", name, got, size)
		}
	}
	for name := range w {
		if _, ok := want[name]; !ok {
			t.Errorf("the walk saw %q, which is not there", name)
		}
	}
}

// counts returns how often each command was sent on all control connections.
func (w *world) counts() map[string]int {
	n := make(map[string]int)
	for _, d := range w.Server.Transcript() {
		for _, v := range d.Verbs() {
			n[v]++
		}
	}
	return n
}

// treeSetup serves files alone.
func treeSetup(t testing.TB, p ftptest.Personality, conns int, files map[string]int) setup {
	return setup{
		ftp: func(srv *ftptest.Server) {
			srv.Personality = p
			srv.Tree = ftptest.NewTree()
			plantSizes(t, srv.Tree, files)
		},
		dialer: func(d *ftpnat.Dialer) { d.MaxConns = conns },
	}
}

// TestWalkFigures counts round trips from Open to the end of a walk.
func TestWalkFigures(t *testing.T) {
	most := map[string]float64{"vsftpd": 16, "ProFTPD": 22, "Pure-FTPd": 15, "pyftpdlib": 22}
	const forInfo = 4 // where that is asked for
	for _, p := range ftptest.Personalities() {
		for shape, files := range map[string]map[string]int{"flat": flatTree(), "deep": deepTree()} {
			for _, info := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/info=%v", p.Name, shape, info), func(t *testing.T) {
					inBubble(t, treeSetup(t, p, 1, files), func(t *testing.T, w *world) {
						start := time.Now()
						fsys := w.openFS(t, "")
						opened := time.Since(start)
						seen, err := walk(fsys, info)
						if err != nil {
							t.Fatal(err)
						}
						trips, login := float64(time.Since(start))/float64(rtt), float64(opened)/float64(rtt)
						seen.same(t, expect(files), info)
						n := w.counts()
						t.Logf("%.1f round trips, %.1f of them for Open; STAT %d, LIST %d, MLSD %d, MLST %d", trips, login, n["STAT"], n["LIST"], n["MLSD"], n["MLST"])
						limit, ok := most[p.Name]
						if info {
							limit += forInfo
						}
						if ok && trips > limit {
							t.Errorf("%.1f round trips, want at most %.1f", trips, limit)
						}
					})
				})
			}
		}
	}
}
