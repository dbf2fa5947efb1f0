package memnet_test

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

// TestInspector sends segments, of the client's and, after a "<", of the server's.
func TestInspector(t *testing.T) {
	const greeting = "<220 ready\r\n"
	for _, tt := range []struct {
		name     string
		box      memnet.Inspector
		segments []string
		server   string // what it gets; empty for nothing
		client   string // what it gets in the end beside what the server has sent
		reset    bool
	}{
		{"in turn", memnet.Inspector{Early: memnet.Reset, Ahead: memnet.Reset, Shared: memnet.Reset}, []string{greeting, "A\r\n", "<200 a\r\n", "B\r\n"}, "A\r\nB\r\n", "", false},
		{"early", memnet.Inspector{Early: memnet.Reset}, []string{"A\r\n"}, "", "", true},
		{"early, thrown away", memnet.Inspector{Early: memnet.Discard}, []string{"A\r\n", greeting, "B\r\n"}, "B\r\n", "", false},
		{"ahead", memnet.Inspector{Ahead: memnet.Reset}, []string{greeting, "A\r\n", "B\r\n"}, "A\r\n", "", true},
		{"ahead, thrown away", memnet.Inspector{Ahead: memnet.Discard}, []string{greeting, "A\r\n", "B\r\n", "<200 a\r\n", "C\r\n"}, "A\r\nC\r\n", "", false},
		{"ahead of the end of a reply", memnet.Inspector{Ahead: memnet.Discard}, []string{greeting, "A\r\n", "<200-a\r\n", "B\r\n", "<200 a\r\n", "C\r\n"}, "A\r\nC\r\n", "", false},
		{"shared", memnet.Inspector{Shared: memnet.Discard}, []string{greeting, "A\r\nB\r\n", "C\r\n"}, "A\r\nC\r\n", "", false},
		{"long", memnet.Inspector{Long: memnet.Discard, MaxSegment: 5}, []string{greeting, "A\r\nB\r\n", "C\r\n"}, "C\r\n", "", false},
		{"answered", memnet.Inspector{Answers: map[string]string{"B": "500 b"}}, []string{greeting, "A\r\nb x\r\n"}, "A\r\n", "500 b\r\n", false},
		{"answered behind the greeting", memnet.Inspector{Answers: map[string]string{"B": "500 b"}}, []string{"B\r\n", greeting}, "", "500 b\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			between(t, []memnet.Box{tt.box}, nil, func(t *testing.T, w *world) {
				c, s := w.control()
				var said string
				for _, text := range tt.segments {
					if text[0] == '<' {
						w.send(s, text[1:])
						said += text[1:]
					} else {
						w.send(c, text)
					}
					time.Sleep(2 * latency)
				}
				if tt.server != "" {
					w.expect(s, tt.server)
				}
				if tt.reset {
					c.SetReadDeadline(time.Now().Add(time.Second))
					for err := error(nil); ; _, err = receive(c) {
						if err != nil {
							if !isError(err, syscall.ECONNRESET) {
								t.Errorf("the client reads: %v", err)
							}
							return
						}
					}
				}
				w.expect(c, said+tt.client)
			})
		})
	}
}

// TestLastCommand has a firewall read as ftp-proxy(8) does.
func TestLastCommand(t *testing.T) {
	const offer, invite = "229 Extended (|||5000|)\r\n", "PORT 203,0,113,7,19,136\r\n"
	for _, tt := range []struct {
		name     string
		active   bool
		segments []string
		open     bool
	}{
		{"229 in its turn", false, []string{"EPSV\r\n", "<" + offer}, true},
		{"229 among others, in its turn", false, []string{"EPSV\r\n", "<" + offer + "200 ok\r\n"}, true},
		{"229 behind another reply", false, []string{"EPSV\r\n", "<226 done\r\n" + offer}, false},
		{"a command behind EPSV", false, []string{"EPSV\r\nNOOP\r\n", "<" + offer}, false},
		{"another reply than that to EPSV", false, []string{"PASV\r\n", "<" + offer}, false},
		{"PORT in its turn", true, []string{invite, "<200 ok\r\n"}, true},
		{"PORT refused", true, []string{invite, "<500 no\r\n"}, false},
		{"a command behind PORT", true, []string{invite, "RETR x\r\n", "<200 ok\r\n"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			firewall := memnet.InboundOnly(memnet.Drop, memnet.Port(21))
			firewall.FTPHelper, firewall.LastCommand = true, true
			near, far := []memnet.Box{firewall}, []memnet.Box(nil)
			if !tt.active {
				near, far = far, near
			}
			between(t, near, far, func(t *testing.T, w *world) {
				c, s := w.control()
				from, to := w.client, port(serverPublic, 5000)
				w.listen(w.server, ":5000")
				if tt.active {
					from, to = w.server, port(clientPublic, 5000)
					w.listen(w.client, ":5000")
				}
				for _, text := range tt.segments {
					if text[0] == '<' {
						w.send(s, text[1:])
					} else {
						w.send(c, text)
					}
					time.Sleep(2 * latency)
				}
				if err := w.try(from, netip.AddrPort{}, to); (err == nil) != tt.open {
					t.Errorf("data connection: %v", err)
				}
			})
		})
	}
}

// TestIdle has a box forget a connection that carried nothing for a while.
func TestIdle(t *testing.T) {
	for _, resets := range []bool{false, true} {
		for pause, alive := range map[time.Duration]bool{4 * time.Second: true, 6 * time.Second: false} {
			t.Run(fmt.Sprint(resets, pause), func(t *testing.T) {
				between(t, []memnet.Box{memnet.Idle{After: 5 * time.Second, Reset: resets}}, nil, func(t *testing.T, w *world) {
					control, data := w.listen(w.server, ":21"), w.listen(w.server, ":5000")
					c, s := w.connect(w.client, "server:21", control)
					dc, ds := w.connect(w.client, "server:5000", data)
					time.Sleep(pause)
					w.send(c, "NOOP\r\n")
					w.expect(s, "NOOP\r\n")
					w.send(ds, "data")
					got, err := receive(dc)
					if (got == "data") != alive || isError(err, syscall.ECONNRESET) != (resets && !alive) {
						t.Errorf("received %q, %v", got, err)
					}
				})
			})
		}
	}
}
