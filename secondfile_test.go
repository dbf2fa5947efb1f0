package ftpnat_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// What a session has learnt from one file is no reason to believe less of another.

// TestSIZEOnceRefused has SIZE be unknown once, to a server that has told sizes: a
// file that is cut later on is not whole for that.
func TestSIZEOnceRefused(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD(), ftptest.PureFTPd()} {
		for _, nth := range []int{2, 3} {
			s := played(p, func(srv *ftptest.Server) {
				srv.Faults = []ftptest.Fault{{On: ftptest.Data, Dir: ftptest.Sent, After: 10_000, Kind: ftptest.Drained}}
				srv.Script = []ftptest.Step{{On: "RETR", Preliminary: "150 Here."}, {On: "SIZE", Nth: nth, Reply: "500 What?"}}
			})
			s.dialer = func(d *ftpnat.Dialer) { d.MaxConns, d.RetryFor = 1, 5*time.Second }
			inBubble(t, s, func(t *testing.T, w *world) {
				w.put(t, "a", content[:5_000])
				w.put(t, "b", content[:5_000])
				w.put(t, "c", content[:30_000])
				fsys := w.openFS(t, "")
				for _, name := range []string{"a", "b"} {
					if got, err := fsys.ReadFile(name); err != nil || len(got) != 5_000 {
						t.Errorf("%s: %d bytes, %v", name, len(got), err)
					}
				}
				got, err := fsys.ReadFile("c")
				if err != nil || len(got) != 30_000 {
					t.Errorf("%s, SIZE %d: %d bytes, %v", p.Name, nth, len(got), err)
				}
			})
		}
	}
}

// TestGrownWithoutSIZE has a file be much larger than its listing said, on a server
// without SIZE.
func TestGrownWithoutSIZE(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.Plain(), ftptest.VSFTPD()} {
		p.Missing = append(p.Missing, "SIZE", "MLST")
		s := played(p)
		s.dialer = func(d *ftpnat.Dialer) { d.MaxConns = 1 }
		inBubble(t, s, func(t *testing.T, w *world) {
			big := bytes.Repeat(content[:100_000], 60)
			w.put(t, "dir/log", big[:100_000])
			fsys := w.openFS(t, "")
			if _, err := fsys.ReadDir("dir"); err != nil {
				t.Fatal(err)
			}
			f, err := fsys.Open("dir/log")
			if err != nil {
				t.Fatal(err)
			}
			w.put(t, "dir/log", big)
			got, err := io.ReadAll(f)
			if !errors.Is(err, ftpnat.ErrChanged) && (err != nil || len(got) != len(big)) {
				t.Errorf("%s: %d bytes, %v", p.Name, len(got), err)
			}
		})
	}
}
