package ftpnat_test

import (
	"crypto/tls"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestRoundTripsTLS counts round trips under TLS 1.3, with a server whose one
// key exchange is not what crypto/tls offers first.
func TestRoundTripsTLS(t *testing.T) {
	const n = 20
	cert := newCert(t, "ftp.example.com")
	for _, c := range []struct {
		server                           ftptest.Personality
		first, later, download, uploaded float64
	}{
		{ftptest.VSFTPD(), 10, 9, 4.2, 4.2},
		// Their 150 tells no size: in the plain way, which a first session takes,
		// SIZE is a round trip of its own.
		{ftptest.PureFTPd(), 10, 8, 3.2, 3.2},
		{ftptest.Pyftpdlib(), 10, 8, 4.2, 4.2},
	} {
		t.Run(c.server.Name, func(t *testing.T) {
			s := setup{
				dialer: func(d *ftpnat.Dialer) { d.MaxConns, d.TLSConfig = 1, &tls.Config{RootCAs: cert.Pool} },
				ftp: func(s *ftptest.Server) {
					s.Personality = c.server
					s.TLS = cert.Server.Clone()
					s.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256}
					s.RequireReuse = true
					files(n)(s)
				},
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				var fsys *ftpnat.FS
				atMost(t, "from the start to the end of a file", trips(func() {
					fsys = w.openFS(t, "")
					readEach(t, fsys, 1)
				}), c.first)
				atMost(t, "the same in a later session", trips(func() { readEach(t, w.openFS(t, ""), 1) }), c.later)
				atMost(t, "a download", readEach(t, fsys, n), c.download)
				atMost(t, "an upload", w.writeEach(t, fsys, n), c.uploaded)
			})
		})
	}
}

// TestFirstByteTLS counts the round trips from the start to the first byte over TLS
// 1.3. A later session takes seven: TCP, AUTH together with the greeting, TLS, the
// login together with EPSV, TCP, TLS resumed, and the byte, since a server sends
// none before it has the client's Finished.
func TestFirstByteTLS(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.Pyftpdlib(), ftptest.IIS(), ftptest.FileZilla()} {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{
				dialer: func(d *ftpnat.Dialer) { d.TLSConfig = &tls.Config{RootCAs: cert.Pool} },
				ftp: func(s *ftptest.Server) {
					s.Personality, s.TLS = p, cert.Server.Clone()
					files(1)(s)
				},
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				for _, most := range []float64{9.1, 7.1, 7.1} {
					atMost(t, "from the start to the first byte", trips(func() {
						f, err := w.openFS(t, "").Open("f00")
						if err != nil {
							t.Fatal(err)
						}
						if _, err := f.Read(make([]byte, 1)); err != nil {
							t.Fatal(err)
						}
					}), most)
				}
			})
		})
	}
}
