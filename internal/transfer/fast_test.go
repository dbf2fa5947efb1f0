package transfer

import (
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestFigures states what transfers cost, in round trips, once the mode has
// worked.
func TestFigures(t *testing.T) {
	for _, c := range []struct {
		p        ftptest.Personality
		get, put float64
	}{
		{ftptest.VSFTPD(), 3.1, 3.1}, {ftptest.ProFTPD(), 3.1, 2.1}, {ftptest.PureFTPd(), 2.1, 2.1}, {ftptest.Pyftpdlib(), 3.1, 3.1},
		{ftptest.FileZilla(), 2.1, 2.1},
	} {
		t.Run(c.p.Name, func(t *testing.T) {
			run(t, setup{ftp: func(s *ftptest.Server) { s.Personality = c.p }}, func(w *world) {
				w.with(func(cl *client) {
					for range 3 {
						w.must(cl.get())
					}
					if n := w.trips(func() { w.must(cl.get()) }); n > c.get {
						w.Errorf("a download took %v round trips, want %v", n, c.get)
					}
					w.must(cl.put("one"))
					if n := w.trips(func() { w.must(cl.put("two")) }); n > c.put+0.05 {
						w.Errorf("an upload took %v round trips, want %v", n, c.put)
					}
					w.has("two", small)
					if bad := w.failures(); len(bad) > 0 {
						w.Error(bad)
					}
				})
			})
		})
	}
}

// TestNotKept has a server lose the connection over a command behind a transfer: once
// may have had another reason, and is no lesson for a day.
func TestNotKept(t *testing.T) {
	for _, end := range []ftptest.Step{{Reply: ftptest.None, Then: ftptest.Reset}, {Reply: "421 Bye.", Then: ftptest.Cut}} {
		for nth, want := range []proto.Finding{proto.No, proto.Yes} {
			end.On, end.Nth = "NOOP", nth // each; the first
			run(t, setup{ftp: func(s *ftptest.Server) { s.Personality, s.Script = ftptest.Plain(), []ftptest.Step{end} }}, func(w *world) {
				w.with(func(cl *client) {
					for i := range 12 {
						w.must(cl.sure())
						if got := w.mem.lesson().Queue; i < 4 && got == proto.No {
							w.Fatalf("%d, %+v: a lost connection is taken for a habit", i, end)
						}
					}
					if got := w.mem.lesson().Queue; got != want {
						w.Errorf("%+v: %v, want %v", end, got, want)
					}
					if n := w.said("NOOP"); nth == 0 && n > 3 {
						w.Errorf("%+v: asked %d times", end, n)
					}
				})
			})
		}
	}
}
