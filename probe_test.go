package ftpnat_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// readOnly are the commands that a probe may send.
var readOnly = []string{"USER", "PASS", "FEAT", "TYPE", "OPTS", "PWD", "STAT", "NOOP", "EPSV", "PASV", "PORT", "EPRT",
	"PRET", "LIST", "QUIT", "AUTH", "PBSZ", "PROT"}

// probe runs a probe and checks what holds for each one: it is quick, and the
// server's files are the same.
func (w *world) probe() *ftpnat.Report {
	w.t.Helper()
	start := time.Now()
	r, err := w.d.Probe(w.ctx, w.Addr)
	if err != nil {
		w.t.Fatal(err)
	}
	if took := time.Since(start); took >= 30*time.Second {
		w.t.Errorf("it took %v", took)
	}
	for _, d := range w.Server.Transcript() {
		for _, verb := range d.Verbs() {
			if !slices.Contains(readOnly, verb) {
				w.t.Errorf("it sent %s", verb)
			}
		}
	}
	if (r.Err() == nil) != (r.Mode != 0) {
		w.t.Errorf("%v works, and Err is %v", r.Mode, r.Err())
	}
	if len(r.Advice()) == 0 {
		w.t.Error("no advice")
	}
	return r
}

func withHelper(n memnet.NAT) memnet.NAT {
	n.FTPHelper = true
	return n
}

func oneToOne(n memnet.NAT) memnet.NAT {
	n.Forwards = []memnet.Forward{{Ports: memnet.AllPorts, To: privateClient}}
	return n
}

// serverNAT is in front of a server that does not know of it.
func serverNAT(ports ...memnet.PortRange) memnet.NAT {
	n := memnet.NAT{Public: serverAddr, Filtering: memnet.AddressAndPortDependent}
	for _, p := range ports {
		n.Forwards = append(n.Forwards, memnet.Forward{Ports: p, To: privateServer})
	}
	return n
}

func refuseAll(s *ftptest.Server, verbs ...string) {
	for _, v := range verbs {
		s.Script = append(s.Script, ftptest.Step{On: v, Reply: "502 Command not implemented."})
	}
}

// findings are the short answers of a report.
type findings struct {
	nat, helper, serverNAT ftpnat.Finding
	seen, dataAddr         netip.Addr
}

// Parts of the advice that is given most.
const (
	passiveBlocked = "A firewall drops connections to the ports that the server opens for passive mode"
	forwardPorts   = "Forward a range of ports to this machine"
	nothingToDo    = "EPSV works: there is nothing to be changed."
)

// What is found most.
var (
	nattedPath = findings{nat: ftpnat.Yes, serverNAT: ftpnat.No, seen: natAddr}
	openPath   = findings{nat: ftpnat.No, serverNAT: ftpnat.No, seen: publicClient}
)

// probes are what is on the way, and what must be said of it.
var probes = []struct {
	name   string
	setup  setup
	want   []string
	fatal  []ftpnat.Mode
	finds  findings
	advice []string // in this order, parts of all there is
}{
	{"open", setup{}, []string{"EPSV OK", "PASV OK", "PORT OK", "EPRT OK"}, nil, openPath, []string{nothingToDo}},
	{"behind NAT", setup{near: []memnet.Box{homeNAT}}, []string{"EPSV OK", "PASV OK", "PORT Refused", "PORT AcceptTimeout", "EPRT Refused", "EPRT AcceptTimeout"}, nil,
		findings{ftpnat.Yes, ftpnat.No, ftpnat.No, natAddr, netip.Addr{}}, []string{nothingToDo}},
	{"behind NAT, address in the refusal", setup{near: []memnet.Box{homeNAT}, ftp: func(s *ftptest.Server) { s.Personality = ftptest.PureFTPd() }},
		[]string{"EPSV OK", "PASV OK", "PORT Refused", "PORT AcceptTimeout", "EPRT Refused", "EPRT AcceptTimeout"}, nil,
		findings{ftpnat.Yes, ftpnat.No, ftpnat.No, natAddr, netip.Addr{}}, []string{nothingToDo}},
	{"behind NAT, nobody tells the address", setup{near: []memnet.Box{homeNAT}, ftp: func(s *ftptest.Server) { s.Personality = ftptest.FileZilla() }},
		nil, nil, findings{nat: ftpnat.Yes, serverNAT: ftpnat.No}, []string{nothingToDo}},
	{"NAT with a helper", setup{near: []memnet.Box{withHelper(homeNAT)}}, []string{"EPSV OK", "PASV OK", "PORT OK", "PORT AcceptTimeout", "EPRT OK", "EPRT AcceptTimeout"}, nil,
		findings{ftpnat.Yes, ftpnat.Yes, ftpnat.No, natAddr, netip.Addr{}}, []string{nothingToDo}},
	{"1:1 NAT", setup{near: []memnet.Box{oneToOne(homeNAT)}}, []string{"EPSV OK", "PASV OK", "PORT Refused", "PORT OK", "EPRT Refused", "EPRT OK"}, nil,
		findings{ftpnat.Yes, ftpnat.No, ftpnat.No, natAddr, netip.Addr{}}, []string{nothingToDo}},
	{"1:1 NAT and a server that replaces the address", setup{near: []memnet.Box{oneToOne(homeNAT)}, ftp: func(s *ftptest.Server) { s.Personality = ftptest.ProFTPD() }},
		[]string{"EPSV OK", "PASV OK", "PORT OK", "PORT OK", "EPRT OK", "EPRT OK"}, nil, nattedPath, []string{nothingToDo}},
	{"2006", setup{near: []memnet.Box{homeNAT, memnet.CommandBox{Verbs: []string{"PORT", "EPRT"}, Arg: memnet.PrivateEndpoint, Do: memnet.Reset}}},
		[]string{"EPSV OK", "PASV OK", "PORT ControlReset", "PORT AcceptTimeout", "EPRT ControlReset", "EPRT AcceptTimeout"}, []ftpnat.Mode{ftpnat.PORT, ftpnat.EPRT}, nattedPath,
		[]string{nothingToDo, "cuts the control connection at PORT and EPRT: programs that begin with that end with \"Connection closed by remote host\" or the like. Set them to EPSV (passive mode)."}},
	{"EPSV swallowed", setup{near: []memnet.Box{homeNAT, on("EPSV", memnet.Swallow)}}, nil, []ftpnat.Mode{ftpnat.EPSV}, findings{ftpnat.Yes, ftpnat.No, ftpnat.No, natAddr, netip.Addr{}},
		[]string{"PASV works, and is found after EPSV, which costs 2.2s once.", "swallows EPSV: programs that begin with that hang. Set them to PASV (passive mode)."}},
	{"EPSV refused", setup{ftp: func(s *ftptest.Server) { refuseAll(s, "EPSV") }}, nil, nil, openPath, []string{"PASV works, and is found after EPSV."}},
	{"active only", setup{far: []memnet.Box{activeOnly}}, []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT OK", "EPRT OK"}, nil, openPath,
		[]string{"PORT works, and is found after EPSV and PASV, which costs 2.7s once.", "Only active mode works", passiveBlocked}},
	{"active only, helper", setup{near: []memnet.Box{withHelper(homeNAT)}, far: []memnet.Box{activeOnly}}, nil, nil, findings{ftpnat.Yes, ftpnat.Yes, ftpnat.No, natAddr, netip.Addr{}},
		[]string{"PORT works", "Only active mode works", passiveBlocked, "It works because the NAT's FTP helper reads the commands."}},
	{"nothing, behind NAT", setup{near: []memnet.Box{homeNAT}, far: []memnet.Box{activeOnly}},
		[]string{"EPSV DialTimeout", "PASV DialTimeout", "PORT Refused", "PORT AcceptTimeout", "EPRT Refused", "EPRT AcceptTimeout"}, nil, findings{ftpnat.Yes, ftpnat.No, ftpnat.No, natAddr, netip.Addr{}},
		[]string{passiveBlocked, forwardPorts}},
	{"nothing, behind NAT that refuses", setup{near: []memnet.Box{memnet.NAT{Public: natAddr, RejectUnsolicited: true}}, far: []memnet.Box{activeOnly}},
		[]string{"EPSV DialTimeout", "PASV DialTimeout", "PORT Refused", "PORT DataRefused", "EPRT Refused", "EPRT DataRefused"}, nil, findings{ftpnat.Yes, ftpnat.No, ftpnat.No, natAddr, netip.Addr{}},
		[]string{passiveBlocked, forwardPorts}},
	{"nothing, firewalls on both sides", setup{near: []memnet.Box{memnet.InboundOnly(memnet.Drop)}, far: []memnet.Box{activeOnly}},
		[]string{"EPSV DialTimeout", "PASV DialTimeout", "PORT AcceptTimeout", "EPRT AcceptTimeout"}, nil, openPath,
		[]string{passiveBlocked, "There is no NAT, so it is a firewall"}},
	{"nothing, all refused", setup{ftp: func(s *ftptest.Server) { refuseAll(s, "EPSV", "PASV", "PORT", "EPRT") }},
		[]string{"EPSV Refused", "PASV Refused", "PORT Refused", "EPRT Refused"}, nil, findings{nat: ftpnat.No, seen: publicClient}, []string{"The server does not allow this mode."}},
	{"server behind 1:1 NAT", setup{server: privateServer, name: serverAddr, far: []memnet.Box{serverNAT(memnet.AllPorts)}}, nil, nil,
		findings{ftpnat.No, ftpnat.Unknown, ftpnat.Yes, publicClient, privateServer}, []string{nothingToDo, "In PASV the server names 10.9.0.10, an address of its own network. It was passed over"}},
	{"nothing, server behind NAT that forwards port 21", setup{near: []memnet.Box{homeNAT}, server: privateServer, name: serverAddr, far: []memnet.Box{serverNAT(memnet.Port(21))}}, nil, nil,
		findings{ftpnat.Yes, ftpnat.No, ftpnat.Yes, natAddr, privateServer}, []string{passiveBlocked, "The server is behind a NAT and does not know it: in passive mode it names 10.9.0.10", forwardPorts}},
	{"227 names another public host", setup{near: []memnet.Box{homeNAT}, far: []memnet.Box{activeOnly}, ftp: func(s *ftptest.Server) { s.Network.Advertise = deadAddr }}, nil, nil,
		findings{ftpnat.Yes, ftpnat.No, ftpnat.Unknown, natAddr, deadAddr}, []string{passiveBlocked, "In passive mode the server names another host, 192.0.2.99.", forwardPorts}},
	{"bad IP", setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "LIST", Reply: "425 Security: Bad IP connecting."}}
	}}, nil, nil, openPath, []string{"The data connection leaves your network from another address"}},
	{"a box accepts and passes nothing on", setup{near: []memnet.Box{homeNAT}, far: []memnet.Box{memnet.SYNProxy{Ports: memnet.PortRange{First: 1024, Last: 65535}}}},
		[]string{"EPSV ControlSilent", "PASV ControlSilent", "PORT Refused", "PORT AcceptTimeout", "EPRT Refused", "EPRT AcceptTimeout"}, nil, findings{ftpnat.Yes, ftpnat.No, ftpnat.No, natAddr, netip.Addr{}},
		[]string{"The data connection was accepted and then nothing came", forwardPorts}},
	{"all swallowed", setup{near: []memnet.Box{on("EPSV", memnet.Swallow), on("PASV", memnet.Swallow), on("PORT", memnet.Swallow), on("EPRT", memnet.Swallow)}},
		[]string{"EPSV ControlSilent", "PASV ControlSilent", "PORT ControlSilent", "EPRT ControlSilent"}, []ftpnat.Mode{ftpnat.EPSV, ftpnat.PASV, ftpnat.PORT, ftpnat.EPRT}, findings{nat: ftpnat.No, seen: publicClient},
		[]string{"Something on the way swallows this command"}},
	{"PublicAddr is wrong", setup{near: []memnet.Box{homeNAT}, far: []memnet.Box{activeOnly}, dialer: func(d *ftpnat.Dialer) { d.PublicAddr = deadAddr }},
		[]string{"EPSV DialTimeout", "PASV DialTimeout", "PORT Refused", "PORT Refused", "EPRT Refused", "EPRT Refused"}, nil, nattedPath,
		[]string{"Dialer.PublicAddr is 192.0.2.99, but the server sees this machine as 203.0.113.7", passiveBlocked, "The server does not allow this mode."}},
	{"IPv6", setup{client: client6, server: server6}, []string{"EPSV OK", "PASV Refused", "EPRT OK"}, nil, findings{nat: ftpnat.No, seen: client6}, []string{nothingToDo}},
	{"listing refused", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "LIST", Reply: "550 Permission denied."}} }},
		[]string{"EPSV OK", "PASV OK"}, nil, openPath, []string{nothingToDo}},
}

// TestProbe tries every mode, says what is on the way and gives the advice
// that fits.
func TestProbe(t *testing.T) {
	for _, c := range probes {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.setup, func(t *testing.T, w *world) {
				r := w.probe()
				if got := causesOf(r.Attempts); c.want != nil && !slices.Equal(got, c.want) {
					t.Errorf("attempts %q, want %q", got, c.want)
				}
				if !slices.Equal(r.Fatal, c.fatal) {
					t.Errorf("fatal are %v, want %v", r.Fatal, c.fatal)
				}
				if got := (findings{r.NAT, r.Helper, r.ServerNAT, r.Seen, r.DataAddr}); got != c.finds {
					t.Errorf("found %v, want %v", got, c.finds)
				}
				advice := r.Advice()
				for i, want := range c.advice {
					if i >= len(advice) || !strings.Contains(advice[i], want) {
						t.Errorf("advice %d is not %q", i, want)
					}
				}
				if len(advice) != len(c.advice) || t.Failed() {
					t.Errorf("%d pieces of advice, want %d:\n%v", len(advice), len(c.advice), r)
				}
			})
		})
	}
}

// TestProbeTLS finds the version and whether data connections resume.
func TestProbeTLS(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name    string
		version uint16
		tickets bool // on our side
		reuse   bool // required
		want    string
		resumed ftpnat.Finding
		mode    ftpnat.Mode
		advice  string
	}{
		{"1.2", tls.VersionTLS12, true, true, "TLS 1.2", ftpnat.Yes, ftpnat.EPSV, "EPSV works"},
		{"1.3", tls.VersionTLS13, true, true, "TLS 1.3", ftpnat.Yes, ftpnat.EPSV, "EPSV works"},
		{"nothing to resume", tls.VersionTLS13, false, false, "TLS 1.3", ftpnat.No, ftpnat.EPSV, "EPSV works"},
		{"nothing to resume where it is wanted", tls.VersionTLS13, false, true, "TLS 1.3", ftpnat.No, 0, "require_ssl_reuse=NO"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := setup{near: []memnet.Box{withHelper(homeNAT)}, ftp: func(s *ftptest.Server) {
				s.TLS, s.RequireReuse = cert.Server.Clone(), c.reuse
				s.TLS.MaxVersion = c.version
			}, dialer: func(d *ftpnat.Dialer) {
				d.TLSConfig = &tls.Config{RootCAs: cert.Pool, SessionTicketsDisabled: !c.tickets}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				r := w.probe()
				if !r.TLS || r.TLSVersion != c.want || r.TLSResumed != c.resumed || r.Mode != c.mode || r.Helper != ftpnat.Unknown {
					t.Errorf("%s, resumed %v, %v works, helper %v:\n%v", r.TLSVersion, r.TLSResumed, r.Mode, r.Helper, r)
				}
				if got := strings.Join(r.Advice(), "\n"); !strings.Contains(got, c.advice) {
					t.Errorf("the advice has no %q: %s", c.advice, got)
				}
			})
		})
	}
}

// TestProbeProxy knows what a proxy hides.
func TestProbeProxy(t *testing.T) {
	cases := []struct {
		name   string
		far    []memnet.Box
		want   []string
		mode   ftpnat.Mode
		advice string
	}{
		{"open", nil, []string{"EPSV OK", "PASV OK"}, ftpnat.EPSV, "EPSV works: there is nothing to be changed."},
		{"refused", []memnet.Box{memnet.InboundOnly(memnet.Refuse, memnet.Port(21))}, []string{"EPSV ProxyRefused", "PASV ProxyRefused"}, 0, "allow connections (CONNECT) to the server's passive ports"},
		{"dropped", []memnet.Box{activeOnly}, []string{"EPSV DialTimeout", "PASV DialTimeout"}, 0, "The proxy did not open the connection"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := setup{near: []memnet.Box{homeNAT}, far: c.far, dialer: func(d *ftpnat.Dialer) {
				d.ProxyURL = &url.URL{Scheme: "http", Host: fmt.Sprintf("proxy.example.com:%d", proxyPort)}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				w.startProxy()
				r := w.probe()
				if got := causesOf(r.Attempts); !slices.Equal(got, c.want) || r.Mode != c.mode {
					t.Errorf("attempts %q, %v works", got, r.Mode)
				}
				if !r.Proxy || r.Remote.IsValid() || r.Seen != proxyHost || r.NAT != ftpnat.Unknown || r.ServerNAT != ftpnat.Unknown {
					t.Errorf("got:\n%v", r)
				}
				if got := r.Advice(); len(got) != 1 || !strings.Contains(got[0], c.advice) {
					t.Errorf("advice %q", got)
				}
			})
		})
	}
}

// TestProbeBounded has servers that hang where a probe is not prepared for it.
func TestProbeBounded(t *testing.T) {
	hang := func(verb string, nth int) func(*ftptest.Server) {
		return func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: verb, Nth: nth, Then: ftptest.Silence}}
		}
	}
	cases := []struct {
		name  string
		setup setup
		err   string // of Probe; empty for a report
		mode  ftpnat.Mode
		stop  string
	}{
		{"nothing at the login", setup{ftp: hang("USER", 0)}, "the login took more than 28s", 0, ""},
		{"nothing to the greeting", setup{ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: ftptest.Greeting, Delay: time.Hour}}
		}}, "the login took more than 28s", 0, ""},
		{"always full", setup{ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: ftptest.Greeting, Reply: "421 Too many users", Then: ftptest.Cut}}
		}}, "421", 0, ""},
		{"nothing to STAT", setup{ftp: hang("STAT", 1)}, "", ftpnat.EPSV, ""},
		{"nothing to the listings", setup{ftp: hang("LIST", 0)}, "", 0, ""},
		{"no data", setup{far: []memnet.Box{memnet.Cut{Ports: memnet.PortRange{First: 1024, Last: 65535}, From: memnet.Server, Do: memnet.Swallow}}}, "", ftpnat.PORT, ""},
		{"no data, whichever way", setup{far: []memnet.Box{memnet.Cut{Ports: memnet.PortRange{First: 1024, Last: 65535}, From: memnet.Server, Do: memnet.Swallow},
			memnet.Cut{Ports: memnet.PortRange{First: 1024, Last: 65535}, From: memnet.Client, Do: memnet.Swallow}}}, "", 0, "the time was up"},
		{"slow at everything", setup{ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "PASS", Delay: 9 * time.Second}, {On: "EPSV", Delay: 1900 * time.Millisecond}, {On: "LIST", Delay: 3 * time.Second}}
		}}, "", ftpnat.EPSV, "the time was up"},
		{"no second connection", setup{near: []memnet.Box{on("EPSV", memnet.Reset)}, ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: ftptest.Greeting, Conn: 2, Reply: "530 Banned", Then: ftptest.Cut}}
		}}, "", 0, "the control connection could not be opened again: 530 Banned"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.setup, func(t *testing.T, w *world) {
				start := time.Now()
				if c.err != "" {
					r, err := w.d.Probe(w.ctx, w.Addr)
					if r != nil || err == nil || !strings.Contains(err.Error(), c.err) {
						t.Errorf("got %v, %v, want an error with %q", r, err, c.err)
					}
				} else if r := w.probe(); r.Mode != c.mode || r.Stopped != c.stop {
					t.Errorf("%v works, stopped by %q; want %v, %q\n%v", r.Mode, r.Stopped, c.mode, c.stop, r)
				}
				if took := time.Since(start); took >= 30*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestProbeContext ends with the caller's context, and within its deadline.
func TestProbeContext(t *testing.T) {
	inBubble(t, setup{near: []memnet.Box{homeNAT}, far: []memnet.Box{activeOnly}}, func(t *testing.T, w *world) {
		for _, after := range []time.Duration{time.Millisecond, 200 * time.Millisecond, 3 * time.Second, 6 * time.Second} {
			ctx, cancel := context.WithCancel(w.ctx)
			time.AfterFunc(after, cancel)
			start := time.Now()
			r, err := w.d.Probe(ctx, w.Addr)
			if took := time.Since(start); r != nil || !errors.Is(err, context.Canceled) || took > after+2*time.Second {
				t.Errorf("cancelled after %v: %v, %v after %v", after, r, err, took)
			}
		}
		ctx, cancel := context.WithTimeout(w.ctx, 6*time.Second)
		defer cancel()
		r, err := w.d.Probe(ctx, w.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := causesOf(r.Attempts); !slices.Equal(got, []string{"EPSV DialTimeout", "PASV DialTimeout"}) || r.Stopped != "the time was up" || r.Err() == nil {
			t.Errorf("with a deadline of 6s: %v", r)
		}
		if ctx.Err() != nil {
			t.Error("the report came after the deadline")
		}
	})
}

// TestProbeLearns has what a probe found serve the next transfer.
func TestProbeLearns(t *testing.T) {
	inBubble(t, setup{near: []memnet.Box{homeNAT, on("EPSV", memnet.Swallow)}}, func(t *testing.T, w *world) {
		w.probe()
		c := w.dial()
		defer c.Close()
		if err := w.fetch(c); err != nil {
			t.Fatal(err)
		}
		if got := causesOf(c.Report().Attempts); !slices.Equal(got, []string{"PASV OK"}) {
			t.Errorf("attempts %q after a probe", got)
		}
	})
}
