package listing

import "strconv"

// maxQuoted bounds how much of a line an error repeats.
const maxQuoted = 200

// A LineError is a line that could not be understood.
type LineError struct {
	Line   string // the line, whole but for an overlong one
	Num    int    // its number in the listing, from 1; 0 if it stands alone
	Reason string
}

// Error quotes the line, cut to a length that suits a log.
func (e *LineError) Error() string {
	where := "listing: "
	if e.Num > 0 {
		where = "listing: line " + strconv.Itoa(e.Num) + ": "
	}
	line, more := e.Line, ""
	if len(line) > maxQuoted {
		line, more = line[:maxQuoted], "..."
	}
	return where + e.Reason + ": " + strconv.Quote(line) + more
}
