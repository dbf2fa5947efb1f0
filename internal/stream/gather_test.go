package stream

import (
	"io"
	"runtime"
	"testing"
)

// piecemeal is so many bytes, which come like those of a socket.
type piecemeal struct {
	left int64
	next byte
}

func (p *piecemeal) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := int(min(p.left, int64(len(b)), 40_000))
	for i := range b[:n] {
		b[i] = 0
	}
	b[0] = p.next
	p.next++
	p.left -= int64(n)
	return n, nil
}

// TestReadAllMemory counts the bytes that are taken for a file: no more than a
// twentieth beyond it if its size is known, and never many times what has come.
func TestReadAllMemory(t *testing.T) {
	for _, c := range []struct {
		name       string
		size, said int64
		most       float64 // times the size
	}{
		{"known", 40 << 20, 40 << 20, 1.05},
		{"unknown", 20 << 20, -1, 3},
		{"far more is said", 10 << 20, 1 << 40, 3},
		{"less is said", 20 << 20, 10 << 20, 3},
		{"more is said", 10 << 20, 30 << 20, 3.2},
		{"small", 10_000, 10_000, 1.1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, err := ReadAll(&piecemeal{left: c.size}, c.said)
			runtime.ReadMemStats(&after)
			if err != nil || int64(len(got)) != c.size {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if took := float64(after.TotalAlloc-before.TotalAlloc) / float64(c.size); took > c.most {
				t.Errorf("took %.2f times the size", took)
			}
		})
	}
}

// TestReadAllLiar has a server say that a file is huge, and counts what is taken as it
// comes.
func TestReadAllLiar(t *testing.T) {
	g := gathering{want: 1 << 32, last: make([]byte, 0, maxAhead)}
	for g.len() < 64<<20 {
		g.last = g.last[:cap(g.last)]
		came := g.len()
		g.grow()
		if room := int64(cap(g.last)); room > max(maxAhead, trust*came) {
			t.Fatalf("room for %d bytes after %d", room, came)
		}
	}
}

// TestGatherTrust has room be made for all that is said to come once so much of it has.
func TestGatherTrust(t *testing.T) {
	for came, want := range map[int64]int{maxAhead: maxAhead, 2 * maxAhead: 2 * trust * maxAhead} {
		g := gathering{want: 2 * trust * maxAhead, last: make([]byte, maxAhead)}
		for ; g.len() < came; g.last = g.last[:cap(g.last)] {
			g.grow()
		}
		if g.grow(); g.len() != came || cap(g.last) != want {
			t.Errorf("room for %d bytes after %d of %d", cap(g.last), came, g.want)
		}
	}
}
