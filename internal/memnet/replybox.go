package memnet

import (
	"bytes"
	"net/netip"
)

// ReplyBox changes the server's replies on the control connections that cross
// it, or acts on them. It sees replies that lie whole in one segment.
type ReplyBox struct {
	Code        string     // of the reply, such as "227"
	Addr        netip.Addr // if it is an IPv4 address, replaces the one in a 227
	Port        uint16     // if not zero, replaces the port in a 227 or 229
	Line        string     // if not empty, replaces the whole line
	Do          Action     // if not Relay, is done to the segment instead
	ControlPort uint16     // zero means 21
}

type replyDevice struct {
	base
	ReplyBox
}

func (b ReplyBox) install(*Network) device { return &replyDevice{ReplyBox: b} }

func (d *replyDevice) open(p *syn, _ Direction) (Verdict, filter) {
	if p.dst.Port() != controlPort(d.ControlPort) {
		return Pass, nil
	}
	return Pass, &replyFlow{box: d}
}

type replyFlow struct {
	box     *replyDevice
	midLine bool
}

func (f *replyFlow) segment(from End, s *segment) Action {
	if from != Server || s.kind != data || len(s.data) == 0 {
		return Relay
	}
	matched := false
	var out []byte
	for line := range bytes.Lines(s.data) {
		whole := !f.midLine && line[len(line)-1] == '\n'
		f.midLine = line[len(line)-1] != '\n'
		if whole && bytes.HasPrefix(line, []byte(f.box.Code+" ")) {
			matched = true
			line = f.box.rewrite(line)
		}
		out = append(out, line...)
	}
	switch {
	case !matched:
		return Relay
	case f.box.Do != Relay:
		return f.box.Do
	case !bytes.Equal(out, s.data):
		f.box.counters.Rewrites++
		s.data = out
	}
	return Relay
}

// rewrite returns the line that takes line's place.
func (b ReplyBox) rewrite(line []byte) []byte {
	if b.Line != "" {
		return []byte(b.Line + "\r\n")
	}
	for _, p := range patterns[Server] {
		ad, outcome := p.find(line, netip.IPv4Unspecified())
		if outcome != found {
			continue
		}
		addr, port := ad.endpoint.Addr(), ad.endpoint.Port()
		if b.Addr.Is4() {
			addr = b.Addr
		}
		if b.Port != 0 {
			port = b.Port
		}
		return ad.replace(line, netip.AddrPortFrom(addr, port))
	}
	return line
}
