package listing

import (
	"strconv"
	"strings"
	"time"
)

// A clock is a date and time of day as a listing gives it.
type clock struct {
	year, month, day     int // year 0 means that it is omitted
	hour, min, sec, nsec int
	precision            Precision
}

// valid reports whether such a day and time exist. A leap second does.
func (c clock) valid() bool {
	return c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= daysIn(c.year, c.month) &&
		c.hour >= 0 && c.hour < 24 && c.min >= 0 && c.min < 60 && c.sec >= 0 && c.sec <= 60
}

func daysIn(year, month int) int {
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		return 29
	}
	return int([...]int8{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1])
}

// noDate is the year in which the zero of many languages' times lies: a server that
// lists it has no time for the file.
const noDate = 1

// setTime sets the entry's time; it returns false if there is no such time.
func (e *Entry) setTime(c clock, loc *time.Location) bool {
	if !c.valid() {
		return false
	}
	if c.year <= noDate {
		e.Absolute = false
		return true
	}
	e.ModTime = time.Date(c.year, time.Month(c.month), c.day, c.hour, c.min, c.sec, c.nsec, loc)
	e.Precision = c.precision
	return true
}

// after reports whether c is later than t is where c is.
func (c clock) after(t clock) bool {
	switch {
	case c.month != t.month:
		return c.month > t.month
	case c.day != t.day:
		return c.day > t.day
	}
	return (c.hour*60+c.min)*60+c.sec > (t.hour*60+t.min)*60+t.sec
}

// fullYear completes a year of two digits: 70 to 99 are in the last century. Three
// digits are a count from 1900, as careless programs print them.
func fullYear(y, digits int) (int, bool) {
	switch {
	case digits < 2 || digits > 4:
		return 0, false
	case digits == 3:
		return 1900 + y, true
	case digits == 4:
		return y, y > 0
	case y < 70:
		return 2000 + y, true
	default:
		return 1900 + y, true
	}
}

// yearOf reads a year of two to four digits.
func yearOf(word string) (int, bool) {
	y, ok := smallInt(word)
	if !ok {
		return 0, false
	}
	return fullYear(y, len(word))
}

// timeOfDay reads H:MM, H.MM, H:MM:SS and H:MM:SS.fraction, with AM or PM behind
// it or not, into c. It changes nothing if there is no such time.
func (c *clock) timeOfDay(s string) bool {
	var half byte
	if n := len(s); n > 0 && !isDigit(s[n-1]) {
		start := strings.IndexAny(s, "AaPp")
		if start < 0 {
			return false
		}
		var ok bool
		if half, ok = halfOfDay(s[start:]); !ok {
			return false
		}
		s = s[:start]
	}
	if len(s) == 5 && s[2] == ':' && isNumber(s[:2]) && isNumber(s[3:]) {
		return c.setTimeOfDay([3]int{int(s[0]-'0')*10 + int(s[1]-'0'), int(s[3]-'0')*10 + int(s[4]-'0')}, 2, "", half)
	}
	var part [3]int
	n, start := 0, 0
	fraction := ""
	for i := 0; i <= len(s); i++ {
		if i < len(s) && isDigit(s[i]) {
			continue
		}
		v, ok := smallInt(s[start:i])
		if !ok || i-start > 2 || n == len(part) {
			return false
		}
		part[n], n, start = v, n+1, i+1
		if i < len(s) && s[i] == '.' && n == 3 {
			if fraction = s[i+1:]; !isNumber(fraction) {
				return false
			}
			break
		}
		if i < len(s) && s[i] != ':' && (s[i] != '.' || n != 1 || len(s) > len("03.04")) {
			return false
		}
	}
	return n >= 2 && c.setTimeOfDay(part, n, fraction, half)
}

// setTimeOfDay sets n parts of a time. In the halves of a day hours begin with 12;
// some say 0 in the first.
func (c *clock) setTimeOfDay(part [3]int, n int, fraction string, half byte) bool {
	switch {
	case half != 0 && part[0] > 12, half == 'p' && part[0] == 0:
		return false
	case half != 0:
		part[0] %= 12
		if half == 'p' {
			part[0] += 12
		}
	}
	if part[0] > 23 || part[1] > 59 || part[2] > 60 {
		return false
	}
	c.hour, c.min, c.sec, c.nsec = part[0], part[1], part[2], 0
	switch {
	case fraction != "":
		c.nsec, c.precision = nanoseconds(fraction), PrecisionFraction
	case n == 3:
		c.precision = PrecisionSecond
	default:
		c.precision = PrecisionMinute
	}
	return true
}

func halfOfDay(word string) (byte, bool) {
	switch word {
	case "AM", "am", "A", "a", "Am", "a.m.", "A.M.", "a.\u00a0m.":
		return 'a', true
	case "PM", "pm", "P", "p", "Pm", "p.m.", "P.M.", "p.\u00a0m.":
		return 'p', true
	}
	return 0, false
}

// nanoseconds reads the digits behind a decimal point.
func nanoseconds(digits string) int {
	n, _ := strconv.Atoi((digits[:min(len(digits), 9)] + "000000000")[:9])
	return n
}
