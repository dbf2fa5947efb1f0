package hostport

import (
	"net/netip"
	"slices"
	"strings"
)

// wordings introduce the client's address in what servers say, the most
// trustworthy first. They are compared in lower case.
var wordings = []string{
	"(only to ",       // pure-ftpd: I won't open a connection to A (only to B)
	"connected from",  // ProFTPD's STAT
	"connected to",    // STAT of vsftpd and of the BSD family
	"connecting from", // greetings
	"connection from",
	"logged in from",
	"coming from",
	"your ip",
	"your address",
	"your host",
	"client ip",
	"client address",
	"remote address",
	"remote host",
}

// serverWordings introduce the server's address, which behind a NAT of its own is
// not one that the caller could have put in the skip list.
var serverWordings = []string{"are connected to", "now connected to", "server ip", "server address"}

// strangers are the words right before something that looks like an address but
// is a version, or is an address of anyone but the client.
var strangers = []string{
	"version", "ver", "ver.", "v", "v.", "release", "rel", "build", "rev", "revision", "firmware",
	"server", "ftpd", "ftp", "ftps", "service", "daemon", "software",
	"connection to", "illegal port", "illegal eprt", "listening on",
}

// FindAddr returns the client's own address as the server sees it, where text
// (the reply to STAT, a refusal of PORT, a greeting; lines joined by newlines)
// lets it slip. Its order of preference:
//
//  1. The first address on the same line behind one of the wordings that servers
//     are known to introduce it with ("Connected to", "only to", "connecting
//     from" and the like); where several wordings occur, the most specific one.
//  2. The only address in the whole text, when it is one and the same wherever it
//     occurs and nothing before it says that it is a version, a server's address
//     or the address just asked for.
//
// Never returned are the addresses in skip (pass the server's own and those just
// sent in PORT), unspecified, loopback, multicast, link-local and broadcast
// addresses. IPv4-mapped addresses are unmapped before they are compared and
// returned. Private addresses are returned: within a site they are right.
func FindAddr(text string, skip ...netip.Addr) (netip.Addr, bool) {
	var only netip.Addr
	alone, best := true, len(wordings)
	var known netip.Addr
	for line := range strings.Lines(text) {
		lower := lowerASCII(line)
		for start, end := nextToken(line, 0); start < end; start, end = nextToken(line, end) {
			addr, ok := tokenAddr(line[start:end])
			if !ok || !usable(addr, skip) {
				continue
			}
			before := lower[:start]
			if slices.ContainsFunc(serverWordings, func(w string) bool { return strings.Contains(before, w) }) {
				continue
			}
			if rank := wordingRank(before); rank < best {
				best, known = rank, addr
				continue
			}
			if isStranger(before) {
				continue
			}
			alone = alone && (!only.IsValid() || only == addr)
			only = addr
		}
	}
	if known.IsValid() {
		return known, true
	}
	if !alone || !only.IsValid() {
		return netip.Addr{}, false
	}
	return only, true
}

// lowerASCII keeps every byte in its place, whatever the encoding.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// wordingRank returns the index of the first wording that occurs in before, the
// lower-case part of a line that precedes an address.
func wordingRank(before string) int {
	for i, w := range wordings {
		if strings.Contains(before, w) {
			return i
		}
	}
	return len(wordings)
}

func isStranger(before string) bool {
	before = strings.TrimRight(before, " \t:=([<\"'")
	for _, w := range strangers {
		rest, ok := strings.CutSuffix(before, w)
		if ok && (rest == "" || !isLetter(rest[len(rest)-1])) {
			return true
		}
	}
	return false
}

// nextToken finds the next run of characters that addresses, names and versions
// are made of.
func nextToken(line string, i int) (start, end int) {
	for start = i; start < len(line) && !isTokenByte(line[start]); start++ {
	}
	for end = start; end < len(line) && isTokenByte(line[end]); end++ {
	}
	return start, end
}

func isTokenByte(c byte) bool {
	return isDigit(c) || isLetter(c) || c == '.' || c == ':' || c == '-' || c == '_' || c >= 0x80
}

// tokenAddr reads a token as an address, with a port behind it or a word and a
// colon before it.
func tokenAddr(token string) (netip.Addr, bool) {
	token = strings.TrimRight(token, ".:-_")
	token = strings.TrimLeft(token, ".-_")
	if strings.HasPrefix(token, ":") && !strings.HasPrefix(token, "::") {
		token = token[1:]
	}
	if strings.Count(token, ":") >= 2 {
		if addr, err := netip.ParseAddr(token); err == nil {
			return addr.Unmap(), true
		}
	}
	for part := range strings.SplitSeq(token, ":") {
		if strings.Count(part, ".") != 3 {
			continue
		}
		if addr, err := netip.ParseAddr(part); err == nil {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

func usable(addr netip.Addr, skip []netip.Addr) bool {
	if addr.IsUnspecified() || addr.IsLoopback() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
		return false
	}
	if addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return false
	}
	return !slices.ContainsFunc(skip, func(s netip.Addr) bool {
		return s.Unmap().WithZone("") == addr
	})
}
