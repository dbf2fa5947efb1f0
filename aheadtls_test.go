package ftpnat

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestRoundTripsTLS counts round trips under TLS 1.3, with a server whose one
// key exchange is not what crypto/tls offers first.
func TestRoundTripsTLS(t *testing.T) {
	const n = 20
	cert := newCert(t, "ftp.example.com")
	for _, c := range []struct {
		server                    ftptest.Personality
		first, download, uploaded float64
	}{
		{ftptest.VSFTPD(), 9, 4.2, 4.2},
		{ftptest.PureFTPd(), 8, 3.2, 3.2},
		{ftptest.Pyftpdlib(), 8, 4.2, 4.2},
	} {
		t.Run(c.server.Name, func(t *testing.T) {
			s := setup{
				dialer: func(d *Dialer) { d.MaxConns, d.TLSConfig = 1, &tls.Config{RootCAs: cert.Pool} },
				ftp: func(s *ftptest.Server) {
					s.Personality = c.server
					s.TLS = cert.Server.Clone()
					s.TLS.CurvePreferences = []tls.CurveID{tls.CurveP256}
					s.RequireReuse = true
					files(n)(s)
				},
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				check := func(what string, got, most float64) {
					t.Logf("%s: %.2f round trips", what, got)
					if got > most {
						t.Errorf("%s took %.2f round trips, want at most %.1f", what, got, most)
					}
				}
				var fsys *FS
				read := func(i int) {
					got, err := fsys.ReadFile(fmt.Sprintf("f%02d", i))
					if err != nil || !bytes.Equal(got, small) {
						t.Fatalf("%d bytes, %v", len(got), err)
					}
				}
				check("from the start to the end of a file", trips(func() {
					fsys = w.openFS(t, "")
					read(0)
				}), c.first)
				check("a download", trips(func() {
					for i := range n {
						read(i)
					}
				})/n, c.download)
				check("an upload", trips(func() {
					for i := range n {
						if err := fsys.WriteFile(fmt.Sprintf("up%d", i), small, 0o644); err != nil {
							t.Fatal(err)
						}
					}
				})/n, c.uploaded)
				for i := range n {
					w.has(t, fmt.Sprintf("up%d", i), string(small))
				}
			})
		})
	}
}
