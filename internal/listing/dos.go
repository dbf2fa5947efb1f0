package listing

import (
	"strings"
	"time"
)

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
	f.splitN(strings.TrimLeft(line, " "), 8)
	if f.n < 3 || !isDigit(f.at(0)[0]) {
		return notMine
	}
	*e = Entry{Size: -1}
	date, clock, last := f.at(0), f.at(1), 1
	if day, t, iso := strings.Cut(date, "T"); iso {
		if at, err := time.Parse(time.RFC3339, date); err == nil {
			e.ModTime, e.Precision, e.Absolute = at, PrecisionSecond, true
			return e.dosTail(&f, 1)
		}
		date, last = day, 0
		clock, _, _ = strings.Cut(t, ".")
	} else if half := f.at(2); len(half) > 1 && !isDigit(half[0]) && half[0] != '<' {
		next := 2
		if f.at(3) == "m." {
			half, next = half+"m.", 3 // Spanish
		}
		if _, ok := halfOfDay(half); ok {
			last, clock = next, clock+half
		}
	}
	if !cal.setNumbers(e, date, clock, dosOrders(date)) {
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
	if size, last, ok := spacedSize(f, i); ok {
		e.Type, e.Size = TypeFile, size
		e.Name = strings.TrimPrefix(f.after(last), " ")
		return ""
	}
	if size, ok := groupedSize(word); ok || rounded(word) || isNumber(word) || word[0] == '-' && isNumber(word[1:]) {
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
		if word[0] != '<' || word[len(word)-1] != '>' {
			return "neither a size nor <DIR>"
		}
		// A tag of another language: its name is right, whatever it is.
	}
	return ""
}

// spacedSize reads a size with blanks between groups of three digits, whose first
// is the word with index i. The column of sizes ends where the names begin: in
// that of IIS and in that of dir.
func spacedSize(f *fields, i int) (size int64, last int, ok bool) {
	for last = i + 1; last < f.n && len(f.at(last)) == 3 && isNumber(f.at(last)) && f.pos[last][0]-f.pos[last-1][1] == 1; last++ {
		end := f.pos[last][1]
		if (end == 38 || end == 35) && f.rest(last) != "" {
			size, ok = groupedSize(strings.ReplaceAll(f.line[f.pos[i][0]:end], " ", "'"))
			return size, last, ok
		}
	}
	return -1, i, false
}

// groupedSize reads a number that may have a comma, a point, an apostrophe or a
// blank that is none between groups of three digits.
func groupedSize(word string) (int64, bool) {
	if n, ok := parseSize(word); ok {
		return n, ok
	}
	for _, blank := range [...]string{"\u202f", "\u00a0", "\xa0", "\xff"} { // the last on code pages of DOS
		word = strings.ReplaceAll(word, blank, "'")
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
