package portmap

import (
	"context"
	"math"
	"net/netip"
	"sync"
	"time"
)

// client speaks one protocol with one gateway.
type client interface {
	// mapPort asks for a mapping, or for more time of one. Contexts have
	// deadlines. An error with errNoAnswer in it leaves open whether there
	// is a mapping now; after any other there is none.
	mapPort(ctx context.Context, r request) (grant, error)
	// unmap gives a mapping back.
	unmap(ctx context.Context, r request) error
}

// request is what a gateway is asked for.
type request struct {
	gateway  netip.Addr
	local    netip.AddrPort
	nonce    [12]byte       // of this mapping, for PCP
	public   netip.AddrPort // as it was granted; the zero value at first
	lifetime time.Duration
}

// grant is what a gateway gives.
type grant struct {
	public   netip.AddrPort
	lifetime time.Duration // zero means until it is given back
	epoch    uint32
	hasEpoch bool
}

// newClient returns a client for the protocol. What it cannot end at once it
// leaves to the owner to wait for.
func newClient(p Protocol, owner *sync.WaitGroup) client {
	switch p {
	case PCP:
		return pcpClient{}
	case NATPMP:
		return natpmpClient{owner}
	default:
		return new(upnpClient)
	}
}

// wholeSeconds is a lifetime as the protocols want it, rounded up.
func wholeSeconds(d time.Duration) uint32 {
	return uint32(min((d+time.Second-1)/time.Second, math.MaxInt32))
}
