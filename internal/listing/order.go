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

// A preference has the orders to take while the listing has not shown its own, the
// best first.
type preference [3]orderSet

// ordered reads three numbers separated by '-', '/' or '.'. The order is the one
// that all dates so far allow; where several are left, the first of prefer that
// is possible decides, else the date is unknown: ok with a zero clock. A line to
// come may still show it: the late says how to read the date then. Numbers that
// are no date in any order are ok, too, and unknown.
func (cal *calendar) ordered(text string, prefer preference) (c clock, l late, ok bool) {
	if m := &cal.lastDate; text == m.text && m.orders == cal.orders {
		return m.clock, m.late, true
	}
	if c, l, ok = cal.orderedNew(text, prefer); ok {
		cal.lastDate = sameDate{text, cal.orders, c, l}
	}
	return c, l, ok
}

// setNumbers sets a time of a date of three numbers and a time of day. It returns
// false if the date is not in this form.
func (cal *calendar) setNumbers(e *Entry, date, clock string, prefer preference) bool {
	c, l, ok := cal.ordered(date, prefer)
	known := c.precision != PrecisionNone
	if !ok || !c.timeOfDay(clock) {
		return ok
	}
	if l.kind != lateNot {
		l.at(c)
		e.late = l
		cal.needsSettling = true
	}
	if known {
		cal.setTime(e, c)
	}
	return true
}

// A sameDate is the date of the line before: files come in runs.
type sameDate struct {
	text   string
	orders [len(separators)]orderSet
	clock  clock
	late   late
}

func (cal *calendar) orderedNew(text string, prefer preference) (c clock, l late, ok bool) {
	if l, ok = newLate(text, prefer); !ok {
		return clock{}, late{}, false
	}
	l.sep = separator(text)
	orders := &cal.orders[l.sep]
	possible := l.possible(*orders, cal.year)
	if !l.yearFirst { // which says nothing of dates that have a short year
		orders.narrow(l.possible(allOrders, 0))
	}
	c, same := l.agreed(possible)
	switch {
	case possible == 0:
		return clock{}, late{}, true
	case same:
		return c, late{}, true
	case cal.certain:
		return clock{}, l, true
	}
	c, _ = l.ordered(possible, cal.year)
	return c, l, true
}

// narrow leaves the orders in which there is another date, too.
func (s *orderSet) narrow(possible orderSet) {
	if *s&possible != 0 {
		*s &= possible
	} else if possible != 0 {
		*s = possible
	}
}

const separators = "-/."

// separator returns the place in separators of the first in a date: dates with
// another may be another program's.
func separator(text string) uint8 {
	return uint8(strings.IndexByte(separators, text[strings.IndexAny(text, separators)]))
}

// newLate takes three numbers for a date whose order is to be seen.
func newLate(text string, prefer preference) (l late, ok bool) {
	part, ok := dateParts(text)
	if !ok || len(part[0]) > 4 || len(part[1]) > 2 || len(part[2]) > 4 || len(part[0]) > 2 && len(part[2]) > 2 {
		return l, false
	}
	if len(part[0]) > 2 {
		part[0], part[2] = part[2], part[0]
		l.yearFirst = true
	}
	a, ok := smallInt(part[0])
	b, ok2 := smallInt(part[1])
	c, ok3 := smallInt(part[2])
	l.kind, l.a, l.b, l.c = lateOrder, uint8(a), uint8(b), uint16(c)
	l.digits = uint8(len(part[2]))
	l.prefer = prefer
	return l, ok && ok2 && ok3
}

// read returns the date in one order, a zero clock if it cannot have it.
func (l late) read(order orderSet) (c clock) {
	year, digits := int(l.c), int(l.digits)
	switch {
	case l.yearFirst && order == orderYMD:
		c.month, c.day = int(l.b), int(l.a)
	case l.yearFirst, order == orderYMD && digits > 2:
		return clock{}
	case order == orderYMD:
		c.month, c.day, year = int(l.b), int(l.c), int(l.a)
	case order == orderMDY:
		c.month, c.day = int(l.a), int(l.b)
	default:
		c.day, c.month = int(l.a), int(l.b)
	}
	var ok bool
	if c.year, ok = fullYear(year, digits); !ok {
		return clock{}
	}
	c.precision = PrecisionDay
	return c
}

// possible returns those of the orders in which there is such a day: if
// thisYear is not 0, not after it, if any is not.
func (l late) possible(orders orderSet, thisYear int) (possible orderSet) {
	var past orderSet
	for order := orderYMD; order <= orderDMY; order <<= 1 {
		if c := l.read(order); c.month != 0 && c.valid() {
			possible |= order
			if c.year <= thisYear {
				past |= order
			}
		}
	}
	if possible&orders != 0 {
		possible &= orders
	}
	if past&possible != 0 {
		possible &= past
	}
	return possible
}

// agreed returns the day that all possible orders mean, as with 05/05/05.
func (l late) agreed(possible orderSet) (day clock, same bool) {
	for order := orderYMD; order <= orderDMY; order <<= 1 {
		if order&possible == 0 {
			continue
		}
		if day != (clock{}) && day != l.read(order) {
			return clock{}, false
		}
		day = l.read(order)
	}
	return day, day != (clock{})
}

// ordered returns the date in that of the orders which is preferred, if the
// listing has left several.
func (l late) ordered(orders orderSet, thisYear int) (clock, bool) {
	possible := l.possible(orders, thisYear)
	if c, ok := l.agreed(possible); ok {
		return c, true
	}
	for _, order := range l.prefer {
		if order&possible != 0 {
			return l.read(order), true
		}
	}
	return clock{}, false
}

// dateParts cuts a date at the first of the separators that it has.
func dateParts(text string) (part [3]string, ok bool) {
	sep := strings.IndexAny(text, separators)
	if sep < 0 {
		return part, false
	}
	part[0] = text[:sep]
	part[1], part[2], ok = strings.Cut(text[sep+1:], text[sep:sep+1])
	return part, ok
}
