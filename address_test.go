package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// TestDataAddress tries the addresses that a hostile or broken server names.
func TestDataAddress(t *testing.T) {
	yes := func(control, advertised netip.Addr) bool { return true }
	other := netip.MustParseAddr("198.51.100.77")
	cases := []struct {
		name  string
		reply string
		trust func(control, advertised netip.Addr) bool
		dials []string // hosts that are dialled for data
	}{
		{"private", "227 ok (10,9,9,9,200,1)", nil, []string{"198.51.100.10"}},
		{"loopback", "227 ok (127,0,0,1,200,1)", nil, []string{"198.51.100.10"}},
		{"unspecified", "227 ok (0,0,0,0,200,1)", nil, []string{"198.51.100.10"}},
		{"foreign", "227 ok (198,51,100,77,200,1)", nil, []string{"198.51.100.10"}},
		{"foreign, trusted", "227 ok (198,51,100,77,200,1)", yes, []string{"198.51.100.10", other.String()}},
		{"loopback, trusted", "227 ok (127,0,0,1,200,1)", yes, []string{"198.51.100.10"}},
		{"multicast, trusted", "227 ok (224,0,0,1,200,1)", yes, []string{"198.51.100.10"}},
		{"unspecified, trusted", "227 ok (0,0,0,0,200,1)", yes, []string{"198.51.100.10"}},
		{"low port of another host, trusted", "227 ok (198,51,100,77,0,25)", yes, []string{"198.51.100.10"}},
		{"port 0", "227 ok (198,51,100,10,0,0)", yes, nil},
		{"garbage", "227 come in", yes, nil},
		{"too few numbers", "227 ok (198,51,100,10,4)", yes, nil},
		{"above 255", "227 ok (198,51,100,300,4,1)", yes, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "PASV", Reply: c.reply}} }}
			inBubble(t, s, func(t *testing.T, w *world) {
				w.Net.Host("other", other)
				w.d.Modes = []ftpnat.Mode{ftpnat.PASV}
				w.d.TrustDataAddr = c.trust
				dialled := recordDials(w.d)
				conn := w.dial()
				defer conn.Close()
				_, err := conn.Retrieve(w.ctx, "pub/file.bin", 0)
				var ne *ftpnat.NegotiateError
				if !errors.As(err, &ne) {
					t.Fatalf("err = %v, want a *NegotiateError", err)
				}
				if dials := dialled.hosts(); !slices.Equal(dials, c.dials) {
					t.Errorf("dialled %q, want %q", dials, c.dials)
				}
				if c.dials == nil && ne.Attempts[0].Cause != ftpnat.BadAddress {
					t.Errorf("cause %v, want BadAddress", ne.Attempts[0].Cause)
				}
				if substituted := len(c.dials) > 0; substituted && !strings.Contains(w.log.String(), "is not the server's") {
					t.Error("the trace does not tell of the substitution")
				}
			})
		})
	}
}

// TestTrustedAddress reads from the host that the 227 names.
func TestTrustedAddress(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Network.Advertise = netip.MustParseAddr("198.51.100.11")
		s.Script = []ftptest.Step{{On: "EPSV", Reply: "502 no"}}
	}, near: []memnet.Box{memnet.Firewall{Rules: []memnet.Rule{{Direction: memnet.Outbound, Ports: memnet.PortRange{First: 1024, Last: 65535}, To: netip.PrefixFrom(serverAddr, 32), Do: memnet.Drop}}}}}
	inBubble(t, s, func(t *testing.T, w *world) {
		// The other host passes on to the server, as a load balancer does.
		w.d.TrustDataAddr = func(control, advertised netip.Addr) bool {
			return control == serverAddr && advertised == netip.MustParseAddr("198.51.100.11")
		}
		w.d.Modes = []ftpnat.Mode{ftpnat.PASV}
		c := w.dial()
		defer c.Close()
		_, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
		var ne *ftpnat.NegotiateError
		if !errors.As(err, &ne) {
			t.Fatal(err)
		}
		if got := ne.Attempts[1].Used.Addr(); got != netip.MustParseAddr("198.51.100.11") {
			t.Errorf("the second attempt dialled %v", got)
		}
	})
}

// TestStranger has somebody else connect to the port that waits for the server.
func TestStranger(t *testing.T) {
	s := setup{dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT}; d.ListenPorts = [2]uint16{40001, 40001} },
		ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "RETR", Delay: time.Second}} }}
	inBubble(t, s, func(t *testing.T, w *world) {
		evil := w.Net.Host("evil", netip.MustParseAddr("198.51.100.66"))
		c := w.dial()
		defer c.Close()
		ctx := ftpnat.WithTrace(w.ctx, &ftpnat.Trace{Command: func(line string) {
			if strings.HasPrefix(line, "RETR") {
				go func() {
					if nc, err := evil.DialContext(w.ctx, "tcp", "203.0.113.2:40001"); err == nil {
						fmt.Fprint(nc, "not your file")
						io.Copy(io.Discard, nc)
						nc.Close()
					}
				}()
			}
		}})
		rc, err := c.Retrieve(ctx, "pub/file.bin", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		got, err := io.ReadAll(rc)
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		if !strings.Contains(w.log.String(), "turned away") {
			t.Error("the trace does not tell of the stranger")
		}
	})
}

// TestOtherAddress has the server connect from an address that is not its own,
// and says what would help.
func TestOtherAddress(t *testing.T) {
	other := netip.MustParseAddr("198.51.100.11")
	s := setup{dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT} }}
	inBubble(t, s, func(t *testing.T, w *world) {
		second := w.Net.Host("other", other)
		w.Server.Network.Dial = func(ctx context.Context, _ netip.AddrPort, network, addr string) (net.Conn, error) {
			return second.DialFrom(ctx, netip.AddrPort{}, network, addr)
		}
		c := w.dial()
		_, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
		if err == nil || !strings.Contains(err.Error(), "198.51.100.11") || !strings.Contains(err.Error(), "TrustDataAddr") {
			t.Errorf("err = %v", err)
		}
		c.Close()
		w.d.TrustDataAddr = func(control, data netip.Addr) bool { return data == other }
		c = w.dial()
		defer c.Close()
		if err := w.fetch(c); err != nil {
			t.Errorf("trusted: %v", err)
		}
	})
}

// dials are the hosts that a Dialer dialled by their address, as it does for
// data connections.
type dials struct {
	mu  sync.Mutex
	all []string
}

// recordDials keeps what a Dialer dials.
func recordDials(d *ftpnat.Dialer) *dials {
	r, dial := new(dials), d.DialContext
	d.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if ap, err := netip.ParseAddrPort(addr); err == nil {
			r.mu.Lock()
			r.all = append(r.all, ap.Addr().String())
			r.mu.Unlock()
		}
		return dial(ctx, network, addr)
	}
	return r
}

// hosts returns each host once, in order.
func (r *dials) hosts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(r.all)))
}
