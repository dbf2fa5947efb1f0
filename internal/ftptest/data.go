package ftptest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// errTimeout is returned when a data connection was not established in time.
var errTimeout = errors.New("ftptest: no data connection in time")

// pending is a data connection on its way: a port that is listening, or an
// address to connect to. Its result comes from a goroutine of its own.
type pending struct {
	passive bool
	remote  netip.AddrPort // of an active connection
	started bool
	cancel  func()
	result  chan opened
}

// opened is the outcome of a pending connection.
type opened struct {
	wire *wire
	err  error
}

// listenData opens a passive port and returns its address.
func (s *session) listenData() (netip.AddrPort, error) {
	s.replaceData()
	ln, err := s.srv.listen(s.ctx, s.local.Addr())
	if err != nil {
		return netip.AddrPort{}, err
	}
	l := listener{ln}
	if !s.srv.track(l) {
		l.kill()
		return netip.AddrPort{}, errEnded
	}
	s.srv.tally(func(c *Counters) { c.Listening++ })
	p := &pending{passive: true, started: true, cancel: l.kill, result: make(chan opened, 1)}
	ok := s.srv.start(func() {
		conn, err := ln.Accept()
		s.srv.untrack(l)
		l.kill()
		p.result <- s.opened(conn, err, true)
	})
	if !ok {
		s.srv.untrack(l)
		l.kill()
		return netip.AddrPort{}, errEnded
	}
	s.data = p
	return addrPort(ln.Addr()), nil
}

// dialLater remembers where an active data connection goes.
func (s *session) dialLater(remote netip.AddrPort) {
	s.replaceData()
	s.data = &pending{remote: remote, cancel: func() {}, result: make(chan opened, 1)}
}

// start begins to connect; a passive one has begun already.
func (p *pending) start(s *session) {
	if p.started {
		return
	}
	p.started = true
	ctx, cancel := context.WithCancel(s.ctx)
	p.cancel = cancel
	ok := s.srv.start(func() {
		defer cancel()
		if s.p.ForeignPORT == Ignore && p.remote.Addr() != s.remote.Addr() {
			<-ctx.Done()
			p.result <- opened{err: ctx.Err()}
			return
		}
		conn, err := s.srv.dial(ctx, netip.AddrPortFrom(s.local.Addr(), s.srv.ActivePort), p.remote)
		p.result <- s.opened(conn, err, false)
	})
	if !ok {
		cancel()
		p.result <- opened{err: errEnded}
	}
}

// opened takes over an established data connection.
func (s *session) opened(conn net.Conn, err error, passive bool) opened {
	if err != nil {
		return opened{err: err}
	}
	w, ok := s.srv.addData(conn, s.id, passive)
	if !ok {
		return opened{err: errEnded}
	}
	return opened{wire: w}
}

// addData counts and wraps a data connection.
func (s *Server) addData(conn net.Conn, id int, passive bool) (*wire, bool) {
	d := &dataRecord{DataConn: DataConn{Conn: id, Passive: passive,
		Local: addrPort(conn.LocalAddr()), Remote: addrPort(conn.RemoteAddr())}}
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	index := len(s.rec.data) + 1
	w, ok := s.wrap(conn, Data, index)
	if !ok {
		return nil, false
	}
	if passive {
		s.rec.counters.DataAccepted++
	} else {
		s.rec.counters.DataDialed++
	}
	d.wire = w
	s.rec.data = append(s.rec.data, d)
	return w, true
}

// ready reports whether the connection is established.
func (p *pending) ready() bool { return len(p.result) > 0 }

// wait returns the connection, or an error once d has passed. After an error the
// pending connection is of no more use.
func (p *pending) wait(ctx context.Context, d time.Duration) (*wire, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	err := errTimeout
	select {
	case o := <-p.result:
		return o.wire, o.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
	}
	p.drop()
	return nil, err
}

// drop gives up a connection that was not taken.
func (p *pending) drop() {
	p.cancel()
	if !p.started {
		return
	}
	if o := <-p.result; o.wire != nil {
		_ = o.wire.Close()
	}
}

// dropData ends the transfer that runs, without a reply, and closes what was
// opened for the next.
func (s *session) dropData() {
	if s.xfer != nil {
		s.xfer.abort(true)
		<-s.xfer.done
		s.xfer = nil
	}
	s.dropPending()
}

// replaceData makes room for another data connection.
func (s *session) replaceData() {
	if s.p.During == Beside {
		s.dropPending()
		return
	}
	s.dropData()
}

// dropPending closes what was opened for the next transfer.
func (s *session) dropPending() {
	for _, p := range []*pending{s.data, s.lost} {
		if p != nil {
			p.drop()
		}
	}
	s.data, s.lost = nil, nil
}
