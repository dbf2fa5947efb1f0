package ftpnat_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestClosedDirectory has a server without MLSD say 226 to the listing of a directory
// that may not be read, as ProFTPD does: it is told from an empty one by "." alone.
func TestClosedDirectory(t *testing.T) {
	p := ftptest.ProFTPD()
	p.Missing = append(p.Missing, "MLSD", "MLST")
	nothing := func(dir string, lines []string) []string {
		if dir == "shut" || dir == "/shut" {
			return nil
		}
		return lines
	}
	s := played(p, func(srv *ftptest.Server) { srv.EditList, srv.EditStat = nothing, nothing })
	for _, first := range []string{"shut", ".", "void"} {
		t.Run(fmt.Sprint(first, " first"), func(t *testing.T) {
			inBubble(t, s, func(t *testing.T, w *world) {
				w.put(t, "shut/x", small)
				if err := w.Server.Tree.MkdirAll("void"); err != nil {
					t.Fatal(err)
				}
				fsys := w.openFS(t, "")
				_, _ = fsys.ReadDir(first)
				for _, name := range []string{"shut", "void", "shut"} {
					entries, err := fsys.ReadDir(name)
					if closed := name == "shut"; len(entries) > 0 || closed != errors.Is(err, fs.ErrPermission) || !closed && err != nil {
						t.Errorf("ReadDir(%s) = %v, %v", name, entries, err)
					}
				}
				dir, err := fsys.Open("shut")
				if err != nil {
					t.Fatal(err)
				}
				if list, err := dir.(fs.ReadDirFile).ReadDir(10); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("File.ReadDir = %v, %v", list, err)
				}
				dst := t.TempDir()
				if err := fsys.Fetch(dst, "."); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("Fetch: %v", err)
				}
				if info, err := os.Stat(filepath.Join(dst, "void")); err != nil || !info.IsDir() {
					t.Errorf("the empty directory was not fetched: %v", err)
				}
				walked := fs.WalkDir(fsys, ".", func(_ string, _ fs.DirEntry, err error) error { return err })
				if !errors.Is(walked, fs.ErrPermission) {
					t.Errorf("WalkDir: %v", walked)
				}
				if got, err := fsys.ReadFile("shut/x"); err != nil || len(got) != len(small) {
					t.Errorf("ReadFile: %d bytes, %v", len(got), err)
				}
			})
		})
	}
}

// TestRootUnlisted has the root not be listed whole, which is asked what a listing
// shows: an empty directory is empty all the same.
func TestRootUnlisted(t *testing.T) {
	p := ftptest.Plain()
	p.Missing = append(p.Missing, "MLSD", "MLST")
	for _, final := range []string{"226 Output truncated to 5 matches.", "550 No.", "451 Later."} {
		s := played(p, func(srv *ftptest.Server) { srv.Script = []ftptest.Step{{On: "LIST", Nth: 3, Final: final}} })
		inBubble(t, s, func(t *testing.T, w *world) {
			if err := w.Server.Tree.MkdirAll("void"); err != nil {
				t.Fatal(err)
			}
			if entries, err := w.openFS(t, "").ReadDir("void"); len(entries) > 0 || err != nil {
				t.Errorf("%s: %v, %v", final, entries, err)
			}
			if verbs := w.Verbs(); strings.Count(verbs, "LIST") < 3 {
				t.Error("the root was not asked:", verbs)
			}
		})
	}
}
