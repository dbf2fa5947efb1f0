package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// Rows of part C of the field's report: fails where it need not.
//
//	C12  a lease in use waits for another         TestOneConnectionOfItsOwn
//	C17  a mode that has worked, and resets       TestProvenModeResets
//	C18  a small write whose data are reset       TestSmallWriteReset
//	C19  Rename, Remove, Chtimes are cut          TestChangeCut

// openFile opens a file for reading.
func openFile(fsys *ftpnat.FS, name string) (*ftpnat.File, error) {
	return fsys.OpenFile(name, os.O_RDONLY, 0)
}

// ownCopies make a copy of pub/file.bin with the FS as source and target.
var ownCopies = map[string]func(fsys *ftpnat.FS, dst string) error{
	"Upload": func(fsys *ftpnat.FS, _ string) error {
		src, err := openFile(fsys, "pub/file.bin")
		if err != nil {
			return err
		}
		defer src.Close()
		return second(fsys.Upload("copy", src))
	},
	"Upload, in the middle of reading": func(fsys *ftpnat.FS, _ string) error {
		src, err := openFile(fsys, "pub/file.bin")
		if err != nil {
			return err
		}
		defer src.Close()
		if _, err := io.ReadFull(src, make([]byte, 50_000)); err != nil {
			return err
		}
		return second(fsys.Upload("copy", src))
	},
	"ReadFrom": func(fsys *ftpnat.FS, _ string) error {
		src, err := openFile(fsys, "pub/file.bin")
		if err != nil {
			return err
		}
		defer src.Close()
		dst, err := fsys.Create("copy")
		if err != nil {
			return err
		}
		_, err = dst.ReadFrom(src)
		return errors.Join(err, dst.Close())
	},
	"WriteTo": func(fsys *ftpnat.FS, _ string) error {
		src, err := openFile(fsys, "pub/file.bin")
		if err != nil {
			return err
		}
		defer src.Close()
		dst, err := fsys.Create("copy")
		if err != nil {
			return err
		}
		_, err = src.WriteTo(dst)
		return errors.Join(err, dst.Close())
	},
	"pieces": func(fsys *ftpnat.FS, _ string) error {
		src, err := openFile(fsys, "pub/file.bin")
		if err != nil {
			return err
		}
		defer src.Close()
		dst, err := fsys.Create("copy")
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, make([]byte, 7000))
		return errors.Join(err, dst.Close())
	},
	"Append": func(fsys *ftpnat.FS, _ string) error {
		src, err := openFile(fsys, "pub/file.bin")
		if err != nil {
			return err
		}
		defer src.Close()
		dst, err := fsys.Append("copy")
		if err != nil {
			return err
		}
		_, err = io.Copy(dst, src)
		return errors.Join(err, dst.Close())
	},
	"ReadAt": func(fsys *ftpnat.FS, _ string) error {
		src, err := openFile(fsys, "pub/file.bin")
		if err != nil {
			return err
		}
		defer src.Close()
		return second(fsys.Upload("copy", io.NewSectionReader(src, 0, int64(len(content)))))
	},
	"CopyFS": func(fsys *ftpnat.FS, _ string) error {
		sub, err := fsys.Sub("pub")
		if err != nil {
			return err
		}
		if err := fsys.CopyFS("new", sub); err != nil {
			return err
		}
		return fsys.Rename("new/file.bin", "copy")
	},
	"CopyFS of what hides the FS": func(fsys *ftpnat.FS, _ string) error {
		sub, err := fsys.Dir("pub")
		if err != nil {
			return err
		}
		if err := fsys.CopyFS("new", onlyOpen{sub}); err != nil {
			return err
		}
		return fsys.Rename("new/file.bin", "copy")
	},
	"from a walk": func(fsys *ftpnat.FS, _ string) error {
		return fs.WalkDir(fsys, "pub", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			src, err := openFile(fsys, name)
			if err != nil {
				return err
			}
			defer src.Close()
			return second(fsys.Upload("copy", src))
		})
	},
	"meanwhile": func(fsys *ftpnat.FS, local string) error {
		dst, err := fsys.Create("copy")
		if err != nil {
			return err
		}
		for i := 0; i < len(content); i += 50_000 {
			if _, err := dst.Write(content[i : i+50_000]); err != nil {
				return err
			}
			_, serr := fsys.Stat("pub/file.bin")
			_, rerr := fsys.ReadFile("pub/file.bin")
			_, lerr := fsys.ReadDir("pub")
			ferr := fsys.Fetch(fmt.Sprint(local, i), "pub")
			if err := errors.Join(serr, rerr, lerr, ferr); err != nil {
				return err
			}
		}
		return dst.Close()
	},
}

// TestOneConnectionOfItsOwn runs what has a source or a target on one connection
// where that is a file of the same FS.
func TestOneConnectionOfItsOwn(t *testing.T) {
	hashing := ftptest.Plain()
	hashing.Features = append(slices.Clone(hashing.Features), "HASH SHA-256*")
	for _, p := range append(theFour(), hashing, ftptest.HiddenStores()) {
		for name, f := range ownCopies {
			t.Run(p.Name+" "+name, func(t *testing.T) {
				s := played(p, func(srv *ftptest.Server) { srv.Limits.MaxConns = 1 })
				s.dialer = func(d *ftpnat.Dialer) { d.MaxConns = 1 }
				inBubble(t, s, func(t *testing.T, w *world) {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					defer cancel()
					start := time.Now()
					if err := f(w.openIn(t, ctx, "").WithContext(ctx), t.TempDir()+"/down"); err != nil {
						t.Fatalf("%v, after %v", err, time.Since(start))
					}
					w.has(t, "copy", string(content))
				})
			})
		}
	}
}

// TestProvenModeResets has the data connections that come next answer with a reset,
// on a path that has just worked.
func TestProvenModeResets(t *testing.T) {
	for _, p := range theFour() {
		for most := 2; most <= 4; most++ {
			for i, kind := range []ftpworld.Kind{ftpworld.Reset, ftpworld.ResetNear, ftpworld.ResetNear} {
				conns := []int{1, 1, 4}[i]
				for op, f := range map[string]func(fsys *ftpnat.FS, local string) error{
					"ReadFile":  func(fsys *ftpnat.FS, _ string) error { return second(fsys.ReadFile("pub/file.bin")) },
					"Read":      func(fsys *ftpnat.FS, l string) error { return second(readWays["Read"](fsys, "pub/file.bin", l)) },
					"ReadDir":   func(fsys *ftpnat.FS, _ string) error { return second(fsys.ReadDir("pub")) },
					"Fetch":     func(fsys *ftpnat.FS, l string) error { return fsys.Fetch(l, "pub") },
					"Upload":    func(fsys *ftpnat.FS, _ string) error { return second(fsys.Upload("x", bytes.NewReader(small))) },
					"WriteFile": func(fsys *ftpnat.FS, _ string) error { return fsys.WriteFile("x", small, 0o644) },
				} {
					t.Run(fmt.Sprint(p.Name, " ", most, " ", kind, " ", conns, " ", op), func(t *testing.T) {
						s := played(p)
						s.dialer = func(d *ftpnat.Dialer) {
							d.MaxConns, d.Modes = conns, []ftpnat.Mode{ftpnat.EPSV, ftpnat.PASV}
						}
						plan := func(control bool, nth int) ftpworld.Mishap {
							if control || nth < 2 || nth > 1+most {
								return ftpworld.Mishap{}
							}
							return ftpworld.Mishap{Kind: kind, Dir: ftpworld.Down, Pause: time.Second}
						}
						inProxied(t, s, plan, func(t *testing.T, w *world) {
							fsys := w.openFS(t, "")
							mustRead(t, fsys, "pub/file.bin", string(content))
							if err := f(fsys, t.TempDir()+"/down"); err != nil {
								t.Error(err)
							}
						})
					})
				}
			}
		}
	}
}

func TestSmallWriteReset(t *testing.T) {
	final := func(texts ...string) (steps []any) {
		for i, text := range texts {
			steps = append(steps, ftptest.Step{On: "STOR", Nth: i + 1, Final: text},
				ftptest.Fault{On: ftptest.Data, Conn: i + 1, Dir: ftptest.Received, After: 3000, Kind: ftptest.Reset})
		}
		return steps
	}
	for name, more := range map[string][]any{
		"451":           final("451 Failure."),
		"426 twice":     final("426 Broken.", "426 Broken."),
		"425":           final("425 Broken."),
		"451 and 426":   final("451 Local error.", "426 Broken."),
		"450":           final("450 Try again."),
		"426, 426, 426": final("426 Broken.", "426 Broken.", "426 Broken."),
	} {
		for _, p := range theFour() {
			t.Run(p.Name+" "+name, func(t *testing.T) {
				writeOn(t, played(p, more...), nothingHappens, func(t *testing.T, w *world, way string, write func(string, []byte) error) {
					start := time.Now()
					if err := write("x", small); err != nil {
						t.Error(err)
					}
					w.has(t, "x", string(small))
					if took := time.Since(start); took > time.Minute {
						t.Errorf("took %v", took)
					}
				})
			})
		}
	}
}

// TestChangeCut has the control connection end under a command that changes
// something, which was carried out or not.
func TestChangeCut(t *testing.T) {
	at := time.Date(2020, 5, 6, 7, 8, 9, 0, time.UTC)
	type op struct {
		verb, as string
		call     func(fsys *ftpnat.FS) error
		done     func(t *testing.T, w *world)
	}
	gone := func(name string) func(t *testing.T, w *world) {
		return func(t *testing.T, w *world) {
			if _, err := w.Server.Tree.Lstat(name); err == nil {
				t.Errorf("%s is there", name)
			}
		}
	}
	renamed := func(t *testing.T, w *world) {
		gone("old")(t, w)
		w.has(t, "new", string(small))
	}
	timed := func(t *testing.T, w *world) {
		if info, err := w.Server.Tree.Stat("old"); err != nil || !info.ModTime().Equal(at) {
			t.Errorf("the time is %v, %v", info.ModTime(), err)
		}
	}
	touch := func(fsys *ftpnat.FS) error { return fsys.Chtimes("old", at, at) }
	for _, p := range append(theFour(), ftptest.Plain()) {
		ops := map[string]op{
			"Rename, RNFR":  {"RNFR", "RNFR old", func(fsys *ftpnat.FS) error { return fsys.Rename("old", "new") }, renamed},
			"Rename, RNTO":  {"RNTO", "RNTO new", func(fsys *ftpnat.FS) error { return fsys.Rename("old", "new") }, renamed},
			"Remove":        {"DELE", "DELE old", func(fsys *ftpnat.FS) error { return fsys.Remove("old") }, gone("old")},
			"Remove, RMD":   {"RMD", "RMD void", func(fsys *ftpnat.FS) error { return fsys.Remove("void") }, gone("void")},
			"RemoveAll":     {"DELE", "DELE old", func(fsys *ftpnat.FS) error { return fsys.RemoveAll("old") }, gone("old")},
			"Chtimes, MFMT": {"MFMT", "MFMT 20200506070809 old", touch, timed},
			"Chtimes, MDTM": {"MDTM", "MDTM 20200506070809 old", touch, timed},
		}
		if p.Name == "vsftpd" {
			delete(ops, "Chtimes, MFMT")
		} else {
			delete(ops, "Chtimes, MDTM")
		}
		for name, o := range ops {
			for _, carried := range []bool{false, true} {
				for kind, ending := range map[string]ftptest.Ending{"cut": ftptest.Cut, "reset": ftptest.Reset, "silence": ftptest.Silence} {
					t.Run(fmt.Sprint(p.Name, " ", name, " ", carried, " ", kind), func(t *testing.T) {
						step := ftptest.Step{On: o.verb, Nth: 1, Then: ending}
						if carried {
							step.As, step.Before = o.as, ""
						}
						s := played(p, step)
						if carried {
							// The reply is lost too.
							inner := s.ftp
							s.ftp = func(srv *ftptest.Server) {
								inner(srv)
								srv.Script = []ftptest.Step{{On: o.verb, Nth: 1, Then: ending, Reply: ftptest.None, Do: func() { carryOut(srv, name, at) }}}
							}
						}
						inBubble(t, s, func(t *testing.T, w *world) {
							w.put(t, "old", small)
							if err := w.Server.Tree.MkdirAll("void"); err != nil {
								t.Fatal(err)
							}
							start := time.Now()
							if err := o.call(w.openFS(t, "")); err != nil {
								t.Errorf("%v, after %v", err, time.Since(start))
							}
							o.done(t, w)
						})
					})
				}
			}
		}
	}
}

// carryOut does what a command does whose reply is lost.
func carryOut(srv *ftptest.Server, name string, at time.Time) {
	switch name {
	case "Rename, RNTO":
		_ = srv.Tree.Rename("old", "new")
	case "Remove", "RemoveAll":
		_ = srv.Tree.Remove("old")
	case "Remove, RMD":
		_ = srv.Tree.Remove("void")
	case "Chtimes, MFMT", "Chtimes, MDTM":
		_ = srv.Tree.Chtimes("old", at)
	}
}
