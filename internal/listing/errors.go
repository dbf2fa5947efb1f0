package listing

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxQuoted bounds how much of a line an error's text repeats, and maxKept how
// much of it the error keeps.
const (
	maxQuoted = 200
	maxKept   = 1024
)

// A LineError is a line that could not be understood.
type LineError struct {
	Line   string // the line as it came, cut after 1024 bytes
	Num    int    // its number in the listing, from 1; 0 if it stands alone
	Reason string
}

// newLineError returns an error that holds on to no more than it has of the line.
func newLineError(line string, num int, reason string) *LineError {
	return &LineError{Line: strings.Clone(cut(line, maxKept)), Num: num, Reason: reason}
}

// cut returns the beginning of s, in at most n bytes and with whole letters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for end := n; end > n-utf8.UTFMax; end-- {
		if utf8.RuneStart(s[end]) {
			return s[:end]
		}
	}
	return s[:n]
}

// Error quotes the line, cut to a length that suits a log.
func (e *LineError) Error() string {
	where := "listing: "
	if e.Num > 0 {
		where = "listing: line " + strconv.Itoa(e.Num) + ": "
	}
	line, more := cut(e.Line, maxQuoted), ""
	if len(line) < len(e.Line) {
		more = "..."
	}
	return where + e.Reason + ": " + strconv.Quote(line) + more
}
