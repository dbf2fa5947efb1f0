// Package nat64 runs tayga, a stateless NAT64 (RFC 6145), on a router of the
// laboratory. With the router's masquerading behind it the two are what RFC
// 6146 calls a NAT64.
package nat64
