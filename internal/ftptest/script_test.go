package ftptest

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble plays a script on a network of pipes in virtual time.
func inBubble(t *testing.T, s *Server, play func(t *testing.T, n *pipeNet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.Tree = sampleTree(t)
		n := servePipe(t, s)
		play(t, n)
		_ = s.Close()
	})
}

func TestScriptReplies(t *testing.T) {
	s := &Server{Script: []Step{
		{On: "EPSV", Nth: 1, Reply: "500 no"},
		{On: "EPSV", Nth: 2, As: "PASV"},
		{On: "PASV", Reply: "227 ok 10,0,0,1,4,5"},
		{On: "NOOP", Before: "226 stray"},
		{On: "SYST", Raw: "215 a\n215 b\r\n"},
		{On: "HELP", Reply: "214-a\n b\n214 c"},
		{On: "PWD", Conn: 2, Reply: "421 not for the first"},
		{On: "ACCT", Reply: None},
	}}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		c := n.dial(t, pipeClient)
		c.wantReply("220 Ready.")
		c.login()
		c.want("EPSV", "500 no")
		c.want("EPSV", "227 Entering Passive Mode (192,0,2,1,156,65).")
		c.want("EPSV", "229 Entering Extended Passive Mode (|||40002|)")
		c.want("PASV", "227 ok 10,0,0,1,4,5")
		c.want("NOOP", "226 stray")
		c.wantReply("200 OK.")
		c.want("SYST", "215 a")
		c.wantReply("215 b")
		c.want("HELP", "214 a\n b\nc")
		check(t, c.PrintfLine("ACCT"))
		c.want("PWD", `257 "/" is the current directory.`)
	})
}

func TestScriptTransfers(t *testing.T) {
	for _, row := range []struct {
		name              string
		step              Step
		data, first, last string
	}{
		{"425 after 150", Step{After150: "425 Can't open data connection."}, "", "150 x", "425 Can't open data connection."},
		{"250 for 226", Step{Final: "250 done"}, "1,2\n", "150 x", "250 done"},
		{"no 150", Step{Preliminary: None}, "1,2\n", "226 Transfer complete.", ""},
		{"closing reply first", Step{Early: true, Final: "226 early"}, "1,2\n", "150 x", "226 early"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.step.On = "RETR"
			if row.step.Preliminary == "" {
				row.step.Preliminary = "150 x"
			}
			s := &Server{Tree: sampleTree(t), Script: []Step{row.step}}
			c := connect(t, serve(t, s))
			c.do("TYPE I")
			conn := c.epsv()
			first := c.do("RETR dir/a.csv")
			data, err := io.ReadAll(conn)
			check(t, err)
			if first != row.first || string(data) != row.data {
				t.Errorf("got %q, %q; want %q, %q", first, data, row.first, row.data)
			}
			check(t, conn.Close())
			if row.last != "" {
				c.wantReply(row.last)
			}
			c.want("NOOP", "200 OK.")
		})
	}
}

func TestScriptEndings(t *testing.T) {
	for _, row := range []struct {
		name  string
		step  Step
		want  string
		after time.Duration
	}{
		{"cut", Step{On: "PORT", Then: Cut}, "error: EOF", 0},
		{"reset", Step{On: "PORT", Then: Reset}, "error: EOF", 0},
		{"421 and cut", Step{On: "PORT", Reply: "421 bye", Then: Cut}, "421 bye", 0},
		{"421 and open", Step{On: "PORT", Reply: "421 disabled"}, "421 disabled", 0},
		{"stuck", Step{On: "PORT", Delay: time.Minute}, "200 PORT command successful.", time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &Server{Script: []Step{row.step}}
			inBubble(t, s, func(t *testing.T, n *pipeNet) {
				c := n.dial(t, pipeClient)
				c.reply()
				c.login()
				start := time.Now()
				got := c.do("PORT 198,51,100,7,200,0")
				if got != row.want || time.Since(start) != row.after {
					t.Errorf("got %q after %v, want %q after %v", got, time.Since(start), row.want, row.after)
				}
				alive := c.do("NOOP") == "200 OK."
				if want := row.step.Then == Keep; alive != want {
					t.Errorf("alive: %t, want %t", alive, want)
				}
			})
		})
	}
}

func TestScriptNthCommand(t *testing.T) {
	s := &Server{Script: []Step{{On: Any, Conn: 2, Nth: 3, Then: Cut}}}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		for _, want := range []string{"200 OK.", "error: EOF"} {
			c := n.dial(t, pipeClient)
			c.reply()
			c.login()
			c.want("NOOP", want)
		}
	})
}

func TestManyVerbsAreBounded(t *testing.T) {
	s := &Server{}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		c := n.dial(t, pipeClient)
		c.reply()
		for i := range 2 * maxVerbs {
			c.want(fmt.Sprint("V", i), "500 Unknown command.")
		}
		if got := s.Counters().Commands; len(got) != maxVerbs+1 || got[Any] != maxVerbs {
			t.Errorf("%d verbs, %d others", len(got), got[Any])
		}
	})
}

func TestScriptGreeting(t *testing.T) {
	s := &Server{Script: []Step{
		{On: Greeting, Nth: 1, Reply: "120 wait", Then: Silence},
		{On: Greeting, Nth: 2, Delay: 30 * time.Second},
		{On: Greeting, Nth: 3, Endless: "220-more\r\n"},
		{On: Greeting, Nth: 4, Endless: "2"},
	}}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		c := n.dial(t, pipeClient)
		c.wantReply("120 wait")
		check(t, c.conn.SetReadDeadline(time.Now().Add(time.Hour)))
		if got := c.reply(); !strings.HasSuffix(got, "i/o timeout") {
			t.Errorf("after 120: %q", got)
		}
		start := time.Now()
		c = n.dial(t, pipeClient)
		c.wantReply("220 Ready.")
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("greeting after %v", d)
		}
		c = n.dial(t, pipeClient)
		for range 1000 {
			if line, err := c.ReadLine(); err != nil || line != "220-more" {
				t.Fatalf("got %q, %v", line, err)
			}
		}
		check(t, c.conn.Close())
		c = n.dial(t, pipeClient)
		line, err := bufio.NewReader(c.conn).Peek(4000)
		if err != nil || strings.Trim(string(line), "2") != "" {
			t.Errorf("endless line: %v", err)
		}
	})
}

func TestNobodyConnects(t *testing.T) {
	for _, row := range []struct {
		name, setup, want string
		personality       Personality
	}{
		{"accept", "EPSV", "425 Failed to establish connection.", VSFTPD()},
		{"connect", "PORT 198,51,100,7,200,0", "425 Failed to establish connection.", VSFTPD()},
		{"ignored", "PORT 203,0,113,9,200,0", "150 Here comes the listing.", func() Personality {
			p := Ancient()
			p.Data.ForeignPORT = Ignore
			return p
		}()},
		{"eager", "PORT 198,51,100,7,200,0", "", Pyftpdlib()},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &Server{Personality: row.personality}
			inBubble(t, s, func(t *testing.T, n *pipeNet) {
				c := n.dial(t, pipeClient)
				c.reply()
				c.login()
				start := time.Now()
				if row.want == "" {
					c.want(row.setup, "425 Can't connect to specified address.")
				} else {
					c.do(row.setup)
					c.want("LIST", row.want)
					if row.want[0] == '1' {
						c.wantReply("425 Failed to establish connection.")
					}
				}
				if d := time.Since(start); d != time.Minute {
					t.Errorf("answered after %v", d)
				}
				if got := s.Counters().DataFailed; got != 1 {
					t.Errorf("failed data connections: %d", got)
				}
				c.want("PWD", s.Personality.text("PWD", "{cwd}", "/")[:3]+" "+s.Personality.text("PWD", "{cwd}", "/")[4:])
			})
		})
	}
}

func TestLimits(t *testing.T) {
	s := &Server{Limits: Limits{MaxPerAddr: 1, MaxConns: 2, IdleTimeout: 5 * time.Minute}}
	other := netip.MustParseAddrPort("198.51.100.8:50000")
	third := netip.MustParseAddrPort("198.51.100.9:50000")
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		first := n.dial(t, pipeClient)
		first.wantReply("220 Ready.")
		c := n.dial(t, pipeClient)
		c.wantReply("421 Too many connections from your address.")
		c.wantReply("error: EOF")
		synctest.Wait()
		n.dial(t, other).wantReply("220 Ready.")
		n.dial(t, third).wantReply("421 Too many connections.")
		check(t, first.conn.Close())
		synctest.Wait()
		c = n.dial(t, pipeClient)
		c.wantReply("220 Ready.")
		start := time.Now()
		c.wantReply("421 Timeout.")
		if d := time.Since(start); d != 5*time.Minute {
			t.Errorf("idle after %v", d)
		}
	})
}

func TestSilentConnectionCounts(t *testing.T) {
	s := &Server{Limits: Limits{MaxPerAddr: 1}, Script: []Step{{On: "PORT", Then: Silence}}}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		c := n.dial(t, pipeClient)
		c.reply()
		c.login()
		check(t, c.PrintfLine("PORT 198,51,100,7,200,0"))
		synctest.Wait()
		n.dial(t, pipeClient).wantReply("421 Too many connections from your address.")
		check(t, c.conn.Close())
		synctest.Wait()
		n.dial(t, pipeClient).wantReply("220 Ready.")
	})
}

func TestRate(t *testing.T) {
	s := &Server{Limits: Limits{Rate: 4}}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		c := n.dial(t, pipeClient)
		c.reply()
		c.login()
		c.do("TYPE I")
		addr := netip.AddrPortFrom(pipeServer.Addr(), c.epsvPort())
		conn, err := n.Dial(t.Context(), pipeClient, "tcp", addr.String())
		check(t, err)
		start := time.Now()
		check(t, c.PrintfLine("RETR hello.txt"))
		c.reply()
		data, err := io.ReadAll(conn)
		check(t, err)
		c.wantReply("226 Transfer complete.")
		if d := time.Since(start); len(data) != 12 || d != 3*time.Second {
			t.Errorf("%d bytes in %v", len(data), d)
		}
	})
}
