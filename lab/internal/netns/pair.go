//go:build linux

package netns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
)

// Pair is a client and a server with nothing between them, for measurements of
// speed. Package delay lays a wire of a given length, and Join one of none.
type Pair struct {
	Client, Server         *Namespace
	ClientAddr, ServerAddr netip.Addr
}

// BuildPair makes a Pair. Close it.
func BuildPair(ctx context.Context) (*Pair, error) {
	serial := built.Add(1)
	name := func(host string) *Namespace {
		return &Namespace{Name: fmt.Sprintf("%s%d-%d-%s", prefix, os.Getpid(), serial, host)}
	}
	p := &Pair{
		Client:     name("client"),
		Server:     name("server"),
		ClientAddr: netip.MustParseAddr(clientSide.wan),
		ServerAddr: netip.MustParseAddr(serverSide.wan),
	}
	for _, n := range []*Namespace{p.Client, p.Server} {
		if err := n.prepare(ctx); err != nil {
			return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
		}
	}
	return p, nil
}

// prepare makes a host of a Pair. What the machine has as its congestion
// control is not to show in the figures, and IPv6 would talk for itself.
func (n *Namespace) prepare(ctx context.Context) error {
	if err := n.add(ctx); err != nil {
		return err
	}
	return errors.Join(
		n.Sysctl(ctx, "net.ipv4.tcp_congestion_control", "reno"),
		n.Sysctl(ctx, "net.ipv6.conf.default.disable_ipv6", "1"),
	)
}

// Join connects the two directly.
func (p *Pair) Join(ctx context.Context) error {
	err := p.Client.ip(ctx, fmt.Sprintf("link add eth0 type veth peer name eth0 netns %s", p.Server.Name))
	return errors.Join(err, p.Address(ctx, "eth0"))
}

// Address gives the interface of that name on both sides its address and brings
// it up.
func (p *Pair) Address(ctx context.Context, name string) error {
	address := func(n *Namespace, local, peer netip.Addr) error {
		return n.ip(ctx,
			fmt.Sprintf("address add %s peer %s dev %s", local, peer, name),
			fmt.Sprintf("link set %s up", name),
		)
	}
	return errors.Join(
		address(p.Client, p.ClientAddr, p.ServerAddr),
		address(p.Server, p.ServerAddr, p.ClientAddr),
	)
}

// Close ends every process inside and removes both.
func (p *Pair) Close(ctx context.Context) error {
	return removeAll(ctx, p.Client, p.Server)
}

// removeAll removes those that are there.
func removeAll(ctx context.Context, namespaces ...*Namespace) error {
	var errs []error
	for _, n := range namespaces {
		if _, err := os.Stat(folder + n.Name); err == nil {
			errs = append(errs, n.remove(ctx))
		}
	}
	return errors.Join(errs...)
}
