package listing

import (
	"cmp"
	"io/fs"
	"strings"
	"time"
)

// ParseMLSx parses one line of facts as MLSD sends them on the data connection
// and MLST between the lines of its reply, there with a space in front.
//
// The directory itself and its parent are returned, with the types TypeCurrent
// and TypeParent, for the caller to drop. Name is a path where the server gives
// one, as MLST does; a Parser, which is for listings, refuses names with slashes.
// Exactly one space separates the facts from the name: a second one is the
// name's own.
func ParseMLSx(line string) (Entry, error) {
	var e Entry
	reason := parseMLSx(&e, line)
	if reason == "" {
		e.Raw = line
		if e.Name == "" || strings.ContainsAny(e.Name, "\x00\r\n") {
			reason = nameFault(strings.ReplaceAll(e.Name, "/", ""))
		}
	}
	if reason != "" {
		return Entry{}, newLineError(line, 0, reason)
	}
	return e, nil
}

// mlsx parses a line of MLSD. Most servers of today have it: ProFTPD, Pure-FTPd,
// FileZilla Server, pyftpdlib and Serv-U. vsftpd and IIS do not.
//
//	type=file;size=12;modify=20240115134601;UNIX.mode=0644; name
//
// A line without a type, which RFC 3659 allows, is one only where MLSD was sent.
func mlsx(e *Entry, line string, known bool) (reason string) {
	reason = parseMLSx(e, line)
	if reason == "" && !known && e.Type == TypeUnknown {
		return notMine
	}
	return reason
}

func parseMLSx(e *Entry, line string) (reason string) {
	facts, name, ok := cutFacts(trimFacts(line))
	if !ok && strings.HasSuffix(line, ";") && knownFact(line) {
		return "no name"
	}
	if !ok {
		return notMine
	}
	*e = Entry{Name: name, Size: -1}
	for facts != "" {
		var fact string
		fact, facts, _ = strings.Cut(facts, ";")
		key, value, ok := strings.Cut(strings.TrimPrefix(fact, " "), "=")
		if ok && key == "" {
			return "malformed fact"
		}
		if value != "" {
			e.setFact(key, value)
		}
	}
	return ""
}

// trimFacts takes off the blank before the facts of MLST, and those with which a
// server begins each line. A line of a name alone, which has no facts, begins
// with a blank that is part of the form.
func trimFacts(line string) string {
	if trimmed := strings.TrimLeft(line, " "); knownFact(trimmed) {
		return trimmed
	}
	return strings.TrimPrefix(line, " ")
}

// cutFacts separates the facts from the name. RFC 3659 allows no space in a
// fact, but the target of a link and the name of an owner may come with some: then
// the one space that follows a semicolon counts, and where there are several
// nothing does. The last semicolon is missing on some servers.
func cutFacts(line string) (facts, name string, ok bool) {
	start := 0
	for { // a blank behind each, as well
		fact, rest, ok := strings.Cut(line[start:], " ")
		if !ok || strings.IndexByte(fact, ';') != len(fact)-1 || !strings.Contains(fact, "=") || !knownFact(rest) || !strings.Contains(rest, "; ") {
			break
		}
		start = len(line) - len(rest)
	}
	facts, name, ok = cutLast(line[start:])
	return line[:start+len(facts)], name, ok
}

func cutLast(line string) (facts, name string, ok bool) {
	if at := strings.IndexByte(line, '\t'); at > 0 && line[at-1] == ';' && strings.IndexByte(line[:at], ' ') < 0 {
		return line[:at], line[at+1:], strings.Contains(line[:at], "=")
	}
	facts, name, ok = strings.Cut(line, " ")
	if !ok || !strings.Contains(facts, "=") {
		return "", "", false
	}
	if strings.HasSuffix(facts, ";") {
		return facts, name, true
	}
	if f, n, ok := strings.Cut(line, "; "); ok && knownFact(f) {
		return f, n, !strings.Contains(n, "; ")
	}
	last := facts[strings.LastIndexByte(facts, ';')+1:]
	return facts, name, knownFact(facts) && strings.Contains(last, "=")
}

// knownFact keeps prose with an equals sign in it from passing for facts.
func knownFact(facts string) bool {
	key, _, _ := strings.Cut(facts, "=")
	for _, k := range []string{"type", "size", "modify", "perm", "unique", "unix.mode"} {
		if strings.EqualFold(key, k) {
			return true
		}
	}
	return false
}

// setFact sets what an Entry keeps of a fact. A value that means nothing is
// unknown, and so is that of a fact that is not known. Names win over numbers for
// owner and group.
func (e *Entry) setFact(key, value string) {
	var buf [16]byte // longer than any key below
	if len(key) > len(buf) {
		return
	}
	switch string(lower(buf[:0], key)) {
	case "type":
		e.setType(value)
	case "modify":
		e.setModify(value)
	case "unix.mode":
		e.setMode(value)
	case "size":
		e.Size, _ = parseSize(value)
	case "sizd": // of a directory
		if n, ok := parseSize(value); ok && e.Size < 0 {
			e.Size = n
		}
	case "perm":
		e.Perm = value
	case "unique":
		e.Unique = value
	case "media-type":
		e.MediaType = value
	case "unix.ownername":
		e.Owner = value
	case "unix.groupname":
		e.Group = value
	case "unix.owner", "unix.uid":
		e.Owner = cmp.Or(e.Owner, value)
	case "unix.group", "unix.gid":
		e.Group = cmp.Or(e.Group, value)
	}
}

func (e *Entry) setType(value string) {
	var buf [16]byte
	kind := ""
	if len(value) <= len(buf) {
		kind = string(lower(buf[:0], value))
	}
	switch kind {
	case "file":
		e.Type = TypeFile
	case "dir", "directory", "folder":
		e.Type = TypeDir
	case "cdir":
		e.Type = TypeCurrent
	case "pdir":
		e.Type = TypeParent
	case "link", "slink", "symlink":
		e.Type = TypeLink
	default:
		e.Type = TypeOther
		e.setSystemType(value)
	}
}

// setSystemType reads types of the form OS.unix=slink:target, OS.unix=symlink and
// OS.unix=slink; what else a system has is TypeOther.
func (e *Entry) setSystemType(value string) {
	name, kind, ok := strings.Cut(value, "=")
	if !ok || len(name) < 3 || !strings.EqualFold(name[:3], "OS.") {
		return
	}
	kind, target, _ := strings.Cut(kind, ":")
	if strings.EqualFold(kind, "slink") || strings.EqualFold(kind, "symlink") {
		e.Type, e.Target = TypeLink, target
	}
}

// setMode reads digits, or letters as ls has them.
func (e *Entry) setMode(value string) {
	if bits, ok := octal(value); ok {
		e.Mode, e.HasMode = unixMode(bits), true
		return
	}
	if len(value) == 10 {
		value = value[1:]
	}
	if len(value) == 9 {
		e.Mode, e.HasMode = symbolicMode(value)
	}
}

// unixMode converts the twelve bits of chmod.
func unixMode(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for i, m := range [...]fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if bits&(0o1000<<i) != 0 {
			mode |= m
		}
	}
	return mode
}

// setModify reads YYYYMMDDHHMMSS with or without a fraction, which is UTC. Nothing
// but zeros is how servers without a clock say that they do not know. Some leave
// out the seconds, or say UTC again with a Z.
func (e *Entry) setModify(value string) {
	digits, fraction, fractional := strings.Cut(strings.TrimSuffix(value, "Z"), ".")
	precision := PrecisionSecond
	if len(digits) == 12 {
		digits, precision = digits+"00", PrecisionMinute
	}
	c, ok := stamp(digits)
	if !ok || fractional && !isNumber(fraction) {
		return
	}
	c.precision = precision
	if fractional {
		c.nsec, c.precision = nanoseconds(fraction), PrecisionFraction
	}
	e.Absolute = e.setTime(c, time.UTC) && c.year > noDate
}

// stamp reads YYYYMMDDHHMMSS, if there is such a time.
func stamp(digits string) (c clock, ok bool) {
	if len(digits) != 14 || !isNumber(digits) {
		return c, false
	}
	two := func(i int) int { return int(digits[i]-'0')*10 + int(digits[i+1]-'0') }
	c = clock{year: two(0)*100 + two(2), month: two(4), day: two(6), hour: two(8), min: two(10), sec: two(12), precision: PrecisionSecond}
	return c, c.valid()
}
