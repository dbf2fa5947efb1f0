package memnet_test

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

// A line that a helper sees on a control connection, and what it makes of it.
type helperCase struct {
	name     string
	lines    []string // written one by one
	want     string   // what arrives; empty for silence
	pinhole  uint16   // public port that is opened; zero for none
	counters memnet.Counters
}

func TestClientSideHelper(t *testing.T) {
	quiet := memnet.Counters{Connections: 1}
	opened := memnet.Counters{Connections: 1, Pinholes: 1, Rewrites: 1}
	swallowed := memnet.Counters{Connections: 1, Swallowed: 1}
	for _, tt := range []helperCase{
		{"PORT", []string{"PORT 192,168,1,10,19,136\r\n"}, "PORT 203,0,113,7,19,136\r\n", 5000, opened},
		{"lower case", []string{"port 192,168,1,10,19,136\r\n"}, "port 203,0,113,7,19,136\r\n", 5000, opened},
		{"EPRT", []string{"EPRT |1|192.168.1.10|5000|\r\n"}, "EPRT |1|203.0.113.7|5000|\r\n", 5000, opened},
		{"port taken", []string{"PORT 192,168,1,10,4,0\r\n"}, "PORT 203,0,113,7,4,1\r\n", 1025, opened},
		{"public address", []string{"PORT 203,0,113,7,19,136\r\n"}, "PORT 203,0,113,7,19,136\r\n", 0, quiet},
		{"not a number", []string{"PORT 192,168,1,10,19\r\n"}, "", 0, swallowed},
		{"not a byte", []string{"PORT 192,168,1,300,19,136\r\n"}, "", 0, swallowed},
		{"wrong family", []string{"EPRT |2|2001:db8::7|5000|\r\n"}, "", 0, swallowed},
		{"split", []string{"PORT 192,168,", "1,10,19,136\r\n"}, "", 0, swallowed},
		{"cut in the verb", []string{"PO", "RT 192,168,1,10,19,136\r\n"}, "", 0, swallowed},
		{"behind another command", []string{"TYPE I\r\nPORT 192,168,1,10,19,136\r\n"}, "TYPE I\r\nPORT 192,168,1,10,19,136\r\n", 0, quiet},
		{"in the middle of a line", []string{"NOOP ", "PORT 192,168,1,10,19,136\r\n"}, "NOOP PORT 192,168,1,10,19,136\r\n", 0, quiet},
		{"another command", []string{"EPSV\r\n"}, "EPSV\r\n", 0, quiet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			behindNAT(t, memnet.NAT{FTPHelper: true, PreservePort: false}, func(t *testing.T, w *world) {
				c, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
				for _, at := range []string{":5000", ":1024"} {
					w.listen(w.client, at)
				}
				for _, line := range tt.lines {
					w.send(c, line)
				}
				if tt.want != "" {
					w.expect(s, tt.want)
				} else if got, err := receive(s); err == nil {
					t.Errorf("received %q, want silence", got)
				}
				if got := w.near.Counters()[0]; got != tt.counters {
					t.Errorf("counters %+v, want %+v", got, tt.counters)
				}
				stranger := w.net.Host("stranger", addr("198.51.100.99"))
				to := port(clientPublic, max(tt.pinhole, 5000))
				if tt.pinhole != 0 {
					to = port(clientPublic, tt.pinhole)
				}
				if err := w.try(stranger, netip.AddrPort{}, to); err == nil {
					t.Error("a stranger came through the pinhole")
				}
				from := netip.AddrPortFrom(netip.Addr{}, 20)
				if err := w.try(w.server, from, to); (err == nil) != (tt.pinhole != 0) {
					t.Errorf("data connection: %v", err)
				}
				if err := w.try(w.server, netip.AddrPortFrom(netip.Addr{}, 2000), to); err == nil {
					t.Error("a second connection came through the pinhole")
				}
			})
		})
	}
}

func TestServerSideHelper(t *testing.T) {
	quiet := memnet.Counters{Connections: 1}
	for _, tt := range []helperCase{
		{"227", []string{"227 Entering Passive Mode (10,0,0,20,19,136).\r\n"}, "227 Entering Passive Mode (198,51,100,20,19,136).\r\n", 5000,
			memnet.Counters{Connections: 1, Pinholes: 1, Rewrites: 1}},
		{"229", []string{"229 Extended (|||5000|)\r\n"}, "229 Extended (|||5000|)\r\n", 5000,
			memnet.Counters{Connections: 1, Pinholes: 1}},
		{"227 with the public address", []string{"227 =198,51,100,20,19,136\r\n"}, "227 =198,51,100,20,19,136\r\n", 0, quiet},
		{"227 without an address", []string{"227 Entering Passive Mode\r\n"}, "", 0, memnet.Counters{Connections: 1, Swallowed: 1}},
		{"229 behind another reply", []string{"226 Done\r\n229 Extended (|||5000|)\r\n"}, "226 Done\r\n229 Extended (|||5000|)\r\n", 0, quiet},
		{"220", []string{"220 ready\r\n"}, "220 ready\r\n", 0, quiet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, n *memnet.Network) {
				w := &world{t: t, net: n, far: n.Site(memnet.NAT{
					Public: serverPublic, FTPHelper: true, Forwards: []memnet.Forward{{Ports: memnet.Port(21), To: serverPrivate}},
				})}
				w.client, w.server = n.Host("client", clientPublic), w.far.Host("server", serverPrivate)
				c, s := w.connect(w.client, "198.51.100.20:21", w.listen(w.server, ":21"))
				w.listen(w.server, ":5000")
				for _, line := range tt.lines {
					w.send(s, line)
				}
				if tt.want != "" {
					w.expect(c, tt.want)
				} else if got, err := receive(c); err == nil {
					t.Errorf("received %q, want silence", got)
				}
				if err := w.try(w.client, netip.AddrPort{}, port(serverPublic, 5000)); (err == nil) != (tt.pinhole != 0) {
					t.Errorf("data connection: %v", err)
				}
				want := tt.counters
				want.Connections++
				if tt.pinhole == 0 {
					want.Dropped++
				}
				if got := w.far.Counters()[0]; got != want {
					t.Errorf("counters %+v, want %+v", got, want)
				}
			})
		})
	}
}

// A pinhole serves one connection, also if that one's SYN has to be sent again.
func TestPinholeOutlivesALostSYN(t *testing.T) {
	virtual(t, func(t *testing.T, n *memnet.Network) {
		w := &world{t: t, net: n, near: n.Site(memnet.Loss{SYNs: 1, Ports: memnet.Port(5000)}, memnet.NAT{Public: clientPublic, FTPHelper: true})}
		w.client, w.server = w.near.Host("client", clientPrivate), n.Host("server", serverPublic)
		c, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
		w.listen(w.client, ":5000")
		w.send(c, "PORT 192,168,1,10,19,136\r\n")
		w.expect(s, "PORT 203,0,113,7,19,136\r\n")
		start := time.Now()
		if err := w.try(w.server, netip.AddrPort{}, port(clientPublic, 5000)); err != nil || time.Since(start) != time.Second+2*latency {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// A pinhole ends with its control connection.
func TestPinholeEndsWithControl(t *testing.T) {
	behindNAT(t, memnet.NAT{FTPHelper: true}, func(t *testing.T, w *world) {
		c, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
		w.listen(w.client, ":5000")
		w.send(c, "PORT 192,168,1,10,19,136\r\n")
		w.expect(s, "PORT 203,0,113,7,19,136\r\n")
		c.Close()
		if err := w.try(w.server, netip.AddrPort{}, port(clientPublic, 5000)); err == nil {
			t.Error("connected after the control connection had ended")
		}
	})
}

func TestFirewallHelper(t *testing.T) {
	for _, tt := range []struct {
		helper bool
		reply  string
		open   bool
	}{
		{true, "229 Extended (|||5000|)\r\n", true},
		{false, "229 Extended (|||5000|)\r\n", false},
		{true, "226 Done\r\n229 Extended (|||5000|)\r\n", false}, // in one segment: only its beginning is read
	} {
		firewall := memnet.InboundOnly(memnet.Drop, memnet.Port(21))
		firewall.FTPHelper = tt.helper
		between(t, nil, []memnet.Box{firewall}, func(t *testing.T, w *world) {
			c, s := w.control()
			w.listen(w.server, ":5000")
			w.send(s, tt.reply)
			w.expect(c, tt.reply)
			if err := w.try(w.client, netip.AddrPort{}, port(serverPublic, 5000)); (err == nil) != tt.open {
				t.Errorf("helper %v, %q: data connection: %v", tt.helper, tt.reply, err)
			}
		})
	}
}

// The firewall in front of an IPv6 client opens for the address in its EPRT, for
// the server alone, for five minutes.
func TestFirewallHelperActive(t *testing.T) {
	client, server := addr("2001:db8:1::7"), addr("2001:db8:2::20")
	for _, tt := range []struct {
		name string
		line string
		wait time.Duration
		open bool
	}{
		{"own address", "EPRT |2|2001:db8:1::7|5000|\r\n", 0, true},
		{"other delimiter", "EPRT !2!2001:db8:1::7!5000!\r\n", 0, true},
		{"another address", "EPRT |2|2001:db8:1::8|5000|\r\n", 0, false},
		{"too late", "EPRT |2|2001:db8:1::7|5000|\r\n", 6 * time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			virtual(t, func(t *testing.T, n *memnet.Network) {
				firewall := memnet.InboundOnly(memnet.Refuse)
				firewall.FTPHelper = true
				w := &world{t: t, net: n, near: n.Site(firewall)}
				w.client, w.server = w.near.Host("client", client), n.Host("server", server)
				c, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
				w.listen(w.client, ":5000")
				w.send(c, tt.line)
				w.expect(s, tt.line)
				time.Sleep(tt.wait)
				stranger := n.Host("stranger", addr("2001:db8:3::1"))
				if err := w.try(stranger, netip.AddrPort{}, port(client, 5000)); !isError(err, syscall.ECONNREFUSED) {
					t.Errorf("a stranger: %v", err)
				}
				if err := w.try(w.server, netip.AddrPort{}, port(client, 5000)); (err == nil) != tt.open {
					t.Errorf("data connection: %v", err)
				}
			})
		})
	}
}
