package transfer

import (
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
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
