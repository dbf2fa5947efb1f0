package listing

import (
	"io/fs"
	"strconv"
	"strings"
)

// A permColumn is the column of permissions at the start of a line.
type permColumn struct {
	end        int
	netware    bool
	enterprise bool // Connect:Enterprise, whose other columns are its own, too
}

// permissions reads the type and mode at the start of a line. Servers other than
// ls have letters of their own: those of NetWare stand in brackets, macOS and
// SELinux add marks, and Connect:Enterprise tells the state of a batch.
func (e *Entry) permissions(line string) (c permColumn, ok bool) {
	if len(line) < 5 || !e.setUnixType(line[0]) {
		return c, false
	}
	if len(line) > 10 {
		if mode, ok := symbolicMode(line[1:10]); ok {
			e.Mode, e.HasMode = mode, true
			c.end = 10
			if strings.IndexByte(" \t0123456789", line[10]) < 0 {
				c.end++ // access list, SELinux context, extended attributes
			}
			if c.end < len(line) && line[c.end] == '.' {
				c.end++
			}
			return c, c.end < len(line) && strings.IndexByte(" \t0123456789", line[c.end]) >= 0
		}
	}
	rights := strings.TrimLeft(line[1:], " ")
	if strings.HasPrefix(rights, "[") {
		closing := strings.IndexByte(rights, ']')
		c.end, c.netware = len(line)-len(rights)+closing+1, true
		return c, closing > 1 && strings.Trim(rights[1:closing], "-ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
	}
	if c.end = strings.IndexAny(line, " \t"); c.end < 4 {
		return c, c.end == 1 && strings.IndexByte("-dl", line[0]) >= 0 // the type alone
	}
	c.enterprise = enterpriseMode(line[1:c.end])
	return c, c.enterprise || oddMode(line[1:c.end])
}

// oddMode recognises the permissions of servers that have other letters, fewer
// or more: rwx, -wxrw-rw, ?????????.
func oddMode(s string) bool {
	return len(s) >= 3 && len(s) <= 12 && strings.Trim(s, "-rwxRWXsStTlL?+.@*") == ""
}

// enterpriseMode recognises C--E-----FTP.
func enterpriseMode(s string) bool {
	const capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return len(s) == 12 && strings.Trim(s[:9], "-"+capitals) == "" && strings.Contains(s[:9], "-") && strings.Trim(s[9:], capitals) == ""
}

// setUnixType reads the first letter. One that is in no manual is neither a file
// nor a directory as far as anybody knows.
func (e *Entry) setUnixType(c byte) bool {
	switch c {
	case '-', 'C', 'f', 'm', 'M': // contiguous on disk; a file for some; migrated to tape
		e.Type = TypeFile
	case 'd':
		e.Type = TypeDir
	case 'l', 'e': // z/OS has external links
		e.Type = TypeLink
	default:
		e.Type = TypeOther
		return isLetter(c) || c == '?'
	}
	return true
}

// symbolicMode reads rwxr-xr-x with the letters for setuid, setgid and sticky.
func symbolicMode(s string) (mode fs.FileMode, ok bool) {
	special := [...]fs.FileMode{fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky}
	for i := range 9 {
		bit := fs.FileMode(1) << (8 - i)
		switch c := s[i]; {
		case c == '-':
		case c == "rwxrwxrwx"[i]:
			mode |= bit
		case i%3 == 2 && (c == 's' || c == 't'):
			mode |= bit | special[i/3]
		case i%3 == 2 && (c == 'S' || c == 'T' || c == 'l' || c == 'L'):
			mode |= special[i/3]
		default:
			return 0, false
		}
	}
	return mode, true
}

// octal reads a mode in digits.
func octal(s string) (bits uint32, ok bool) {
	n, err := strconv.ParseUint(s, 8, 32)
	return uint32(n), err == nil && len(s) <= 8
}
