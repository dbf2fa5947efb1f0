package ftpnat_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// expired returns a certificate that has been no good since 1998. The clock of
// a bubble begins in 2000.
func expired(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"ftp.example.com"},
		NotBefore:    time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func newCert(t *testing.T, name string) ftptest.Cert {
	t.Helper()
	cert, err := ftptest.NewCert(name)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestTLSCertificates wants a bad certificate to be called what it is, at
// once, and nothing to be sent to whoever has it.
func TestTLSCertificates(t *testing.T) {
	good, other := newCert(t, "ftp.example.com"), newCert(t, "other.example.com")
	late, lateRoots := expired(t)
	for _, tt := range []struct {
		name   string
		server *tls.Config
		roots  *x509.CertPool
		as     any
		want   string
	}{
		{"expired", late, lateRoots, new(x509.CertificateInvalidError), "certificate has expired"},
		{"self-signed", good.Server, x509.NewCertPool(), new(x509.UnknownAuthorityError), "unknown authority"},
		{"wrong name", other.Server, other.Pool, new(x509.HostnameError), "valid for other.example.com, not ftp.example.com"},
	} {
		for _, implicit := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", implicit"}[implicit], func(t *testing.T) {
				s := setup{
					ftp:    func(s *ftptest.Server) { s.TLS, s.ImplicitTLS = tt.server, implicit },
					dialer: func(d *ftpnat.Dialer) { d.TLSConfig, d.ImplicitTLS = &tls.Config{RootCAs: tt.roots}, implicit },
				}
				inBubble(t, s, func(t *testing.T, w *world) {
					start := time.Now()
					_, err := w.d.Dial(w.ctx, w.Addr)
					if !errors.As(err, tt.as) || !strings.Contains(err.Error(), tt.want) {
						t.Errorf("err = %v, want a %T with %q", err, tt.as, tt.want)
					}
					if took := time.Since(start); took > 10*rtt {
						t.Errorf("it took %v", took)
					}
					if verbs := w.Verbs(); strings.Contains(verbs, "USER") {
						t.Errorf("the server got %s", verbs)
					}
				})
			})
		}
	}
}

// TestTLSDataStops has the handshake on the data connection go wrong. The path
// is not at fault, so that no other mode is tried, and it is over soon.
func TestTLSDataStops(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, kind := range []ftptest.Ending{ftptest.Silence, ftptest.Cut, ftptest.Reset} {
		for _, after := range []int64{0, 3, 100} {
			for _, modes := range [][]ftpnat.Mode{{ftpnat.EPSV, ftpnat.PASV}, {ftpnat.PORT}} {
				s := setup{
					ftp: func(s *ftptest.Server) {
						s.TLS = cert.Server
						s.Faults = []ftptest.Fault{{On: ftptest.Data, Dir: ftptest.Sent, After: after, Kind: kind}}
					},
					dialer: func(d *ftpnat.Dialer) { d.TLSConfig, d.Modes = &tls.Config{RootCAs: cert.Pool}, modes },
				}
				inBubble(t, s, func(t *testing.T, w *world) {
					c := w.dial()
					defer c.Close()
					start := time.Now()
					err := w.fetch(c)
					var ne *ftpnat.NegotiateError
					want := []string{modes[0].String() + " TLSFailed"}
					if modes[0] == ftpnat.PORT && after == 0 {
						// The server's 426 may be here before the connection is.
						want = append(want, "PORT DataRefused")
					}
					if !errors.As(err, &ne) || len(ne.Attempts) != 1 || !slices.Contains(want, causesOf(ne.Attempts)[0]) {
						t.Errorf("%v after %d bytes: %v", kind, after, err)
					}
					if took := time.Since(start); took > defaultAttemptTimeout+5*time.Second {
						t.Errorf("%v after %d bytes: it took %v", kind, after, took)
					}
				})
			}
		}
	}
}

// TestTLSDataStranger has somebody else take the data connection.
func TestTLSDataStranger(t *testing.T) {
	cert, other := newCert(t, "ftp.example.com"), newCert(t, "other.example.com")
	var asked atomic.Int32
	s := setup{
		ftp: func(s *ftptest.Server) {
			s.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if asked.Add(1) == 1 {
					return &cert.Server.Certificates[0], nil
				}
				return &other.Server.Certificates[0], nil
			}, SessionTicketsDisabled: true}
		},
		dialer: func(d *ftpnat.Dialer) { d.TLSConfig = &tls.Config{RootCAs: cert.Pool} },
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		err := w.fetch(c)
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
			t.Errorf("err = %v, want one about the certificate", err)
		}
		if err := w.store(c); err == nil {
			t.Error("a file was stored with a stranger")
		}
	})
}

// mute is a listener whose connections lose the alerts of TLS 1.2, that is the
// close_notify.
type mute struct{ net.Listener }

func (m mute) Accept() (net.Conn, error) {
	nc, err := m.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return muteConn{nc}, nil
}

type muteConn struct{ net.Conn }

func (c muteConn) Write(p []byte) (int, error) {
	const alert = 21
	if len(p) > 0 && p[0] == alert {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// muteSetup has a server that ends its data without a close_notify, the first of
// it after so many bytes where that is not below zero.
func muteSetup(cert ftptest.Cert, after int64, script []ftptest.Step) setup {
	return setup{
		ftp: func(s *ftptest.Server) {
			s.TLS, s.Script = cert.Server.Clone(), script
			s.TLS.MaxVersion = tls.VersionTLS12
			if after >= 0 {
				s.Faults = []ftptest.Fault{{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, After: after, Kind: ftptest.Cut}}
			}
			listen := s.Network.Listen
			s.Network.Listen = func(ctx context.Context, network, addr string) (net.Listener, error) {
				ln, err := listen(ctx, network, addr)
				return mute{ln}, err
			}
		},
		dialer: func(d *ftpnat.Dialer) { d.TLSConfig = &tls.Config{RootCAs: cert.Pool} },
	}
}

// TestNoCloseNotify leaves it to the closing reply and the size whether a
// download is whole.
func TestNoCloseNotify(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, tt := range []struct {
		name   string
		after  int64 // bytes that pass; below zero means all
		script []ftptest.Step
		want   error
	}{
		{"whole", -1, nil, nil},
		{"whole, no SIZE", -1, []ftptest.Step{{On: "SIZE", Reply: "550 no"}}, nil},
		{"short", 30_000, []ftptest.Step{{On: "RETR", Final: "226 all sent"}}, ftpnat.ErrShort},
		{"short, no size in the 150", 30_000, []ftptest.Step{{On: "RETR", Preliminary: "150 here it comes", Final: "226 all sent"}}, ftpnat.ErrShort},
		{"short, and the server says so", 30_000, nil, new(ftpnat.ReplyError)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := muteSetup(cert, tt.after, tt.script)
			inBubble(t, s, func(t *testing.T, w *world) {
				c := w.dial()
				defer c.Close()
				rc, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(rc)
				_, refused := tt.want.(*ftpnat.ReplyError)
				switch {
				case tt.want == nil && (err != nil || !bytes.Equal(got, content)):
					t.Errorf("%d bytes, %v", len(got), err)
				case refused && replyOf(err).Code != 426 && replyOf(err).Code != 451, !refused && !errors.Is(err, tt.want):
					t.Errorf("%d bytes, %v; want %v", len(got), err, tt.want)
				}
				if asked := strings.Contains(w.Verbs(), "SIZE"); asked == refused {
					t.Errorf("the size was asked for: %v", asked)
				}
				rc.Close()
				if err := w.fetch(c); tt.want != nil && err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys, err := w.d.Open(w.ctx, "ftp://ftp.example.com/")
				if err != nil {
					t.Fatal(err)
				}
				defer fsys.Close()
				if got, err := fs.ReadFile(fsys, "pub/file.bin"); err != nil || !bytes.Equal(got, content) {
					t.Errorf("ReadFile: %d bytes, %v", len(got), err)
				}
			})
		})
	}
}

// TestAuthSSL is tried where the Dialer says so and nowhere else.
func TestAuthSSL(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, allowed := range []bool{true, false} {
		s := setup{
			ftp: func(s *ftptest.Server) {
				s.TLS, s.RequireTLS = cert.Server, true
				s.Script = []ftptest.Step{{On: "AUTH", Nth: 1, Reply: "504 what"}}
			},
			dialer: func(d *ftpnat.Dialer) { d.TLSConfig, d.AuthSSL = &tls.Config{RootCAs: cert.Pool}, allowed },
		}
		inBubble(t, s, func(t *testing.T, w *world) {
			c, err := w.d.Dial(w.ctx, w.Addr)
			if !allowed {
				if replyOf(err).Code != 504 {
					t.Errorf("err = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := w.fetch(c); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClearData leaves data connections in clear text, which then prove
// nothing: an address that the 227 names is not dialled.
func TestClearData(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	s := setup{
		ftp: func(s *ftptest.Server) { s.TLS, s.Network.Advertise = cert.Server, deadAddr },
		dialer: func(d *ftpnat.Dialer) {
			d.TLSConfig, d.ClearData, d.Modes = &tls.Config{RootCAs: cert.Pool}, true, []ftpnat.Mode{ftpnat.PASV}
		},
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		if err := errors.Join(w.fetch(c), w.store(c)); err != nil {
			t.Error(err)
		}
		if c.Report().TLSVersion == "" {
			t.Error("the control connection is in clear text")
		}
	})
	// Where the server's own address does not answer, only the certificate of a
	// data connection could vouch for the other.
	s.near = []memnet.Box{memnet.Firewall{Rules: []memnet.Rule{{Direction: memnet.Outbound, Ports: memnet.PortRange{First: 1024, Last: 65535}, To: netip.PrefixFrom(serverAddr, 32), Do: memnet.Drop}}}}
	for clear, want := range map[bool][]string{true: {serverAddr.String()}, false: {deadAddr.String(), serverAddr.String()}} {
		inBubble(t, s, func(t *testing.T, w *world) {
			w.d.ClearData = clear
			dialled := recordDials(w.d)
			c := w.dial()
			defer c.Close()
			if err := w.fetch(c); err == nil {
				t.Error("a file was read through the firewall")
			}
			if got := dialled.hosts(); !slices.Equal(got, want) {
				t.Errorf("ClearData %v: dialled %q, want %q", clear, got, want)
			}
		})
	}
}
