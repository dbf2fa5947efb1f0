//go:build linux

package lab

import (
	"context"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
	"github.com/ftpnat/ftpnat/lab/internal/trips"
)

// Settings of TestRoundTrips. What counts is how often the client waited, so
// that the wire need not be longer than what a busy machine puts between a
// packet and its answer.
const (
	tripsRTT   = 60 * time.Millisecond
	tripsTries = 3
)

// TestRoundTrips sees that nothing costs more round trips than it is allowed
// to, on each server, over a wire that delays.
//
// They are counted, not timed: the wire is a program of the laboratory and
// keeps the longest chain of packets of which each was sent after the one
// before had arrived (delay.Record.Trips). Time that a server or this machine
// takes is not in it, but for one thing: while one connection waits for a slow
// answer, packets on another can make the chain longer. That only ever adds,
// so that the least of a few tries is what the client needs.
func TestRoundTrips(t *testing.T) {
	needLab(t)
	for _, kind := range servers.Kinds() {
		for _, tls := range []bool{false, true} {
			name := string(kind)
			if tls {
				name += "-tls"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var p *trips.Place
				for _, row := range trips.Rows() {
					if row.TLS != tls || row.Limits[kind] == 0 {
						continue
					}
					if p == nil {
						p = buildTrips(t, kind, tls)
					}
					t.Run(row.Name, func(t *testing.T) { checkTrips(t, p, row) })
				}
			})
		}
	}
}

// buildTrips makes the place. It goes away with the test.
func buildTrips(t *testing.T, kind servers.Kind, tls bool) *trips.Place {
	t.Helper()
	p, err := trips.Build(t.Context(), kind, tripsRTT, tls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func checkTrips(t *testing.T, p *trips.Place, row trips.Row) {
	t.Helper()
	limit := row.Limits[p.Kind]
	var best trips.Figure
	for try := range tripsTries {
		f, err := p.Library(t.Context(), client.FS, row)
		if err != nil {
			t.Fatalf("%v\n%s\nlog of %s:\n%s", err, f.Transcript, p.Kind, p.Server.Log())
		}
		if try == 0 || f.Counted < best.Counted {
			best = f
		}
		if best.Counted <= limit {
			break
		}
	}
	t.Logf("%.2f round trips, at most %g; %.2f by the clock", best.Counted, limit, best.Wall)
	if best.Counted > limit {
		t.Errorf("%s: %.2f round trips, want at most %g\n%s", row.About, best.Counted, limit, best.Transcript)
	}
}
