package listing

import (
	"strings"
	"time"
)

// A unixDate is the date column of an "ls -l" line. ls writes "Jan 29 03:26" or
// "Jan 29  2005" in the words and the order of the server's language, which GNU
// ls takes from the locale and others from a table of their own.
type unixDate struct {
	clock
	first   int            // index of its first word
	last    int            // index of its last word
	loc     *time.Location // nil unless the column names a zone
	word    string         // the month's, if it is not English
	worded  bool           // the month is a word
	unknown bool           // it looks like a date, but its numbers are none
	padding padding
	late    late // what the order of its numbers is, if the listing is to tell
}

// setUnixTime sets the time, leaving it unknown where there is no such time or
// the listing does not tell it.
func (cal *calendar) setUnixTime(e *Entry, d unixDate) {
	if d.word != "" {
		cal.tongue.saw(d.word)
	}
	if d.late.kind != lateNot && !d.unknown {
		if d.late.kind == lateMonth {
			d.late.at(d.clock)
			d.late.a, d.late.c = uint8(d.day), uint16(d.year)
		}
		e.late, cal.needsSettling = d.late, true
	}
	switch {
	case d.unknown || d.precision == PrecisionNone:
	case d.loc != nil:
		e.Absolute = e.setTime(d.clock, d.loc) && d.year > noDate
	case d.year == 0:
		if c, ok := cal.conclude(d.clock); ok {
			cal.setTime(e, c)
			e.Yearless = true
		}
	default:
		cal.setTime(e, d.clock)
	}
}

// unixColumns are the words of a line of ls behind the permissions, and what the
// listing has shown of its dates.
type unixColumns struct {
	*calendar
	*fields
}

// dateAt reads a date that begins with the word of index i. With anyWord, words
// that are in no dictionary may be months.
func (u unixColumns) dateAt(i int, anyWord bool) (d unixDate, ok bool) {
	first := i
	if weekday(u.at(i)) && (english(u.at(i+1)) != 0 || english(u.at(i+2)) != 0) {
		i++ // in some languages Sat and Sun are months
	}
	if isDigit(u.at(i)[0]) {
		d, ok = u.numberFirst(i, anyWord)
	} else {
		d, ok = u.monthFirst(i, anyWord)
	}
	if ok && i > first && d.precision <= PrecisionDay && timelike(u.at(d.last+1)) { // Mon, 02 Mar 2020 10:00:00
		d.last++
		d.unknown = !d.timeOfDay(u.at(d.last)) || d.unknown
	}
	if ok && i > first {
		u.behindTime(&d)
	}
	d.first = first
	return d, ok
}

// behindTime reads what may follow a time in a date that begins with the day of the
// week: a zone, as in mail, or a year.
func (u unixColumns) behindTime(d *unixDate) {
	if d.last+2 >= u.n && u.n < maxFields {
		u.split(u.line) // no more words were needed so far
	}
	next := u.at(d.last + 1)
	if u.rest(min(d.last+1, u.n-1)) == "" || d.precision < PrecisionMinute || d.loc != nil {
		return
	}
	loc, known := u.zone(next)
	switch {
	case d.year == 0 && len(next) == 4 && isNumber(next):
		year, _ := smallInt(next)
		d.setYear(year)
		d.last++
	case d.year != 0 && (known || d.precision >= PrecisionSecond && zonelike(next)):
		d.loc, d.unknown = loc, d.unknown || !known
		d.last++
	}
}

// weekday recognises the days with which some servers begin a date.
func weekday(word string) bool {
	switch strings.TrimRight(word, ".,") {
	case "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun":
		return true
	}
	return false
}

// monthFirst reads "Jan 29 03:26" and "Jan 29  2005", in any language.
func (u unixColumns) monthFirst(i int, anyWord bool) (d unixDate, ok bool) {
	last, ok := u.month(&d, i, anyWord)
	if !ok {
		return textualDate(u.fields, i)
	}
	if !d.setDay(u.at(last + 1)) {
		return d, false
	}
	return d, u.dateEnd(&d, last+2)
}

// month reads the month in the one to three words from index i on, and returns
// the index of the last.
func (u unixColumns) month(d *unixDate, i int, anyWord bool) (last int, ok bool) {
	word := u.at(i)
	if word == "" || isDigit(word[0]) && word[len(word)-1] < 0x80 && !isLetter(word[len(word)-1]) {
		return 0, false
	}
	word = strings.TrimRight(word, ".,")
	if m := english(word); m != 0 && !u.tongue.shown {
		d.month, d.worded = m, true
		if m == 1 {
			d.late = late{kind: lateMonth, word: january}
		}
		return i, true
	}
	if word == "de" && i+1 < u.n { // Spanish and Portuguese
		if m, known := u.tongue.month(u.at(i + 1)); known {
			d.setMonth(&u.tongue, m, u.at(i+1))
			return i + 1, true
		}
	}
	for last = min(i+2, u.n-1); last > i; last-- {
		if u.pos[last][1]-u.pos[i][0] > maxWord {
			continue
		}
		several := u.line[u.pos[i][0]:u.pos[last][1]]
		if m, known := u.tongue.month(several); known {
			d.setMonth(&u.tongue, m, several)
			return last, true
		}
	}
	m, known := u.tongue.month(word)
	switch {
	case known:
		d.setMonth(&u.tongue, m, word)
	case anyWord && wordlike(word):
		d.month = 0
	default:
		return 0, false
	}
	return i, true
}

func (d *unixDate) setMonth(t *tongue, month int, word string) {
	d.month, d.word, d.worded = month, word, true
	if month == 0 {
		d.late = t.later(word)
	}
}

// wordlike reports whether a word might be a month in some language.
func wordlike(word string) bool {
	if len(word) > maxWord || strings.ContainsAny(word, "/\\:<>\"*?|=;") {
		return false
	}
	for i := range len(word) {
		if word[i] >= 0x80 || isLetter(word[i]) {
			return true
		}
	}
	return false
}

// setDay reads the day of a month. A number that is no day will do for the form.
func (d *unixDate) setDay(word string) bool {
	digits := strings.TrimRight(word, ".,")
	n := leadingDigits(digits)
	if n < len(digits) && digits[n] < 0x80 {
		return false // not 5日 or 5일
	}
	day, ok := smallInt(digits[:n])
	if !ok || n > 2 || len(digits)-n > 4 {
		return false
	}
	d.day = day
	d.unknown = d.unknown || day < 1 || day > 31
	return true
}

func leadingDigits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// dateEnd reads what follows a month and a day, from the word with index i on: a
// time, a year, or a time and a year.
func (u unixColumns) dateEnd(d *unixDate, i int) bool {
	word := u.at(i)
	if word == "" {
		return false
	}
	if year, ok := yearColumn(word); ok {
		d.setYear(year)
		d.last = i
		single := d.worded && u.pos[i][0]-u.pos[i-1][1] == 1 && isDigit(word[len(word)-1])
		switch {
		case (strings.HasSuffix(u.at(i-1), ",") || single && u.pos[min(i+1, u.n-1)][0]-u.pos[i][1] == 1) && timelike(u.at(i+1)) && u.rest(i+1) != "":
			// A time behind a year. Behind ls's, which is as wide as a time and
			// has two blanks before it, it would be the name.
			d.unknown = !d.timeOfDay(u.at(i+1)) || d.unknown
			d.last = i + 1
		case single:
			d.padding = padYear
		}
		return true
	}
	if d.word != "" && len(word) <= 4 && !isDigit(word[0]) && (timelike(u.at(i+1)) || word == "de" && len(u.at(i+1)) == 4) {
		return u.dateEnd(d, i+1) // "5. нов. у 03:04"
	}
	if d.worded && len(word) == 5 && isNumber(word) {
		d.unknown, d.last = true, i // a year that no clock has
		return true
	}
	if !timelike(word) {
		return false
	}
	d.last = i
	d.unknown = !d.timeOfDay(word) || d.unknown
	if d.precision >= PrecisionSecond && zonelike(u.at(i+1)) { // date(1)
		if i+2 == u.n {
			u.split(u.line) // no more words were needed so far
		}
		if year, ok := yearColumn(u.at(i + 2)); ok && len(u.at(i+2)) == 4 && u.rest(i+2) != "" {
			d.setYear(year)
			d.last = i + 2
			loc, known := u.zone(u.at(i + 1))
			d.loc, d.unknown = loc, d.unknown || !known
			return true
		}
	}
	if d.precision >= PrecisionSecond && i+1 < u.n && u.rest(i+1) != "" { // ls -T
		if year, ok := yearColumn(u.at(i + 1)); ok && len(u.at(i+1)) == 4 {
			d.setYear(year)
			d.precision = PrecisionSecond
			d.last = i + 1
		}
	}
	return true
}

// zonelike recognises CET, UTC and CEST.
func zonelike(word string) bool {
	return (len(word) == 3 || len(word) == 4) && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// setYear sets a year from 1601 on, where Windows begins to count, or that which
// says that there is no date.
func (d *unixDate) setYear(year int) {
	d.year = year
	if d.precision == PrecisionNone {
		d.precision = PrecisionDay
	}
	if year < 1601 && year != noDate {
		d.unknown = true
	}
}

// yearColumn reads 2019, 2019., 2019年 and whatever stands for no year.
func yearColumn(word string) (int, bool) {
	n := leadingDigits(word)
	if n == 0 || n > 4 {
		return 0, false
	}
	switch end := word[n:]; {
	case end == "", end == ".", end == ",":
	case n == 4 && end[0] >= 0x80 && len(end) <= 4:
	default:
		return 0, false
	}
	year, _ := smallInt(word[:n])
	if year == noDate && n != 4 {
		year = 0
	}
	return year, true
}

// timelike reports whether a word has the form of a time of day: 3:26, 03.26,
// 03:26:59, 10:33PM.
func timelike(word string) bool {
	n := leadingDigits(word)
	if n < 1 || n > 2 || len(word) < n+3 || word[n] != ':' && word[n] != '.' {
		return false
	}
	rest := word[n+1:]
	if leadingDigits(rest) != 2 {
		return false
	}
	if word[n] == '.' {
		return len(rest) == 2
	}
	rest = rest[2:]
	if strings.HasPrefix(rest, ":") && leadingDigits(rest[1:]) == 2 {
		rest = rest[3:]
		if strings.HasPrefix(rest, ".") {
			rest = rest[1+leadingDigits(rest[1:]):]
		}
	}
	if rest != "" {
		_, ok := halfOfDay(rest)
		return ok
	}
	return true
}
