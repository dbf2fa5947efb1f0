package session

import (
	"context"
	"net"
	"time"
)

// DialFunc opens a socket, and ListenFunc a port.
type (
	DialFunc   = func(ctx context.Context, network, addr string) (net.Conn, error)
	ListenFunc = func(ctx context.Context, network, addr string) (net.Listener, error)
)

// The defaults of a KeepAlive. NATs are known to forget a connection that is idle
// for 5 s and more. A path that loses one packet in five loses as many probes in a row
// once in some hours of silence; a file that was being read goes on all the same.
const (
	keepAliveEvery = 3 * time.Second
	keepAliveCount = 5
)

// KeepAlive is the TCP keepalive of control and data connections.
type KeepAlive struct {
	net.KeepAliveConfig
	none bool
}

// NewKeepAlive returns a keepalive that has the defaults for what is zero.
func NewKeepAlive(k net.KeepAliveConfig) KeepAlive {
	if !k.Enable && k != (net.KeepAliveConfig{}) {
		return KeepAlive{none: true}
	}
	k.Enable = true
	if k.Idle == 0 {
		k.Idle = keepAliveEvery
	}
	if k.Interval == 0 {
		k.Interval = keepAliveEvery
	}
	if k.Count == 0 {
		k.Count = keepAliveCount
	}
	return KeepAlive{KeepAliveConfig: k}
}

// set sets the keepalive of a connection that has one.
func (k KeepAlive) set(nc net.Conn) {
	c, has := nc.(interface {
		SetKeepAliveConfig(net.KeepAliveConfig) error
	})
	if has && !k.none {
		_ = c.SetKeepAliveConfig(k.KeepAliveConfig) // a socket without it works
	}
}

// Dial returns dial with the keepalive on the connections that it opens; nil is that
// of the system.
func (k KeepAlive) Dial(dial DialFunc) DialFunc {
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err == nil {
			k.set(nc)
		}
		return nc, err
	}
}

// Listen returns listen with the keepalive on the connections that its ports accept;
// nil is that of the system.
func (k KeepAlive) Listen(listen ListenFunc) ListenFunc {
	if listen == nil {
		listen = (&net.ListenConfig{KeepAlive: -1}).Listen
	}
	return func(ctx context.Context, network, addr string) (net.Listener, error) {
		ln, err := listen(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return keptListener{ln, k}, nil
	}
}

// keptListener accepts connections with a keepalive.
type keptListener struct {
	net.Listener
	k KeepAlive
}

// Accept accepts a connection.
func (l keptListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		l.k.set(nc)
	}
	return nc, err
}
