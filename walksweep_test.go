package ftpnat_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestWalkSweep breaks the control connection at many places of a walk, in
// three ways. The walk goes on and sees all there is, and what is read afterwards
// is right.
func TestWalkSweep(t *testing.T) {
	files := map[string]int{"top": 3, ".rc": 4}
	for i := range 4 {
		for j := range 3 {
			files[fmt.Sprintf("d%d/sub/f%d", i, j)] = 100*i + j
		}
		files[fmt.Sprintf("d%d/.dot", i)] = i
	}
	// An odd step meets all parts of the replies in the end.
	const step = 22*sweepStep + 7
	for _, p := range pipelined {
		t.Run(p.Name, func(t *testing.T) {
			server := func(fault ...ftptest.Fault) setup {
				s := treeSetup(t, p, 1, files)
				inner := s.ftp
				s.ftp = func(srv *ftptest.Server) { inner(srv); srv.Faults = fault }
				return s
			}
			var whole ftptest.Counters
			inBubble(t, server(), func(t *testing.T, w *world) {
				walkAndRead(t, w, files)
				whole = w.Server.Counters()
				if n := w.counts(); n["STAT"] < 8 {
					t.Errorf("sent %v", n)
				}
			})
			cuts := 0
			for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset, ftptest.Silence} {
				for dir, total := range map[ftptest.Direction]int64{ftptest.Sent: whole.ControlSent, ftptest.Received: whole.ControlReceived} {
					for at := int64(kind); at < total && !t.Failed(); at += step {
						cut := ftptest.Fault{On: ftptest.Control, Conn: 1, Dir: dir, After: at, Kind: kind}
						cuts++
						inBubble(t, server(cut), func(t *testing.T, w *world) {
							start := time.Now()
							walkAndRead(t, w, files)
							if took := time.Since(start); took > 5*time.Minute {
								t.Errorf("took %v", took)
							}
						})
						if t.Failed() {
							t.Errorf("%+v", cut)
						}
					}
				}
			}
			t.Logf("%d cuts", cuts)
		})
	}
}

// walkAndRead walks twice and reads a file.
func walkAndRead(t *testing.T, w *world, files map[string]int) {
	t.Helper()
	fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/")
	if err != nil {
		return // before the login: TestFaultSweep
	}
	defer fsys.Close()
	fsys = fsys.WithContext(w.ctx)
	for _, info := range []bool{true, false} {
		seen, err := walk(fsys, info)
		if err != nil {
			t.Error(err)
			return
		}
		seen.same(t, expect(files), info)
	}
	mustRead(t, fsys, "d3/sub/f2", string(content[:302]))
}
