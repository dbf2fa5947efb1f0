//go:build linux

package lab

import (
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// obstacleLimits are the longest that a path may take that was never seen, without a
// setting, from Open to a listing, or to the reason why there is none.
var obstacleLimits = map[string]time.Duration{
	"229-port-dropped":              600 * time.Millisecond,
	"epsv-swallowed":                1200 * time.Millisecond,
	"one-per-client-epsv-swallowed": 2 * time.Second, // the server has to forget the first
	"active-only":                   1500 * time.Millisecond,
	"active-only-helper":            1500 * time.Millisecond,
	"active-only-forwarded":         1500 * time.Millisecond,
	"nothing-works":                 15 * time.Second,
}

// TestObstacleTimes measures them, the best of a few: what is measured is what is
// waited for, and not how busy the machine is.
func TestObstacleTimes(t *testing.T) {
	needLab(t)
	for _, p := range append(paths.Solvable(), paths.NothingWorks) {
		limit := obstacleLimits[p.Name]
		if limit == 0 {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			var took []time.Duration
			for range 6 {
				r := build(t, p, servers.Vsftpd).run(client.Job{Kind: client.FS})
				if (r.Err == "") != (p.Name != "nothing-works") {
					t.Fatal(r.Err)
				}
				if took = append(took, r.Listed); r.Listed <= limit {
					break
				}
				t.Logf("%v:\n%s", r.Listed, r.Trace)
			}
			t.Logf("%v of %v", took, limit)
			if slices.Min(took) > limit {
				t.Errorf("took %v, want at most %v", took, limit)
			}
		})
	}
}
