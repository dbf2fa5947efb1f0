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
	word      uint8  // the month's place in Parser.unsure
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

// lateMonth returns the late for a word with several meanings.
func (p *Parser) lateMonth(word string) late {
	for i, w := range p.unsure {
		if w == word {
			return late{kind: lateMonth, word: uint8(i)}
		}
	}
	if len(p.unsure) == maxUnsure {
		return late{}
	}
	p.unsure = append(p.unsure, strings.Clone(word))
	return late{kind: lateMonth, word: uint8(len(p.unsure) - 1)}
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
	if !p.needsSettling {
		return
	}
	for i := range entries {
		p.settle(&entries[i])
	}
}

func (p *Parser) settle(e *Entry) {
	l := e.late
	e.late = late{}
	var c clock
	ok := false
	switch l.kind {
	case lateOrder:
		c, ok = l.ordered(p.orders[l.sep], p.now.Year())
		c = l.timeOfDay(c)
	case lateMonth:
		c, ok = p.monthLater(l)
	}
	if !ok {
		return
	}
	e.ModTime, e.Precision = time.Time{}, PrecisionNone
	e.setTime(c, p.loc)
}

// monthLater returns the date whose month the listing's language tells by now.
func (p *Parser) monthLater(l late) (clock, bool) {
	word := "jan"
	if l.word != january {
		word = p.unsure[l.word]
	}
	month, _ := p.tongue.month(word)
	if month == 0 {
		return clock{}, false
	}
	c := l.timeOfDay(clock{year: int(l.c), month: month, day: int(l.a)})
	if c.year != 0 {
		return c, c.valid()
	}
	return p.conclude(c)
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

// setLate notes what a date that is read already would need to be read anew.
func (p *Parser) setLate(e *Entry, d *unixDate) {
	if d.late.kind == lateMonth {
		d.late.at(d.clock)
		d.late.a, d.late.c = uint8(d.day), uint16(d.year)
	}
	e.late = d.late
	if d.late.kind != lateNot {
		p.needsSettling = true
	}
}
