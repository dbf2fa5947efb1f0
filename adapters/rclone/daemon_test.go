//go:build linux

package rclone

import (
	"errors"
	"strconv"
	"testing"

	"github.com/ftpnat/ftpnat/internal/ftpdaemon"
)

// TestDaemons is TestEmbedded on servers of the field.
func TestDaemons(t *testing.T) {
	encodings := map[string]string{"pure-ftpd": "BackSlash,Ctl,Del,Dot,RightSpace,Slash", "proftpd": "Asterisk,Ctl,Dot,Slash", "pyftpdlib": defaultEncoding + ",InvalidUtf8"}
	for _, name := range ftpdaemon.Names {
		for _, concurrency := range []int{4, 1} {
			t.Run(name+" "+strconv.Itoa(concurrency), func(t *testing.T) {
				d, err := ftpdaemon.Start(name, t.TempDir())
				if err != nil {
					skipIfMissing(t, err)
				}
				defer d.Stop()
				encoding := encodings[name]
				if encoding == "" {
					encoding = defaultEncoding
				}
				conform(t, name, d.Addr, encoding, concurrency)
			})
		}
	}
}

func skipIfMissing(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, ftpdaemon.ErrMissing) {
		t.Skip(err)
	}
	t.Fatal(err)
}
