package ftpnat

import "strings"

// software is a server program, as far as it matters for what may be sent
// ahead. ARCHITECTURE.md has what each does with it.
type software uint8

const (
	unknownSoftware software = iota
	vsftpd
	proFTPD
	pureFTPd
	pyftpdlib
)

// words are what a program says at the login, and hardly any other.
var words = map[software][]struct{ verb, text string }{
	vsftpd:    {{"", "vsFTPd"}, {"USER", "Please specify the password."}, {"TYPE", "Switching to Binary mode."}},
	proFTPD:   {{"", "ProFTPD"}, {"USER", "Password required for "}, {"USER", "Anonymous login ok, send your complete email address"}, {"FEAT", "SITE MKDIR"}, {"FEAT", "CSID"}},
	pureFTPd:  {{"", "Pure-FTPd"}, {"USER", "OK. Password required"}, {"TYPE", "TYPE is now "}, {"FEAT", "ESTP"}},
	pyftpdlib: {{"", "pyftpdlib"}, {"USER", "Username ok, send password."}, {"FEAT", "End FEAT."}},
}

// identify tells which program a server is from what it said. Two signs are
// needed: a greeting can be set, and others say some of the same.
func identify(said func(verb string) string) software {
	for program, signs := range words {
		found := 0
		for _, sign := range signs {
			if strings.Contains(said(sign.verb), sign.text) {
				found++
			}
		}
		if found >= 2 {
			return program
		}
	}
	return unknownSoftware
}

// software returns which program the server is.
func (l *link) software() software {
	if l.program == unknownSoftware && l.identified != l.sess.Lives() {
		l.identified = l.sess.Lives()
		l.program = identify(func(verb string) string {
			if verb == "" {
				return Reply(l.sess.Greeting()).Text()
			}
			return l.sess.Said(verb)
		})
	}
	return l.program
}

// takesAhead reports whether the server is known to read a command that comes
// before the last one was answered. Some small ones throw it away.
func (l *link) takesAhead() bool {
	return l.lesson.Flight == Yes || l.lesson.Flight == Unknown && l.software() != unknownSoftware
}
