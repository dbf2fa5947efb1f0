// Package netns builds small internets out of Linux network namespaces: hosts,
// routers and the links between them, connected to nothing else. It needs root,
// iproute2, nftables and util-linux.
package netns
