package memnet_test

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/ftpnat/ftpnat/internal/memnet"
)

// A client behind a NAT with an FTP helper, and a server behind a firewall.
func Example() {
	ctx := context.Background()
	n := memnet.New(memnet.Config{Latency: time.Millisecond})
	defer n.Close()

	home := n.Site(memnet.NAT{Public: netip.MustParseAddr("203.0.113.7"), FTPHelper: true})
	client := home.Host("client", netip.MustParseAddr("192.168.1.10"))
	office := n.Site(memnet.InboundOnly(memnet.Drop, memnet.Port(21)))
	server := office.Host("ftp.example.net", netip.MustParseAddr("198.51.100.20"))

	l, err := server.Listen(ctx, "tcp", ":21")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := client.DialContext(ctx, "tcp", "ftp.example.net:21")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(c, "PORT 192,168,1,10,19,136\r\n")

	s, err := l.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	line, err := bufio.NewReader(s).ReadString('\n')
	fmt.Printf("%q %v\n", line, err)
	fmt.Println("pinholes:", home.Counters()[0].Pinholes)
	// Output:
	// "PORT 203,0,113,7,19,136\r\n" <nil>
	// pinholes: 1
}
