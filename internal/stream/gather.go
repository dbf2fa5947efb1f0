package stream

import (
	"bytes"
	"io"
	"math"
)

const (
	// maxAhead bounds the memory that is taken for a file because the server says
	// that it is large, in bytes, before any of it has come.
	maxAhead = 1 << 20
	// trust is how many times what has come is taken for what is said to come: by
	// then a server has sent a good deal of it. What is held twice is that part.
	trust = 32
)

// ReadAll reads r to its end, which is said to come after size bytes; -1 if nobody
// has said anything.
func ReadAll(r io.Reader, size int64) ([]byte, error) { return readUpTo(r, size, math.MaxInt64) }

// readUpTo is ReadAll that returns errOverrun once it has more than most bytes.
func readUpTo(r io.Reader, size, most int64) ([]byte, error) {
	// The end is seen by reading beyond it.
	g := gathering{want: min(size, math.MaxInt64-bytes.MinRead) + bytes.MinRead}
	g.last = make([]byte, 0, min(g.want, maxAhead))
	for {
		if len(g.last) == cap(g.last) {
			g.grow()
		}
		n, err := r.Read(g.last[len(g.last):cap(g.last)])
		g.last = g.last[:len(g.last)+n]
		switch {
		case err == io.EOF:
			return g.all(), nil
		case err == nil && g.len() > most:
			return nil, errOverrun
		}
		if err != nil {
			return g.all(), err
		}
	}
}

// gathering is what has come of a file, in pieces: none is copied before it is known
// how much there is, or a good deal of what is said to come has.
type gathering struct {
	want   int64 // bytes that are expected, and some room
	pieces [][]byte
	n      int64  // bytes in pieces
	last   []byte // the piece that is being filled
}

func (g *gathering) len() int64 { return g.n + int64(len(g.last)) }

// grow makes room in last, which is full.
func (g *gathering) grow() {
	n := g.len()
	if n < g.want && n >= g.want/trust {
		g.last = g.join(g.want)
		g.pieces, g.n = nil, 0
		return
	}
	g.pieces, g.n = append(g.pieces, g.last), n
	more := min(n, 16*maxAhead)
	if n < g.want {
		more = min(more, g.want/trust-n) // the next time is that of all
	}
	g.last = make([]byte, 0, max(bytes.MinRead, more))
}

// join returns all pieces as one with room for so many bytes.
func (g *gathering) join(room int64) []byte {
	all := make([]byte, 0, room)
	for _, piece := range g.pieces {
		all = append(all, piece...)
	}
	return append(all, g.last...)
}

// all returns what has come.
func (g *gathering) all() []byte {
	if len(g.pieces) == 0 {
		return g.last
	}
	return g.join(g.len())
}
