package ftpnat_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestCreateAtomic has files appear at Close, or not at all.
func TestCreateAtomic(t *testing.T) {
	everyServer(t, func(t *testing.T, w *world, fsys *ftpnat.FS) {
		for _, size := range []int{100, len(content)} {
			for _, whole := range []bool{false, true} {
				if err := w.Server.Tree.WriteFile("pub/x", []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
				f, err := fsys.CreateAtomic("pub/x")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(content[:size]); err != nil {
					t.Fatal(err)
				}
				w.has(t, "pub/x", "old")
				end, want := f.Abort, "old"
				if whole {
					end, want = f.Close, string(content[:size])
				}
				if err := end(); err != nil {
					t.Error(err)
				}
				w.has(t, "pub/x", want)
				w.left(t, "pub", "file.bin", "x")
				if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
					t.Errorf("Close again: %v", err)
				}
			}
		}
		for _, name := range []string{".", "../x", ""} {
			if _, err := fsys.CreateAtomic(name); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("CreateAtomic(%q): %v", name, err)
			}
		}
	})
}

// TestFileAbort gives files up.
func TestFileAbort(t *testing.T) {
	everyServer(t, func(t *testing.T, w *world, fsys *ftpnat.FS) {
		f, err := fsys.Create("pub/x")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content); err != nil {
			t.Error(err)
		}
		if err := f.Abort(); err != nil {
			t.Errorf("Abort: %v", err)
		}
		w.left(t, "pub", "file.bin")
		if _, err := f.Write(content); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Write after Abort: %v", err)
		}
		if err := f.Abort(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Abort again: %v", err)
		}
		in, err := fsys.Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if err := in.(*ftpnat.File).Abort(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Abort of a file that is read: %v", err)
		}
		add, err := fsys.Append("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		if err := add.Abort(); err != nil {
			t.Errorf("Abort of an Append that wrote nothing: %v", err)
		}
		w.has(t, "pub/file.bin", string(content))
	})
}

// TestAbortBlocked gives a file up under a Write that does not come to an end.
func TestAbortBlocked(t *testing.T) {
	inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Limits.Rate = 1000 }}, func(t *testing.T, w *world) {
		f, err := w.openFS(t, "").CreateAtomic("x")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() {
			_, err := io.Copy(f, zeros{})
			done <- err
		}()
		ctx, cancel := context.WithTimeout(t.Context(), rtt*20)
		defer cancel()
		<-ctx.Done()
		if err := f.Abort(); err != nil {
			t.Errorf("Abort: %v", err)
		}
		if err := <-done; !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		w.left(t, "", "empty", "pub")
	})
}

// zeros is a reader without an end.
type zeros struct{}

// Read reads nothing of interest.
func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestFSHash asks a server for hashes.
func TestFSHash(t *testing.T) {
	inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Personality = ftptest.Plain() }}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "pub")
		sum := sha256.Sum256(content)
		if got, err := fsys.Hash("file.bin", "SHA-256"); err != nil || string(got) != string(sum[:]) {
			t.Errorf("%x, %v", got, err)
		}
		if _, err := fsys.Hash("no", "SHA-256"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("of nothing: %v", err)
		}
		if _, err := fsys.Hash("file.bin", "TIGER"); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("TIGER: %v", err)
		}
		if _, err := fsys.Hash("../x", "MD5"); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("an invalid name: %v", err)
		}
	})
}
