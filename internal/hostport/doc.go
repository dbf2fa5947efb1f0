// Package hostport converts between the texts in which FTP carries the address
// of a data connection and netip.AddrPort: the replies 227 and 229, and the
// arguments of PORT and EPRT (RFC 959, RFC 2428).
//
// It also finds the client's own address where a server lets it slip.
// The package does no I/O and never panics, whatever a peer sends.
package hostport
