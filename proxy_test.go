package ftpnat_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// proxyServer is a proxy for CONNECT and SOCKS5 that notes what it was asked.
type proxyServer struct {
	t     *testing.T
	ln    net.Listener
	wg    sync.WaitGroup
	allow func(addr string) int // the status of CONNECT
	names map[string]string     // names that only the proxy can resolve

	mu    sync.Mutex
	asked []string
}

func startProxy(t *testing.T, serve func(p *proxyServer, nc net.Conn), allow func(addr string) int) *proxyServer {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxyServer{t: t, ln: ln, allow: allow}
	p.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() {
				defer nc.Close()
				serve(p, nc)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.wg.Wait()
	})
	return p
}

// reach notes the address and connects to it.
func (p *proxyServer) reach(addr string) (net.Conn, error) {
	p.mu.Lock()
	p.asked = append(p.asked, addr)
	p.mu.Unlock()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if to, ok := p.names[host]; ok {
		host = to
	}
	return net.Dial("tcp", net.JoinHostPort(host, port))
}

func relay(a, b net.Conn, head io.Reader) {
	done := make(chan struct{})
	go func() {
		io.Copy(a, b)
		a.(*net.TCPConn).CloseWrite()
		close(done)
	}()
	io.Copy(b, head)
	b.(*net.TCPConn).CloseWrite()
	<-done
	b.Close()
}

func serveCONNECT(p *proxyServer, nc net.Conn) {
	br := bufio.NewReader(nc)
	req, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	if user := req.Header.Get("Proxy-Authorization"); user != "Basic am9lOnNlY3JldA==" { // joe:secret
		fmt.Fprint(nc, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
		return
	}
	if status := p.allow(req.Host); status != http.StatusOK {
		fmt.Fprintf(nc, "HTTP/1.1 %d %s\r\n\r\n", status, http.StatusText(status))
		return
	}
	up, err := p.reach(req.Host)
	if err != nil {
		fmt.Fprint(nc, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	fmt.Fprint(nc, "HTTP/1.1 200 OK\r\n\r\n")
	relay(nc, up, br)
}

// serveSOCKS5 speaks RFC 1928 with a name or an IPv4 address.
func serveSOCKS5(p *proxyServer, nc net.Conn) {
	var b [262]byte
	if _, err := io.ReadFull(nc, b[:2]); err != nil {
		return
	}
	io.ReadFull(nc, b[:b[1]])
	nc.Write([]byte{5, 0})
	if _, err := io.ReadFull(nc, b[:5]); err != nil {
		return
	}
	var host string
	switch b[3] {
	case 1:
		io.ReadFull(nc, b[5:8])
		host = netip.AddrFrom4([4]byte(b[4:8])).String()
	case 3:
		n := int(b[4])
		io.ReadFull(nc, b[:n])
		host = string(b[:n])
	}
	io.ReadFull(nc, b[:2])
	up, err := p.reach(net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(b[:2])))))
	if err != nil {
		nc.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	nc.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	relay(nc, up, nc)
}

func allowAll(string) int { return http.StatusOK }

// TestProxy sends control and data connections through a proxy, which is the
// one that resolves the server's name.
func TestProxy(t *testing.T) {
	for scheme, serve := range map[string]func(*proxyServer, net.Conn){"http": serveCONNECT, "socks5": serveSOCKS5} {
		for _, modes := range [][]ftpnat.Mode{nil, {ftpnat.PASV}} {
			t.Run(fmt.Sprint(scheme, modes), func(t *testing.T) {
				srv := &ftptest.Server{Tree: ftptest.NewTree(), Network: ftptest.Network{Advertise: netip.MustParseAddr("192.0.2.1")}}
				if err := srv.Tree.WriteFile("f", content, 0o644); err != nil {
					t.Fatal(err)
				}
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				srv.Start(ln)
				defer srv.Close()
				p := startProxy(t, serve, allowAll)
				p.names = map[string]string{"ftp.invalid": "127.0.0.1"}
				d := &ftpnat.Dialer{Modes: modes, ProxyURL: &url.URL{Scheme: scheme, Host: p.ln.Addr().String(), User: url.UserPassword("joe", "secret")}}
				_, port, _ := net.SplitHostPort(ln.Addr().String())
				c, err := d.Dial(t.Context(), "ftp.invalid:"+port)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				rc, err := c.Retrieve(t.Context(), "f", 0)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(rc); err != nil || len(got) != len(content) {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
				rc.Close()
				p.mu.Lock()
				defer p.mu.Unlock()
				if len(p.asked) != 2 {
					t.Errorf("the proxy was asked for %q, want two connections", p.asked)
				}
				for _, a := range p.asked {
					if !strings.HasPrefix(a, "ftp.invalid:") {
						t.Errorf("the proxy was asked for %s", a)
					}
				}
			})
		}
	}
}

// TestProxyRefuses names the proxy and what it said, and not its password.
func TestProxyRefuses(t *testing.T) {
	srv := &ftptest.Server{Tree: ftptest.NewTree()}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv.Start(ln)
	defer srv.Close()
	control := ln.Addr().String()
	p := startProxy(t, serveCONNECT, func(addr string) int {
		if addr == control {
			return http.StatusOK
		}
		return http.StatusForbidden
	})
	for _, c := range []struct{ password, want string }{
		{"wrong", "407 Proxy Authentication Required"},
		{"secret", "403 Forbidden"},
	} {
		d := &ftpnat.Dialer{ProxyURL: &url.URL{Scheme: "http", Host: p.ln.Addr().String(), User: url.UserPassword("joe", c.password)}}
		conn, err := d.Dial(t.Context(), control)
		if err == nil {
			_, err = conn.Retrieve(t.Context(), "f", 0)
			conn.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "joe:"+c.password) {
			t.Errorf("err = %v, want one with %q", err, c.want)
		}
	}
	bad := &ftpnat.Dialer{ProxyURL: &url.URL{Scheme: "gopher", Host: "x"}}
	if _, err := bad.Dial(t.Context(), control); err == nil || !strings.Contains(err.Error(), "socks5") {
		t.Errorf("a scheme that is not known: %v", err)
	}
}
