package ftpnat

import (
	"testing"
	"testing/synctest"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
)

// TestIdentify tells servers by other signs than their greeting, and does not
// trust a greeting alone.
func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		server ftptest.Personality
		want   software
	}{
		{ftptest.VSFTPD().Saying("greeting", "220 Welcome."), vsftpd},
		{ftptest.PureFTPd().Saying("greeting", "220 Welcome."), pureFTPd},
		{ftptest.Pyftpdlib().Saying("greeting", "220 Welcome."), pyftpdlib},
		{ftptest.Plain().Saying("greeting", "220 (vsFTPd 3.0.3)"), unknownSoftware},
		{ftptest.ProFTPD(), proFTPD},
		{ftptest.IIS(), unknownSoftware},
		{ftptest.FileZilla(), unknownSoftware},
		{ftptest.Ancient(), unknownSoftware},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := ftpworld.New(t, ftpworld.Setup{FTP: func(s *ftptest.Server) { s.Personality = c.server }})
			defer w.Close()
			conn := dialWorld(t, w)
			defer conn.Close()
			if got := conn.l.software(); got != c.want {
				t.Errorf("%s: %d, want %d", c.server.Name, got, c.want)
			}
		})
	}
}

// dialWorld logs in or fails the test.
func dialWorld(t *testing.T, w *ftpworld.World) *Conn {
	t.Helper()
	c, err := (&Dialer{DialContext: w.Client.DialContext, Listen: w.Client.Listen}).Dial(t.Context(), w.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
