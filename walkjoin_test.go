package ftpnat_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestWalkJoined has a server join two commands where one of its reads ends
// between CR and LF, as ProFTPD 1.3.8 does: that costs one connection, and then
// there is never more on its way than fits in a read.
func TestWalkJoined(t *testing.T) {
	p := ftptest.ProFTPD()
	p.Control.ReadSize = 4102
	p.Control.Delays = map[string]time.Duration{"STAT": time.Millisecond, "MLST": time.Millisecond}
	files := make(map[string]int)
	for dir := range 26 {
		for file := range 40 {
			// MLST of it has 11 bytes, and 4,103 is a multiple of that.
			files[fmt.Sprintf("%c/%02d", 'a'+dir, file)] = 40*dir + file
		}
	}
	inBubble(t, treeSetup(t, p, 1, files), func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for range 10 {
			seen, err := walk(fsys, true)
			if err != nil {
				t.Fatal(err)
			}
			seen.same(t, expect(files), true)
			fsys.Chtimes("a/00", treeTime, treeTime) // what is held is asked for again
		}
		if n := len(w.Server.Transcript()); n != 2 || w.counts()["MLST"] < 9*len(files) {
			t.Errorf("%d control connections, %v", n, w.counts())
		}
	})
}
