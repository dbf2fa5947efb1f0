package rclone

import (
	"context"
	"strings"
	"sync"

	"github.com/ftpnat/ftpnat"
	"github.com/rclone/rclone/fs"
)

// serverKey is what the remotes that share connections have in common.
type serverKey struct {
	Options
	root bool // whether names begin at the server's root directory
}

// server is a server that remotes share.
type server struct {
	key    serverKey
	dialer *ftpnat.Dialer
	trace  *ftpnat.Trace
	lock   chan struct{} // held by whoever uses what follows, also while connecting

	fsys  *ftpnat.FS // nil if it is not connected
	users int        // number of remotes

	features map[string]string // of FEAT
	vsftpd   bool
}

var servers struct {
	sync.Mutex
	all map[serverKey]*server
}

// serverOf returns the server with the settings of a remote.
func serverOf(ctx context.Context, key serverKey) (*server, error) {
	servers.Lock()
	defer servers.Unlock()
	if s := servers.all[key]; s != nil {
		return s, nil
	}
	d, err := key.dialer(ctx)
	if err != nil {
		return nil, err
	}
	s := &server{key: key, dialer: d, lock: make(chan struct{}, 1)}
	s.trace = s.newTrace(fs.GetConfig(ctx).Dump&(fs.DumpHeaders|fs.DumpBodies|fs.DumpRequests|fs.DumpResponses) != 0)
	if servers.all == nil {
		servers.all = make(map[serverKey]*server)
	}
	servers.all[key] = s
	return s, nil
}

// String is the server in logs.
func (s *server) String() string { return s.key.url(s.key.root).String() }

// newTrace returns what writes to rclone's log: how connections are had, and with
// --dump headers the dialogue.
func (s *server) newTrace(dialogue bool) *ftpnat.Trace {
	t := &ftpnat.Trace{
		Lost:    func(err error) { fs.Debugf(s, "connection lost: %v", err) },
		Attempt: func(a ftpnat.Attempt) { fs.Debugf(s, "data connection: %v", a) },
		Note:    func(text string) { fs.Debugf(s, "%s", text) },
	}
	if dialogue {
		t.Command = func(line string) { fs.Debugf(s, "> %s", line) }
		t.Reply = func(r ftpnat.Reply) { fs.Debugf(s, "< %v", r) }
	}
	return t
}

// use returns the FS of the server, and connects to it if it has none.
func (s *server) use(ctx context.Context) (*ftpnat.FS, error) {
	select {
	case s.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.lock }()
	ctx = ftpnat.WithTrace(ctx, s.trace)
	if s.fsys == nil {
		if err := s.connect(ctx); err != nil {
			return nil, err
		}
	}
	return s.fsys.WithContext(ctx), nil
}

func (s *server) connect(ctx context.Context) error {
	greeting := &ftpnat.Trace{Reply: func(r ftpnat.Reply) {
		if r.Code == 220 && strings.Contains(r.Text(), "vsFTPd") {
			s.vsftpd = true
		}
	}}
	fsys, err := s.dialer.Open(ftpnat.WithTrace(ctx, greeting), s.key.url(s.key.root).String())
	if err != nil {
		return err
	}
	if s.features, err = fsys.WithContext(ctx).Features(); err != nil {
		fsys.Close()
		return err
	}
	s.fsys = fsys
	return nil
}

// hold says that a remote uses the server, until it calls drop.
func (s *server) hold() {
	s.lock <- struct{}{}
	s.users++
	<-s.lock
}

// drop closes the connections if no other remote uses the server. Who uses it
// again has new ones.
func (s *server) drop() error {
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	if s.users--; s.users > 0 || s.fsys == nil {
		return nil
	}
	fsys := s.fsys
	s.fsys = nil
	return fsys.Close()
}
