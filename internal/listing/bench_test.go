package listing

import (
	"strings"
	"testing"
)

func BenchmarkLine(b *testing.B) {
	for _, bb := range []struct{ name, line string }{
		{"Unix", "-rw-r--r--    1 1000     1000   5368709120 Jan 15 13:46 a file with a name"},
		{"MLSD", "modify=20240115134601;perm=adfrw;size=12;type=file;unique=801U4;UNIX.group=1000;UNIX.groupname=ftp;UNIX.mode=0644;UNIX.owner=1000;UNIX.ownername=ftp; name"},
		{"DOS", "04-14-00  03:47AM                  589 readme.htm"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			p := NewParser(Options{Now: march2})
			b.ReportAllocs()
			for b.Loop() {
				if _, ok, err := p.Line(bb.line); !ok {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAll(b *testing.B) {
	text := strings.Repeat("-rw-r--r--    1 1000     1000   5368709120 Jan 15 13:46 a file with a name\r\n", 10000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range NewParser(Options{Now: march2}).All(strings.NewReader(text)) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
