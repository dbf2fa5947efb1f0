package portmap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat"
)

// Mapper gets mappings of TCP ports from the gateway. Its zero value works and
// is safe for concurrent use. Its fields must not be changed after the first
// use, and it must not be copied then. [Mapper.Close] gives back what is still
// mapped.
type Mapper struct {
	// Protocols are the protocols to try, in order. Nil means PCP, NAT-PMP,
	// UPnP. What a gateway has answered to is tried first from then on.
	Protocols []Protocol

	// Gateway is the gateway to ask. The zero value means the next hop toward
	// the Internet, as the routing table has it for the local address.
	Gateway netip.Addr

	// Lifetime is how long a mapping is asked to last. It is renewed before
	// half of that is over, for as long as it is in use. Zero means 10
	// minutes: what a program leaves behind that dies is gone soon. The
	// gateway may grant more or less.
	Lifetime time.Duration

	// Timeout bounds the try of one protocol. Zero means 1 s for PCP and
	// NAT-PMP and 4 s for UPnP. A release is given as long but 1 s at most.
	Timeout time.Duration

	mu      sync.Mutex
	closed  bool
	tasks   map[*task]*lease // what runs; with nil for a call of Map
	known   map[netip.Addr]*experience
	epochs  map[source]epoch
	unfreed []error        // why mappings could not be given back at Close
	wg      sync.WaitGroup // all that runs
}

// Mapper is what ftpnat asks for.
var _ ftpnat.Mapper = (*Mapper)(nil)

const defaultLifetime = 10 * time.Minute

// task is something that Close ends.
type task struct{ cancel context.CancelCauseFunc }

// Map asks the gateway to pass on connections to local, which is the address
// and port of a TCP listener on this machine. The mapping is renewed until it
// is released. Release waits for the gateway's word for at most a second; a
// mapping that the gateway took away in the meantime is an error there.
//
// The error is ErrNoGateway where there is none, or joins an [*Error] for each
// protocol that was tried. A gateway that could do nothing is not asked again
// for half a minute.
func (m *Mapper) Map(ctx context.Context, local netip.AddrPort) (ftpnat.Mapping, error) {
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	if !local.Addr().IsValid() || local.Addr().IsUnspecified() || local.Port() == 0 {
		return ftpnat.Mapping{}, fmt.Errorf("portmap: %v is not the address and port of a listener on this machine", local)
	}
	if err := m.check(); err != nil {
		return ftpnat.Mapping{}, err
	}
	ctx, end, err := m.begin(ctx, nil)
	if err != nil {
		return ftpnat.Mapping{}, err
	}
	defer end()
	gateway := m.Gateway
	if !gateway.IsValid() {
		if gateway, err = findGateway(local.Addr()); err != nil {
			return ftpnat.Mapping{}, err
		}
	}
	l, err := m.obtain(ctx, request{gateway: gateway.Unmap(), local: local, lifetime: m.lifetime()})
	if err != nil {
		return ftpnat.Mapping{}, err
	}
	return ftpnat.Mapping{Public: l.req.public, Release: l.release}, nil
}

// Close ends the calls of Map that are under way, gives all mappings back and
// waits for that: a second at most, and for datagrams of NAT-PMP that nobody
// has answered twice their timeout. The error joins what gateways said to it.
func (m *Mapper) Close() error {
	m.mu.Lock()
	m.closed = true
	for t := range m.tasks {
		t.cancel(ErrClosed)
	}
	m.mu.Unlock()
	m.wg.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	err := errors.Join(m.unfreed...)
	m.unfreed = nil
	return err
}

func (m *Mapper) lifetime() time.Duration {
	if m.Lifetime > 0 {
		return m.Lifetime
	}
	return defaultLifetime
}

func (m *Mapper) timeout(p Protocol) time.Duration {
	if m.Timeout > 0 {
		return m.Timeout
	}
	return p.patience()
}

// begin registers something that runs, until end is called, with Close.
func (m *Mapper) begin(ctx context.Context, l *lease) (_ context.Context, end func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, nil, ErrClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	t := &task{cancel}
	if l != nil {
		l.task = t
	}
	if m.tasks == nil {
		m.tasks = make(map[*task]*lease)
	}
	m.tasks[t] = l
	m.wg.Add(1)
	return ctx, func() {
		cancel(nil)
		m.finish(t, l)
	}, nil
}

func (m *Mapper) finish(t *task, l *lease) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.tasks, t)
	if l != nil && m.closed && l.err != nil {
		m.unfreed = append(m.unfreed, l.err)
	}
	m.wg.Done()
}

// obtain gets a mapping by the protocol that the gateway is known to speak, or
// else by the first that it turns out to.
func (m *Mapper) obtain(ctx context.Context, r request) (*lease, error) {
	known, err := m.recall(r.gateway)
	if err != nil {
		return nil, err
	}
	rand.Read(r.nonce[:])
	if known != nil {
		l, err := m.try(ctx, known.protocol, known.client, r)
		if err == nil || ctx.Err() != nil {
			return l, ended(ctx, err)
		}
		m.forget(r.gateway)
	}
	var errs []error
	for _, p := range m.protocols() {
		c := newClient(p, &m.wg)
		l, err := m.try(ctx, p, c, r)
		if err == nil {
			m.remember(r.gateway, &experience{protocol: p, client: c})
			return l, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			return nil, ended(ctx, errs...)
		}
	}
	err = errors.Join(errs...)
	m.remember(r.gateway, &experience{err: err, until: time.Now().Add(hopelessFor)})
	return nil, err
}

// ended joins errors with why the context ended, if it did.
func ended(ctx context.Context, errs ...error) error {
	err := errors.Join(errs...)
	if err == nil || ctx.Err() == nil {
		return err
	}
	return errors.Join(err, context.Cause(ctx))
}

// check finds settings that cannot be meant.
func (m *Mapper) check() error {
	for _, p := range m.Protocols {
		if _, ok := protocolNames[p]; !ok {
			return fmt.Errorf("portmap: Protocols has %v, which is none of PCP, NATPMP, UPnP", p)
		}
	}
	if m.Protocols != nil && len(m.Protocols) == 0 {
		return errors.New("portmap: Protocols is empty: leave it nil for all protocols")
	}
	return nil
}

func (m *Mapper) protocols() []Protocol {
	if m.Protocols != nil {
		return m.Protocols
	}
	return defaultProtocols
}

// try asks by one protocol and starts the lease.
func (m *Mapper) try(ctx context.Context, p Protocol, c client, r request) (*lease, error) {
	l, err := m.ask(ctx, p, c, r)
	if err != nil {
		return nil, &Error{Protocol: p, Gateway: r.gateway, Err: err}
	}
	return l, nil
}

func (m *Mapper) ask(ctx context.Context, p Protocol, c client, r request) (*lease, error) {
	limited, cancel := context.WithTimeout(ctx, m.timeout(p))
	defer cancel()
	g, err := c.mapPort(limited, r)
	if errors.Is(err, errNoAnswer) {
		m.giveBack(p, c, r)
	}
	if err != nil {
		return nil, err
	}
	r.public = g.public
	if !public(g.public.Addr()) {
		m.giveBack(p, c, r)
		return nil, &NotPublicError{g.public.Addr()}
	}
	m.observe(source{r.gateway, p}, g)
	return m.start(ctx, p, c, r, g)
}

// giveBack gives back what may have been mapped, without waiting for it.
func (m *Mapper) giveBack(p Protocol, c client, r request) {
	m.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), min(m.timeout(p), releaseTimeout))
		defer cancel()
		c.unmap(ctx, r) // nobody is left to hear of an error
	})
}

// start has the mapping kept, on behalf of the Mapper and not of the call.
func (m *Mapper) start(ctx context.Context, p Protocol, c client, r request, g grant) (*lease, error) {
	from := source{r.gateway, p}
	l := &lease{
		from:     from,
		client:   c,
		timeout:  m.timeout(p),
		observe:  func(g grant) { m.observe(from, g) },
		req:      r,
		lifetime: g.lifetime,
		wake:     make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	keep, end, err := m.begin(context.WithoutCancel(ctx), l)
	if err != nil {
		m.giveBack(p, c, r)
		return nil, err
	}
	go func() {
		defer end()
		l.run(keep)
	}()
	return l, nil
}
