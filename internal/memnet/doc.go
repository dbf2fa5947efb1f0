// Package memnet is an in-process network for tests and demonstrations: hosts with addresses,
// latency, and the boxes that stand between FTP clients and servers - NATs, firewalls, FTP helpers and
// things that break commands. It runs in real time and, unchanged, in the virtual time of testing/synctest.
//
// A client behind a NAT with an FTP helper reaches a server behind a firewall:
//
//	n := memnet.New(memnet.Config{Latency: 25 * time.Millisecond})
//	defer n.Close()
//
//	home := n.Site(memnet.NAT{Public: netip.MustParseAddr("203.0.113.7"), FTPHelper: true})
//	client := home.Host("client", netip.MustParseAddr("192.168.1.10"))
//
//	office := n.Site(memnet.InboundOnly(memnet.Drop, memnet.Port(21)))
//	server := office.Host("ftp.example.net", netip.MustParseAddr("198.51.100.20"))
//
//	l, err := server.Listen(ctx, "tcp", ":21")
//	...
//	c, err := client.DialContext(ctx, "tcp", "ftp.example.net:21")
//	...
//	fmt.Println(home.Counters()) // what the NAT did
//
// The methods DialContext and Listen of a Host have the signatures of net.Dialer and
// net.ListenConfig, and their connections the errors of a kernel's: *net.OpError around
// syscall.ECONNREFUSED and the like.
//
// # What is modelled
//
// A Write is one segment, which reaches the peer after the latency and in order. A handshake
// takes one round trip, a refusal too; a SYN that is dropped is sent again after 1, 3, 7, 15, 31 and
// 63 seconds, and given up after 127. A segment that is swallowed is given up after 15 minutes.
// The boxes of a site stand next to its hosts: what a box at the client's side says is
// known at once, what one at the server's side says takes a round trip. The room that a Read
// makes in the window is known to the writer at once, and keeps the mapping of a NAT alive as its
// acknowledgement would; that of the end of the stream takes its time, see Conn.AwaitAck. No
// connection stays in TIME_WAIT.
// An address that nobody has answers nothing.
//
// There is no randomness but that of Lossy, which is the same each time: events fire by time and, at one instant, in the order in
// which they were scheduled.
//
// # FTP helper
//
// The FTPHelper of NAT and Firewall follows the Linux kernel's (nf_conntrack_ftp, nf_nat_ftp):
//
//   - It reads the first line of each segment that begins a line, and no other line of
//     it: of commands that travel together only the first is seen.
//   - PORT and EPRT of the client, 227 and 229 of the server open a pinhole for one
//     connection from the other end's address, if they name the sender's own address. A NAT
//     replaces an inside end's address, and its port if that is taken, by the public one.
//   - One that names another address opens nothing and passes unchanged.
//   - One that is malformed, or cut by the end of the segment, is swallowed: the control
//     connection goes silent.
//   - Over TLS it sees nothing.
//
// With LastCommand, that of a Firewall follows OpenBSD's ftp-proxy(8): it reads all lines, but
// remembers the last command alone, and that only until the next line from either side. A 227, a
// 229 or the 200 to a PORT that does not come right behind its command opens nothing.
package memnet
