package data

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestListen hands over the first connection from the server, and refuses others.
func TestListen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Latency: rtt / 2})
		defer n.Close()
		client := n.Host("client", clientAddr)
		server := n.Host("server", serverAddr)
		stranger := n.Host("stranger", netip.MustParseAddr("192.0.2.66"))
		l, err := Listen(t.Context(), client.Listen, clientAddr, new(Ports), func(a netip.Addr) bool { return a == serverAddr })
		if err != nil {
			t.Fatal(err)
		}
		if l.Addr().Addr() != clientAddr || l.Addr().Port() == 0 {
			t.Errorf("listens at %v", l.Addr())
		}
		dial := func(h *memnet.Host) net.Conn {
			nc, err := h.DialContext(t.Context(), "tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
		for range maxStrangers + 1 {
			dial(stranger).Close()
		}
		theirs := dial(server)
		defer theirs.Close()
		ours := <-l.Arrivals()
		defer ours.Close()
		if from := proto.AddrOf(ours.RemoteAddr()).Addr(); from != serverAddr {
			t.Errorf("%v was let in", from)
		}
		if s := l.Strangers(); len(s) != maxStrangers || s[0].Addr() != stranger.Addrs()[0] {
			t.Errorf("refused: %v", s)
		}
		l.Close()
	})
}

// TestListenCloses closes what came and nobody took.
func TestListenCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Latency: rtt / 2})
		defer n.Close()
		client, server := n.Host("client", clientAddr), n.Host("server", serverAddr)
		l, err := Listen(t.Context(), client.Listen, clientAddr, new(Ports), func(netip.Addr) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := server.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		synctest.Wait()
		l.Close()
		if _, err := theirs.Read(make([]byte, 1)); err == nil {
			t.Error("still open")
		}
	})
}

// fakeListener is at an address, and nobody comes.
type fakeListener struct {
	net.Listener
	addr net.Addr
	done chan struct{}
}

func (l fakeListener) Addr() net.Addr            { return l.addr }
func (l fakeListener) Accept() (net.Conn, error) { <-l.done; return nil, net.ErrClosed }
func (l fakeListener) Close() error              { close(l.done); return nil }

// TestPorts tries each port of a range, those of late last.
func TestPorts(t *testing.T) {
	var tried []uint16
	refuse := func(port uint16) bool { return true }
	open := func(_ context.Context, network, address string) (net.Listener, error) {
		ap := netip.MustParseAddrPort(address)
		if network != "tcp4" {
			t.Errorf("network %s", network)
		}
		tried = append(tried, ap.Port())
		if refuse(ap.Port()) {
			return nil, syscall.EADDRINUSE
		}
		return fakeListener{addr: net.TCPAddrFromAddrPort(ap), done: make(chan struct{})}, nil
	}
	ports := &Ports{First: 5000, Last: 5009}
	listen := func(ctx context.Context) (*Listener, error) {
		tried = nil
		return Listen(ctx, open, clientAddr, ports, func(netip.Addr) bool { return true })
	}
	if _, err := listen(t.Context()); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "5000-5009") {
		t.Errorf("all are in use: %v", err)
	}
	slices.Sort(tried)
	if want := []uint16{5000, 5001, 5002, 5003, 5004, 5005, 5006, 5007, 5008, 5009}; !slices.Equal(tried, want) {
		t.Errorf("tried %v", tried)
	}
	var opened []uint16
	refuse = func(uint16) bool { return false }
	for range 100 {
		l, err := listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		port := l.Addr().Port()
		if late := opened[max(len(opened)-5, 0):]; slices.Contains(late, port) {
			t.Fatalf("port %d again after %v", port, late)
		}
		opened = append(opened, port)
	}
	if len(ports.lately) > maxLately {
		t.Errorf("%d ports are remembered", len(ports.lately))
	}
	refuse = func(uint16) bool { return true }
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := listen(ctx); !errors.Is(err, context.Canceled) || len(tried) != 1 {
		t.Errorf("the context has ended: %v after %d ports", err, len(tried))
	}
	ports = new(Ports)
	refuse = func(uint16) bool { return false }
	open0, err := listen(t.Context())
	if err != nil || !slices.Equal(tried, []uint16{0}) {
		t.Fatalf("no range: tried %v, %v", tried, err)
	}
	open0.Close()
}
