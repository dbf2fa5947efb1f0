package portmap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain sees that nothing of the package runs on after the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, g := range leftOver() {
		fmt.Fprintln(os.Stderr, "runs on after the tests:\n"+g)
		code = 1
	}
	os.Exit(code)
}

// leftOver returns the stacks of the package's goroutines that do not end. One
// that has told its owner that it is done may need a moment to be gone, so that
// the check is repeated before it accuses.
func leftOver() (stacks []string) {
	buf := make([]byte, 1<<20)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stacks = stacks[:0]
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")[1:] {
			if strings.Contains(g, "ftpnat/portmap.") {
				stacks = append(stacks, g)
			}
		}
		if len(stacks) == 0 || time.Now().After(end) {
			return stacks
		}
	}
}

var local = netip.MustParseAddrPort("127.0.0.1:4021")

// ample is a timeout that no machine is too slow for.
const ample = 30 * time.Second

var mapTests = []struct {
	name      string
	gateway   behaviour
	protocols []Protocol
	port      uint16
	want      counts // after the mapping was released
}{
	{
		name: "PCP", port: 4022,
		want: counts{PCPMap: 1, PCPDelete: 1},
	},
	{
		name: "NAT-PMP only", gateway: behaviour{noPCP: true}, port: 4023,
		want: counts{PMPAddress: 1, PMPMap: 1, PMPDelete: 1},
	},
	{
		name: "UPnP only", gateway: behaviour{noPCP: true, noPMP: true}, port: 4021,
		want: counts{Search: 1, Describe: 1, Address: 1, AddAny: 1, Del: 1},
	},
	{
		name: "NAT-PMP first", protocols: []Protocol{NATPMP, PCP}, port: 4023,
		want: counts{PMPAddress: 1, PMPMap: 1, PMPDelete: 1},
	},
	{
		name: "IGD version 1", gateway: behaviour{version: "1"}, protocols: []Protocol{UPnP}, port: 4021,
		want: counts{Search: 1, Describe: 1, Address: 1, Add: 1, Del: 1},
	},
	{
		name: "PPP", gateway: behaviour{version: "ppp"}, protocols: []Protocol{UPnP}, port: 4021,
		want: counts{Search: 1, Describe: 1, Address: 1, Add: 1, Del: 1},
	},
	{
		name: "UPnP, permanent leases only", protocols: []Protocol{UPnP}, port: 4021,
		gateway: behaviour{version: "1", fault: firstFault("AddPortMapping", upnpPermanentOnly)},
		want:    counts{Search: 1, Describe: 1, Address: 1, Add: 2, Del: 1},
	},
	{
		name: "UPnP, released by the gateway before", protocols: []Protocol{UPnP}, port: 4021,
		gateway: behaviour{fault: firstFault("DeletePortMapping", upnpNoSuchEntry)},
		want:    counts{Search: 1, Describe: 1, Address: 1, AddAny: 1, Del: 1},
	},
}

func TestMap(t *testing.T) {
	for _, tt := range mapTests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := tt.gateway.start(t)
			m := &Mapper{Gateway: f.addr, Protocols: tt.protocols, Timeout: ample}
			defer m.Close()
			mapping, err := m.Map(t.Context(), local)
			if err != nil {
				t.Fatal(err)
			}
			if want := netip.AddrPortFrom(f.public, tt.port); mapping.Public != want {
				t.Errorf("mapped %v, want %v", mapping.Public, want)
			}
			if n := f.mapped(); n != 1 {
				t.Errorf("the gateway has %d mappings, want 1", n)
			}
			for range 2 {
				if err := mapping.Release(); err != nil {
					t.Error(err)
				}
			}
			if got := f.received(); got != tt.want {
				t.Errorf("the gateway received\n%+v, want\n%+v", got, tt.want)
			}
			if n := f.mapped(); n != 0 {
				t.Errorf("the gateway still has %d mappings", n)
			}
		})
	}
}

// firstFault answers the first call of an action with a fault.
func firstFault(action string, code int) func(string, uint16, int) int {
	return func(a string, _ uint16, nth int) int {
		if a == action && nth == 1 {
			return code
		}
		return 0
	}
}

// TestConflict is a gateway of version 1 on which another host has the port.
func TestConflict(t *testing.T) {
	t.Parallel()
	taken := func(action string, outer uint16, _ int) int {
		if action == "AddPortMapping" && outer == local.Port() {
			return upnpConflict
		}
		return 0
	}
	f := behaviour{version: "1", fault: taken}.start(t)
	m := &Mapper{Gateway: f.addr, Protocols: []Protocol{UPnP}, Timeout: ample}
	defer m.Close()
	mapping, err := m.Map(t.Context(), local)
	if err != nil {
		t.Fatal(err)
	}
	if p := mapping.Public.Port(); p < upnpFirstRandomPort {
		t.Errorf("mapped the port %d, want another one from %d on", p, upnpFirstRandomPort)
	}
	if err := mapping.Release(); err != nil || f.mapped() != 0 {
		t.Errorf("Release: %v, with %d mappings left", err, f.mapped())
	}
}

// TestRemembers sees that a second mapping does not search again.
func TestRemembers(t *testing.T) {
	t.Parallel()
	f := behaviour{noPCP: true, noPMP: true}.start(t)
	m := &Mapper{Gateway: f.addr, Timeout: ample}
	for port := range uint16(3) {
		if _, err := m.Map(t.Context(), netip.AddrPortFrom(local.Addr(), 5000+port)); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	want := counts{Search: 1, Describe: 1, Address: 3, AddAny: 3, Del: 3}
	if got := f.received(); got != want {
		t.Errorf("the gateway received\n%+v, want\n%+v", got, want)
	}
	if _, err := m.Map(t.Context(), local); !errors.Is(err, ErrClosed) {
		t.Errorf("Map after Close: %v, want ErrClosed", err)
	}
}

// TestForgetsWhatFailed lets a gateway lose the protocol that it was known to
// speak.
func TestForgetsWhatFailed(t *testing.T) {
	t.Parallel()
	f := behaviour{}.start(t)
	m := &Mapper{Gateway: f.addr, Timeout: ample}
	defer m.Close()
	first, err := m.Map(t.Context(), local)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.noPCP = true
	f.mu.Unlock()
	if second, err := m.Map(t.Context(), local); err != nil || second.Public.Port() != 4023 {
		t.Errorf("Map: %v, %v; want a mapping by NAT-PMP", second.Public, err)
	}
}

func TestDoubleNAT(t *testing.T) {
	tests := []struct {
		protocol Protocol
		outer    string
		want     counts
	}{
		{PCP, "192.168.0.2", counts{PCPMap: 1, PCPDelete: 1}},
		{NATPMP, "100.64.1.2", counts{PMPAddress: 1}},
		{UPnP, "10.0.0.2", counts{Search: 1, Describe: 1, Address: 1}},
		{UPnP, "192.0.0.2", counts{Search: 1, Describe: 1, Address: 1}},
		{UPnP, "0.0.0.0", counts{Search: 1, Describe: 1, Address: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.protocol.String()+" "+tt.outer, func(t *testing.T) {
			t.Parallel()
			f := behaviour{public: netip.MustParseAddr(tt.outer)}.start(t)
			m := &Mapper{Gateway: f.addr, Protocols: []Protocol{tt.protocol}, Timeout: ample}
			_, err := m.Map(t.Context(), local)
			var notPublic *NotPublicError
			if !errors.As(err, &notPublic) || notPublic.Addr != f.public {
				t.Errorf("Map: %v, want a NotPublicError for %v", err, f.public)
			}
			var named *Error
			if !errors.As(err, &named) || named.Protocol != tt.protocol || named.Gateway != f.addr {
				t.Errorf("Map: %v, want an Error for %v at %v", err, tt.protocol, f.addr)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			if got := f.received(); got != tt.want || f.mapped() != 0 {
				t.Errorf("the gateway received\n%+v, want\n%+v, and has %d mappings left", got, tt.want, f.mapped())
			}
		})
	}
}

// TestErrorLines is a gateway where nothing works, asked twice.
func TestErrorLines(t *testing.T) {
	t.Parallel()
	f := behaviour{noPCP: true, noPMP: true, fault: func(string, uint16, int) int { return 501 }}.start(t)
	m := &Mapper{Gateway: f.addr, Timeout: ample}
	defer m.Close()
	want := strings.ReplaceAll(`portmap: PCP at ADDR: the gateway speaks NAT-PMP only
portmap: NAT-PMP at ADDR: Non-zero result code 1 (Unsupported Version)
portmap: UPnP at ADDR: the gateway refuses: SaysTheGateway (501)`, "ADDR", f.addr.String())
	for range 2 {
		if _, err := m.Map(t.Context(), local); err == nil || err.Error() != want {
			t.Errorf("Map: %v\nwant %s", err, want)
		}
	}
	if got, want := f.received(), (counts{Search: 1, Describe: 1, Address: 1}); got != want {
		t.Errorf("the gateway received\n%+v, want\n%+v", got, want)
	}
}

func TestBadArguments(t *testing.T) {
	tests := []struct {
		mapper Mapper
		local  string
		want   string
	}{
		{Mapper{}, "0.0.0.0:21", "0.0.0.0:21 is not the address"},
		{Mapper{}, "[::]:21", "[::]:21 is not the address"},
		{Mapper{}, "192.168.1.2:0", "192.168.1.2:0 is not the address"},
		{Mapper{Protocols: []Protocol{}}, "192.168.1.2:21", "Protocols is empty"},
		{Mapper{Protocols: []Protocol{9}}, "192.168.1.2:21", "Protocols has Protocol(9)"},
		{Mapper{}, "127.0.0.1:21", "there is no gateway for 127.0.0.1"},
		{Mapper{}, "198.51.100.77:21", "there is no gateway for 198.51.100.77"},
		{Mapper{}, "[2001:db8::77]:21", "there is no gateway for 2001:db8::77"},
	}
	for i := range tests {
		tt := &tests[i]
		_, err := tt.mapper.Map(t.Context(), netip.MustParseAddrPort(tt.local))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Map(%s): %v, want %q", tt.local, err, tt.want)
		}
		if strings.Contains(tt.want, "no gateway") != errors.Is(err, ErrNoGateway) {
			t.Errorf("Map(%s): %v: is it ErrNoGateway?", tt.local, err)
		}
	}
}

// TestCancel cancels while a deaf gateway is waited for.
func TestCancel(t *testing.T) {
	for _, p := range defaultProtocols {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			f := behaviour{deaf: true}.start(t)
			m := &Mapper{Gateway: f.addr, Protocols: []Protocol{p}, Timeout: 2 * time.Second}
			ctx, cancel := context.WithCancel(t.Context())
			asked := make(chan error)
			go func() {
				_, err := m.Map(ctx, local)
				asked <- err
			}()
			<-f.asked
			cancel()
			if err := <-asked; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), p.String()) {
				t.Errorf("Map: %v, want context.Canceled, and %v named", err, p)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCloseEndsMap closes while a deaf gateway is waited for.
func TestCloseEndsMap(t *testing.T) {
	t.Parallel()
	f := behaviour{deaf: true}.start(t)
	m := &Mapper{Gateway: f.addr, Timeout: ample}
	asked := make(chan error)
	go func() {
		_, err := m.Map(t.Context(), local)
		asked <- err
	}()
	<-f.asked
	m.Close()
	if err := <-asked; !errors.Is(err, ErrClosed) {
		t.Errorf("Map: %v, want ErrClosed", err)
	}
}

func TestIPv4Only(t *testing.T) {
	gateway := netip.MustParseAddr("fd00::1") // nothing is sent to it
	m := &Mapper{Gateway: gateway, Protocols: []Protocol{NATPMP, UPnP}}
	defer m.Close()
	_, err := m.Map(t.Context(), netip.MustParseAddrPort("[::1]:4021"))
	want := "portmap: NAT-PMP at fd00::1: it is for IPv4 only\nportmap: UPnP at fd00::1: it is for IPv4 only"
	if err == nil || err.Error() != want {
		t.Errorf("Map: %v\nwant %s", err, want)
	}
}
