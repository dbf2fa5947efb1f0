package listing

import (
	"strconv"
	"strings"
	"time"
)

// eplf parses a line of the Easily Parsed LIST Format:
//
//	+i8388621.48594,m825718503,r,s280,<TAB>djb.html
//
// Times are absolute. What can be neither read nor entered is TypeOther.
func (p *Parser) eplf(line string) (Entry, bool, string) {
	facts, name, ok := strings.Cut(line, "\t")
	if !ok || !strings.HasPrefix(facts, "+") {
		return Entry{}, false, notMine
	}
	e := Entry{Name: name, Type: TypeOther, Size: -1}
	for fact := range strings.SplitSeq(facts[1:], ",") {
		if fact != "" && !e.setEPLF(fact[0], fact[1:]) {
			return Entry{}, false, "malformed fact " + strconv.Quote(fact[:1])
		}
	}
	return e, false, ""
}

func (e *Entry) setEPLF(kind byte, value string) (ok bool) {
	switch kind {
	case '/':
		e.Type = TypeDir
	case 'r':
		if e.Type != TypeDir {
			e.Type = TypeFile
		}
	case 's':
		e.Size, ok = parseSize(value)
		return ok
	case 'm':
		seconds, err := strconv.ParseInt(value, 10, 40)
		if t := time.Unix(seconds, 0).UTC(); !t.IsZero() {
			e.ModTime, e.Precision, e.Absolute = t, PrecisionSecond, true
		}
		return err == nil
	case 'i':
		e.Unique = value
	case 'u':
		if mode, ok := strings.CutPrefix(value, "p"); ok {
			return e.setMode(mode)
		}
	}
	return true
}
