// Package portmap asks the NAT in front of this machine for port mappings, by
// PCP (RFC 6887), NAT-PMP (RFC 6886) and UPnP IGD, so that an FTP server can
// open a data connection to a client behind it. A [*Mapper] is an
// [ftpnat.Mapper]:
//
//	mapper := new(portmap.Mapper)
//	defer mapper.Close()
//	d := &ftpnat.Dialer{Mapper: mapper}
//
// # What is sent, and to whom
//
// Everything goes to the default gateway of the network that the local address
// is in, from that address: datagrams to port 5351, and for UPnP a search to
// port 1900 and to the local multicast group 239.255.255.250, then HTTP to the
// place that the gateway's own answer names. Answers of other hosts, and
// answers that point at other hosts, are not followed. No third party is
// asked for the public address.
//
// # What is refused
//
// A gateway whose own address toward the Internet is private, shared by a
// carrier (100.64.0.0/10) or otherwise not reachable from everywhere stands
// behind a second NAT. A mapping there leads nowhere, so it is given back, and
// the error is a [NotPublicError].
package portmap
