// Package proxy opens connections through SOCKS5 and HTTP proxies, and reads
// from the environment which.
package proxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	xproxy "golang.org/x/net/proxy"

	"github.com/ftpnat/ftpnat/internal/address"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// DialFunc dials, as net.Dialer.DialContext does.
type DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// Dialer returns a function that dials through a proxy, which resolves the
// names. What it returns is the socket itself, with all that this can do.
func Dialer(u *url.URL, forward DialFunc) (DialFunc, error) {
	ask := connect5
	switch u.Scheme {
	case "socks5", "socks5h":
	case "http":
		ask = tunnel
	default:
		return nil, fmt.Errorf("ftpnat: the proxy %s has the scheme %q: socks5 and http are known", address.Shown(u), u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("ftpnat: the proxy %s has no host", address.Shown(u))
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := ask(ctx, u, forward, addr)
		if err != nil {
			return nil, fmt.Errorf("proxy %s: %w", u.Redacted(), proto.ContextError(ctx, err))
		}
		return nc, nil
	}, nil
}

// ErrClosed says that a proxy hung up.
var ErrClosed = errors.New("the proxy closed the connection without an answer")

// Error says that a proxy answered, and did not connect.
type Error struct {
	said  string
	Later bool // it may connect later: it could not reach the server
}

func (e *Error) Error() string { return "the proxy answered: " + e.said }

// hungUp gives an end of the connection to a proxy its name.
func hungUp(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrClosed
	}
	return err
}

// unreached are the replies of RFC 1928, 6 to a server that cannot be reached, in
// the words of x/net.
var unreached = []string{"general SOCKS server failure", "network unreachable", "host unreachable", "connection refused", "TTL expired"}

// connect5 asks a SOCKS5 proxy for a connection: RFC 1928.
func connect5(ctx context.Context, u *url.URL, forward DialFunc, addr string) (net.Conn, error) {
	var auth *xproxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &xproxy.Auth{User: u.User.Username(), Password: password}
	}
	var nc net.Conn // under what x/net makes of it, which cannot be half closed
	d, err := xproxy.SOCKS5("tcp", proxyAddr(u, "1080"), auth, forwarder(func(ctx context.Context, network, addr string) (c net.Conn, err error) {
		nc, err = forward(ctx, network, addr)
		return nc, err
	}))
	if err != nil {
		return nil, err
	}
	_, err = d.(xproxy.ContextDialer).DialContext(ctx, "tcp", addr)
	if err == nil {
		return nc, nil
	}
	var op *net.OpError
	var errno syscall.Errno
	switch {
	case nc != nil && proto.IsTimeout(err):
		err = context.DeadlineExceeded
	case nc == nil, ctx.Err() != nil, errors.As(err, &errno), !errors.As(err, &op):
	case hungUp(op.Err) == ErrClosed:
		err = ErrClosed
	default:
		said := strings.TrimPrefix(op.Err.Error(), "unknown error ")
		err = &Error{said, slices.Contains(unreached, said)}
	}
	return nil, fmt.Errorf("SOCKS5 to %s: %w", addr, err)
}

func proxyAddr(u *url.URL, port string) string {
	if p := u.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// forwarder is a DialFunc as x/net/proxy wants it.
type forwarder DialFunc

// Dial dials without a context.
func (f forwarder) Dial(network, addr string) (net.Conn, error) {
	return f(context.Background(), network, addr)
}

// DialContext dials.
func (f forwarder) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

// tunnel asks an HTTP proxy for a connection by CONNECT: RFC 9110, 9.3.6.
func tunnel(ctx context.Context, u *url.URL, forward DialFunc, addr string) (net.Conn, error) {
	nc, err := forward(ctx, "tcp", proxyAddr(u, "3128"))
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	err = handshake(nc, u, addr)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("CONNECT %s: %w", addr, err)
	}
	return nc, nil
}

// handshake sends CONNECT and judges what comes back. It is all of HTTP that is
// needed here, and net/http would be a third of a small program.
func handshake(nc net.Conn, u *url.URL, addr string) error {
	if strings.ContainsFunc(addr, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return errors.New("the address has blanks or control characters")
	}
	req := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: ftpnat\r\n"
	if u.User != nil {
		password, _ := u.User.Password()
		req += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)) + "\r\n"
	}
	if _, err := io.WriteString(nc, req+"\r\n"); err != nil {
		return err
	}
	header, err := readHeader(nc)
	if err != nil {
		return hungUp(err)
	}
	// The other lines matter to no one, and a body, where there is one, goes with
	// the connection.
	line, _, _ := strings.Cut(string(header), "\n")
	said, code, ok := status(line)
	switch {
	case !ok:
		return fmt.Errorf("malformed HTTP: the proxy's answer begins with %q", line[:min(len(line), maxShown)])
	case code/100 != 2:
		return &Error{said, code/100 == 5}
	}
	return nil
}

// maxShown bounds what is repeated of a proxy's words.
const maxShown = 200

// status reads a status line, and returns what follows the version as it may be
// shown: RFC 9112, 4.
func status(line string) (said string, code int, ok bool) {
	version, said, _ := strings.Cut(strings.TrimRight(line, "\r"), " ")
	major, minor, _ := strings.Cut(strings.TrimPrefix(version, "HTTP/"), ".")
	said = strings.TrimLeft(said, " ")
	number, _, _ := strings.Cut(said, " ")
	code, err := strconv.Atoi(number)
	if err != nil || len(number) != 3 || code < 100 || !digit(major) || !digit(minor) {
		return "", 0, false
	}
	said = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, said[:min(len(said), maxShown)])
	return said, code, true
}

func digit(s string) bool { return len(s) == 1 && s[0] >= '0' && s[0] <= '9' }

// maxProxyHeader bounds what a proxy may answer to CONNECT.
const maxProxyHeader = 64 << 10

// readHeader reads to the empty line that ends an HTTP header, and no byte of
// what follows: that is the server's greeting.
func readHeader(r io.Reader) ([]byte, error) {
	const begin = "HTTP/"
	var header, one = make([]byte, 0, 512), make([]byte, 1)
	for len(header) < maxProxyHeader {
		if _, err := io.ReadFull(r, one); err != nil {
			return nil, err
		}
		header = append(header, one[0])
		switch {
		case len(header) == len(begin) && string(header) != begin:
			return nil, fmt.Errorf("the proxy does not speak HTTP: it begins with %q", header)
		case bytes.HasSuffix(header, []byte("\r\n\r\n")), bytes.HasSuffix(header, []byte("\n\n")):
			return header, nil
		}
	}
	return nil, fmt.Errorf("the proxy's answer is longer than %d bytes", maxProxyHeader)
}
