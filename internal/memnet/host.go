package memnet

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
)

// firstEphemeral is the first port given out where the caller asks for none,
// IANA's first dynamic port.
const firstEphemeral = 49152

// A Host is a machine with one or more addresses. It dials and listens.
type Host struct {
	net   *Network
	site  *Site
	name  string
	addrs []netip.Addr

	listeners map[netip.AddrPort]*Listener
	ports     map[uint16]int // local ports in use, and by how many
	tuples    map[tuple]struct{}
	cursor    int // ephemeral ports given out
}

// tuple identifies a connection on a host.
type tuple struct{ local, remote netip.AddrPort }

// Name returns the name the host was made with.
func (h *Host) Name() string { return h.name }

// Addrs returns the host's own addresses, as they were given.
func (h *Host) Addrs() []netip.Addr { return slices.Clone(h.addrs) }

// DialContext connects to addr, "host:port", as net.Dialer.DialContext does. Network is
// "tcp", "tcp4" or "tcp6". The addresses of a name are tried one after the other.
func (h *Host) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return h.DialFrom(ctx, netip.AddrPort{}, network, addr)
}

// DialFrom is like DialContext and connects from local. An address that is not
// valid, and a port of zero, mean any. A port may be shared with listeners and with
// connections to other places.
func (h *Host) DialFrom(ctx context.Context, local netip.AddrPort, network, addr string) (net.Conn, error) {
	remotes, err := h.resolve(network, addr)
	if err != nil {
		return nil, opError("dial", nil, nil, err)
	}
	var first error
	for _, remote := range remotes {
		c, err := h.dial(ctx, local, remote)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// resolve returns what addr stands for, of the families that network allows.
func (h *Host) resolve(network, addr string) ([]netip.AddrPort, error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil, net.UnknownNetworkError(network)
	}
	name, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, &net.AddrError{Err: "invalid port", Addr: addr}
	}
	addrs := h.lookup(name)
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	var found []netip.AddrPort
	for _, a := range addrs {
		if network == "tcp" || a.Is4() == (network == "tcp4") {
			found = append(found, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	if len(found) == 0 {
		return nil, &net.AddrError{Err: "no suitable address", Addr: addr}
	}
	return found, nil
}

// lookup returns the addresses of a literal, of the host itself or of a name.
// No name at all is the wildcard of both families, which package net dials as the host itself.
func (h *Host) lookup(name string) []netip.Addr {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a.Unmap().WithZone("")}
	}
	switch name {
	case "":
		return []netip.Addr{netip.IPv6Unspecified(), netip.IPv4Unspecified()}
	case "localhost":
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	return h.net.Lookup(name)
}

// owns reports whether a is an address of the host, loopback included.
func (h *Host) owns(a netip.Addr) bool { return a.IsLoopback() || slices.Contains(h.addrs, a) }

// source returns the address from which the host reaches remote.
func (h *Host) source(remote netip.Addr) (netip.Addr, bool) {
	if h.owns(remote) {
		return remote, true
	}
	for _, a := range h.addrs {
		if a.Is4() == remote.Is4() {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// bind reserves a local end for a connection to remote. The lock is held.
func (h *Host) bind(local, remote netip.AddrPort) (netip.AddrPort, error) {
	addr, ok := h.source(remote.Addr())
	switch {
	case !ok:
		return local, syscall.ENETUNREACH
	case local.Addr().IsValid() && !local.Addr().IsUnspecified():
		addr = local.Addr()
		if !h.owns(addr) {
			return local, syscall.EADDRNOTAVAIL
		}
	}
	port := local.Port()
	if port == 0 {
		if port, ok = h.ephemeral(); !ok {
			return local, syscall.EADDRNOTAVAIL
		}
	}
	local = netip.AddrPortFrom(addr, port)
	if !h.reserve(local, remote) {
		return local, syscall.EADDRNOTAVAIL
	}
	return local, nil
}

// ephemeral returns a port that nothing on the host uses.
func (h *Host) ephemeral() (uint16, bool) {
	const count = 65536 - firstEphemeral
	for range count {
		port := uint16(firstEphemeral + h.cursor%count)
		h.cursor++
		if h.ports[port] == 0 {
			return port, true
		}
	}
	return 0, false
}

// reserve takes a connection's place on the host, if it is free.
func (h *Host) reserve(local, remote netip.AddrPort) bool {
	t := tuple{local, remote}
	if _, taken := h.tuples[t]; taken {
		return false
	}
	h.tuples[t] = struct{}{}
	h.ports[local.Port()]++
	return true
}

// release gives a connection's place back.
func (h *Host) release(local, remote netip.AddrPort) {
	delete(h.tuples, tuple{local, remote})
	h.freePort(local.Port())
}

func (h *Host) freePort(port uint16) {
	if h.ports[port]--; h.ports[port] == 0 {
		delete(h.ports, port)
	}
}
