package listing

import "strings"

// numberFirst reads a date that begins with a digit: of ls in languages that have
// the day, the year or the time first, of GNU ls with --time-style or --full-time,
// and of servers that write numbers.
func (u unixColumns) numberFirst(i int, anyWord bool) (d unixDate, ok bool) {
	word := u.at(i)
	n := leadingDigits(word)
	switch {
	case n < len(word) && word[n] >= 0x80:
		return u.unitDate(i)
	case n == len(word) && n == 4:
		if d, ok = u.yearFirst(i); ok {
			return d, ok
		}
	case n == len(word) && (n == 14 || n == 8 && timelike(u.at(i+1))):
		return u.digitsOnly(i)
	case n <= 2 && n+1 < len(word) && word[n] == ':':
		return u.timeFirst(i)
	case n == len(word), n+1 == len(word) && strings.IndexByte(".,", word[n]) >= 0:
		if d, ok = u.dayFirst(i, anyWord); ok {
			return d, ok
		}
		return u.twoNumbers(i)
	}
	if d, ok = u.numericDate(i); ok {
		return d, ok
	}
	if d, ok = textualDate(u.fields, i); ok {
		return d, ok
	}
	if d, ok = u.gluedDay(i); ok {
		return d, ok
	}
	return u.monthFirst(i, false)
}

// digitsOnly reads 20200302 10:30 and 20200302103000.
func (u unixColumns) digitsOnly(i int) (d unixDate, ok bool) {
	word := u.at(i)
	c, ok := stamp(word[:8] + "000000")
	if !ok {
		return d, false
	}
	d.clock, d.last = c, i
	if len(word) == 14 {
		c, ok := stamp(word)
		d.clock, d.unknown = c, !ok
		return d, true
	}
	d.last++
	d.unknown = !d.timeOfDay(u.at(d.last))
	return d, true
}

// dayFirst reads "29 févr. 10:30", "2. Feb 2005" and "5 de jul.  03:04".
func (u unixColumns) dayFirst(i int, anyWord bool) (d unixDate, ok bool) {
	if !d.setDay(u.at(i)) {
		return d, false
	}
	last, ok := u.month(&d, i+1, anyWord)
	return d, ok && u.dateEnd(&d, last+1)
}

// gluedDay reads Czech "5. srp", where the blank is not one.
func (u unixColumns) gluedDay(i int) (d unixDate, ok bool) {
	day, month, ok := strings.Cut(u.at(i), ".")
	month = strings.TrimPrefix(strings.TrimPrefix(month, "\xc2"), "\xa0")
	if !ok || !d.setDay(day) || month == "" || isDigit(month[0]) {
		return d, false
	}
	m, known := u.tongue.month(month)
	if !known {
		return d, false
	}
	d.setMonth(&u.tongue, m, month)
	return d, u.dateEnd(&d, i+1)
}

// yearFirst reads "2019 febr   2" and "2003 3月 20". Where the year may be the
// size before a date without a year, it is.
func (u unixColumns) yearFirst(i int) (d unixDate, ok bool) {
	const usual = 4
	word := u.at(i + 1)
	if n := leadingDigits(word); n > 0 && n <= 2 && n < len(word) && word[n] >= 0x80 && len(word) <= n+4 {
		d.month, _ = smallInt(word[:n])
		d.worded, d.last, d.unknown = true, i+1, d.month < 1 || d.month > 12
	} else if d.last, ok = u.month(&d, i+1, false); !ok {
		return d, false
	}
	if !d.setDay(u.at(d.last + 1)) {
		return d, false
	}
	if i != usual && (timelike(u.at(d.last+2)) || len(u.at(d.last+2)) == 4 && isNumber(u.at(d.last+2))) {
		return d, false
	}
	year, _ := yearColumn(u.at(i))
	if year < 1900 || year > 2200 {
		return d, false
	}
	d.setYear(year)
	d.last++
	if english(word) != 0 && timelike(u.at(d.last+1)) && u.rest(d.last+1) != "" { // of no ls
		d.last++
		d.unknown = !d.timeOfDay(u.at(d.last)) || d.unknown
	}
	return d, true
}

// timeFirst reads Vietnamese "17:40 28 Thg 11".
func (u unixColumns) timeFirst(i int) (d unixDate, ok bool) {
	if !timelike(u.at(i)) || !d.setDay(u.at(i+1)) || !strings.EqualFold(u.at(i+2), "Thg") {
		return d, false
	}
	d.unknown = !d.timeOfDay(u.at(i)) || d.unknown
	d.last, ok = u.month(&d, i+2, false)
	if rest := u.after(d.last); ok && len(u.at(d.last)) == 1 && len(rest) > 2 && rest[:2] == "  " {
		u.pos[d.last][1]++ // ls fills up the month
	}
	return d, ok && d.last == i+3
}

// twoNumbers reads "3 29 03:26", and Finnish "5. 7. 03:04" and "5. 7.  2019".
func (u unixColumns) twoNumbers(i int) (d unixDate, ok bool) {
	first, second := u.at(i), u.at(i+1)
	dotted := strings.HasSuffix(first, ".") && strings.HasSuffix(second, ".")
	first, second = strings.TrimSuffix(first, "."), strings.TrimSuffix(second, ".")
	a, ok := smallInt(first)
	b, ok2 := smallInt(second)
	if !ok || !ok2 || len(first) > 3 || len(second) > 2 || !dotted && i != 4 && !timelike(u.at(i+2)) {
		return d, false
	}
	if dotted {
		d.day, d.month = a, b
	} else {
		d.month, d.day = a, b
	}
	return d, u.numbersEnd(&d, i+2)
}

// numbersEnd reads what follows two numbers that are a day and a month.
func (u unixColumns) numbersEnd(d *unixDate, i int) bool {
	d.unknown = d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31
	return u.dateEnd(d, i)
}

// unitDate reads the dates of China, Japan and Korea, in which a letter says what
// each number is: 2003年 4月 18日, 4月 18日 2003年, 11月28日 14:28, 8月 17 08:52.
func (u unixColumns) unitDate(i int) (d unixDate, ok bool) {
	var part [4]int
	n := 0
	for d.last = i; d.last < u.n && n < 3; d.last++ {
		word := u.at(d.last)
		got := 0
		for word != "" && n < len(part) {
			number, rest := unitNumber(word)
			if number < 0 {
				return d, false
			}
			if len(word)-len(rest) == leadingDigits(word) && got > 0 {
				return d, false
			}
			part[n], word = number, rest
			n, got = n+1, got+1
		}
		next := u.at(d.last + 1)
		if n == 2 && (timelike(next) || leadingDigits(next) == 4 && part[0] <= 12) {
			d.month, d.day, d.worded = part[0], part[1], true
			return d, u.numbersEnd(&d, d.last+1)
		}
	}
	if n != 3 || part[0] < 1000 {
		return d, false
	}
	d.last--
	d.setYear(part[0])
	d.month, d.day, d.worded = part[1], part[2], true
	d.unknown = d.unknown || d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31
	return d, true
}

// unitNumber reads a number and the letter behind it, in any charset, and returns
// what follows. It returns -1 if there is none.
func unitNumber(word string) (n int, rest string) {
	digits := leadingDigits(word)
	n, ok := smallInt(word[:digits])
	if !ok {
		return -1, ""
	}
	end := digits
	for end < len(word) && !isDigit(word[end]) {
		end++
	}
	if end > digits && (word[digits] < 0x80 || end-digits > 4) {
		return -1, ""
	}
	if digits > 2 && digits != 4 {
		return -1, ""
	}
	return n, word[end:]
}

// numericDate reads the dates of "ls --time-style" and of servers that write
// numbers: 2024-02-29 10:00, 2024-02-29 10:00:00.123456789 +0100,
// 2024-02-29T10:00:00Z, 24-04-2003 17:12, 2004.07.15, 02-29 10:00, 28.11. 14:28.
func (u unixColumns) numericDate(i int) (d unixDate, ok bool) {
	word := u.at(i)
	if a, b, ok := twoParts(word); ok {
		d.month, d.day = a, b
		if strings.HasSuffix(word, ".") {
			d.month, d.day = b, a
		} else if timelike(u.at(i + 1)) {
			u.filled.set(padISO, true) // ls --time-style=iso
		}
		return d, u.numbersEnd(&d, i+1)
	}
	if len(word) < len("2004.7.5") {
		return d, false
	}
	date, clock, iso := strings.Cut(word, "T")
	switch {
	case strings.Contains(word, "/"), leadingDigits(word) < 3 && len(date) <= len("02-03-20"):
		d.clock, d.late, ok = u.ordered(date, preference{})
	default:
		d.clock, d.late, ok = u.ordered(date, preference{orderYMD, orderDMY})
	}
	if !ok {
		return d, false
	}
	d.last = i
	switch {
	case iso:
		ok = leadingDigits(word) == 4 && u.isoTime(&d, clock)
	case timelike(u.at(i + 1)):
		d.last++
		u.numericTime(&d)
	default:
		d.padding = padAny
		if strings.Contains(word, "-") {
			d.padding = padISO
		}
		d.late.at(d.clock)
	}
	return d, ok
}

// twoParts reads 02-29 and 28.11.
func twoParts(word string) (a, b int, ok bool) {
	sep := leadingDigits(word)
	if sep < 1 || sep > 2 || sep == len(word) {
		return 0, 0, false
	}
	rest := word[sep+1:]
	switch {
	case word[sep] == '-' && len(word) == 5:
	case word[sep] == '.' && strings.HasSuffix(rest, "."):
		rest = rest[:len(rest)-1]
	default:
		return 0, 0, false
	}
	a, _ = smallInt(word[:sep])
	b, ok = smallInt(rest)
	return a, b, ok && len(rest) <= 2
}

// numericTime reads the time behind a date of numbers, in the word with index
// last, and the zone behind it.
func (u unixColumns) numericTime(d *unixDate) {
	known := d.precision != PrecisionNone
	d.unknown = !d.timeOfDay(u.at(d.last))
	d.late.at(d.clock)
	next := u.at(d.last + 1)
	// A name that begins with a blank may look like a zone, too.
	near := next != "" && u.pos[d.last+1][0] == u.pos[d.last][1]+1
	if near && (d.precision >= PrecisionSecond || len(next) == 5 && u.rest(d.last+1) != "") {
		if loc, ok := u.zone(isoZone(next)); ok {
			d.loc = loc
			d.last++
		}
	}
	if !known {
		d.precision, d.loc = PrecisionNone, nil
	}
}

// isoZone returns a zone as ls has it.
func isoZone(word string) string {
	switch {
	case word == "Z":
		return "UTC"
	case len(word) == len("+01:00") && word[3] == ':':
		return word[:3] + word[4:]
	}
	return word
}

// isoTime reads 10:33:01, 10:33:01Z and 10:33:01+0100.
func (u unixColumns) isoTime(d *unixDate, clock string) (ok bool) {
	if at := strings.IndexAny(clock, "Z+-"); at > 0 {
		if d.loc, ok = u.zone(isoZone(clock[at:])); !ok {
			return false
		}
		clock = clock[:at]
	}
	d.unknown = !d.timeOfDay(clock)
	return timelike(clock)
}

// textualDate reads 01-jun-99, 01/Jun/1999 and Jun-01-1999, with a time or without.
func textualDate(f *fields, i int) (d unixDate, ok bool) {
	part, ok := dateParts(f.at(i))
	if !ok || leadingDigits(part[2]) != len(part[2]) {
		return d, false
	}
	if monthOf(part[0]) != 0 {
		part[0], part[1] = part[1], part[0]
	}
	d.month, d.worded = monthOf(part[1]), true
	d.year, ok = yearOf(part[2])
	if d.month == 0 || !ok || !d.setDay(part[0]) {
		return d, false
	}
	d.last, d.precision = i, PrecisionDay
	if timelike(f.at(i + 1)) {
		d.last++
		d.unknown = !d.timeOfDay(f.at(d.last)) || d.unknown
	}
	return d, true
}
