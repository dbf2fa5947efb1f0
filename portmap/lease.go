package portmap

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// releaseTimeout is how long a gateway is waited for when a mapping is
	// given back. A lost one ends with its lifetime.
	releaseTimeout = time.Second
	// renewFloor is the least time between renewals, whatever the gateway
	// grants: RFC 6887, 11.2.1.
	renewFloor = 4 * time.Second
)

// renewIn returns when to ask for more time where so much of it is left:
// before half of it is over, so that there is time for lost datagrams.
func renewIn(left time.Duration) time.Duration {
	return max(left*3/8, renewFloor)
}

// lease is a mapping in use.
type lease struct {
	*task
	from    source
	client  client
	timeout time.Duration // of a renewal
	observe func(grant)   // is told of each renewal

	req      request       // asks for what was granted
	lifetime time.Duration // as granted the last time
	wake     chan struct{} // the gateway has forgotten its mappings
	done     chan struct{}
	err      error // what went wrong; to be read after done
}

// run keeps the mapping until the context ends, or the mapping by itself, and
// gives it back.
func (l *lease) run(ctx context.Context) {
	defer close(l.done)
	err := l.keep(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(l.timeout, releaseTimeout))
	defer cancel()
	l.err = errors.Join(err, l.client.unmap(ctx, l.req))
}

// keep renews the mapping. The error says why it is of no more use.
func (l *lease) keep(ctx context.Context) error {
	ends := time.Now().Add(l.lifetime)
	for {
		if !l.waitToRenew(ctx, time.Until(ends)) {
			return nil
		}
		err := l.renew(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			ends = time.Now().Add(l.lifetime)
		case errors.Is(err, errMoved):
			return err
		case time.Until(ends) <= renewFloor:
			return fmt.Errorf("it could not be renewed: %w", err)
		}
	}
}

// waitToRenew reports whether it is time for a renewal; if not the context has
// ended.
func (l *lease) waitToRenew(ctx context.Context, left time.Duration) bool {
	var due <-chan time.Time
	if l.lifetime > 0 {
		timer := time.NewTimer(renewIn(left))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-due:
	case <-l.wake:
	}
	return true
}

// errMoved is where a gateway grants another address or port than before.
var errMoved = errors.New("the gateway has moved it")

func (l *lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	g, err := l.client.mapPort(ctx, l.req)
	if err != nil {
		return err
	}
	l.observe(g)
	if g.public != l.req.public {
		return fmt.Errorf("%w from %v to %v", errMoved, l.req.public, g.public)
	}
	l.lifetime = g.lifetime
	return nil
}

// release gives the mapping back and waits until that is done. It may be
// called again, to the same effect.
func (l *lease) release() error {
	l.cancel(nil)
	<-l.done
	return l.err
}
