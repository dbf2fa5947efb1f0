package remote

import (
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// SameTime reports whether two descriptions of a file may have the same time of
// its last change, as far as both are exact: LIST drops the minutes of a file that
// grows old, and does not tell the zone, which MLST and MDTM do.
func SameTime(a, b listing.Entry) bool {
	if a.Precision == listing.PrecisionNone || b.Precision == listing.PrecisionNone {
		return true
	}
	unit := max(units[a.Precision], units[b.Precision])
	apart := a.ModTime.Truncate(unit).Sub(b.ModTime.Truncate(unit)).Abs()
	if a.Absolute == b.Absolute {
		return apart == 0
	}
	const farthest, step = 14 * time.Hour, 15 * time.Minute // of the zones there are
	return apart <= max(farthest, unit) && apart%step == 0
}

// units has what a time is exact to.
var units = [...]time.Duration{
	listing.PrecisionDay:      24 * time.Hour,
	listing.PrecisionMinute:   time.Minute,
	listing.PrecisionSecond:   time.Second,
	listing.PrecisionFraction: time.Nanosecond,
}
