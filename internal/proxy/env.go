package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/ftpnat/ftpnat/internal/address"
)

// FromEnvironment returns the proxy that the environment names for the
// server addr (host, or host:port; 21 is the default port), for
// [Dialer.ProxyURL]; nil where it names none. Nothing else in this package
// reads the environment.
//
// The proxy is in FTP_PROXY, or else in ALL_PROXY: socks5://host:port, or
// http://host:port for CONNECT, which is also meant where no scheme is given.
// NO_PROXY lists servers that are reached without it, separated by commas: an
// address, a network (192.0.2.0/24), a domain with all that is in it
// (example.com), what is in it alone (.example.com), each with a port or
// without; * means all. The names may be in lower case. Loopback addresses and
// localhost have no proxy.
func FromEnvironment(addr string) (*url.URL, error) {
	name, value := environ("FTP_PROXY")
	if value == "" {
		name, value = environ("ALL_PROXY")
	}
	if value == "" {
		return nil, nil
	}
	host, port := strings.Trim(addr, "[]"), "21"
	if hasPort(addr) {
		var err error
		if host, port, err = net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("ftpnat: server address %q: %w", addr, err)
		}
	}
	_, except := environ("NO_PROXY")
	if withoutProxy(host, port, except) {
		return nil, nil
	}
	u, err := parseProxy(value)
	if err != nil {
		return nil, fmt.Errorf("ftpnat: the proxy in %s: %w", name, err)
	}
	return u, nil
}

// environ returns a variable by its name or that in lower case.
func environ(name string) (found, value string) {
	if value = os.Getenv(name); value == "" {
		name = strings.ToLower(name)
		value = os.Getenv(name)
	}
	return name, value
}

func parseProxy(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	u, err := url.Parse(value)
	if err != nil {
		return nil, address.Unreadable(err)
	}
	if u.Hostname() == "" {
		return nil, errors.New("it has no host")
	}
	return u, nil
}

// withoutProxy reports whether a list of exceptions has the server.
func withoutProxy(host, port, list string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	addr, err := netip.ParseAddr(host)
	addr = addr.Unmap()
	if host == "localhost" || err == nil && addr.IsLoopback() {
		return true
	}
	for item := range strings.SplitSeq(list, ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		if item == "*" {
			return true
		}
		if h, p, err := net.SplitHostPort(item); err == nil {
			if p != port {
				continue
			}
			item = h
		}
		if item != "" && excepted(host, addr, strings.Trim(item, "[]")) {
			return true
		}
	}
	return false
}

// excepted reports whether an exception has the server: addr where it is given
// by address, invalid where by name.
func excepted(host string, addr netip.Addr, item string) bool {
	if addr.IsValid() {
		if network, err := netip.ParsePrefix(item); err == nil {
			return network.Contains(addr)
		}
		a, err := netip.ParseAddr(item)
		return err == nil && a.Unmap() == addr
	}
	domain := strings.TrimPrefix(strings.TrimPrefix(item, "*"), ".")
	return host == item || domain != "" && strings.HasSuffix(host, "."+domain)
}

func hasPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port != ""
}
