//go:build linux

package netns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
)

// Site says how one end of an Internet is attached: behind a router, in a
// network of private or of public addresses, with the rules of that router.
type Site struct {
	Private bool // the host has an address out of 10/8 that is routed nowhere else
	IPv6    bool // the host has an IPv6 address
	NoIPv4  bool // and none of IPv4

	// Rules are nft(8) rules for the router. Its interfaces are lan0 and wan0;
	// $host is the host's address and $wan the router's public one.
	Rules string
}

// Internet is a client and a server, each behind a router of its own, and a
// public segment between these:
//
//	Client --- lan0 ClientRouter wan0 --- Public --- wan0 ServerRouter lan0 --- Server
type Internet struct {
	Client, ClientRouter, Public, ServerRouter, Server *Namespace

	ClientAddr, ServerAddr netip.Addr // of the hosts; IPv6 where they have no other
	ClientWAN, ServerWAN   netip.Addr // of their routers, always public
	DeadAddr, DeadAddr6    netip.Addr // public; what is sent there vanishes
}

// The public segment joins one network on each side of it; behind these are
// the sites' own networks. Everything public is an address for documentation
// (RFC 5737, RFC 3849).
var (
	clientSide = side{wan: "203.0.113.2", gateway: "203.0.113.1", public: "203.0.113.64", private: "10.1.0.0", six: "2001:db8:1"}
	serverSide = side{wan: "198.51.100.2", gateway: "198.51.100.1", public: "198.51.100.64", private: "10.2.0.0", six: "2001:db8:2"}

	deadAddr6 = netip.MustParseAddr("2001:db8:dead::1")
)

type side struct {
	wan, gateway    string // the link to the public segment, /30
	public, private string // the two networks a site can have, /26
	six             string // begins the IPv6 networks: 0 is the link, 1 the site's, /64
}

// addr6 returns an address in one of a side's IPv6 networks: 1 is the one
// nearer to the public segment, 2 the other.
func (s side) addr6(network, host int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("%s:%d::%d", s.six, network, host))
}

// lan returns the addresses of the router and of the host in a site's network.
func (s side) lan(private bool) (network, router, host netip.Addr) {
	network = netip.MustParseAddr(s.public)
	if private {
		network = netip.MustParseAddr(s.private)
	}
	return network, network.Next(), network.Next().Next()
}

var built atomic.Int64 // counts Internets, for their names

// Build makes an Internet. Close it, also when the test has failed.
func Build(ctx context.Context, client, server Site) (*Internet, error) {
	serial := built.Add(1)
	name := func(host string) *Namespace {
		return &Namespace{Name: fmt.Sprintf("%s%d-%d-%s", prefix, os.Getpid(), serial, host)}
	}
	in := &Internet{
		Client:       name("client"),
		ClientRouter: name("crouter"),
		Public:       name("public"),
		ServerRouter: name("srouter"),
		Server:       name("server"),
		ClientWAN:    netip.MustParseAddr(clientSide.wan),
		ServerWAN:    netip.MustParseAddr(serverSide.wan),
	}
	_, _, in.ClientAddr = clientSide.lan(client.Private)
	_, _, in.ServerAddr = serverSide.lan(server.Private)
	_, _, last := serverSide.lan(false)
	in.DeadAddr, in.DeadAddr6 = last.Next(), deadAddr6
	if client.NoIPv4 {
		in.ClientAddr = clientSide.addr6(1, 2)
	}
	if server.NoIPv4 {
		in.ServerAddr = serverSide.addr6(1, 2)
	}
	if err := in.build(ctx, client, server); err != nil {
		return nil, errors.Join(err, in.Close(context.WithoutCancel(ctx)))
	}
	return in, nil
}

// ServerPublic returns the address at which the client reaches the server: its
// own, or its router's if it is private.
func (in *Internet) ServerPublic() netip.Addr {
	if in.ServerAddr.IsPrivate() {
		return in.ServerWAN
	}
	return in.ServerAddr
}

// Close ends every process inside and removes the namespaces, and with them
// the links between them.
func (in *Internet) Close(ctx context.Context) error {
	return removeAll(ctx, in.namespaces()...)
}

func (in *Internet) namespaces() []*Namespace {
	return []*Namespace{in.Client, in.ClientRouter, in.Public, in.ServerRouter, in.Server}
}

func (in *Internet) build(ctx context.Context, client, server Site) error {
	for _, n := range in.namespaces() {
		if err := n.add(ctx); err != nil {
			return err
		}
	}
	for _, router := range []*Namespace{in.ClientRouter, in.Public, in.ServerRouter} {
		if err := router.Sysctl(ctx, "net.ipv4.ip_forward", "1"); err != nil {
			return err
		}
		if err := router.Sysctl(ctx, "net.ipv6.conf.all.forwarding", "1"); err != nil {
			return err
		}
	}
	if err := in.attach(ctx, clientSide, client, in.Client, in.ClientRouter, "client0"); err != nil {
		return err
	}
	if err := in.attach(ctx, serverSide, server, in.Server, in.ServerRouter, "server0"); err != nil {
		return err
	}
	// The Internet's core answers nothing about what it has no route for.
	return in.Public.ip(ctx,
		"route add blackhole default",
		fmt.Sprintf("route add blackhole %s/128", deadAddr6),
		fmt.Sprintf("route add blackhole %s/32", in.DeadAddr),
	)
}

// attach joins a host to its router and that to the public segment's port.
func (in *Internet) attach(ctx context.Context, s side, site Site, host, router *Namespace, port string) error {
	network, inner, addr := s.lan(site.Private)
	err := in.Public.ip(ctx,
		fmt.Sprintf("link add %s type veth peer name wan0 netns %s", port, router.Name),
		fmt.Sprintf("address add %s/30 dev %s", s.gateway, port),
		fmt.Sprintf("link set %s up", port),
	)
	if err != nil {
		return err
	}
	err = router.ip(ctx,
		fmt.Sprintf("link add lan0 type veth peer name eth0 netns %s", host.Name),
		fmt.Sprintf("address add %s/26 dev lan0", inner),
		fmt.Sprintf("address add %s/30 dev wan0", s.wan),
		"link set lan0 up",
		"link set wan0 up",
		fmt.Sprintf("route add default via %s", s.gateway),
	)
	if err != nil {
		return err
	}
	if err := host.ip(ctx, "link set eth0 up"); err != nil {
		return err
	}
	if !site.NoIPv4 {
		err = host.ip(ctx, fmt.Sprintf("address add %s/26 dev eth0", addr), fmt.Sprintf("route add default via %s", inner))
		if err != nil {
			return err
		}
	}
	if site.IPv6 {
		if err := in.attach6(ctx, s, host, router, port); err != nil {
			return err
		}
	}
	if !site.Private {
		if err := in.Public.ip(ctx, fmt.Sprintf("route add %s/26 via %s", network, s.wan)); err != nil {
			return err
		}
	}
	if site.Rules == "" {
		return nil
	}
	return router.Nft(ctx, fmt.Sprintf("define host = %s\ndefine wan = %s\n%s", addr, s.wan, site.Rules))
}

// attach6 gives a site that is attached already its IPv6 addresses.
func (in *Internet) attach6(ctx context.Context, s side, host, router *Namespace, port string) error {
	err := in.Public.ip(ctx,
		fmt.Sprintf("address add %s/64 dev %s nodad", s.addr6(0, 1), port),
		fmt.Sprintf("route add %s/64 via %s", s.addr6(1, 0), s.addr6(0, 2)),
	)
	if err != nil {
		return err
	}
	err = router.ip(ctx,
		fmt.Sprintf("address add %s/64 dev wan0 nodad", s.addr6(0, 2)),
		fmt.Sprintf("address add %s/64 dev lan0 nodad", s.addr6(1, 1)),
		fmt.Sprintf("route add default via %s", s.addr6(0, 1)),
	)
	if err != nil {
		return err
	}
	return host.ip(ctx,
		fmt.Sprintf("address add %s/64 dev eth0 nodad", s.addr6(1, 2)),
		fmt.Sprintf("route add default via %s", s.addr6(1, 1)),
	)
}
