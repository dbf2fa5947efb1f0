package portmap

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"testing"
)

// counts is what a fakeGateway has received, each datagram once however often
// it was sent.
type counts struct {
	PCPMap, PCPDelete               int
	PMPAddress, PMPMap, PMPDelete   int
	Search, Describe                int
	Address, AddAny, Add, Del, Look int
	Elsewhere                       int // HTTP requests for anything else
}

// behaviour is how a fakeGateway is: each protocol can be switched off, or its
// answers changed.
type behaviour struct {
	public netip.Addr // its address toward the Internet; 198.41.0.99 if not set

	noPCP, noPMP bool                        // answers that it does not speak that
	deaf         bool                        // receives datagrams and answers none
	editUDP      func(req, ok []byte) []byte // changes answers on port 5351; nil drops them
	answerer     netip.Addr                  // where answers come from, if not from addr
	noUPnP       bool                        // does not answer searches
	editSearch   func(ok string) string
	version      string                                         // of WANIPConnection; "2" if empty
	description  string                                         // instead of its own
	fault        func(action string, outer uint16, nth int) int // code of the nth call of an action, 0 for none
	soap         string                                         // instead of all answers of the service
	status       int                                            // of the description
}

// fakeGateway is a gateway on a loopback address of its own.
type fakeGateway struct {
	behaviour
	t     *testing.T
	addr  netip.Addr
	asked chan struct{} // closed by the first datagram
	http  string        // host:port of its HTTP server

	mu       sync.Mutex
	seen     map[string]bool
	calls    map[string]int // of actions
	got      counts
	mappings map[uint16]netip.AddrPort
	epoch    uint32
}

const fakeLifetime = 120

// start begins to answer. It skips the test where there is only one loopback
// address.
func (b behaviour) start(t *testing.T) *fakeGateway {
	t.Helper()
	f := &fakeGateway{
		behaviour: b,
		t:         t,
		addr:      freshLoopback(),
		asked:     make(chan struct{}),
		seen:      make(map[string]bool),
		calls:     make(map[string]int),
		mappings:  make(map[uint16]netip.AddrPort),
	}
	if !f.public.IsValid() {
		f.public = netip.MustParseAddr("198.41.0.99")
	}
	ln, err := net.Listen("tcp", netip.AddrPortFrom(f.addr, 0).String())
	if err != nil {
		f.cannot(err)
	}
	f.http = ln.Addr().String()
	srv := &http.Server{Handler: http.HandlerFunc(f.serveHTTP)}
	var wg sync.WaitGroup
	wg.Go(func() { srv.Serve(ln) })
	t.Cleanup(func() { srv.Close(); wg.Wait() })
	f.serveUDP(pcpPort, f.answerPort5351)
	f.serveUDP(ssdpPort, f.answerSearch)
	return f
}

// cannot ends the test, which only Linux must be able to run.
func (f *fakeGateway) cannot(err error) {
	f.t.Helper()
	if runtime.GOOS != "linux" {
		f.t.Skipf("needs more loopback addresses than this system has: %v", err)
	}
	f.t.Fatal(err)
}

// freshLoopback returns one of the 16 million addresses that Linux has on its
// loopback interface: the protocols' ports are fixed and tests run side by side.
func freshLoopback() netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(1 + rand.IntN(250)), byte(rand.IntN(256)), byte(1 + rand.IntN(250))})
}

func (f *fakeGateway) serveUDP(port uint16, answer func(from netip.AddrPort, req []byte) []byte) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.addr, port)))
	if err != nil {
		f.cannot(err)
	}
	out := conn
	if f.answerer.IsValid() {
		out, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.answerer, port)))
		if err != nil {
			f.t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if resp := answer(from, b[:n]); resp != nil && !f.deaf {
				out.WriteToUDPAddrPort(resp, from)
			}
		}
	})
	f.t.Cleanup(func() { conn.Close(); out.Close(); wg.Wait() })
}

// count adds one, unless it has seen the datagram before.
func (f *fakeGateway) count(n *int, from netip.AddrPort, req []byte) {
	key := from.String() + string(req)
	if len(f.seen) == 0 {
		close(f.asked)
	}
	if !f.seen[key] {
		f.seen[key] = true
		*n++
	}
}

func (f *fakeGateway) received() counts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got
}

func (f *fakeGateway) mapped() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mappings)
}

func (f *fakeGateway) answerPort5351(from netip.AddrPort, req []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ok []byte
	if req[0] == pcpVersion {
		ok = f.pcp(from, req)
	} else {
		ok = f.pmp(from, req)
	}
	if f.editUDP != nil {
		return f.editUDP(req, ok)
	}
	return ok
}

func (f *fakeGateway) pcp(from netip.AddrPort, req []byte) []byte {
	lifetime := binary.BigEndian.Uint32(req[4:])
	inner := netip.AddrPortFrom(netip.AddrFrom16([16]byte(req[8:24])).Unmap(), binary.BigEndian.Uint16(req[40:]))
	if len(req) != pcpMapSize || req[1] != pcpOpMap || req[36] != pcpTCP || inner.Addr() != from.Addr() {
		f.t.Errorf("a bad PCP request from %v: %x", from, req)
	}
	if f.noPCP {
		return []byte{0, pcpResponse | pcpOpMap, 0, 1, 0, 0, 0, 0}
	}
	resp := append([]byte(nil), req...)
	resp[1] |= pcpResponse
	outer := inner.Port() + 1
	if lifetime == 0 {
		f.count(&f.got.PCPDelete, from, req)
		delete(f.mappings, outer)
	} else {
		f.count(&f.got.PCPMap, from, req)
		f.mappings[outer] = inner
		binary.BigEndian.PutUint32(resp[4:], fakeLifetime)
	}
	binary.BigEndian.PutUint32(resp[8:], f.epoch)
	binary.BigEndian.PutUint16(resp[42:], outer)
	addr := f.public.As16()
	copy(resp[44:], addr[:])
	return resp
}

func (f *fakeGateway) pmp(from netip.AddrPort, req []byte) []byte {
	resp := []byte{0, req[1] | pcpResponse, 0, 0, 0, 0, 0, 1}
	if f.noPMP {
		return append([]byte{0, req[1] | pcpResponse, 0, 1}, resp[4:]...)
	}
	if req[1] == 0 {
		f.count(&f.got.PMPAddress, from, req)
		addr := f.public.As4()
		return append(resp, addr[:]...)
	}
	inner := binary.BigEndian.Uint16(req[4:])
	outer := inner + 2
	lifetime := binary.BigEndian.Uint32(req[8:])
	if lifetime == 0 {
		f.count(&f.got.PMPDelete, from, req)
		delete(f.mappings, outer)
		outer = 0
	} else {
		f.count(&f.got.PMPMap, from, req)
		f.mappings[outer] = netip.AddrPortFrom(from.Addr(), inner)
		lifetime = fakeLifetime
	}
	resp = binary.BigEndian.AppendUint16(resp, inner)
	resp = binary.BigEndian.AppendUint16(resp, outer)
	return binary.BigEndian.AppendUint32(resp, lifetime)
}

// answerSearch answers for version 1 only, so that one search has one answer.
func (f *fakeGateway) answerSearch(from netip.AddrPort, req []byte) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.noUPnP || string(req) != string(searchMessage("1")) {
		return nil
	}
	f.count(&f.got.Search, from, req)
	ok := fmt.Sprintf("HTTP/1.1 200 OK\r\nST: %s1\r\nUSN: uuid:1\r\nLOCATION: http://%s/root.xml\r\n\r\n", igdType, f.http)
	if f.editSearch != nil {
		ok = f.editSearch(ok)
	}
	return []byte(ok)
}
