//go:build linux

package lab

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

const (
	payloadSize = 1 << 20
	downSeed    = 959  // RFC 959
	upSeed      = 2428 // RFC 2428
	jobTimeout  = time.Minute
)

// laboratory is a path that has been built, with a server at its end.
type laboratory struct {
	t      *testing.T
	path   path
	net    *netns.Internet
	server *servers.Server
}

// build makes the path and starts the server. Both go away with the test.
func build(t *testing.T, p path, kind servers.Kind) *laboratory {
	t.Helper()
	in, err := netns.Build(t.Context(), p.client, p.server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	o := p.options
	o.Kind, o.Namespace, o.Addr = kind, in.Server, in.ServerAddr
	if p.deadPassive {
		o.PassiveAddr = in.DeadAddr
	}
	s, err := servers.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s:\n%s", kind, s.Log())
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(s.Root, "down.bin"), client.Payload(downSeed, payloadSize), 0o644); err != nil {
		t.Fatal(err)
	}
	return &laboratory{t: t, path: p, net: in, server: s}
}

// run does a job on the client's host.
func (l *laboratory) run(job client.Job) *client.Result {
	l.t.Helper()
	u := url.URL{Scheme: "ftp", User: url.UserPassword(l.server.User, l.server.Password), Host: l.net.ServerPublic().String(), Path: "/"}
	job.URL = u.String()
	job.Settings = l.path.settings
	job.Download, job.Upload = "down.bin", "up.bin"
	job.Seed, job.Size = upSeed, payloadSize
	if job.Timeout == 0 {
		job.Timeout = jobTimeout
	}
	r, err := client.Run(l.t.Context(), l.net.Client, job)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if l.t.Failed() {
			l.t.Logf("%s on %s took %v: %s\n%s\n%s", job.Kind, l.path.name, r.Elapsed, r.Err, strings.Join(r.Trace, "\n"), r.Report)
		}
	})
	return r
}
