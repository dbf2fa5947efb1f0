package portmap

import (
	"net/netip"
	"time"
)

// hopelessFor is how long a gateway that could do nothing is not asked again:
// a data connection should not wait for the same silence each time.
const hopelessFor = 30 * time.Second

// experience is what came of asking a gateway.
type experience struct {
	protocol Protocol
	client   client // knows where UPnP is served, so that it is searched once

	err   error // nothing works; the client is nil
	until time.Time
}

// source is one protocol of one gateway, which has a clock of its own.
type source struct {
	gateway  netip.Addr
	protocol Protocol
}

// recall returns what the gateway answers to, nil if that is not known, or an
// error if it is known that there is nothing.
func (m *Mapper) recall(gateway netip.Addr) (*experience, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := m.known[gateway]
	if x == nil || x.err == nil {
		return x, nil
	}
	if time.Now().Before(x.until) {
		return nil, x.err
	}
	delete(m.known, gateway)
	return nil, nil
}

func (m *Mapper) remember(gateway netip.Addr, x *experience) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = make(map[netip.Addr]*experience)
	}
	m.known[gateway] = x
}

func (m *Mapper) forget(gateway netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, gateway)
}

// observe reads the gateway's clock off a grant. If the gateway has forgotten
// its mappings those in use are renewed at once: RFC 6887, 8.5.
func (m *Mapper) observe(from source, g grant) {
	if !g.hasEpoch {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.epochs == nil {
		m.epochs = make(map[source]epoch)
	}
	now := epoch{seconds: g.epoch, read: time.Now()}
	kept := now.continues(m.epochs[from])
	m.epochs[from] = now
	if kept {
		return
	}
	for _, l := range m.tasks {
		if l == nil || l.from != from {
			continue
		}
		select {
		case l.wake <- struct{}{}:
		default: // it is woken already
		}
	}
}
