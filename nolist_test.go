package ftpnat_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestNothingListed has a server that lists nothing to anybody, as vsftpd with
// dirlist_enable=NO, and tells of each file by SIZE: what is missing is known to be,
// and odd names can be used.
func TestNothingListed(t *testing.T) {
	p := ftptest.VSFTPD()
	p.Denied = []string{"LIST", "NLST", "STAT", "MLSD"}
	for _, seen := range []bool{true, false} {
		inBubble(t, played(p), func(t *testing.T, w *world) {
			w.put(t, "dir/file", small)
			fsys := w.openFS(t, "")
			if seen {
				mustRead(t, fsys, "dir/file", string(small))
			}
			calls := map[string]func() error{
				"stat":     func() error { _, err := fsys.Stat("dir/none"); return err },
				"lstat":    func() error { _, err := fsys.Lstat("none"); return err },
				"open":     func() error { f, err := fsys.Open("none"); closed(f); return err },
				"read":     func() error { _, err := fsys.ReadFile("none"); return err },
				"write":    func() error { return fsys.WriteFile("none/file", small, 0) },
				"mkdir":    func() error { return fsys.Mkdir("none/dir", 0) },
				"rename":   func() error { return fsys.Rename("none", "some") },
				"remove":   func() error { return fsys.Remove("none") },
				"readdir":  func() error { _, err := fsys.ReadDir("none"); return err },
				"readlink": func() error { _, err := fsys.ReadLink("none"); return err },
			}
			for what, call := range calls {
				err := call()
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s, a size seen: %v: %v", what, seen, err)
				}
			}
			for what, err := range map[string]error{
				"write":      fsys.WriteFile("dir/od\"d", small, 0),
				"mkdir":      fsys.Mkdir("dir/od\"der", 0),
				"mkdir all":  fsys.MkdirAll("dir/a/b/c", 0),
				"remove all": fsys.RemoveAll("none"),
			} {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			if _, err := fsys.ReadDir("dir"); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("ReadDir: %v", err)
			}
		})
	}
	// Where SIZE is denied too, in whatever words, nothing is called missing.
	blind := ftptest.Ancient()
	blind.Features, blind.Denied = []string{"SIZE", "MDTM"}, append(p.Denied, "SIZE", "MDTM")
	inBubble(t, played(blind.Saying("denied", "550 What?")), func(t *testing.T, w *world) {
		w.put(t, "dir/file", small)
		fsys := w.openFS(t, "")
		mustRead(t, fsys, "dir/file", string(small))
		if _, err := fsys.Stat("dir/file"); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat of a file that is there: %v", err)
		}
	})
	// In a directory that may not be entered SIZE tells of nothing.
	shut := played(p, ftptest.Step{On: "SIZE", Arg: "shut/file", Reply: "550 Could not get file size."},
		ftptest.Step{On: "MDTM", Arg: "shut/file", Reply: "550 Could not get file modification time."},
		ftptest.Step{On: "CWD", Arg: "shut", Reply: "550 Failed to change directory."})
	inBubble(t, shut, func(t *testing.T, w *world) {
		w.put(t, "dir/file", small)
		w.put(t, "shut/file", small)
		fsys := w.openFS(t, "")
		mustRead(t, fsys, "dir/file", string(small))
		for _, name := range []string{"dir/file", "shut/file"} {
			if _, err := fsys.Stat(name); errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Stat of a file that is there: %v", err)
			}
		}
	})
}

// TestListingsCut has a server cut its listings, as Pure-FTPd with -L does: what is
// not in them is asked for, and no listing is called whole.
func TestListingsCut(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.PureFTPd(), ftptest.VSFTPD(), ftptest.Plain()} {
		inBubble(t, played(p, func(s *ftptest.Server) { s.Limits.MaxListing = 3 }), func(t *testing.T, w *world) {
			for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
				w.put(t, "dir/"+name, small)
			}
			fsys := w.openFS(t, "")
			if _, err := fsys.ReadDir("dir"); !errors.Is(err, ftpnat.ErrTruncated) {
				t.Errorf("%s: ReadDir: %v", p.Name, err)
			}
			if _, err := fsys.Glob("dir/*"); !errors.Is(err, ftpnat.ErrTruncated) {
				t.Errorf("%s: Glob: %v", p.Name, err)
			}
			for name, want := range map[string]error{"dir/f": nil, "dir/none": fs.ErrNotExist} {
				_, err := fsys.Stat(name)
				_, lerr := fsys.Lstat(name)
				if !errors.Is(err, want) || !errors.Is(lerr, want) {
					t.Errorf("%s: Stat of %s: %v, %v", p.Name, name, err, lerr)
				}
			}
			if err := fsys.WriteFile("dir/none/file", small, 0); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: WriteFile: %v", p.Name, err)
			}
			if err := fsys.MkdirAll("dir/x/y/z", 0); err != nil {
				t.Errorf("%s: MkdirAll: %v", p.Name, err)
			}
			if err := fsys.Fetch(t.TempDir(), "dir"); !errors.Is(err, ftpnat.ErrTruncated) {
				t.Errorf("%s: Fetch: %v", p.Name, err)
			}
		})
	}
}

func closed(f fs.File) {
	if f != nil {
		f.Close()
	}
}
