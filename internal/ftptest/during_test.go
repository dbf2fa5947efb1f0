package ftptest

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

// behind plays a session between a public client and a server that has boxes in
// front of it, 50 ms apart.
func behind(t *testing.T, s *Server, boxes []memnet.Box, play func(t *testing.T, client *memnet.Host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Latency: 25 * time.Millisecond})
		defer n.Close()
		defer s.Close()
		host := n.Site(boxes...).Host("server", pipeServer.Addr())
		ln, err := host.Listen(t.Context(), "tcp", ":21")
		check(t, err)
		s.Tree = sampleTree(t)
		s.Network.Listen, s.Network.Dial = host.Listen, host.DialFrom
		s.Start(ln)
		play(t, n.Host("client", pipeClient.Addr()))
	})
}

// memnetData opens a passive data connection.
func memnetData(t *testing.T, host *memnet.Host, port uint16) net.Conn {
	t.Helper()
	conn, err := host.DialContext(t.Context(), "tcp", netip.AddrPortFrom(pipeServer.Addr(), port).String())
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// portOf returns the port in a 229.
func portOf(t *testing.T, reply string) (port uint16) {
	t.Helper()
	_, rest, _ := strings.Cut(reply, "(")
	if _, err := fmt.Sscanf(rest, "|||%d|)", &port); err != nil {
		t.Fatalf("EPSV: %q", reply)
	}
	return port
}

func tlsClient(c *client, conf *tls.Config) *tls.Conn { return tls.Client(c.conn, conf) }

// connectQuiet connects to a server on loopback and reads nothing.
func connectQuiet(t *testing.T, s *Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", serve(t, s))
	check(t, err)
	return newClient(t, conn)
}

func with(d During) Personality {
	p := Plain().Saying("during", "500 Unknown command.")
	p.Control.During = d
	return p
}

// TestSharedAndLater sends EPSV in one segment with RETR, and half a second later,
// while the transfer takes one second.
func TestSharedAndLater(t *testing.T) {
	for _, row := range []struct {
		name          string
		p             Personality
		shared, later string // the codes that follow
		harmed        bool   // the data is cut short
	}{
		{"vsftpd", VSFTPD(), "150 226 229", "150 226 229", false},
		{"ProFTPD", ProFTPD(), "150 226 229", "150 226 229", false},
		{"Pure-FTPd", PureFTPd(), "150 226 229", "150 500 226", false},
		{"pyftpdlib", Pyftpdlib(), "229", "229", true},
		{"IIS", IIS(), "226 229", "226 229", false},
		{"FileZilla", FileZilla(), "150 226 229", "150 226 229", false},
		{"Refuse", with(Refuse), "150 500 226", "150 500 226", false},
		{"Beside", with(Beside), "150 229 226", "150 229 226", false},
		{"BeforeBegin", with(BeforeBegin), "229 150 226", "150 226 229", false},
		{"RefuseAfter", with(RefuseAfter), "150 226 500", "150 226 500", false},
		{"Lose", with(Lose), "150 226", "150 226", false},
		{"CutDuring", with(CutDuring), "150 EOF", "150 EOF", true},
		{"ResetDuring", with(ResetDuring), "150 reset", "150 reset", true},
	} {
		for form, want := range map[string]string{"shared": row.shared, "later": row.later} {
			t.Run(row.name+" "+form, func(t *testing.T) {
				behind(t, &Server{Personality: row.p, Limits: Limits{Rate: 4}}, nil, func(t *testing.T, host *memnet.Host) {
					c := memnetClient(t, host)
					c.reply()
					c.login()
					c.do("TYPE I")
					conn := memnetData(t, host, c.epsvPort())
					if form == "shared" {
						c.write("RETR dir/a.csv", "EPSV")
					} else {
						c.write("RETR dir/a.csv")
						time.Sleep(time.Second / 2)
						c.write("EPSV")
					}
					data, _ := io.ReadAll(conn)
					check(t, conn.Close())
					if (string(data) != "1,2\n") != row.harmed {
						t.Errorf("data %q", data)
					}
					got := strings.TrimPrefix(strings.TrimPrefix(c.codes(), "125 "), "150 ")
					if want = strings.TrimPrefix(want, "150 "); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				})
			})
		}
	}
}

// The port that was asked for during a transfer serves the next one.
func TestPortAskedForDuringTransfer(t *testing.T) {
	for _, p := range []Personality{VSFTPD(), ProFTPD(), PureFTPd(), with(Beside), with(BeforeBegin)} {
		behind(t, &Server{Personality: p}, nil, func(t *testing.T, host *memnet.Host) {
			c := memnetClient(t, host)
			c.reply()
			c.login()
			port := c.epsvPort()
			for range 3 {
				conn := memnetData(t, host, port)
				c.write("RETR dir/a.csv", "EPSV")
				if data, err := io.ReadAll(conn); err != nil || string(data) != "1,2\r\n" {
					t.Errorf("%s: %q, %v", p.Name, data, err)
				}
				check(t, conn.Close())
				var seen []string
				for range 3 {
					reply := c.reply()
					seen = append(seen, reply[:3])
					if seen[len(seen)-1] == "229" {
						port = portOf(t, reply)
					}
				}
				if n := strings.Join(seen, " "); !strings.Contains(n, "229") || !strings.Contains(n, "226") {
					t.Fatalf("%s: %s", p.Name, n)
				}
			}
		})
	}
}

// A chain is what came in one read with the transfer's command: of two commands in
// one later segment, none is kept.
func TestKeptIsOnlyWhatWasShared(t *testing.T) {
	behind(t, &Server{Personality: PureFTPd(), Limits: Limits{Rate: 4}}, nil, func(t *testing.T, host *memnet.Host) {
		c := memnetClient(t, host)
		c.reply()
		c.login()
		conn := memnetData(t, host, c.epsvPort())
		c.write("RETR dir/a.csv", "NOOP")
		c.wantReply("150 Accepted data connection")
		c.write("PWD", "PWD")
		_, err := io.ReadAll(conn)
		check(t, err)
		if got := c.codes(); got != "500 500 226 200" {
			t.Errorf("got %q", got)
		}
	})
}

// The data is not held back for a command that has no end, nor for more of them
// than are kept.
func TestGateOpens(t *testing.T) {
	for _, tail := range []string{"EP", strings.Repeat("NOOP\r\n", 3*maxPending)} {
		behind(t, &Server{Personality: ProFTPD()}, nil, func(t *testing.T, host *memnet.Host) {
			c := memnetClient(t, host)
			c.reply()
			c.login()
			conn := memnetData(t, host, c.epsvPort())
			_, err := io.WriteString(c.conn, "RETR dir/a.csv\r\n"+tail)
			check(t, err)
			if data, err := io.ReadAll(conn); err != nil || string(data) != "1,2\r\n" {
				t.Errorf("%q, %v", data, err)
			}
			check(t, conn.Close())
			want := "150 226" + strings.Repeat(" 200", strings.Count(tail, "NOOP"))
			if got := c.codes(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestDoubleClose(t *testing.T) {
	p := Plain()
	p.Data.DoubleClose = true
	behind(t, &Server{Personality: p, Limits: Limits{Rate: 4}}, nil, func(t *testing.T, host *memnet.Host) {
		c := memnetClient(t, host)
		c.reply()
		c.login()
		conn := memnetData(t, host, c.epsvPort())
		c.do("RETR hello.txt")
		check(t, conn.Close())
		c.wantReply("426 Connection closed; transfer aborted.")
		c.wantReply("226 Abort successful.")
		c.want("NOOP", "200 OK.")
	})
}

// TestLinger has vsftpd hold its closing reply for a round trip, whether or not the
// client closes, and others not.
func TestLinger(t *testing.T) {
	const rtt = 50 * time.Millisecond
	for _, row := range []struct {
		p     Personality
		close bool
		want  time.Duration // from the end of the data to the closing reply
	}{
		{VSFTPD(), true, rtt}, {VSFTPD(), false, rtt}, {PureFTPd(), true, 0}, {ProFTPD(), true, rtt},
		{ProFTPD(), false, awaitTimeout},
	} {
		behind(t, &Server{Personality: row.p}, nil, func(t *testing.T, host *memnet.Host) {
			c := memnetClient(t, host)
			c.reply()
			c.login()
			conn := memnetData(t, host, c.epsvPort())
			c.do("RETR hello.txt")
			_, err := io.ReadAll(conn)
			check(t, err)
			start := time.Now()
			if row.close {
				check(t, conn.Close())
			}
			if got := c.reply()[:3]; got != "226" || time.Since(start) != row.want {
				t.Errorf("%s: %s after %v, want it after %v", row.p.Name, got, time.Since(start), row.want)
			}
		})
	}
}

// An upload lingers too: the close waits for the acknowledgement of the server's FIN.
func TestLingerUpload(t *testing.T) {
	for _, row := range []struct {
		p    Personality
		want time.Duration // from our close to the closing reply
	}{{VSFTPD(), 100 * time.Millisecond}, {PureFTPd(), 50 * time.Millisecond}, {ProFTPD(), 50 * time.Millisecond}} {
		behind(t, &Server{Personality: row.p}, nil, func(t *testing.T, host *memnet.Host) {
			c := memnetClient(t, host)
			c.reply()
			c.login()
			conn := memnetData(t, host, c.epsvPort())
			c.do("STOR up")
			start := time.Now()
			_, err := io.WriteString(conn, "x")
			check(t, err)
			check(t, conn.Close())
			if got := c.reply()[:3]; got != "226" || time.Since(start) != row.want {
				t.Errorf("%s: %s after %v, want it after %v", row.p.Name, got, time.Since(start), row.want)
			}
		})
	}
}

// A path that loses the end of the data makes a server that lingers give up.
func TestLingerEnds(t *testing.T) {
	swallow := memnet.Cut{Ports: memnet.PortRange{First: 40000, Last: 65535}, From: memnet.Server, After: 12, Do: memnet.Swallow}
	behind(t, &Server{Personality: VSFTPD()}, []memnet.Box{swallow}, func(t *testing.T, host *memnet.Host) {
		c := memnetClient(t, host)
		c.reply()
		c.login()
		c.do("TYPE I")
		memnetData(t, host, c.epsvPort())
		c.do("RETR hello.txt")
		start := time.Now()
		if got := c.reply(); got != "421 Data timeout. Reconnect. Sorry." || time.Since(start) != lingerTimeout {
			t.Errorf("%s after %v", got, time.Since(start))
		}
		c.wantReply("error: EOF")
	})
}
