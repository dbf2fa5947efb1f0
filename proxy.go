package ftpnat

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// proxyDial returns a function that dials through a proxy, which resolves the
// names.
func proxyDial(u *url.URL, forward dialFunc) (dialFunc, error) {
	switch u.Scheme {
	case "socks5", "socks5h":
		var auth *proxy.Auth
		if u.User != nil {
			password, _ := u.User.Password()
			auth = &proxy.Auth{User: u.User.Username(), Password: password}
		}
		d, err := proxy.SOCKS5("tcp", proxyAddr(u, "1080"), auth, forwarder(forward))
		if err != nil {
			return nil, fmt.Errorf("ftpnat: proxy %s: %w", u.Redacted(), err)
		}
		return d.(proxy.ContextDialer).DialContext, nil
	case "http":
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			return tunnel(ctx, u, forward, addr)
		}, nil
	}
	return nil, fmt.Errorf("ftpnat: the proxy %s has the scheme %q: socks5 and http are known", u.Redacted(), u.Scheme)
}

func proxyAddr(u *url.URL, port string) string {
	if p := u.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// forwarder is a dialFunc as x/net/proxy wants it.
type forwarder dialFunc

// Dial dials without a context.
func (f forwarder) Dial(network, addr string) (net.Conn, error) {
	return f(context.Background(), network, addr)
}

// DialContext dials.
func (f forwarder) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

// tunnel opens one by HTTP's CONNECT: RFC 9110, 9.3.6.
func tunnel(ctx context.Context, u *url.URL, forward dialFunc, addr string) (net.Conn, error) {
	nc, err := forward(ctx, "tcp", proxyAddr(u, "3128"))
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", u.Redacted(), err)
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	through, err := handshake(nc, u, addr)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("proxy %s: %w", u.Redacted(), contextual(ctx, err))
	}
	return through, nil
}

// maxProxyHeader bounds what a proxy may answer to CONNECT.
const maxProxyHeader = 64 << 10

func handshake(nc net.Conn, u *url.URL, addr string) (net.Conn, error) {
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: make(http.Header)}
	if u.User != nil {
		password, _ := u.User.Password()
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	if err := req.Write(nc); err != nil {
		return nil, err
	}
	limited := &limitedConn{nc, maxProxyHeader}
	br := bufio.NewReader(limited)
	resp, err := http.ReadResponse(br, req)
	if err != nil {
		return nil, fmt.Errorf("CONNECT %s: %w", addr, err)
	}
	// The body, where there is one, goes with the connection.
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("CONNECT %s: the proxy answered %s", addr, resp.Status)
	}
	if br.Buffered() == 0 {
		return nc, nil
	}
	// The server's greeting came in the same segment.
	head, _ := br.Peek(br.Buffered())
	return &prefixConn{nc, head}, nil
}

var errProxyHeader = errors.New("the proxy's answer is too long")

// limitedConn reads at most n bytes.
type limitedConn struct {
	nc net.Conn
	n  int
}

// Read reads, up to the limit.
func (l *limitedConn) Read(p []byte) (int, error) {
	if l.n <= 0 {
		return 0, errProxyHeader
	}
	n, err := l.nc.Read(p[:min(len(p), l.n)])
	l.n -= n
	return n, err
}

// prefixConn returns bytes that were read already before it reads on.
type prefixConn struct {
	net.Conn
	head []byte
}

// Read reads.
func (c *prefixConn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}
