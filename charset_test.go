package ftpnat_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// TestCharset translates names both ways on a server without UTF-8, and leaves
// them alone on one with it.
func TestCharset(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Ancient(), ftptest.ProFTPD()} {
		wire := "d\xe9j\xe0/caf\xe9"
		if p.Name == "ProFTPD" {
			wire = "déjà/café"
		}
		s := setup{
			ftp:    func(srv *ftptest.Server) { srv.Personality = p },
			dialer: func(d *ftpnat.Dialer) { d.Charset = ftpworld.Latin1{} },
		}
		inBubble(t, s, func(t *testing.T, w *world) {
			if err := w.Server.Tree.WriteFile(wire, []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
			fsys := w.openFS(t, "")
			list, err := fsys.ReadDir("déjà")
			if err != nil || len(list) != 1 || list[0].Name() != "café" {
				t.Fatalf("ReadDir = %v, %v", list, err)
			}
			mustRead(t, fsys, "déjà/café", "x")
			_, err = fsys.Open("日本")
			if err == nil {
				t.Error("Open of a name that the charset does not have succeeded")
			}
		})
	}
}

// TestServerZone reads the times of LIST in the server's zone.
func TestServerZone(t *testing.T) {
	zone := time.FixedZone("test", -5*3600)
	s := setup{dialer: func(d *ftpnat.Dialer) { d.ServerZone = zone }}
	inBubble(t, s, func(t *testing.T, w *world) {
		// The server's clock is UTC here; it is read as that of the zone.
		recent := time.Date(1999, 12, 20, 12, 30, 40, 0, time.UTC)
		if err := w.Server.Tree.Chtimes("empty", recent); err != nil {
			t.Fatal(err)
		}
		info, err := w.openFS(t, "").Lstat("empty") // by the listing
		if err != nil {
			t.Fatal(err)
		}
		want := time.Date(1999, 12, 20, 12, 30, 0, 0, zone)
		if got := info.ModTime(); !got.Equal(want) {
			t.Errorf("ModTime = %v, want %v", got, want)
		}
		facts, ok := info.Sys().(*ftpnat.Facts)
		if !ok || facts.Zoned || facts.Precision != time.Minute || !facts.Mode {
			t.Errorf("facts: %+v", facts)
		}
	})
}

// TestModTime asks for exact times where the listing has minutes.
func TestModTime(t *testing.T) {
	everyServer(t, func(t *testing.T, w *world, fsys *ftpnat.FS) {
		want := time.Date(1999, 12, 20, 12, 30, 40, 0, time.UTC)
		if err := w.Server.Tree.Chtimes("empty", want); err != nil {
			t.Fatal(err)
		}
		got, err := fsys.ModTime("empty")
		if w.Server.Personality.Name == "Ancient" {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("ModTime = %v, %v", got, err)
			}
			return
		}
		if err != nil || !got.Equal(want) {
			t.Errorf("ModTime = %v, %v; want %v", got, err, want)
		}
		if _, err := fsys.ModTime("no"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ModTime of nothing: %v", err)
		}
	})
}
