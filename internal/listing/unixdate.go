package listing

import (
	"strings"
	"time"
)

// A unixDate is the date column of an "ls -l" line.
type unixDate struct {
	clock
	last   int            // index of its last word
	loc    *time.Location // nil unless the column names a zone
	padded bool           // the column is filled up with spaces
}

// setUnixTime sets the time, leaving it unknown where the order of day and month
// is.
func (e *Entry) setUnixTime(p *Parser, d unixDate) bool {
	if d.precision == PrecisionNone {
		return true
	}
	if d.loc != nil {
		e.Absolute = true
		return e.setTime(d.clock, d.loc)
	}
	if d.year != 0 {
		return e.setTime(d.clock, p.loc)
	}
	c, ok := d.conclude(p.now)
	return ok && e.setTime(c, p.loc)
}

// unixDate reads a date that begins with the word of index i.
func (p *Parser) unixDate(f *fields, i int) (unixDate, bool) {
	word := f.at(i)
	if month := monthOf(word); month != 0 {
		return monthAndDay(f, month, f.at(i+1), i+2)
	}
	if month := monthOf(f.at(i + 1)); month != 0 {
		if d, ok := monthAndDay(f, month, word, i+2); ok {
			return d, true
		}
		return yearMonthDay(f, i, month)
	}
	if m, day, ok := strings.Cut(word, "月"); ok && day != "" {
		if month := monthOf(m + "月"); month != 0 {
			return monthAndDay(f, month, day, i+1)
		}
	}
	return p.numericDate(f, i)
}

// monthAndDay reads what follows a month and a day: a time, a year, or a time and
// a year.
func monthAndDay(f *fields, month int, day string, i int) (d unixDate, ok bool) {
	d.month, d.last = month, i
	d.day, ok = cutDay(day)
	if !ok {
		return d, false
	}
	if d.year, ok = cutYear(f.at(i)); ok {
		d.precision = PrecisionDay
		return d, true
	}
	if !d.timeOfDay(f.at(i)) {
		return d, false
	}
	if d.precision >= PrecisionSecond && i+2 < f.n { // ls -T
		if year, ok := cutYear(f.at(i + 1)); ok {
			d.year, d.last = year, i+1
		}
	}
	return d, true
}

// yearMonthDay reads 2003年 4月 18日. Without the character for the year it may be
// a size before a date without a year: then the word is not part of the date.
func yearMonthDay(f *fields, i, month int) (d unixDate, ok bool) {
	if _, ok := monthAndDay(f, month, f.at(i+2), i+3); ok || isNumber(f.at(i)) && isLetter(f.at(i + 1)[0]) {
		return d, false
	}
	if d.year, ok = cutYear(f.at(i)); !ok {
		return d, false
	}
	d.month, d.last, d.precision = month, i+2, PrecisionDay
	d.day, ok = cutDay(f.at(i + 2))
	return d, ok
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func cutDay(word string) (int, bool) {
	word = strings.TrimRight(word, ".,")
	word = strings.TrimSuffix(strings.TrimSuffix(word, "日"), "일")
	day, ok := smallInt(word)
	return day, ok && day >= 1 && day <= 31
}

// cutYear reads a year from 1601 on, where Windows begins to count, or the year
// that says that there is no date.
func cutYear(word string) (int, bool) {
	word = strings.TrimSuffix(strings.TrimSuffix(word, "年"), "년")
	year, ok := smallInt(word)
	return year, ok && len(word) == 4 && (year >= 1601 || year == noDate)
}

// numericDate reads the dates of "ls --time-style" and of servers that write
// numbers: 2024-02-29 10:00, 2024-02-29 10:00:00.123456789 +0100, 24-04-2003
// 17:12, 2004.07.15, 02-29 10:00.
func (p *Parser) numericDate(f *fields, i int) (d unixDate, ok bool) {
	word := f.at(i)
	if len(word) == 5 && word[2] == '-' {
		month, ok := smallInt(word[:2])
		if !ok || month < 1 || month > 12 {
			return d, false
		}
		return monthAndDay(f, month, word[3:], i+1)
	}
	if len(word) < len("2004.7.5") {
		return d, false
	}
	if strings.Contains(word, "/") {
		d.clock, ok = p.orders.date(word, p.now.Year())
	} else {
		d.clock, ok = p.orders.date(word, p.now.Year(), orderYMD, orderDMY)
	}
	if !ok {
		return d, false
	}
	d.last = i
	known := d.precision != PrecisionNone
	if !d.timeOfDay(f.at(i + 1)) {
		d.padded = true
		return d, true
	}
	d.last++
	if d.precision >= PrecisionSecond {
		if loc, ok := zone(f.at(i + 2)); ok {
			d.loc, d.last = loc, i+2
		}
	}
	if !known {
		d.precision, d.loc = PrecisionNone, nil
	}
	return d, true
}
