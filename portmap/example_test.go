package portmap_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/portmap"
)

// A Dialer asks the router for a port where the server cannot reach this
// machine otherwise.
func Example() {
	mapper := new(portmap.Mapper)
	defer mapper.Close()
	d := &ftpnat.Dialer{Mapper: mapper}

	fsys, err := d.Open(context.Background(), "ftp://ftp.example.com/pub")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer fsys.Close()
}

// What can be done about a failure depends on what kind it is.
func ExampleMapper_Map() {
	mapper := new(portmap.Mapper)
	defer mapper.Close()

	mapping, err := mapper.Map(context.Background(), netip.MustParseAddrPort("127.0.0.1:50000"))
	var notPublic *portmap.NotPublicError
	switch {
	case errors.Is(err, portmap.ErrNoGateway):
		fmt.Println("There is no router to ask.")
	case errors.As(err, &notPublic):
		fmt.Println("The provider's NAT is in the way, too: ask for an address of your own.")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("The port is open at", mapping.Public)
		mapping.Release()
	}
	// Output: There is no router to ask.
}
