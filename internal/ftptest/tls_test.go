package ftptest

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"
)

func testCert(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	c, err := NewCert("ftp.example")
	check(t, err)
	return c.Server, &tls.Config{RootCAs: c.Pool, ServerName: "ftp.example", ClientSessionCache: tls.NewLRUClientSessionCache(8)}
}

func TestTLSJlaffaye(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			server, client := testCert(t)
			client.MaxVersion = version
			s := &Server{Tree: sampleTree(t), TLS: server, ImplicitTLS: implicit, RequireTLS: true, RequireReuse: true}
			opt := ftp.DialWithExplicitTLS(client)
			if implicit {
				opt = ftp.DialWithTLS(client)
			}
			c := dialFTP(t, serve(t, s), opt)
			r, err := c.Retr("hello.txt")
			if got := readAll(t, r, err); got != "hello\nworld\n" {
				t.Errorf("implicit %t, version %x: got %q", implicit, version, got)
			}
			entries, err := c.List("dir")
			if err != nil || len(entries) != 2 {
				t.Errorf("List: %d, %v", len(entries), err)
			}
			check(t, c.Quit())
		}
	}
}

// secure logs in over AUTH TLS with PROT P.
func secure(t *testing.T, addr string, conf *tls.Config) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	check(t, err)
	check(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	c := newClient(t, conn)
	c.reply()
	if got := c.do("AUTH TLS"); got[:3] != "234" {
		t.Fatalf("AUTH: %s", got)
	}
	over := tls.Client(conn, conf)
	check(t, over.Handshake())
	c = newClient(t, over)
	c.login()
	c.do("PBSZ 0")
	if got := c.do("PROT P"); got[:3] != "200" {
		t.Fatalf("PROT: %s", got)
	}
	return c
}

func TestRequireReuse(t *testing.T) {
	for _, row := range []struct {
		p     Personality
		want  string
		alive bool
	}{
		{VSFTPD(), "522 SSL connection failed; session reuse required: see require_ssl_reuse option in vsftpd.conf man page", false},
		{ProFTPD(), "425 Unable to build data connection: Operation not permitted", true},
		{FileZilla(), "425 Unable to build data connection: TLS session of data connection not resumed.", true},
	} {
		t.Run(row.p.Name, func(t *testing.T) {
			server, conf := testCert(t)
			s := &Server{Tree: sampleTree(t), Personality: row.p, TLS: server, RequireReuse: true}
			conf.ClientSessionCache = nil
			c := secure(t, serve(t, s), conf)
			raw := c.epsv()
			if got := c.do("LIST"); got[:3] != "150" {
				t.Errorf("LIST: %s", got)
			}
			data := tls.Client(raw, conf)
			if err := data.Handshake(); err == nil {
				b, _ := io.ReadAll(data)
				if len(b) > 0 {
					t.Errorf("got %q", b)
				}
			}
			c.wantReply(row.want)
			if alive := c.do("NOOP")[:3] == "200"; alive != row.alive {
				t.Errorf("alive: %t", alive)
			}
		})
	}
}

func TestReuseOfAnotherConnection(t *testing.T) {
	server, conf := testCert(t)
	s := &Server{Tree: sampleTree(t), TLS: server, RequireReuse: true}
	addr := serve(t, s)
	secure(t, addr, conf).do("NOOP") // fills the cache with a foreign session
	own := conf.Clone()
	own.ClientSessionCache = nil
	c := secure(t, addr, own)
	raw := c.epsv()
	c.do("LIST")
	data := tls.Client(raw, conf)
	if data.Handshake() == nil {
		_, _ = io.ReadAll(data)
	}
	c.wantReply("425 TLS session of data connection not resumed.")
}

func TestRequireTLS(t *testing.T) {
	server, _ := testCert(t)
	s := &Server{TLS: server, RequireTLS: true}
	conn, err := net.Dial("tcp", serve(t, s))
	check(t, err)
	c := newClient(t, conn)
	c.reply()
	c.want("USER u", "530 Sessions must use TLS.")
	c.want("PBSZ 0", "503 TLS is not in use.")
	c.want("AUTH KERBEROS", "504 Unknown AUTH type.")
	if got := c.do("FEAT"); !strings.Contains(got, "AUTH TLS") {
		t.Errorf("FEAT: %s", got)
	}
}

func TestRequireCloseNotify(t *testing.T) {
	for _, require := range []bool{false, true} {
		server, conf := testCert(t)
		s := &Server{TLS: server, RequireCloseNotify: require}
		c := secure(t, serve(t, s), conf)
		c.do("TYPE I")
		raw := c.epsv()
		c.do("STOR f")
		data := tls.Client(raw, conf)
		_, err := io.WriteString(data, "abc")
		check(t, err)
		check(t, raw.(*net.TCPConn).CloseWrite())
		want := map[bool]string{false: "226 Transfer complete.", true: "426 Connection closed; transfer aborted."}[require]
		c.wantReply(want)
	}
}
