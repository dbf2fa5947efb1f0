package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// Rows of parts C and E of the field's report that are manners of one server.
//
//	C1, C1b     eight who make a tree             TestMkdirAllTogether, TestUploadIntoNewDirectory
//	C2 to C5    uploads that begin again          TestUploadAgain of package stream
//	C6          names that are cut                TestTempName of package remote
//	C7          links that MLSD does not tell of  TestLinkByList
//	C8          ports are used up for a while     TestPortsUsedUp
//	C9          MLSD named by FEAT answers 501    TestMLSDRefused
//	C10         a tape is mounted                 TestSlowTape of package transfer
//	C11         RETR is allowed, LIST is not      TestReadUnlisted
//	C13         a file that grows                 TestFetchGrowing of package tree
//	C14         a directory without an end        TestEndlessTree
//	C16         write-behind                      TestUploadAgain of package stream
//	C20         the server changes a name         TestChangedName
//	E1, E2      what a refusal is                 TestDeniedWrite
//	E3, E4      passwords                         TestRawPassword
//	E5          control characters                TestQuotedWords
//	E6          a charset that is not used        TestCharsetUnused

// TestLinkByList has servers whose MLSD and MLST do not tell where a link leads,
// and whose LIST does: www -> public_html is in each home of a shared host.
func TestLinkByList(t *testing.T) {
	pure := ftptest.PureFTPd()
	pure.Listing.LinkType = "OS.unix=symlink"
	for _, p := range []ftptest.Personality{ftptest.ProFTPD(), pure, ftptest.Plain()} {
		for _, conns := range []int{1, 4} {
			t.Run(fmt.Sprint(p.Name, " ", conns), func(t *testing.T) {
				s := played(p)
				s.dialer = func(d *ftpnat.Dialer) { d.MaxConns = conns }
				inBubble(t, s, func(t *testing.T, w *world) {
					w.put(t, "home/public_html/index", small)
					w.put(t, "home/.profile", small)
					for name, target := range map[string]string{"home/www": "public_html", "home/public_html/up": "..", "away/l": "../home"} {
						_ = w.Server.Tree.MkdirAll(filepath.ToSlash(filepath.Dir(name)))
						if err := w.Server.Tree.Symlink(target, name); err != nil {
							t.Fatal(err)
						}
					}
					fsys := w.openFS(t, "")
					for name, want := range map[string]string{"home/www": "public_html", "home/public_html/up": ".."} {
						if target, err := fsys.ReadLink(name); err != nil || target != want {
							t.Errorf("ReadLink(%s) = %q, %v", name, target, err)
						}
					}
					if _, err := fsys.ReadLink("home/.profile"); !errors.Is(err, fs.ErrInvalid) {
						t.Errorf("ReadLink of a file: %v", err)
					}
					dst := filepath.Join(t.TempDir(), "home")
					if err := fsys.Fetch(dst, "home"); err != nil {
						t.Errorf("Fetch: %v", err)
					}
					sameTrees(t, localTree(t, dst), map[string]string{
						".profile": string(small), "www": "-> public_html", "public_html": "/", "public_html/index": string(small), "public_html/up": "-> ..",
					})
					err := fsys.Fetch(filepath.Join(t.TempDir(), "away"), "away")
					if err == nil || !strings.Contains(err.Error(), "out of the tree") {
						t.Errorf("Fetch of a link out of the tree: %v", err)
					}
				})
			})
		}
	}
}

// TestPortsUsedUp has a server that can open no port for two seconds.
func TestPortsUsedUp(t *testing.T) {
	for _, reply := range []string{"425 Cannot open passive connection.", "421 Could not create socket."} {
		for op, f := range map[string]func(fsys *ftpnat.FS) error{
			"ReadFile":  func(fsys *ftpnat.FS) error { return second(fsys.ReadFile("pub/file.bin")) },
			"ReadDir":   func(fsys *ftpnat.FS) error { return second(fsys.ReadDir("pub")) },
			"WriteFile": func(fsys *ftpnat.FS) error { return fsys.WriteFile("x", small, 0o644) },
			"Upload":    func(fsys *ftpnat.FS) error { return second(fsys.Upload("x", bytes.NewReader(small))) },
		} {
			for _, before := range []bool{false, true} {
				t.Run(fmt.Sprint(reply[:3], " ", op, " ", before), func(t *testing.T) {
					var until time.Time
					s := played(ftptest.VSFTPD(), func(srv *ftptest.Server) {
						listen := srv.Network.Listen
						srv.Network.Listen = func(ctx context.Context, network, addr string) (net.Listener, error) {
							if time.Now().Before(until) {
								return nil, errors.New("no port is free")
							}
							return listen(ctx, network, addr)
						}
						srv.Personality = srv.Personality.Saying("passive.failed", reply)
					})
					s.dialer = func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.EPSV, ftpnat.PASV} }
					inBubble(t, s, func(t *testing.T, w *world) {
						fsys := w.openFS(t, "")
						if before {
							mustRead(t, fsys, "pub/file.bin", string(content))
						}
						until = time.Now().Add(2 * time.Second)
						if err := f(fsys); err != nil {
							t.Error(err)
						}
					})
				})
			}
		}
	}
}

// TestMLSDRefused has servers that name MLST in FEAT and refuse MLSD, in every word
// there is for that: from outside, or of a name.
func TestMLSDRefused(t *testing.T) {
	for _, reply := range []string{"500 Unknown command.", "501 Syntax error in parameters or arguments.", "502 Not implemented.", "504 Not for that parameter."} {
		for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.ProFTPD(), ftptest.Pyftpdlib()} {
			t.Run(reply[:3]+" "+p.Name, func(t *testing.T) {
				inBubble(t, played(p, ftptest.Step{On: "MLSD", Reply: reply}), func(t *testing.T, w *world) {
					w.put(t, "pub/deep/x", small)
					fsys := w.openFS(t, "")
					list, err := fsys.ReadDir("pub")
					if err != nil || strings.Join(namesOf(list), " ") != "deep file.bin" {
						t.Errorf("ReadDir: %q, %v", namesOf(list), err)
					}
					if err := fstest.TestFS(must(fsys.Sub("pub")), "deep/x", "file.bin"); err != nil {
						t.Error(err)
					}
					// By the name, inside, and once more on another connection.
					if n := w.commands("MLSD"); n > 3 {
						t.Errorf("MLSD was sent %d times", n)
					}
				})
			})
		}
	}
}

// unlistable are servers that give files to whoever knows their names, and tell
// nothing else.
func unlistable() map[string]ftptest.Personality {
	m := make(map[string]ftptest.Personality)
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.Pyftpdlib(), ftptest.Ancient()} {
		p.Denied = []string{"LIST", "NLST", "STAT", "MLSD", "MLST"}
		m[p.Name+", LIST"] = p
		p.Denied = append([]string{"SIZE"}, p.Denied...)
		m[p.Name+", SIZE"] = p
		p.Denied = append([]string{"MDTM"}, p.Denied...)
		m[p.Name+", MDTM"] = p
	}
	return m
}

// TestReadUnlisted reads one known file where nothing may be listed: Open, and
// every other way to read.
func TestReadUnlisted(t *testing.T) {
	for name, p := range unlistable() {
		t.Run(name, func(t *testing.T) {
			readOn(t, played(p), nothingHappens, func(t *testing.T, w *world, read func(string) ([]byte, error)) {
				if got, err := read("pub/file.bin"); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if got, err := read("pub/no"); err == nil {
					t.Errorf("what is not there: %d bytes", len(got))
				}
			})
			inBubble(t, played(p), func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				if _, err := fsys.ReadDir("pub"); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("ReadDir: %v", err)
				}
				if err := fsys.Fetch(filepath.Join(t.TempDir(), "down"), "pub"); !errors.Is(err, fs.ErrPermission) {
					t.Errorf("Fetch of a directory: %v", err)
				}
				if f, err := fsys.OpenFile("pub", os.O_RDONLY, 0); err == nil {
					if _, err = f.ReadDir(-1); err == nil {
						t.Error("a directory was opened and listed")
					}
					f.Close()
				}
			})
		})
	}
}

// TestEndlessTree has a directory that holds itself, shown as a directory.
func TestEndlessTree(t *testing.T) {
	for _, p := range theFour() {
		t.Run(p.Name, func(t *testing.T) {
			s := played(p, func(srv *ftptest.Server) {
				srv.EditList = func(dir string, lines []string) []string {
					for i, l := range lines {
						if strings.HasSuffix(l, "-> .") {
							lines[i] = "d" + strings.TrimSuffix(l[1:], " -> .")
						}
						lines[i] = strings.Replace(lines[i], "OS.unix=symlink", "dir", 1)
						lines[i] = strings.Replace(lines[i], "OS.unix=slink:.", "dir", 1)
					}
					return lines
				}
				srv.EditStat = srv.EditList
			})
			inBubble(t, s, func(t *testing.T, w *world) {
				w.put(t, "t/x", small)
				if err := w.Server.Tree.Symlink(".", "t/loop"); err != nil {
					t.Fatal(err)
				}
				fsys := w.openFS(t, "")
				start := time.Now()
				n := 0
				err := fs.WalkDir(fsys, "t", func(_ string, _ fs.DirEntry, err error) error { n++; return err })
				if n > 1000 || time.Since(start) > 2*time.Minute {
					t.Errorf("WalkDir: %d names in %v, %v", n, time.Since(start), err)
				}
				if err := fsys.Fetch(filepath.Join(t.TempDir(), "t"), "t"); err == nil || time.Since(start) > 5*time.Minute {
					t.Errorf("Fetch: %v, after %v", err, time.Since(start))
				}
			})
		})
	}
}

// TestChangedName has a server make something under another name. What it has made
// is removed again, and the error says why.
func TestChangedName(t *testing.T) {
	for _, c := range []struct{ name, as string }{{"x/dir ", "x/dir_"}, {"x/a\tb", "x/a_b"}, {"x/bad\xfe", "x/bad?"}} {
		for _, p := range theFour() {
			t.Run(fmt.Sprintf("%s %q", p.Name, c.name), func(t *testing.T) {
				changed := func(verbs ...string) []any {
					steps := make([]any, len(verbs))
					for i, verb := range verbs {
						steps[i] = ftptest.Step{On: verb, Arg: c.name, As: verb + " " + c.as}
					}
					return steps
				}
				all := changed("MKD", "RMD", "STOR", "DELE", "RNTO", "RNFR", "SIZE", "CWD", "MLST", "MDTM", "APPE")
				inBubble(t, played(p, all...), func(t *testing.T, w *world) {
					_ = w.Server.Tree.MkdirAll("x")
					w.put(t, "x/old", small)
					fsys := w.openFS(t, "")
					if err := fsys.Mkdir(c.name, 0o755); !errors.Is(err, errors.ErrUnsupported) {
						t.Errorf("Mkdir: %v", err)
					}
					for way, write := range writeWays {
						if err := write(fsys, c.name, small); !errors.Is(err, errors.ErrUnsupported) {
							t.Errorf("%s: %v", way, err)
						}
					}
					if err := fsys.Rename("x/old", c.name); !errors.Is(err, errors.ErrUnsupported) {
						t.Errorf("Rename: %v", err)
					}
					w.left(t, "x", "old")
				})
			})
		}
	}
}

// TestQuotedWords has a server send what a terminal would obey.
func TestQuotedWords(t *testing.T) {
	const evil = "\x1b]0;owned\x07"
	for _, step := range []ftptest.Step{
		{On: "RETR", Reply: "550 No." + evil}, {On: "STOR", Reply: "553 No." + evil}, {On: "MKD", Reply: "550 " + evil},
		{On: "EPSV", Reply: "500 " + evil}, {On: "DELE", Reply: "450 " + evil}, {On: "CWD", Reply: "550 " + evil},
	} {
		s := played(ftptest.VSFTPD(), step)
		s.dialer = func(d *ftpnat.Dialer) { d.RetryFor = time.Second }
		inBubble(t, s, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "")
			_, rerr := fsys.ReadFile("pub/file.bin")
			_, serr := fsys.Sub("pub")
			for _, err := range []error{rerr, serr, fsys.WriteFile("x", small, 0o644), fsys.Mkdir("d", 0o755), fsys.Remove("pub/file.bin")} {
				if err != nil && strings.ContainsAny(err.Error(), "\x1b\x07") {
					t.Errorf("%s: %q", step.On, err)
				}
			}
		})
	}
}

// TestMkdirCut has the connection end under a MKD that was carried out or not.
func TestMkdirCut(t *testing.T) {
	for _, p := range append(theFour(), ftptest.Plain()) {
		for _, before := range []bool{false, true} {
			for _, carried := range []bool{false, true} {
				for kind, ending := range map[string]ftptest.Ending{"cut": ftptest.Cut, "reset": ftptest.Reset, "silence": ftptest.Silence} {
					t.Run(fmt.Sprint(p.Name, " ", before, " ", carried, " ", kind), func(t *testing.T) {
						s := played(p, func(srv *ftptest.Server) {
							srv.Script = []ftptest.Step{{On: "MKD", Nth: 1, Then: ending, Reply: ftptest.None, Do: func() {
								if carried {
									_ = srv.Tree.Mkdir("new", 0o755)
								}
							}}}
						})
						inBubble(t, s, func(t *testing.T, w *world) {
							if before {
								_ = w.Server.Tree.MkdirAll("new")
							}
							err := w.openFS(t, "").Mkdir("new", 0o755)
							unknown := p.Name == "vsftpd" && errors.Is(err, ftpnat.ErrLost) // it has no question for directories
							if before && !errors.Is(err, fs.ErrExist) && !unknown || !before && err != nil {
								t.Errorf("Mkdir: %v", err)
							}
							if info, err := w.Server.Tree.Stat("new"); err != nil || !info.IsDir() {
								t.Errorf("it is not there: %v", err)
							}
						})
					})
				}
			}
		}
	}
}

// TestMkdirOfWhatIsThere has servers answer with 257 to the MKD of a directory that
// is there, as ftp-srv and goftp do: nothing in it is replaced.
func TestMkdirOfWhatIsThere(t *testing.T) {
	for i, ahead := range []ftptest.Ahead{ftptest.InOrder, ftptest.FirstOnly, ftptest.InOrder, ftptest.FirstOnly} {
		p := ftptest.Ancient()
		p.Files.SizeDirs = i > 1
		p.Name, p.Missing, p.Control.Ahead = "ftp-srv", []string{"MLSD", "MLST", "EPRT", "HASH", "XCRC", "XMD5", "XSHA256", "PRET", "CCC", "HOST", "LANG", "CLNT"}, ahead
		p.Features = []string{"SIZE", "MDTM", "REST STREAM", "UTF8"}
		p = p.Saying("MKD.failed", `257 "{path}" created`)
		t.Run(fmt.Sprint(ahead, " ", p.Files.SizeDirs), func(t *testing.T) {
			inBubble(t, played(p), func(t *testing.T, w *world) {
				w.put(t, "dir/x", []byte("old"))
				fsys := w.openFS(t, "")
				if err := fsys.Mkdir("dir", 0o755); !errors.Is(err, fs.ErrExist) {
					t.Errorf("Mkdir: %v", err)
				}
				err := fsys.CopyFS("dir", fstest.MapFS{"x": {Data: []byte("new")}, "y": {Data: []byte("new")}})
				if !errors.Is(err, fs.ErrExist) {
					t.Errorf("CopyFS: %v", err)
				}
				w.has(t, "dir/x", "old")
				w.has(t, "dir/y", "new")
				if err := fsys.Mkdir("fresh", 0o755); err != nil {
					t.Errorf("Mkdir: %v", err)
				}
				if err := fsys.MkdirAll("dir/a/b", 0o755); err != nil {
					t.Errorf("MkdirAll: %v", err)
				}
			})
		})
	}
}
