package listing

import "time"

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
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func (c clock) in(loc *time.Location) time.Time {
	return time.Date(c.year, time.Month(c.month), c.day, c.hour, c.min, c.sec, c.nsec, loc)
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
	e.ModTime, e.Precision = c.in(loc), c.precision
	return true
}

// futureSlack is how far a time without a year may lie ahead of now: clocks and
// zones differ by less than a day.
const futureSlack = 24 * time.Hour

// conclude sets the year that ls omits for recent files: the latest one in which
// the date exists and is not in the future. For February 29 that may be up to
// eight years back.
func (c clock) conclude(now time.Time) (clock, bool) {
	limit := now.Add(futureSlack)
	for c.year = limit.Year(); c.year >= limit.Year()-8; c.year-- {
		if c.valid() && !c.in(now.Location()).After(limit) {
			return c, true
		}
	}
	return c, false
}

// fullYear completes a year of two digits: 70 to 99 are in the last century. Three
// digits are a count from 1900, as careless programs print them.
func fullYear(digits string) (int, bool) {
	y, ok := smallInt(digits)
	switch {
	case !ok || len(digits) < 2:
		return 0, false
	case len(digits) == 3:
		return 1900 + y, true
	case len(digits) == 4:
		return y, y > 0
	case y < 70:
		return 2000 + y, true
	default:
		return 1900 + y, true
	}
}

// timeOfDay reads H:MM, H:MM:SS and H:MM:SS.fraction into c.
func (c *clock) timeOfDay(s string) bool {
	var part [3]int
	n, start := 0, 0
	fraction := ""
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] >= '0' && s[i] <= '9' {
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
		if i < len(s) && s[i] != ':' {
			return false
		}
	}
	if n < 2 || part[0] > 23 || part[1] > 59 || part[2] > 60 {
		return false
	}
	c.hour, c.min, c.sec, c.nsec = part[0], part[1], part[2], nanoseconds(fraction)
	switch {
	case fraction != "":
		c.precision = PrecisionFraction
	case n == 3:
		c.precision = PrecisionSecond
	default:
		c.precision = PrecisionMinute
	}
	return true
}

// nanoseconds reads the digits behind a decimal point.
func nanoseconds(digits string) int {
	n := 0
	for i := range 9 {
		n *= 10
		if i < len(digits) {
			n += int(digits[i] - '0')
		}
	}
	return n
}

// zone reads +hhmm or -hhmm.
func zone(s string) (*time.Location, bool) {
	if len(s) != 5 || s[0] != '+' && s[0] != '-' || !isNumber(s[1:]) {
		return nil, false
	}
	h, _ := smallInt(s[1:3])
	m, _ := smallInt(s[3:5])
	seconds := (h*60 + m) * 60
	if s[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("", seconds), h < 24 && m < 60
}
