package listing

import (
	"io/fs"
	"strconv"
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
	e, reason := parseMLSx(line)
	if reason == "" {
		e.Raw = line
		if e.Name == "" || strings.ContainsAny(e.Name, "\x00\r\n") {
			reason = nameFault(strings.ReplaceAll(e.Name, "/", ""))
		}
	}
	if reason != "" {
		return Entry{}, &LineError{Line: line, Reason: reason}
	}
	return e, nil
}

func (p *Parser) mlsx(line string) (Entry, bool, string) {
	e, reason := parseMLSx(line)
	if reason == "" && p.format == FormatAuto && e.Type == TypeUnknown {
		return Entry{}, false, notMine
	}
	return e, false, reason
}

func parseMLSx(line string) (Entry, string) {
	facts, name, ok := cutFacts(strings.TrimPrefix(line, " "))
	if !ok && strings.HasSuffix(line, ";") && knownFact(line) {
		return Entry{}, "no name"
	}
	if !ok {
		return Entry{}, notMine
	}
	e := Entry{Name: name, Size: -1}
	for facts != "" {
		var fact string
		fact, facts, _ = strings.Cut(facts, ";")
		key, value, ok := strings.Cut(fact, "=")
		if !ok || key == "" {
			return Entry{}, "malformed fact"
		}
		if value == "" {
			continue
		}
		if !e.setFact(key, value) {
			return Entry{}, "malformed fact " + strconv.Quote(key)
		}
	}
	return e, ""
}

// cutFacts separates the facts from the name. RFC 3659 allows no space in a
// fact, but the target of a link may come with some: then the one space that
// follows a semicolon counts, and where there are several nothing does. The last semicolon is missing on some servers.
func cutFacts(line string) (facts, name string, ok bool) {
	facts, name, ok = strings.Cut(line, " ")
	if !ok || !strings.Contains(facts, "=") {
		return "", "", false
	}
	if strings.HasSuffix(facts, ";") {
		return facts, name, true
	}
	if f, n, ok := strings.Cut(line, "; "); ok && strings.Contains(f, "slink:") {
		return f, n, !strings.Contains(n, "; ")
	}
	return facts, name, knownFact(facts)
}

// knownFact keeps prose with an equals sign in it from passing for facts.
func knownFact(facts string) bool {
	key, _, _ := strings.Cut(facts, "=")
	for _, k := range []string{"type", "size", "modify", "perm", "unique"} {
		if strings.EqualFold(key, k) {
			return true
		}
	}
	return false
}

// factSetters holds the facts that an Entry keeps, by lower-case name. Names win
// over numbers for owner and group.
var factSetters = map[string]func(e *Entry, value string) bool{
	"type":           (*Entry).setType,
	"modify":         (*Entry).setModify,
	"unix.mode":      (*Entry).setMode,
	"size":           func(e *Entry, v string) (ok bool) { e.Size, ok = parseSize(v); return ok },
	"sizd":           setDirSize,
	"perm":           func(e *Entry, v string) bool { e.Perm = v; return true },
	"unique":         func(e *Entry, v string) bool { e.Unique = v; return true },
	"media-type":     func(e *Entry, v string) bool { e.MediaType = v; return true },
	"unix.ownername": func(e *Entry, v string) bool { e.Owner = v; return true },
	"unix.groupname": func(e *Entry, v string) bool { e.Group = v; return true },
	"unix.owner":     func(e *Entry, v string) bool { return setUnset(&e.Owner, v) },
	"unix.uid":       func(e *Entry, v string) bool { return setUnset(&e.Owner, v) },
	"unix.group":     func(e *Entry, v string) bool { return setUnset(&e.Group, v) },
	"unix.gid":       func(e *Entry, v string) bool { return setUnset(&e.Group, v) },
}

func (e *Entry) setFact(key, value string) bool {
	var buf [16]byte // longer than any key above
	if len(key) > len(buf) {
		return true
	}
	set, ok := factSetters[string(lower(buf[:0], key))]
	return !ok || set(e, value)
}

func setUnset(field *string, value string) bool {
	if *field == "" {
		*field = value
	}
	return true
}

// setDirSize takes the size of a directory, which some servers tell apart from
// that of a file.
func setDirSize(e *Entry, value string) bool {
	n, ok := parseSize(value)
	if ok && e.Size < 0 {
		e.Size = n
	}
	return ok
}

func (e *Entry) setType(value string) bool {
	switch {
	case strings.EqualFold(value, "file"):
		e.Type = TypeFile
	case strings.EqualFold(value, "dir"):
		e.Type = TypeDir
	case strings.EqualFold(value, "cdir"):
		e.Type = TypeCurrent
	case strings.EqualFold(value, "pdir"):
		e.Type = TypeParent
	default:
		e.Type = TypeOther
		e.setSystemType(value)
	}
	return true
}

// setSystemType reads types of the form OS.unix=slink:target, OS.unix=symlink and
// OS.unix=slink; what else a system has is TypeOther.
func (e *Entry) setSystemType(value string) {
	const prefix = "OS.unix="
	if len(value) < len(prefix) || !strings.EqualFold(value[:len(prefix)], prefix) {
		return
	}
	kind, target, _ := strings.Cut(value[len(prefix):], ":")
	if strings.EqualFold(kind, "slink") || strings.EqualFold(kind, "symlink") {
		e.Type, e.Target = TypeLink, target
	}
}

func (e *Entry) setMode(value string) bool {
	bits, err := strconv.ParseUint(value, 8, 32)
	if err != nil {
		return false
	}
	e.Mode, e.HasMode = unixMode(uint32(bits)), true
	return true
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
// but zeros is how servers without a clock say that they do not know.
func (e *Entry) setModify(value string) bool {
	digits, fraction, fractional := strings.Cut(value, ".")
	if len(digits) != 14 || !isNumber(digits) || fractional && !isNumber(fraction) {
		return false
	}
	if strings.Trim(digits, "0") == "" {
		return true
	}
	var c clock
	c.year, _ = smallInt(digits[:4])
	c.month, _ = smallInt(digits[4:6])
	c.day, _ = smallInt(digits[6:8])
	c.hour, _ = smallInt(digits[8:10])
	c.min, _ = smallInt(digits[10:12])
	c.sec, _ = smallInt(digits[12:14])
	c.nsec = nanoseconds(fraction)
	c.precision = PrecisionSecond
	if fractional {
		c.precision = PrecisionFraction
	}
	e.Absolute = true
	return e.setTime(c, time.UTC)
}
