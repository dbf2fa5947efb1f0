package stream

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// TestHashProves has a file be refused that is there from a try of which the verdict was
// lost, and as long as what was there before: the server's hash tells.
func TestHashProves(t *testing.T) {
	for _, there := range []bool{true, false} {
		inWorld(t, setup{ftp: func(s *ftptest.Server) {
			s.Personality = ftptest.Plain()
			s.Script = []ftptest.Step{{On: "MDTM", Reply: "500 What?"}, {On: "STOR", Nth: 1, Final: ftptest.None, Then: ftptest.Reset},
				{On: "STOR", Nth: 2, Reply: "553 No.", Do: func() {
					if !there {
						_ = s.Tree.WriteFile("up", content[:100], 0o644)
					}
				}}}
		}}, func(t *testing.T, w *world) {
			if err := w.srv.Tree.WriteFile("up", content[:100], 0o644); err != nil {
				t.Fatal(err)
			}
			err := w.files.writeOnce(w.ctx, w.files.Writer(Target{Name: "up", Path: "up", Total: -1}), fresh[:100])
			if (err == nil) != there {
				t.Errorf("there %v: %v", there, err)
			}
		})
	}
}

// TestCopyRest copies what was kept of a file of which the transfer was ended for others:
// it is not asked for again.
func TestCopyRest(t *testing.T) {
	inWorld(t, setup{}, func(t *testing.T, w *world) {
		if err := w.srv.Tree.WriteFile("short", content[:3000], 0o644); err != nil {
			t.Fatal(err)
		}
		r := w.files.Reader(Source{Name: "short", Path: "short", Entry: fileEntry(3000)})
		defer r.Stop(w.ctx)
		if n, err := r.Read(w.ctx, make([]byte, 1000), 0); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
		idle()
		if err := w.look(w.ctx); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "local")
		local, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer local.Close()
		n, err := r.CopyTo(w.ctx, local, 1000)
		got, rerr := os.ReadFile(name)
		if n != 2000 || err != nil || rerr != nil || !bytes.Equal(got, content[1000:3000]) || w.sent("RETR") != 1 {
			t.Errorf("%d, %v, %v, %d times RETR", n, err, rerr, w.sent("RETR"))
		}
	})
}

// TestTempStays has a temporary file not be removed: that is noted, with its name.
func TestTempStays(t *testing.T) {
	inWorld(t, scripted(lostFor("DELE", 1, 100)...), func(t *testing.T, w *world) {
		out := w.files.Atomic(Target{Name: "file", Path: "file", Total: -1})
		if _, err := out.Write(w.ctx, fresh); err != nil {
			t.Fatal(err)
		}
		_ = out.Abort(w.ctx)
		if want := "the temporary file " + stored(w.srv)[0] + " could not be removed"; !strings.Contains(w.log.String(), want) {
			t.Errorf("it is not said that %s", want)
		}
	})
}

// TestEndAgain reads a file to its end, and once more there: the server is not asked
// again, of an empty file either.
func TestEndAgain(t *testing.T) {
	for _, size := range []int{0, 1000} {
		inWorld(t, setup{}, func(t *testing.T, w *world) {
			if err := w.srv.Tree.WriteFile("short", content[:size], 0o644); err != nil {
				t.Fatal(err)
			}
			r := w.files.Reader(Source{Name: "short", Path: "short", Entry: fileEntry(int64(size))})
			defer r.Stop(w.ctx)
			if got, err := readAllOf(w.ctx, r, 0); err != nil || len(got) != size {
				t.Fatal(len(got), err)
			}
			asked := len(ftpworld.Sent(w.srv))
			for _, off := range []int64{0, 1} {
				if n, err := r.Read(w.ctx, make([]byte, 10), int64(size)+off); n != 0 || err != io.EOF {
					t.Errorf("%d bytes, and %d beyond: %d, %v", size, off, n, err)
				}
			}
			if sent := ftpworld.Sent(w.srv)[asked:]; len(sent) > 0 {
				t.Errorf("%d bytes: sent %q", size, sent)
			}
		})
	}
}
