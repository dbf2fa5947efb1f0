package data

import (
	"context"
	"crypto/tls"
)

// Handshake makes the connection one of TLS, of which we are the client in active
// mode too (RFC 4217, 7). The handshake runs in a goroutine that ends with ctx;
// until the channel has delivered its result, which it does once, nothing else
// may be done with c. It must be waited for, also after ctx has ended.
func (c *Conn) Handshake(ctx context.Context, cfg *tls.Config) <-chan error {
	c.tail = &tailConn{Conn: c.raw}
	tc := tls.Client(c.tail, cfg)
	done := make(chan error, 1)
	go func() {
		err := tc.HandshakeContext(ctx)
		if err == nil {
			c.nc, c.resumed = tc, tc.ConnectionState().DidResume
		}
		done <- err
	}()
	return done
}

// Secured reports whether the connection is one of TLS.
func (c *Conn) Secured() bool { return c.nc != c.raw }

// Resumed reports whether the TLS session of the control connection was resumed.
func (c *Conn) Resumed() bool { return c.resumed }

// Wordless reports whether the server has sent nothing since Handshake. Servers
// that leave the handshake to their first read or write close the connection
// without it if there is none: the file is empty, or could not be read.
func (c *Conn) Wordless() bool { return c.tail != nil && c.tail.bytes == 0 }

// Unsigned reports whether a TLS peer ended without a close_notify. Many FTP
// servers do, and so can anybody on the way.
func (c *Conn) Unsigned() bool { return c.tail != nil && c.tail.ended }

// KeyExchange chooses the configuration of the data connections beside a control
// connection. They offer the key exchange that the control connection has settled
// on: with another one first, a server that does not have that asks again (RFC
// 8446, 4.1.4), which is a round trip. Its zero value is ready.
type KeyExchange struct {
	all  bool        // offer all from now on
	one  *tls.Config // base, with that key exchange alone
	base *tls.Config
}

// Config returns the configuration of the next data connection, from the one for
// all of them and the state of the control connection. Before TLS 1.3 the groups
// limit the certificates too and are left alone.
func (k *KeyExchange) Config(base *tls.Config, control tls.ConnectionState) *tls.Config {
	if k.all || control.Version != tls.VersionTLS13 || control.CurveID == 0 {
		return base
	}
	if k.one == nil || k.base != base {
		k.base, k.one = base, base.Clone()
		k.one.CurvePreferences = []tls.CurveID{control.CurveID}
	}
	return k.one
}

// OfferAll has all key exchanges of the configuration offered from now on: a
// handshake may have failed because there was but one.
func (k *KeyExchange) OfferAll() { k.all = true }
