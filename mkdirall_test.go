package ftpnat_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestMkdirAllTogether has eight goroutines make the same directories and write
// into them, as the first backup into a fresh tree does.
func TestMkdirAllTogether(t *testing.T) {
	const workers, trees = 8, 20
	for _, server := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.Pyftpdlib()} {
		t.Run(server.Name, func(t *testing.T) {
			s := setup{
				dialer: func(d *ftpnat.Dialer) { d.MaxConns = workers },
				ftp:    func(s *ftptest.Server) { s.Personality = server },
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				var group sync.WaitGroup
				for tree := range trees {
					for i := range workers {
						group.Go(func() {
							dir := fmt.Sprintf("r%d/b/c/d", tree)
							if err := fsys.MkdirAll(dir[:len(dir)-2*(i%3)], 0o777); err != nil {
								t.Error(err)
							}
						})
					}
				}
				group.Wait()
			})
		})
	}
}

// TestMkdirAllBroken breaks the connection at each command of MkdirAll in turn.
func TestMkdirAllBroken(t *testing.T) {
	for _, server := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.PureFTPd()} {
		for _, verb := range []string{"MKD", "MLST", "SIZE", "RNFR", "EPSV", "LIST", "MLSD", "CWD"} {
			for nth := 1; nth <= 4; nth++ {
				s := setup{ftp: func(s *ftptest.Server) {
					s.Personality = server
					s.Script = []ftptest.Step{{On: verb, Nth: nth, Then: ftptest.Reset}}
				}}
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					for _, dir := range []string{"r", "r/data", "r/keys", "r/data"} {
						if err := fsys.MkdirAll(dir, 0o777); err != nil {
							t.Errorf("%s, a reset at %s %d: %v", server.Name, verb, nth, err)
						}
					}
					if info, err := fsys.Stat("r/keys"); err != nil || !info.IsDir() {
						t.Errorf("Stat = %v, %v", info, err)
					}
				})
			}
		}
	}
}

// TestUploadIntoNewDirectory uploads into a directory that another goroutine makes
// at the same time: the file is there, or the error says that its directory is not.
func TestUploadIntoNewDirectory(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "STOR", Nth: 1, Reply: "553 Could not create file.", Do: func() {
			if err := s.Tree.Mkdir("new", 0o755); err != nil {
				panic(err)
			}
		}}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		if _, err := fsys.Upload("new/f", strings.NewReader("content")); err != nil {
			t.Error(err)
		}
		w.has(t, "new/f", "content")
	})
}
