package memnet_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

func TestFirewall(t *testing.T) {
	rule := func(r memnet.Rule) memnet.Firewall { return memnet.Firewall{Rules: []memnet.Rule{r}} }
	client, other := netip.PrefixFrom(clientPublic, 32), netip.MustParsePrefix("192.0.2.0/24")
	tests := []struct {
		name     string
		firewall memnet.Firewall
		want     error
		counters memnet.Counters
	}{
		{"no rule", memnet.Firewall{}, nil, memnet.Counters{Connections: 1}},
		{"drop", rule(memnet.Rule{Direction: memnet.Inbound, Do: memnet.Drop}), syscall.ETIMEDOUT, memnet.Counters{Connections: 1, Dropped: 1}},
		{"refuse", rule(memnet.Rule{Direction: memnet.Inbound, Do: memnet.Refuse}), syscall.ECONNREFUSED, memnet.Counters{Connections: 1, Refused: 1}},
		{"unreachable", rule(memnet.Rule{Direction: memnet.Inbound, Do: memnet.Unreachable}), syscall.EHOSTUNREACH, memnet.Counters{Connections: 1, Refused: 1}},
		{"other direction", rule(memnet.Rule{Direction: memnet.Outbound, Do: memnet.Refuse}), nil, memnet.Counters{Connections: 1}},
		{"other port", rule(memnet.Rule{Direction: memnet.Inbound, Ports: memnet.Port(22), Do: memnet.Refuse}), nil, memnet.Counters{Connections: 1}},
		{"from", rule(memnet.Rule{Direction: memnet.Inbound, From: client, Do: memnet.Refuse}), syscall.ECONNREFUSED, memnet.Counters{Connections: 1, Refused: 1}},
		{"from another", rule(memnet.Rule{Direction: memnet.Inbound, From: other, Do: memnet.Refuse}), nil, memnet.Counters{Connections: 1}},
		{"to another", rule(memnet.Rule{Direction: memnet.Inbound, To: other, Do: memnet.Refuse}), nil, memnet.Counters{Connections: 1}},
		{"port let in", memnet.InboundOnly(memnet.Refuse, memnet.Port(21)), nil, memnet.Counters{Connections: 1}},
		{"port not let in", memnet.InboundOnly(memnet.Refuse, memnet.Port(22)), syscall.ECONNREFUSED, memnet.Counters{Connections: 1, Refused: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			between(t, nil, []memnet.Box{tt.firewall}, func(t *testing.T, w *world) {
				w.listen(w.server, ":21")
				_, err := w.client.DialContext(t.Context(), "tcp", "server:21")
				if !errors.Is(err, tt.want) {
					t.Errorf("dial: %v, want %v", err, tt.want)
				}
				if got := w.far.Counters()[0]; got != tt.counters {
					t.Errorf("counters %+v, want %+v", got, tt.counters)
				}
			})
		})
	}
}

// portVerbs are the commands of active mode.
var portVerbs = []string{"PORT", "EPRT"}

// boxed are lines that a client sends through a CommandBox, and what comes of
// them.
var boxed = []struct {
	name           string
	box            memnet.CommandBox
	sent           []string
	got            string // what the server receives
	client, server error  // what each reads afterwards
	counters       memnet.Counters
}{
	{"no match", memnet.CommandBox{Verbs: portVerbs, Do: memnet.Reset}, []string{"EPSV\r\n"}, "EPSV\r\n",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1}},
	{"reset", memnet.CommandBox{Verbs: portVerbs, Do: memnet.Reset}, []string{"NOOP\r\n", "eprt |1|1.2.3.4|5|\r\n"}, "NOOP\r\n",
		syscall.ECONNRESET, syscall.ECONNRESET, memnet.Counters{Connections: 1, Resets: 1}},
	{"swallow", memnet.CommandBox{Verbs: []string{"EPSV"}, Do: memnet.Swallow}, []string{"NOOP\r\n", "EPSV\r\n", "QUIT\r\n"}, "NOOP\r\n",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1, Swallowed: 1}},
	{"any command", memnet.CommandBox{Do: memnet.Swallow}, []string{"USER x\r\n"}, "",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1, Swallowed: 1}},
	{"reset of the client", memnet.CommandBox{Verbs: portVerbs, Do: memnet.ResetClient}, []string{"PORT 1\r\n"}, "",
		syscall.ECONNRESET, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1, Resets: 1}},
	{"reset of the server", memnet.CommandBox{Verbs: portVerbs, Do: memnet.ResetServer}, []string{"PORT 1\r\n"}, "",
		os.ErrDeadlineExceeded, syscall.ECONNRESET, memnet.Counters{Connections: 1, Resets: 1}},
	{"hang up", memnet.CommandBox{Verbs: portVerbs, Do: memnet.Hangup}, []string{"PORT 1\r\n"}, "",
		io.EOF, io.EOF, memnet.Counters{Connections: 1, Hangups: 1}},
	{"in one segment with others", memnet.CommandBox{Verbs: portVerbs, Do: memnet.Swallow}, []string{"TYPE I\r\nPORT 1\r\n"}, "",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1, Swallowed: 1}},
	{"in pieces", memnet.CommandBox{Verbs: portVerbs, Do: memnet.Swallow}, []string{"PO", "RT 1", "\r\n"}, "PORT 1",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1, Swallowed: 1}},
	{"not at a line start", memnet.CommandBox{Verbs: portVerbs, Do: memnet.Swallow}, []string{"RETR ", "PORT 1\r\n"}, "RETR PORT 1\r\n",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1}},
	{"private address", memnet.CommandBox{Verbs: portVerbs, Arg: memnet.PrivateEndpoint, Do: memnet.Swallow}, []string{"PORT 10,0,0,1,2,3\r\n"}, "",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1, Swallowed: 1}},
	{"private address in EPRT", memnet.CommandBox{Verbs: portVerbs, Arg: memnet.PrivateEndpoint, Do: memnet.Swallow}, []string{"EPRT |2|fd00::1|5|\r\n"}, "",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1, Swallowed: 1}},
	{"public address", memnet.CommandBox{Verbs: portVerbs, Arg: memnet.PrivateEndpoint, Do: memnet.Swallow}, []string{"PORT 203,0,113,7,2,3\r\n"}, "PORT 203,0,113,7,2,3\r\n",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1}},
	{"another port", memnet.CommandBox{Do: memnet.Reset, ControlPort: 2121}, []string{"PORT 1\r\n"}, "PORT 1\r\n",
		os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, memnet.Counters{Connections: 1}},
}

func TestCommandBox(t *testing.T) {
	for _, tt := range boxed {
		for _, side := range []string{"client", "server"} {
			t.Run(tt.name+" at the "+side+"'s side", func(t *testing.T) {
				near, far := []memnet.Box{tt.box}, []memnet.Box(nil)
				if side == "server" {
					near, far = far, near
				}
				between(t, near, far, func(t *testing.T, w *world) {
					c, s := w.control()
					for _, line := range tt.sent {
						w.send(c, line)
					}
					if tt.got != "" {
						time.Sleep(latency + time.Millisecond)
						w.expect(s, tt.got)
					}
					w.expectError(s, tt.server)
					w.expectError(c, tt.client)
					if got := append(w.near.Counters(), w.far.Counters()...)[0]; got != tt.counters {
						t.Errorf("counters %+v, want %+v", got, tt.counters)
					}
				})
			})
		}
	}
}

// A control connection that was swallowed is given up: a reset still reaches the server, an
// orderly close does not.
func TestResetPassesAHole(t *testing.T) {
	for linger, want := range map[int]error{0: syscall.ECONNRESET, -1: os.ErrDeadlineExceeded} {
		between(t, []memnet.Box{memnet.CommandBox{Do: memnet.Swallow}}, nil, func(t *testing.T, w *world) {
			c, s := w.control()
			w.send(c, "EPSV\r\n")
			c.SetLinger(linger)
			c.Close()
			w.expectError(s, want)
		})
	}
}

func TestReplyBox(t *testing.T) {
	const pasv = "227 Entering Passive Mode (198,51,100,20,19,136).\r\n"
	rewritten := memnet.Counters{Connections: 1, Rewrites: 1}
	tests := []struct {
		name     string
		box      memnet.ReplyBox
		sent     string
		want     string
		counters memnet.Counters
	}{
		{"address", memnet.ReplyBox{Code: "227", Addr: serverPrivate}, pasv, "227 Entering Passive Mode (10,0,0,20,19,136).\r\n", rewritten},
		{"port", memnet.ReplyBox{Code: "227", Port: 1}, pasv, "227 Entering Passive Mode (198,51,100,20,0,1).\r\n", rewritten},
		{"port of 229", memnet.ReplyBox{Code: "229", Port: 1}, "229 Ok (|||5000|)\r\n", "229 Ok (|||1|)\r\n", rewritten},
		{"line", memnet.ReplyBox{Code: "229", Line: "500 no"}, "229 Ok (|||5000|)\r\n", "500 no\r\n", rewritten},
		{"among others", memnet.ReplyBox{Code: "229", Port: 1}, "200 Ok\r\n229 Ok (|||5000|)\r\n200 Ok\r\n", "200 Ok\r\n229 Ok (|||1|)\r\n200 Ok\r\n", rewritten},
		{"another reply", memnet.ReplyBox{Code: "227", Addr: serverPrivate}, "200 Ok\r\n", "200 Ok\r\n", memnet.Counters{Connections: 1}},
		{"swallow", memnet.ReplyBox{Code: "227", Do: memnet.Swallow}, pasv, "", memnet.Counters{Connections: 1, Swallowed: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			between(t, []memnet.Box{tt.box}, nil, func(t *testing.T, w *world) {
				c, s := w.control()
				w.send(s, tt.sent)
				if tt.want != "" {
					w.expect(c, tt.want)
				} else {
					w.expectError(c, os.ErrDeadlineExceeded)
				}
				if got := w.near.Counters()[0]; got != tt.counters {
					t.Errorf("counters %+v, want %+v", got, tt.counters)
				}
			})
		})
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		do             memnet.Action
		client, server error
	}{
		{memnet.Reset, syscall.ECONNRESET, syscall.ECONNRESET},
		{memnet.Swallow, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{memnet.Hangup, io.EOF, io.EOF},
	} {
		for after := range 8 {
			for _, near := range []bool{true, false} {
				boxes := []memnet.Box{memnet.Cut{From: memnet.Server, After: int64(after), Do: tt.do}}
				nearBoxes, farBoxes := boxes, []memnet.Box(nil)
				if !near {
					nearBoxes, farBoxes = farBoxes, nearBoxes
				}
				between(t, nearBoxes, farBoxes, func(t *testing.T, w *world) {
					c, s := w.control()
					var failed error // of a Write that finds the reset before a Read does
					for _, piece := range []string{"abc", "defg", "h"} {
						if _, err := s.Write([]byte(piece)); err != nil {
							failed = err
							break
						}
					}
					time.Sleep(time.Second)
					if after > 0 {
						w.expect(c, "abcdefgh"[:after])
					}
					w.expectError(c, tt.client)
					if failed == nil {
						_, failed = receive(s)
					}
					if !isError(failed, tt.server) {
						t.Errorf("%v after %d bytes: the server sees %v, want %v", tt.do, after, failed, tt.server)
					}
				})
			}
		}
	}
}

func TestTap(t *testing.T) {
	var seen []string
	tap := memnet.Tap{
		OnConnect: func(c memnet.Crossing) memnet.Verdict {
			seen = append(seen, c.Direction.String()+" to "+c.Server.String())
			return memnet.Pass
		},
		OnSegment: func(_ memnet.Crossing, from memnet.End, payload []byte) memnet.Action {
			seen = append(seen, from.String()+": "+string(payload))
			return memnet.Relay
		},
	}
	between(t, []memnet.Box{tap}, nil, func(t *testing.T, w *world) {
		c, s := w.control()
		w.send(c, "hello")
		w.expect(s, "hello")
		w.send(s, "world")
		w.expect(c, "world")
	})
	if got, want := strings.Join(seen, "; "), "outbound to 198.51.100.20:21; client: hello; server: world"; got != want {
		t.Errorf("saw %q, want %q", got, want)
	}
}

// What happens at one instant happens in the order in which it was set off.
func TestOrderOfEvents(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for range 5 {
		var order strings.Builder
		tap := memnet.Tap{OnSegment: func(_ memnet.Crossing, _ memnet.End, payload []byte) memnet.Action {
			order.Write(payload)
			return memnet.Relay
		}}
		between(t, nil, []memnet.Box{tap}, func(t *testing.T, w *world) {
			l := w.listen(w.server, ":21")
			conns := make([]net.Conn, len(letters))
			for i := range conns {
				conns[i], _ = w.connect(w.client, "server:21", l)
			}
			for i, c := range conns {
				w.send(c, letters[i:i+1])
			}
			time.Sleep(time.Second)
		})
		if order.String() != letters {
			t.Errorf("segments arrived as %q", order.String())
		}
	}
}
