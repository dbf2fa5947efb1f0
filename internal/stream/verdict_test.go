package stream

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// TestConfirmed decides about downloads whose closing reply never came.
func TestConfirmed(t *testing.T) {
	lost := &proto.LostError{Err: errors.New("reset")}
	for _, c := range []struct {
		name  string
		got   transfer.Part
		now   int64
		whole bool
		again bool // the rest is asked for
	}{
		{"all is there", transfer.Part{From: 0, To: 100, Size: 100, Unsigned: false}, 100, true, false},
		{"all is there, of no known size", transfer.Part{From: 0, To: 100, Size: -1, Unsigned: false}, 100, true, false},
		{"part", transfer.Part{From: 0, To: 60, Size: 100, Unsigned: false}, 100, false, true},
		{"it grows", transfer.Part{From: 0, To: 100, Size: 100, Unsigned: false}, 120, false, true},
		{"it has become as short as what came", transfer.Part{From: 0, To: 60, Size: 100, Unsigned: false}, 60, false, true},
		{"no size", transfer.Part{From: 0, To: 100, Size: 100, Unsigned: false}, -1, false, false},
	} {
		err := confirmed(c.got, c.now, lost)
		if (err == nil) != c.whole || retry.Worth(err) != c.again {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestWritten decides about files that were written.
func TestWritten(t *testing.T) {
	lost := &proto.LostError{Err: errors.New("reset")}
	for _, c := range []struct {
		name    string
		base, n int64
		have    int64
		lost    error
		want    error
	}{
		{"right", 0, 100, 100, nil, nil},
		{"right, behind what was there", 50, 100, 150, nil, nil},
		{"no size", 0, 100, -1, nil, nil},
		{"behind what is of no known size", -1, 100, 300, nil, nil},
		{"short", 0, 100, 60, nil, proto.ErrMismatch},
		{"empty", 0, 100, 0, nil, proto.ErrMismatch},
		{"no verdict, and right", 0, 100, 100, lost, nil},
		{"no verdict, and short", 0, 100, 60, lost, lost},
		{"no verdict and no size", 0, 100, -1, lost, lost},
		{"no verdict, behind what is of no known size", -1, 100, 300, lost, lost},
	} {
		w := &Writer{base: c.base, n: c.n}
		if err := w.whole(c.have, c.lost); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestReadAll reads what came, whatever the server said of its size.
func TestReadAll(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 150_000)
	for _, size := range []int64{0, 1, int64(len(data)), int64(len(data)) - 1, 1 << 62} {
		got, err := ReadAll(bytes.NewReader(data), size)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes were told: read %d of %d, %v", size, len(got), len(data), err)
		}
	}
	small, err := ReadAll(bytes.NewReader(data[:7]), 1<<62)
	if err != nil || len(small) != 7 || cap(small) > maxAhead {
		t.Errorf("%d bytes in %d, %v", len(small), cap(small), err)
	}
}
