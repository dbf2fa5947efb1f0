//go:build linux

package lab

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/paths"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

const jobTimeout = time.Minute

// laboratory is a place in a test.
type laboratory struct {
	t      *testing.T
	place  *paths.Place
	net    *netns.Internet
	server *servers.Server
}

// build makes the path and starts the server. Both go away with the test.
func build(t *testing.T, p paths.Path, kind servers.Kind) *laboratory {
	t.Helper()
	place, err := paths.Build(t.Context(), p, kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", kind, place.Server.Log())
		}
		if err := place.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &laboratory{t: t, place: place, net: place.Net, server: place.Server}
}

// run does a job on the client's host.
func (l *laboratory) run(job client.Job) *client.Result {
	l.t.Helper()
	job = l.place.Fill(job)
	if job.Timeout == 0 {
		job.Timeout = jobTimeout
	}
	r, err := client.Run(l.t.Context(), l.net.Client, job)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("%s on %s took %v: %s\n%s\n%s", job.Kind, l.place.Path.Name, r.Elapsed, r.Err, strings.Join(r.Trace, "\n"), r.Report)
		}
	})
	return r
}
