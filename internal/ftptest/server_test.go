package ftptest

import (
	"bytes"
	"io"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
)

func dialFTP(t *testing.T, addr string, opts ...ftp.DialOption) *ftp.ServerConn {
	t.Helper()
	opts = append(opts, ftp.DialWithTimeout(10*time.Second), ftp.DialWithShutTimeout(10*time.Second))
	c, err := ftp.Dial(addr, opts...)
	check(t, err)
	check(t, c.Login("u", "p"))
	return c
}

func readAll(t *testing.T, r *ftp.Response, err error) string {
	t.Helper()
	check(t, err)
	b, err := io.ReadAll(r)
	check(t, err)
	check(t, r.Close())
	return string(b)
}

func TestJlaffaye(t *testing.T) {
	for _, p := range Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			s := &Server{Tree: sampleTree(t), Personality: p}
			c := dialFTP(t, serve(t, s), ftp.DialWithWritingMDTM(true))
			entries, err := c.List("dir")
			check(t, err)
			var names []string
			for _, e := range entries {
				names = append(names, e.Name)
			}
			names = slices.DeleteFunc(names, func(n string) bool { return n == "." || n == ".." })
			if want := []string{"a.csv", "b.csv"}; !slices.Equal(names, want) {
				t.Errorf("List: got %q, want %q", names, want)
			}
			r, err := c.Retr("hello.txt")
			if got := readAll(t, r, err); got != "hello\nworld\n" {
				t.Errorf("Retr: got %q", got)
			}
			check(t, c.Stor("new.txt", strings.NewReader("one")))
			check(t, c.Append("new.txt", strings.NewReader(" two")))
			if p.Name != "Ancient" {
				r, err = c.RetrFrom("hello.txt", 6)
				if got := readAll(t, r, err); got != "world\n" {
					t.Errorf("RetrFrom: got %q", got)
				}
				check(t, c.StorFrom("new.txt", strings.NewReader("three"), 4))
			}
			check(t, c.Rename("new.txt", "dir/c.csv"))
			check(t, c.MakeDir("sub"))
			check(t, c.RemoveDir("sub"))
			check(t, c.ChangeDir("dir"))
			dir, err := c.CurrentDir()
			if err != nil || dir != "/dir" {
				t.Errorf("CurrentDir: %q, %v", dir, err)
			}
			check(t, c.Delete("a.csv"))
			check(t, c.NoOp())
			check(t, c.Quit())
			want := map[bool]string{false: "one three", true: "one two"}[p.Name == "Ancient"]
			got, err := s.Tree.ReadFile("/dir/c.csv")
			if err != nil || string(got) != want {
				t.Errorf("stored %q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestJlaffayeExtras(t *testing.T) {
	s := &Server{Tree: sampleTree(t)}
	c := dialFTP(t, serve(t, s))
	e, err := c.GetEntry("hello.txt")
	check(t, err)
	mod := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	if e.Size != 12 || !e.Time.Equal(mod) || e.Type != ftp.EntryTypeFile {
		t.Errorf("GetEntry: %+v", e)
	}
	mod = mod.AddDate(1, 0, 0)
	check(t, c.SetTime("hello.txt", mod))
	if got, err := c.GetTime("hello.txt"); err != nil || !got.Equal(mod) {
		t.Errorf("GetTime: %v, %v", got, err)
	}
	if n, err := c.FileSize("hello.txt"); err != nil || n != 12 {
		t.Errorf("FileSize: %d, %v", n, err)
	}
	var paths []string
	for w := c.Walk("/"); w.Next(); {
		paths = append(paths, w.Path())
	}
	if want := []string{"/.hidden", "/dir", "/dir/a.csv", "/dir/b.csv", "/hello.txt", "/link"}; !slices.Equal(slices.Sorted(slices.Values(paths)), want) {
		t.Errorf("Walk: %q", paths)
	}
	check(t, c.RemoveDirRecur("dir"))
	if _, err := s.Tree.Stat("dir"); err == nil {
		t.Error("dir is still there")
	}
}

func TestTranscriptAndCounters(t *testing.T) {
	s := &Server{Tree: sampleTree(t), Users: map[string]string{"u": "p"}}
	c := connect(t, serve(t, s))
	c.want("TYPE I", "200 Type set to I.")
	data, first, last := c.retr("RETR hello.txt")
	if data != "hello\nworld\n" || first != "150 Opening BINARY mode data connection for hello.txt (12 bytes)." || last != "226 Transfer complete." {
		t.Errorf("got %q, %q, %q", data, first, last)
	}
	c.want("QUIT", "221 Goodbye.")
	check(t, s.Close())
	d := s.Transcript()
	if len(d) != 1 || !d[0].Ended {
		t.Fatalf("transcript: %+v", d)
	}
	verbs := []string{"USER", "PASS", "TYPE", "EPSV", "RETR", "QUIT"}
	if got := d[0].Verbs(); !slices.Equal(got, verbs) {
		t.Errorf("verbs: %q", got)
	}
	if text := d[0].String(); !strings.HasPrefix(text, "S: 220 Ready.\nC: USER u\nS: 331 Password required for u.\nC: PASS ****\n") {
		t.Errorf("dialogue:\n%s", text)
	}
	want := Counters{Connections: 1, Logins: 1, Listening: 1, DataAccepted: 1, DataSent: 12,
		Commands:    map[string]int{"USER": 1, "PASS": 1, "TYPE": 1, "EPSV": 1, "RETR": 1, "QUIT": 1},
		ControlSent: d[0].Sent, ControlReceived: d[0].Received}
	if got := s.Counters(); !reflect.DeepEqual(got, want) {
		t.Errorf("counters:\ngot  %+v\nwant %+v", got, want)
	}
	if n := int64(len("USER u\r\nPASS p\r\nTYPE I\r\nEPSV\r\nRETR hello.txt\r\nQUIT\r\n")); d[0].Received != n {
		t.Errorf("received %d bytes, want %d", d[0].Received, n)
	}
}

func TestActive(t *testing.T) {
	s := &Server{Tree: sampleTree(t)}
	c := connect(t, serve(t, s))
	for _, verb := range []string{"PORT", "EPRT"} {
		ln, err := net.Listen("tcp4", "127.0.0.1:0")
		check(t, err)
		defer ln.Close()
		port := addrPort(ln.Addr()).Port()
		line := "PORT 127,0,0,1," + itoa(port>>8) + "," + itoa(port&0xff)
		if verb == "EPRT" {
			line = "EPRT |1|127.0.0.1|" + itoa(port) + "|"
		}
		c.want(line, "200 "+verb+" command successful.")
		check(t, c.PrintfLine("NLST dir"))
		conn, err := ln.Accept()
		check(t, err)
		b, err := io.ReadAll(conn)
		check(t, err)
		check(t, conn.Close())
		if string(b) != "a.csv\r\nb.csv\r\n" {
			t.Errorf("%s: got %q", verb, b)
		}
		c.wantReply("150 Here comes the listing.")
		c.wantReply("226 Listing sent.")
	}
	if got := s.Counters(); got.DataDialed != 2 || got.DataAccepted != 0 {
		t.Errorf("counters: %+v", got)
	}
}

func itoa(n uint16) string { return strconv.Itoa(int(n)) }

func TestUploadLimits(t *testing.T) {
	s := &Server{Limits: Limits{MaxFileSize: 10}}
	c := connect(t, serve(t, s))
	c.do("TYPE I")
	conn := c.epsv()
	c.want("STOR big", "150 Opening BINARY mode data connection for big (0 bytes).")
	_, err := conn.Write(bytes.Repeat([]byte("x"), 11))
	check(t, err)
	check(t, conn.Close())
	c.wantReply("552 File too large.")
	c.want("STOR none", "425 Use PORT or PASV first.")
	if _, err := s.Tree.Stat("none"); err == nil {
		t.Error("a refused STOR made a file")
	}
	c.want(strings.Repeat("x", 3*maxLine), "500 Command line too long.")
	c.want("NOOP", "200 OK.")
}

func TestASCII(t *testing.T) {
	s := &Server{Tree: sampleTree(t)}
	c := connect(t, serve(t, s))
	if data, _, _ := c.retr("RETR hello.txt"); data != "hello\r\nworld\r\n" {
		t.Errorf("got %q", data)
	}
	c.want("SIZE hello.txt", "550 SIZE not allowed in ASCII mode.")
	conn := c.epsv()
	c.do("STOR up")
	_, err := io.WriteString(conn, "a\r\nb\r\n")
	check(t, err)
	check(t, conn.Close())
	c.wantReply("226 Transfer complete.")
	if got, _ := s.Tree.ReadFile("up"); string(got) != "a\nb\n" {
		t.Errorf("stored %q", got)
	}
}

func TestOddCommands(t *testing.T) {
	s := &Server{Tree: sampleTree(t)}
	c := connect(t, serve(t, s))
	for _, row := range [][2]string{
		{"XPWD", `257 "/" is the current directory.`},
		{"\xff\xf4\xff\xf2ABOR", "225 No transfer to abort."},
		{`MKD a"b`, `257 "/a""b" created.`},
		{"MKD a\xff\xffb", "257 \"/a\xffb\" created."},
		{"SITE CHMOD 600 hello.txt", "200 SITE CHMOD done."},
		{"XSHA256 dir/a.csv", "250 52186c933993da4082b3cdc7c40bb4bf735b391ff54a2ef78c037dda6c38a680"},
		{"XCRC dir/a.csv", "250 55214233"},
		{"SITE UTIME 20200101000000 hello.txt", "200 SITE UTIME done."},
		{"SITE CHMOD x hello.txt", "501 Syntax error in parameters."},
		{"SITE IDLE", "504 SITE command not understood."},
		{"MFMT 2020 hello.txt", "501 Syntax error in parameters."},
		{"MODE Z", "504 Mode not supported."},
		{"MODE s", "200 Mode set to S."},
		{"STRU F", "200 Structure set to F."},
		{"TYPE E", "504 Type not supported."},
		{"OPTS UTF8 ON", "200 UTF8 is on."},
		{"OPTS MLST size;type;none;", "200 MLST OPTS size;type;"},
		{"MLST hello.txt", "250 Listing hello.txt\n size=12;type=file; /hello.txt\nEnd"},
		{"OPTS X", "501 Option not understood."},
		{"REST -1", "501 Syntax error in parameters."},
		{"RNTO x", "503 RNFR required first."},
		{"RNFR none", "550 none: No such file or directory."},
		{"RMD dir", "550 dir: Directory not empty."},
		{"RMD hello.txt", "550 hello.txt: Not a directory."},
		{"DELE dir", "550 dir: Is a directory."},
		{"RETR dir", "550 dir: Is a directory."},
		{"PORT 1,2,3", "501 Syntax error in parameters."},
		{"PORT 127,0,0,1,256,1", "501 Syntax error in parameters."},
		{"EPRT |2|::1|2000|", "522 Network protocol not supported, use (1)"},
		{"EPRT |1|127.0.0.1|70000|", "501 Syntax error in parameters."},
		{"AUTH TLS", "502 TLS is not configured."},
		{"EPSV 2", "522 Network protocol not supported, use (1)"},
		{"EPSV ALL", "200 EPSV ALL accepted."},
		{"PASV", "501 PASV is not allowed after EPSV ALL."},
		{"PORT 1,2,3", "501 PORT is not allowed after EPSV ALL."},
		{"REIN", "220 Ready for a new user."},
		{"PWD", "530 Please login with USER and PASS."},
	} {
		c.want(row[0], row[1])
	}
}

func TestLargeFilesCostNoMemory(t *testing.T) {
	const size = 8 << 20
	s := &Server{Tree: NewTree(), Discard: true}
	check(t, s.Tree.WriteFrom("zeros", nil, size, 0o644))
	c := dialFTP(t, serve(t, s))
	r, err := c.Retr("zeros")
	check(t, err)
	n, err := io.Copy(io.Discard, r)
	check(t, err)
	check(t, r.Close())
	check(t, c.Stor("up", io.LimitReader(zeroReader{}, size)))
	info, err := s.Tree.Stat("up")
	if n != size || err != nil || info.Size() != size {
		t.Errorf("received %d, stored %d, %v", n, info.Size(), err)
	}
	if got := s.Counters(); got.DataSent != size || got.DataReceived != size {
		t.Errorf("counters: %+v", got)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { return len(p), nil }

func TestLogin(t *testing.T) {
	s := &Server{Users: map[string]string{"u": "p"}}
	conn, err := net.Dial("tcp", serve(t, s))
	check(t, err)
	c := newClient(t, conn)
	c.reply()
	c.want("PASS p", "503 Login with USER first.")
	c.want("USER", "501 Syntax error in parameters.")
	c.want("USER u", "331 Password required for u.")
	c.want("PASS x", "530 Login incorrect.")
	c.want("PWD", "530 Please login with USER and PASS.")
	c.login()
	if got := s.Counters().Logins; got != 1 {
		t.Errorf("logins: %d", got)
	}
}

func TestIPv6(t *testing.T) {
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 on loopback: ", err)
	}
	s := &Server{Tree: sampleTree(t)}
	s.Start(ln)
	t.Cleanup(func() { _ = s.Close() })
	c := connect(t, ln.Addr().String())
	c.want("PASV", "425 PASV is for IPv4.")
	c.want("EPSV 1", "522 Network protocol not supported, use (2)")
	if data, _, _ := c.retr("NLST dir"); data != "a.csv\r\nb.csv\r\n" {
		t.Errorf("passive: got %q", data)
	}
	back, err := net.Listen("tcp6", "[::1]:0")
	check(t, err)
	defer back.Close()
	c.want("EPRT |2|::1|"+itoa(addrPort(back.Addr()).Port())+"|", "200 EPRT command successful.")
	check(t, c.PrintfLine("NLST dir"))
	conn, err := back.Accept()
	check(t, err)
	if data, err := io.ReadAll(conn); err != nil || string(data) != "a.csv\r\nb.csv\r\n" {
		t.Errorf("active: got %q, %v", data, err)
	}
}

func TestStou(t *testing.T) {
	s := &Server{Tree: sampleTree(t)}
	c := connect(t, serve(t, s))
	conn := c.epsv()
	c.want("STOU hello.txt", "150 FILE: hello.txt.1")
	check(t, conn.Close())
	c.wantReply("226 Transfer complete.")
}

func TestCloseEndsEverything(t *testing.T) {
	s := &Server{Tree: sampleTree(t)}
	addr := serve(t, s)
	c := connect(t, addr)
	c.epsv()
	check(t, c.PrintfLine("STOR waits"))
	c.reply()
	check(t, s.Close())
	if got := c.reply(); !strings.HasPrefix(got, "error: ") && !strings.HasPrefix(got, "426") {
		t.Errorf("after Close: %q", got)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the listener is still open")
	}
}
