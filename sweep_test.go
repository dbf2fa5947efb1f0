package ftpnat_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// sweepSize is the size of the files of the sweep.
const sweepSize = 64 << 10

// dialogue lists, downloads and uploads, and returns the errors by what
// failed. What succeeds is checked here.
func dialogue(t *testing.T, w *world) map[string]error {
	failed := make(map[string]error)
	fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/pub")
	if err != nil {
		return map[string]error{"open": err}
	}
	defer fsys.Close()
	fsys = fsys.WithContext(w.ctx)
	list, err := fsys.ReadDir(".")
	if err != nil {
		failed["list"] = err
	} else if len(list) != 2 || list[0].Name() != "a" || list[1].Name() != "file.bin" {
		t.Errorf("listed %v", list)
	}
	f, err := fsys.Open("a")
	if err == nil {
		var got []byte
		got, err = io.ReadAll(f)
		if err == nil && !bytes.Equal(got, content[:sweepSize]) {
			t.Errorf("read %d other bytes", len(got))
		}
		f.Close()
	}
	if err != nil {
		failed["read"] = err
	}
	if _, err := fsys.Upload("up", bytes.NewReader(content[:sweepSize])); err != nil {
		failed["upload"] = err
	}
	got, err := w.Server.Tree.ReadFile("pub/up")
	switch {
	case err == nil && !bytes.Equal(got, content[:sweepSize]):
		t.Errorf("an upload of %d bytes appeared under the name", len(got))
	case err != nil && failed["upload"] == nil:
		t.Errorf("an upload that succeeded is not there: %v", err)
	}
	return failed
}

// TestFaultSweep breaks a connection after each byte of the control dialogue,
// and at many places of the data, in three ways.
func TestFaultSweep(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.ProFTPD(), ftptest.VSFTPD()} {
		server := func(fault ...ftptest.Fault) setup {
			return setup{ftp: func(srv *ftptest.Server) {
				srv.Personality, srv.Faults = p, fault
				if err := srv.Tree.WriteFile("pub/a", content[:sweepSize], 0o644); err != nil {
					t.Fatal(err)
				}
			}}
		}
		var whole ftptest.Counters
		inBubble(t, server(), func(t *testing.T, w *world) {
			if failed := dialogue(t, w); len(failed) > 0 {
				t.Fatal(failed)
			}
			whole = w.Server.Counters()
		})
		var cuts []ftptest.Fault
		for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset, ftptest.Silence} {
			for dir, total := range map[ftptest.Direction]int64{ftptest.Sent: whole.ControlSent, ftptest.Received: whole.ControlReceived} {
				for at := int64(kind) % sweepStep; at < total; at += sweepStep {
					cuts = append(cuts, ftptest.Fault{On: ftptest.Control, Conn: 1, Dir: dir, After: at, Kind: kind})
				}
			}
			for conn := 1; conn <= whole.DataAccepted; conn++ {
				for _, dir := range []ftptest.Direction{ftptest.Sent, ftptest.Received} {
					for at := int64(0); at < sweepSize; at += 1 + at/sweepStride {
						cuts = append(cuts, ftptest.Fault{On: ftptest.Data, Conn: conn, Dir: dir, After: at, Kind: kind})
					}
				}
			}
		}
		failed := make(map[string]int)
		var longest time.Duration
		for _, cut := range cuts {
			inBubble(t, server(cut), func(t *testing.T, w *world) {
				start := time.Now()
				for what := range dialogue(t, w) {
					failed[what]++
				}
				took := time.Since(start)
				longest = max(longest, took)
				if took > 10*time.Minute {
					t.Errorf("%+v: took %v", cut, took)
				}
			})
			if t.Failed() {
				t.Fatalf("%s, %+v", p.Name, cut)
			}
		}
		var errs []string
		for _, what := range slices.Sorted(maps.Keys(failed)) {
			errs = append(errs, fmt.Sprintf("%s %d", what, failed[what]))
		}
		t.Logf("%s: %d cuts, the slowest %v; errors: %v", p.Name, len(cuts), longest, errs)
	}
}
