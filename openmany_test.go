package ftpnat_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestOpenMany has more files open than there are connections and reads a little of
// each: nobody waits for those that came whole to stand idle, and nothing is sent
// twice for what is read of them later.
func TestOpenMany(t *testing.T) {
	const files, size = 20, 4000
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.IIS()} {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 4 }, ftp: func(s *ftptest.Server) { s.Personality = p }}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "").WithContext(w.ctx)
				open := make([]fs.File, files)
				for i := range open {
					open[i] = openNth(t, w, fsys, i, size)
					defer open[i].Close()
				}
				head := make([]byte, 100)
				for i, f := range open {
					start := time.Now()
					if _, err := io.ReadFull(f, head); err != nil || !bytes.Equal(head, content[i:i+100]) {
						t.Fatalf("file %d: other bytes, %v", i, err)
					}
					if took := time.Since(start); took%rtt != 0 {
						t.Errorf("file %d took %v, which is more than its round trips", i, took)
					}
				}
				restOfEach(t, open, size)
				if n := strings.Count(w.log.String(), "> RETR"); n != files {
					t.Errorf("RETR was sent %d times for %d files", n, files)
				}
			})
		})
	}
}

// TestOpenManyChanged has files grow, and their transfers be refused at the end, while
// their rest is kept.
func TestOpenManyChanged(t *testing.T) {
	const files, size = 8, 4000
	for _, final := range []string{"", "451 Disk.", "-"} {
		t.Run(final, func(t *testing.T) {
			s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) {
				if final != "" {
					step := ftptest.Step{On: "RETR", Nth: 2, Final: final}
					if final == "-" {
						step.Then = ftptest.Reset
					}
					s.Script = []ftptest.Step{step}
				}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "").WithContext(w.ctx)
				open := make([]fs.File, files)
				head := make([]byte, 100)
				for i := range open {
					open[i] = openNth(t, w, fsys, i, size)
					defer open[i].Close()
					if _, err := io.ReadFull(open[i], head); err != nil {
						t.Fatal(err)
					}
				}
				restOfEach(t, open, size)
			})
		})
	}
}

// openNth opens a file of that size, whose bytes begin at the nth of the content.
func openNth(t *testing.T, w *world, fsys *ftpnat.FS, n, size int) fs.File {
	t.Helper()
	name := fmt.Sprint("f", n)
	if err := w.Server.Tree.WriteFile(name, content[n:n+size], 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// restOfEach reads what is left of them behind the first hundred bytes.
func restOfEach(t *testing.T, open []fs.File, size int) {
	t.Helper()
	for i, f := range open {
		rest, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(rest, content[i+100:i+size]) {
			t.Errorf("file %d: %d bytes of the rest, %v", i, len(rest), err)
		}
	}
}
