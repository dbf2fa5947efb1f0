package ftpnat_test

import (
	"io/fs"
	"slices"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestRefresh has somebody else change a directory that was fetched ahead: it is
// told after Refresh, also through another FS of the same connections.
func TestRefresh(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, treeSetup(t, p, 1, deepTree()), func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				read := func(dir string) []fs.DirEntry {
					list, err := fsys.ReadDir(dir)
					if err != nil {
						t.Fatal(err)
					}
					return list
				}
				for _, dir := range []string{".", "a0", "a0/b0", "a0/b0/c0"} {
					read(dir)
				}
				for _, dir := range []string{"a0/b0/c1", "a0/b1"} {
					w.put(t, dir+"/new", small)
				}
				ahead := !slices.Contains(namesOf(read("a0/b0/c1")), "new")
				for _, q := range pipelined {
					if q.Name == p.Name && !ahead {
						t.Error("nothing was fetched ahead")
					}
				}
				before := w.counts()
				sub, err := fsys.Sub("a0")
				if err != nil {
					t.Fatal(err)
				}
				sub.(interface{ Refresh() }).Refresh()
				if after := w.counts(); after["NOOP"] != before["NOOP"] || after["STAT"] != before["STAT"] {
					t.Errorf("Refresh sent something: %v, %v", before, after)
				}
				for _, dir := range []string{"a0/b0/c1", "a0/b1"} {
					if names := namesOf(read(dir)); !slices.Contains(names, "new") {
						t.Errorf("%s after Refresh: %q", dir, names)
					}
				}
			})
		})
	}
}

// TestRefreshOpen has somebody else change a file whose size is only in a listing.
func TestRefreshOpen(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Ancient(), ftptest.VSFTPD()} {
		inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Personality = p }}, func(t *testing.T, w *world) {
			w.put(t, "d/a", small)
			w.put(t, "d/b", small)
			fsys := w.openFS(t, "")
			if _, err := fsys.Stat("d/a"); err != nil {
				t.Fatal(err)
			}
			w.put(t, "d/b", append(slices.Clone(small), "and more"...))
			fsys.Refresh()
			f, err := fsys.Open("d/b")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil || info.Size() != int64(len(small)+len("and more")) {
				t.Errorf("%s: %v, %v", p.Name, info, err)
			}
		})
	}
}
