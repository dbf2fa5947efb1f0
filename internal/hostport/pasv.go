package hostport

import (
	"net/netip"
	"strconv"
)

const (
	pasvReply = "PASV reply"
	portArg   = "PORT argument"
)

// ParsePASV returns the address in the text of a 227 reply, its lines joined by
// newlines and its code removed.
//
// RFC 959 leaves the words around the numbers open and RFC 1123 (4.1.2.6) tells
// clients to search for them: the first run of exactly six numbers separated by
// commas counts, with or without parentheses or an equals sign, with blanks
// around the commas and zeros in front. An address of 0.0.0.0 is returned as it
// stands. A number above 255 and port 0 are errors.
func ParsePASV(text string) (netip.AddrPort, error) {
	for i := 0; i < len(text); {
		if !isDigit(text[i]) {
			i++
			continue
		}
		six, count, next := numberRun(text, i)
		if count == len(six) {
			return fromSix(pasvReply, text, six)
		}
		i = next
	}
	return netip.AddrPort{}, fault(pasvReply, text, "no six numbers")
}

// ParsePORT returns the address in the argument of a PORT command.
// Nothing but blanks may surround the six numbers.
func ParsePORT(arg string) (netip.AddrPort, error) {
	start := skipBlanks(arg, 0)
	six, count, next := numberRun(arg, start)
	if count != len(six) || skipBlanks(arg, next) != len(arg) {
		return netip.AddrPort{}, fault(portArg, arg, "not six numbers separated by commas")
	}
	return fromSix(portArg, arg, six)
}

// FormatPORT returns the argument of a PORT command, "h1,h2,h3,h4,p1,p2".
// It returns "" for an address that PORT cannot carry: one that is neither IPv4
// nor IPv4-mapped.
func FormatPORT(addr netip.AddrPort) string {
	ip := addr.Addr().Unmap()
	if !ip.Is4() {
		return ""
	}
	b := make([]byte, 0, len("255,255,255,255,255,255"))
	for _, octet := range ip.As4() {
		b = strconv.AppendUint(b, uint64(octet), 10)
		b = append(b, ',')
	}
	b = strconv.AppendUint(b, uint64(addr.Port()>>8), 10)
	b = append(b, ',')
	b = strconv.AppendUint(b, uint64(addr.Port()&0xff), 10)
	return string(b)
}

// FormatPASV returns the text of a 227 reply.
// It returns "" where FormatPORT does.
func FormatPASV(addr netip.AddrPort) string {
	six := FormatPORT(addr)
	if six == "" {
		return ""
	}
	return "Entering Passive Mode (" + six + ")"
}

// numberRun reads numbers separated by commas from text[start:]. It returns the
// first six of them, how many there were, and where the run ends.
func numberRun(text string, start int) (six [6]uint32, count, end int) {
	for end = start; end < len(text) && isDigit(text[end]); {
		var n uint32
		n, end = number(text, end)
		if count < len(six) {
			six[count] = n
		}
		count++
		comma := skipBlanks(text, end)
		if comma == len(text) || text[comma] != ',' {
			break
		}
		digit := skipBlanks(text, comma+1)
		if digit == len(text) || !isDigit(text[digit]) {
			break
		}
		end = digit
	}
	return six, count, end
}

// number reads the digits at text[i:]. A value that no field can hold stays
// above 65535 however many digits it has.
func number(text string, i int) (n uint32, end int) {
	for end = i; end < len(text) && isDigit(text[end]); end++ {
		n = min(n*10+uint32(text[end]-'0'), 1<<20)
	}
	return n, end
}

func fromSix(form, text string, six [6]uint32) (netip.AddrPort, error) {
	for _, n := range six {
		if n > 255 {
			return netip.AddrPort{}, fault(form, text, "a number exceeds 255")
		}
	}
	port := uint16(six[4]<<8 | six[5])
	if port == 0 {
		return netip.AddrPort{}, fault(form, text, "port 0")
	}
	ip := netip.AddrFrom4([4]byte{byte(six[0]), byte(six[1]), byte(six[2]), byte(six[3])})
	return netip.AddrPortFrom(ip, port), nil
}

func skipBlanks(text string, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t') {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
