package portmap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	ssdpPort = 1900
	ssdpWait = 2500 * time.Millisecond // all of a search; devices may take 1 s to answer
	ssdpSize = 2048                    // of an answer, which must fit into a datagram
	igdType  = "urn:schemas-upnp-org:device:InternetGatewayDevice:"
)

var ssdpGroup = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 255, 250}), ssdpPort)

// searchMessage asks for gateways: UPnP Device Architecture 1.1, 1.3.2. MX is
// the number of seconds over which answers may be spread.
func searchMessage(version string) []byte {
	return []byte("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: " +
		igdType + version + "\r\n\r\n")
}

// search returns where the gateway describes itself. It ends with the
// gateway's first usable answer; what others say does not count. goupnp's own
// search asks on every network of this machine, takes anybody's answer, and
// waits for as long as it may in any case.
func search(ctx context.Context, gateway, local netip.Addr) (*url.URL, error) {
	ctx, cancel := context.WithTimeout(ctx, ssdpWait)
	defer cancel()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	targets := []netip.AddrPort{netip.AddrPortFrom(gateway, ssdpPort)}
	if joinGroup(conn, local) {
		targets = append(targets, ssdpGroup)
	}
	var dropped error
	for wait := firstRetry; ; wait *= 2 {
		conn.SetReadDeadline(time.Now().Add(wait))
		if ctx.Err() != nil {
			return nil, unanswered(dropped)
		}
		if err := sendSearch(conn, targets); err != nil {
			return nil, sendError(ctx, err)
		}
		location, err := readSearch(conn, gateway, &dropped)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return location, err
		}
	}
}

// joinGroup prepares a socket to send to the group on the network of the local
// address, and no farther. It reports false where there is no such network.
func joinGroup(conn *net.UDPConn, local netip.Addr) bool {
	ifi := interfaceOf(local)
	if ifi == nil || ifi.Flags&net.FlagLoopback != 0 || ifi.Flags&net.FlagMulticast == 0 {
		return false
	}
	pc := ipv4.NewPacketConn(conn)
	return pc.SetMulticastInterface(ifi) == nil && pc.SetMulticastTTL(1) == nil
}

// sendSearch asks for gateways of both versions. Those of version 2 should
// answer to 1 as well, and not all do.
func sendSearch(conn *net.UDPConn, targets []netip.AddrPort) error {
	for _, target := range targets {
		for _, version := range []string{"1", "2"} {
			if _, err := conn.WriteToUDPAddrPort(searchMessage(version), target); err != nil {
				return err
			}
		}
	}
	return nil
}

// readSearch returns the first location out of the gateway's answers.
func readSearch(conn *net.UDPConn, gateway netip.Addr, dropped *error) (*url.URL, error) {
	b := make([]byte, ssdpSize)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return nil, err
		}
		if from.Addr().Unmap() != gateway {
			continue
		}
		location, err := parseSearchAnswer(b[:n], gateway)
		if err == nil {
			return location, nil
		}
		*dropped = err
	}
}

// parseSearchAnswer returns the location out of a gateway's answer.
func parseSearchAnswer(b []byte, gateway netip.Addr) (*url.URL, error) {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
	if err != nil {
		return nil, strayf("an answer to the search that is not HTTP")
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, strayf("an answer to the search with the status %d", resp.StatusCode)
	}
	if st := resp.Header.Get("St"); !strings.HasPrefix(st, igdType) {
		return nil, strayf("an answer to the search for %q", st)
	}
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return nil, strayf("an answer to the search without a URL")
	}
	return location, onGateway(location, gateway)
}

// onGateway checks that a URL leads to the gateway.
func onGateway(u *url.URL, gateway netip.Addr) error {
	if u.Scheme != "http" {
		return strayf("the URL %q, which is not of HTTP", u)
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err != nil || addr != gateway {
		return fmt.Errorf("%w at %v", strayf("the URL %q, which is not", u), gateway)
	}
	return nil
}
