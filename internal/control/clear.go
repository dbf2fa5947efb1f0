package control

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// recordConn reads TLS records (RFC 8446, 5.1) one at a time. crypto/tls reads
// ahead, and would take a part of the clear text that follows the last record.
type recordConn struct {
	net.Conn
	head [5]byte // the record's type, version and length
	n    int     // bytes of head so far
	left int     // bytes of the body to come
	end  bool    // of the connection, which crypto/tls takes for that of TLS
}

// Read reads up to the end of a record's head, or of its body.
func (c *recordConn) Read(p []byte) (int, error) {
	if c.left > 0 {
		n, err := c.Conn.Read(p[:min(len(p), c.left)])
		c.left -= n
		c.end = err == io.EOF
		return n, err
	}
	n, err := c.Conn.Read(p[:min(len(p), len(c.head)-c.n)])
	c.n += copy(c.head[c.n:], p[:n])
	if c.n == len(c.head) {
		c.n, c.left = 0, int(binary.BigEndian.Uint16(c.head[3:]))
	}
	c.end = err == io.EOF
	return n, err
}

// client returns TLS over raw, which EndTLS can end if clear is set.
func client(raw net.Conn, cfg *tls.Config, clear bool) *tls.Conn {
	if clear {
		return tls.Client(&recordConn{Conn: raw}, cfg)
	}
	return tls.Client(raw, cfg)
}

// EndTLS sends CCC and, if the server agrees, goes on in clear text once
// both sides have ended TLS: RFC 4217, 5. The reply is returned as it is where
// the server does not agree. The connection must have been made for it.
func (c *Conn) EndTLS(ctx context.Context, limit time.Duration) (proto.Reply, error) {
	tc, ok := c.nc.(*tls.Conn)
	if !ok {
		return proto.Reply{}, errors.New("there is no TLS to end")
	}
	records, ok := tc.NetConn().(*recordConn)
	if !ok {
		return proto.Reply{}, errors.New("the connection was not made for the end of TLS")
	}
	call, err := c.sendLast(ctx, "CCC")
	if err != nil {
		return proto.Reply{}, err
	}
	r, ok, err := c.handover(ctx, call, limit)
	if !ok {
		return r, err
	}
	err = farewell(ctx, tc, limit)
	if err == nil && records.end {
		err = io.EOF
	}
	if err != nil {
		c.fail(err)
		return r, c.Err()
	}
	c.raw.SetDeadline(time.Time{})
	c.past, c.nc = tc.ConnectionState(), c.raw
	c.startReader(c.raw)
	return r, nil
}

// farewell sends a close_notify and waits for the server's. Text that comes
// before that has no place there.
func farewell(ctx context.Context, tc *tls.Conn, limit time.Duration) error {
	end := time.Now().Add(limit)
	stop := context.AfterFunc(ctx, func() { tc.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err := tc.CloseWrite()
	if err == nil {
		tc.SetReadDeadline(end)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var n int
		if n, err = tc.Read(make([]byte, 1)); n > 0 {
			return &ProtocolError{"more text after the reply to CCC", ""}
		}
	}
	switch {
	case err == io.EOF:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("the end of TLS after CCC: %w", silence(err))
}
