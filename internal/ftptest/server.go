package ftptest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Defaults of a Server's limits. The two timeouts are vsftpd's.
const (
	defaultAcceptTimeout  = time.Minute
	defaultConnectTimeout = time.Minute
	defaultMaxFileSize    = 256 << 20
)

// Server is an FTP server. Its fields are read once Serve or Start was called
// and must not be changed afterwards. The zero value serves an empty tree to
// anyone, in the clear.
type Server struct {
	Tree        *Tree             // Tree holds the files; nil means an empty one.
	Users       map[string]string // Users maps names to passwords; nil lets anyone in.
	Personality Personality       // Personality is the server that is played; the zero value is Plain.
	Script      []Step            // Script overrides single answers.
	Faults      []Fault           // Faults end connections after an exact number of bytes.

	Network Network
	Limits  Limits

	TLS                *tls.Config // TLS enables AUTH TLS; sessions resume only the control connection's own.
	ImplicitTLS        bool        // ImplicitTLS starts TLS before the greeting.
	RequireTLS         bool        // RequireTLS refuses a login and a data connection in the clear.
	RequireReuse       bool        // RequireReuse refuses a data connection whose TLS session is not resumed, as the Personality does.
	RequireCloseNotify bool        // RequireCloseNotify fails an upload over TLS that ends without a closure alert.

	Discard  bool                                      // Discard keeps only the size of what is uploaded.
	EditStat func(dir string, lines []string) []string // EditStat changes the lines of STAT's listings.
	EditList func(dir string, lines []string) []string // EditList does so of LIST's, NLST's and MLSD's.

	life life
	rec  recorder
}

// Network is where a Server listens and connects for data.
type Network struct {
	// Listen opens passive ports; nil means net.ListenConfig. Dial opens active
	// data connections from the local address given; nil means net.Dialer.
	Listen func(ctx context.Context, network, addr string) (net.Listener, error)
	Dial   func(ctx context.Context, local netip.AddrPort, network, addr string) (net.Conn, error)

	Advertise    netip.Addr // Advertise is the address in a 227; the zero value means the control connection's.
	PassivePorts [2]uint16  // PassivePorts is an inclusive range; zero means any.
	ActivePort   uint16     // ActivePort is the port that active data connections come from; zero means any.
}

// Limits bound what a Server does.
type Limits struct {
	Rate        int64 // Rate is the speed of each data connection in bytes a second; zero means no limit.
	MaxConns    int   // MaxConns bounds control connections; one more gets a 421. Zero means no bound.
	MaxPerAddr  int   // MaxPerAddr does the same for each client address.
	MaxFileSize int64 // MaxFileSize bounds an upload; zero means 256 MiB.
	MaxListing  int   // MaxListing cuts listings short, with a 226 that says so; zero means no bound.

	// SendMost bounds what data connections carry, by their index from 1, or 0 for all:
	// the rest is left out and the transfer ends well, under TLS with a closure alert.
	SendMost map[int]int64

	AcceptTimeout  time.Duration // AcceptTimeout bounds the wait for a passive connection; zero means a minute.
	ConnectTimeout time.Duration // ConnectTimeout bounds an active connect; zero means a minute.
	IdleTimeout    time.Duration // IdleTimeout ends a session without commands with a 421; zero means never.
}

// life is what a Server has running.
type life struct {
	once   sync.Once
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	closing bool
	open    map[killer]struct{}
	clients map[netip.Addr]int
	total   int
}

// killer is a socket that Close has to close.
type killer interface{ kill() }

// listener is a net.Listener as a killer.
type listener struct{ net.Listener }

func (l listener) kill() { _ = l.Listener.Close() }

func (s *Server) init() {
	s.life.once.Do(func() {
		s.life.ctx, s.life.cancel = context.WithCancel(context.Background())
		s.life.open = make(map[killer]struct{})
		s.life.clients = make(map[netip.Addr]int)
		if s.Tree == nil {
			s.Tree = NewTree()
		}
		if s.Personality.Name == "" {
			s.Personality = Plain()
		}
	})
}

// Serve accepts control connections from ln until the server or ln is closed,
// and returns nil if it was the server. It closes ln. Several listeners may be
// served at once.
func (s *Server) Serve(ln net.Listener) error {
	s.init()
	l := listener{ln}
	defer s.untrack(l)
	defer l.kill()
	if !s.track(l) {
		return nil
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			if s.life.ctx.Err() != nil {
				return nil
			}
			return err
		}
		s.accept(conn)
	}
}

// Start serves ln in a goroutine that Close waits for.
func (s *Server) Start(ln net.Listener) {
	s.init()
	if !s.start(func() { _ = s.Serve(ln) }) {
		_ = ln.Close()
	}
}

// Close closes every listener and connection and waits until every goroutine of
// the server is done. What was recorded stays readable.
func (s *Server) Close() error {
	s.init()
	s.life.mu.Lock()
	s.life.closing = true
	open := make([]killer, 0, len(s.life.open))
	for k := range s.life.open {
		open = append(open, k)
	}
	s.life.mu.Unlock()
	s.life.cancel()
	for _, k := range open {
		k.kill()
	}
	s.life.wg.Wait()
	return nil
}

// start runs f in a goroutine that Close waits for, unless the server is closing.
func (s *Server) start(f func()) bool {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	if s.life.closing {
		return false
	}
	s.life.wg.Go(f)
	return true
}

// track has k closed by Close; it reports false if that is already under way.
func (s *Server) track(k killer) bool {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	if s.life.closing {
		return false
	}
	s.life.open[k] = struct{}{}
	return true
}

func (s *Server) untrack(k killer) {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	delete(s.life.open, k)
}

// accept starts a session.
func (s *Server) accept(conn net.Conn) {
	id := s.rec.nextConn()
	w, ok := s.wrap(conn, Control, id)
	if !ok {
		return
	}
	ss := newSession(s, id, w)
	full := s.enter(ss.remote.Addr())
	run := func() {
		defer s.leave(ss.remote.Addr())
		w.arm()
		ss.run(full)
	}
	if !s.start(run) {
		s.leave(ss.remote.Addr())
		w.kill()
	}
}

// enter counts a control connection and returns the reply that turns it away, or "".
func (s *Server) enter(addr netip.Addr) string {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	s.life.total++
	s.life.clients[addr]++
	switch {
	case s.Limits.MaxPerAddr > 0 && s.life.clients[addr] > s.Limits.MaxPerAddr:
		return "limit.addr"
	case s.Limits.MaxConns > 0 && s.life.total > s.Limits.MaxConns:
		return "limit.total"
	}
	return ""
}

func (s *Server) leave(addr netip.Addr) {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	s.life.total--
	if s.life.clients[addr]--; s.life.clients[addr] == 0 {
		delete(s.life.clients, addr)
	}
}

// listen opens a passive port on the given address.
func (s *Server) listen(ctx context.Context, addr netip.Addr) (net.Listener, error) {
	listen := s.Network.Listen
	if listen == nil {
		listen = new(net.ListenConfig).Listen
	}
	network := networkOf(addr)
	if s.Network.PassivePorts == [2]uint16{} {
		return listen(ctx, network, netip.AddrPortFrom(addr, 0).String())
	}
	err := errors.New("ftptest: empty range of passive ports")
	for port := int(s.Network.PassivePorts[0]); port <= int(s.Network.PassivePorts[1]); port++ {
		var ln net.Listener
		ln, err = listen(ctx, network, netip.AddrPortFrom(addr, uint16(port)).String())
		if err == nil {
			return ln, nil
		}
	}
	return nil, err
}

// dial opens an active data connection.
func (s *Server) dial(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
	network := networkOf(remote.Addr())
	if s.Network.Dial != nil {
		return s.Network.Dial(ctx, local, network, remote.String())
	}
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(local)}
	return d.DialContext(ctx, network, remote.String())
}

func networkOf(addr netip.Addr) string {
	if addr.Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// orDefault returns v, or def if v is zero.
func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// addrPort returns a connection's address without the IPv4-in-IPv6 form.
func addrPort(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
