package listing

import (
	"strconv"
	"strings"
)

// A vmsForm has what a line of VMS needs of the one before.
type vmsForm struct {
	pending string // a name whose other columns come on the next line
}

// line parses a line of DIRECTORY on OpenVMS, from DEC's own server as well as
// MultiNet, TCPware and others, which have the columns in other orders:
//
//	CII-MANUAL.TEX;1  213/216  29-JAN-1996 03:33:12  [ANONYMOU,ANONYMOUS]   (RWED,RWED,,)
//
// The columns come in any order, and on the next line behind a long name. Files
// keep their version, for several versions of one file are several entries;
// directories lose ".DIR;1", without which they are entered. Sizes are in blocks
// and hence unknown.
func (v *vmsForm) line(e *Entry, line string, cal *calendar, known bool) (reason string) {
	var f fields
	f.split(line)
	indented := line[0] == ' ' || line[0] == '\t'
	if v.pending != "" {
		name := v.pending
		v.pending = ""
		if !indented && strings.Contains(f.at(0), ";") {
			return "columns are missing of " + strconv.Quote(name[:min(len(name), maxQuoted)]) + " before"
		}
		e.setVMS(name, &f, 0, cal)
		e.Raw = name + "\n" + line
		return ""
	}
	if indented {
		if known && ownerOnly(&f) {
			return noEntry // the end of the entry before, whose owner is long
		}
		return notMine
	}
	if known {
		f.joinVMSName()
	}
	if _, version, ok := strings.Cut(f.at(0), ";"); !ok || !isNumber(version) || !known && f.n > 1 && !vmsColumns(&f) {
		if len(f.at(0)) > 1 && strings.Contains(f.at(0)[1:], ".") && vmsWhole(&f) {
			e.setVMS(f.at(0), &f, 1, cal)
			return ""
		}
		return notMine
	}
	if f.n == 1 {
		v.pending = f.at(0)
		return noEntry
	}
	e.setVMS(f.at(0), &f, 1, cal)
	return ""
}

// joinVMSName makes one word of a name with blanks, which ends with its version.
func (f *fields) joinVMSName() {
	for i := 1; i < f.n && !strings.Contains(f.at(0), ";"); i++ {
		_, version, ok := strings.Cut(f.at(i), ";")
		if !ok || !isNumber(version) {
			continue
		}
		f.pos[0][1] = f.pos[i][1]
		f.n -= i
		copy(f.pos[1:f.n], f.pos[1+i:])
	}
}

// vmsColumns reports whether there is a date, an owner or a protection behind a
// name: a semicolon is in names of other systems, too.
func vmsColumns(f *fields) bool {
	if strings.Contains(f.line, "privilege") || strings.Contains(f.line, "%RMS-E-PRV") {
		return true
	}
	for i := 1; i < f.n; i++ {
		word := f.at(i)
		if strings.Count(word, "-") == 2 || word[0] == '[' && word[len(word)-1] == ']' || word[0] == '(' && strings.Contains(word, ",") {
			return true
		}
	}
	return false
}

// vmsWhole reports whether all of the columns are there that tell VMS from others, for
// a server that leaves versions out.
func vmsWhole(f *fields) bool {
	var dated, owned, protected bool
	for i := 1; i < f.n; i++ {
		word := f.at(i)
		_, date := textualDate(f, i)
		dated = dated || date
		owned = owned || word[0] == '[' && word[len(word)-1] == ']'
		protected = protected || word[0] == '(' && strings.Count(word, ",") == 3 && word[len(word)-1] == ')'
	}
	return dated && owned && protected
}

func ownerOnly(f *fields) bool {
	for i := range f.n {
		if c := f.at(i)[0]; c != '[' && c != '(' {
			return false
		}
	}
	return true
}

// setVMS reads a name and the columns from the word with index i on.
func (e *Entry) setVMS(name string, f *fields, i int, cal *calendar) {
	*e = Entry{Name: name, Type: TypeFile, Size: -1}
	if at := strings.LastIndexByte(name, ']'); at > 0 && at+1 < len(name) && name[at+1] != ';' {
		name = name[at+1:] // DISK$USER:[DIR]FILE.TXT;1
		e.Name = name
	}
	base, _, _ := strings.Cut(name, ";")
	if n := len(base) - len(".DIR"); n > 0 && strings.EqualFold(base[n:], ".DIR") {
		e.Name, e.Type = base[:n], TypeDir
	}
	if strings.Contains(f.line, "privilege") || strings.Contains(f.line, "%RMS-E-PRV") {
		return // the name is all that we may know
	}
	for dated := false; i < f.n; i++ {
		word := f.at(i)
		if d, ok := textualDate(f, i); ok && !dated && isDigit(word[0]) {
			dated = true
			cal.setUnixTime(e, d)
		} else {
			e.setVMSOwner(word)
		}
	}
}

// setVMSOwner reads [GROUP,OWNER] and [OWNER].
func (e *Entry) setVMSOwner(word string) {
	if e.Owner != "" || !strings.HasPrefix(word, "[") || !strings.HasSuffix(word, "]") {
		return
	}
	inner := word[1 : len(word)-1]
	group, owner, ok := strings.Cut(inner, ",")
	if !ok {
		group, owner = "", inner
	}
	e.Owner, e.Group = owner, group
}
