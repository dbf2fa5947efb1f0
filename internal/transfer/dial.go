package transfer

import (
	"context"
	"net"
	"slices"
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

// dialSlack is how long an earlier socket may be behind a later one with what it
// already has: a program that is busy learns of both in any order, and a server
// takes the first that it has.
const dialSlack = 20 * time.Millisecond

// open dials with up to maxSYNs sockets, each a pause after the last one while that
// has come to nothing. A connection is better than a failure, and one of an earlier
// socket better than one of a later. The others are given up: cancel, which ends
// ctx, is called for that.
func (d dialer) open(ctx context.Context, cancel context.CancelFunc, addr string) (net.Conn, error) {
	if d.pause <= 0 {
		return d.dial(ctx, "tcp", addr)
	}
	r := &race{dialer: d, ctx: ctx, cancel: cancel, addr: addr}
	r.dialNext()
	r.mu.Lock()
	for _, timer := range r.timers {
		if timer != nil && timer.Stop() {
			r.running.Done()
		}
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

	running sync.WaitGroup // sockets after the first, and timers

	mu      sync.Mutex
	timers  [maxSYNs]*time.Timer // before each socket, and of dialSlack in the first place
	pending [maxSYNs]bool
	begun   int  // sockets
	held    bool // one has ended: it is the outcome, if no better one comes soon
	over    bool // it is the outcome
	socket  int  // of the outcome
	nc      net.Conn
	err     error
}

// after has f called, which says then that it is done, unless the race has ended
// before. The lock is held.
func (r *race) after(i int, d time.Duration, f func()) {
	r.running.Add(1)
	r.timers[i] = time.AfterFunc(d, f)
}

// again is another socket.
func (r *race) again() {
	defer r.running.Done()
	r.dialNext()
}

// settle decides when an earlier socket has had its time.
func (r *race) settle() {
	defer r.running.Done()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.decide()
}

// dialNext dials with one more socket, and has another follow after a pause.
func (r *race) dialNext() {
	r.mu.Lock()
	i := r.begun
	if r.held {
		r.mu.Unlock()
		return
	}
	r.begun++
	r.pending[i] = true
	if r.begun < maxSYNs {
		r.after(r.begun, r.pause, r.again)
	}
	r.mu.Unlock()
	nc, err := r.dial(r.ctx, "tcp", r.addr)
	if err != nil {
		nc = nil // whatever a DialContext of somebody's has beside it
	}
	r.ended(i, nc, err)
}

// ended takes the outcome of a socket.
func (r *race) ended(i int, nc net.Conn, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[i] = false
	first := !r.held
	if first || !r.over && err == nil && (r.err != nil || i < r.socket) {
		nc, r.nc = r.nc, nc
		r.held, r.socket, r.err = true, i, err
	}
	if nc != nil {
		forsake(nc)
	}
	switch {
	case r.over:
	case !slices.Contains(r.pending[:r.socket], true):
		r.decide()
	case first:
		r.after(0, dialSlack, r.settle)
	}
}

// decide ends the race with what is held. The lock is held.
func (r *race) decide() {
	if !r.over {
		r.over = true
		r.cancel()
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
