//go:build !race

package ftpnat_test

import (
	"runtime"
	"testing"

	"github.com/ftpnat/ftpnat"
)

// TestIdleMemory counts the bytes that an FS holds which nobody uses. The server is
// in another process.
func TestIdleMemory(t *testing.T) {
	const n = 50
	addr := served{Files: map[string]int64{"small": smallFile}}.start(t)
	d := new(ftpnat.Dialer)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools hold is kept for one
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	open := func() *ftpnat.FS {
		fsys, err := d.Open(t.Context(), "ftp://"+addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { fsys.Close() })
		return fsys
	}
	open()
	before := heap()
	for range n {
		open()
	}
	each := (heap() - before) / n
	t.Logf("%d bytes", each)
	if each > 12<<10 {
		t.Errorf("an FS that is idle holds %d bytes", each)
	}
}
