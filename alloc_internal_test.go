//go:build !race

package ftpnat

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/listing"
)

// TestReadAll reads what came, whatever the server said of its size.
func TestReadAll(t *testing.T) {
	data := bytes.Repeat(ftpworld.Content, 12)
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
