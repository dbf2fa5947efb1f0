package remote_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
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
			s.Personality.Listing.Hide = []string{"file", "deep"}
			if denied != "" {
				s.Personality.Denied = []string{denied}
			}
		}, func(t *testing.T, w *world) {
			for name, dir := range map[string]bool{"pub/file": false, "pub/deep": true, "pub/deep/file": false} {
				if e, err := remote.Stat(w.ctx, w.Session, name, false); err != nil || (e.Type.String() == "dir") != dir {
					t.Errorf("%s denied: Stat(%s): %v, %v", denied, name, e.Type, err)
				}
			}
			if _, err := remote.Stat(w.ctx, w.Session, "pub/no", false); !errors.Is(err, fs.ErrNotExist) {
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
			e, err := remote.Stat(w.ctx, w.Session, "pub/file", false)
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

// cutAll lists pub twice, where all data connections are drained after some bytes. It
// returns what the listings were to be, how many entries came, and the errors.
func cutAll(t *testing.T, p ftptest.Personality, after int64) (bodies []string, got []int, errs []error) {
	run(t, func(s *ftptest.Server) {
		s.Personality = p
		for i := range 20 {
			s.Faults = append(s.Faults, drained(i+1, after))
		}
		s.EditList = func(dir string, lines []string) []string {
			bodies = append(bodies, strings.Join(lines, "\r\n")+"\r\n")
			return lines
		}
	}, func(t *testing.T, w *world) {
		for range 2 {
			list, err := w.List(w.ctx, "pub")
			got, errs = append(got, len(list)), append(errs, err)
		}
	})
	return bodies, got, errs
}

// TestListCut cuts all listings in the same place: that is no habit of the server. In
// the clear, at the end of a line or, if it is the first listing, of a name, there is no
// sign of it where the server does not count.
func TestListCut(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		for after := int64(1); after < 300; after += 7 {
			bodies, got, errs := cutAll(t, p, after)
			allowed := slices.ContainsFunc(bodies, func(body string) bool {
				return p.Name != "Pure-FTPd" && (after >= int64(len(body)) || strings.HasSuffix(body[:after], "\n") || strings.HasPrefix(body[after:], "\r\n"))
			})
			for i, n := range got {
				if errs[i] == nil && n != 2 && !allowed {
					t.Errorf("%s, listing %d, cut after %d bytes: %d entries", p.Name, i, after, n)
				}
			}
		}
	}
}

// TestListOpenEnd has listings whose last line has no end: they are whole if its name
// is, which is asked each time, and a name that was cut is not.
func TestListOpenEnd(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.Plain()} {
		p.Listing.OpenEnd = true
		for after, want := range map[int64][]int{1 << 20: {2, 2}, 100: {0, 0}} {
			if _, got, errs := cutAll(t, p, after); !slices.Equal(got, want) || (errs[0] == nil) != (want[0] > 0) || (errs[1] == nil) != (want[0] > 0) {
				t.Errorf("%s, after %d bytes: %d entries, %v", p.Name, after, got, errs)
			}
		}
	}
}

// TestListOpenEndLearnt lists once where it is known that the last line has no end.
func TestListOpenEndLearnt(t *testing.T) {
	p := ftptest.VSFTPD()
	p.Listing.OpenEnd = true
	run(t, func(s *ftptest.Server) { s.Personality = p }, func(t *testing.T, w *world) {
		for _, want := range []int{2, 1, 1} {
			w.commands()
			if list, err := w.List(w.ctx, ""); err != nil || names(list) != "empty pub top" {
				t.Errorf("%q, %v", names(list), err)
			}
			if n := w.count("LIST"); n != want {
				t.Errorf("listed %d times, want %d", n, want)
			}
		}
		if w.Server.Knows(remote.EndsLines) != proto.No {
			t.Error("it was not learnt")
		}
	})
}

// TestGlanceLinks lists a directory once to see that a name which tells nothing is a link.
func TestGlanceLinks(t *testing.T) {
	run(t, func(s *ftptest.Server) {
		s.Personality = ftptest.VSFTPD()
		_ = s.Tree.MkdirAll("l")
		_ = s.Tree.Symlink("../pub/none", "l/none")
	}, func(t *testing.T, w *world) {
		if e, err := remote.Glance(w.ctx, w.Session, "l/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v, %v", e, err)
		}
		entered := 0
		for _, line := range w.commands() {
			if line == "CWD l" || line == "LIST -a l" {
				entered++
			}
		}
		if entered != 1 {
			t.Errorf("listed %d times", entered)
		}
	})
}

// TestHomeOnce asks once for the directory to which the session returns.
func TestHomeOnce(t *testing.T) {
	run(t, func(s *ftptest.Server) { s.Personality = ftptest.VSFTPD() }, func(t *testing.T, w *world) {
		for _, dir := range []string{"pub", "pub/deep", "empty"} {
			if _, err := w.List(w.ctx, dir); err != nil {
				t.Error(err)
			}
		}
		if n := w.count("PWD"); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}
