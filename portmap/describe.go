package portmap

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/huin/goupnp"
)

const (
	maxBody   = 256 << 10 // of a description, some 10 KiB long as a rule
	maxHeader = 16 << 10
)

// guard is an HTTP transport that reaches one host only, whatever the URL and
// the environment say, and reads no more than a bounded amount.
type guard struct{ http.Transport }

func newGuard(gateway, local netip.Addr) *guard {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))}
	return &guard{http.Transport{
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			to, err := netip.ParseAddrPort(addr)
			if err != nil || to.Addr() != gateway {
				return nil, fmt.Errorf("%s is not at the gateway %v", addr, gateway)
			}
			return d.DialContext(ctx, network, addr)
		},
	}}
}

// RoundTrip cuts off the response's body at its limit.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := g.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxBody), resp.Body}
	return resp, nil
}

// httpClient follows no redirects.
func httpClient(gateway, local netip.Addr) http.Client {
	return http.Client{
		Transport:     newGuard(gateway, local),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// describe fetches the gateway's description of itself. goupnp's own fetching
// goes wherever a redirect leads, and reads without end.
func describe(ctx context.Context, hc *http.Client, location *url.URL, gateway netip.Addr) (*goupnp.RootDevice, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("its description at %s: the status is %s", location, resp.Status)
	}
	dec := xml.NewDecoder(resp.Body)
	dec.DefaultSpace = goupnp.DeviceXMLNamespace
	root := new(goupnp.RootDevice)
	if err := dec.Decode(root); err != nil {
		return nil, fmt.Errorf("its description at %s: %w", location, err)
	}
	root.SetURLBase(baseURL(root.URLBaseStr, location, gateway))
	return root, nil
}

// baseURL returns the base of the URLs in a description: what it says itself
// if that is at the gateway, and else where it comes from.
func baseURL(said string, location *url.URL, gateway netip.Addr) *url.URL {
	if base, err := url.Parse(said); err == nil && onGateway(base, gateway) == nil {
		return base
	}
	return location
}
