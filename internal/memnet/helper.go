package memnet

import (
	"bytes"
	"net/netip"
)

// outcome is what a helper found in a segment.
type outcome uint8

const (
	nothing    outcome = iota
	found              // an endpoint
	unreadable         // the beginning of an endpoint that cannot be understood
)

// helper reads one control connection.
type helper struct {
	inside  End // which end is on the inside of the NAT
	midLine [2]bool
	pinhole *pinhole
}

// pattern is a line that a helper looks for.
type pattern struct {
	prefix string
	begin  func(rest []byte) int // where the endpoint begins, or a negative number
	kind   adKind
}

var patterns = [2][]pattern{
	Client: {
		{"PORT", behind(' '), adPORT},
		{"EPRT", behind(' '), adEPRT},
	},
	Server: {
		{"227 ", func(rest []byte) int { return bytes.IndexAny(rest, "0123456789") }, adPORT},
		{"229 ", behind('('), adEPSV},
	},
}

// behind returns a function that finds the byte after the first sep.
func behind(sep byte) func([]byte) int {
	return func(rest []byte) int {
		if i := bytes.IndexByte(rest, sep); i >= 0 && i+1 < len(rest) {
			return i + 1
		}
		return -1
	}
}

// read looks for an endpoint at the beginning of s. An endpoint without an
// address, as in a 229, is at own.
func (h *helper) read(from End, s *segment, own netip.Addr) (ad advert, o outcome) {
	if s.kind != data || len(s.data) == 0 {
		return advert{}, nothing
	}
	atLineStart := !h.midLine[from]
	h.midLine[from] = s.data[len(s.data)-1] != '\n'
	if !atLineStart {
		return advert{}, nothing
	}
	for _, p := range patterns[from] {
		if ad, o = p.find(s.data, own); o != nothing {
			break
		}
	}
	return ad, o
}

// find looks for the pattern at the beginning of data.
func (p pattern) find(data []byte, own netip.Addr) (advert, outcome) {
	n := min(len(data), len(p.prefix))
	if !bytes.EqualFold(data[:n], []byte(p.prefix[:n])) {
		return advert{}, nothing
	}
	if len(data) <= len(p.prefix) {
		return advert{}, unreadable
	}
	rest := data[len(p.prefix):]
	start := p.begin(rest)
	if start < 0 {
		return advert{}, unreadable
	}
	ad, ok := parseAdvert(p.kind, rest[start:], own)
	if !ok {
		return advert{}, unreadable
	}
	ad.start += len(p.prefix) + start
	ad.end += len(p.prefix) + start
	return ad, found
}
