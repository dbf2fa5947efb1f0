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

// dataSide is what a control connection has of data connections.
type dataSide struct {
	c    *control
	data *pending // for the next transfer
	lost *pending // forgotten: see LoseBehind
	xfer *transfer
}

// listenData opens a passive port and returns its address.
func (d *dataSide) listenData() (netip.AddrPort, error) {
	d.replaceData()
	ln, err := d.c.srv.listen(d.c.ctx, d.c.local.Addr())
	if err != nil {
		return netip.AddrPort{}, err
	}
	l := listener{ln}
	if !d.c.srv.track(l) {
		l.kill()
		return netip.AddrPort{}, errEnded
	}
	d.c.srv.rec.tally(func(c *Counters) { c.Listening++ })
	p := &pending{passive: true, started: true, cancel: l.kill, result: make(chan opened, 1)}
	ok := d.c.srv.start(func() {
		conn, err := ln.Accept()
		d.c.srv.untrack(l)
		l.kill()
		p.result <- d.c.opened(conn, err, true)
	})
	if !ok {
		d.c.srv.untrack(l)
		l.kill()
		return netip.AddrPort{}, errEnded
	}
	d.data = p
	return addrPort(ln.Addr()), nil
}

// dialLater remembers where an active data connection goes.
func (d *dataSide) dialLater(remote netip.AddrPort) {
	d.replaceData()
	d.data = &pending{remote: remote, cancel: func() {}, result: make(chan opened, 1)}
}

// start begins to connect; a passive one has begun already.
func (p *pending) start(c *control) {
	if p.started {
		return
	}
	p.started = true
	ctx, cancel := context.WithCancel(c.ctx)
	p.cancel = cancel
	ok := c.srv.start(func() {
		defer cancel()
		if c.p.Data.ForeignPORT == Ignore && p.remote.Addr() != c.remote.Addr() {
			<-ctx.Done()
			p.result <- opened{err: ctx.Err()}
			return
		}
		conn, err := c.srv.dial(ctx, netip.AddrPortFrom(c.local.Addr(), c.srv.Network.ActivePort), p.remote)
		p.result <- c.opened(conn, err, false)
	})
	if !ok {
		cancel()
		p.result <- opened{err: errEnded}
	}
}

// connectNow establishes the active connection ahead of the transfer.
func (d *dataSide) connectNow() bool {
	p := d.data
	p.start(d.c)
	w, err := p.wait(d.c.ctx, orDefault(d.c.srv.Limits.ConnectTimeout, defaultConnectTimeout))
	if err != nil {
		d.c.srv.rec.tally(func(c *Counters) { c.DataFailed++ })
		d.data = nil
		return false
	}
	p.result <- opened{wire: w}
	return true
}

// opened takes over an established data connection.
func (c *control) opened(conn net.Conn, err error, passive bool) opened {
	if err != nil {
		return opened{err: err}
	}
	w, ok := c.srv.addData(conn, c.id, passive)
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
func (d *dataSide) dropData() {
	if d.xfer != nil {
		d.xfer.abort(true)
		<-d.xfer.done
		d.xfer = nil
	}
	d.dropPending()
}

// replaceData makes room for another data connection.
func (d *dataSide) replaceData() {
	if d.c.p.Control.During == Beside {
		d.dropPending()
		return
	}
	d.dropData()
}

// dropPending closes what was opened for the next transfer.
func (d *dataSide) dropPending() {
	for _, p := range []*pending{d.data, d.lost} {
		if p != nil {
			p.drop()
		}
	}
	d.data, d.lost = nil, nil
}
