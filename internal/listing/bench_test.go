package listing

import (
	"fmt"
	"runtime"
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

// million is a long listing of files that were changed lately.
func million(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "-rw-r--r--    1 1000     1000     %10d Nov %2d %02d:%02d a file with the number %07d.dat\r\n", i*7, i%28+1, i%24, i%60, i)
	}
	return b.String()
}

// BenchmarkMillion reads a million lines into a List. The parser of
// jlaffaye/ftp v0.2.4 takes 2.2 times as long and 137 bytes an entry.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	text := million(n)
	b.ReportAllocs()
	for b.Loop() {
		before := heap()
		l := readList(b, text)
		b.ReportMetric(float64(heap()-before)/n, "B/entry")
		if l.Len() != n {
			b.Fatal(l.Len())
		}
	}
}

// TestListMemory keeps an entry with a name of 33 bytes in less than a hundred.
func TestListMemory(t *testing.T) {
	const n = 100_000
	text := million(n)
	before := heap()
	l := readList(t, text)
	if got := (heap() - before) / n; got > 100 {
		t.Errorf("%d bytes an entry", got)
	}
	if l.Len() != n {
		t.Errorf("%d entries", l.Len())
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func readList(tb testing.TB, text string) *List {
	var l List
	p := NewParser(Options{Now: march2})
	for e, err := range p.All(strings.NewReader(text)) {
		if err != nil {
			tb.Fatal(err)
		}
		l.Add(e)
	}
	return &l
}
