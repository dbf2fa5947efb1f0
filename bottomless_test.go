package ftpnat_test

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestBottomless has a directory that is found in itself again and again, as a link
// to the directory above is that a server shows as a directory: what goes through
// trees ends, with an error that names it. What is below is reached by Sub.
func TestBottomless(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{ftp: func(s *ftptest.Server) { s.Personality = p }}
			inBubble(t, s, func(t *testing.T, w *world) {
				w.put(t, "a/"+strings.Repeat("loop/", 130)+"f", small)
				fsys := w.openFS(t, "")
				check := func(what string, err error) {
					t.Helper()
					if err == nil || !strings.Contains(err.Error(), "a/"+strings.Repeat("loop/", 99)+"loop: more than 100 directories") {
						t.Errorf("%s: %v", what, err)
					}
				}
				n := 0
				var last error
				err := fs.WalkDir(fsys, "a", func(_ string, _ fs.DirEntry, err error) error {
					if n++; err != nil {
						last = err
						return fs.SkipDir
					}
					return nil
				})
				check("WalkDir", last)
				if err != nil || n > 102 {
					t.Errorf("WalkDir: %d names, %v", n, err)
				}
				check("Fetch", fsys.Fetch(filepath.Join(t.TempDir(), "down"), "a"))
				check("RemoveAll", fsys.RemoveAll("a"))
				below, err := fsys.Sub("a/" + strings.Repeat("loop/", 49) + "loop")
				if err != nil {
					t.Fatal(err)
				}
				n = 0
				err = fs.WalkDir(below, ".", func(_ string, _ fs.DirEntry, err error) error {
					n++
					return err
				})
				if err != nil || n != 82 {
					t.Errorf("below: %d names, %v", n, err)
				}
			})
		})
	}
}
