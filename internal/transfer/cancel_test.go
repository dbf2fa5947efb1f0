package transfer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestContextSweep ends the context of each job between any two events:
// the job ends in that moment with the context's error, nothing is to blame for it,
// and what is transferred next is whole.
func TestContextSweep(t *testing.T) {
	all := places(t)
	slow := ftptest.VSFTPD()
	slow.Control.Delays = map[string]time.Duration{ftptest.Any: 3 * latency, "EPSV": 5 * latency}
	all["slow"] = script(slow)
	for _, place := range []string{"vsftpd", "plain", "active", "one by one", "TLS", "not known", "PRET", "slow"} {
		for _, j := range jobs {
			if place == "TLS" && j.dir == ftptest.Sent && j.name != "get" && j.name != "list" {
				continue // handshakes take real time
			}
			for after := latency / 2; after < time.Second && sweepOnce(t, all[place], place, j.name, j.do, after); after += latency {
			}
		}
	}
}

// sweepOnce does a job with a context that ends after some time, and reports whether
// it was in the way.
func sweepOnce(t *testing.T, s setup, place, name string, do func(c *client) error, after time.Duration) (inTime bool) {
	run(t, s, func(w *world) {
		w.must(w.srv.Tree.WriteFile("empty", nil, 0o644))
		w.with(func(c *client) {
			w.must(errors.Join(c.get(), c.get()))
			before := w.mem.lesson()
			ctx := w.ctx
			var cancel context.CancelFunc
			w.ctx, cancel = context.WithTimeout(ctx, after)
			defer cancel()
			start := time.Now()
			err := do(c)
			took := time.Since(start)
			inTime = w.ctx.Err() != nil
			w.ctx = ctx
			// What was asked behind a transfer that is whole may be missing.
			if done := name == "get, and leave" || place == "slow" && err == nil; inTime && !done && (!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errTimeUp) || took != after) {
				w.Errorf("%s, %s: %v after %v, want the context's error after %v", place, name, err, took, after)
			}
			if got := w.mem.lesson(); got.Mode != before.Mode || len(got.Avoid) > 0 || c.path.Takes(path.Queue) == proto.No || c.path.Takes(path.Ahead) == proto.No || c.missed {
				w.Errorf("%s, %s, ended after %v: remembered %+v", place, name, after, got)
			}
			w.must(c.sure())
			if bad := w.failures(); len(bad) > 0 {
				w.Errorf("%s, %s, ended after %v: %v", place, name, after, bad)
			}
		})
	})
	return inTime
}
