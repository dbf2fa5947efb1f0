package remote

import (
	"crypto/rand"
	"io/fs"
	"path"
	"strings"
	"unicode/utf8"
)

// ValidName reports whether name is one of io/fs. Unlike [fs.ValidPath] it
// accepts names that are not UTF-8: servers have them, and a backup must be able
// to name them. It accepts nothing that would end a command.
func ValidName(name string) bool {
	return fs.ValidPath(strings.ToValidUTF8(name, "?")) && !strings.ContainsAny(name, "\x00\r\n")
}

// Slashed returns a name of io/fs as a path to be joined with others: the root
// is empty.
func Slashed(name string) string {
	if name == "." {
		return ""
	}
	return name
}

// Split returns the parent of a path, empty for the root, and its last element.
func Split(name string) (parent, base string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// Below returns the path of a name in a directory.
func Below(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// BaseName returns the last element of a path; "." for the root.
func BaseName(name string) string {
	if name == "" {
		return "."
	}
	return path.Base(name)
}

// PlainName reports whether every server takes a path in LIST and STAT for what
// it is: many look for options and patterns in the argument.
func PlainName(wire string) bool {
	for i := range len(wire) {
		c := wire[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		case c == '-' && i > 0 && wire[i-1] != '/':
		case strings.IndexByte("._+,=@%/", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// leadsOut reports whether a path leads out of the directory of the session, so
// that no listing of ours has it.
func leadsOut(name string) bool {
	return strings.HasPrefix(name, "/") || name == ".." || strings.HasPrefix(name, "../")
}

// mostTemp is how much of a name is in a temporary one, in bytes: file systems end
// names at 255.
const mostTemp = 200

// TempName returns a name in the same directory that nobody has. It says in what
// for which purpose it is, and begins with a dot if it is to be hidden.
func TempName(name, what string, hidden bool) string {
	dir, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i+1], name[i+1:]
	}
	if hidden {
		dir += "."
	}
	return dir + cutName(base, mostTemp) + "." + strings.ToLower(rand.Text()[:8]) + "." + what
}

// cutName returns at most n bytes of a name, and no part of a letter: some servers
// refuse what is not UTF-8, or change it.
func cutName(name string, n int) string {
	if len(name) <= n {
		return name
	}
	for i := n; i > n-utf8.UTFMax; i-- {
		if utf8.RuneStart(name[i]) {
			return name[:i]
		}
	}
	return name[:n] // not UTF-8 anyway
}
