package ftpnat

import (
	"io/fs"
	"path"
	"strings"
)

// validName reports whether name is one of io/fs. Unlike [fs.ValidPath] it
// takes names that are not UTF-8: servers have them, and a backup must be able
// to name them. What would end a command is not taken.
func validName(name string) bool {
	return fs.ValidPath(strings.ToValidUTF8(name, "?")) && !strings.ContainsAny(name, "\x00\r\n")
}

// slashed returns a name of io/fs as it is joined with others: the root is empty.
func slashed(name string) string {
	if name == "." {
		return ""
	}
	return name
}

// split returns the parent of a path, the root being empty, and its last element.
func split(name string) (parent, base string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// baseName is path.Base with "." for the root.
func baseName(name string) string {
	if name == "" {
		return "."
	}
	return path.Base(name)
}

// dotted puts "./" before a name whose beginning a server may take for
// something else: options, a home directory, blanks to skip, or, in vsftpd's
// MDTM, a time to set.
func dotted(name string) string {
	switch {
	case name == "":
		return name
	case strings.IndexByte("-~ \t", name[0]) >= 0, stampAhead(name):
		return "./" + name
	}
	return name
}

func stampAhead(name string) bool {
	digits := 0
	for digits < len(name) && name[digits] >= '0' && name[digits] <= '9' {
		digits++
	}
	return digits == 14 && len(name) > 14 && name[14] == ' '
}

// plainName reports whether LIST takes a path for what it is on every server:
// the argument is read for options and patterns by many.
func plainName(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		case c == '-' && i > 0 && name[i-1] != '/':
		case strings.IndexByte("._+,=@%/", c) >= 0:
		default:
			return false
		}
	}
	return true
}
