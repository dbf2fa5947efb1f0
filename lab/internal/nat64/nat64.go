//go:build linux

package nat64

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// prefix is a network of our own: behind the well-known prefix tayga refuses
// IPv4 addresses that are not global, those for documentation among them.
var prefix = netip.MustParsePrefix("2001:db8:64::/96")

// Addr returns the IPv6 address at which clients of the router find addr: RFC
// 6052, 2.2.
func Addr(addr netip.Addr) netip.Addr {
	b, four := prefix.Addr().As16(), addr.As4()
	copy(b[12:], four[:])
	return netip.AddrFrom16(b)
}

const config = `tun-device nat64
ipv4-addr 192.168.255.1
ipv6-addr 2001:db8:6464::1
prefix %s
dynamic-pool 192.168.255.0/24
data-dir %s
`

// network leads the two networks of tayga to its device.
const network = `link set nat64 up
address add 192.168.254.1 dev nat64
route add 192.168.255.0/24 dev nat64
route add %s dev nat64
`

// Daemon is a tayga that runs.
type Daemon struct {
	cmd    *exec.Cmd
	cancel context.CancelFunc
	dir    string
}

func program() string { return filepath.Join(servers.CacheDir(), "tayga", "usr/sbin/tayga") }

// Missing reports why tayga cannot run here; nil if it can.
func Missing() error {
	for _, path := range []string{program(), "/dev/net/tun"} {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	return nil
}

// Start runs tayga on a router, which is to masquerade what leaves it. Stop
// it.
func Start(ctx context.Context, router *netns.Namespace) (_ *Daemon, err error) {
	d := &Daemon{}
	if d.dir, err = os.MkdirTemp("", "ftpnat-lab-nat64-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start tayga: %w\n%s", err, d.Log()), d.Stop())
		}
	}()
	conf := filepath.Join(d.dir, "conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, config, prefix, d.dir), 0o600); err != nil {
		return nil, err
	}
	if _, err := router.Run(ctx, "", program(), "-c", conf, "--mktun"); err != nil {
		return nil, err
	}
	if _, err := router.Run(ctx, fmt.Sprintf(network, prefix), "ip", "-batch", "-"); err != nil {
		return nil, err
	}
	return d, d.start(router, conf)
}

// start leaves tayga in the foreground. The device is there: what is sent to
// it before tayga reads waits.
func (d *Daemon) start(router *netns.Namespace, conf string) error {
	output, err := os.Create(d.log())
	if err != nil {
		return err
	}
	defer output.Close()
	// It outlives the context that it is started with: Stop ends it.
	ctx, cancel := context.WithCancel(context.Background())
	cmd := router.Command(ctx, program(), "-d", "-c", conf)
	cmd.WaitDelay = time.Second
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		cancel()
		return err
	}
	d.cmd, d.cancel = cmd, cancel
	return nil
}

func (d *Daemon) log() string { return filepath.Join(d.dir, "log") }

// Log returns what tayga has logged.
func (d *Daemon) Log() string {
	text, err := os.ReadFile(d.log())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop ends tayga and removes its files.
func (d *Daemon) Stop() error {
	if d.cmd != nil {
		d.cancel()
		d.cmd.Wait()
	}
	return os.RemoveAll(d.dir)
}
