package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestStatus(t *testing.T) {
	for _, tt := range []struct {
		line, said string
		code       int
		ok         bool
	}{
		{"HTTP/1.1 200 OK\r", "200 OK", 200, true},
		{"HTTP/1.0 200 Connection established", "200 Connection established", 200, true},
		{"HTTP/1.1 200", "200", 200, true},
		{"HTTP/1.1 200 \r", "200 ", 200, true},
		{"HTTP/1.1  407 Proxy Authentication Required", "407 Proxy Authentication Required", 407, true},
		{"HTTP/1.1 502 \x1b[2Jgone\x00", "502 ?[2Jgone?", 502, true},
		{"HTTP/1.1 502 " + strings.Repeat("x", 1000), "502 " + strings.Repeat("x", maxShown-4), 502, true},
		{"HTTP/1.1 two hundred", "", 0, false},
		{"HTTP/1.1", "", 0, false},
		{"HTTP/1.1 2000 OK", "", 0, false},
		{"HTTP/1.1 +20 OK", "", 0, false},
		{"HTTP/1.1 -20 OK", "", 0, false},
		{"HTTP/1.1 099 OK", "", 0, false},
		{"HTTP/ 200 OK", "", 0, false},
		{"HTTP/11 200 OK", "", 0, false},
		{"HTTP/1.12 200 OK", "", 0, false},
	} {
		said, code, ok := status(tt.line)
		if said != tt.said || code != tt.code || ok != tt.ok {
			t.Errorf("status(%.40q) = %.40q, %d, %v", tt.line, said, code, ok)
		}
	}
}

// TestConnect has the request read by net/http, and what follows the answer left
// for the server.
func TestConnect(t *testing.T) {
	for _, tt := range []struct {
		url, addr, user string
		fails           string
	}{
		{"http://gate:3128", "ftp.example.com:21", "", ""},
		{"http://joe:s%3Aecret%0A@gate", "[2001:db8::1]:21", "Basic am9lOnM6ZWNyZXQK", ""},
		{"http://gate", "ftp.example.com:21\r\nX: y", "", "control characters"},
		{"http://gate", "ftp.example.com :21", "", "control characters"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		asked := make(chan *http.Request, 1)
		go func() {
			defer far.Close()
			req, err := http.ReadRequest(bufio.NewReader(far))
			if err != nil {
				return
			}
			asked <- req
			io.WriteString(far, "HTTP/1.1 200 OK\r\nVia: x\r\n\r\n220 ready\r\n")
		}()
		nc, err := tunnel(t.Context(), u, func(context.Context, string, string) (net.Conn, error) { return near, nil }, tt.addr)
		if tt.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%q: %v, want %q", tt.addr, err, tt.fails)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		req := <-asked
		if req.Method != http.MethodConnect || req.RequestURI != tt.addr || req.Host != tt.addr || req.Header.Get("Proxy-Authorization") != tt.user {
			t.Errorf("asked for %+v", req)
		}
		if rest, err := io.ReadAll(nc); string(rest) != "220 ready\r\n" || err != nil {
			t.Errorf("behind the answer: %q, %v", rest, err)
		}
	}
}
