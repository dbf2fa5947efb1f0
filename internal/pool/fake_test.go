package pool

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// fakeConn is a connection of a fakeServer.
type fakeConn struct {
	srv    *fakeServer
	n      int // counted from 1
	dead   bool
	silent bool
	closed bool
	asked  int // number of calls of Answers
}

func (c *fakeConn) Alive() bool { return !c.dead && !c.closed }

func (c *fakeConn) Answers(context.Context) bool {
	c.asked++
	return !c.silent
}

func (c *fakeConn) RTT() time.Duration { return c.srv.rtt }

func (c *fakeConn) Opening() time.Duration { return c.srv.login }

func (c *fakeConn) Close() {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	if c.closed {
		panic("closed twice")
	}
	c.closed = true
	c.srv.open--
}

func (c *fakeConn) isClosed() bool {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	return c.closed
}

var (
	errFull = errors.New("too many connections")
	errDown = &proto.LostError{Err: errors.New("down")}
)

// fakeServer has connections.
type fakeServer struct {
	most int // number of connections that it takes; 0 for any
	rtt  time.Duration
	down bool

	login time.Duration // see Conn.Opening
	slow  time.Duration // that connect takes

	mu     sync.Mutex
	open   int
	opened []*fakeConn
	tries  int
}

func (s *fakeServer) connect(ctx context.Context) (*fakeConn, error) {
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case s.down:
		return nil, errDown
	case s.most > 0 && s.open == s.most:
		return nil, errFull
	}
	s.open++
	c := &fakeConn{srv: s, n: len(s.opened) + 1}
	s.opened = append(s.opened, c)
	return c, nil
}

func (s *fakeServer) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *fakeServer) pool(most int) *Pool[*fakeConn] {
	return New(Config[*fakeConn]{
		Max:      most,
		Open:     s.connect,
		Full:     func(err error) bool { return err == errFull },
		Again:    func(_ error, proven bool) bool { return proven },
		RetryFor: time.Minute,
	})
}

// bubble runs f with a pool, closes that, and expects that the server has no
// connection left.
func bubble(t *testing.T, srv *fakeServer, most int, f func(t *testing.T, p *Pool[*fakeConn])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := srv.pool(most)
		f(t, p)
		p.Close()
		if srv.open != 0 {
			t.Errorf("%d connections are open after Close", srv.open)
		}
	})
}

func acquire(t *testing.T, p *Pool[*fakeConn]) *Lease[*fakeConn] {
	t.Helper()
	l, err := p.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}
