package listing

import "time"

// A calendar is what the options and the lines so far say of a listing's dates.
type calendar struct {
	loc     *time.Location
	year    int   // the server's now
	limit   clock // the latest time that is not in the future
	certain bool

	orders        [len(separators)]orderSet
	tongue        tongue
	filled        filled
	needsSettling bool

	lastDay  dayCache
	lastDate sameDate
	lastZone zoneCache
}

func newCalendar(o Options) calendar {
	cal := calendar{loc: o.Location, certain: o.Certain}
	if cal.loc == nil {
		cal.loc = time.UTC
	}
	now := o.Now
	if now.IsZero() {
		now = time.Now()
	}
	now = now.In(cal.loc)
	cal.year = now.Year()
	t := now.Add(futureSlack)
	cal.limit = clock{year: t.Year(), month: int(t.Month()), day: t.Day(), hour: t.Hour(), min: t.Minute(), sec: t.Second()}
	for i := range cal.orders {
		cal.orders[i] = allOrders
	}
	return cal
}

// futureSlack is how far a time without a year may lie ahead of now: clocks and
// zones differ by less than a day.
const futureSlack = 24 * time.Hour

// conclude sets the year that ls omits for recent files: the latest one in which
// the date exists and is not in the future. For February 29 that may be up to
// eight years back.
func (cal *calendar) conclude(c clock) (clock, bool) {
	if c.month < 1 || c.month > 12 {
		return c, false
	}
	for c.year = cal.limit.year; c.year >= cal.limit.year-8; c.year-- {
		if c.valid() && (c.year < cal.limit.year || !c.after(cal.limit)) {
			return c, true
		}
	}
	return c, false
}

// A zoneCache holds one zone: lines that have one have mostly the same.
type zoneCache struct {
	seconds int
	loc     *time.Location
}

// zone reads +hhmm, -hhmm, UTC and GMT.
func (cal *calendar) zone(s string) (*time.Location, bool) {
	if s == "UTC" || s == "GMT" {
		return time.UTC, true
	}
	if len(s) != 5 || s[0] != '+' && s[0] != '-' || !isNumber(s[1:]) {
		return nil, false
	}
	h, _ := smallInt(s[1:3])
	m, _ := smallInt(s[3:5])
	if h >= 24 || m >= 60 {
		return nil, false
	}
	seconds := (h*60 + m) * 60
	if s[0] == '-' {
		seconds = -seconds
	}
	if z := &cal.lastZone; z.loc == nil || z.seconds != seconds {
		z.seconds, z.loc = seconds, time.FixedZone("", seconds)
	}
	return cal.lastZone.loc, true
}

// A dayCache holds the beginning of one day: files come in runs.
type dayCache struct {
	year, month, day int
	unix             int64
}

// setTime sets a time in the server's zone, if there is such a time.
func (cal *calendar) setTime(e *Entry, c clock) {
	if cal.loc != time.UTC || c.year <= noDate || !c.valid() {
		e.setTime(c, cal.loc)
		return
	}
	if d := &cal.lastDay; d.year != c.year || d.month != c.month || d.day != c.day {
		d.year, d.month, d.day = c.year, c.month, c.day
		d.unix = time.Date(c.year, time.Month(c.month), c.day, 0, 0, 0, 0, time.UTC).Unix()
	}
	e.ModTime = time.Unix(cal.lastDay.unix+int64((c.hour*60+c.min)*60+c.sec), int64(c.nsec)).UTC()
	e.Precision = c.precision
}
