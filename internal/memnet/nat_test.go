package memnet_test

import (
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

var dependences = []memnet.Dependence{
	memnet.EndpointIndependent, memnet.AddressDependent, memnet.AddressAndPortDependent,
}

// behindNAT runs f on a client behind nat and a public server.
func behindNAT(t *testing.T, nat memnet.NAT, f func(t *testing.T, w *world)) {
	t.Helper()
	nat.Public = clientPublic
	virtual(t, func(t *testing.T, n *memnet.Network) {
		w := &world{t: t, net: n, near: n.Site(nat)}
		w.client = w.near.Host("client", clientPrivate)
		w.server = n.Host("server", serverPublic)
		f(t, w)
	})
}

func seenFrom(c net.Conn) netip.AddrPort { return c.RemoteAddr().(*net.TCPAddr).AddrPort() }

// closeAll accepts connections and closes them.
func closeAll(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Close()
	}
}

// The definitions of RFC 4787, sections 4.1 and 5: which outside endpoints see the same
// mapping, and which may use it.
func TestMappingAndFiltering(t *testing.T) {
	otherServer := addr("198.51.100.21")
	sameMapping := map[memnet.Dependence][]bool{ // server:80 against server:81, other:80
		memnet.EndpointIndependent:     {true, true},
		memnet.AddressDependent:        {true, false},
		memnet.AddressAndPortDependent: {false, false},
	}
	letIn := map[memnet.Dependence][]bool{ // from server:80, server:81, other:80
		memnet.EndpointIndependent:     {true, true, true},
		memnet.AddressDependent:        {true, true, false},
		memnet.AddressAndPortDependent: {true, false, false},
	}
	for _, mapping := range dependences {
		for _, filtering := range dependences {
			t.Run(mapping.String()+" mapping, "+filtering.String()+" filtering", func(t *testing.T) {
				behindNAT(t, memnet.NAT{Mapping: mapping, Filtering: filtering}, func(t *testing.T, w *world) {
					other := w.net.Host("other", otherServer)
					local := port(clientPrivate, 5000)
					go closeAll(w.listen(w.client, ":5000"))
					reach := func(h *memnet.Host, to string) netip.AddrPort {
						l := w.listen(h, to)
						defer l.Close()
						c, s := w.connectFrom(w.client, local, to, l)
						c.Close()
						s.Close()
						return seenFrom(s)
					}
					first := reach(w.server, "198.51.100.20:80")
					time.Sleep(time.Second)
					for i, from := range []netip.AddrPort{port(serverPublic, 80), port(serverPublic, 81), port(otherServer, 80)} {
						h := w.server
						if i == 2 {
							h = other
						}
						if got := w.try(h, from, first) == nil; got != letIn[filtering][i] {
							t.Errorf("connection from %v let in: %v", from, got)
						}
					}
					for i, got := range []netip.AddrPort{reach(w.server, "198.51.100.20:81"), reach(other, "198.51.100.21:80")} {
						if (got == first) != sameMapping[mapping][i] || got.Addr() != clientPublic {
							t.Errorf("mapping %d is %v, the first is %v", i+2, got, first)
						}
					}
					if again := reach(w.server, "198.51.100.20:80"); again != first {
						t.Errorf("same endpoints again: %v, before %v", again, first)
					}
				})
			})
		}
	}
}

func TestPortPreservation(t *testing.T) {
	for _, preserve := range []bool{true, false} {
		behindNAT(t, memnet.NAT{PreservePort: preserve}, func(t *testing.T, w *world) {
			second := w.near.Host("second", addr("192.168.1.11"))
			l := w.listen(w.server, ":21")
			local := netip.AddrPortFrom(netip.Addr{}, 5000)
			_, s1 := w.connectFrom(w.client, local, "server:21", l)
			_, s2 := w.connectFrom(second, local, "server:21", l)
			if got := seenFrom(s1).Port() == 5000; got != preserve {
				t.Errorf("preserve %v: port %d", preserve, seenFrom(s1).Port())
			}
			if seenFrom(s2) == seenFrom(s1) || seenFrom(s2).Port() == 5000 {
				t.Errorf("second host got %v", seenFrom(s2))
			}
		})
	}
}

func TestMasquerade(t *testing.T) {
	behindNAT(t, memnet.Masquerade(clientPublic), func(t *testing.T, w *world) {
		go closeAll(w.listen(w.client, ":5000"))
		_, s := w.connectFrom(w.client, port(clientPrivate, 5000), "server:21", w.listen(w.server, ":21"))
		if seenFrom(s) != port(clientPublic, 5000) {
			t.Errorf("connection came from %v", seenFrom(s))
		}
		if err := w.try(w.server, netip.AddrPortFrom(netip.Addr{}, 20), seenFrom(s)); err == nil {
			t.Error("a port that was never contacted came in")
		}
	})
}

func TestAddressesOfEachSide(t *testing.T) {
	behindNAT(t, memnet.NAT{}, func(t *testing.T, w *world) {
		c, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
		got := []string{c.LocalAddr().String(), c.RemoteAddr().String(), s.LocalAddr().String(), s.RemoteAddr().String()}
		want := []string{"192.168.1.10:49152", "198.51.100.20:21", "198.51.100.20:21", "203.0.113.7:1024"}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("address %d is %s, want %s", i, got[i], want[i])
			}
		}
		if got, want := w.near.Counters()[0], (memnet.Counters{Connections: 1}); got != want {
			t.Errorf("counters %+v, want %+v", got, want)
		}
	})
}

func TestForwards(t *testing.T) {
	shifted := memnet.Forward{Ports: memnet.PortRange{First: 6000, Last: 6009}, To: clientPrivate, ToPort: 7000}
	oneToOne := memnet.Forward{Ports: memnet.AllPorts, To: clientPrivate}
	tests := []struct {
		name       string
		nat        memnet.NAT
		to, inside uint16
		want       error
	}{
		{"forwarded", memnet.NAT{Forwards: []memnet.Forward{shifted}}, 6009, 7009, nil},
		{"not forwarded", memnet.NAT{Forwards: []memnet.Forward{shifted}}, 6010, 7010, syscall.ETIMEDOUT},
		{"rejected", memnet.NAT{Forwards: []memnet.Forward{shifted}, RejectUnsolicited: true}, 6010, 7010, syscall.ECONNREFUSED},
		{"one to one", memnet.NAT{Forwards: []memnet.Forward{oneToOne}}, 6010, 6010, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			behindNAT(t, tt.nat, func(t *testing.T, w *world) {
				l := w.listen(w.client, port(clientPrivate, tt.inside).String())
				c, err := w.server.DialContext(background, "tcp", port(clientPublic, tt.to).String())
				if tt.want != nil {
					if !isError(err, tt.want) {
						t.Errorf("dial: %v, want %v", err, tt.want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				s, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				w.send(c, "in")
				w.expect(s, "in")
				// The way out of a forwarded port is the way in.
				_, out := w.connectFrom(w.client, port(clientPrivate, tt.inside), "server:21", w.listen(w.server, ":21"))
				if seenFrom(out) != port(clientPublic, tt.to) {
					t.Errorf("own connection came from %v", seenFrom(out))
				}
			})
		})
	}
}

func TestHairpin(t *testing.T) {
	for _, hairpin := range []bool{true, false} {
		nat := memnet.NAT{Hairpin: hairpin, Forwards: []memnet.Forward{{Ports: memnet.Port(21), To: clientPrivate}}}
		behindNAT(t, nat, func(t *testing.T, w *world) {
			second := w.near.Host("second", addr("192.168.1.11"))
			l := w.listen(w.client, ":21")
			if !hairpin {
				if err := w.try(second, netip.AddrPort{}, port(clientPublic, 21)); err == nil {
					t.Error("connected without hairpinning")
				}
				return
			}
			c, s := w.connect(second, "203.0.113.7:21", l)
			if seenFrom(s).Addr() != clientPublic {
				t.Errorf("hairpinned connection came from %v", seenFrom(s))
			}
			w.send(c, "there")
			w.expect(s, "there")
			w.send(s, "back")
			w.expect(c, "back")
		})
	}
}

func TestInsideTheSite(t *testing.T) {
	behindNAT(t, memnet.NAT{}, func(t *testing.T, w *world) {
		second := w.near.Host("second", addr("192.168.1.11"))
		_, s := w.connect(second, "192.168.1.10:21", w.listen(w.client, ":21"))
		if seenFrom(s).Addr() != addr("192.168.1.11") {
			t.Errorf("connection came from %v", seenFrom(s))
		}
		if err := w.try(w.server, netip.AddrPort{}, port(clientPrivate, 21)); err == nil {
			t.Error("a private address was reached from outside")
		}
	})
}

func TestNATBehindNAT(t *testing.T) {
	virtual(t, func(t *testing.T, n *memnet.Network) {
		home := memnet.NAT{Public: addr("100.64.0.7"), Forwards: []memnet.Forward{{Ports: memnet.Port(5000), To: clientPrivate}}}
		carrier := memnet.NAT{Public: clientPublic, Forwards: []memnet.Forward{{Ports: memnet.Port(5000), To: home.Public}}}
		w := &world{t: t, net: n, near: n.Site(home, carrier)}
		w.client, w.server = w.near.Host("client", clientPrivate), n.Host("server", serverPublic)
		_, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
		if seenFrom(s).Addr() != clientPublic {
			t.Errorf("connection came from %v", seenFrom(s))
		}
		c, in := w.connect(w.server, "203.0.113.7:5000", w.listen(w.client, ":5000"))
		w.send(c, "through both")
		w.expect(in, "through both")
	})
}

func TestOtherFamilyPassesNAT(t *testing.T) {
	virtual(t, func(t *testing.T, n *memnet.Network) {
		w := &world{t: t, net: n, near: n.Site(memnet.NAT{Public: clientPublic})}
		w.client = w.near.Host("client", clientPrivate, addr("2001:db8::7"))
		w.server = n.Host("server", addr("2001:db8::20"))
		_, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
		if seenFrom(s).Addr() != addr("2001:db8::7") {
			t.Errorf("connection came from %v", seenFrom(s))
		}
		w.connect(w.server, "client:5000", w.listen(w.client, ":5000"))
	})
}

func TestIdleTimeout(t *testing.T) {
	const idle = 8 * time.Second
	tests := []struct {
		name      string
		reset     bool
		keepAlive bool
		want      error
		counters  memnet.Counters
	}{
		{"silent", false, false, nil, memnet.Counters{Connections: 1, Expired: 1}},
		{"reset", true, false, syscall.ECONNRESET, memnet.Counters{Connections: 1, Expired: 1}},
		{"kept alive", false, true, nil, memnet.Counters{Connections: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			behindNAT(t, memnet.NAT{IdleTimeout: idle, IdleReset: tt.reset}, func(t *testing.T, w *world) {
				c, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
				if tt.keepAlive {
					c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 3 * time.Second, Interval: 3 * time.Second})
				}
				time.Sleep(idle - time.Second)
				w.send(c, "awake")
				w.expect(s, "awake")
				time.Sleep(3 * idle)
				w.send(s, "late")
				switch {
				case tt.keepAlive:
					w.expect(c, "late")
				case tt.want != nil:
					w.expectError(s, tt.want)
				default:
					if got, err := receive(c); err == nil {
						t.Errorf("received %q through a forgotten mapping", got)
					}
					s.SetReadDeadline(time.Time{})
					if _, err := s.Read(make([]byte, 1)); !isError(err, syscall.ETIMEDOUT) {
						t.Errorf("the sender never gave up: %v", err)
					}
				}
				if got := w.near.Counters()[0]; got != tt.counters {
					t.Errorf("counters %+v, want %+v", got, tt.counters)
				}
			})
		})
	}
}

func TestKeepAliveFindsADeadPath(t *testing.T) {
	behindNAT(t, memnet.NAT{IdleTimeout: 8 * time.Second}, func(t *testing.T, w *world) {
		c, _ := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 20 * time.Second, Interval: 5 * time.Second, Count: 3})
		start := time.Now()
		_, err := c.Read(make([]byte, 1))
		if took := time.Since(start); !isError(err, syscall.ETIMEDOUT) || took != 35*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// TestKeepAliveUnanswered has the probes pass and their answers be lost.
func TestKeepAliveUnanswered(t *testing.T) {
	between(t, []memnet.Box{memnet.Cut{From: memnet.Server, After: 3, Do: memnet.Swallow}}, nil, func(t *testing.T, w *world) {
		c, s := w.connect(w.client, "server:21", w.listen(w.server, ":21"))
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 20 * time.Second, Interval: 5 * time.Second, Count: 3})
		s.Write([]byte("123"))
		io.ReadFull(c, make([]byte, 3))
		start := time.Now()
		_, err := c.Read(make([]byte, 1))
		if took := time.Since(start).Round(time.Second); !isError(err, syscall.ETIMEDOUT) || took != 35*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestMappingIsForgotten(t *testing.T) {
	behindNAT(t, memnet.NAT{IdleTimeout: time.Minute}, func(t *testing.T, w *world) {
		w.listen(w.client, ":5000")
		c, s := w.connectFrom(w.client, port(clientPrivate, 5000), "server:21", w.listen(w.server, ":21"))
		c.Close()
		s.Close()
		public := seenFrom(s)
		time.Sleep(50 * time.Second)
		if err := w.try(w.server, netip.AddrPort{}, public); err != nil {
			t.Errorf("before the timeout: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if err := w.try(w.server, netip.AddrPort{}, public); err == nil {
			t.Error("the mapping outlived its timeout")
		}
		second := w.near.Host("second", addr("192.168.1.11"))
		l := w.listen(w.server, ":22")
		if _, s := w.connectFrom(w.client, port(clientPrivate, 5000), "server:22", l); seenFrom(s) == public {
			t.Errorf("the forgotten mapping %v is back", public)
		}
		_, s = w.connect(second, "server:22", l)
		if seenFrom(s).Addr() != clientPublic {
			t.Errorf("second host seen as %v", seenFrom(s))
		}
	})
}

// With all ports but one forwarded, a second mapping has to wait until the first
// has been idle for long enough.
func TestPortsRunOut(t *testing.T) {
	forward := memnet.Forward{Ports: memnet.PortRange{First: 1024, Last: 65534}, To: addr("192.168.1.11")}
	behindNAT(t, memnet.NAT{Forwards: []memnet.Forward{forward}}, func(t *testing.T, w *world) {
		l := w.listen(w.server, ":21")
		c, s := w.connect(w.client, "server:21", l)
		if seenFrom(s).Port() != 65535 {
			t.Errorf("the one free port is not used: %v", seenFrom(s))
		}
		c.Close()
		s.Close()
		time.Sleep(time.Second)
		if err := w.try(w.client, netip.AddrPort{}, port(serverPublic, 21)); err == nil {
			t.Error("a second mapping without a free port")
		}
		time.Sleep(4 * time.Minute)
		if _, s := w.connect(w.client, "server:21", l); seenFrom(s).Port() != 65535 {
			t.Errorf("port not reused: %v", seenFrom(s))
		}
		want := memnet.Counters{Connections: 3, Dropped: 1}
		if got := w.near.Counters()[0]; got != want {
			t.Errorf("counters %+v, want %+v", got, want)
		}
	})
}
