package ftptest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// openPassive opens a port for a passive connection, if the client may have one.
func openPassive(s *session) (port uint16, ok bool) {
	if s.p.Data.RequirePRET && !s.pret {
		s.say("PRET.needed")
		return 0, false
	}
	s.pret = false
	addr, err := s.listenData()
	if err != nil {
		s.say("passive.failed")
		return 0, false
	}
	return addr.Port(), true
}

func cmdPret(s *session, _ string) {
	s.pret = true
	s.say("PRET")
}

func cmdPasv(s *session, _ string) {
	addr := orDefault(s.srv.Network.Advertise, s.local.Addr())
	if !addr.Is4() {
		s.say("PASV.v6")
		return
	}
	port, ok := openPassive(s)
	if !ok {
		return
	}
	b := addr.As4()
	hp := fmt.Sprintf("%d,%d,%d,%d,%d,%d", b[0], b[1], b[2], b[3], port>>8, port&0xff)
	s.say("PASV", "{hp}", hp)
}

// protocol is the number that RFC 2428 gives to the control connection's network.
func (c *control) protocol() string {
	if c.local.Addr().Is4() {
		return "1"
	}
	return "2"
}

func cmdEpsv(s *session, arg string) {
	switch {
	case strings.EqualFold(arg, "ALL"):
		s.epsvAll = true
		s.say("EPSV.ALL")
		return
	case arg != "" && (s.p.Data.PlainEPSV || arg != s.protocol()):
		s.say("EPSV.proto", "{n}", s.protocol())
		return
	}
	if port, ok := openPassive(s); ok {
		s.say("EPSV", "{port}", strconv.Itoa(int(port)))
	}
}

func cmdPort(s *session, arg string) {
	remote, ok := parsePort(arg)
	if !ok {
		s.say("syntax")
		return
	}
	acceptActive(s, "PORT", remote)
}

func cmdEprt(s *session, arg string) {
	remote, proto, ok := parseEprt(arg)
	switch {
	case !ok:
		s.say("syntax")
	case proto != "1" && proto != "2" || remote.Addr().Is4() != s.remote.Addr().Is4():
		s.say("EPRT.proto", "{n}", s.protocol())
	default:
		acceptActive(s, "EPRT", remote)
	}
}

// acceptActive takes the address of an active data connection, or refuses it.
func acceptActive(s *session, verb string, remote netip.AddrPort) {
	vars := []string{"{addr}", remote.Addr().String(), "{port}", strconv.Itoa(int(remote.Port()))}
	if remote.Addr() != s.remote.Addr() {
		policy := s.p.Data.ForeignPORT
		switch {
		case policy == Substitute && remote.Addr().IsPrivate() && !s.remote.Addr().IsPrivate():
			remote = netip.AddrPortFrom(s.remote.Addr(), remote.Port())
		case policy == RefusePORT || policy == Substitute:
			s.say(verb+".foreign", vars...)
			return
		}
	}
	if remote.Port() < 1024 && !s.p.Data.LowPORT {
		s.say(verb+".low", vars...)
		return
	}
	s.dialLater(remote)
	if s.p.Data.EagerPORT && !s.connectNow() {
		s.say("PORT.failed")
		return
	}
	s.say(verb)
}

// parsePort reads the six numbers of PORT.
func parsePort(arg string) (netip.AddrPort, bool) {
	var b [6]byte
	fields := strings.Split(arg, ",")
	if len(fields) != len(b) {
		return netip.AddrPort{}, false
	}
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 8)
		if err != nil {
			return netip.AddrPort{}, false
		}
		b[i] = byte(n)
	}
	addr := netip.AddrFrom4([4]byte(b[:4]))
	return netip.AddrPortFrom(addr, uint16(b[4])<<8|uint16(b[5])), true
}

// parseEprt reads the argument of EPRT (RFC 2428, 2).
func parseEprt(arg string) (remote netip.AddrPort, proto string, ok bool) {
	if arg == "" {
		return remote, "", false
	}
	fields := strings.Split(arg, arg[:1])
	if len(fields) != 5 {
		return remote, "", false
	}
	addr, err := netip.ParseAddr(fields[2])
	port, perr := strconv.ParseUint(fields[3], 10, 16)
	if err != nil || perr != nil {
		return remote, "", false
	}
	return netip.AddrPortFrom(addr, uint16(port)), fields[1], true
}
