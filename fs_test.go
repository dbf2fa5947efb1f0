package ftpnat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/iotest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// treeTime is when all files of the test tree were changed.
var treeTime = time.Date(2024, 2, 29, 12, 30, 0, 0, time.UTC)

// treeFiles are the files of the test tree: names that servers are known to
// stumble over are among them.
var treeFiles = map[string]string{
	"hello.txt":            "hello, world\n",
	"empty.bin":            "",
	".hidden":              "x",
	"dir/a.csv":            "1,2\n",
	"dir/.dot/deep":        "deep",
	"dir/sub/b.csv":        "3,4,5\n",
	"odd/two words/x":      "blank",
	"odd/[brackets]/x":     "brackets",
	"odd/st*r/x":           "star",
	"odd/wh?t/x":           "what",
	"odd/-dash/-x":         "dash",
	"odd/-la/x":            "option",
	"odd/ü/ß":              "umlaut",
	"odd/20240101000000 x": "stamp",
	"odd/~tilde":           "tilde",
	"odd/quote\"d":         "quote",
	"odd/a -> b":           "arrow",
	"-first":               "first",
}

// plant puts the test tree into a server.
func plant(t testing.TB, tree *ftptest.Tree) {
	t.Helper()
	for name, data := range treeFiles {
		if err := tree.WriteFile(name, []byte(data), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := tree.Chtimes(name, treeTime); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.MkdirAll("void"); err != nil {
		t.Fatal(err)
	}
}

// plantLinks adds symbolic links.
func plantLinks(t testing.TB, tree *ftptest.Tree) {
	t.Helper()
	if err := tree.Symlink("hello.txt", "link"); err != nil {
		t.Fatal(err)
	}
	if err := tree.Symlink("dir", "dirlink"); err != nil {
		t.Fatal(err)
	}
}

// syncBuffer is a log of several connections.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// openFS opens the server's root; the dialogue is logged when the test fails.
func (w *world) openFS(t testing.TB, dir string) *FS {
	t.Helper()
	log := new(syncBuffer)
	ctx := WithTrace(t.Context(), writeTrace(log))
	fsys, err := w.d.Open(ctx, "ftp://"+w.addr+"/"+dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.b.String())
	}
	w.extra = append(w.extra, func() {
		fsys.Close()
		if t.Failed() {
			t.Logf("dialogue:\n%s", tail(log.b.String()))
		}
	})
	return fsys.WithContext(ctx)
}

func tail(s string) string {
	const most = 6000
	if len(s) > most {
		return "...\n" + s[len(s)-most:]
	}
	return s
}

// TestFSConformance runs the checks of the standard library against each kind
// of server, with many connections and with one.
func TestFSConformance(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		for _, conns := range []int{4, 1} {
			t.Run(fmt.Sprintf("%s/%d", p.Name, conns), func(t *testing.T) {
				s := setup{
					ftp:    func(srv *ftptest.Server) { srv.Personality = p },
					dialer: func(d *Dialer) { d.MaxConns = conns },
				}
				inBubble(t, s, func(t *testing.T, w *world) {
					plant(t, w.srv.Tree)
					if p.DOSDate == "" {
						// In a listing of DOS form a link looks like a file of
						// another size.
						plantLinks(t, w.srv.Tree)
					}
					fsys := w.openFS(t, "")
					var names []string
					for name := range treeFiles {
						names = append(names, name)
					}
					if err := fstest.TestFS(fsys, names...); err != nil {
						t.Error(err)
					}
					sub, err := fsys.Sub("odd")
					if err != nil {
						t.Fatal(err)
					}
					if err := fstest.TestFS(sub, "-dash/-x", "two words/x", "st*r/x"); err != nil {
						t.Error("sub:", err)
					}
				})
			})
		}
	}
}

var _ = context.Background
var _ = errors.Is
var _ = io.EOF
var _ fs.FS
var _ = slices.Sort[[]int]
var _ = strings.Cut
var _ = iotest.TestReader
