package listing

import "strings"

// dos parses a line of "dir". IIS lists so unless it is set to the style of
// Unix, and so do small servers for Windows, which take the day's and the
// month's order and the time's form from its regional settings:
//
//	04-27-00  09:09PM       <DIR>          licensed
//	2002-09-02  19:06                9,730 readme.txt
//	05/18/2018  08:37 AM    <SYMLINKD>     data [D:\store]
//
// Two-digit dates are read as month, day and year, which is what IIS sends, until
// one comes that cannot be that.
func dos(e *Entry, line string, cal *calendar) (reason string) {
	var f fields
	f.splitN(strings.TrimLeft(line, " "), 6)
	if f.n < 3 || !isDigit(f.at(0)[0]) {
		return notMine
	}
	*e = Entry{Size: -1}
	last, clock := 1, f.at(1)
	if half := f.at(2); len(half) == 2 {
		if _, ok := halfOfDay(half); ok {
			last, clock = 2, clock+half
		}
	}
	if !cal.setNumbers(e, f.at(0), clock, dosOrders(f.at(0))) {
		return notMine
	}
	if strings.HasPrefix(f.at(1), "<") {
		last = 0 // no time at all
	}
	return e.dosTail(&f, last+1)
}

// dosOrders returns the orders that a date of numbers has on DOS, the best first.
func dosOrders(date string) preference {
	if strings.Contains(date, ".") {
		return preference{orderDMY, orderYMD}
	}
	return preference{orderMDY, orderDMY, orderYMD}
}

// dosTail reads a size or a tag, which is the word with index i, and the name.
func (e *Entry) dosTail(f *fields, i int) (reason string) {
	word := f.at(i)
	if word == "" {
		return "neither a size nor <DIR>"
	}
	if size, ok := groupedSize(word); ok || isNumber(word) || word[0] == '-' && isNumber(word[1:]) {
		e.Type, e.Size = TypeFile, size
		e.Name = strings.TrimPrefix(f.after(i), " ")
		return ""
	}
	e.Name = f.behind(i, 15)
	switch strings.ToUpper(word) {
	case "<DIR>", "<REP>", "[DIR]": // REP in French
		e.Type = TypeDir
	case "<JUNCTION>", "<SYMLINKD>", "<SYMLINK>":
		e.Type = TypeLink
		if at := strings.Index(e.Name, " ["); at > 0 && strings.HasSuffix(e.Name, "]") {
			e.Name, e.Target = e.Name[:at], e.Name[at+2:len(e.Name)-1]
		}
	default:
		return "neither a size nor <DIR>"
	}
	return ""
}

// groupedSize reads a number that may have a comma, a point or an apostrophe
// between groups of three digits.
func groupedSize(word string) (int64, bool) {
	if n, ok := parseSize(word); ok {
		return n, ok
	}
	sep := strings.IndexAny(word, ",.'")
	if sep < 1 || sep > 3 {
		return -1, false
	}
	for i := sep; i < len(word); i += 4 {
		if word[i] != word[sep] || len(word) < i+4 || !isNumber(word[i+1:i+4]) {
			return -1, false
		}
	}
	return parseSize(strings.ReplaceAll(word, word[sep:sep+1], ""))
}
