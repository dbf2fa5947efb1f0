package listing

import "strings"

// dos parses a line of IIS in its MS-DOS style and of "dir":
//
//	04-27-00  09:09PM       <DIR>          licensed
//	2002-09-02  19:06                9,730 readme.txt
//	05/18/2018  08:37 AM    <SYMLINKD>     data [D:\store]
//
// Two-digit dates are read as month, day and year, which is what IIS sends, until
// one comes that cannot be that.
func (p *Parser) dos(line string) (Entry, string) {
	var f fields
	f.splitN(strings.TrimLeft(line, " "), 6)
	if f.n < 3 || !isDigit(f.at(0)[0]) {
		return Entry{}, notMine
	}
	c, late, ok := p.dosDate(f.at(0))
	if !ok {
		return Entry{}, notMine
	}
	known := c.precision != PrecisionNone
	last, timed := c.dosTime(&f)
	if strings.HasPrefix(f.at(1), "<") {
		last = 0 // no time at all
	}
	late.at(c)
	e := Entry{Size: -1}
	if reason := e.dosTail(&f, last+1); reason != "" {
		return Entry{}, reason
	}
	p.setDated(&e, c, late, known && timed, timed)
	return e, ""
}

// setDated sets a time of a table that has dates of numbers.
func (p *Parser) setDated(e *Entry, c clock, l late, known, timed bool) {
	if l.kind != lateNot && timed {
		e.late = l
		p.needsSettling = true
	}
	if known && c.valid() {
		p.setTime(e, c)
	}
}

func (p *Parser) dosDate(word string) (clock, late, bool) {
	if strings.Contains(word, ".") {
		return p.ordered(word, orderDMY, orderYMD)
	}
	return p.ordered(word, orderMDY, orderDMY, orderYMD)
}

// dosTime reads 15:04, 03:04PM, 03:04P and "03:04 PM" and returns the index of
// its last word, and whether there is such a time.
func (c *clock) dosTime(f *fields) (last int, ok bool) {
	if half := f.at(2); len(half) == 2 {
		if _, ok := halfOfDay(half); ok {
			return 2, c.timeOfDay(f.at(1) + half)
		}
	}
	return 1, c.timeOfDay(f.at(1))
}

// dosTail reads a size or a tag, which is the word with index i, and the name.
func (e *Entry) dosTail(f *fields, i int) (reason string) {
	word := f.at(i)
	if word == "" {
		return "neither a size nor <DIR>"
	}
	rest := f.after(i)
	if size, ok := groupedSize(word); ok || isNumber(word) || word[0] == '-' && isNumber(word[1:]) {
		e.Type, e.Size = TypeFile, size
		e.Name = strings.TrimPrefix(rest, " ")
		return ""
	}
	e.Name = dosName(word, rest)
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

// dosName takes the padding off a name behind a tag. The tag's column is 15 wide;
// more spaces than that are the name's own.
func dosName(tag, rest string) string {
	const width = 15
	if pad := width - len(tag); pad > 0 && len(rest) > pad && strings.Trim(rest[:pad], " ") == "" {
		return rest[pad:]
	}
	return strings.TrimLeft(rest, " \t")
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
