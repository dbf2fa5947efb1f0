//go:build linux

package beam

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftpdaemon"
)

// startDaemon starts a server, and has Beam reach it as ftp.test.
func startDaemon(t *testing.T, name string) *ftpdaemon.Daemon {
	t.Helper()
	d, err := ftpdaemon.Start(name, t.TempDir())
	if errors.Is(err, ftpdaemon.ErrMissing) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	use(t, func(*url.URL) (*ftpnat.Dialer, error) {
		return &ftpnat.Dialer{User: ftpdaemon.User, Password: ftpdaemon.Password, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(addr); host == "ftp.test" {
				addr = d.Addr
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}}, nil
	})
	return d
}

// TestPipelineDaemons is TestPipeline on servers of the field.
func TestPipelineDaemons(t *testing.T) {
	for _, name := range []string{"vsftpd", "pure-ftpd"} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", name, restart), func(t *testing.T) {
				d := startDaemon(t, name)
				in := filepath.Join(d.Root, "in")
				if err := os.Mkdir(in, 0o755); err != nil {
					t.Fatal(err)
				}
				for i := range orderFiles {
					if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("%04d.csv", i)), []byte(orders(i)), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				restarted := 0
				if restart {
					restartAt(t, 2000, func() {
						restarted++
						d.Stop()
						if err := d.Restart(); err != nil {
							t.Error(err)
						}
					})
				}
				aggregate(t, "ftp://ftp.test")
				text, err := os.ReadFile(filepath.Join(d.Root, "out/2026/sums.csv"))
				if err != nil {
					t.Fatal(err)
				}
				check(t, string(text))
				if restart && restarted != 1 {
					t.Errorf("restarted %d times", restarted)
				}
				left, _ := filepath.Glob(filepath.Join(d.Root, "out/2026/.*"))
				if len(left) > 0 {
					t.Errorf("left: %v", left)
				}
			})
		}
	}
}
