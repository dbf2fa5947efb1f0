//go:build linux

// Package miniupnpd runs the gateway daemon of many home routers, which speaks
// UPnP IGD, NAT-PMP and PCP, on a router of the laboratory.
package miniupnpd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/lab/internal/netns"
	"github.com/ftpnat/ftpnat/lab/internal/servers"
)

// Rules are those of a router that lets in what miniupnpd has mapped, and
// nothing else. They are to stand beside those of a NAT.
const Rules = `
table inet miniupnpd {
	chain forward {
		type filter hook forward priority filter; policy drop
		ct state established,related accept
		iifname "lan0" accept
		jump upnp-forward
	}
	chain prerouting {
		type nat hook prerouting priority dstnat
		jump upnp-redirect
	}
	chain postrouting {
		type nat hook postrouting priority srcnat
		jump upnp-masquerade
	}
	chain upnp-forward {
	}
	chain upnp-redirect {
	}
	chain upnp-masquerade {
	}
}
`

// The daemon's settings. Only hosts of the private network may ask, each for
// itself.
const config = `ext_ifname=wan0
listening_ip=lan0
http_port=0
enable_natpmp=yes
enable_upnp=yes
secure_mode=yes
min_lifetime=120
system_uptime=no
uuid=00000000-0000-0000-0000-000000000001
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=upnp-forward
upnp_nat_chain=upnp-redirect
upnp_nat_postrouting_chain=upnp-masquerade
lease_file=%s
allow 1024-65535 10.0.0.0/8 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
`

// startTimeout is ample for what takes milliseconds.
const startTimeout = 20 * time.Second

// ready is what the daemon logs when all of its sockets are open.
const ready = "Listening for NAT-PMP/PCP traffic"

// Daemon is a miniupnpd that runs.
type Daemon struct {
	router *netns.Namespace
	dir    string
	cancel context.CancelFunc
	log    logWriter
	exited chan struct{}
}

// Path returns where install.sh unpacks the program.
func Path() string {
	return filepath.Join(servers.CacheDir(), "miniupnpd-nftables", "usr/sbin/miniupnpd")
}

// Start runs miniupnpd on a router that has Rules, and returns when it
// listens. Stop it.
func Start(ctx context.Context, router *netns.Namespace) (*Daemon, error) {
	dir, err := os.MkdirTemp("", "ftpnat-lab-miniupnpd-")
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := &Daemon{router: router, dir: dir, cancel: cancel, exited: make(chan struct{})}
	d.log.ready = make(chan struct{})
	if err := d.start(running); err != nil {
		close(d.exited)
		return nil, errors.Join(err, d.Stop())
	}
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case <-d.log.ready:
		return d, nil
	case <-d.exited:
		err = errors.New("it ended")
	case <-timeout.C:
		err = errors.New("it does not listen")
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(fmt.Errorf("start miniupnpd: %w\n%s", err, d.Log()), d.Stop())
}

func (d *Daemon) start(ctx context.Context) error {
	conf := filepath.Join(d.dir, "conf")
	text := fmt.Sprintf(config, filepath.Join(d.dir, "leases"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	cmd := d.router.Command(ctx, Path(), "-d", "-f", conf, "-P", filepath.Join(d.dir, "pid"))
	cmd.Dir = d.dir
	cmd.Stdout, cmd.Stderr = &d.log, &d.log
	if err := cmd.Start(); err != nil {
		return err
	}
	go d.wait(cmd)
	return nil
}

func (d *Daemon) wait(cmd *exec.Cmd) {
	defer close(d.exited)
	cmd.Wait()
}

// Mappings returns the rules by which the daemon redirects ports now.
func (d *Daemon) Mappings(ctx context.Context) ([]string, error) {
	out, err := d.router.Run(ctx, "", "nft", "list", "chain", "inet", "miniupnpd", "upnp-redirect")
	if err != nil {
		return nil, err
	}
	var rules []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "dnat") {
			rules = append(rules, strings.TrimSpace(line))
		}
	}
	return rules, nil
}

// Log returns what the daemon has logged.
func (d *Daemon) Log() string { return d.log.String() }

// Stop ends the daemon and removes its files.
func (d *Daemon) Stop() error {
	d.cancel()
	<-d.exited
	return os.RemoveAll(d.dir)
}

// ExternalAddr gives the public segment's side of the client's router other
// addresses, which miniupnpd takes for public ones: it refuses to work with
// those for documentation that the laboratory has otherwise. They are routed
// inside the laboratory only.
func ExternalAddr(ctx context.Context, in *netns.Internet) (netip.Addr, error) {
	const gateway = "11.0.0.1"
	outer := netip.MustParseAddr("11.0.0.2")
	_, err := in.Public.Run(ctx, "", "ip", "address", "add", gateway+"/30", "dev", "client0")
	if err != nil {
		return outer, err
	}
	for _, args := range [][]string{
		{"address", "flush", "dev", "wan0"},
		{"address", "add", outer.String() + "/30", "dev", "wan0"},
		{"route", "replace", "default", "via", gateway},
	} {
		if _, err := in.ClientRouter.Run(ctx, "", "ip", args...); err != nil {
			return outer, err
		}
	}
	return outer, nil
}

// logWriter keeps a log, and closes ready when the line comes that says so.
type logWriter struct {
	ready chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
	seen bool
}

func (w *logWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if !w.seen && bytes.Contains(w.text.Bytes(), []byte(ready)) {
		w.seen = true
		close(w.ready)
	}
	return len(b), nil
}

func (w *logWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
