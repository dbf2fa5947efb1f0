package remote_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// drained ends the nth data connection after some bytes, and the server does not
// learn of it.
func drained(n int, after int64) ftptest.Fault {
	return ftptest.Fault{On: ftptest.Data, Conn: n, Dir: ftptest.Sent, After: after, Kind: ftptest.Drained}
}

// TestListDrained lists a directory whose first listing is ended on the way: it is
// never empty, and whole where the server counts.
func TestListDrained(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		for _, after := range []int64{0, 64, 128} {
			if after > 0 && p.Name != "Pure-FTPd" {
				continue
			}
			run(t, func(s *ftptest.Server) {
				s.Personality, s.Faults = p, []ftptest.Fault{drained(1, after)}
			}, func(t *testing.T, w *world) {
				list, err := w.List(w.ctx, "pub")
				if err != nil || len(list) != 2 {
					t.Errorf("%s, after %d bytes: %d entries, %v", p.Name, after, len(list), err)
				}
			})
		}
	}
}

// TestListNothing costs one more listing at most, and none where the server counts.
func TestListNothing(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		run(t, func(s *ftptest.Server) { s.Personality = p }, func(t *testing.T, w *world) {
			for range 2 {
				w.commands()
				if list, err := w.List(w.ctx, "empty"); err != nil || len(list) > 0 {
					t.Errorf("%s: %d entries, %v", p.Name, len(list), err)
				}
			}
			most := 5
			if p.Name == "Pure-FTPd" {
				most = 1
			}
			if sent := w.commands(); len(sent) > most {
				t.Errorf("%s: %q", p.Name, sent)
			}
		})
	}
}

// TestListArgument has a LIST that ignores its argument: it is found out once.
func TestListArgument(t *testing.T) {
	run(t, func(s *ftptest.Server) { s.Personality = ftptest.FritzBox() }, func(t *testing.T, w *world) {
		for _, dir := range []string{"pub", "pub/deep", "pub", "pub/deep"} {
			want := "file"
			list, err := w.List(w.ctx, dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := remote.Find(list, want); !ok {
				t.Errorf("%s: %v", dir, list)
			}
		}
		if w.Server.Knows(remote.ListArg) != proto.No {
			t.Error("it was not found out")
		}
	})
}

// TestHidden looks up names that no listing shows.
func TestHidden(t *testing.T) {
	for _, denied := range []string{"", "SIZE"} {
		run(t, func(s *ftptest.Server) {
			s.Personality = ftptest.VSFTPD()
			s.Personality.Hide = []string{"file", "deep"}
			if denied != "" {
				s.Personality.Denied = []string{denied}
			}
		}, func(t *testing.T, w *world) {
			for name, dir := range map[string]bool{"pub/file": false, "pub/deep": true, "pub/deep/file": false} {
				if e, err := w.Stat(w.ctx, name, false); err != nil || (e.Type.String() == "dir") != dir {
					t.Errorf("%s denied: Stat(%s): %v, %v", denied, name, e.Type, err)
				}
			}
			if _, err := w.Stat(w.ctx, "pub/no", false); !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		})
	}
}

// TestStatKept asks for a file that was listed, and lists no more as long as it
// is the same.
func TestStatKept(t *testing.T) {
	run(t, func(s *ftptest.Server) { s.Personality = ftptest.VSFTPD() }, func(t *testing.T, w *world) {
		lists := func() (n int) {
			for _, line := range w.commands() {
				if line == "LIST -a" || line == "LIST -a pub" {
					n++
				}
			}
			return n
		}
		stat := func(want int64) {
			t.Helper()
			e, err := w.Stat(w.ctx, "pub/file", false)
			if err != nil || e.Size != want || !e.HasMode {
				t.Errorf("Stat: %+v, %v", e, err)
			}
		}
		stat(int64(len(content)))
		lists()
		stat(int64(len(content)))
		if n := lists(); n > 0 {
			t.Errorf("%d listings of what is the same", n)
		}
		if err := w.srv.Tree.WriteFile("pub/file", []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		stat(1)
		if lists() == 0 {
			t.Error("no listing of what has changed")
		}
	})
}
