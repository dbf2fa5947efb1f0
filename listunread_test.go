package ftpnat_test

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// unreadOn is a server whose listing of pub has lines that nobody understands.
func unreadOn(p ftptest.Personality, lines ...string) setup {
	return setup{ftp: func(s *ftptest.Server) {
		s.Personality = p
		_ = s.Tree.WriteFile("pub/sub/deep", []byte("deep"), 0o644)
		add := func(dir string, list []string) []string {
			if dir != "pub" && dir != "/pub" {
				return list
			}
			return append(list, lines...)
		}
		s.EditList, s.EditStat = add, add
	}}
}

func checkUnread(t *testing.T, what string, err error, lines int) {
	t.Helper()
	var unread *ftpnat.ListingError
	var pe *fs.PathError
	switch {
	case !errors.As(err, &unread) || !errors.As(err, &pe):
		t.Errorf("%s: %v is no ListingError", what, err)
	case unread.Dir != "pub" || len(unread.Lines)+unread.More != lines || len(unread.Lines) > 100 || !strings.Contains(unread.Lines[0], "What?"):
		t.Errorf("%s: %+v", what, unread)
	case strings.ContainsAny(err.Error(), "\x1b\r\n"):
		t.Errorf("%s: %q", what, err)
	}
}

// TestUnreadLines has lines in a listing that are not understood: everything else
// goes on, and says so.
func TestUnreadLines(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.Ancient(), ftptest.VSFTPD()} {
		for _, n := range []int{1, 150} {
			var lines []string
			for range n {
				lines = append(lines, "What? \x1b[2J is this")
			}
			t.Run(p.Name, func(t *testing.T) {
				inBubble(t, unreadOn(p, lines...), func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					list, err := fsys.ReadDir("pub")
					checkUnread(t, "ReadDir", err, n)
					if len(list) == 0 {
						t.Fatal("no entries")
					}
					walked, told := 0, error(nil)
					err = fs.WalkDir(fsys, ".", func(_ string, _ fs.DirEntry, err error) error {
						if walked++; err != nil {
							told = err
						}
						return nil
					})
					checkUnread(t, "WalkDir", told, n)
					if err != nil || walked < len(list)+2 {
						t.Errorf("WalkDir: %d names, %v", walked, err)
					}
					raw, err := fsys.ReadDirRaw("pub")
					if got := strings.Count(string(raw), "What? \x1b[2J is this\r\n"); got != n || err != nil {
						t.Errorf("ReadDirRaw: %d such lines, %v", got, err)
					}
					names, err := fsys.Glob("pub/*")
					checkUnread(t, "Glob", err, n)
					if len(names) != len(list) {
						t.Errorf("Glob: %q", names)
					}
					unreadFile(t, fsys, len(list), n)
					for _, name := range []string{"pub/sub", "pub/sub/deep"} {
						if _, err := fsys.Stat(name); err != nil {
							t.Error(err)
						}
					}
					mustRead(t, fsys, "pub/sub/deep", "deep")
					if _, err := fsys.Stat("pub/none"); !errors.Is(err, fs.ErrNotExist) && n == 1 {
						t.Errorf("Stat of what is not there: %v", err)
					}
					if err := fsys.Remove("pub/sub/deep"); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// TestUnreadClosed has a directory of which all that is listed is that it may not be:
// the error is one of rights.
func TestUnreadClosed(t *testing.T) {
	for line, want := range map[string]bool{
		".: Permission denied": true, "ls: .: Permission denied": true, "ls: cannot open directory '.': Permission denied": true,
		"ls: cannot open directory pub: Permission denied": true, "ls: x: Permission denied": false, "What? is this": false,
	} {
		s := unreadOn(ftptest.Ancient())
		before := s.ftp
		s.ftp = func(srv *ftptest.Server) {
			before(srv)
			only := func(dir string, list []string) []string {
				if dir != "pub" && dir != "/pub" {
					return list
				}
				return []string{line}
			}
			srv.EditList, srv.EditStat = only, only
		}
		inBubble(t, s, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "")
			list, err := fsys.ReadDir("pub")
			var unread *ftpnat.ListingError
			if len(list) != 0 || !errors.As(err, &unread) || unread.Dir != "pub" || errors.Is(err, fs.ErrPermission) != want {
				t.Errorf("%q: %d entries, %v", line, len(list), err)
			}
			mustRead(t, fsys, "pub/sub/deep", "deep")
			if err := fsys.Fetch(t.TempDir(), "pub"); errors.Is(err, fs.ErrPermission) != want {
				t.Errorf("%q: Fetch: %v", line, err)
			}
		})
	}
}

// unreadFile reads the same directory as a file, in one go and one by one.
func unreadFile(t *testing.T, fsys fs.FS, entries, lines int) {
	t.Helper()
	for _, n := range []int{-1, 1} {
		f, err := fsys.Open("pub")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, told := 0, error(nil)
		for {
			list, err := f.(fs.ReadDirFile).ReadDir(n)
			got += len(list)
			if err == io.EOF || len(list) == 0 && err == nil {
				break
			}
			if err != nil {
				told = errors.Join(told, err)
			}
		}
		checkUnread(t, "File.ReadDir", told, lines)
		if got != entries {
			t.Errorf("File.ReadDir(%d): %d entries of %d", n, got, entries)
		}
	}
}

// TestUnreadCopy copies into a directory whose listing has a line that is not
// understood: that costs nothing else.
func TestUnreadCopy(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.Ancient(), ftptest.VSFTPD()} {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, unreadOn(p, "What? is this"), func(t *testing.T, w *world) {
				src := fstest.MapFS{"one": &fstest.MapFile{Data: small}, "sub/two": &fstest.MapFile{Data: small}}
				if err := w.openFS(t, "").CopyFS("pub", src); err != nil {
					t.Error(err)
				}
				w.has(t, "pub/one", string(small))
				w.has(t, "pub/sub/two", string(small))
			})
		})
	}
}
