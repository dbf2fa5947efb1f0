package ftptest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

// overMemnet plays a session between a client behind a NAT with an FTP helper
// and a server on the public side, 50 ms apart.
func overMemnet(t *testing.T, s *Server, play func(t *testing.T, client *memnet.Host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Latency: 25 * time.Millisecond})
		defer n.Close()
		defer s.Close()
		home := n.Site(memnet.NAT{Public: netip.MustParseAddr("203.0.113.7"), FTPHelper: true})
		client := home.Host("client", netip.MustParseAddr("192.168.1.10"))
		host := n.Site().Host("server", pipeServer.Addr())
		ln, err := host.Listen(t.Context(), "tcp", ":21")
		check(t, err)
		s.Tree = sampleTree(t)
		s.Network.Listen, s.Network.Dial = host.Listen, host.DialFrom
		s.Start(ln)
		play(t, client)
	})
}

func memnetClient(t *testing.T, client *memnet.Host) *client {
	t.Helper()
	conn, err := client.DialContext(t.Context(), "tcp", "192.0.2.1:21")
	check(t, err)
	return newClient(t, conn)
}

func TestMemnetPassive(t *testing.T) {
	server, conf := testCert(t)
	for _, secure := range []bool{false, true} {
		s := &Server{Personality: VSFTPD(), TLS: server, RequireReuse: true}
		overMemnet(t, s, func(t *testing.T, client *memnet.Host) {
			opts := []ftp.DialOption{}
			dial := func(network, addr string) (net.Conn, error) {
				return client.DialContext(context.Background(), network, addr)
			}
			if secure {
				opts = append(opts, ftp.DialWithExplicitTLS(conf))
				first := true
				plain := dial
				dial = func(network, addr string) (net.Conn, error) {
					conn, err := plain(network, addr)
					if err != nil || first {
						first = false
						return conn, err
					}
					return tls.Client(conn, conf), nil
				}
			}
			c := dialFTP(t, "192.0.2.1:21", append(opts, ftp.DialWithDialFunc(dial))...)
			r, err := c.Retr("hello.txt")
			if got := readAll(t, r, err); got != "hello\nworld\n" {
				t.Errorf("got %q", got)
			}
			check(t, c.Quit())
		})
	}
}

func TestMemnetActiveThroughHelper(t *testing.T) {
	s := &Server{Personality: ProFTPD()}
	overMemnet(t, s, func(t *testing.T, client *memnet.Host) {
		c := memnetClient(t, client)
		c.reply()
		c.login()
		ln, err := client.Listen(t.Context(), "tcp", ":20000")
		check(t, err)
		defer ln.Close()
		c.want("PORT 192,168,1,10,78,32", "200 PORT command successful")
		check(t, c.PrintfLine("NLST dir"))
		conn, err := ln.Accept()
		check(t, err)
		if data, err := io.ReadAll(conn); err != nil || string(data) != "a.csv\r\nb.csv\r\n" {
			t.Errorf("got %q, %v", data, err)
		}
		check(t, conn.Close())
	})
}

func TestMemnetReset(t *testing.T) {
	s := &Server{Script: []Step{{On: "PORT", Then: Reset}}}
	overMemnet(t, s, func(t *testing.T, client *memnet.Host) {
		c := memnetClient(t, client)
		c.reply()
		c.login()
		check(t, c.PrintfLine("PORT 192,168,1,10,78,32"))
		if _, err := c.ReadLine(); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a reset", err)
		}
	})
}
