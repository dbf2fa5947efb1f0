package transfer

import (
	"context"
	"net"
	"sync"
	"time"
)

// maxSYNs is how many connections one data connection is dialled with.
const maxSYNs = 3

// dialer opens a data connection. A kernel sends a lost SYN again after one second;
// another socket need not wait for that.
type dialer struct {
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	pause time.Duration // before another socket; zero for one socket alone
}

// dialerOf returns what dials on the path of an Engine. What a proxy takes for a connection is not
// to be told by its round trip, and it sends SYNs again itself.
func dialerOf(e *Engine) dialer {
	d := dialer{dial: e.cfg.Dial}
	if peer := e.path.Peer(); peer.IsValid() && !peer.IsLoopback() { // where nothing is lost
		d.pause = synSlack + e.RTT()*3/2
	}
	return d
}

// synSlack is how long the answer to a SYN may take beyond one and a half round
// trips before another is sent.
const synSlack = 50 * time.Millisecond

// open dials with up to maxSYNs sockets, each a pause after the last one while that
// has come to nothing. The first that ends is the outcome, and the others are given
// up: cancel, which ends ctx, is called for that.
func (d dialer) open(ctx context.Context, cancel context.CancelFunc, addr string) (net.Conn, error) {
	if d.pause <= 0 {
		return d.dial(ctx, "tcp", addr)
	}
	r := &race{dialer: d, ctx: ctx, cancel: cancel, addr: addr, more: maxSYNs - 1}
	r.mu.Lock()
	r.next()
	r.mu.Unlock()
	r.ended(d.dial(ctx, "tcp", addr))
	r.mu.Lock()
	if r.timer.Stop() {
		r.running.Done()
	}
	r.mu.Unlock()
	r.running.Wait()
	return r.nc, r.err
}

// race is the sockets of one data connection.
type race struct {
	dialer
	ctx    context.Context
	cancel context.CancelFunc
	addr   string

	running sync.WaitGroup // sockets after the first, and the one that the timer waits for

	mu    sync.Mutex
	timer *time.Timer
	more  int  // sockets that may follow
	over  bool // one has ended
	nc    net.Conn
	err   error
}

// next has another socket follow after a pause. The lock is held.
func (r *race) next() {
	if r.over || r.more == 0 {
		return
	}
	r.more--
	r.running.Add(1)
	if r.timer == nil {
		r.timer = time.AfterFunc(r.pause, r.again)
		return
	}
	r.timer.Reset(r.pause)
}

// again is another socket.
func (r *race) again() {
	defer r.running.Done()
	r.mu.Lock()
	over := r.over
	r.next()
	r.mu.Unlock()
	if !over {
		r.ended(r.dial(r.ctx, "tcp", r.addr))
	}
}

// ended takes the outcome of a socket.
func (r *race) ended(nc net.Conn, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !r.over:
		r.over, r.nc, r.err = true, nc, err
		r.cancel()
	case err == nil:
		forsake(nc)
	}
}

// forsake closes a connection that is one too many, so that the server does not take
// it for a transfer.
func forsake(nc net.Conn) {
	if l, ok := nc.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0)
	}
	nc.Close()
}
