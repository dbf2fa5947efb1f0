package ftpnat_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// cutNames are those in the directory that listCut lists.
var cutNames = []string{"dir", "empty", "name.txt", "name.txt.old", "pub"}

// listCut lists a directory over data connections, all or one, that are cut
// where the server does not see it. It returns how often it was listed for that.
func listCut(t *testing.T, p ftptest.Personality, conn int, after int64, f func(fsys *ftpnat.FS)) (asked int) {
	s := setup{dialer: plain, ftp: func(s *ftptest.Server) {
		s.Personality = p
		s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: conn, Dir: ftptest.Sent, After: after, Kind: ftptest.Cut}}
		for _, verb := range []string{"LIST", "MLSD"} {
			s.Script = append(s.Script, ftptest.Step{On: verb, Final: "226 Directory send OK."})
		}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		for _, name := range []string{"dir/x", "name.txt", "name.txt.old"} {
			if err := w.Server.Tree.WriteFile(name, small, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		f(w.openFS(t, ""))
		asked = strings.Count(w.Verbs(), "LIST") + strings.Count(w.Verbs(), "MLSD")
	})
	return asked
}

func namesOf(list []fs.DirEntry) (names []string) {
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// TestListCut has listings cut at each byte: no name comes of a part of one, and
// none is missing but where the cut is at the end of a line.
func TestListCut(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD()} {
		t.Run(p.Name, func(t *testing.T) {
			short, last := 0, int64(0)
			for after := int64(1); after < 800; after++ {
				asked := listCut(t, p, 1, after, func(fsys *ftpnat.FS) {
					list, err := fsys.ReadDir(".")
					names := namesOf(list)
					switch {
					case err != nil:
						t.Errorf("cut after %d bytes: %v", after, err)
					case len(names) < len(cutNames):
						short++
					case !slices.Equal(names, cutNames):
						t.Errorf("cut after %d bytes: %q", after, names)
					}
				})
				if asked > 1 {
					last = after
				}
			}
			if short > len(cutNames)+2 || last == 0 {
				t.Errorf("%d listings were short; the last cut that was seen is after %d bytes", short, last)
			}
			// A server that does not end its last line.
			asked := listCut(t, p, 0, last-1, func(fsys *ftpnat.FS) {
				for range 3 {
					if list, err := fsys.ReadDir("."); err != nil || !slices.Equal(namesOf(list), cutNames) {
						t.Errorf("not ended: %q, %v", namesOf(list), err)
					}
				}
			})
			if asked != 4 {
				t.Errorf("a server that does not end its lines was asked %d times for 3 listings", asked)
			}
		})
	}
}
