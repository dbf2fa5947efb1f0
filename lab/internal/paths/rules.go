//go:build linux

package paths

// Rules of routers, in the language of nft(8). Each may stand beside the
// others: it has a table of its own. The first four bytes of a TCP payload are
// @ih,0,32.

// Masquerade is the NAT of a home router.
const Masquerade = `
table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat
		oifname "wan0" masquerade
	}
}
`

// Shut makes a home router silent to strangers instead of answering them that
// a port is closed.
const Shut = `
table ip shut {
	chain input {
		type filter hook input priority filter
		iifname "wan0" ct state new drop
	}
}
`

// Helper assigns the kernel's FTP helper, which no kernel does by itself any
// more.
const Helper = `
table ip helper {
	ct helper ftp-standard {
		type "ftp" protocol tcp
	}
	chain prerouting {
		type filter hook prerouting priority filter
		tcp dport 21 ct helper set "ftp-standard"
	}
}
`

// Forwarded sends a range of the router's ports to the host behind it.
const Forwarded = `
table ip forwarded {
	chain prerouting {
		type nat hook prerouting priority dstnat
		iifname "wan0" ip daddr $wan tcp dport 40000-40009 dnat to $host
	}
}
`

// ResetPORT is a router that takes PORT and EPRT for an attack: it resets the
// connection toward the client at once and toward the server when that speaks.
const ResetPORT = `
table ip resetting {
	chain forward {
		type filter hook forward priority filter
		ct mark 21 reject with tcp reset
		iifname "lan0" tcp dport 21 @ih,0,32 { 0x504f5254, 0x45505254 } ct mark set 21 reject with tcp reset
	}
}
`

// ResetEPSV does the same at EPSV.
const ResetEPSV = `
table ip resetting {
	chain forward {
		type filter hook forward priority filter
		ct mark 21 reject with tcp reset
		iifname "lan0" tcp dport 21 @ih,0,32 0x45505356 ct mark set 21 reject with tcp reset
	}
}
`

// SwallowEPSV drops the packet, and each time that it is sent again.
const SwallowEPSV = `
table ip swallow {
	chain forward {
		type filter hook forward priority filter
		iifname "lan0" tcp dport 21 @ih,0,32 0x45505356 drop
	}
}
`

// Blind229 is a firewall that opens the ports named by 227, and does not know
// that 229 names one as well. It remembers which of the two it saw last.
const Blind229 = `
table ip blind {
	set extended {
		type ipv4_addr
		flags dynamic, timeout
		timeout 1h
	}
	chain forward {
		type filter hook forward priority filter
		iifname "wan0" tcp sport 21 @ih,0,32 0x32323920 update @extended { ip daddr }
		iifname "wan0" tcp sport 21 @ih,0,32 0x32323720 delete @extended { ip daddr }
		iifname "lan0" tcp dport 1024-65535 ct state new ip saddr @extended drop
	}
}
`

// Control21 is a firewall in front of a server that lets nothing in but
// control connections.
const Control21 = `
table ip firewall {
	chain forward {
		type filter hook forward priority filter; policy drop
		ct state established,related accept
		iifname "lan0" accept
		iifname "wan0" tcp dport 21 accept
	}
}
`

// ServerDNAT is a server's router that forwards the control connection and the
// passive range, and touches no reply.
const ServerDNAT = Masquerade + `
table ip portmap {
	chain prerouting {
		type nat hook prerouting priority dstnat
		iifname "wan0" ip daddr $wan tcp dport { 21, 50000-50999 } dnat to $host
	}
}
`

// HelpedDNAT is a server's router that forwards the control connection alone,
// and lets in what the helper has read of.
const HelpedDNAT = Masquerade + Helper + Control21 + `
table ip portmap {
	chain prerouting {
		type nat hook prerouting priority dstnat
		iifname "wan0" ip daddr $wan tcp dport 21 dnat to $host
	}
}
`
