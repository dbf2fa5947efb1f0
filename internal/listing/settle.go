package listing

import (
	"strings"
	"time"
)

// A late is what an entry's time waits for: the order of the three numbers in
// its date, or the language of its month.
type late struct {
	kind      lateKind
	precision Precision
	prefer    preference
	yearFirst bool   // a and c have changed places: a year has four digits
	a, b      uint8  // the first two numbers; the day
	word      uint8  // the month's place in tongue.unsure
	digits    uint8  // of c
	sep       uint8  // the date's, in separators
	c         uint16 // the third number; the year
	sec       uint32 // of the day
}

type lateKind uint8

const (
	lateNot lateKind = iota
	lateOrder
	lateMonth
)

// at sets the time of day of a late date.
func (l *late) at(c clock) {
	if l.kind == lateNot {
		return
	}
	l.precision = min(max(c.precision, PrecisionDay), PrecisionSecond)
	l.sec = uint32((c.hour*60+c.min)*60 + c.sec)
}

func (l late) timeOfDay(c clock) clock {
	c.hour, c.min, c.sec = int(l.sec/3600), int(l.sec/60%60), int(l.sec%60)
	c.precision = max(l.precision, PrecisionDay)
	return c
}

// maxUnsure bounds the words that wait for a language: a year has twelve.
const maxUnsure = 48

// january is the place of "Jan", which needs none: it is January almost
// everywhere, and June in Sesotho.
const january = maxUnsure

// later returns the late for a month that may be several.
func (t *tongue) later(word string) late {
	for i, w := range t.unsure {
		if w == word {
			return late{kind: lateMonth, word: uint8(i)}
		}
	}
	if len(t.unsure) == maxUnsure {
		return late{}
	}
	t.unsure = append(t.unsure, strings.Clone(word))
	return late{kind: lateMonth, word: uint8(len(t.unsure) - 1)}
}

// Settle sets the times that were not certain when their lines were read, by
// what the whole listing has shown: the order of day, month and year in dates of
// numbers, and the month that a word is in the listing's language. It is for the
// entries of this Parser, kept or not, after its last line; entries that a
// reader has used before may change.
//
// Where the listing does not show the order, month and day are in that which
// servers of this form have by default. A reader that cannot wait sets
// Options.Certain, and has unknown times until a line shows the order.
func (p *Parser) Settle(entries []Entry) {
	if !p.calendar.needsSettling {
		return
	}
	for i := range entries {
		p.calendar.settle(&entries[i])
	}
}

func (cal *calendar) settle(e *Entry) {
	l := e.late
	e.late = late{}
	var c clock
	ok := false
	switch l.kind {
	case lateOrder:
		c, ok = l.ordered(cal.orders[l.sep], cal.year)
		c = l.timeOfDay(c)
	case lateMonth:
		c, ok = cal.monthLater(l)
	}
	if !ok {
		return
	}
	e.ModTime, e.Precision = time.Time{}, PrecisionNone
	e.setTime(c, cal.loc)
	e.Yearless = l.kind == lateMonth && l.c == 0
}

// monthLater returns the date whose month the listing's language tells by now.
func (cal *calendar) monthLater(l late) (clock, bool) {
	word := "jan"
	if l.word != january {
		word = cal.tongue.unsure[l.word]
	}
	month, _ := cal.tongue.month(word)
	if month == 0 {
		return clock{}, false
	}
	c := l.timeOfDay(clock{year: int(l.c), month: month, day: int(l.a)})
	if c.year != 0 {
		return c, c.valid()
	}
	return cal.conclude(c)
}

// lateJanuary returns the late of a date whose month was read as January.
func lateJanuary(t time.Time, p Precision) late {
	l := late{kind: lateMonth, word: january, precision: p, a: uint8(t.Day())}
	l.sec = uint32((t.Hour()*60+t.Minute())*60 + t.Second())
	if p == PrecisionDay {
		l.c = uint16(t.Year())
	}
	return l
}
