//go:build linux

package main

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// row is a server in one configuration, and what is known of it.
type row struct {
	Server servers.Kind
	Config string // its name, as it is shown; empty means as it comes
	Odd    string // what is odd about it

	Settings  []string // of servers.Options
	Max       int      // control connections from one address
	Rate      int      // bytes per second of a download
	Disk      int64    // size of a file system of its own, which is then nearly full
	Anonymous bool     // the client gives no login
	InCI      bool     // it is one of those that go test runs

	// Hides are base names that the server leaves out of its listings.
	Hides []string
	// Refuses is what the server does not do, or does not let do: check and
	// what, as they are printed, a last * standing for anything. Untrue is what
	// it does otherwise than it says, or does not let a client tidy up. Known is what
	// the library cannot do or does wrong though the server would let it.
	Refuses, Untrue, Known []string
}

// Name is the row's, for -run and for tests.
func (r row) Name() string {
	if r.Config == "" {
		return string(r.Server)
	}
	return string(r.Server) + " " + r.Config
}

// run starts the server and has a client do the suite.
func (r row) run(ctx context.Context) (_ *outcome, err error) {
	pair, err := netns.BuildPair(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pair.Close(context.WithoutCancel(ctx))) }()
	if err := pair.Join(ctx); err != nil {
		return nil, err
	}
	s, err := servers.Start(ctx, servers.Options{
		Kind: r.Server, Namespace: pair.Server, Addr: pair.ServerAddr,
		Settings: r.Settings, MaxPerClient: r.Max, Rate: r.Rate, Disk: r.Disk,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	if r.Anonymous { // vsftpd has nobody anonymous in a folder that is the login's
		if err := os.Chown(s.Root, 0, 0); err != nil {
			return nil, err
		}
	}
	local, err := os.MkdirTemp("", "ftpnat-lab-manners-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(local)) }()

	u := url.URL{Scheme: "ftp", Host: pair.ServerAddr.String(), Path: "/"}
	if !r.Anonymous {
		u.User = url.UserPassword(s.User, s.Password)
	}
	found, err := work(ctx, pair.Client, job{URL: u.String(), Root: s.Root, Local: local, Hides: r.Hides, Fill: r.Disk > 0})
	if err != nil {
		return nil, err
	}
	return &outcome{row: r, findings: found, log: s.Log()}, nil
}

// expects reports whether one of the patterns stands for what was done.
func expects(patterns []string, key string) bool {
	for _, p := range patterns {
		if prefix, some := strings.CutSuffix(p, "*"); p == key || some && strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// hidden reports whether the server leaves a file out of its listings.
func (j job) hidden(name string) bool {
	for _, p := range j.Hides {
		if ok, _ := filepath.Match(p, filepath.Base(name)); ok {
			return true
		}
	}
	return false
}
