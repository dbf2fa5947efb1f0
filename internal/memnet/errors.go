package memnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// errNetworkClosed is what calls that wait return when the network is closed.
var errNetworkClosed = net.ErrClosed

// opError wraps err as package net does. An errno is wrapped as a failed system call.
func opError(op string, source, addr net.Addr, err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		call := op
		switch op {
		case "dial":
			call = "connect"
		case "listen":
			call = "bind"
		}
		err = os.NewSyscallError(call, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: source, Addr: addr, Err: err}
}

// tcpAddr returns a as package net shows it; nil if a is not an address.
func tcpAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return nil
	}
	return net.TCPAddrFromAddrPort(a)
}
