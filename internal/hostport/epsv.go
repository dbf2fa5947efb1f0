package hostport

import (
	"net/netip"
	"strconv"
	"strings"
)

const (
	epsvReply = "EPSV reply"
	eprtArg   = "EPRT argument"
)

// ParseEPSV returns the port in the text of a 229 reply, its lines joined by
// newlines and its code removed.
//
// The delimiter may be any printable ASCII character right behind a
// parenthesis, and any but a letter or digit where the parentheses are missing.
// Protocol and address, which RFC 2428 leaves empty, are skipped when a server
// fills them in: the address of the control connection is the one to use.
// A port of 0 or above 65535 is an error.
func ParseEPSV(text string) (uint16, error) {
	for i := 1; i < len(text); i++ {
		if text[i-1] != '(' {
			continue
		}
		if fields, _, ok := splitFields(text[i:]); ok && plausible(fields) {
			return parsePort(epsvReply, text, fields[2])
		}
	}
	for i := range len(text) {
		if isDigit(text[i]) || isLetter(text[i]) {
			continue
		}
		if fields, _, ok := splitFields(text[i:]); ok && plausible(fields) {
			return parsePort(epsvReply, text, fields[2])
		}
	}
	return 0, fault(epsvReply, text, "no port between delimiters")
}

// ParseEPRT returns the address in the argument of an EPRT command.
// Only the protocols 1 (IPv4) and 2 (IPv6) are known, and the address must be
// of the protocol's family.
func ParseEPRT(arg string) (netip.AddrPort, error) {
	fields, rest, ok := splitFields(strings.Trim(arg, " \t"))
	if !ok || rest != "" {
		return netip.AddrPort{}, fault(eprtArg, arg, "not three fields between delimiters")
	}
	ip, err := netip.ParseAddr(fields[1])
	if err != nil || ip.Zone() != "" {
		return netip.AddrPort{}, fault(eprtArg, arg, "no IP address")
	}
	switch {
	case fields[0] == "1" && ip.Is4(), fields[0] == "2" && ip.Is6():
	case fields[0] == "1" || fields[0] == "2":
		return netip.AddrPort{}, fault(eprtArg, arg, "protocol and address differ")
	default:
		return netip.AddrPort{}, fault(eprtArg, arg, "unknown network protocol")
	}
	port, err := parsePort(eprtArg, arg, fields[2])
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(ip, port), nil
}

// FormatEPRT returns the argument of an EPRT command, "|1|a|p|" or "|2|a|p|".
// An IPv4-mapped address is given as IPv4; a zone means nothing to the other end
// and is left out. It returns "" for the zero Addr.
func FormatEPRT(addr netip.AddrPort) string {
	ip := addr.Addr().Unmap().WithZone("")
	if !ip.IsValid() {
		return ""
	}
	b := make([]byte, 0, len("|2||65535|")+len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
	if ip.Is4() {
		b = append(b, "|1|"...)
	} else {
		b = append(b, "|2|"...)
	}
	b = ip.AppendTo(b)
	b = append(b, '|')
	b = strconv.AppendUint(b, uint64(addr.Port()), 10)
	b = append(b, '|')
	return string(b)
}

// FormatEPSV returns the text of a 229 reply.
func FormatEPSV(port int) string {
	return "Entering Extended Passive Mode (|||" + strconv.Itoa(port) + "|)"
}

// splitFields splits <d>protocol<d>address<d>port<d> at the start of text by its
// first character and returns what follows.
func splitFields(text string) (fields [3]string, rest string, ok bool) {
	if text == "" || text[0] < 33 || text[0] > 126 {
		return fields, "", false
	}
	delim := text[0]
	rest = text[1:]
	for i := range fields {
		end := strings.IndexByte(rest, delim)
		if end < 0 {
			return fields, "", false
		}
		fields[i], rest = rest[:end], rest[end+1:]
	}
	return fields, rest, true
}

// plausible tells the fields of a 229 from prose that happens to repeat a
// character.
func plausible(fields [3]string) bool {
	if fields[2] == "" || strings.Trim(fields[2], " \t0123456789") != "" {
		return false
	}
	if fields[0] != "" && fields[0] != "1" && fields[0] != "2" {
		return false
	}
	if fields[1] == "" {
		return true
	}
	_, err := netip.ParseAddr(fields[1])
	return err == nil
}

func parsePort(form, text, field string) (uint16, error) {
	field = strings.Trim(field, " \t")
	if field == "" || !isDigit(field[0]) {
		return 0, fault(form, text, "no port")
	}
	n, end := number(field, 0)
	if end != len(field) || n == 0 || n > 65535 {
		return 0, fault(form, text, "port "+strconv.Quote(field[:min(len(field), maxQuoted)])+" out of range")
	}
	return uint16(n), nil
}
