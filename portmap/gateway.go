package portmap

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/libp2p/go-netroute"
)

// faraway are addresses that only a default route leads to: a root name
// server's, which do not change. They are looked up in the routing table and
// nothing is sent to them.
var faraway = [2]netip.Addr{
	netip.MustParseAddr("198.41.0.4"),
	netip.MustParseAddr("2001:503:ba3e::2:30"),
}

// findGateway returns the next hop toward the Internet for packets from local.
func findGateway(local netip.Addr) (netip.Addr, error) {
	if local.IsLoopback() {
		return netip.Addr{}, fmt.Errorf("%w for %v, which is a loopback address", ErrNoGateway, local)
	}
	if interfaceOf(local) == nil {
		return netip.Addr{}, fmt.Errorf("%w for %v, which is not an address of this machine", ErrNoGateway, local)
	}
	dst := faraway[0]
	if local.Is6() {
		dst = faraway[1]
	}
	router, err := netroute.New()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("portmap: the routing table: %w", err)
	}
	ifi, hop, _, err := router.RouteWithSrc(nil, local.AsSlice(), dst.AsSlice())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w for %v: %w", ErrNoGateway, local, err)
	}
	gateway, ok := netip.AddrFromSlice(hop)
	if !ok || gateway.IsUnspecified() {
		return netip.Addr{}, fmt.Errorf("%w for %v", ErrNoGateway, local)
	}
	gateway = gateway.Unmap()
	if gateway.Is6() && gateway.IsLinkLocalUnicast() {
		gateway = gateway.WithZone(ifi.Name)
	}
	if gateway.Is4() != local.Is4() {
		return netip.Addr{}, fmt.Errorf("%w for %v: %v is of the other family", ErrNoGateway, local, gateway)
	}
	return gateway, nil
}

// interfaceOf returns the interface that has the address, or nil.
func interfaceOf(local netip.Addr) *net.Interface {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, ifi := range interfaces {
		addrs, err := ifi.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, ok := a.(*net.IPNet); ok && p.IP.Equal(local.AsSlice()) {
				return &ifi
			}
		}
	}
	return nil
}
