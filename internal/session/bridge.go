package session

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"

	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/shim"
)

// Bridge tells the dials of data connections from those of control connections,
// for a program that uses jlaffaye/ftp.
type Bridge struct {
	ctx    context.Context // of the program that dials
	config func(addr string) (*Config, error)

	mu   sync.Mutex
	open map[*shim.Conn]struct{}
}

// NewBridge returns a bridge to the servers for which config has settings.
func NewBridge(ctx context.Context, config func(addr string) (*Config, error)) *Bridge {
	return &Bridge{ctx: ctx, config: config, open: make(map[*shim.Conn]struct{})}
}

// Dial opens what the program takes for a socket.
func (b *Bridge) Dial(_, addr string) (net.Conn, error) {
	if _, port, err := net.SplitHostPort(addr); err == nil {
		if n, err := strconv.Atoi(port); err == nil && shim.MadeUp(n) {
			return b.data(n)
		}
	}
	cfg, err := b.config(addr)
	if err != nil {
		return nil, err
	}
	c, err := Guest(b.ctx, cfg)
	if err != nil {
		return nil, retry.Public(err)
	}
	s := NewShim(b.ctx, c)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[s] = struct{}{}
	context.AfterFunc(s.Life(), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open, s)
	})
	return s, nil
}

func (b *Bridge) data(port int) (net.Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for s := range b.open {
		if d := s.Waiting(port); d != nil {
			return d, nil
		}
	}
	return nil, errors.New("ftpnat: no data connection waits to be dialled")
}
