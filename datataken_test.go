package ftpnat_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestDataTaken has the data connection reset while the server knows of nothing and
// says no more: a box on the way did it, or the server waits for data on another
// connection that it took for this one. The call goes on with another control
// connection, and soon.
func TestDataTaken(t *testing.T) {
	large := bytes.Repeat(content, 20)
	for _, tt := range []struct {
		verb  string
		dir   ftptest.Direction
		after []int64
		limit time.Duration
		call  func(t *testing.T, w *world, fsys *ftpnat.FS)
	}{
		{"RETR", ftptest.Sent, []int64{0, 1, 70_000}, 5 * time.Second, func(t *testing.T, w *world, fsys *ftpnat.FS) {
			if got, err := fsys.ReadFile("pub/file.bin"); err != nil || string(got) != string(content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}},
		{"MLSD", ftptest.Sent, []int64{0, 1, 100}, 5 * time.Second, func(t *testing.T, w *world, fsys *ftpnat.FS) {
			if list, err := fsys.ReadDir("pub"); err != nil || len(list) == 0 {
				t.Errorf("%d entries, %v", len(list), err)
			}
		}},
		{"STOR", ftptest.Received, []int64{0, 1, 70_000}, 20 * time.Second, func(t *testing.T, w *world, fsys *ftpnat.FS) {
			if _, err := fsys.Upload("new", bytes.NewReader(large)); err != nil {
				t.Error(err)
			}
			w.has(t, "new", string(large))
		}},
	} {
		for _, after := range tt.after {
			for _, p := range []ftptest.Personality{ftptest.ProFTPD(), ftptest.Pyftpdlib(), ftptest.PureFTPd()} {
				t.Run(fmt.Sprintf("%s %d %s", tt.verb, after, p.Name), func(t *testing.T) {
					s := played(p, ftptest.Step{On: tt.verb, Nth: 1, Final: "-"},
						ftptest.Fault{On: ftptest.Data, Conn: 1, Dir: tt.dir, After: after, Kind: ftptest.Reset})
					inBubble(t, s, func(t *testing.T, w *world) {
						fsys := w.openFS(t, "")
						start := time.Now()
						tt.call(t, w, fsys)
						if took := time.Since(start); took > tt.limit {
							t.Errorf("it took %v", took)
						}
					})
				})
			}
		}
	}
}
