package ftpnat_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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
)

// TestPaths tries each combination of what may be between a client and a
// server. Where any mode can work, a file is read and written, within the time
// that the model allows; elsewhere the error names the causes.
func TestPaths(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	all := allPaths()
	if len(all) < 200 {
		t.Errorf("%d combinations, want 200", len(all))
	}
	for _, p := range all {
		t.Run(p.String(), func(t *testing.T) { p.run(t, cert, p.expect()) })
	}
}

// TestPathsByHand has the outcome of some of them written down, as a check on
// the model.
func TestPathsByHand(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		p    route
		want string
	}{
		{route{client: onPublic, server: serverPublic, wall: noWall}, "EPSV OK"},
		{route{client: masqueraded, server: serverSetUp, wall: noWall, tls: true}, "EPSV OK"},
		{route{client: masqueraded, server: serverOneOne, wall: noEPSV}, "EPSV ControlSilent, PASV OK"},
		{route{client: masqueraded, server: serverOneOne, wall: noEPSV, tls: true}, "EPSV OK"},
		{route{client: onPublic, server: serverPublic, wall: inDrop}, "EPSV DialTimeout, PASV DialTimeout, PORT OK"},
		{route{client: onPublic, server: serverControl, wall: inRefuse, tls: true}, "EPSV DialTimeout, PASV DialTimeout, PASV BadAddress, PORT OK"},
		{route{client: onPublic, server: serverSetUp, wall: inRefuse}, "EPSV DialRefused, PASV DialRefused, PORT OK"},
		{route{client: helped, server: serverPublic, wall: inDrop}, "EPSV DialTimeout, PASV DialTimeout, PORT OK"},
		{route{client: helped, server: serverPublic, wall: inDrop, tls: true}, "EPSV DialTimeout, PASV DialTimeout, PORT AcceptTimeout, EPRT AcceptTimeout"},
		{route{client: helped, server: serverPublic, wall: story2006}, "EPSV DialTimeout, PASV DialTimeout, PORT OK"},
		{route{client: demilitarize, server: serverPublic, wall: inDrop}, "EPSV DialTimeout, PASV DialTimeout, PORT Refused, PORT OK"},
		{route{client: demilitarize, server: serverPublic, wall: story2006}, "EPSV DialTimeout, PASV DialTimeout, PORT ControlReset, EPRT ControlReset, PORT OK"},
		{route{client: forwarded, server: serverOneOne, wall: inDrop, tls: true}, "EPSV DialTimeout, PASV DialTimeout, PASV BadAddress, PORT OK"},
		{route{client: forwarded, server: serverPublic, wall: outOnly}, "EPSV DialTimeout, PASV DialTimeout, PORT Refused, PORT OK"},
		{route{client: masqueraded, server: serverPublic, wall: inDrop}, "EPSV DialTimeout, PASV DialTimeout, PORT Refused, PORT AcceptTimeout, EPRT Refused, EPRT AcceptTimeout"},
		{route{client: rejecting, server: serverPublic, wall: inDrop}, "EPSV DialTimeout, PASV DialTimeout, PORT Refused, PORT DataRefused, EPRT Refused, EPRT DataRefused"},
		{route{client: onPublic, server: serverPublic, wall: bothDrop}, "EPSV DialTimeout, PASV DialTimeout, PORT AcceptTimeout, EPRT AcceptTimeout"},
		{route{client: onPublic, server: serverPublic, wall: inDrop, ipv6: true}, "EPSV DialTimeout, PASV Refused, EPRT OK"},
		{route{client: onPublic, server: serverPublic, wall: bothDrop, ipv6: true, tls: true}, "EPSV DialTimeout, PASV Refused, EPRT AcceptTimeout"},
		{route{client: masqueraded, server: serverPublic, wall: outOnly, proxy: true}, "EPSV OK"},
		{route{client: masqueraded, server: serverOneOne, wall: noEPSV, proxy: true}, "EPSV ControlSilent, PASV OK"},
		{route{client: masqueraded, server: serverPublic, wall: inRefuse, proxy: true}, "EPSV ProxyRefused, PASV ProxyRefused"},
		{route{client: masqueraded, server: serverControl, wall: noWall, tls: true, proxy: true}, "EPSV DialTimeout, PASV DialTimeout, PASV BadAddress"},
	}
	for _, c := range cases {
		t.Run(c.p.String(), func(t *testing.T) {
			want := strings.Split(c.want, ", ")
			if got := c.p.expect(); !slices.Equal(got, want) {
				t.Errorf("the model says %q, want %q", got, want)
			}
			c.p.run(t, cert, want)
		})
	}
}

// run reads and writes a file over the path.
func (p route) run(t *testing.T, cert ftptest.Cert, want []string) {
	s := p.setup()
	ftp, dialer := s.ftp, s.dialer
	s.ftp = func(s *ftptest.Server) {
		ftp(s)
		if p.tls {
			s.TLS = cert.Server
		}
	}
	s.dialer = func(d *ftpnat.Dialer) {
		dialer(d)
		if p.tls {
			d.TLSConfig = &tls.Config{RootCAs: cert.Pool}
		}
		if p.proxy {
			d.ProxyURL = &url.URL{Scheme: "http", Host: fmt.Sprintf("proxy.example.com:%d", proxyPort)}
		}
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		if p.proxy {
			w.startProxy()
		}
		start := time.Now()
		c := w.dial()
		defer c.Close()
		rc, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
		if took := time.Since(start); took > p.limit() {
			t.Errorf("it took %v, want at most %v", took, p.limit())
		}
		if (err == nil) != p.possible() {
			t.Errorf("a mode can work is %v: %v", p.possible(), err)
		}
		if rc != nil {
			if data, err := io.ReadAll(rc); err != nil || !bytes.Equal(data, content) {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
			rc.Close()
		}
		got := causesOf(c.Report().Attempts)
		if err != nil {
			p.checkError(t, err, got, want)
			return
		}
		if !slices.Equal(got, want) {
			t.Errorf("attempts %q, want %q", got, want)
		}
		if err := w.store(c); err != nil {
			t.Errorf("upload: %v", err)
		}
	})
}

// checkError wants the first pass as expected, and in the second no other
// cause.
func (p route) checkError(t *testing.T, err error, got, want []string) {
	var ne *ftpnat.NegotiateError
	if !errors.As(err, &ne) || len(ne.Advice()) == 0 {
		t.Errorf("err = %v, want a *NegotiateError with advice", err)
	}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("attempts %q, want them to begin with %q", got, want)
		return
	}
	for _, a := range got[len(want):] {
		if !slices.Contains(want, a) {
			t.Errorf("%s in the second pass: attempts %q", a, got)
		}
	}
}

// proxyPort is where the proxy listens.
const proxyPort = 3128

var proxyHost = netip.MustParseAddr("192.0.2.50")

// startProxy adds a proxy for CONNECT to the public segment.
func (w *world) startProxy() {
	host := w.Net.Host("proxy.example.com", proxyHost)
	ln, err := host.Listen(w.ctx, "tcp", fmt.Sprintf(":%d", proxyPort))
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { // ends with the network
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go connectOn(host.DialContext, nc)
		}
	}()
}

// connectOn serves one CONNECT.
func connectOn(dial dialFunc, nc net.Conn) {
	defer nc.Close()
	br := bufio.NewReader(nc)
	req, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	up, err := dial(ctx, "tcp", req.Host)
	cancel()
	if err != nil {
		fmt.Fprint(nc, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	defer up.Close()
	fmt.Fprint(nc, "HTTP/1.1 200 OK\r\n\r\n")
	done := make(chan struct{})
	go func() {
		io.Copy(up, br)
		up.(interface{ CloseWrite() error }).CloseWrite()
		close(done)
	}()
	io.Copy(nc, up)
	nc.(interface{ CloseWrite() error }).CloseWrite()
	<-done
}
