package ftpnat_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// withBadProxy runs f with a proxy that treats each connection, counted from
// 1, as serve does. It is in virtual time: nothing may be left behind.
func withBadProxy(t *testing.T, scheme string, serve func(n int, nc net.Conn), f func(t *testing.T, w *world)) {
	t.Helper()
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		host := w.Net.Host("gate.example.com", netip.MustParseAddr("192.0.2.50"))
		ln, err := host.Listen(t.Context(), "tcp", ":3128")
		if err != nil {
			t.Fatal(err)
		}
		w.extra = append(w.extra, func() { ln.Close() })
		go func() {
			for n := 1; ; n++ {
				nc, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer nc.Close()
					serve(n, nc)
				}()
			}
		}()
		w.d.ProxyURL = &url.URL{Scheme: scheme, Host: "gate.example.com:3128", User: url.UserPassword("joe", "secret")}
		f(t, w)
	})
}

// says returns a proxy that reads a request and answers it.
func says(text string, then func(nc net.Conn)) func(int, net.Conn) {
	return func(_ int, nc net.Conn) {
		if _, err := nc.Read(make([]byte, 4096)); err != nil {
			return
		}
		io.WriteString(nc, text)
		if then != nil {
			then(nc)
		}
	}
}

func hang(nc net.Conn) { io.Copy(io.Discard, nc) }

func endless(nc net.Conn) {
	for {
		if _, err := io.WriteString(nc, "X: "+strings.Repeat("x", 1000)+"\r\n"); err != nil {
			return
		}
	}
}

// TestProxyBad has proxies that hang, lie or close under the control
// connection.
func TestProxyBad(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n\r\n"
	for _, tt := range []struct {
		scheme, name string
		serve        func(int, net.Conn)
		want         string
		limit        time.Duration
	}{
		{"http", "hangs", says("", hang), "no connection within 15s: proxy http://joe:xxxxx@gate.example.com:3128: ", defaultAttemptTimeout},
		{"http", "hangs in its answer", says("HTTP/1.1 200 OK\r\nVia: ", hang), "no connection within 15s: proxy ", defaultAttemptTimeout},
		{"http", "resets", func(int, net.Conn) {}, "connection reset by peer", time.Second},
		{"http", "closes", says("", nil), "closed the connection without an answer", time.Second},
		{"http", "closes in its answer", says("HTTP/1.1 200 OK\r\nVia: ", nil), "closed the connection without an answer", time.Second},
		{"http", "is an FTP server", says("220 ready\r\n", hang), `does not speak HTTP: it begins with "220 r"`, time.Second},
		{"http", "does not stop", says("HTTP/1.1 200 OK\r\n", endless), "longer than 65536 bytes", 10 * time.Second},
		{"http", "answers nonsense", says("HTTP/1.1 two hundred\r\n\r\n", hang), "malformed HTTP", time.Second},
		{"http", "informs", says("HTTP/1.1 103 Early Hints\r\n\r\n", hang), "the proxy answered: 103 Early Hints", time.Second},
		{"http", "redirects", says("HTTP/1.1 302 Found\r\nLocation: http://198.51.100.10/\r\n\r\n", hang), "the proxy answered: 302 Found", time.Second},
		{"http", "connects to a web page", says(ok+"<html>\r\n", hang), "not an FTP reply", time.Second},
		{"http", "connects to nothing", says(ok, hang), "greeting: no reply", replyLimits * defaultAttemptTimeout},
		{"http", "connects and closes", says(ok, nil), "greeting: the control connection was closed", time.Second},
		{"http", "connects to a full server", says(ok+"421 Too many users.\r\n", nil), "421 Too many users.", defaultRetryFor},
		{"socks5", "hangs", says("", hang), "no connection within 15s: proxy socks5://joe:xxxxx@gate.example.com:3128: ", defaultAttemptTimeout},
		{"socks5", "hangs in its answer", says("\x05", hang), "no connection within 15s: proxy socks5://joe:xxxxx@gate.example.com:3128: ", defaultAttemptTimeout},
		{"socks5", "closes", says("", nil), "closed the connection without an answer", time.Second},
		{"socks5", "closes in its answer", says("\x05", nil), "closed the connection without an answer", time.Second},
		{"socks5", "is of version 4", says("\x00\x5a\x00\x00\x00\x00", hang), "the proxy answered: unexpected protocol version 0", time.Second},
		{"socks5", "is a web server", says("HTTP/1.1 400 Bad Request\r\n\r\n", nil), "the proxy answered: unexpected protocol version 72", time.Second},
		{"socks5", "takes nobody", says("\x05\xff", hang), "the proxy answered: no acceptable authentication methods", time.Second},
	} {
		t.Run(tt.scheme+" "+tt.name, func(t *testing.T) {
			withBadProxy(t, tt.scheme, tt.serve, func(t *testing.T, w *world) {
				start := time.Now()
				_, err := w.d.Dial(w.ctx, w.Addr)
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
					t.Errorf("err = %v, want one with %q", err, tt.want)
				}
				if took := time.Since(start); took > tt.limit+10*rtt {
					t.Errorf("it took %v, want at most %v", took, tt.limit)
				}
			})
		})
	}
}

// TestProxyBadForData has a proxy that is good for the control connection
// alone.
func TestProxyBadForData(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(int, net.Conn)
		want  string
	}{
		{"hangs", says("", hang), "EPSV DialTimeout, PASV DialTimeout"},
		{"closes", says("", nil), "EPSV DialFailed, PASV DialFailed"},
		{"refuses", says("HTTP/1.1 403 Forbidden\r\n\r\n", nil), "EPSV ProxyRefused, PASV ProxyRefused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w *world
			serve := func(n int, nc net.Conn) {
				if n > 1 {
					tt.serve(n, nc)
					return
				}
				if _, err := nc.Read(make([]byte, 4096)); err != nil {
					return
				}
				up, err := w.Net.Host("inside", netip.MustParseAddr("192.0.2.51")).DialContext(w.ctx, "tcp", w.Addr)
				if err != nil {
					t.Error(err)
					return
				}
				defer up.Close()
				io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
				go io.Copy(nc, up)
				io.Copy(up, nc)
			}
			withBadProxy(t, "http", serve, func(t *testing.T, in *world) {
				w = in
				c := w.dial()
				defer c.Close()
				start := time.Now()
				err := w.fetch(c)
				var ne *ftpnat.NegotiateError
				if !errors.As(err, &ne) {
					t.Fatalf("err = %v", err)
				}
				got := slices.Compact(causesOf(ne.Attempts))
				if got := strings.Join(got[:min(2, len(got))], ", "); got != tt.want {
					t.Errorf("attempts %s, want %s", got, tt.want)
				}
				if took := time.Since(start); took > 2*defaultAttemptTimeout {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestProxyServerRestarts has a proxy that cannot reach the server for a while,
// after the connection broke: a file is read on all the same.
func TestProxyServerRestarts(t *testing.T) {
	var w *world
	var inside *memnet.Host
	controls := 0
	answers := []string{2: "HTTP/1.1 502 Bad Gateway\r\n\r\n", 3: "", 4: "HTTP/1.1 503 Service Unavailable\r\n\r\n", 5: ""}
	serve := func(_ int, nc net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		if strings.HasSuffix(req.Host, ":21") {
			if controls++; controls < len(answers) && controls > 1 {
				io.WriteString(nc, answers[controls])
				return
			}
		}
		up, err := inside.DialContext(w.ctx, "tcp", req.Host)
		if err != nil {
			return
		}
		defer up.Close()
		io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			if _, err := io.Copy(nc, up); err != nil {
				nc.(interface{ SetLinger(sec int) error }).SetLinger(0)
			}
			nc.Close()
		}()
		io.Copy(up, nc)
	}
	withBadProxy(t, "http", serve, func(t *testing.T, in *world) {
		w, inside = in, in.Net.Host("inside", netip.MustParseAddr("192.0.2.51"))
		w.Server.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, After: 50_000, Kind: ftptest.Reset}}
		w.d.MaxConns = 1
		f, err := w.openFS(t, "").Open("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if controls < len(answers) {
			t.Errorf("%d control connections were asked for", controls)
		}
	})
}
