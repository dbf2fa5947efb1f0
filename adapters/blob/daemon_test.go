//go:build linux

package blob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftpdaemon"
	"gocloud.dev/blob/drivertest"
)

// TestDaemons is TestConformance on servers of the field. ProFTPD refuses to make
// directories with an asterisk in their names, of which TestKeys has one.
func TestDaemons(t *testing.T) {
	for _, name := range []string{"vsftpd", "pure-ftpd", "pyftpdlib"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := ftpdaemon.Start(name, t.TempDir())
			if errors.Is(err, ftpdaemon.ErrMissing) {
				t.Skip(err)
			} else if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(d.Stop)
			n := 0
			drivertest.RunConformanceTests(t, func(ctx context.Context, t *testing.T) (drivertest.Harness, error) {
				n++
				root := filepath.Join(d.Root, fmt.Sprint(n))
				if err := errors.Join(os.Mkdir(root, 0o755), os.Chown(root, ftpdaemon.Account, ftpdaemon.Account)); err != nil {
					return nil, err
				}
				fsys, err := (&ftpnat.Dialer{User: ftpdaemon.User, Password: ftpdaemon.Password}).Open(ctx, fmt.Sprintf("ftp://%s/%d", d.Addr, n))
				if err != nil {
					return nil, err
				}
				return &harness{fsys: fsys}, nil
			}, []drivertest.AsTest{verifyAs{}})
		})
	}
}
