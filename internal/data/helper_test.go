package data

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

const rtt = 50 * time.Millisecond

var (
	clientAddr = netip.MustParseAddr("192.0.2.1")
	serverAddr = netip.MustParseAddr("192.0.2.2")
)

// inBubble runs a test in virtual time with a data connection between two hosts.
func inBubble(t *testing.T, dir Direction, test func(t *testing.T, c *Conn, server net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Latency: rtt / 2})
		defer n.Close()
		ours, theirs := connect(t, n)
		defer theirs.Close()
		c := New(ours, dir)
		defer c.Close()
		test(t, c, theirs)
	})
}

func connect(t *testing.T, n *memnet.Network) (ours, theirs net.Conn) {
	t.Helper()
	server := n.Host("server", serverAddr)
	ln, err := server.Listen(t.Context(), "tcp", ":20")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ours, err = n.Host("client", clientAddr).DialContext(context.Background(), "tcp", "192.0.2.2:20")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}
