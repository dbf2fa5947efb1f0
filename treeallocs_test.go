//go:build !race

package ftpnat_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat"
)

// mallocs returns how many allocations f takes.
func mallocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// TestTreeAllocs counts what a file of a tree costs, down and up, and that it costs
// no more deep down. The server is in another process.
func TestTreeAllocs(t *testing.T) {
	const files, size = 1000, 4 << 10
	for _, tt := range []struct {
		depth    int
		down, up float64
	}{
		{0, 60, 45},
		{32, 62, 48}, // with the directories
	} {
		addr := served{Trees: []servedTree{{"tree" + strings.Repeat("/directory", tt.depth), files, size}}}.start(t)
		fsys, err := (&ftpnat.Dialer{MaxConns: 4}).Open(t.Context(), "ftp://"+addr)
		if err != nil {
			t.Fatal(err)
		}
		dst := t.TempDir()
		fetch := func(to string) {
			if err := fsys.Fetch(filepath.Join(dst, to), "tree"); err != nil {
				t.Fatal(err)
			}
		}
		fetch("warm") // opens the connections
		down := float64(mallocs(func() { fetch("down") })) / files
		copyUp := func(to string) {
			if err := fsys.CopyFS(to, os.DirFS(filepath.Join(dst, "down"))); err != nil {
				t.Fatal(err)
			}
		}
		copyUp("warm")
		up := float64(mallocs(func() { copyUp("up") })) / files
		t.Logf("depth %d: %.1f allocations a file down, %.1f up", tt.depth, down, up)
		if down > tt.down || up > tt.up {
			t.Errorf("depth %d: %.1f allocations a file down and %.1f up, want at most %v and %v", tt.depth, down, up, tt.down, tt.up)
		}
		fsys.Close()
	}
}
