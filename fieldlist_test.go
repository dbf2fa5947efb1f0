package ftpnat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// Rows A6 to A12 of the field's report; the table is in fielda_test.go.

func TestUnreadableDirectory(t *testing.T) {
	for _, p := range append(theFour(), ftptest.Plain()) {
		p.Listing.Modes = true
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, played(p), func(t *testing.T, w *world) {
				w.put(t, "top/dir/x", small)
				w.put(t, "top/y", small)
				if err := w.Server.Tree.Chmod("top/dir", 0o311); err != nil {
					t.Fatal(err)
				}
				fsys := w.openFS(t, "")
				list, err := fsys.ReadDir("top/dir")
				if !errors.Is(err, fs.ErrPermission) || replyOf(err).Code == 0 {
					t.Errorf("ReadDir: %d names, %v", len(list), err)
				}
				err = fs.WalkDir(fsys, "top", func(_ string, _ fs.DirEntry, err error) error { return err })
				if !errors.Is(err, fs.ErrPermission) {
					t.Errorf("WalkDir: %v", err)
				}
				if err := fsys.Fetch(filepath.Join(t.TempDir(), "down"), "top"); err == nil {
					t.Error("Fetch: nil")
				}
				if got, err := fsys.ReadFile("top/dir/x"); err != nil || !bytes.Equal(got, small) {
					t.Errorf("ReadFile: %d bytes, %v", len(got), err)
				}
				if list, err := fsys.ReadDir("top"); err != nil || len(list) != 2 {
					t.Errorf("ReadDir above: %d names, %v", len(list), err)
				}
			})
		})
	}
}

func TestListIgnoresArgument(t *testing.T) {
	for _, conns := range []int{1, 4} {
		t.Run(fmt.Sprint(conns), func(t *testing.T) {
			s := played(ftptest.FritzBox())
			s.dialer = func(d *ftpnat.Dialer) { d.MaxConns = conns }
			inBubble(t, s, func(t *testing.T, w *world) {
				for _, name := range []string{"a/b/x", "a/y", "f", "c/z"} {
					w.put(t, name, []byte(name))
				}
				ctx := t.Context()
				fsys := w.openIn(t, ctx, "")
				for dir, want := range map[string]string{".": "a c empty f pub", "a": "b y", "a/b": "x", "c": "z"} {
					if list, err := fsys.ReadDir(dir); err != nil || strings.Join(namesOf(list), " ") != want {
						t.Errorf("ReadDir(%s) = %q, %v", dir, namesOf(list), err)
					}
				}
				n := 0
				err := fs.WalkDir(fsys, ".", func(_ string, _ fs.DirEntry, err error) error {
					if n++; n > 100 {
						return errors.New("no end")
					}
					return err
				})
				if err != nil || n != 11 {
					t.Errorf("WalkDir: %d names, %v", n, err)
				}
				for name, missing := range map[string]bool{"a/b/x": false, "a/b": false, "a/f": true, "a/a": true, "c/b": true} {
					if _, err := fsys.Stat(name); errors.Is(err, fs.ErrNotExist) != missing || err != nil && !missing {
						t.Errorf("Stat(%s): %v", name, err)
					}
				}
			})
			inBubble(t, s, func(t *testing.T, w *world) {
				for _, name := range []string{"a/b/x", "a/y", "f"} {
					w.put(t, name, []byte(name))
				}
				fsys := w.openFS(t, "")
				if err := fsys.RemoveAll("a"); err != nil {
					t.Errorf("RemoveAll: %v", err)
				}
				w.left(t, "", "empty", "f", "pub")
			})
		})
	}
}

func TestStoredElsewhere(t *testing.T) {
	for _, p := range append(theFour(), ftptest.Plain()) {
		p.Files.StoreAs = []string{" ", "+"}
		t.Run(p.Name, func(t *testing.T) {
			writeOn(t, played(p), nothingHappens, func(t *testing.T, w *world, way string, write func(string, []byte) error) {
				w.put(t, "other", small) // so that SIZE was answered before
				if err := write("a b", small); err == nil {
					t.Error("nil, and it is not there")
				} else if way != "Upload" && !errors.Is(err, ftpnat.ErrMismatch) {
					t.Errorf("%v is not ErrMismatch", err)
				}
			})
			inBubble(t, played(p), func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				if err := fsys.CopyFS("new", fstest.MapFS{"x y": &fstest.MapFile{Data: small}}); err == nil {
					t.Error("CopyFS: nil, and it is not there")
				}
				if err := appendTo(fsys, "c d", small); err == nil {
					t.Error("Append: nil, and it is not there")
				}
				if err := fsys.WriteFile("e f", nil, 0o644); err == nil {
					t.Error("WriteFile of nothing: nil, and it is not there")
				}
			})
		})
	}
}

// TestDropBox has servers that take files and tell nothing of them.
func TestDropBox(t *testing.T) {
	hidden := ftptest.VSFTPD()
	hidden.Listing.Hide = []string{"*"}
	hidden.Denied = []string{"SIZE", "MDTM"}
	missing := ftptest.DropBox().Saying("denied", "550 No such file or directory.")
	for name, p := range map[string]ftptest.Personality{"denied": ftptest.DropBox(), "as if missing": missing, "hidden": hidden} {
		t.Run(name, func(t *testing.T) {
			for way, write := range writeWays {
				if way == "Upload" {
					continue // cannot rename
				}
				t.Run(way, func(t *testing.T) {
					inBubble(t, played(p), func(t *testing.T, w *world) {
						if err := write(w.openFS(t, ""), "new", small); err != nil {
							t.Error(err)
						}
						w.has(t, "new", string(small))
					})
				})
			}
		})
	}
}

func TestHiddenFromListings(t *testing.T) {
	for _, p := range theFour() {
		p.Listing.Hide = []string{"*.mp3"}
		t.Run(p.Name, func(t *testing.T) {
			for _, before := range []bool{false, true} {
				inBubble(t, played(p), func(t *testing.T, w *world) {
					w.put(t, "music/x.mp3", small)
					w.put(t, "music/y.txt", small)
					fsys := w.openFS(t, "")
					if before {
						if list, err := fsys.ReadDir("music"); err != nil || len(list) != 1 {
							t.Errorf("ReadDir: %d names, %v", len(list), err)
						}
					}
					info, err := fsys.Stat("music/x.mp3")
					if err != nil || info.Size() != int64(len(small)) || info.IsDir() {
						t.Errorf("listed %v: Stat: %v", before, err)
					}
					if _, err := fsys.Lstat("music/x.mp3"); err != nil {
						t.Errorf("listed %v: Lstat: %v", before, err)
					}
					for way, read := range readWays {
						if got, err := read(fsys, "music/x.mp3", t.TempDir()+"/down"); err != nil || !bytes.Equal(got, small) {
							t.Errorf("listed %v: %s: %d bytes, %v", before, way, len(got), err)
						}
					}
					if f, err := fsys.OpenFile("music/x.mp3", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); !errors.Is(err, fs.ErrExist) {
						t.Errorf("O_EXCL: %v", err)
						if err == nil {
							f.Close()
						}
					}
					if _, err := fsys.Stat("music/z.mp3"); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("Stat of what is missing: %v", err)
					}
					if err := fsys.Rename("music/x.mp3", "music/w.mp3"); err != nil {
						t.Errorf("Rename: %v", err)
					}
					if err := fsys.Remove("music/w.mp3"); err != nil {
						t.Errorf("Remove: %v", err)
					}
				})
			}
		})
	}
}

func TestHiddenDirectory(t *testing.T) {
	for _, p := range append(theFour(), ftptest.BlindBox()) {
		p.Listing.Hide = []string{"*"}
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, played(p), func(t *testing.T, w *world) {
				w.put(t, "deep/dir/x", small)
				fsys := w.openFS(t, "")
				for name, dir := range map[string]bool{"deep": true, "deep/dir": true, "deep/dir/x": false} {
					if info, err := fsys.Stat(name); err != nil || info.IsDir() != dir {
						t.Errorf("Stat(%s): %v", name, err)
					}
				}
				if got, err := fsys.ReadFile("deep/dir/x"); err != nil || !bytes.Equal(got, small) {
					t.Errorf("ReadFile: %d bytes, %v", len(got), err)
				}
				if err := fsys.MkdirAll("deep/dir/new", 0o755); err != nil {
					t.Errorf("MkdirAll: %v", err)
				}
				if err := fsys.WriteFile("deep/dir/y", small, 0o644); err != nil {
					t.Errorf("WriteFile: %v", err)
				}
				if _, err := fsys.Stat("deep/no"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("Stat of what is missing: %v", err)
				}
			})
		})
	}
}

func TestReplacedMeanwhile(t *testing.T) {
	old, data := bytes.Repeat(content[:100_000], 3), bytes.Repeat(content[100_000:], 3)
	for _, p := range theFour() {
		for _, verb := range []string{"REST", "SIZE", "MDTM"} {
			t.Run(p.Name+" "+verb, func(t *testing.T) {
				var srv *ftptest.Server
				s := played(p, ftptest.Fault{On: ftptest.Data, Conn: 1, After: 100_000, Kind: ftptest.Reset})
				inner := s.ftp
				s.ftp = func(sv *ftptest.Server) {
					inner(sv)
					srv = sv
					srv.Script = []ftptest.Step{{On: verb, Do: func() {
						if info, err := srv.Tree.Stat("f"); err == nil && srv.Counters().DataSent >= 100_000 {
							_ = srv.Tree.WriteFile("f", data, 0o644)
							_ = srv.Tree.Chtimes("f", info.ModTime())
						}
					}}}
				}
				readOn(t, s, nothingHappens, func(t *testing.T, w *world, read func(string) ([]byte, error)) {
					putAt(t, w, "f", old, treeTime)
					got, err := read("f")
					if err == nil && !bytes.Equal(got, data) && !bytes.Equal(got, old) {
						t.Errorf("nil, and a mix of two files: old up to %d", alikeUpTo(got, old))
					}
				})
			})
		}
	}
}

// alikeUpTo returns where two files differ first.
func alikeUpTo(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestCopyOverHidden(t *testing.T) {
	for _, p := range theFour() {
		t.Run(p.Name, func(t *testing.T) {
			for name, hide := range map[string][]string{"dots": {".*"}, "all": {"*"}, "as it comes": nil} {
				p.Listing.Hide, p.Listing.Options = hide, name == "as it comes" && p.Listing.Options
				p.Listing.DotDirs = p.Listing.DotDirs && hide == nil
				inBubble(t, played(p), func(t *testing.T, w *world) {
					w.put(t, "dir/.profile", []byte("old"))
					err := w.openFS(t, "").CopyFS("dir", fstest.MapFS{".profile": &fstest.MapFile{Data: []byte("new")}})
					if !errors.Is(err, fs.ErrExist) {
						t.Errorf("%s: %v", name, err)
					}
					w.has(t, "dir/.profile", "old")
				})
			}
		})
	}
}

func TestTwoOfOneName(t *testing.T) {
	for _, p := range theFour() {
		for _, first := range []string{"file", "directory"} {
			t.Run(p.Name+" "+first, func(t *testing.T) {
				s := played(p, func(srv *ftptest.Server) {
					srv.EditList = func(dir string, lines []string) []string {
						if strings.HasSuffix(dir, "two") {
							for i, l := range lines {
								lines[i] = strings.Replace(l, "other", "same", 1)
							}
						}
						return lines
					}
				})
				inBubble(t, s, func(t *testing.T, w *world) {
					file, dir := "two/same", "two/other"
					if first == "directory" {
						file, dir = dir, file
					}
					w.put(t, file, small)
					if err := w.Server.Tree.MkdirAll(dir); err != nil {
						t.Fatal(err)
					}
					list, err := w.openFS(t, "").ReadDir("two")
					if err == nil && len(list) != 2 {
						t.Errorf("%d names, and nil", len(list))
					}
				})
			})
		}
	}
}
