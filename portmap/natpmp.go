package portmap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	natpmp "github.com/jackpal/go-nat-pmp"
)

// natpmpClient asks through go-nat-pmp. Its calls know no contexts but end
// when their time is up, so a call that is not waited for any longer is left to
// the owner.
type natpmpClient struct{ owner *sync.WaitGroup }

var errIPv4Only = errors.New("it is for IPv4 only")

func (c natpmpClient) mapPort(ctx context.Context, r request) (grant, error) {
	if !r.local.Addr().Is4() {
		return grant{}, errIPv4Only
	}
	return c.within(ctx, r, func(nc *natpmp.Client) (grant, error) {
		outer, err := nc.GetExternalAddress()
		if err != nil {
			return grant{}, err
		}
		addr := netip.AddrFrom4(outer.ExternalIPAddress)
		if !public(addr) {
			return grant{}, &NotPublicError{addr}
		}
		got, err := nc.AddPortMapping("tcp", int(r.local.Port()), suggestedPort(r), int(wholeSeconds(r.lifetime)))
		if err != nil {
			return grant{}, err
		}
		if got.InternalPort != r.local.Port() || got.MappedExternalPort == 0 || got.PortMappingLifetimeInSeconds == 0 {
			return grant{}, fmt.Errorf("%w but one that maps port %d to %d for %d s", errNoAnswer,
				got.MappedExternalPort, got.InternalPort, got.PortMappingLifetimeInSeconds)
		}
		return grant{
			public:   netip.AddrPortFrom(addr, got.MappedExternalPort),
			lifetime: time.Duration(got.PortMappingLifetimeInSeconds) * time.Second,
			epoch:    got.SecondsSinceStartOfEpoc,
			hasEpoch: true,
		}, nil
	})
}

func (c natpmpClient) unmap(ctx context.Context, r request) error {
	_, err := c.within(ctx, r, func(nc *natpmp.Client) (grant, error) {
		return grant{}, remove(nc, r)
	})
	return err
}

func remove(nc *natpmp.Client, r request) error {
	_, err := nc.AddPortMapping("tcp", int(r.local.Port()), 0, 0)
	return err
}

// suggestedPort is the port that was granted, or else the local one.
func suggestedPort(r request) int {
	if r.public.IsValid() {
		return int(r.public.Port())
	}
	return int(r.local.Port())
}

// within runs ask and does not wait for it longer than the context lasts. A
// mapping that comes too late is given back.
func (c natpmpClient) within(ctx context.Context, r request, ask func(*natpmp.Client) (grant, error)) (grant, error) {
	type answer struct {
		grant
		err error
	}
	deadline, _ := ctx.Deadline()
	if ctx.Err() != nil || !time.Now().Before(deadline) {
		return grant{}, errNoAnswer
	}
	nc := natpmp.NewClientWithLocalAndTimeout(r.gateway.AsSlice(), r.local.Addr().AsSlice(), time.Until(deadline))
	answers := make(chan answer, 1)
	c.owner.Go(func() {
		g, err := ask(nc)
		if err == nil && g.public.IsValid() && ctx.Err() != nil {
			remove(nc, r)
		}
		answers <- answer{g, err}
	})
	select {
	case a := <-answers:
		if a.err != nil && !time.Now().Before(deadline) {
			a.err = errNoAnswer
		}
		return a.grant, a.err
	case <-ctx.Done():
		return grant{}, errNoAnswer
	}
}
