package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// Part D of the field's report: slow, endless, left over.
//
//	D1   refused for good with a 4xx                TestRefusedForGood, TestNoByteFurther
//	D2   Stat lists where there is no MLST          TestStatLists, TestStatHuge
//	D2b  File.Stat after a listing is old           TestFileStatFresh
//	D2c  Glob and Stat of many files                TestGlobAndStat
//	D3   a RETR that never ends                     TestEndlessFile
//	D4   temporary files of cancelled uploads       TestCancelledUploadLeavesNothing
//	D5   the Mapper's failure                       TestMapperFails
//	D5b  Temporary of a full disk                   TestFullDiskIsNotTemporary (Retryable: a new word)
//	D6   a proven EPSV is not answered any more     TestProvenModeSilent

func TestRefusedForGood(t *testing.T) {
	for name, step := range map[string]ftptest.Step{
		"452":                 {On: "STOR", Reply: "452 Insufficient storage space."},
		"452 at the end":      {On: "STOR", Final: "452 Error writing file: disk full."},
		"451 space":           {On: "STOR", Reply: "451 No space left on device."},
		"451 space, end":      {On: "STOR", Final: "451 No space left on device"},
		"451 quota":           {On: "STOR", Final: "451 Disk quota exceeded."},
		"451 vsftpd":          {On: "STOR", Final: "451 Failure writing to local file."},
		"426 space":           {On: "STOR", Final: "426 Transfer aborted. Data connection closed: No space left on device"},
		"450 quota":           {On: "STOR", Reply: "450 Quota exceeded"},
		"452 where it begins": {On: "STOR", After150: "452 Requested action not taken."},
	} {
		for way, write := range writeWays {
			t.Run(name+" "+way, func(t *testing.T) {
				inBubble(t, played(ftptest.ProFTPD(), step), func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					start := time.Now()
					err := write(fsys, "x", content)
					if took := time.Since(start); err == nil || took > 10*time.Second {
						t.Errorf("%v, after %v", err, took)
					}
					if n := w.commands("STOR") + w.commands("APPE"); n > 2 {
						t.Errorf("%d transfers", n)
					}
					if replyOf(err).Code == 0 {
						t.Errorf("%v has no reply", err)
					}
				})
			})
		}
	}
	t.Run("Append", func(t *testing.T) {
		inBubble(t, played(ftptest.ProFTPD(), ftptest.Step{On: "APPE", Final: "452 Disk full."}), func(t *testing.T, w *world) {
			err := appendTo(w.openFS(t, ""), "empty", content)
			if n := w.commands("APPE"); err == nil || n > 2 {
				t.Errorf("%v, after %d transfers", err, n)
			}
		})
	})
}

// TestNoByteFurther has transfers that fail for now, each time, and bring no byte
// further.
func TestNoByteFurther(t *testing.T) {
	for name, tt := range map[string]struct {
		steps []any
		verb  string
	}{
		"STOR":      {[]any{ftptest.Step{On: "STOR", After150: "451 Local error."}}, "STOR"},
		"STOR, end": {[]any{ftptest.Step{On: "STOR", Final: "451 Local error."}, ftptest.Step{On: "APPE", Final: "451 Local error."}}, "STOR"},
		"RETR":      {[]any{ftptest.Step{On: "RETR", After150: "451 Local error."}}, "RETR"},
		"RETR, 426": {[]any{ftptest.Step{On: "RETR", After150: "426 Broken."}}, "RETR"},
		"LIST":      {[]any{ftptest.Step{On: "LIST", After150: "451 Local error."}, ftptest.Step{On: "STAT", Reply: "500 No."}}, "LIST"},
	} {
		ops := map[string]func(fsys *ftpnat.FS, local string) error{}
		switch tt.verb {
		case "STOR":
			for way, write := range writeWays {
				ops[way] = func(fsys *ftpnat.FS, _ string) error { return write(fsys, "x", content) }
			}
		case "RETR":
			for way, read := range readWays {
				ops[way] = func(fsys *ftpnat.FS, local string) error { return second(read(fsys, "pub/file.bin", local)) }
			}
		default:
			ops["ReadDir"] = func(fsys *ftpnat.FS, _ string) error { return second(fsys.ReadDir("pub")) }
			ops["WalkDir"] = func(fsys *ftpnat.FS, _ string) error {
				return fs.WalkDir(fsys, "pub", func(_ string, _ fs.DirEntry, err error) error { return err })
			}
		}
		for op, f := range ops {
			t.Run(name+" "+op, func(t *testing.T) {
				inBubble(t, played(ftptest.VSFTPD(), tt.steps...), func(t *testing.T, w *world) {
					start := time.Now()
					err := f(w.openFS(t, ""), t.TempDir()+"/down")
					if err == nil {
						t.Error("nil")
					}
					if n := w.commands(tt.verb) + w.commands("APPE"); n > 8 {
						t.Errorf("%d transfers in %v: %v", n, time.Since(start), err)
					}
				})
			})
		}
	}
}

func TestStatLists(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.IIS()} {
		for op, f := range map[string]func(fsys *ftpnat.FS, name string) (fs.FileInfo, error){
			"Stat": func(fsys *ftpnat.FS, name string) (fs.FileInfo, error) { return fsys.Stat(name) },
			"fs.Stat of a Sub": func(fsys *ftpnat.FS, name string) (fs.FileInfo, error) {
				sub, err := fsys.Sub("big")
				if err != nil {
					return nil, err
				}
				return fs.Stat(sub, strings.TrimPrefix(name, "big/"))
			},
		} {
			t.Run(p.Name+" "+op, func(t *testing.T) {
				inBubble(t, played(p), func(t *testing.T, w *world) {
					for i := range 3000 {
						w.put(t, fmt.Sprintf("big/f%04d", i), nil)
					}
					w.put(t, "big/x", small)
					fsys := w.openFS(t, "")
					for i := range 20 {
						if info, err := f(fsys, fmt.Sprintf("big/f%04d", i*100)); err != nil || info.Size() != 0 || info.IsDir() {
							t.Error(err)
						}
						time.Sleep(10 * time.Second) // what was listed is forgotten
					}
					if info, err := f(fsys, "big/x"); err != nil || info.Size() != int64(len(small)) {
						t.Error(err)
					}
					if n := w.commands("LIST") + w.commands("NLST") + w.commands("STAT"); n > 2 {
						t.Errorf("%d listings", n)
					}
				})
			})
		}
	}
}

// TestStatHuge asks for files and directories among more names than are kept, and for
// links, and no listing is made for that.
func TestStatHuge(t *testing.T) {
	inBubble(t, played(ftptest.VSFTPD()), func(t *testing.T, w *world) {
		for i := range 200_000 {
			w.put(t, fmt.Sprintf("big/f%06d", i), nil)
		}
		_ = w.Server.Tree.MkdirAll("big/dir")
		if err := w.Server.Tree.Symlink("f000007", "big/link"); err != nil {
			t.Fatal(err)
		}
		fsys := w.openFS(t, "")
		for i := range 20 {
			info, err := fsys.Stat(fmt.Sprintf("big/f%06d", i*9000))
			if err != nil || info.Size() != 0 || info.IsDir() || info.ModTime().IsZero() {
				t.Error(info, err)
			}
		}
		for name, dir := range map[string]bool{"big/dir": true, "big": true, "big/link": false} {
			if info, err := fsys.Stat(name); err != nil || info.IsDir() != dir {
				t.Errorf("Stat(%s): %v", name, err)
			}
		}
		if n := w.commands("LIST") + w.commands("NLST") + w.commands("STAT"); n > 0 {
			t.Errorf("%d listings", n)
		}
	})
}

func TestFileStatFresh(t *testing.T) {
	for _, p := range theFour() {
		for _, pause := range []time.Duration{0, time.Second, 4 * time.Second} {
			t.Run(fmt.Sprint(p.Name, " ", pause), func(t *testing.T) {
				inBubble(t, played(p), func(t *testing.T, w *world) {
					w.put(t, "dir/f", content[:13])
					fsys := w.openFS(t, "")
					if _, err := fsys.ReadDir("dir"); err != nil {
						t.Fatal(err)
					}
					w.put(t, "dir/f", content[:100_000])
					time.Sleep(pause)
					f, err := fsys.Open("dir/f")
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					info, err := f.Stat()
					if err != nil || info.Size() != 100_000 {
						t.Errorf("Stat: %v bytes, %v", info.Size(), err)
					}
					if n, err := f.(io.Seeker).Seek(0, io.SeekEnd); err != nil || n != 100_000 {
						t.Errorf("Seek: %d, %v", n, err)
					}
				})
			})
		}
	}
}

func TestGlobAndStat(t *testing.T) {
	const files = 300
	for _, p := range theFour() {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, played(p), func(t *testing.T, w *world) {
				for i := range files {
					w.put(t, fmt.Sprintf("many/f%03d", i), small[:i])
				}
				fsys := w.openFS(t, "")
				names, err := fsys.Glob("many/*")
				if err != nil || len(names) != files {
					t.Fatalf("%d names, %v", len(names), err)
				}
				for i, name := range names {
					if info, err := fsys.Stat(name); err != nil || info.Size() != int64(i) {
						t.Errorf("Stat(%s): %v", name, err)
					}
				}
				if n := w.commands("LIST") + w.commands("MLSD"); n > 5 {
					t.Errorf("%d listings for %d files", n, files)
				}
			})
		})
	}
}

func TestEndlessFile(t *testing.T) {
	const size, much = 10, 64 << 20
	for _, p := range theFour() {
		p = p.Saying("SIZE", fmt.Sprintf("213 %d", size), "begin", "150 Here it comes.", "begin.open", "125 Here it comes.")
		t.Run(p.Name, func(t *testing.T) {
			edit := func(_ string, lines []string) []string {
				for i, l := range lines {
					lines[i] = strings.ReplaceAll(l, fmt.Sprint(much), fmt.Sprint(size))
				}
				return lines
			}
			mlst := ftptest.Step{On: "MLST", Arg: "endless", Reply: "250-Listing\n type=file;size=10;modify=20000101000000; /endless\n250 End"}
			s := played(p, func(srv *ftptest.Server) {
				srv.EditList, srv.EditStat = edit, edit
				if p.Name != "vsftpd" {
					srv.Script = []ftptest.Step{mlst}
				}
			})
			readOn(t, s, nothingHappens, func(t *testing.T, w *world, read func(string) ([]byte, error)) {
				if err := w.Server.Tree.WriteFrom("endless", nil, much, 0o644); err != nil {
					t.Fatal(err)
				}
				got, err := read("endless")
				if n := w.Server.Counters().DataSent; len(got) > 8<<20 || n > 16<<20 {
					t.Errorf("%d bytes were returned and %d sent, %v", len(got), n, err)
				}
				if err == nil && len(got) != size {
					t.Errorf("%d bytes of %d, and nil", len(got), size)
				}
			})
		})
	}
}

func TestCancelledUploadLeavesNothing(t *testing.T) {
	for _, p := range theFour() {
		for _, delay := range []time.Duration{0, 100 * time.Millisecond, 400 * time.Millisecond} {
			for after := 10 * time.Millisecond; after < time.Second; after += 45 * time.Millisecond {
				t.Run(fmt.Sprint(p.Name, " ", delay, " ", after), func(t *testing.T) {
					s := played(p, ftptest.Step{On: "STOR", Delay: delay}, func(srv *ftptest.Server) { srv.Limits.Rate = 400_000 })
					inBubble(t, s, func(t *testing.T, w *world) {
						fsys := w.openFS(t, "")
						ctx, cancel := context.WithTimeout(t.Context(), after)
						defer cancel()
						_, err := fsys.WithContext(ctx).Upload("up", bytes.NewReader(content))
						if err == nil {
							return // it was faster
						}
						time.Sleep(30 * time.Second)
						if got, err := w.Server.Tree.ReadFile("up"); err == nil && bytes.Equal(got, content) {
							w.left(t, "", "empty", "pub", "up") // it was renamed by then
							return
						}
						w.left(t, "", "empty", "pub")
					})
				})
			}
		}
	}
}

// failingMapper maps nothing.
type failingMapper struct{}

var errMapper = errors.New("the router says no")

func (failingMapper) Map(context.Context, netip.AddrPort) (ftpnat.Mapping, error) {
	return ftpnat.Mapping{}, errMapper
}

func TestMapperFails(t *testing.T) {
	for _, timed := range []bool{false, true} {
		t.Run(fmt.Sprint(timed), func(t *testing.T) {
			s := setup{
				near: []memnet.Box{memnet.NAT{Public: natAddr}},
				far:  []memnet.Box{memnet.InboundOnly(memnet.Drop, memnet.Port(21))},
				dialer: func(d *ftpnat.Dialer) {
					d.Mapper, d.RetryFor, d.AttemptTimeout = failingMapper{}, -1, 2*time.Second
				},
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				c := w.dial()
				defer c.Close()
				err := w.fetch(c)
				var ne *ftpnat.NegotiateError
				if !errors.As(err, &ne) {
					t.Fatalf("%v is no *NegotiateError", err)
				}
				if !errors.Is(err, errMapper) || !strings.Contains(err.Error(), errMapper.Error()) {
					t.Errorf("no word of the Mapper: %v", err)
				}
				for _, a := range ne.Advice() {
					if strings.Contains(a, "Dialer.Mapper") && strings.Contains(strings.ToLower(a), "set ") {
						t.Errorf("advice: %s", a)
					}
				}
			})
		})
	}
}

func TestFullDiskIsNotTemporary(t *testing.T) {
	for _, text := range []string{"No space left on device", "Disk quota exceeded.", "Insufficient storage space in system."} {
		for _, code := range []int{450, 451, 452, 426} {
			re := &ftpnat.ReplyError{Command: "STOR x", Reply: ftpnat.Reply{Code: code, Lines: []string{text}}}
			if re.Temporary() {
				t.Errorf("%v is called temporary", re)
			}
		}
	}
	if re := (&ftpnat.ReplyError{Command: "STOR x", Reply: ftpnat.Reply{Code: 450, Lines: []string{"Busy."}}}); !re.Temporary() {
		t.Errorf("%v is not called temporary", re)
	}
}

func TestProvenModeSilent(t *testing.T) {
	for op, f := range map[string]func(fsys *ftpnat.FS) error{
		"Open and Read": func(fsys *ftpnat.FS) error {
			f, err := fsys.Open("pub/file.bin")
			if err != nil {
				return err
			}
			defer f.Close()
			return second(io.ReadAll(f))
		},
		"ReadFile":  func(fsys *ftpnat.FS) error { return second(fsys.ReadFile("pub/file.bin")) },
		"ReadDir":   func(fsys *ftpnat.FS) error { return second(fsys.ReadDir("pub")) },
		"WriteFile": func(fsys *ftpnat.FS) error { return fsys.WriteFile("x", small, 0o644) },
		"Upload":    func(fsys *ftpnat.FS) error { return second(fsys.Upload("x", bytes.NewReader(small))) },
		"Stat":      func(fsys *ftpnat.FS) error { return second(fsys.Stat("pub/file.bin")) },
	} {
		for _, p := range theFour() {
			for _, ending := range []ftptest.Ending{ftptest.Keep, ftptest.Silence} {
				t.Run(fmt.Sprint(op, " ", p.Name, " ", ending), func(t *testing.T) {
					s := played(p, func(srv *ftptest.Server) {
						for n := 3; n < 40; n++ {
							step := ftptest.Step{On: "EPSV", Nth: n, Reply: ftptest.None}
							if ending == ftptest.Silence {
								step = ftptest.Step{On: "EPSV", Nth: n, Then: ftptest.Silence}
							}
							srv.Script = append(srv.Script, step)
						}
					})
					inBubble(t, s, func(t *testing.T, w *world) {
						fsys := w.openFS(t, "")
						start, worst := time.Now(), time.Duration(0)
						for range 4 {
							if err := f(fsys); err != nil {
								t.Error(err)
							}
							worst = max(worst, time.Since(start))
							start = time.Now()
						}
						if worst > 10*time.Second {
							t.Errorf("took %v", worst)
						}
					})
				})
			}
		}
	}
}
