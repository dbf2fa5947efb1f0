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
func (p *Parser) dos(line string) (Entry, bool, string) {
	var f fields
	f.split(line)
	if f.n < 4 || line[0] < '0' || line[0] > '9' {
		return Entry{}, false, notMine
	}
	if _, ok := threeNumbers(f.at(0)); !ok {
		return Entry{}, false, notMine
	}
	c, ok := p.dosDate(f.at(0))
	if !ok {
		return Entry{}, false, "no such date"
	}
	e := Entry{Size: -1}
	last, ok := c.dosTime(&f)
	if !ok || !e.setTime(c, p.loc) {
		return Entry{}, false, "no such time"
	}
	return e.dosTail(&f, last+1)
}

func (p *Parser) dosDate(word string) (clock, bool) {
	if strings.Contains(word, ".") {
		return p.orders.date(word, p.now.Year(), orderDMY, orderYMD)
	}
	return p.orders.date(word, p.now.Year(), orderMDY, orderDMY, orderYMD)
}

// dosTime reads 15:04, 03:04PM, 03:04P and "03:04 PM" and returns the index of
// its last word.
func (c *clock) dosTime(f *fields) (last int, ok bool) {
	last = 1
	word := f.at(1)
	var half byte
	if i := strings.IndexAny(word, "AaPp"); i > 0 {
		half, ok = halfOfDay(word[i:])
		if !ok {
			return 0, false
		}
		word = word[:i]
	} else if h, ok := halfOfDay(f.at(2)); ok && len(f.at(2)) == 2 {
		half, last = h, 2
	}
	if !c.timeOfDay(word) {
		return 0, false
	}
	if half == 0 {
		return last, true
	}
	if c.hour < 1 || c.hour > 12 {
		return 0, false
	}
	c.hour %= 12
	if half == 'p' {
		c.hour += 12
	}
	return last, true
}

func halfOfDay(word string) (byte, bool) {
	switch word {
	case "AM", "am", "A", "a":
		return 'a', true
	case "PM", "pm", "P", "p":
		return 'p', true
	}
	return 0, false
}

// dosTail reads a size or a tag, which is the word with index i, and the name.
func (e *Entry) dosTail(f *fields, i int) (Entry, bool, string) {
	word, rest := f.at(i), ""
	if i < f.n {
		rest = f.after(i)
	}
	if size, ok := groupedSize(word); ok {
		e.Type, e.Size = TypeFile, size
		e.Name = strings.TrimPrefix(rest, " ")
		return *e, false, ""
	}
	e.Name = dosName(word, rest)
	switch {
	case strings.EqualFold(word, "<DIR>"):
		e.Type = TypeDir
	case strings.EqualFold(word, "<JUNCTION>"), strings.EqualFold(word, "<SYMLINKD>"), strings.EqualFold(word, "<SYMLINK>"):
		e.Type = TypeLink
		if at := strings.Index(e.Name, " ["); at > 0 && strings.HasSuffix(e.Name, "]") {
			e.Name, e.Target = e.Name[:at], e.Name[at+2:len(e.Name)-1]
		}
	default:
		return Entry{}, false, "neither a size nor <DIR>"
	}
	return *e, false, ""
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

// groupedSize reads a number that may have a comma or a point between groups of
// three digits.
func groupedSize(word string) (int64, bool) {
	if n, ok := parseSize(word); ok {
		return n, ok
	}
	sep := strings.IndexAny(word, ",.")
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
