//go:build linux

package lab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/ftpnat/ftpnat/lab/internal/client"
	"github.com/ftpnat/ftpnat/lab/internal/labtest"
	"github.com/ftpnat/ftpnat/lab/internal/nat64"
	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// unfit says why this machine cannot run the lab. It is nil if it can.
var unfit error

func TestMain(m *testing.M) {
	client.Main()
	// The tests wait for timers of the network far more than they compute.
	// The command line still has the last word.
	flag.Set("test.parallel", "10")
	if unfit = fitness(); unfit != nil {
		code := m.Run()
		labtest.Skipped(unfit)
		os.Exit(code)
	}
	ctx := context.Background()
	if left, err := netns.Sweep(ctx); len(left) > 0 || err != nil {
		fmt.Fprintln(os.Stderr, "lab: removed what an earlier run left:", left, err)
	}
	code := m.Run()
	if left, err := netns.Close(ctx); len(left) > 0 || err != nil {
		fmt.Fprintln(os.Stderr, "lab: the tests left namespaces behind:", left, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func fitness() error {
	if err := netns.Check(); err != nil {
		return err
	}
	if err := errors.Join(servers.Missing(), nat64.Missing()); err != nil {
		return errors.Join(errors.New("run lab/install.sh first"), err)
	}
	return nil
}

// needLab is for tests that have this machine's servers and networks.
func needLab(t *testing.T) {
	t.Helper()
	labtest.Need(t, unfit)
}
