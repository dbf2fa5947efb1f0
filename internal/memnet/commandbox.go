package memnet

import (
	"net/netip"
	"slices"
	"strings"
)

// CommandBox looks for commands of FTP clients in the control connections that
// cross it and does something to the segment in which one ends. It follows the
// stream: a command is seen also when it comes in pieces or with others.
type CommandBox struct {
	Verbs       []string              // in capitals; none means every command
	Arg         func(arg string) bool // if not nil, the argument must match too
	Do          Action                // once, at the first match
	ControlPort uint16                // zero means 21
}

// PrivateEndpoint reports whether arg, the argument of PORT or EPRT, names a private address.
// It serves as CommandBox.Arg.
func PrivateEndpoint(arg string) bool {
	for _, k := range []adKind{adPORT, adEPRT} {
		for _, own := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
			if ad, ok := parseAdvert(k, []byte(arg+"\r"), own); ok {
				return ad.endpoint.Addr().IsPrivate()
			}
		}
	}
	return false
}

type commandDevice struct {
	base
	CommandBox
}

func (b CommandBox) install(*Network) device { return &commandDevice{CommandBox: b} }

func (d *commandDevice) open(p *syn, _ Direction) (Verdict, filter) {
	if p.dst.Port() != controlPort(d.ControlPort) {
		return Pass, nil
	}
	return Pass, &commandFlow{box: d}
}

type commandFlow struct {
	box   *commandDevice
	lines lineReader
}

func (f *commandFlow) segment(from End, s *segment) Action {
	action := Relay
	if from == Client && s.kind == data {
		f.lines.next(s.data, func(line []byte) bool {
			if f.box.matches(string(line)) {
				action = f.box.Do
			}
			return action == Relay
		})
	}
	return action
}

func (b CommandBox) matches(line string) bool {
	verb, arg, _ := strings.Cut(line, " ")
	return (len(b.Verbs) == 0 || slices.Contains(b.Verbs, strings.ToUpper(verb))) && (b.Arg == nil || b.Arg(arg))
}
