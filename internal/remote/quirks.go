package remote

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// This file has what single servers make of names and commands, in one table for
// each kind of quirk. What they say in replies is in package proto.

// prefixes are beginnings of names that a server takes for something else: "./"
// before the name keeps it what it is.
var prefixes = []struct {
	server string
	begins func(name string) bool
}{
	{"those whose LIST and STAT take options: vsftpd, ProFTPD, Pure-FTPd", func(n string) bool { return n[0] == '-' }},
	{"those that expand home directories: wu-ftpd, ProFTPD", func(n string) bool { return n[0] == '~' }},
	{"those that skip all blanks before an argument", func(n string) bool { return n[0] == ' ' || n[0] == '\t' }},
	{"vsftpd: MDTM with a time to be set", beginsWithStamp},
}

// dotted returns a name as an argument of a command.
func dotted(name string) string {
	if name == "" {
		return name
	}
	for _, p := range prefixes {
		if p.begins(name) {
			return "./" + name
		}
	}
	return name
}

// beginsWithStamp reports whether a name begins with fourteen digits and a
// blank.
func beginsWithStamp(name string) bool {
	digits := 0
	for digits < len(name) && name[digits] >= '0' && name[digits] <= '9' {
		digits++
	}
	return digits == 14 && len(name) > 14 && name[14] == ' '
}

// changed are the features of names that servers do not keep when they create a
// file or a directory, and do not say so.
var changed = []struct {
	server string
	has    func(name string) bool
}{
	{"those that cut blanks off; Pure-FTPd has '_' for the last one", func(n string) bool { return strings.TrimSpace(n) != n }},
	{"Pure-FTPd: '_' for control characters", func(n string) bool { return strings.ContainsFunc(n, unicode.IsControl) }},
	{"pyftpdlib: other bytes for those that are not UTF-8", func(n string) bool { return !utf8.ValidString(n) }},
	{"ftp-srv, Twisted: no quotes and backslashes", func(n string) bool { return strings.ContainsAny(n, `"\\`) }},
}

// oddName reports whether a server may have changed a name.
func oddName(name string) bool {
	for _, c := range changed {
		if c.has(name) {
			return true
		}
	}
	return false
}

// isForeign reports whether a name has letters beyond ASCII, and the server has
// neither said that it has UTF-8 nor was seen to keep such a name.
func isForeign(s *Session, name string) bool {
	if _, ok := s.Feature("UTF8"); ok || s.Server.Knows(KeepsBytes) == proto.Yes {
		return false
	}
	return strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII })
}

// trimmed reports whether a server may take a name for another: several cut
// blanks off the end of an argument and answer for what is left.
func trimmed(name string) bool { return strings.TrimRight(name, " \t") != name }

// setTimes are the commands that set a time, in the order in which they are
// tried.
var setTimes = []struct {
	server  string
	feature string // that FEAT must have; empty if FEAT does not tell
	line    func(wire, stamp string) string
}{
	{"ProFTPD, Pure-FTPd, pyftpdlib, FileZilla Server", "MFMT", func(wire, stamp string) string { return "MFMT " + stamp + " " + wire }},
	{"vsftpd, Serv-U", "", func(wire, stamp string) string { return "MDTM " + stamp + " " + wire }},
	{"ProFTPD with mod_site_misc", "", func(wire, stamp string) string { return "SITE UTIME " + stamp + " " + wire }},
	{"Pure-FTPd, NcFTPd", "", func(wire, stamp string) string {
		return fmt.Sprintf("SITE UTIME %s %s %s %s UTC", wire, stamp, stamp, stamp)
	}},
}

// timeLines returns the commands that may set the time of a file.
func timeLines(s *Session, wire string, t time.Time) []string {
	stamp := t.UTC().Format("20060102150405")
	var lines []string
	for _, way := range setTimes {
		if _, listed := s.Feature(way.feature); listed || way.feature == "" {
			lines = append(lines, way.line(wire, stamp))
		}
	}
	return lines
}

// lists are the forms of LIST for the working directory, in the order in which
// they are tried.
var lists = [...]struct {
	server string
	line   string
	dashA  proto.Finding // the form is for servers of which this is known
}{
	{"those that hide dot files: vsftpd, ProFTPD", "LIST -a", proto.Yes},
	{"those that take -a for a name: busybox, IIS", "LIST", proto.No},
}

// listLine returns the form of LIST for a server that is known to take -a or
// known not to.
func listLine(dashA proto.Finding) string {
	for _, l := range lists {
		if l.dashA == dashA {
			return l.line
		}
	}
	return ""
}

// otherThan returns another form of a LIST of the working directory: without
// options, or the names alone.
func otherThan(line string) string {
	if line == listLine(proto.Yes) {
		return listLine(proto.No)
	}
	return "NLST"
}

// emptiesDirs reports whether the server may remove a directory with all that is
// in it when it is sent RMD. The programs that are recognised do not; goftp does,
// and does not say who it is.
func emptiesDirs(s *Session) bool { return s.Software() == control.UnknownSoftware }
