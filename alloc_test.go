//go:build !race

package ftpnat_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/ftpnat/ftpnat"
)

// smallFile is the size of a small file.
const smallFile = 10 << 10

// TestSmallFileAllocs counts what one small file costs on a session that is
// up, its content aside. The server is in another process, so that all that is
// counted is the client's. The race detector allocates too.
func TestSmallFileAllocs(t *testing.T) {
	addr := served{Files: map[string]int64{"small": smallFile}}.start(t)
	fsys, err := ftpnat.Open(t.Context(), "ftp://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, c := range []struct {
		name string
		fsys *ftpnat.FS
		most float64
	}{
		{"without a context", fsys, 60},
		// Each call joins it with the life of the FS.
		{"with one", fsys.WithContext(ctx), 68},
	} {
		t.Run(c.name, func(t *testing.T) {
			allocs := testing.AllocsPerRun(200, func() {
				if got, err := c.fsys.ReadFile("small"); err != nil || len(got) != smallFile {
					t.Fatal(len(got), err)
				}
			})
			const content = 1
			t.Logf("%v allocations", allocs-content)
			if allocs > c.most+content {
				t.Errorf("%v allocations beyond the content, want at most %v", allocs-content, c.most)
			}
		})
	}
}

// BenchmarkSmallFile reads a small file on a session that is up. The server is
// in another process, so that the allocations are the client's.
func BenchmarkSmallFile(b *testing.B) {
	addr := served{Files: map[string]int64{"small": smallFile}}.start(b)
	fsys, err := ftpnat.Open(b.Context(), "ftp://"+addr)
	if err != nil {
		b.Fatal(err)
	}
	defer fsys.Close()
	b.SetBytes(smallFile)
	b.ReportAllocs()
	for b.Loop() {
		if got, err := fsys.ReadFile("small"); err != nil || len(got) != smallFile {
			b.Fatal(len(got), err)
		}
	}
}

// allocated returns how many bytes were allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
