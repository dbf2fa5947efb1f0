package listing

import (
	"io/fs"
	"strings"
)

// unix parses a line of "ls -l" and of the many servers that imitate it:
//
//	-rw-r--r--   1 root     other        531 Jan 29 03:26 README
//	brw-rw----   1 root     disk      8,   0 2024-02-29 10:00 sda
//	d [R----F--] supervisor            512       Jan 16 18:53    login
//
// What stands between the permissions and the size varies too much to be
// counted; the date, with the size before it, is what tells where the name
// begins. Exactly one space separates them.
func (p *Parser) unix(line string) (Entry, bool, string) {
	e := Entry{Size: -1}
	end, netware, ok := e.permissions(line)
	if !ok {
		return Entry{}, false, notMine
	}
	var f fields
	f.split(line[end:])
	for i := 1; i < f.n; i++ {
		size, ok := sizeField(&f, i-1, e.Type)
		if !ok {
			continue
		}
		d, ok := p.unixDate(&f, i)
		if !ok {
			continue
		}
		if !e.setUnixTime(p, d) {
			return Entry{}, false, "no such date"
		}
		e.setUnixSize(&f, size, i-1)
		name := f.after(d.last)
		if name == "" {
			return Entry{}, false, "no name"
		}
		name = name[1:]
		if netware || d.padded {
			name = strings.TrimLeft(name, " \t")
		}
		e.Name = name
		if e.Type == TypeLink {
			e.Name, e.Target = cutTarget(name, e.Size)
		}
		return e, false, ""
	}
	return Entry{}, false, "no size and date"
}

// permissions reads the type and mode at the start of a line and returns where
// they end.
func (e *Entry) permissions(line string) (end int, netware, ok bool) {
	if len(line) < 10 || !e.setUnixType(line[0]) {
		return 0, false, false
	}
	if mode, ok := symbolicMode(line[1:10]); ok {
		e.Mode, e.HasMode = mode, true
		end = 10
		if end < len(line) && strings.IndexByte("+.@*", line[end]) >= 0 {
			end++ // access list, SELinux context, extended attributes
		}
		return end, false, end < len(line) && strings.IndexByte(" \t0123456789", line[end]) >= 0
	}
	rights := strings.TrimLeft(line[1:], " ")
	closing := strings.IndexByte(rights, ']')
	if closing < 1 || rights[0] != '[' || strings.Trim(rights[1:closing], "-ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return 0, false, false
	}
	return len(line) - len(rights) + closing + 1, true, true
}

func (e *Entry) setUnixType(c byte) bool {
	switch c {
	case '-', 'C': // C is a contiguous file
		e.Type = TypeFile
	case 'd':
		e.Type = TypeDir
	case 'l':
		e.Type = TypeLink
	case 'b', 'c', 'p', 's', 'D', 'P', 'n', 'w':
		e.Type = TypeOther
	default:
		return false
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
		case c == "rwx"[i%3]:
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

// A unixSize is the size column, or the two numbers of a device.
type unixSize struct {
	bytes int64
	first int // index of the column's first word
}

// sizeField reads the size in the word with index i. One that is rounded
// (33.5k) is unknown, and so is a device's.
func sizeField(f *fields, i int, t Type) (unixSize, bool) {
	word := f.at(i)
	if t == TypeOther {
		if major, minor, ok := strings.Cut(word, ","); ok && isNumber(major) && isNumber(minor) {
			return unixSize{-1, i}, true
		}
		if major, ok := strings.CutSuffix(f.at(i-1), ","); ok && isNumber(major) && isNumber(word) {
			return unixSize{-1, i - 1}, true
		}
	}
	if n, ok := parseSize(word); ok {
		return unixSize{n, i}, true
	}
	number := strings.TrimRight(word, "kKmMgGtT")
	whole, fraction, _ := strings.Cut(number, ".")
	rounded := len(word)-len(number) == 1 && isNumber(whole) && (fraction == "" || isNumber(fraction))
	return unixSize{-1, i}, rounded
}

// setUnixSize sets the size and what the columns before it say.
func (e *Entry) setUnixSize(f *fields, size unixSize, last int) {
	e.Size = size.bytes
	if f.at(0) == "folder" && e.Type == TypeDir && last == 1 {
		e.Size = -1 // NetPresenz counts the entries
		return
	}
	e.setOwners(f, size.first)
	if e.HasMode && e.Mode == 0 && e.Owner == "owner" && e.Group == "group" {
		e.HasMode = false // IIS knows no modes, and says so in this way
	}
}

// setOwners reads owner and group from the first n words, the count of links
// among them or not. Names with spaces in them are told apart where wider gaps
// separate the columns, else left unknown.
func (e *Entry) setOwners(f *fields, n int) {
	first := 0
	if n > 0 && isNumber(f.at(0)) {
		first = 1
	}
	switch n - first {
	case 0:
	case 1:
		e.Owner = f.at(first)
	case 2:
		e.Owner, e.Group = f.at(first), f.at(first+1)
	default:
		columns := strings.TrimSpace(f.line[f.pos[first][0]:f.pos[n-1][1]])
		owner, group, ok := strings.Cut(columns, "  ")
		group = strings.TrimLeft(group, " ")
		if ok && !strings.Contains(group, "  ") {
			e.Owner, e.Group = owner, group
		}
	}
}

// cutTarget splits "name -> target". Either may hold an arrow of its own: then
// the size decides, which for a link is the target's length, else the first one.
func cutTarget(text string, size int64) (name, target string) {
	const arrow = " -> "
	for i := 0; ; {
		j := strings.Index(text[i:], arrow)
		if j < 0 {
			break
		}
		i += j
		if int64(len(text)-i-len(arrow)) == size {
			return text[:i], text[i+len(arrow):]
		}
		i++
	}
	name, target, _ = strings.Cut(text, arrow)
	return name, target
}
