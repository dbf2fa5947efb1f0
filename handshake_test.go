package ftpnat_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestHandshakeCut has the connections that are to replace a broken one end in
// their TLS handshakes, as those of a server which is just being restarted.
func TestHandshakeCut(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, kind := range []ftptest.Ending{ftptest.Cut, ftptest.Reset} {
		s := setup{
			dialer: func(d *ftpnat.Dialer) { d.MaxConns, d.TLSConfig = 1, &tls.Config{RootCAs: cert.Pool} },
			ftp: func(s *ftptest.Server) {
				s.TLS = cert.Server
				s.Faults = []ftptest.Fault{
					{On: ftptest.Data, Conn: 1, Dir: ftptest.Sent, After: 50_000, Kind: ftptest.Reset},
				}
				for conn := 2; conn < 6; conn++ {
					s.Script = append(s.Script, ftptest.Step{On: "AUTH", Conn: conn, Reply: "234 Proceed.", Then: kind})
				}
			},
		}
		inBubble(t, s, func(t *testing.T, w *world) {
			f, err := w.openFS(t, "").Open("pub/file.bin")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(f)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if n := w.Server.Counters().Connections; n < 6 {
				t.Errorf("%d connections", n)
			}
		})
	}
}
