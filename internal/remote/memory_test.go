//go:build !race

package remote

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// held returns how many bytes are in use.
func held() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestListingMemory bounds what an entry of a directory takes, whatever the server
// says of it beside what is kept. The file system adds an fs.DirEntry to each.
func TestListingMemory(t *testing.T) {
	const n, dirEntry, most = 100_000, 32, 300
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
			list, unread, _, err := parseList(pr, listing.Options{}, nil, true)
			if len(list) != n || unread != nil || err != nil {
				t.Fatalf("%d entries, %v, %v", len(list), unread, err)
			}
			each := dirEntry + (held()-before)/n
			t.Logf("%d bytes for an entry", each)
			if each > most {
				t.Errorf("an entry takes %d bytes, want at most %d", each, most)
			}
			if got := list[n-1].Name; got != "file-0099999.dat" {
				t.Errorf("the last entry is %q", got)
			}
		})
	}
}
