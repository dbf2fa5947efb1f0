package listing

import (
	"strconv"
	"strings"
	"time"
)

// eplf parses a line of the Easily Parsed LIST Format of D. J. Bernstein's
// servers anonftpd and publicfile:
//
//	+i8388621.48594,m825718503,r,s280,<TAB>djb.html
//
// Times are absolute. What can be neither read nor entered is TypeOther.
func eplf(e *Entry, line string) (reason string) {
	facts, name, ok := strings.Cut(line, "\t")
	if !ok || !strings.HasPrefix(facts, "+") {
		return notMine
	}
	*e = Entry{Name: name, Type: TypeOther, Size: -1}
	for fact := range strings.SplitSeq(facts[1:], ",") {
		if fact != "" {
			e.setEPLF(fact[0], fact[1:])
		}
	}
	return ""
}

func (e *Entry) setEPLF(kind byte, value string) {
	switch kind {
	case '/':
		e.Type = TypeDir
	case 'r':
		if e.Type != TypeDir {
			e.Type = TypeFile
		}
	case 's':
		e.Size, _ = parseSize(value)
	case 'm':
		if seconds, err := strconv.ParseInt(value, 10, 40); err == nil {
			e.setUnixSeconds(seconds)
		}
	case 'i':
		e.Unique = value
	case 'u':
		if mode, ok := strings.CutPrefix(value, "p"); ok {
			e.setMode(mode)
		}
	}
}

// setUnixSeconds sets a time that is counted from 1970.
func (e *Entry) setUnixSeconds(seconds int64) {
	if t := time.Unix(seconds, 0).UTC(); !t.IsZero() && seconds < 1<<40 {
		e.ModTime, e.Precision, e.Absolute = t, PrecisionSecond, true
	}
}
