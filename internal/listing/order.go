package listing

import "strings"

// An orderSet is a set of orders of day, month and year. A date of three small
// numbers does not tell its order, but the dates of one listing share one, and
// each of them can rule some out.
type orderSet uint8

const (
	orderYMD orderSet = 1 << iota
	orderMDY
	orderDMY
	allOrders = orderYMD | orderMDY | orderDMY
)

// date reads three numbers separated by '-', '/' or '.'. The order is the one
// that all dates so far allow; where several are left, the first of prefer
// that is possible decides, else the date is unknown: ok with a zero clock. Years
// after thisYear count only if there is no other way to read the date.
func (s *orderSet) date(text string, thisYear int, prefer ...orderSet) (c clock, ok bool) {
	part, ok := threeNumbers(text)
	if !ok {
		return clock{}, false
	}
	var byOrder [orderDMY + 1]clock
	var possible, past orderSet
	for _, order := range []orderSet{orderYMD, orderMDY, orderDMY} {
		if c, ok := arrange(order, part); ok {
			byOrder[order] = c
			possible |= order
			if c.year <= thisYear {
				past |= order
			}
		}
	}
	if possible == 0 {
		return clock{}, false
	}
	if *s&possible != 0 {
		possible &= *s
	}
	*s = possible
	if past&possible != 0 {
		possible &= past
	}
	for _, order := range prefer {
		if order&possible != 0 {
			return byOrder[order], true
		}
	}
	return agreed(possible, byOrder), true
}

// agreed returns the day that all possible orders mean, as with 05/05/05, or the
// zero clock.
func agreed(possible orderSet, byOrder [orderDMY + 1]clock) clock {
	var day clock
	for order := orderYMD; order <= orderDMY; order <<= 1 {
		if order&possible == 0 {
			continue
		}
		if day != (clock{}) && day != byOrder[order] {
			return clock{}
		}
		day = byOrder[order]
	}
	return day
}

func arrange(order orderSet, part [3]string) (c clock, ok bool) {
	year, month, day := part[0], part[1], part[2]
	switch order {
	case orderMDY:
		month, day, year = part[0], part[1], part[2]
	case orderDMY:
		day, month, year = part[0], part[1], part[2]
	}
	c.precision = PrecisionDay
	c.year, ok = fullYear(year)
	if !ok || len(month) > 2 || len(day) > 2 {
		return clock{}, false
	}
	c.month, _ = smallInt(month)
	c.day, _ = smallInt(day)
	return c, c.valid()
}

func threeNumbers(text string) (part [3]string, ok bool) {
	sep := strings.IndexAny(text, "-/.")
	if sep < 0 {
		return part, false
	}
	first, rest := text[:sep], text[sep+1:]
	second, third, ok := strings.Cut(rest, text[sep:sep+1])
	if !ok || !isNumber(first) || !isNumber(second) || !isNumber(third) {
		return part, false
	}
	return [3]string{first, second, third}, true
}
