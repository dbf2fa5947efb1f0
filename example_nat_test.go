package ftpnat_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"strings"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// The story of 2006: a program that insists on active mode, behind a NAT. The
// connection is cut, and the error says why and what to do.
func ExampleNegotiateError() {
	d, addr, stop := behindNAT(memnet.CommandBox{Verbs: []string{"PORT"}, Do: memnet.Reset})
	defer stop()
	ctx := context.Background()

	d.Modes = []ftpnat.Mode{ftpnat.PORT}
	c, err := d.Dial(ctx, addr)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	_, err = c.Retrieve(ctx, "report.csv", 0)
	var failed *ftpnat.NegotiateError
	if !errors.As(err, &failed) {
		log.Fatal(err)
	}
	for _, a := range failed.Attempts {
		fmt.Printf("%v with %v: %v\n", a.Mode, a.Advertised.Addr(), a.Cause)
	}
	fmt.Println(strings.ReplaceAll(failed.Advice()[0], ". ", ".\n"))
	// Output:
	// PORT with 192.168.1.10: the control connection was cut
	// PORT with 203.0.113.7: the control connection was cut
	// The connection was cut when this machine asked the server to connect back to it (PORT).
	// It had to name its address, 192.168.1.10, which is private: it means nothing outside your own network, and the server, or a firewall on the way, takes it for an attack.
	// Use passive mode, in which this machine makes both connections itself: leave Dialer.Modes empty, or add EPSV and PASV.
}

// behindNAT starts a server on a network of its own, which a Dialer reaches
// through a NAT and a box at the server's side.
func behindNAT(box memnet.Box) (d *ftpnat.Dialer, addr string, stop func()) {
	n := memnet.New(memnet.Config{})
	home := n.Site(memnet.Masquerade(netip.MustParseAddr("203.0.113.7")))
	client := home.Host("client", netip.MustParseAddr("192.168.1.10"))
	server := n.Site(box).Host("ftp.example.net", netip.MustParseAddr("198.51.100.10"))
	ln, err := server.Listen(context.Background(), "tcp", ":21")
	if err != nil {
		log.Fatal(err)
	}
	s := &ftptest.Server{
		Tree: ftptest.NewTree(), Personality: ftptest.VSFTPD(),
		Network: ftptest.Network{Listen: server.Listen, Dial: server.DialFrom},
	}
	s.Start(ln)
	d = &ftpnat.Dialer{DialContext: client.DialContext, Listen: client.Listen}
	return d, "ftp.example.net", func() {
		s.Close()
		n.Close()
	}
}
