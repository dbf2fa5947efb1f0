package portmap

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// brief is the timeout of a test that is about waiting in vain.
const brief = 300 * time.Millisecond

// edit changes bytes of every good answer on port 5351.
func edit(change func(b []byte) []byte) func(req, ok []byte) []byte {
	return func(_, ok []byte) []byte { return change(ok) }
}

func put(i int, values ...byte) func(req, ok []byte) []byte {
	return edit(func(b []byte) []byte {
		if len(b) >= i+len(values) {
			copy(b[i:], values)
		}
		return b
	})
}

// TestBadAnswers is a gateway that answers port 5351 with something else.
func TestBadAnswers(t *testing.T) {
	tests := []struct {
		name     string
		protocol Protocol
		edit     func(req, ok []byte) []byte
		want     string
	}{
		{"garbage", PCP, edit(func([]byte) []byte { return []byte("what?") }), "no answer but an answer of version 119"},
		{"empty", PCP, edit(func([]byte) []byte { return []byte{} }), "no answer but an answer of 0 bytes, which is too short"},
		{"an echo", PCP, func(req, _ []byte) []byte { return req }, "no answer but an answer with the opcode 0x1"},
		{"cut short", PCP, edit(func(b []byte) []byte { return b[:56] }), "no answer but an answer of 56 bytes, which is too short"},
		{"odd length", PCP, edit(func(b []byte) []byte { return append(b, 0) }), "no answer but an answer of 61 bytes"},
		{"too long", PCP, edit(func(b []byte) []byte { return append(b, make([]byte, 1200)...) }), "no answer but an answer of 1101 bytes"},
		{"another nonce", PCP, edit(func(b []byte) []byte { b[24]++; return b }), "no answer but an answer with another nonce"},
		{"for UDP", PCP, put(36, 17), "no answer but an answer for the transport protocol 17"},
		{"for another port", PCP, put(40, 0, 21), "no answer but an answer for the local port 21"},
		{"port 0", PCP, put(42, 0, 0), "no answer but one that grants 198.41.0.99:0 for 2m0s"},
		{"no lifetime", PCP, put(4, 0, 0, 0, 0), "no answer but one that grants 198.41.0.99:4022 for 0s"},
		{"unauthorised", PCP, put(3, 2), "the gateway refuses: NOT_AUTHORIZED (2)"},
		{"an unknown result", PCP, put(3, 99), "the gateway refuses: an unknown result (99)"},
		{"version 1", PCP, edit(func([]byte) []byte { return []byte{1, 0x81, 0, 1} }), "the gateway refuses: UNSUPP_VERSION (1)"},
		{"silence", PCP, func(_, _ []byte) []byte { return nil }, "no answer"},

		{"garbage", NATPMP, edit(func([]byte) []byte { return []byte("what?") }), "unknown protocol version 119"},
		{"empty", NATPMP, edit(func([]byte) []byte { return []byte{} }), "unexpected result size 0"},
		{"PCP", NATPMP, put(0, 2), "unknown protocol version 2"},
		{"another opcode", NATPMP, put(1, 129), "Unexpected opcode 129"},
		{"no address", NATPMP, put(3, 3), "Non-zero result code 3 (Network Failure"},
		{"another port", NATPMP, func(req, ok []byte) []byte {
			if req[1] == 2 {
				ok[8], ok[9] = 0, 21
			}
			return ok
		}, "no answer but one that maps port 4023 to 21 for 120 s"},
		{"silence", NATPMP, func(_, _ []byte) []byte { return nil }, "no answer"},
	}
	for _, tt := range tests {
		t.Run(tt.protocol.String()+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			f := behaviour{editUDP: tt.edit}.start(t)
			checkFails(t, f, tt.protocol, brief, tt.want)
		})
	}
}

// checkFails maps in vain and compares the one line of error.
func checkFails(t *testing.T, f *fakeGateway, p Protocol, timeout time.Duration, want string) {
	t.Helper()
	m := &Mapper{Gateway: f.addr, Protocols: []Protocol{p}, Timeout: timeout}
	defer m.Close()
	mapping, err := m.Map(t.Context(), local)
	if err == nil {
		t.Fatalf("mapped %v, want the error %q", mapping.Public, want)
	}
	if begin := fmt.Sprintf("portmap: %v at %v: ", p, f.addr); !strings.HasPrefix(err.Error(), begin+want) {
		t.Errorf("Map: %v\nwant %s%s", err, begin, want)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("Map: %q is more than one line", err)
	}
}

// TestForgedAnswers has another host answer, and well.
func TestForgedAnswers(t *testing.T) {
	for _, p := range defaultProtocols {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			f := behaviour{answerer: freshLoopback()}.start(t)
			checkFails(t, f, p, brief, "no answer")
			if got := f.received(); got.Describe != 0 {
				t.Errorf("the gateway received %+v: the other host was listened to", got)
			}
		})
	}
}

// TestNobodyThere is a gateway that takes datagrams for an error.
func TestNobodyThere(t *testing.T) {
	for _, p := range []Protocol{PCP, NATPMP} {
		m := &Mapper{Gateway: freshLoopback(), Protocols: []Protocol{p}, Timeout: ample}
		if _, err := m.Map(t.Context(), local); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("Map: %v, want one that says refused", err)
		}
		m.Close()
	}
}

// otherHost is not the gateway.
var otherHost = freshLoopback()

// elsewhere has an answer to a search point at otherHost.
func elsewhere(ok string) string {
	i := strings.Index(ok, "http://")
	return ok[:i] + "http://" + otherHost.String() + ":80/root.xml\r\n\r\n"
}

var badUPnP = []struct {
	name    string
	gateway behaviour
	want    string // with OTHER for the other host
}{
	{"silence", behaviour{noUPnP: true}, "no answer"},
	{"garbage", behaviour{editSearch: func(string) string { return "what?" }}, "no answer but an answer to the search that is not HTTP"},
	{"404", behaviour{editSearch: func(string) string { return "HTTP/1.1 404 No\r\n\r\n" }},
		"no answer but an answer to the search with the status 404"},
	{"another device", behaviour{editSearch: func(ok string) string { return strings.Replace(ok, igdType, "upnp:", 1) }},
		`no answer but an answer to the search for "upnp:1"`},
	{"no location", behaviour{editSearch: func(ok string) string { return strings.Replace(ok, "LOCATION", "LOC", 1) }},
		`no answer but the URL "", which is not of HTTP`},
	{"a file", behaviour{editSearch: func(ok string) string { return strings.Replace(ok, "http:", "file:", 1) }},
		`no answer but the URL "file://`},
	{"elsewhere", behaviour{editSearch: elsewhere}, `no answer but the URL "http://OTHER:80/root.xml", which is not at `},
	{"by name", behaviour{editSearch: func(ok string) string { return strings.Replace(ok, "http://127", "http://router.lan/127", 1) }},
		`no answer but the URL "http://router.lan/`},

	{"no description", behaviour{status: http.StatusNotFound}, "its description at http://"},
	{"redirected", behaviour{status: http.StatusFound}, "its description at http://"},
	{"no XML", behaviour{description: "what?"}, "its description at http://"},
	{"a bomb", behaviour{description: strings.Repeat("<root>", maxBody)}, "its description at http://"},
	{"another service", behaviour{description: fmt.Sprintf(igdDescription, "Layer3Forwarding:1", "/ctl")},
		"its description names no service that maps ports"},
	{"control elsewhere", behaviour{description: fmt.Sprintf(igdDescription, "WANIPConnection:1", "http://"+otherHost.String()+"/ctl")},
		`its description names the URL "http://OTHER/ctl", which is not at `},

	{"no SOAP", behaviour{soap: "what?"}, "goupnp: error decoding response body: "},
	{"empty SOAP", behaviour{soap: envelope("")}, ""},
	{"no address", behaviour{soap: envelope("<x><NewExternalIPAddress>\nwhat?</NewExternalIPAddress></x>")},
		`the gateway's outer address "\nwhat?" is none of IPv4`},
	{"refusal", behaviour{fault: firstFault("AddAnyPortMapping", 606)}, "the gateway refuses: SaysTheGateway (606)"},
	{"all ports taken", behaviour{version: "1", fault: func(action string, _ uint16, _ int) int {
		if action == "AddPortMapping" {
			return upnpConflict
		}
		return 0
	}}, "the gateway refuses: SaysTheGateway (718)"},
}

// TestBadUPnP is a gateway whose UPnP is not what it should be.
func TestBadUPnP(t *testing.T) {
	for _, tt := range badUPnP {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			timeout := ample
			if strings.HasPrefix(tt.want, "no answer") {
				timeout = brief
			}
			f := tt.gateway.start(t)
			checkFails(t, f, UPnP, timeout, strings.Replace(tt.want, "OTHER", otherHost.String(), 1))
			if got := f.received(); got.Elsewhere != 0 || f.mapped() != 0 {
				t.Errorf("the gateway received %+v and has %d mappings", got, f.mapped())
			}
		})
	}
}

// TestGuard asks for what is not at the gateway.
func TestGuard(t *testing.T) {
	gateway, other := netip.MustParseAddr("127.0.0.1"), freshLoopback()
	ln, err := net.Listen("tcp", other.String()+":0")
	if err != nil {
		t.Skip(err)
	}
	defer ln.Close()
	hc := httpClient(gateway, gateway)
	for _, u := range []string{"http://" + ln.Addr().String(), "http://localhost:1", "https://" + ln.Addr().String()} {
		resp, err := hc.Get(u)
		if err == nil {
			resp.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "is not at the gateway 127.0.0.1") {
			t.Errorf("Get(%s): %v, want it refused", u, err)
		}
	}
}

// TestUncertainUPnP loses the answer to a request that the gateway carried
// out, and leaves other hosts' mappings alone.
func TestUncertainUPnP(t *testing.T) {
	t.Parallel()
	for _, mine := range []bool{true, false} {
		f := behaviour{version: "1"}.start(t)
		c := new(upnpClient)
		ctx := t.Context()
		r := request{gateway: f.addr, local: local, lifetime: time.Minute}
		if _, err := c.mapPort(ctx, r); err != nil {
			t.Fatal(err)
		}
		if !mine {
			f.mu.Lock()
			f.mappings[local.Port()] = netip.MustParseAddrPort("127.0.0.9:80")
			f.mu.Unlock()
		}
		if err := c.unmap(ctx, r); err != nil {
			t.Error(err)
		}
		if left := f.mapped() == 1; left == mine {
			t.Errorf("the mapping is mine: %v; it was left: %v", mine, left)
		}
	}
}

func TestOneLine(t *testing.T) {
	err := &Error{Protocol: PCP, Gateway: local.Addr(), Err: errors.New("a\r\nb\x1b\xff" + strings.Repeat("x", 400))}
	want := "portmap: PCP at 127.0.0.1: a  b  " + strings.Repeat("x", maxText-6) + "..."
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}
