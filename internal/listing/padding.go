package listing

// A padding says how a date column is filled up with blanks.
type padding uint8

const (
	padNone padding = iota
	padYear         // by one blank, or not: others with a time are one letter wider
	padISO          // the same of 2005-06-07, whose neighbours may be 06-07 21:22
	padCR           // not a date: the line ended in a carriage return more
	padAny          // by any number of blanks
)

// A padState says whether a column is filled up with blanks.
type padState uint8

const (
	padUnknown padState = iota
	padYes
	padNo
)

// enoughPadded is the number of names that begin with a blank one after the other
// from which on it is the column's.
const enoughPadded = 4

// A filled is what a listing has shown of columns that may be filled up.
type filled struct {
	columns [padCR]padState
	guessed int // names that were taken for padded
}

// set sets whether a column is filled up, unless that is known.
func (f *filled) set(column padding, pads bool) {
	switch {
	case f.columns[column] != padUnknown:
	case pads:
		f.columns[column] = padYes
	default:
		f.columns[column] = padNo
	}
}

// unpadded takes off the blank with which some fill up a date. Whether they do
// the listing has to show: a name may begin with a blank.
func (f *filled) unpadded(e *Entry, name string, column padding, t *tongue) string {
	if column == padNone {
		return name
	}
	if f.columns[column] == padUnknown {
		if pads, known := t.pads(column); known {
			f.set(column, pads)
		}
	}
	blank := len(name) > 1 && name[0] == ' '
	switch {
	case !blank:
		f.set(column, false)
		return name
	case f.columns[column] == padNo:
		return name
	case f.columns[column] == padUnknown:
		if f.guessed++; f.guessed >= enoughPadded {
			f.set(column, true)
		} else {
			e.doubt = column
		}
	}
	return name[1:]
}
