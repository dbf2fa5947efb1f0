package ftpnat_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

var homeNAT = memnet.NAT{Public: natAddr, Filtering: memnet.AddressAndPortDependent}

var (
	client6 = netip.MustParseAddr("2001:db8::2")
	server6 = netip.MustParseAddr("2001:db8:1::10")
)

// activeOnly lets nothing in to the server but the control connection.
var activeOnly = memnet.InboundOnly(memnet.Drop, memnet.Port(21))

func on(verb string, do memnet.Action) memnet.Box {
	return memnet.CommandBox{Verbs: []string{verb}, Do: do}
}

func dropPort(p uint16) memnet.Box {
	return memnet.Firewall{Rules: []memnet.Rule{{Direction: memnet.Inbound, Ports: memnet.Port(p), Do: memnet.Drop}}}
}

// events are the rows of the table of events: what is seen on the way, what must
// be done about it, and by when the first byte must come.
var events = []struct {
	name  string
	setup setup
	want  []string // the attempts
	verbs string   // the end of the commands of the last control connection, empty for not checked
	conns int      // control connections
	limit time.Duration
}{
	{"nothing in the way", setup{}, []string{"EPSV OK"}, "EPSV RETR", 1, 12 * rtt},
	{"client behind NAT", setup{near: []memnet.Box{homeNAT}}, []string{"EPSV OK"}, "EPSV RETR", 1, 12 * rtt},
	{"EPSV refused", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "EPSV", Reply: "500 no"}} }},
		[]string{"EPSV Refused", "PASV OK"}, "EPSV PASV RETR", 1, 13 * rtt},
	{"EPSV 421 and closed", setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "EPSV", Reply: "421 bye", Then: ftptest.Cut}}
	}}, []string{"EPSV ControlReset", "PASV OK"}, "PASV RETR", 2, time.Second + 20*rtt},
	{"EPSV 421 and open", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "EPSV", Reply: "421 command is disabled"}} }},
		[]string{"EPSV Refused", "PASV OK"}, "EPSV NOOP PASV RETR", 1, 14 * rtt},
	{"EPSV reset", setup{near: []memnet.Box{on("EPSV", memnet.Reset)}}, []string{"EPSV ControlReset", "PASV OK"}, "PASV RETR", 2, time.Second + 20*rtt},
	{"EPSV closed", setup{near: []memnet.Box{on("EPSV", memnet.Hangup)}}, []string{"EPSV ControlReset", "PASV OK"}, "PASV RETR", 2, time.Second + 20*rtt},
	{"EPSV swallowed", setup{near: []memnet.Box{on("EPSV", memnet.Swallow)}}, []string{"EPSV ControlSilent", "PASV OK"}, "PASV RETR", 2, 4 * time.Second},
	{"229 refused", setup{near: []memnet.Box{memnet.ReplyBox{Code: "229", Port: 3001}}},
		[]string{"EPSV DialRefused", "PASV OK"}, "EPSV PASV RETR", 1, 14 * rtt},
	{"229 dropped", setup{near: []memnet.Box{memnet.ReplyBox{Code: "229", Port: 3001}}, far: []memnet.Box{dropPort(3001)}},
		[]string{"EPSV DialTimeout", "PASV OK"}, "EPSV PASV RETR", 1, 3 * time.Second},
	{"229 accepted by a box that passes nothing on", setup{near: []memnet.Box{memnet.ReplyBox{Code: "229", Port: 3001}}, far: []memnet.Box{memnet.SYNProxy{Ports: memnet.Port(3001)}}},
		[]string{"EPSV ControlSilent", "PASV OK"}, "PASV RETR", 2, 17 * time.Second},
	{"passive dropped, active works", setup{far: []memnet.Box{activeOnly}}, []string{"EPSV DialTimeout", "PASV DialTimeout", "PORT OK"}, "EPSV PASV PORT RETR", 1, 6 * time.Second},
	{"passive refused, active works", setup{far: []memnet.Box{memnet.InboundOnly(memnet.Refuse, memnet.Port(21))}},
		[]string{"EPSV DialRefused", "PASV DialRefused", "PORT OK"}, "EPSV PASV PORT RETR", 1, time.Second},
	{"active only, NAT with helper", setup{near: []memnet.Box{memnet.NAT{Public: natAddr, Filtering: memnet.AddressAndPortDependent, FTPHelper: true}}, far: []memnet.Box{activeOnly}},
		[]string{"EPSV DialTimeout", "PASV DialTimeout", "PORT OK"}, "PORT RETR", 1, 6 * time.Second},
	{"active only, forwarded range", setup{
		near:   []memnet.Box{memnet.NAT{Public: natAddr, Filtering: memnet.AddressAndPortDependent, Forwards: []memnet.Forward{{Ports: memnet.PortRange{First: 40000, Last: 40009}, To: privateClient}}}},
		far:    []memnet.Box{activeOnly},
		dialer: func(d *ftpnat.Dialer) { d.PublicAddr, d.ListenPorts = natAddr, [2]uint16{40000, 40009} }},
		[]string{"EPSV DialTimeout", "PASV DialTimeout", "PORT Refused", "PORT OK"}, "PORT PORT RETR", 1, 6 * time.Second},
	{"active only, 1:1 NAT, address learnt from STAT", setup{
		near: []memnet.Box{memnet.NAT{Public: natAddr, Filtering: memnet.AddressAndPortDependent, Forwards: []memnet.Forward{{Ports: memnet.AllPorts, To: privateClient}}}},
		far:  []memnet.Box{activeOnly}},
		[]string{"EPSV DialTimeout", "PASV DialTimeout", "PORT Refused", "PORT OK"}, "PORT STAT PORT RETR", 1, 6 * time.Second},
	{"active only, 1:1 NAT, address learnt from the refusal", setup{
		near: []memnet.Box{memnet.NAT{Public: natAddr, Filtering: memnet.AddressAndPortDependent, Forwards: []memnet.Forward{{Ports: memnet.AllPorts, To: privateClient}}}},
		far:  []memnet.Box{activeOnly}, ftp: func(s *ftptest.Server) { s.Personality = ftptest.PureFTPd() }},
		[]string{"EPSV DialTimeout", "PASV DialTimeout", "PORT Refused", "PORT OK"}, "PORT PORT RETR", 1, 6 * time.Second},
	{"PORT reset, passive next", setup{near: []memnet.Box{homeNAT, on("PORT", memnet.Reset)}, dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT, ftpnat.EPSV} }},
		[]string{"PORT ControlReset", "EPSV OK"}, "EPSV RETR", 2, 1500 * time.Millisecond},
	{"PORT swallowed, passive next", setup{near: []memnet.Box{homeNAT, on("PORT", memnet.Swallow)}, dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT, ftpnat.EPSV} }},
		[]string{"PORT ControlSilent", "EPSV OK"}, "EPSV RETR", 2, 4 * time.Second},
	{"PORT refused, EPRT next", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "PORT", Reply: "502 no"}} }, dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT, ftpnat.EPRT} }},
		[]string{"PORT Refused", "EPRT OK"}, "PORT STAT EPRT RETR", 1, 20 * rtt},
	{"PORT 200 and nobody connects", setup{near: []memnet.Box{homeNAT}, ftp: func(s *ftptest.Server) { s.Personality.Data.ForeignPORT = ftptest.Connect }, dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT, ftpnat.EPSV} }},
		nil, "EPSV RETR", 3, 9 * time.Second},
	{"425 after 150", setup{dialer: plain, ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "RETR", Nth: 1, After150: "425 Can't open data connection."}}
	}}, []string{"EPSV DataRefused", "PASV OK"}, "EPSV RETR PASV RETR", 1, 20 * rtt},
	{"426 after 150 with nothing sent", setup{dialer: plain, ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "RETR", Nth: 1, After150: "426 Connection closed; transfer aborted."}}
	}}, []string{"EPSV DataRefused", "PASV OK"}, "EPSV RETR PASV RETR", 1, 20 * rtt},
	{"425 bad IP once", setup{dialer: plain, ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "RETR", Nth: 1, Reply: "425 Security: Bad IP connecting."}}
	}}, []string{"EPSV BadIP", "EPSV OK"}, "EPSV RETR EPSV RETR", 1, 20 * rtt},
	{"server stuck in connect", setup{near: []memnet.Box{homeNAT}, ftp: func(s *ftptest.Server) {
		s.Personality.Data.ForeignPORT = ftptest.Connect
		s.Personality.Data.EagerPORT = false
	}, dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT, ftpnat.PASV} }}, nil, "PASV RETR", 3, 9 * time.Second},
	{"227 names a private address", setup{ftp: func(s *ftptest.Server) {
		s.Network.Advertise = privateServer
		s.Script = []ftptest.Step{{On: "EPSV", Reply: "502 no"}}
	}}, []string{"EPSV Refused", "PASV OK"}, "EPSV PASV RETR", 1, 13 * rtt},
	{"server behind DNAT, 227 private, EPSV refused", setup{server: privateServer, name: serverAddr,
		far: []memnet.Box{memnet.NAT{Public: serverAddr, Forwards: []memnet.Forward{{Ports: memnet.AllPorts, To: privateServer}}}},
		ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "EPSV", Reply: "550 Permission denied."}} }},
		[]string{"EPSV Refused", "PASV OK"}, "EPSV PASV RETR", 1, 13 * rtt},
	{"227 names a dead public address", setup{ftp: func(s *ftptest.Server) { s.Network.Advertise = deadAddr }, dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PASV} }},
		[]string{"PASV OK"}, "PASV RETR", 1, 13 * rtt},
	{"227 in answer to EPSV", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "EPSV", As: "PASV"}} }},
		[]string{"EPSV OK"}, "EPSV RETR", 1, 13 * rtt},
	{"229 with port 0", setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "EPSV", Reply: "229 Entering Extended Passive Mode (|||0|)"}}
	}}, []string{"EPSV BadAddress", "PASV OK"}, "EPSV PASV RETR", 1, 13 * rtt},
	{"229 garbage", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "EPSV", Reply: "229 yes"}} }},
		[]string{"EPSV BadAddress", "PASV OK"}, "EPSV PASV RETR", 1, 13 * rtt},
	{"stray 226 before 150", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "RETR", Before: "226 Transfer complete."}} }},
		[]string{"EPSV OK"}, "EPSV RETR", 1, 14 * rtt},
	{"stray 200 before 150", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "RETR", Before: "200 NOOP ok."}} }},
		[]string{"EPSV OK"}, "EPSV RETR", 1, 14 * rtt},
	{"stray 226 before 229", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "EPSV", Before: "226 Transfer complete."}} }},
		[]string{"EPSV OK"}, "EPSV RETR", 1, 14 * rtt},
	{"no 150", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "RETR", Preliminary: ftptest.None}} }},
		[]string{"EPSV OK"}, "EPSV RETR", 1, 20 * rtt},
	{"250 in place of 226", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "RETR", Final: "250 Done."}} }},
		[]string{"EPSV OK"}, "EPSV RETR", 1, 14 * rtt},
	{"226 before the data", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "RETR", Early: true}} }},
		[]string{"EPSV OK"}, "EPSV RETR", 1, 14 * rtt},
	{"first SYN of data lost", setup{far: []memnet.Box{memnet.Loss{SYNs: 1, Ports: memnet.PortRange{First: 1024, Last: 65535}}}},
		[]string{"EPSV OK"}, "EPSV RETR", 1, time.Second + 14*rtt},
	{"one connection per address, EPSV swallowed", setup{near: []memnet.Box{homeNAT, on("EPSV", memnet.Swallow)}, ftp: func(s *ftptest.Server) { s.Limits.MaxPerAddr = 1 }},
		[]string{"EPSV ControlSilent", "PASV OK"}, "PASV RETR", 0, 5 * time.Second},
	{"PRET", setup{ftp: func(s *ftptest.Server) {
		s.Personality = ftptest.Plain()
		s.Personality.Data.RequirePRET = true
		s.Personality.Features = append(slices.Clone(s.Personality.Features), "PRET")
	}}, []string{"EPSV OK"}, "PRET EPSV RETR", 1, 14 * rtt},
	{"IPv6", setup{client: client6, server: server6}, []string{"EPSV OK"}, "EPSV RETR", 1, 12 * rtt},
	{"IPv6, active only", setup{client: client6, server: server6, far: []memnet.Box{activeOnly}},
		[]string{"EPSV DialTimeout", "PASV Refused", "EPRT OK"}, "EPRT RETR", 1, 6 * time.Second},
	{"NAT64: IPv6 to us, EPSV refused, the 227 has an IPv4 address", setup{client: client6, server: server6, ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "EPSV", Reply: "502 no"}}
		s.Network.Advertise = serverAddr
	}}, []string{"EPSV Refused", "PASV OK"}, "EPSV PASV RETR", 1, 13 * rtt},
	{"port 5060", setup{ftp: func(s *ftptest.Server) { s.Network.PassivePorts = [2]uint16{5060, 5063} }},
		[]string{"EPSV OK"}, "RETR", 1, 14 * rtt},
}

// TestEvents has a case for each row of the table of events: what is seen on
// the way, what must be done about it, and by when the first byte must come.
func TestEvents(t *testing.T) {
	for _, c := range events {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.setup, func(t *testing.T, w *world) {
				start := time.Now()
				conn := w.dial()
				defer conn.Close()
				rc, err := conn.Retrieve(w.ctx, "pub/file.bin", 0)
				if err != nil {
					t.Fatal(err)
				}
				took := time.Since(start)
				rc.Close()
				r := conn.Report()
				if got := causesOf(r.Attempts); c.want != nil && !slices.Equal(got, c.want) {
					t.Errorf("attempts %q, want %q", got, c.want)
				}
				if took > c.limit {
					t.Errorf("the first byte came after %v, want at most %v", took, c.limit)
				}
				last := w.Server.Transcript()
				verbs := strings.Join(last[len(last)-1].Verbs(), " ")
				// The end of the login, which leaves behind EPSV.
				verbs = strings.Replace(verbs, " FEAT", "", 1)
				if !strings.HasSuffix(verbs, c.verbs) {
					t.Errorf("commands %q, want them to end in %q", verbs, c.verbs)
				}
				if c.conns > 0 && len(last) != c.conns {
					t.Errorf("%d control connections, want %d", len(last), c.conns)
				}
				if err := w.fetch(conn); err != nil {
					t.Errorf("download: %v", err)
				}
				if err := w.store(conn); err != nil {
					t.Errorf("upload: %v", err)
				}
			})
		})
	}
}
