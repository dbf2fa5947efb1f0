package memnet

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
)

// adKind is the form in which an endpoint is written.
type adKind uint8

const (
	adPORT adKind = iota // h1,h2,h3,h4,p1,p2
	adEPRT               // |1|h1.h2.h3.h4|port|
	adEPSV               // |||port|
)

// advert is an endpoint written in a line, and where.
type advert struct {
	kind       adKind
	endpoint   netip.AddrPort
	start, end int
}

// replace returns data with another endpoint in the advert's place.
func (a advert) replace(data []byte, by netip.AddrPort) []byte {
	return slices.Concat(data[:a.start], a.kind.format(by), data[a.end:])
}

func (k adKind) format(e netip.AddrPort) []byte {
	switch k {
	case adPORT:
		h := e.Addr().As4()
		return fmt.Appendf(nil, "%d,%d,%d,%d,%d,%d", h[0], h[1], h[2], h[3], e.Port()>>8, e.Port()&0xff)
	case adEPRT:
		return fmt.Appendf(nil, "|%s|%v|%d|", family(e.Addr()), e.Addr(), e.Port())
	default:
		return fmt.Appendf(nil, "|||%d|", e.Port())
	}
}

// parseAdvert reads the endpoint at the beginning of b, which is followed by
// something. An endpoint without an address is at own.
func parseAdvert(k adKind, b []byte, own netip.Addr) (advert, bool) {
	if k == adPORT {
		return parsePORT(b)
	}
	return parseDelimited(k, b, own)
}

func parsePORT(b []byte) (advert, bool) {
	end := bytes.IndexFunc(b, func(r rune) bool { return r != ',' && (r < '0' || r > '9') })
	if end < 0 {
		return advert{}, false
	}
	var n [6]byte
	fields := bytes.Split(b[:end], []byte{','})
	if len(fields) != len(n) {
		return advert{}, false
	}
	for i, f := range fields {
		v, err := strconv.ParseUint(string(f), 10, 8)
		if err != nil {
			return advert{}, false
		}
		n[i] = byte(v)
	}
	addr := netip.AddrFrom4([4]byte(n[:4]))
	return advert{kind: adPORT, endpoint: netip.AddrPortFrom(addr, uint16(n[4])<<8|uint16(n[5])), end: end}, true
}

// parseDelimited reads |family|address|port| or |||port|, with any delimiter.
func parseDelimited(k adKind, b []byte, own netip.Addr) (advert, bool) {
	delimiter := b[0]
	if delimiter < 33 || delimiter > 126 || isDigit(delimiter) {
		return advert{}, false
	}
	fields := bytes.SplitN(b, []byte{delimiter}, 5)
	if len(fields) < 5 {
		return advert{}, false
	}
	addr := own
	if k == adEPRT {
		var err error
		addr, err = netip.ParseAddr(string(fields[2]))
		if err != nil || string(fields[1]) != family(addr) || addr.Is4() != own.Is4() {
			return advert{}, false
		}
	} else if len(fields[1])+len(fields[2]) > 0 {
		return advert{}, false
	}
	port, err := strconv.ParseUint(string(fields[3]), 10, 16)
	if err != nil || port == 0 {
		return advert{}, false
	}
	end := len(b) - len(fields[4])
	return advert{kind: k, endpoint: netip.AddrPortFrom(addr, uint16(port)), end: end}, true
}

// family returns RFC 2428's number for a's family.
func family(a netip.Addr) string {
	if a.Is4() {
		return "1"
	}
	return "2"
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
