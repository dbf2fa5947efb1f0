package ftptest

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPersonalityAnswers(t *testing.T) {
	for _, row := range []struct {
		p          Personality
		line, want string
	}{
		{VSFTPD(), "PORT 203,0,113,9,200,0", "500 Illegal PORT command."},
		{VSFTPD(), "PORT 127,0,0,1,0,80", "500 Illegal PORT command."},
		{VSFTPD(), "MLSD", "500 Unknown command."},
		{VSFTPD(), "MDTM 20200101000000 hello.txt", "213 File modification time set."},
		{VSFTPD(), "LIST", "425 Use PORT or PASV first."},
		{VSFTPD(), "EPSV 2", "522 Bad network protocol."},
		{ProFTPD(), "PORT 203,0,113,9,200,0", "500 Illegal PORT command"},
		{ProFTPD(), "PORT 10,0,0,9,200,0", "200 PORT command successful"},
		{ProFTPD(), "XYZ", "500 XYZ not understood"},
		{PureFTPd(), "PORT 203,0,113,9,200,0", "500 I won't open a connection to 203.0.113.9 (only to 127.0.0.1)"},
		{PureFTPd(), "STAT", "211 https://www.pureftpd.org/"},
		{PureFTPd(), "MDTM 20200101000000 hello.txt", "550 Can't get a time stamp"},
		{Pyftpdlib(), "PORT 203,0,113,9,200,0", "501 Rejected data connection to foreign address 203.0.113.9:51200."},
		{IIS(), "SYST", "215 Windows_NT"},
		{FileZilla(), "EPSV 1", "522 Extended passive mode: protocol not supported."},
		{FileZilla(), "OPTS UTF8 ON", "202 UTF8 mode is always enabled. No need to send this command."},
		{FileZilla(), "PORT 203,0,113,9,200,0", "421 Rejected command, requested IP address does not match control connection IP."},
		{Ancient(), "FEAT", "500 Unknown command."},
		{Ancient(), "EPSV", "500 Unknown command."},
		{Ancient(), "PORT 203,0,113,9,200,0", "200 PORT command successful."},
	} {
		t.Run(row.p.Name+" "+row.line, func(t *testing.T) {
			c := connect(t, serve(t, &Server{Tree: sampleTree(t), Personality: row.p}))
			c.want(row.line, row.want)
		})
	}
}

func TestStatNamesTheClient(t *testing.T) {
	for _, row := range []struct {
		p    Personality
		want string
	}{
		{VSFTPD(), "     Connected to 127.0.0.1\n"},
		{ProFTPD(), " Connected from client (127.0.0.1)\n"},
		{Plain(), " Connected from 127.0.0.1\n"},
	} {
		c := connect(t, serve(t, &Server{Personality: row.p}))
		if got := c.do("STAT"); !strings.Contains(got, row.want) {
			t.Errorf("%s: %q", row.p.Name, got)
		}
	}
}

func TestListings(t *testing.T) {
	for _, row := range []struct {
		p          Personality
		line, want string
	}{
		{VSFTPD(), "LIST dir", "-rw-r-----    1 ftp      ftp             4 Feb  3  2020 a.csv\r\n-rw-r-----    1 ftp      ftp             6 Feb  3  2020 b.csv\r\n"},
		{VSFTPD(), "LIST link", "-rw-r-----    1 ftp      ftp            12 Feb  3  2020 link\r\n"},
		{VSFTPD(), "NLST", "dir\r\nhello.txt\r\nlink\r\n"},
		{VSFTPD(), "NLST -a", ".\r\n..\r\n.hidden\r\ndir\r\nhello.txt\r\nlink\r\n"},
		{VSFTPD(), "NLST dir/[b]*", "b.csv\r\n"},
		{VSFTPD(), "NLST none", ""},
		{VSFTPD(), "NLST -dish", "dir\r\nhello.txt\r\nlink\r\n"},
		{IIS(), "LIST", "02-03-20  04:05AM                    1 .hidden\r\n02-03-20  04:05AM       <DIR>          dir\r\n02-03-20  04:05AM                   12 hello.txt\r\n" + linkLine},
		{ProFTPD(), "MLSD dir", "type=cdir;modify=20200203040506;UNIX.mode=0755;UNIX.owner=ftp;UNIX.group=ftp;unique=1U?; .\r\n"},
		{PureFTPd(), "MLSD", "type=OS.unix=slink:hello.txt;size=9;"},
		{ProFTPD(), "MLSD", "type=OS.unix=symlink;size=9;"},
	} {
		t.Run(row.p.Name+" "+row.line, func(t *testing.T) {
			tree := sampleTree(t)
			c := connect(t, serve(t, &Server{Tree: tree, Personality: row.p}))
			data, _, _ := c.retrPasv(row.line)
			if strings.HasPrefix(row.line, "MLSD") {
				found := slices.ContainsFunc(strings.SplitAfter(data, "\r\n"), func(l string) bool {
					return matchUnique(l, row.want)
				})
				if !found {
					t.Errorf("got %q, want a line %q", data, row.want)
				}
				return
			}
			if row.p.Listing.DOSDate != "" {
				info, err := tree.Lstat("link")
				check(t, err)
				row.want = strings.Replace(row.want, linkLine, info.ModTime().UTC().Format("01-02-06  03:04PM")+"                    9 link\r\n", 1)
			}
			if data != row.want {
				t.Errorf("got  %q\nwant %q", data, row.want)
			}
		})
	}
}

// linkLine stands for the line of the link, whose time is that of the test.
const linkLine = "LINK"

// matchUnique compares a line with the head wanted, whatever the unique fact.
func matchUnique(line, want string) bool {
	head, tail, ok := strings.Cut(want, "?")
	return strings.HasPrefix(line, head) && (!ok || strings.HasSuffix(line, tail))
}

// retrPasv is retr over PASV.
func (c *client) retrPasv(line string) (data, first, last string) {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.pasvAddr())
	check(c.t, err)
	defer conn.Close()
	first = c.do(line)
	b, err := io.ReadAll(conn)
	check(c.t, err)
	check(c.t, conn.Close())
	return string(b), first, c.reply()
}

// pasvAddr opens a passive port and returns the address in the 227.
func (c *client) pasvAddr() string {
	c.t.Helper()
	reply := c.do("PASV")
	_, list, _ := strings.Cut(reply, "(")
	list, _, _ = strings.Cut(list, ")")
	remote, ok := parsePort(list)
	if !ok {
		c.t.Fatalf("PASV: %s", reply)
	}
	return remote.String()
}

func TestStatListing(t *testing.T) {
	c := connect(t, serve(t, &Server{Tree: sampleTree(t), Personality: ProFTPD()}))
	got := c.do("STAT dir/a.csv")
	want := "212 Status of dir/a.csv:\n -rw-r-----    1 ftp      ftp             4 Feb  3  2020 dir/a.csv\nEnd of status"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTruncatedListing(t *testing.T) {
	c := connect(t, serve(t, &Server{Tree: sampleTree(t), Personality: PureFTPd(), Limits: Limits{MaxListing: 1}}))
	if data, _, last := c.retr("NLST dir"); data != "a.csv\r\n" || last != "226 Output truncated to 1 matches" {
		t.Errorf("got %q, %q", data, last)
	}
}

func TestForeignPassivePeer(t *testing.T) {
	c := connect(t, serve(t, &Server{Personality: VSFTPD()}))
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := d.Dial("tcp4", c.pasvAddr())
	if err != nil {
		t.Skip("one loopback address only: ", err)
	}
	defer conn.Close()
	c.want("LIST", "425 Security: Bad IP connecting.")
}

func TestAdvertise(t *testing.T) {
	s := &Server{Network: Network{Advertise: netip.MustParseAddr("192.0.2.99"), PassivePorts: [2]uint16{2000, 2000}}}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		c := n.dial(t, pipeClient)
		c.reply()
		c.login()
		if got, want := c.pasvAddr(), "192.0.2.99:2000"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestAwaitClose(t *testing.T) {
	s := &Server{Personality: ProFTPD(), Script: []Step{{On: "RETR", Final: "226 after"}}}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		c := n.dial(t, pipeClient)
		c.reply()
		c.login()
		conn, err := n.Dial(t.Context(), pipeClient, "tcp", "192.0.2.1:"+itoa(c.epsvPort()))
		check(t, err)
		c.do("RETR dir/a.csv")
		buf := make([]byte, 5)
		_, err = io.ReadFull(conn, buf)
		check(t, err)
		start := time.Now()
		c.wantReply("226 after")
		if d := time.Since(start); d != awaitTimeout {
			t.Errorf("226 after %v", d)
		}
	})
}

func TestCommandsDuringTransfer(t *testing.T) {
	for _, row := range []struct {
		p       Personality
		replies []string // to EPSV, sent while a download is stuck, and to the closing
		stuck   bool     // EPSV is answered only after the transfer
	}{
		{VSFTPD(), []string{"226 Transfer complete.", "229"}, true},
		{ProFTPD(), []string{"226 Transfer complete", "229"}, true},
		{PureFTPd(), []string{"500 Unknown command", "226"}, false},
		{Pyftpdlib(), []string{"229"}, false},
	} {
		t.Run(row.p.Name, func(t *testing.T) {
			s := &Server{Personality: row.p, Limits: Limits{Rate: 1}}
			s.Personality.Data.AwaitClose = false
			inBubble(t, s, func(t *testing.T, n *pipeNet) {
				c := n.dial(t, pipeClient)
				c.reply()
				c.login()
				c.do("TYPE I")
				conn, err := n.Dial(t.Context(), pipeClient, "tcp", "192.0.2.1:"+itoa(c.epsvPort()))
				check(t, err)
				go func() { _, _ = io.Copy(io.Discard, conn) }()
				c.do("RETR dir/a.csv")
				start := time.Now()
				check(t, c.PrintfLine("EPSV"))
				for i, want := range row.replies {
					got := c.reply()
					if !strings.HasPrefix(got, want) {
						t.Errorf("reply %d: got %q, want %q", i, got, want)
					}
					if i == 0 && (time.Since(start) > 0) != row.stuck {
						t.Errorf("answered after %v", time.Since(start))
					}
				}
			})
		})
	}
}

func TestAbor(t *testing.T) {
	s := &Server{Personality: PureFTPd(), Limits: Limits{Rate: 1}}
	inBubble(t, s, func(t *testing.T, n *pipeNet) {
		c := n.dial(t, pipeClient)
		c.reply()
		c.login()
		conn, err := n.Dial(t.Context(), pipeClient, "tcp", "192.0.2.1:"+itoa(c.epsvPort()))
		check(t, err)
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		c.do("RETR dir/a.csv")
		c.want("ABOR", "426 Transfer aborted.")
		c.wantReply("226 Since you see this ABOR must've succeeded")
		c.want("NOOP", "200 Zzz...")
	})
}

func TestRestPersists(t *testing.T) {
	for _, persists := range []bool{false, true} {
		p := Plain()
		p.Files.RestPersists = persists
		c := connect(t, serve(t, &Server{Tree: sampleTree(t), Personality: p}))
		c.do("TYPE I")
		c.want("REST 10", "350 Restarting at 10.")
		c.retr("RETR hello.txt")
		want := map[bool]string{false: "hello\nworld\n", true: "d\n"}[persists]
		if data, _, _ := c.retr("RETR hello.txt"); data != want {
			t.Errorf("persists %t: got %q", persists, data)
		}
	}
}

func TestPRET(t *testing.T) {
	p := Plain()
	p.Data.RequirePRET = true
	c := connect(t, serve(t, &Server{Personality: p}))
	c.want("EPSV", "500 You need PRET to use a passive data connection.")
	c.want("PRET LIST", "200 OK, planning for that.")
	c.epsvPort()
}
