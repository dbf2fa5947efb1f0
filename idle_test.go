package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// TestIdleControl has a NAT that forgets a connection that is idle for 8 s, in two
// ways, and a transfer that takes longer: the closing reply must come through.
func TestIdleControl(t *testing.T) {
	forgetful := memnet.Masquerade(natAddr)
	forgetful.IdleTimeout = 8 * time.Second
	for _, reset := range []bool{false, true} {
		forgetful.IdleReset = reset
		for _, modes := range [][]ftpnat.Mode{nil, {ftpnat.PASV}} {
			s := setup{near: []memnet.Box{forgetful}, dialer: func(d *ftpnat.Dialer) { d.Modes = modes },
				ftp: func(s *ftptest.Server) { s.Limits.Rate = int64(len(content)) / 30 }}
			inBubble(t, s, func(t *testing.T, w *world) {
				c := w.dial()
				defer c.Close()
				start := time.Now()
				if err := w.fetch(c); err != nil {
					t.Errorf("download: %v", err)
				}
				if err := w.store(c); err != nil {
					t.Errorf("upload: %v", err)
				}
				if took := time.Since(start); took < 40*time.Second || took > 70*time.Second {
					t.Errorf("the transfers took %v, want about a minute", took)
				}
				time.Sleep(time.Minute) // the program does something else
				if err := w.fetch(c); err != nil {
					t.Errorf("download after a pause: %v", err)
				}
				if r := c.Report(); r.Reconnect != 0 {
					t.Errorf("%d reconnects: the control connection was forgotten", r.Reconnect)
				}
			})
		}
	}
}

// TestIdleForgotten has the same NAT forget the connection in spite of
// everything, because the caller's connections have no keepalive: what was
// lost is found out and mended.
func TestIdleForgotten(t *testing.T) {
	forgetful := memnet.Masquerade(natAddr)
	forgetful.IdleTimeout = 8 * time.Second
	inBubble(t, setup{near: []memnet.Box{forgetful}}, func(t *testing.T, w *world) {
		w.d.DialContext = noKeepalive(w.d.DialContext)
		c := w.dial()
		defer c.Close()
		if err := w.fetch(c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		start := time.Now()
		if err := w.fetch(c); err != nil {
			t.Errorf("download after a pause: %v", err)
		}
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("it took %v to find out and to begin again", took)
		}
		if n := w.Near.Counters()[0].Expired; n == 0 {
			t.Error("the NAT has forgotten nothing")
		}
	})
}

// TestIdleTimeout has a connection that nobody uses closed after Dialer.IdleTimeout,
// and kept if that is negative.
func TestIdleTimeout(t *testing.T) {
	for _, tt := range []struct {
		timeout, pause time.Duration
		logins         int
	}{
		{0, 50 * time.Second, 1},
		{0, 70 * time.Second, 2},
		{10 * time.Second, 11 * time.Second, 2},
		{5 * time.Minute, 4 * time.Minute, 1},
		{-1, 24 * time.Hour, 1},
	} {
		inBubble(t, setup{dialer: func(d *ftpnat.Dialer) { d.IdleTimeout = tt.timeout }}, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "")
			for range 2 {
				if _, err := fsys.ReadDir("pub"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.pause) // the program does something else
			}
			if _, err := fsys.ReadDir("pub"); err != nil {
				t.Fatal(err)
			}
			if got, want := w.commands("PASS"), 1+2*(tt.logins-1); got != want {
				t.Errorf("timeout %v, pause %v: %d logins, want %d", tt.timeout, tt.pause, got, want)
			}
		})
	}
}

// noKeepalive returns connections without keepalive.
func noKeepalive(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return struct{ net.Conn }{nc}, nil // has no SetKeepAliveConfig
	}
}

// TestOtherDataHost has a server whose 227 rightly names another public host.
// Only the caller can know that it is right.
func TestOtherDataHost(t *testing.T) {
	dataHost := netip.MustParseAddr("198.51.100.20")
	s := setup{far: []memnet.Box{memnet.Tap{}}, ftp: func(s *ftptest.Server) { refuseAll(s, "EPSV", "PORT", "EPRT") }}
	build := func(w *world) {
		other := w.Net.Host("data.example.com", dataHost)
		s := w.Server
		s.Network.Listen, s.Network.Advertise = func(ctx context.Context, network, addr string) (net.Listener, error) {
			_, port, _ := net.SplitHostPort(addr)
			return other.Listen(ctx, network, net.JoinHostPort(dataHost.String(), port))
		}, dataHost
	}
	t.Run("not trusted", func(t *testing.T) {
		inBubble(t, s, func(t *testing.T, w *world) {
			build(w)
			c := w.dial()
			defer c.Close()
			err := w.fetch(c)
			var ne *ftpnat.NegotiateError
			if !errors.As(err, &ne) {
				t.Fatalf("err = %v", err)
			}
			if got := strings.Join(ne.Advice(), "\n"); !strings.Contains(got, "names another host, 198.51.100.20") || !strings.Contains(got, "set Dialer.TrustDataAddr") {
				t.Errorf("the advice does not say so: %s", got)
			}
			if !strings.Contains(err.Error(), "advertised 198.51.100.20:") {
				t.Errorf("the error does not name the address: %v", err)
			}
		})
	})
	t.Run("trusted", func(t *testing.T) {
		inBubble(t, s, func(t *testing.T, w *world) {
			build(w)
			w.d.TrustDataAddr = func(control, advertised netip.Addr) bool {
				return control == serverAddr && advertised == dataHost
			}
			c := w.dial()
			defer c.Close()
			for range 2 {
				if err := w.bothWays(c); err != nil {
					t.Fatal(err)
				}
			}
			if got := causesOf(c.Report().Attempts); !slices.Equal(got, []string{"PASV OK"}) {
				t.Errorf("attempts of the last transfer: %q", got)
			}
		})
	})
}

// TestOnePerAddress has a server that takes one control connection from an
// address, and boxes that cost it each time.
func TestOnePerAddress(t *testing.T) {
	for _, do := range []memnet.Action{memnet.Swallow, memnet.Reset, memnet.Hangup} {
		t.Run(do.String(), func(t *testing.T) {
			s := setup{near: []memnet.Box{homeNAT, on("EPSV", do)}, ftp: func(s *ftptest.Server) { s.Limits.MaxPerAddr = 1 }}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/pub")
				if err != nil {
					t.Fatal(err)
				}
				defer fsys.Close()
				start := time.Now()
				for range 2 {
					got, err := fsys.ReadFile("file.bin")
					if err != nil || !bytes.Equal(got, content) {
						t.Fatalf("%d bytes, %v", len(got), err)
					}
				}
				if took := time.Since(start); took > 7*time.Second {
					t.Errorf("it took %v", took)
				}
				// Two files at once share the connection.
				a, err := fsys.Open("file.bin")
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				if _, err := io.ReadFull(a, make([]byte, 10)); err != nil {
					t.Fatal(err)
				}
				if _, err := fsys.ReadFile("file.bin"); err != nil {
					t.Errorf("a second file: %v", err)
				}
			})
		})
	}
}

// TestGoesOn has a server that answers 421 and goes on, to each command of the
// negotiation in turn.
func TestGoesOn(t *testing.T) {
	for _, verb := range []string{"EPSV", "PASV", "PORT", "EPRT", "REST", "RETR", "STAT", "STOR"} {
		t.Run(verb, func(t *testing.T) {
			s := setup{ftp: func(s *ftptest.Server) {
				s.Script = []ftptest.Step{{On: verb, Nth: 1, Reply: "421 Could not create socket."}}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				for _, modes := range [][]ftpnat.Mode{nil, {ftpnat.PASV, ftpnat.EPSV}, {ftpnat.PORT, ftpnat.EPSV}, {ftpnat.EPRT, ftpnat.EPSV}} {
					w.d.Modes = modes
					c := w.dial()
					rc, err := c.Retrieve(w.ctx, "pub/file.bin", 10)
					if err == nil {
						_, err = io.Copy(io.Discard, rc)
						rc.Close()
					}
					if err == nil {
						err = w.store(c)
					}
					// REST is the caller's: 421 may be the answer to it.
					if err != nil && (verb != "REST" || replyOf(err).Code != 421) {
						t.Errorf("%v: %v", modes, err)
					}
					if err := w.fetch(c); err != nil {
						t.Errorf("%v, afterwards: %v", modes, err)
					}
					if r := c.Report(); r.Reconnect != 0 {
						t.Errorf("%v: %d reconnects, and the connection was good", modes, r.Reconnect)
					}
					c.Close()
				}
			})
		})
	}
}

// TestSIPPort has a server that names a port of SIP's, which boxes rewrite what
// crosses it: another one is asked for, once.
func TestSIPPort(t *testing.T) {
	for _, c := range []struct {
		mode  ftpnat.Mode
		reply string
	}{
		{ftpnat.EPSV, "229 Entering Extended Passive Mode (|||5060|)"},
		{ftpnat.EPSV, "229 Entering Extended Passive Mode (|||5061|)"},
		{ftpnat.PASV, "227 Entering Passive Mode (198,51,100,10,19,196)."},
	} {
		s := setup{near: []memnet.Box{homeNAT}, dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{c.mode} },
			ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: c.mode.String(), Nth: 1, Reply: c.reply}} }}
		inBubble(t, s, func(t *testing.T, w *world) {
			conn := w.dial()
			defer conn.Close()
			if err := w.fetch(conn); err != nil {
				t.Fatal(err)
			}
			verb := c.mode.String()
			if got := strings.Replace(w.Verbs(), " FEAT", "", 1); !strings.HasSuffix(got, verb+" "+verb+" RETR") {
				t.Errorf("%s: the commands were %s", c.reply, got)
			}
			if got := causesOf(conn.Report().Attempts); !slices.Equal(got, []string{verb + " OK"}) {
				t.Errorf("%s: attempts %q", c.reply, got)
			}
			if !strings.Contains(w.log.String(), "belongs to SIP") {
				t.Error("the second command has no reason in the trace")
			}
		})
	}
	// A server with no other port is taken at its word.
	s := setup{ftp: func(s *ftptest.Server) { s.Network.PassivePorts = [2]uint16{5060, 5060} }}
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		if err := w.fetch(c); err != nil {
			t.Error(err)
		}
	})
}

// TestListenPortsRotate wants no port twice in a row where there are others:
// the server may hold the last connection to it still.
func TestListenPortsRotate(t *testing.T) {
	cases := []struct {
		ports [2]uint16
		apart int // transfers after which a port may come again
	}{
		{[2]uint16{40000, 40009}, 5},
		{[2]uint16{40000, 40001}, 1},
		{[2]uint16{40000, 40000}, 0},
	}
	for _, c := range cases {
		inBubble(t, setup{dialer: func(d *ftpnat.Dialer) { d.Modes, d.ListenPorts = []ftpnat.Mode{ftpnat.PORT}, c.ports }}, func(t *testing.T, w *world) {
			conn := w.dial()
			defer conn.Close()
			var used []uint16
			for range 20 {
				if err := w.fetch(conn); err != nil {
					t.Fatal(err)
				}
				a := conn.Report().Attempts
				port := a[len(a)-1].Advertised.Port()
				if slices.Contains(used[max(len(used)-c.apart, 0):], port) {
					t.Errorf("%v: port %d comes again after %v", c.ports, port, used)
				}
				used = append(used, port)
			}
		})
	}
}
