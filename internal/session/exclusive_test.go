package session

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestHoldBack leaves a large file to the kernel, and holds all that is small.
func TestHoldBack(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const size = holdMost + 1
	if _, err := file.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at     int64
		inside bool // something that is not the system's
		held   int  // and there is no rest; -1 where the rest is all
	}{
		{at: 0, held: -1},
		{at: 1, held: holdMost},
		{at: size, held: 0},
		{at: 0, inside: true, held: -1},
		{at: 1, inside: true, held: holdMost},
	} {
		if _, err := file.Seek(tt.at, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		r := io.Reader(file)
		if tt.inside {
			r = struct{ io.Reader }{file}
		}
		held, rest, err := holdBack(r)
		if err != nil {
			t.Fatal(err)
		}
		if tt.held >= 0 {
			if rest != nil || len(held) != tt.held {
				t.Errorf("%+v: %d bytes are held, and there is %T", tt, len(held), rest)
			}
			continue
		}
		if left, err := io.Copy(io.Discard, rest); len(held) > 0 || left != size || err != nil {
			t.Errorf("%+v: %d bytes are held, and %d left, %v", tt, len(held), left, err)
		}
		if isFile := rest == r; isFile == tt.inside {
			t.Errorf("%+v: the rest is a %T", tt, rest)
		}
	}
}
