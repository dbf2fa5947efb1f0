package ftpnat_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// wideTree has directories in two levels, a hundred in each of the upper ones, and a file
// in each of the lower ones.
func wideTree(upper int) map[string]int {
	files := make(map[string]int)
	for i := range upper {
		for j := range 100 {
			files[fmt.Sprintf("a%02d/b%02d/f", i, j)] = i + j
		}
	}
	return files
}

// TestWalkWide has a walk of a large tree use the connections there are: with four it
// takes at most half as long as with one, with no more commands but those of the logins.
func TestWalkWide(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		files := wideTree(40)
		if !slices.ContainsFunc(pipelined, func(q ftptest.Personality) bool { return q.Name == p.Name }) {
			files = wideTree(6) // each by a data connection of its own
		}
		for _, rtt := range []time.Duration{time.Millisecond, 50 * time.Millisecond} {
			t.Run(fmt.Sprintf("%s/%v", p.Name, rtt), func(t *testing.T) {
				var took [2]time.Duration
				var sent [2]int
				for i, conns := range []int{1, 4} {
					s := treeSetup(t, p, conns, files)
					s.oneWay = rtt / 2
					inBubble(t, s, func(t *testing.T, w *world) {
						fsys := w.openFS(t, "")
						start := time.Now()
						seen, err := walk(fsys, false)
						if err != nil {
							t.Fatal(err)
						}
						took[i] = time.Since(start)
						seen.same(t, expect(files), false)
						n := w.counts()
						sent[i] = n["STAT"] + n["LIST"] + n["MLSD"]
						var by []int // commands of each connection
						for _, d := range w.Server.Transcript() {
							by = append(by, len(d.Verbs()))
						}
						t.Logf("%d: %.1f round trips; commands %v, %v", conns, float64(took[i])/float64(rtt), by, n)
					})
				}
				if took[1] > took[0]/2 || sent[1] > sent[0] {
					t.Errorf("four connections: %v and %d listings, one: %v and %d", took[1], sent[1], took[0], sent[0])
				}
			})
		}
	}
}
