package ftpnat_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestGlance opens a file on servers without MLST: one round trip, and no
// listing before one is needed.
func TestGlance(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.IIS()} {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality = p }}, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "pub")
				start := time.Now()
				f, err := fsys.Open("file.bin")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if took := time.Since(start); took != rtt {
					t.Errorf("Open took %v, want %v", took, rtt)
				}
				if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if n := w.Server.Counters().Commands["LIST"]; n != 0 {
					t.Errorf("%d listings to read a file", n)
				}
				info, err := f.Stat()
				if err != nil || info.Size() != int64(len(content)) {
					t.Fatalf("Stat = %v, %v", info, err)
				}
				list, err := fsys.ReadDir(".")
				if err != nil || len(list) != 1 {
					t.Fatalf("ReadDir = %v, %v", list, err)
				}
				listed, err := list[0].Info()
				if err != nil || !listed.ModTime().Equal(info.ModTime()) || listed.Mode() != info.Mode() {
					t.Errorf("ReadDir has %v, and Stat %v, %v", listed, info, err)
				}
				if _, err := f.(fs.ReadDirFile).ReadDir(-1); !errors.Is(err, syscall.ENOTDIR) {
					t.Errorf("ReadDir of a file = %v", err)
				}
			})
		})
	}
}

// TestSizedDirectory has servers that tell a size of directories too.
func TestSizedDirectory(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.IIS()} {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{ftp: func(srv *ftptest.Server) {
				srv.Personality = p
				srv.Script = []ftptest.Step{{On: "SIZE", Reply: "213 4096"}, {On: "MDTM", Reply: "213 20240101000000"}}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				open := func() *ftpnat.File {
					t.Helper()
					f, err := w.openFS(t, "").OpenFile("pub", os.O_RDONLY, 0)
					if err != nil {
						t.Fatal(err)
					}
					return f
				}
				f := open()
				list, err := f.ReadDir(-1)
				if err != nil || len(list) != 1 || list[0].Name() != "file.bin" {
					t.Errorf("ReadDir = %v, %v", list, err)
				}
				if info, err := f.Stat(); err != nil || !info.IsDir() {
					t.Errorf("Stat = %v, %v", info, err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				before := w.counts()
				f = open() // of another FS, which has not seen a listing
				after := w.counts()
				if listed := after["LIST"] + after["MLSD"] + after["MLST"] - before["LIST"] - before["MLSD"] - before["MLST"]; after["SIZE"] == before["SIZE"] || listed > 0 {
					t.Error("the directory was not glanced at")
				}
				if n, err := f.Read(make([]byte, 10)); n != 0 || !errors.Is(err, syscall.EISDIR) {
					t.Errorf("Read = %d, %v", n, err)
				}
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestNoYears has LIST show no years, where MDTM tells them: a file is not of another
// year because the server tells a size of directories too.
func TestNoYears(t *testing.T) {
	p := ftptest.NodeFtpd()
	p.Missing = slices.DeleteFunc(p.Missing, func(verb string) bool { return verb == "REST" })
	inBubble(t, played(p), func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		when := time.Now().AddDate(-2, -1, 0).UTC().Truncate(time.Second)
		w.put(t, "old", small)
		if err := w.Server.Tree.Chtimes("old", when); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if info, err := fsys.Stat("old"); err != nil || !info.ModTime().Equal(when) {
				t.Errorf("Stat: %v, %v; want %v", info.ModTime(), err, when)
			}
		}
		w.Server.Faults = []ftptest.Fault{{On: ftptest.Data, After: 6_000, Kind: ftptest.Reset}}
		dir := t.TempDir()
		if err := fsys.Fetch(dir, "old"); err != nil {
			t.Error(err)
		}
		if n := strings.Count(w.Verbs(), "RETR"); n < 2 {
			t.Errorf("%d times RETR, want more", n)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "old")); err != nil || !bytes.Equal(got, small) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// TestHiddenFile has a file that SIZE finds and the listing does not show, as
// where names differ in their cases.
func TestHiddenFile(t *testing.T) {
	s := setup{ftp: func(srv *ftptest.Server) {
		srv.Script = []ftptest.Step{{On: "SIZE", Reply: "213 7"}, {On: "MDTM", Reply: "213 20240101000000"}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		f, err := w.openFS(t, "").Open("EMPTY")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil || info.Name() != "EMPTY" || info.Size() != 7 || !info.ModTime().Equal(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("Stat = %v, %v", info, err)
		}
	})
}

// TestChangedTime has the file replaced by one of the same size while it is
// read.
func TestChangedTime(t *testing.T) {
	other := slices.Clone(content)
	slices.Reverse(other)
	for _, p := range ftptest.Personalities() {
		if p.Name == "Ancient" {
			continue // it has no way to start in the middle
		}
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, setup{ftp: func(srv *ftptest.Server) { srv.Personality = p }}, func(t *testing.T, w *world) {
				f, err := w.openFS(t, "").OpenFile("pub/file.bin", os.O_RDONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if _, err := io.ReadFull(f, make([]byte, 30_000)); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if err := w.Server.Tree.WriteFile("pub/file.bin", other, 0o644); err != nil {
					t.Fatal(err)
				}
				if _, err := f.Seek(10_000, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, f); !errors.Is(err, ftpnat.ErrChanged) {
					t.Errorf("read %d bytes, %v", n, err)
				}
			})
		})
	}
}
