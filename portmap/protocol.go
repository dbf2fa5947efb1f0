package portmap

import (
	"fmt"
	"time"
)

// Protocol is a protocol by which a gateway is asked for a mapping.
type Protocol uint8

// The protocols that a [Mapper] speaks.
const (
	PCP    Protocol = iota + 1 // Port Control Protocol, RFC 6887
	NATPMP                     // NAT Port Mapping Protocol, RFC 6886; IPv4 only
	UPnP                       // UPnP Internet Gateway Device, versions 1 and 2; IPv4 only
)

var protocolNames = map[Protocol]string{PCP: "PCP", NATPMP: "NAT-PMP", UPnP: "UPnP"}

// String returns the protocol's usual name.
func (p Protocol) String() string {
	if name, ok := protocolNames[p]; ok {
		return name
	}
	return fmt.Sprintf("Protocol(%d)", uint8(p))
}

var defaultProtocols = []Protocol{PCP, NATPMP, UPnP}

// The time that one protocol is given. A gateway is one hop away and answers a
// datagram at once or never; a search by UPnP may be answered after a second,
// and routers take their time over each of the HTTP requests that follow.
const (
	datagramTimeout = time.Second
	upnpTimeout     = 4 * time.Second
)

// patience returns how long the protocol may take where the caller has not
// said it.
func (p Protocol) patience() time.Duration {
	if p == UPnP {
		return upnpTimeout
	}
	return datagramTimeout
}
