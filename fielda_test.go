package ftpnat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// Part A of the field's report: nil, and it is not so.
//
//	A0   an upload is resumed by a size that is gone        TestUploadResumedBeyondEnd
//	A0b  Append to a name that is missing                   TestAppendToMissing
//	A1   a size that was there before proves nothing        TestSameSizeProvesNothing
//	A2   RNTO is cut, and the names are hidden              TestRenameCutHidden
//	A3   a download ended by a box, 226, no size            TestDownloadEnded (each byte: TestDrainedFile)
//	A4   a listing ended by a box, 226                      TestListingEnded (each byte: TestDrainedList)
//	A5   a TLS listing ended between records                TestListingEndedTLS
//	A6   a directory that may not be read                   TestUnreadableDirectory
//	A7   LIST ignores its argument                          TestListIgnoresArgument
//	A8   stored under another name                          TestStoredElsewhere, TestDropBox
//	A9   there, and hidden from listings                    TestHiddenFromListings, TestHiddenDirectory
//	A10  replaced between a break and REST                  TestReplacedMeanwhile
//	A11  CopyFS over a name that LIST hides                 TestCopyOverHidden
//	A12  a file and a directory of one name                 TestTwoOfOneName

// emptyParts empties what was not in the server's root before: a STOR of a session
// that was given up is read only now.
func emptyParts(srv *ftptest.Server) {
	list, _ := srv.Tree.ReadDir("/")
	for _, i := range list {
		if i.Name() != "pub" && i.Name() != "empty" && !i.IsDir() {
			_ = srv.Tree.WriteFile(i.Name(), nil, 0o644)
		}
	}
}

func TestUploadResumedBeyondEnd(t *testing.T) {
	hole, clamp := ftptest.VSFTPD(), ftptest.PureFTPd()
	hole.Files.Holes, clamp.Files.RestartClamp = true, true
	for _, p := range []ftptest.Personality{hole, clamp} {
		for _, verb := range []string{"SIZE", "REST", "MLST"} {
			for _, old := range []string{"", "old"} {
				t.Run(p.Name+" "+verb+" "+old, func(t *testing.T) {
					s := played(p, ftptest.Fault{On: ftptest.Data, Conn: 1, Dir: ftptest.Received, After: 100_000, Kind: ftptest.Reset})
					inner := s.ftp
					s.ftp = func(srv *ftptest.Server) {
						inner(srv)
						srv.Script = []ftptest.Step{{On: verb, Nth: 1, Do: func() { emptyParts(srv) }}}
					}
					inBubble(t, s, func(t *testing.T, w *world) {
						if old != "" {
							w.put(t, "pub/up", []byte(old))
						}
						_, err := w.openFS(t, "").Upload("up", bytes.NewReader(content))
						got, rerr := w.Server.Tree.ReadFile("up")
						if err == nil && !bytes.Equal(got, content) || rerr == nil && !bytes.Equal(got, content) {
							t.Errorf("Upload: %v, and the server has %d bytes, %d of them zeros at the start", err, len(got), len(got)-len(bytes.TrimLeft(got, "\x00")))
						}
					})
				})
			}
		}
	}
}

// appendWays append to a file that may be missing.
var appendWays = map[string]func(fsys *ftpnat.FS, name string, data []byte) error{
	"Append": appendTo,
	"OpenFile": func(fsys *ftpnat.FS, name string, data []byte) error {
		f, err := fsys.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		return writeIn(f, err, data)
	},
}

func TestAppendToMissing(t *testing.T) {
	data := content[:1662]
	for _, p := range append(theFour(), ftptest.IIS(), ftptest.FileZilla()) {
		for way, write := range appendWays {
			for _, base := range []int{-1, 0, 500} {
				t.Run(fmt.Sprint(p.Name, way, base), func(t *testing.T) {
					inBubble(t, played(p, ended(1, ftptest.Received, 56)), func(t *testing.T, w *world) {
						want := slices.Clone(data)
						if base >= 0 {
							w.put(t, "log", content[5000:5000+base])
							want = slices.Concat(content[5000:5000+base], data)
						}
						err := write(w.openFS(t, ""), "log", data)
						got, _ := w.Server.Tree.ReadFile("log")
						if err == nil && !bytes.Equal(got, want) {
							t.Errorf("nil, and the server has %d of %d bytes", len(got), len(want))
						}
					})
				})
			}
		}
	}
}

func TestSameSizeProvesNothing(t *testing.T) {
	old, data := content[:2000], content[2000:4000]
	hidden := ftptest.HiddenStores()
	plainly := ftptest.ProFTPD()
	for name, tt := range map[string]struct {
		p    ftptest.Personality
		more []any
	}{
		"hidden stores":  {hidden, nil},
		"refused":        {plainly, []any{ftptest.Step{On: "STOR", Nth: 2, Reply: "550 up: Temporary hidden file /.in.up. already exists"}}},
		"refused by 553": {plainly, []any{ftptest.Step{On: "STOR", Nth: 2, Reply: "553 No."}}},
		"no time is exact": {func() ftptest.Personality {
			p := hidden
			p.Missing = append(slices.Clone(p.Missing), "MDTM", "MLST", "MLSD", "MFMT")
			p.Features = slices.DeleteFunc(slices.Clone(p.Features), func(f string) bool { return f[0] == 'M' })
			return p
		}(), nil},
	} {
		for on, control := range map[string]ftpworld.Mishap{
			"150": {Kind: ftpworld.ResetNear, Dir: ftpworld.Down, On: "150 ", Pause: time.Minute},
		} {
			t.Run(name+" "+on, func(t *testing.T) {
				plan := func(isControl bool, nth int) ftpworld.Mishap {
					switch {
					case isControl && nth == 1:
						return control
					case !isControl && nth == 1:
						return ftpworld.Mishap{Kind: ftpworld.Swallow, Dir: ftpworld.Up, Pause: time.Minute}
					}
					return ftpworld.Mishap{}
				}
				writeOn(t, played(tt.p, tt.more...), plan, func(t *testing.T, w *world, way string, write func(string, []byte) error) {
					w.put(t, "up", old)
					err := write("up", data)
					if got, _ := w.Server.Tree.ReadFile("up"); err == nil && !bytes.Equal(got, data) {
						t.Errorf("nil, and the server has the old file: %v", bytes.Equal(got, old))
					}
				})
			})
		}
	}
}

// TestVerdictLostSameSize has the control connection end ahead of the 226 to a file
// that never came to its place, while nothing refuses a second try.
func TestVerdictLostSameSize(t *testing.T) {
	old, data := content[:2000], content[2000:4000]
	for _, p := range theFour() {
		t.Run(p.Name, func(t *testing.T) {
			p.Files.HideStores = true
			plan := func(isControl bool, nth int) ftpworld.Mishap {
				switch {
				case isControl && nth == 1:
					return ftpworld.Mishap{Kind: ftpworld.Reset, Dir: ftpworld.Down, On: "150 "}
				case !isControl && nth == 1:
					return ftpworld.Mishap{Kind: ftpworld.Swallow, Dir: ftpworld.Up, Pause: time.Minute}
				}
				return ftpworld.Mishap{}
			}
			writeOn(t, played(p), plan, func(t *testing.T, w *world, way string, write func(string, []byte) error) {
				w.put(t, "up", old)
				err := write("up", data)
				if got, _ := w.Server.Tree.ReadFile("up"); err == nil && !bytes.Equal(got, data) {
					t.Errorf("nil, and the server has the old file: %v", bytes.Equal(got, old))
				}
			})
		})
	}
}

func TestRenameCutHidden(t *testing.T) {
	p := ftptest.VSFTPD()
	p.Listing.Hide = []string{".*"}
	for name, step := range map[string]ftptest.Step{
		"not carried out": {On: "RNTO", Nth: 1, Then: ftptest.Reset},
		"cut":             {On: "RNTO", Nth: 1, Then: ftptest.Cut},
		"silent":          {On: "RNTO", Nth: 1, Then: ftptest.Silence},
		"carried out":     {On: "RNTO", Nth: 1, As: "RNTO up", Then: ftptest.Reset},
	} {
		for _, size := range []int{3000, 10_000} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				inBubble(t, played(p, step), func(t *testing.T, w *world) {
					w.put(t, "up", content[:size])
					_, err := w.openFS(t, "").Upload("up", bytes.NewReader(small[:3000]))
					got, _ := w.Server.Tree.ReadFile("up")
					switch {
					case err == nil && !bytes.Equal(got, small[:3000]):
						t.Error("nil, and the old file is there")
					case err != nil && !bytes.Equal(got, content[:size]) && !bytes.Equal(got, small[:3000]):
						t.Errorf("%v, and %d bytes are there", err, len(got))
					}
					time.Sleep(time.Minute)
					w.left(t, "", "empty", "pub", "up")
				})
			})
		}
	}
}

func TestDownloadEnded(t *testing.T) {
	for _, p := range append(theFour(), ftptest.IIS(), ftptest.FileZilla()) {
		p = p.Saying("begin", "150 Here it comes.", "begin.open", "125 Here it comes.")
		t.Run(p.Name, func(t *testing.T) {
			s := played(p, ended(1, ftptest.Sent, 1000))
			readOn(t, s, nothingHappens, func(t *testing.T, w *world, read func(string) ([]byte, error)) {
				w.put(t, "f", content[:30_000])
				if got, err := read("f"); err == nil && len(got) != 30_000 {
					t.Errorf("%d of 30000 bytes, and nil", len(got))
				}
			})
			t.Run("Conn", func(t *testing.T) {
				inBubble(t, s, func(t *testing.T, w *world) {
					c := w.dial()
					defer c.Close()
					if got, err := retrieve(w, c, "pub/file.bin"); err == nil && !bytes.Equal(got, content) {
						t.Errorf("%d of %d bytes, and nil", len(got), len(content))
					}
				})
			})
		})
	}
}

// retrieve reads a file by Conn.Retrieve.
func retrieve(w *world, c *ftpnat.Conn, name string) ([]byte, error) {
	rc, err := c.Retrieve(w.ctx, name, 0)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

// TestStoreEnded is Conn.Store where the upload ends early, and the server says 226.
func TestStoreEnded(t *testing.T) {
	for _, p := range theFour() {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, played(p, ended(1, ftptest.Received, 1000)), func(t *testing.T, w *world) {
				c := w.dial()
				defer c.Close()
				_, err := c.Store(w.ctx, "up", bytes.NewReader(content))
				if got, _ := w.Server.Tree.ReadFile("up"); err == nil && !bytes.Equal(got, content) {
					t.Errorf("nil, and the server has %d of %d bytes", len(got), len(content))
				}
			})
		})
	}
}

// listEnded has f use a directory "dir" with the files a, b and sub/c, whose listing
// ends before its first byte.
func listEnded(t *testing.T, f func(t *testing.T, w *world, fsys *ftpnat.FS)) {
	for _, p := range append(theFour(), ftptest.Plain(), ftptest.IIS()) {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, played(p, ended(1, ftptest.Sent, 0)), func(t *testing.T, w *world) {
				for _, name := range []string{"dir/a", "dir/b", "dir/sub/c"} {
					w.put(t, name, small)
				}
				f(t, w, w.openFS(t, ""))
			})
		})
	}
}

func TestListingEnded(t *testing.T) {
	want := []string{"a", "b", "sub"}
	for name, f := range map[string]func(t *testing.T, w *world, fsys *ftpnat.FS){
		"ReadDir": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			if list, err := fsys.ReadDir("dir"); err == nil && !slices.Equal(namesOf(list), want) {
				t.Errorf("%q, and nil", namesOf(list))
			}
		},
		"File.ReadDir": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			f, err := fsys.Open("dir")
			if err != nil {
				return
			}
			defer f.Close()
			if list, err := f.(fs.ReadDirFile).ReadDir(-1); err == nil && len(list) != len(want) {
				t.Errorf("%q, and nil", namesOf(list))
			}
		},
		"WalkDir": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			n := 0
			err := fs.WalkDir(fsys, "dir", func(_ string, _ fs.DirEntry, err error) error {
				n++
				return err
			})
			if err == nil && n != 5 {
				t.Errorf("%d names, and nil", n)
			}
		},
		"Fetch": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			dst := filepath.Join(t.TempDir(), "down")
			if err := fsys.Fetch(dst, "dir"); err == nil && len(localTree(t, dst)) != 4 {
				t.Errorf("%d names, and nil", len(localTree(t, dst)))
			}
		},
		"Glob": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			if list, err := fsys.Glob("dir/*"); err == nil && len(list) != len(want) {
				t.Errorf("%q, and nil", list)
			}
		},
		"CopyFS": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			err := fsys.CopyFS("dir", fstest.MapFS{"a": &fstest.MapFile{Data: []byte("new")}})
			if !errors.Is(err, fs.ErrExist) {
				t.Logf("CopyFS: %v", err)
			}
			if err == nil {
				t.Error("nil, and the name was there")
			}
			w.has(t, "dir/a", string(small))
		},
		"RemoveAll": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			err := fsys.RemoveAll("dir")
			if _, serr := w.Server.Tree.Stat("dir"); err == nil && serr == nil {
				t.Error("nil, and it is there")
			}
		},
		"Stat": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			if _, err := fsys.Stat("dir/a"); errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		},
		"Lstat": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			if _, err := fsys.Lstat("dir/sub"); errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		},
		"Remove": func(t *testing.T, w *world, fsys *ftpnat.FS) {
			if err := fsys.Remove("dir"); err == nil {
				t.Error("a directory with files was removed")
			}
			w.has(t, "dir/a", string(small))
		},
	} {
		t.Run(name, func(t *testing.T) { listEnded(t, f) })
	}
}

// TestEmptyDirectory has directories that are empty: that is no error, and costs
// little.
func TestEmptyDirectory(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, played(p), func(t *testing.T, w *world) {
				for i := range 5 {
					if err := w.Server.Tree.MkdirAll(fmt.Sprintf("d%d", i)); err != nil {
						t.Fatal(err)
					}
				}
				fsys := w.openFS(t, "")
				for i := range 5 {
					if list, err := fsys.ReadDir(fmt.Sprintf("d%d", i)); err != nil || len(list) > 0 {
						t.Errorf("%d names, %v", len(list), err)
					}
				}
				dst := filepath.Join(t.TempDir(), "down")
				if err := fsys.Fetch(dst, "d0"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestListingEndedTLS cuts a listing under TLS where a record, and a line, ends.
func TestListingEndedTLS(t *testing.T) {
	const record = 22 // bytes that TLS 1.3 puts around a record
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD()} {
		p.TLS.LineRecords = true
		for _, mute := range []bool{false, true} {
			p.TLS.NoNotify = mute
			t.Run(fmt.Sprint(p.Name, " ", mute), func(t *testing.T) {
				total, line := tenLines(t, p, -1), 0
				p := p
				cut := func(srv *ftptest.Server) {
					srv.EditList = func(_ string, lines []string) []string {
						line = len(lines[len(lines)-1]) + 2
						return lines
					}
				}
				tenLines(t, p, -1, cut)
				if !mute {
					total -= record + 2
				}
				for k := 1; k <= 10; k++ {
					at := total - int64(k*(line+record))
					for off := int64(-4); off <= 4; off++ { // a signature's length varies
						tenLines(t, p, at+off)
					}
				}
			})
		}
	}
}

// tenLines lists a directory of ten files over a connection that is cut, and returns
// the bytes that were sent.
func tenLines(t *testing.T, p ftptest.Personality, after int64, more ...any) (sent int64) {
	if after >= 0 {
		more = append(more, ended(1, ftptest.Sent, after))
	}
	s := played(p, more...)
	s.dialer = func(*ftpnat.Dialer) {}
	inBubble(t, overTLS(t, s), func(t *testing.T, w *world) {
		var want []string
		for i := range 10 {
			want = append(want, fmt.Sprintf("file %d", i))
			w.put(t, "dir/"+want[i], small)
		}
		list, err := w.openFS(t, "").ReadDir("dir")
		if err == nil && !slices.Equal(namesOf(list), want) {
			t.Errorf("cut after %d: %d of 10 names, and nil", after, len(list))
		}
		sent = w.Server.DataConns()[0].Sent
	})
	return sent
}
