package remote

import (
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// SameTime reports whether two descriptions of a file may have the same time of
// its last change, as far as both are exact: LIST drops the minutes of a file that
// grows old, and does not tell the zone or the year, which MLST and MDTM do. Some
// servers leave the year out whatever it is.
func SameTime(a, b listing.Entry) bool {
	if a.Precision == listing.PrecisionNone || b.Precision == listing.PrecisionNone {
		return true
	}
	a, b = inYearOf(a, b), inYearOf(b, a)
	unit := max(units[a.Precision], units[b.Precision])
	apart := a.ModTime.Truncate(unit).Sub(b.ModTime.Truncate(unit)).Abs()
	if a.Absolute == b.Absolute {
		return apart == 0
	}
	return apart <= max(farthest, unit) && apart%step == 0
}

const farthest, step = 14 * time.Hour, 15 * time.Minute // of the zones there are

// inYearOf returns an entry whose listing tells no year with the one that brings it
// nearest to another, of which the year was told.
func inYearOf(e, told listing.Entry) listing.Entry {
	if !e.Yearless || told.Yearless {
		return e
	}
	t := e.ModTime
	for year := told.ModTime.Year() - 1; year <= told.ModTime.Year()+1; year++ {
		if moved := t.AddDate(year-t.Year(), 0, 0); moved.Sub(told.ModTime).Abs() < e.ModTime.Sub(told.ModTime).Abs() {
			e.ModTime = moved
		}
	}
	return e
}

// dated returns an entry of a listing with the time that MDTM told of the same file,
// if the listing has left out the year, and that was not the latest possible one.
func dated(e, now listing.Entry) listing.Entry {
	if e.Type == listing.TypeFile && e.Size == now.Size && now.Absolute && e.Yearless && e.ModTime.Sub(now.ModTime).Abs() > 2*farthest {
		e.ModTime, e.Precision, e.Absolute, e.Yearless = now.ModTime, now.Precision, true, false
	}
	return e
}

// units has what a time is exact to.
var units = [...]time.Duration{
	listing.PrecisionDay:      24 * time.Hour,
	listing.PrecisionMinute:   time.Minute,
	listing.PrecisionSecond:   time.Second,
	listing.PrecisionFraction: time.Nanosecond,
}
