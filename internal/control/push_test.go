package control

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestSendBlocked ends a command that waits in the socket when its context
// ends: the server has stopped to read.
func TestSendBlocked(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	nc.(*net.TCPConn).SetWriteBuffer(4 << 10)
	server.(*net.TCPConn).SetReadBuffer(4 << 10)
	c, _ := NewConn(nc, nc, 0)
	defer c.Reset()

	// A command is sent until one has waited longer than any that is not
	// held up; then the context ends.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	blocked := time.AfterFunc(10*promptly, cancel)
	start := time.Now()
	for err == nil {
		blocked.Reset(10 * promptly)
		_, err = c.Send(ctx, "NOOP "+strings.Repeat("x", maxCommand/2))
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	if took := time.Since(start); took > writeLimit/2 {
		t.Errorf("it took %v to notice", took)
	}
	if c.Err() == nil {
		t.Error("the connection is used on, with half a command on its way")
	}
}

// TestSlowHandshake: the limit of a command is not that of the handshake behind
// it.
func TestSlowHandshake(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cert, err := ftptest.NewCert(certName)
	if err != nil {
		t.Fatal(err)
	}
	var server sync.WaitGroup
	defer server.Wait()
	server.Go(func() {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		br := bufio.NewReader(nc)
		io.WriteString(nc, "220 ready\r\n")
		if _, err := br.ReadString('\n'); err != nil {
			return
		}
		io.WriteString(nc, "234 go\r\n")
		tls.Server(nc, cert.Server).Handshake()
	})
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, greeting := NewConn(nc, nc, 0)
	defer c.Close()
	final(t, c, greeting)
	auth, err := c.sendLast(t.Context(), "AUTH TLS")
	if err != nil {
		t.Fatal(err)
	}
	nc.SetWriteDeadline(time.Unix(1, 0)) // as if the limit of AUTH had passed
	if r, err := c.startTLS(t.Context(), auth, &tls.Config{RootCAs: cert.Pool, ServerName: certName}, false, time.Minute, time.Minute); err != nil {
		t.Errorf("%v, %v", r, err)
	}
}
