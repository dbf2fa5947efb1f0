package portmap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"
)

// The error codes of UPnP that say what to do: WANIPConnection:2, 2.5.
const (
	upnpNoSuchEntry     = 714
	upnpConflict        = 718
	upnpPermanentOnly   = 725
	upnpPortTries       = 4 // of outer ports, where another host has the first
	upnpDescription     = "ftpnat"
	upnpProtocol        = "TCP"
	upnpFirstRandomPort = 20000 // well above what routers use themselves
	upnpRandomPorts     = 40000
)

// wanConnection is what the three services that map ports have in common.
type wanConnection interface {
	GetExternalIPAddressCtx(context.Context) (string, error)
	AddPortMappingCtx(ctx context.Context, remote string, outer uint16, protocol string, inner uint16,
		client string, enabled bool, description string, seconds uint32) error
	DeletePortMappingCtx(ctx context.Context, remote string, outer uint16, protocol string) error
	GetSpecificPortMappingEntryCtx(ctx context.Context, remote string, outer uint16, protocol string) (
		inner uint16, client string, enabled bool, description string, seconds uint32, err error)
}

// anyPortAdder is a service of version 2, where the gateway finds a port.
type anyPortAdder interface {
	AddAnyPortMappingCtx(ctx context.Context, remote string, outer uint16, protocol string, inner uint16,
		client string, enabled bool, description string, seconds uint32) (uint16, error)
}

// upnpClient asks through goupnp. It searches the gateway once.
type upnpClient struct {
	mu          sync.Mutex
	connections []wanConnection // the one that has mapped first
}

func (c *upnpClient) mapPort(ctx context.Context, r request) (grant, error) {
	if !r.local.Addr().Is4() {
		return grant{}, errIPv4Only
	}
	connections, err := c.find(ctx, r)
	if err != nil {
		return grant{}, err
	}
	var errs []error
	for i, wan := range connections {
		g, err := mapOn(ctx, wan, r)
		if err == nil {
			c.prefer(connections, i)
			return g, nil
		}
		if ctx.Err() != nil {
			err = errNoAnswer
		}
		errs = append(errs, err)
	}
	return grant{}, errors.Join(errs...)
}

// unmap gives back the outer port of r, or, if none was granted for certain,
// the one that was asked for, provided that it leads here.
func (c *upnpClient) unmap(ctx context.Context, r request) error {
	wan := c.preferred()
	if wan == nil {
		return nil
	}
	outer := outerPort(r)
	if !r.public.IsValid() {
		inner, host, _, _, _, err := wan.GetSpecificPortMappingEntryCtx(ctx, "", outer, upnpProtocol)
		if err != nil || inner != r.local.Port() || host != r.local.Addr().String() {
			return nil
		}
	}
	err := result(wan.DeletePortMappingCtx(ctx, "", outer, upnpProtocol))
	switch {
	case code(err) == upnpNoSuchEntry:
		return nil
	case err != nil && ctx.Err() != nil:
		return errNoAnswer
	}
	return err
}

func outerPort(r request) uint16 {
	if r.public.IsValid() {
		return r.public.Port()
	}
	return r.local.Port()
}

// find returns the gateway's services that map ports.
func (c *upnpClient) find(ctx context.Context, r request) ([]wanConnection, error) {
	c.mu.Lock()
	found := c.connections
	c.mu.Unlock()
	if found != nil {
		return found, nil
	}
	location, err := search(ctx, r.gateway, r.local.Addr())
	if err != nil {
		return nil, err
	}
	hc := httpClient(r.gateway, r.local.Addr())
	root, err := describe(ctx, &hc, location, r.gateway)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w from %s", errNoAnswer, location)
		}
		return nil, err
	}
	found, err = connectionsOf(root, r, hc)
	if err != nil {
		return nil, err
	}
	c.prefer(found, 0)
	return found, nil
}

func (c *upnpClient) prefer(connections []wanConnection, i int) {
	first := slices.Clone(connections[i : i+1])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connections = append(first, slices.Delete(slices.Clone(connections), i, i+1)...)
}

func (c *upnpClient) preferred() wanConnection {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.connections) == 0 {
		return nil
	}
	return c.connections[0]
}

// maxConnections bounds how many services of one gateway are tried.
const maxConnections = 4

// connectionsOf returns the services out of a description, the best first. One
// whose control URL leads elsewhere is an error.
func connectionsOf(root *goupnp.RootDevice, r request, hc http.Client) ([]wanConnection, error) {
	makers := []struct {
		service string
		wrap    func(goupnp.ServiceClient) wanConnection
	}{
		{internetgateway2.URN_WANIPConnection_2, func(s goupnp.ServiceClient) wanConnection {
			return &internetgateway2.WANIPConnection2{ServiceClient: s}
		}},
		{internetgateway2.URN_WANIPConnection_1, func(s goupnp.ServiceClient) wanConnection {
			return &internetgateway2.WANIPConnection1{ServiceClient: s}
		}},
		{internetgateway2.URN_WANPPPConnection_1, func(s goupnp.ServiceClient) wanConnection {
			return &internetgateway2.WANPPPConnection1{ServiceClient: s}
		}},
	}
	var found []wanConnection
	for _, m := range makers {
		clients, err := goupnp.NewServiceClientsFromRootDevice(root, &root.URLBase, m.service)
		if err != nil {
			continue // it has no such service
		}
		for _, s := range clients {
			if err := onGateway(&s.SOAPClient.EndpointURL, r.gateway); err != nil {
				return nil, fmt.Errorf("its description names %w", err)
			}
			s.SOAPClient.HTTPClient = hc
			found = append(found, m.wrap(s))
		}
	}
	if len(found) == 0 {
		return nil, errors.New("its description names no service that maps ports")
	}
	return found[:min(len(found), maxConnections)], nil
}

// mapOn maps a port at one service.
func mapOn(ctx context.Context, wan wanConnection, r request) (grant, error) {
	text, err := wan.GetExternalIPAddressCtx(ctx)
	if err != nil {
		return grant{}, result(err)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is4() {
		return grant{}, fmt.Errorf("the gateway's outer address %q is none of IPv4", text)
	}
	if !public(addr) {
		return grant{}, &NotPublicError{addr}
	}
	port, err := add(ctx, wan, r, wholeSeconds(r.lifetime))
	lifetime := r.lifetime
	if code(err) == upnpPermanentOnly {
		port, err = add(ctx, wan, r, 0)
		lifetime = 0
	}
	if err != nil {
		return grant{}, err
	}
	return grant{public: netip.AddrPortFrom(addr, port), lifetime: lifetime}, nil
}

// add adds a mapping, or renews the one that r names, and returns its outer
// port.
func add(ctx context.Context, wan wanConnection, r request, seconds uint32) (uint16, error) {
	outer := outerPort(r)
	if v2, ok := wan.(anyPortAdder); ok && !r.public.IsValid() {
		port, err := v2.AddAnyPortMappingCtx(ctx, "", outer, upnpProtocol,
			r.local.Port(), r.local.Addr().String(), true, upnpDescription, seconds)
		if err == nil && port == 0 {
			err = errors.New("the gateway grants port 0")
		}
		return port, result(err)
	}
	for try := 1; ; try++ {
		err := result(wan.AddPortMappingCtx(ctx, "", outer, upnpProtocol,
			r.local.Port(), r.local.Addr().String(), true, upnpDescription, seconds))
		if code(err) != upnpConflict || r.public.IsValid() || try == upnpPortTries {
			return outer, err
		}
		outer = upnpFirstRandomPort + uint16(rand.IntN(upnpRandomPorts))
	}
}

// result turns a fault in the gateway's answer into a *ResultError.
func result(err error) error {
	var fault *soap.SOAPFaultError
	if !errors.As(err, &fault) {
		return err
	}
	said := fault.Detail.UPnPError
	if said.ErrorDescription == "" {
		said.ErrorDescription = fault.FaultString
	}
	return &ResultError{Code: said.Errorcode, Text: said.ErrorDescription}
}

// code returns the code of a refusal, 0 for any other error.
func code(err error) int {
	var r *ResultError
	if errors.As(err, &r) {
		return r.Code
	}
	return 0
}
