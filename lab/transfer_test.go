//go:build linux

package lab

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// TestObstacles shows that each path lets through what it is said to, and
// nothing more. A test of ftpnat on a path that is open in truth would prove
// nothing.
func TestObstacles(t *testing.T) {
	needLab(t)
	for _, p := range append(paths.Solvable(), paths.NothingWorks, paths.BothHelped) {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			r := build(t, p, servers.Vsftpd).run(client.Job{Kind: client.Probe})
			if r.Err != "" {
				t.Fatal(r.Err)
			}
			want := p.Ways.ByWay()
			if p.Settings.PublicAddr.IsValid() {
				want[client.WayPORTPublic] = client.Open
			}
			if !maps.Equal(r.Outcomes, want) {
				t.Errorf("the ways are\n%v, want\n%v", r.Outcomes, want)
			}
		})
	}
}

// ftpnatClients are the two faces of the library. Both must do on every path
// what they do where nothing is in the way.
var ftpnatClients = []client.Kind{client.FS, client.Bridge}

// TestPaths lists, downloads and uploads on each path, with each server that
// makes a difference there.
func TestPaths(t *testing.T) {
	needLab(t)
	for _, p := range paths.Solvable() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			for _, server := range p.Servers {
				t.Run(string(server), func(t *testing.T) {
					t.Parallel()
					l := build(t, p, server)
					l.passes(server)
				})
			}
		})
	}
}

// passes has both get through, by the attempts that the path takes with that
// server.
func (l *laboratory) passes(server servers.Kind) {
	l.t.Helper()
	for _, kind := range ftpnatClients {
		r := l.run(client.Job{Kind: kind})
		l.checkTransfers(r, kind)
		l.checkAttempts(r, kind, server)
	}
}

// TestBare shows that jlaffaye/ftp alone works in the laboratory where nothing
// is in the way, so that a failure of the bridge there is ours.
func TestBare(t *testing.T) {
	needLab(t)
	for _, server := range servers.Kinds() {
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			l := build(t, paths.Solvable()[0], server)
			l.checkTransfers(l.run(client.Job{Kind: client.Jlaffaye}), client.Jlaffaye)
		})
	}
}

// solvedLimit is the longest that a job may take on a path that has a way
// through: the quick pass over the modes finds it, the patient one is not
// needed.
const solvedLimit = 8 * time.Second

// checkTransfers compares what the client saw and left with what it should.
func (l *laboratory) checkTransfers(r *client.Result, kind client.Kind) {
	l.t.Helper()
	if r.Err != "" {
		l.t.Errorf("%s: %s", kind, r.Err)
		return
	}
	if r.Elapsed > solvedLimit {
		l.t.Errorf("%s: took %v, want at most %v", kind, r.Elapsed, solvedLimit)
	}
	if err := l.place.Check(r.Names, r.Downloaded); err != nil {
		l.t.Errorf("%s: %v", kind, err)
	}
}

// checkAttempts compares the way to the first data connection with the path's,
// and sees that those after it began with what had worked.
func (l *laboratory) checkAttempts(r *client.Result, kind client.Kind, server servers.Kind) {
	l.t.Helper()
	first := slices.IndexFunc(r.Attempts, func(a client.Attempt) bool { return a.Cause == "OK" })
	if first < 0 {
		l.t.Errorf("%s: no attempt succeeded: %v", kind, r.Attempts)
		return
	}
	want := l.place.Path.Tries
	got := tries(r.Attempts[:first+1])
	if server != servers.Vsftpd {
		got, want = got[first:], want[len(want)-1:]
	}
	if !slices.Equal(got, want) {
		l.t.Errorf("%s: attempts %q, want %q", kind, got, want)
	}
	after := tries(r.Attempts[first:])
	if len(after) < 3 || slices.ContainsFunc(after, func(s string) bool { return s != after[0] }) {
		l.t.Errorf("%s: the transfers opened %q, want all three to open as the first", kind, after)
	}
}

func tries(attempts []client.Attempt) []string {
	var s []string
	for _, a := range attempts {
		s = append(s, a.String())
	}
	return s
}
