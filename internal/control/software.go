package control

import "strings"

// Software is a server program, as far as it matters for what may be sent before
// earlier commands are answered. ARCHITECTURE.md has what each does with it.
type Software uint8

// The programs that are told apart.
const (
	UnknownSoftware Software = iota
	VSFTPD
	ProFTPD
	PureFTPd
	Pyftpdlib
)

// signs are what a program says at the login, and hardly any other.
var signs = map[Software][]struct{ verb, text string }{
	VSFTPD:    {{"", "vsFTPd"}, {"USER", "Please specify the password."}, {"TYPE", "Switching to Binary mode."}},
	ProFTPD:   {{"", "ProFTPD"}, {"USER", "Password required for "}, {"USER", "Anonymous login ok, send your complete email address"}, {"FEAT", "SITE MKDIR"}, {"FEAT", "CSID"}},
	PureFTPd:  {{"", "Pure-FTPd"}, {"USER", "OK. Password required"}, {"TYPE", "TYPE is now "}, {"FEAT", "ESTP"}},
	Pyftpdlib: {{"", "pyftpdlib"}, {"USER", "Username ok, send password."}, {"FEAT", "End FEAT."}},
}

// identify returns the program that a server is, judged by what it said. Two
// signs are needed: a greeting can be set, and others say some of the same.
func identify(said func(verb string) string) Software {
	for program, list := range signs {
		found := 0
		for _, sign := range list {
			if strings.Contains(said(sign.verb), sign.text) {
				found++
			}
		}
		if found >= 2 {
			return program
		}
	}
	return UnknownSoftware
}
