package ftptest

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

// write sends lines in one segment.
func (c *client) write(lines ...string) {
	c.t.Helper()
	_, err := io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n")
	check(c.t, err)
}

// codes reads replies until 20 s have passed without one or the connection has
// ended, and returns their codes, and how it ended.
func (c *client) codes() string {
	var list []string
	for {
		check(c.t, c.conn.SetReadDeadline(time.Now().Add(20*time.Second)))
		reply := c.reply()
		switch {
		case strings.HasSuffix(reply, "i/o timeout"):
			return strings.Join(list, " ")
		case strings.HasSuffix(reply, "connection reset by peer"):
			return strings.Join(append(list, "reset"), " ")
		case strings.HasPrefix(reply, "error: "):
			return strings.Join(append(list, reply[len("error: "):]), " ")
		}
		list = append(list, reply[:3])
	}
}

func TestAhead(t *testing.T) {
	for _, row := range []struct {
		ahead                 Ahead
		together, apart, last string // what is answered to commands in one segment, in several, and sent in turn
	}{
		{InOrder, "331 230 200", "331 230 200", "200"},
		{FirstOnly, "331", "331 230", "200"},
		{RefuseAhead, "331 500 500", "331 500 500", "200"},
		{LastFirst, "530 503 331", "331 530 230", "200"},
		{CutAhead, "EOF", "EOF", "200"},
		{ResetAhead, "reset", "reset", "200"},
	} {
		p := Plain()
		p.Control.Ahead = row.ahead
		overMemnet(t, &Server{Personality: p}, func(t *testing.T, host *memnet.Host) {
			c := memnetClient(t, host)
			c.reply()
			c.write("USER u", "PASS p", "TYPE I")
			if got := c.codes(); got != row.together {
				t.Errorf("%d, in one segment: got %q, want %q", row.ahead, got, row.together)
			}
			c = memnetClient(t, host)
			c.reply()
			c.login()
			if got := c.do("TYPE I")[:3]; got != row.last {
				t.Errorf("%d, in turn: got %q, want %q", row.ahead, got, row.last)
			}
		})
		p.Control.Delays = map[string]time.Duration{"USER": 3 * time.Second}
		overMemnet(t, &Server{Personality: p}, func(t *testing.T, host *memnet.Host) {
			c := memnetClient(t, host)
			c.reply()
			start := time.Now()
			for _, line := range []string{"USER u", "PASS p", "TYPE I"} {
				c.write(line)
				time.Sleep(10 * time.Millisecond)
			}
			if got := c.codes(); got != row.apart {
				t.Errorf("%d, in three segments: got %q, want %q", row.ahead, got, row.apart)
			}
			if ends := row.ahead == CutAhead || row.ahead == ResetAhead; ends && time.Since(start) > 2*time.Second {
				t.Errorf("%d: ended after %v", row.ahead, time.Since(start))
			}
		})
	}
}

// On a network that does not tell what has come, a server looks for a moment.
func TestAheadOverTCP(t *testing.T) {
	for ahead, want := range map[Ahead]string{FirstOnly: "331 200", RefuseAhead: "331 500 200", CutAhead: "EOF"} {
		p := Plain()
		p.Control.Ahead = ahead
		conn, err := net.Dial("tcp", serve(t, &Server{Personality: p}))
		check(t, err)
		c := newClient(t, conn)
		c.reply()
		c.write("USER u", "PASS p")
		got := c.reply()
		for i := 1; i < strings.Count(want, " "); i++ {
			got += " " + c.reply()[:3]
		}
		if want == "EOF" {
			if got != "error: EOF" {
				t.Errorf("%d: got %q", ahead, got)
			}
			continue
		}
		got = got[:3] + got[strings.LastIndex(got, ".")+1:]
		if got += " " + c.do("NOOP")[:3]; got != want {
			t.Errorf("%d: got %q, want %q", ahead, got, want)
		}
	}
}

func TestEarlyTalk(t *testing.T) {
	for _, wait := range []time.Duration{0, 3 * time.Second} {
		for early, want := range map[Ahead]string{
			InOrder: "220 331 230", FirstOnly: "220", RefuseAhead: "220 500 500", LastFirst: "220 331 230",
			CutAhead: "EOF", ResetAhead: "reset",
		} {
			p := Plain()
			p.Control.Early = early
			p.Control.Delays = map[string]time.Duration{Greeting: wait}
			overMemnet(t, &Server{Personality: p}, func(t *testing.T, host *memnet.Host) {
				c := memnetClient(t, host)
				c.write("USER u", "PASS p")
				start := time.Now()
				if got := c.codes(); got != want {
					t.Errorf("%d, greeting after %v: got %q, want %q", early, wait, got, want)
				}
				if early.ends() != Keep && time.Since(start) > time.Second {
					t.Errorf("%d, greeting after %v: ended after %v", early, wait, time.Since(start))
				}
				c = memnetClient(t, host)
				c.wantReply("220 Ready.")
				c.write("USER u", "PASS p")
				if got := c.codes(); got != "331 230" {
					t.Errorf("%d, behind the greeting: got %q", early, got)
				}
			})
		}
	}
}

func TestDelays(t *testing.T) {
	p := Plain()
	p.Control.Delays = map[string]time.Duration{"PASS": 3 * time.Second, Any: time.Second}
	overMemnet(t, &Server{Personality: p}, func(t *testing.T, host *memnet.Host) {
		c := memnetClient(t, host)
		c.wantReply("220 Ready.")
		start := time.Now()
		c.write("USER u", "PASS p", "TYPE I")
		for i, want := range []time.Duration{time.Second, 4 * time.Second, 5 * time.Second} {
			c.reply()
			if d := time.Since(start); d != want+50*time.Millisecond {
				t.Errorf("reply %d after %v", i, d)
			}
		}
	})
}

// A server gathers what it says at about the same time, and a helper that reads
// the beginning of a segment misses what is behind it.
func TestCoalesce(t *testing.T) {
	for _, row := range []struct {
		coalesce time.Duration
		want     string // begins of the segments behind the 150
		opened   bool
	}{{0, "226 229", true}, {time.Millisecond, "226", false}} {
		p := PureFTPd().Saying("end", "226 Done.")
		p.Control.Coalesce = row.coalesce
		s := &Server{Personality: p, Limits: Limits{Rate: 100}}
		var heads []string
		tap := memnet.Tap{OnSegment: func(c memnet.Crossing, from memnet.End, b []byte) memnet.Action {
			if c.Server.Port() == 21 && from == memnet.Server {
				heads = append(heads, string(b[:3]))
			}
			return memnet.Relay
		}}
		wall := memnet.InboundOnly(memnet.Refuse, memnet.Port(21))
		wall.FTPHelper = true
		behind(t, s, []memnet.Box{tap, wall}, func(t *testing.T, host *memnet.Host) {
			c := memnetClient(t, host)
			c.reply()
			c.login()
			conn := memnetData(t, host, c.epsvPort())
			c.write("RETR dir/a.csv", "EPSV")
			_, err := io.ReadAll(conn)
			check(t, err)
			c.reply()
			c.reply()
			heads = heads[len(heads)-strings.Count(row.want, " ")-1:]
			if got := strings.Join(heads, " "); got != row.want {
				t.Errorf("coalesce %v: segments %q, want %q", row.coalesce, got, row.want)
			}
			port := portOf(t, c.reply())
			conn, err = host.DialContext(t.Context(), "tcp", netip.AddrPortFrom(pipeServer.Addr(), port).String())
			if (err == nil) != row.opened {
				t.Errorf("coalesce %v: data connection: %v", row.coalesce, err)
			}
			if err == nil {
				check(t, conn.Close())
			}
		})
	}
}

// What was kept is said before the connection turns into TLS or ends.
func TestCoalesceFlushes(t *testing.T) {
	p := Plain()
	p.Control.Coalesce = time.Minute
	s := &Server{Personality: p, Script: []Step{{On: "PORT", Reply: "421 Bye.", Then: Cut}, {On: "EPRT", Then: Reset}}}
	overMemnet(t, s, func(t *testing.T, host *memnet.Host) {
		for _, row := range [][2]string{{"QUIT", "220 200 221 EOF"}, {"PORT", "220 200 421 EOF"}, {"EPRT", "220 200 reset"}} {
			c := memnetClient(t, host)
			start := time.Now()
			c.write("NOOP", row[0])
			if got := c.codes(); got != row[1] || time.Since(start) > time.Second {
				t.Errorf("%s: got %q after %v", row[0], got, time.Since(start))
			}
		}
	})
	server, conf := testCert(t)
	s = &Server{Personality: p, TLS: server}
	overMemnet(t, s, func(t *testing.T, host *memnet.Host) {
		c := memnetClient(t, host)
		start := time.Now()
		c.write("AUTH TLS")
		c.wantReply("220 Ready.")
		c.wantReply("234 Proceed with negotiation.")
		check(t, tlsClient(c, conf).Handshake())
		if d := time.Since(start); d > time.Second {
			t.Errorf("TLS after %v", d)
		}
	})
}

func TestSaying(t *testing.T) {
	for _, p := range Personalities() {
		other := p.Saying("greeting", "220 Service ready", "SYST", "215 VMS")
		c := connectQuiet(t, &Server{Personality: other})
		c.wantReply("220 Service ready")
		c.want("SYST", "215 VMS")
		c = connectQuiet(t, &Server{Personality: p})
		if got := c.reply(); got == "220 Service ready" {
			t.Errorf("%s: the original has changed", p.Name)
		}
		if got := c.do("SYST"); got == "215 VMS" {
			t.Errorf("%s: the original has changed", p.Name)
		}
		if again := slices.IndexFunc(Personalities(), func(q Personality) bool { return q.Replies["SYST"] == "215 VMS" }); again >= 0 {
			t.Errorf("%s: the texts of %s have changed", p.Name, Personalities()[again].Name)
		}
	}
}

// A personality that Saying was not used on can be changed in place.
func TestRepliesInPlace(t *testing.T) {
	for _, p := range []Personality{VSFTPD(), ProFTPD(), PureFTPd(), Pyftpdlib()} {
		p.Replies["greeting"] = "220 " + p.Name + " in disguise"
		connectQuiet(t, &Server{Personality: p}).wantReply("220 " + p.Name + " in disguise")
	}
}
