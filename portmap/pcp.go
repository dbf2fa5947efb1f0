package portmap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// pcpPort is the port of PCP and NAT-PMP servers.
const pcpPort = 5351

// firstRetry is how long the first datagram is waited for. It doubles with
// each that is sent: RFC 6886, 3.1. The 3 s of RFC 6887 are made for gateways
// far away.
const firstRetry = 250 * time.Millisecond

// pcpClient asks for one mapping by one MAP request. No library that is cared
// for does this part of PCP.
type pcpClient struct{}

func (pcpClient) mapPort(ctx context.Context, r request) (grant, error) {
	g, err := askPCP(ctx, r)
	if err != nil {
		return grant{}, err
	}
	if g.lifetime == 0 || g.public.Port() == 0 {
		return grant{}, fmt.Errorf("%w but one that grants %v for %v", errNoAnswer, g.public, g.lifetime)
	}
	return g, nil
}

func (pcpClient) unmap(ctx context.Context, r request) error {
	r.lifetime = 0
	r.public = netip.AddrPort{}
	_, err := askPCP(ctx, r)
	return err
}

// askPCP sends a request until the gateway answers it or the context ends. The
// socket is connected, so that other hosts' datagrams do not reach it.
func askPCP(ctx context.Context, r request) (grant, error) {
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.local.Addr(), 0))}
	conn, err := d.DialContext(ctx, "udp", netip.AddrPortFrom(r.gateway, pcpPort).String())
	if err != nil {
		return grant{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	var dropped error
	msg := appendMapRequest(nil, r)
	for wait := firstRetry; ; wait *= 2 {
		conn.SetReadDeadline(time.Now().Add(wait))
		if ctx.Err() != nil {
			return grant{}, unanswered(dropped)
		}
		if _, err := conn.Write(msg); err != nil {
			return grant{}, sendError(ctx, err)
		}
		g, err := readPCP(conn, r, &dropped)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return g, err
		}
	}
}

// readPCP returns the first datagram that answers r. It reads on after those
// that do not, up to the deadline.
func readPCP(conn net.Conn, r request, dropped *error) (grant, error) {
	b := make([]byte, pcpMaxSize+1)
	for {
		n, err := conn.Read(b)
		if err != nil {
			return grant{}, err
		}
		g, err := parseMapResponse(b[:n], r)
		var s *stray
		if !errors.As(err, &s) {
			return g, err
		}
		*dropped = err
	}
}

// unanswered is the error where nobody answered before the time was up, with
// what came instead.
func unanswered(dropped error) error {
	if dropped != nil {
		return fmt.Errorf("%w but %w", errNoAnswer, dropped)
	}
	return errNoAnswer
}

// sendError is the error of a write that failed, which the end of the context
// may have caused.
func sendError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errNoAnswer
	}
	return err
}
