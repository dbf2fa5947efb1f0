package ftpnat_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestAborted has a server break off what it cannot begin, in every mode: it is the
// file that it refuses, and no firewall is to blame.
func TestAborted(t *testing.T) {
	const reply = "426 Connection closed; transfer aborted"
	steps := []any{ftptest.Step{On: "STOR", Arg: "pub/no/such", Reply: reply}, ftptest.Step{On: "STOR", Arg: "pub/never", Reply: reply},
		ftptest.Step{On: "RETR", Arg: "pub/closed", Reply: reply}}
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.Plain(), ftptest.NodeFtpd()} {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, played(p, steps...), func(t *testing.T, w *world) {
				w.put(t, "pub/closed", small)
				fsys := w.openFS(t, "")
				for name, want := range map[string]error{"pub/no/such": fs.ErrNotExist, "pub/never": nil} {
					err := fsys.WriteFile(name, small, 0o644)
					checkAborted(t, name, err, want)
				}
				_, err := fsys.ReadFile("pub/closed")
				checkAborted(t, "pub/closed", err, nil)
				if got, err := fsys.ReadFile("pub/file.bin"); err != nil || string(got) != string(content) {
					t.Errorf("another file: %d bytes, %v", len(got), err)
				}
				if n := strings.Count(w.Verbs(), "STOR"); n > 30 {
					t.Errorf("%d times STOR", n)
				}
			})
		})
	}
}

func checkAborted(t *testing.T, name string, err, want error) {
	t.Helper()
	var negotiation *ftpnat.NegotiateError
	if err == nil || errors.As(err, &negotiation) || want != nil && !errors.Is(err, want) {
		t.Errorf("%s: %v", name, err)
	}
}
