package data

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// certified returns the configurations of both ends.
func certified(t *testing.T) (client, server *tls.Config) {
	t.Helper()
	cert, err := ftptest.NewCert("server")
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: cert.Pool, ServerName: "server"}, cert.Server
}

// secure makes both ends TLS.
func secure(t *testing.T, c *Conn, server net.Conn) *tls.Conn {
	t.Helper()
	client, cfg := certified(t)
	tc := tls.Server(server, cfg)
	theirs := make(chan error, 1)
	go func() { theirs <- tc.Handshake() }()
	if err := <-c.Handshake(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if err := <-theirs; err != nil {
		t.Fatal(err)
	}
	return tc
}

// TestHandshake sends through TLS what it is given.
func TestHandshake(t *testing.T) {
	inBubble(t, Download, func(t *testing.T, c *Conn, server net.Conn) {
		if c.Secured() {
			t.Error("secured before the handshake")
		}
		tc := secure(t, c, server)
		if !c.Secured() || c.Resumed() || c.Wordless() {
			t.Errorf("secured %v, resumed %v, wordless %v", c.Secured(), c.Resumed(), c.Wordless())
		}
		tc.Write([]byte("hello"))
		tc.Close()
		<-c.Peek()
		if all, err := io.ReadAll(c); string(all) != "hello" || err != nil || c.Unsigned() {
			t.Errorf("%q, %v, unsigned %v", all, err, c.Unsigned())
		}
	})
}

// TestUnsigned notices an end without a close_notify.
func TestUnsigned(t *testing.T) {
	inBubble(t, Download, func(t *testing.T, c *Conn, server net.Conn) {
		tc := secure(t, c, server)
		tc.Write([]byte("hello"))
		server.Close()
		if all, err := io.ReadAll(c); string(all) != "hello" || err != nil || !c.Unsigned() {
			t.Errorf("%q, %v, unsigned %v", all, err, c.Unsigned())
		}
	})
}

// TestHandshakeEnds has a handshake fail, each way that it may.
func TestHandshakeEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		server func(net.Conn)
		err    error // nil for any
		silent bool
		after  time.Duration
	}{
		"the server closes": {func(nc net.Conn) { nc.Close() }, io.EOF, true, rtt / 2},
		"it is not TLS":     {func(nc net.Conn) { nc.Write([]byte("550 no TLS here\r\n")) }, nil, false, rtt / 2},
		"nothing comes":     {func(net.Conn) {}, context.DeadlineExceeded, true, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Download, func(t *testing.T, c *Conn, server net.Conn) {
				client, _ := certified(t)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				start := time.Now()
				done := c.Handshake(ctx, client)
				tt.server(server)
				err := <-done
				if err == nil || tt.err != nil && !errors.Is(err, tt.err) {
					t.Errorf("%v", err)
				}
				if c.Secured() || c.Wordless() != tt.silent || time.Since(start) != tt.after {
					t.Errorf("secured %v, wordless %v, after %v", c.Secured(), c.Wordless(), time.Since(start))
				}
			})
		})
	}
}

// TestCloseWrite loses nothing of an upload, although the server has sent
// something that nobody has read, as it does with session tickets: a socket
// closed with bytes unread is reset.
func TestCloseWrite(t *testing.T) {
	const size = 1 << 20
	for _, drain := range []bool{true, false} {
		inBubble(t, Upload, func(t *testing.T, c *Conn, server net.Conn) {
			tc := secure(t, c, server)
			tc.Write([]byte("a ticket"))
			got := make(chan error, 1)
			go func() {
				n, err := io.Copy(io.Discard, tc)
				if err == nil && n != size {
					err = io.ErrUnexpectedEOF
				}
				tc.Close()
				got <- err
			}()
			if _, err := c.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if drain {
				drained, err := c.CloseWrite()
				if err != nil || drained == nil {
					t.Fatal(err)
				}
				<-drained
			}
			c.Close()
			if err := <-got; (err == nil) != drain {
				t.Errorf("drained %v: the server has %v", drain, err)
			}
		})
	}
}

// TestCloseWriteEnds bounds the wait for a server that does not close.
func TestCloseWriteEnds(t *testing.T) {
	inBubble(t, Upload, func(t *testing.T, c *Conn, server net.Conn) {
		tc := secure(t, c, server)
		start := time.Now()
		drained, err := c.CloseWrite()
		if err != nil {
			t.Fatal(err)
		}
		<-drained
		if took := time.Since(start); took != lingerFor {
			t.Errorf("waited %v", took)
		}
		if err := tc.SetDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
	})
	inBubble(t, Upload, func(t *testing.T, c *Conn, server net.Conn) {
		secure(t, c, server)
		drained, _ := c.CloseWrite()
		synctest.Wait()
		start := time.Now()
		c.ReadWithin(0) // the closing reply has come
		<-drained
		if took := time.Since(start); took != 0 {
			t.Errorf("waited %v after the closing reply", took)
		}
	})
}

// TestCloseWriteInClear has nothing to say before Close.
func TestCloseWriteInClear(t *testing.T) {
	inBubble(t, Upload, func(t *testing.T, c *Conn, _ net.Conn) {
		if drained, err := c.CloseWrite(); drained != nil || err != nil {
			t.Errorf("%v, %v", drained, err)
		}
	})
}

// TestKeyExchange offers the one of the control connection, if that is known and
// does no harm.
func TestKeyExchange(t *testing.T) {
	base, other := new(tls.Config), new(tls.Config)
	modern := tls.ConnectionState{Version: tls.VersionTLS13, CurveID: tls.CurveP256}
	old := tls.ConnectionState{Version: tls.VersionTLS12, CurveID: tls.CurveP256}
	var k KeyExchange
	if got := k.Config(base, old); got != base {
		t.Error("TLS 1.2: changed")
	}
	if got := k.Config(base, tls.ConnectionState{}); got != base {
		t.Error("clear commands: changed")
	}
	one := k.Config(base, modern)
	if one == base || len(one.CurvePreferences) != 1 || one.CurvePreferences[0] != tls.CurveP256 || base.CurvePreferences != nil {
		t.Errorf("TLS 1.3: offers %v", one.CurvePreferences)
	}
	if k.Config(base, modern) != one {
		t.Error("a new configuration each time")
	}
	if got := k.Config(other, modern); got == one || got == other {
		t.Error("another control connection: not a configuration of its own")
	}
	k.OfferAll()
	if k.Config(other, modern) != other {
		t.Error("OfferAll: still one alone")
	}
}
