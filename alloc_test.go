//go:build !race

package ftpnat

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// smallFile is the size of a small file.
const smallFile = 10 << 10

// TestSmallFileAllocs counts what one small file costs on a session that is
// up, its content aside. The server is in another process, so that all that is
// counted is the client's. The race detector allocates too.
func TestSmallFileAllocs(t *testing.T) {
	addr := served{Files: map[string]int64{"small": smallFile}}.start(t)
	fsys, err := Open(t.Context(), "ftp://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, c := range []struct {
		name string
		fsys *FS
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
	fsys, err := Open(b.Context(), "ftp://"+addr)
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

// TestReadAll reads what came, whatever the server said of its size.
func TestReadAll(t *testing.T) {
	data := bytes.Repeat(content, 12)
	for _, size := range []int64{0, 1, int64(len(data)), int64(len(data)) - 1, 1 << 62} {
		got, err := readAll(bytes.NewReader(data), size)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes were told: read %d of %d, %v", size, len(got), len(data), err)
		}
	}
	small, err := readAll(bytes.NewReader(data[:7]), 1<<62)
	if err != nil || len(small) != 7 || cap(small) > aheadMost {
		t.Errorf("%d bytes in %d, %v", len(small), cap(small), err)
	}
}

// allocated returns how many bytes were allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// held returns how many bytes are in use.
func held() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestListingMemory bounds what an entry of a directory takes, whatever the
// server says of it beside what is kept.
func TestListingMemory(t *testing.T) {
	const n, most = 100_000, 300
	for name, format := range map[string]string{
		"LIST": "-rw-r--r--    1 ftpuser  ftpgroup  %10[1]d Jan 15 13:46 file-%07[1]d.dat\r\n",
		"MLSD": "modify=20240115134601;perm=adfrw;size=12;type=file;unique=801U4%[1]d;UNIX.group=1000;UNIX.groupname=ftp;UNIX.mode=0644;UNIX.owner=1000;UNIX.ownername=ftp; file-%07[1]d.dat\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			pr, pw := io.Pipe()
			go func() {
				w := bufio.NewWriter(pw)
				for i := range n {
					fmt.Fprintf(w, format, i)
				}
				w.Flush()
				pw.Close()
			}()
			before := held()
			list, unread, err := parseList(pr, listing.Options{})
			if len(list) != n || unread != nil || err != nil {
				t.Fatalf("%d entries, %v, %v", len(list), unread, err)
			}
			entries := new(FS).entries(".", list)
			each := (held() - before) / n
			t.Logf("%d bytes for an entry", each)
			if each > most {
				t.Errorf("an entry takes %d bytes, want at most %d", each, most)
			}
			if got := entries[n-1].Name(); got != "file-0099999.dat" {
				t.Errorf("the last entry is %q", got)
			}
		})
	}
}
