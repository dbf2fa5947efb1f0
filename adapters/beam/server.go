package beam

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat"
)

// place is what a path names.
type place struct {
	server serverKey
	prefix string // of the path, before the name
	name   string // in the FS of the server
}

// serverKey is what an FS is shared by.
type serverKey struct {
	scheme, user, host string
	root               bool // whether names begin at the server's root directory
}

func (k serverKey) url() *url.URL {
	u := &url.URL{Scheme: k.scheme, Host: k.host}
	if k.user != "" {
		u.User = url.User(k.user)
	}
	return u
}

// parse splits a path. Its errors do not quote it, as there may be a password in
// it.
func parse(name string) (place, error) {
	scheme, rest, _ := strings.Cut(name, "://")
	authority, rest, found := strings.Cut(rest, "/")
	u, err := url.Parse(scheme + "://" + authority)
	if err != nil || u.Host == "" || !found || u.RawQuery != "" || u.Fragment != "" {
		return place{}, errors.New("a path is not of the form ftp://[user@]host[:port]/name")
	}
	if _, has := u.User.Password(); has {
		return place{}, fmt.Errorf("%s: a path with a password would be in Beam's logs; put it into the netrc file or use UseDialer", u.Redacted())
	}
	p := place{server: serverKey{scheme: scheme, user: u.User.Username(), host: u.Host}, prefix: scheme + "://" + authority + "/"}
	if p.server.root = strings.HasPrefix(rest, "/"); p.server.root {
		p.prefix += "/"
	}
	p.name = strings.TrimPrefix(path.Clean("/"+rest), "/")
	if p.name == "" {
		p.name = "."
	}
	return p, nil
}

const (
	// idleFor is how long connections are kept that nobody uses.
	idleFor = time.Minute
	// refusedFor is how long a login that was refused for good is not tried
	// again: a thousand bundles with a wrong password would have the account
	// locked.
	refusedFor = time.Minute
)

// server is a server that all bundles share.
type server struct {
	key  serverKey
	lock chan struct{} // held by whoever uses what follows, also while connecting

	fsys    *ftpnat.FS // nil if it is not connected
	users   int        // number of calls and open files
	idle    *time.Timer
	refused error // why the last login failed for good
	at      time.Time
}

var servers struct {
	sync.Mutex
	all map[serverKey]*server
}

func serverOf(key serverKey) *server {
	servers.Lock()
	defer servers.Unlock()
	s := servers.all[key]
	if s == nil {
		if servers.all == nil {
			servers.all = make(map[serverKey]*server)
		}
		s = &server{key: key, lock: make(chan struct{}, 1)}
		servers.all[key] = s
	}
	return s
}

// use returns the FS of the server for the time until done is called.
func (s *server) use(ctx context.Context) (*ftpnat.FS, error) {
	select {
	case s.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.lock }()
	if s.fsys == nil {
		if err := s.connect(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.key.url(), err)
		}
	}
	s.users++
	return s.fsys.WithContext(ctx), nil
}

func (s *server) connect(ctx context.Context) error {
	if s.refused != nil && time.Since(s.at) < refusedFor {
		return s.refused
	}
	d, err := dialerFor(s.key.url())
	if err != nil {
		return err
	}
	raw := s.key.scheme + "://" + s.key.host + "/"
	if s.key.root {
		raw += "%2F"
	}
	s.fsys, err = d.Open(ctx, raw)
	s.refused, s.at = nil, time.Now()
	if err != nil && ctx.Err() == nil && !ftpnat.Retryable(err) {
		s.refused = err
	}
	return err
}

// done ends a use.
func (s *server) done() {
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	if s.users--; s.users > 0 {
		return
	}
	if s.idle != nil {
		s.idle.Stop()
	}
	s.idle = time.AfterFunc(idleFor, func() { s.rest() })
}

// rest closes the connections if nobody uses the server.
func (s *server) rest() error {
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	if s.users > 0 || s.fsys == nil {
		return nil
	}
	if s.idle != nil {
		s.idle.Stop()
	}
	fsys := s.fsys
	s.fsys = nil
	return fsys.Close()
}

// CloseIdle closes the connections to servers that nobody uses at the moment.
// Programs that go on after their pipeline has ended may call it.
func CloseIdle() error {
	servers.Lock()
	var all []*server
	for _, s := range servers.all {
		all = append(all, s)
	}
	servers.Unlock()
	var errs []error
	for _, s := range all {
		errs = append(errs, s.rest())
	}
	return errors.Join(errs...)
}
