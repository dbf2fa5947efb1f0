package ftpnat_test

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestNames refuses what cannot be a name.
func TestNames(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for _, name := range []string{"", "/x", "x/", "a//b", "../x", "a/../b", "./x", "a\nb", "a\rb", "a\x00b"} {
			for op, err := range map[string]error{
				"Open": second(fsys.Open(name)), "ReadDir": second(fsys.ReadDir(name)), "Stat": second(fsys.Stat(name)),
				"ReadFile": second(fsys.ReadFile(name)), "Sub": second(fsys.Sub(name)), "Create": second(fsys.Create(name)),
				"Mkdir": fsys.Mkdir(name, 0o777), "Remove": fsys.Remove(name), "Rename": fsys.Rename(name, "x"), "Rename to": fsys.Rename("x", name),
				"Upload": second(fsys.Upload(name, strings.NewReader(""))), "CopyFS": fsys.CopyFS(name, fstest.MapFS{}),
			} {
				if !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("%s(%q) = %v", op, name, err)
				}
			}
		}
	})
}

// TestRawNames has names that are not UTF-8 go to the server as they came.
func TestRawNames(t *testing.T) {
	const raw = "caf\xe9 \xff"
	for _, p := range []ftptest.Personality{ftptest.ProFTPD(), ftptest.Ancient()} {
		inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality = p; srv.Personality.Control.Telnet = true }}, func(t *testing.T, w *world) {
			if err := w.Server.Tree.WriteFile("d/"+raw, []byte("raw"), 0o644); err != nil {
				t.Fatal(err)
			}
			fsys := w.openFS(t, "")
			list, err := fsys.ReadDir("d")
			if err != nil || len(list) != 1 || list[0].Name() != raw {
				t.Fatalf("ReadDir = %q, %v", list, err)
			}
			mustRead(t, fsys, "d/"+raw, "raw")
		})
	}
}

// TestKept has servers that cut a blank off the end of names, in silence. That
// is an error which has the name.
func TestKept(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Script = []ftptest.Step{{On: "STOR", As: "STOR x"}, {On: "SIZE", As: "SIZE x"}, {On: "MKD", As: "MKD d"}, {On: "RNTO", As: "RNTO y"}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for op, err := range map[string]error{
			"WriteFile": fsys.WriteFile("x ", content, 0o666), "Mkdir": fsys.Mkdir("d\t", 0o777),
			"Rename": fsys.Rename("empty", "y "),
		} {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s = %v", op, err)
			}
		}
	})
}

// TestConfirmed tells what a 550 means.
func TestConfirmed(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{ftp: func(srv *ftptest.Server) {
				srv.Personality = p
				// A file that is there and cannot be read.
				srv.Script = []ftptest.Step{{On: "RETR", Nth: 1, Reply: "550 Failed to open file."}}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				var pe *fs.PathError
				var refused *ftpnat.ReplyError
				_, err := fsys.ReadFile("pub/file.bin")
				if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &pe) || !errors.As(err, &refused) {
					t.Errorf("a file that may not be read: %v", err)
				}
				for name, err := range map[string]error{
					"Open": second(fsys.Open("no")), "Stat": second(fsys.Stat("pub/no")), "ReadFile": second(fsys.ReadFile("no")),
					"ReadDir": second(fsys.ReadDir("no")), "deep": second(fsys.Stat("no/no/no")), "under a file": second(fsys.Stat("empty/x")),
					"Remove": fsys.Remove("no"), "Rename": fsys.Rename("no", "yes"), "Mkdir": fsys.Mkdir("no/no", 0o777),
				} {
					if !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s of what is not there: %v", name, err)
					}
				}
				if _, err := fsys.ReadDir("empty"); !errors.Is(err, syscall.ENOTDIR) {
					t.Errorf("ReadDir of a file: %v", err)
				}
				if _, err := fsys.ReadFile("pub"); !errors.Is(err, syscall.EISDIR) {
					t.Errorf("ReadFile of a directory: %v", err)
				}
				if err := fsys.Mkdir("pub", 0o777); !errors.Is(err, fs.ErrExist) {
					t.Errorf("Mkdir of what is there: %v", err)
				}
			})
		})
	}
}

// TestPRET has a server that refuses the file, and not a mode, at PRET; and
// one that does not know PRET.
func TestPRET(t *testing.T) {
	for _, reply := range []string{"550 Sorry, but that file doesn't exist", "500 What?"} {
		s := setup{ftp: func(srv *ftptest.Server) {
			srv.Personality = ftptest.PureFTPd()
			srv.Script = []ftptest.Step{{On: "PRET", Nth: 1, Reply: reply}}
		}}
		inBubble(t, s, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "")
			if _, err := fsys.ReadFile("no"); !errors.Is(err, fs.ErrNotExist) || isNegotiate(err) {
				t.Errorf("%s: %v", reply, err)
			}
			if n := w.Server.Counters().Commands["PASV"]; n > 0 {
				t.Errorf("%s: another mode was tried", reply)
			}
		})
	}
}

// TestOpenDir opens the directories of URLs.
func TestOpenDir(t *testing.T) {
	for dir, want := range map[string]error{
		"": nil, "pub": nil, "pub/": nil, "%2Fpub": nil, "%2F": nil, "a%20b": nil,
		"no": fs.ErrNotExist, "no/no": fs.ErrNotExist, "%2Fno": fs.ErrNotExist, "empty": syscall.ENOTDIR, "a%0Ab": fs.ErrInvalid,
	} {
		inBubble(t, setup{}, func(t *testing.T, w *world) {
			if err := w.Server.Tree.MkdirAll("a b"); err != nil {
				t.Fatal(err)
			}
			fsys, err := w.d.Open(t.Context(), "ftp://"+w.Addr+"/"+dir)
			if !errors.Is(err, want) {
				t.Errorf("Open(%s) = %v, want %v", dir, err, want)
			}
			if err != nil {
				return
			}
			defer fsys.Close()
			if _, err := fsys.ReadDir("."); err != nil {
				t.Errorf("%s: %v", dir, err)
			}
		})
	}
}
