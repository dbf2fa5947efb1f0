package ftpnat_test

import (
	"io/fs"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestEmptyRefused has servers that refuse to list a directory that is empty, in
// place of an empty listing, or call the listing complete before it began, and leave
// the data connection open: again and again the answer is the same, and soon.
func TestEmptyRefused(t *testing.T) {
	for _, reply := range []string{"550 No files found.", "450 No files found", "450 No such file or directory.", "226 No files found.", "226 No files.", "226 No files in directory."} {
		for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain(), ftptest.Ancient()} {
			t.Run(reply+" "+p.Name, func(t *testing.T) {
				var steps []any
				for _, verb := range []string{"LIST", "MLSD", "NLST"} {
					for _, arg := range []string{"none", "-a"} {
						steps = append(steps, ftptest.Step{On: verb, Arg: arg, Reply: reply})
					}
				}
				inBubble(t, played(p, steps...), func(t *testing.T, w *world) {
					if err := w.Server.Tree.MkdirAll("none"); err != nil {
						t.Fatal(err)
					}
					fsys := w.openFS(t, "")
					start := time.Now()
					for range 2 {
						if list, err := fsys.ReadDir("none"); len(list) > 0 || err != nil {
							t.Errorf("ReadDir: %q, %v", namesOf(list), err)
						}
					}
					if err := fs.WalkDir(fsys, "none", func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
						t.Errorf("WalkDir: %v", err)
					}
					if took := time.Since(start); took > 5*time.Second {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}
