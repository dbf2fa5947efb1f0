package transfer

import (
	"errors"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestWhole decides about downloads that the server calls complete.
func TestWhole(t *testing.T) {
	const unasked = -9
	errSize := errors.New("no answer")
	for _, c := range []struct {
		name string
		got  Part
		now  int64 // the server's answer to SIZE, -1 for none, unasked if there is to be no question
		err  error // of that question
		want error
	}{
		{"as many as there are", Part{0, 100, 100, false}, unasked, nil, nil},
		{"the rest", Part{60, 100, 100, false}, unasked, nil, nil},
		{"no size, no TLS", Part{0, 100, -1, false}, 100, nil, nil},
		{"no size, no TLS, cut", Part{0, 100, -1, false}, 200, nil, proto.ErrShort},
		{"no size at all", Part{0, 100, -1, false}, -1, nil, nil},
		{"the rest, of no known size", Part{60, 100, -1, false}, 100, nil, nil},
		{"more than there are now", Part{0, 100, -1, false}, 10, nil, proto.ErrChanged},
		{"nothing, of an empty file", Part{0, 0, -1, false}, 0, nil, nil},
		{"no size, and TLS cut", Part{0, 100, -1, true}, 200, nil, proto.ErrShort},
		{"no size, and TLS that ends like that", Part{0, 100, -1, true}, 100, nil, nil},
		{"no size at all, and TLS cut", Part{0, 100, -1, true}, -1, nil, nil},
		{"the size was old", Part{0, 100, 90, false}, 100, nil, nil},
		{"the size was old, and the start is from before", Part{60, 100, 90, false}, 100, nil, proto.ErrChanged},
		{"short", Part{0, 60, 100, false}, 100, nil, proto.ErrShort},
		{"short, and no SIZE", Part{0, 60, 100, false}, -1, nil, proto.ErrShort},
		{"more than there are", Part{0, 120, 100, false}, 100, nil, proto.ErrChanged},
		{"more than there are, and no SIZE", Part{0, 120, 100, false}, -1, nil, proto.ErrChanged},
		{"it grows", Part{0, 120, 100, false}, 140, nil, proto.ErrChanged},
		{"it cannot be asked", Part{0, 60, 100, false}, -1, errSize, errSize},
	} {
		asked := false
		err := c.got.Whole(func() (int64, error) {
			asked = true
			return c.now, c.err
		})
		if !errors.Is(err, c.want) || asked == (c.now == unasked) {
			t.Errorf("%s: %v, want %v; asked: %v", c.name, err, c.want, asked)
		}
	}
}

// TestSlowTape waits for a server that takes long to begin, on a path that is
// known to be good.
func TestSlowTape(t *testing.T) {
	run(t, script(ftptest.VSFTPD(), ftptest.Step{On: "RETR", Nth: 3, Delay: 70 * time.Second}), func(w *world) {
		w.with(func(c *client) {
			for range 4 {
				w.must(c.get())
			}
			if w.conns() != 1 {
				w.Errorf("%d control connections", w.conns())
			}
		})
	})
}
