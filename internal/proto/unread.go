package proto

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

const (
	// mostUnread is how many lines a ListingError keeps, and unreadBytes how much
	// of each.
	mostUnread  = 100
	unreadBytes = 1024
	// quotedBytes is how much of the first line the text of the error has.
	quotedBytes = 200
)

// ListingError says which lines of a listing could not be understood.
type ListingError struct {
	Dir   string   // in the session's directory; "." for that
	Lines []string // the first of them, quoted where a terminal would obey them
	More  int      // how many there are beyond Lines
	Why   string   // what is wrong with the first
}

// Add adds a line.
func (e *ListingError) Add(line, why string) {
	if len(e.Lines) == 0 {
		e.Why = why
	}
	if len(e.Lines) == mostUnread {
		e.More++
		return
	}
	e.Lines = append(e.Lines, Quote(strings.Clone(line[:min(len(line), unreadBytes)])))
}

// Count returns how many lines there are.
func (e *ListingError) Count() int {
	if e == nil {
		return 0
	}
	return len(e.Lines) + e.More
}

// Mentions reports whether a name may be in one of the lines.
func (e *ListingError) Mentions(name string) bool {
	quoted := Quote(name)
	for _, line := range e.Lines {
		if strings.Contains(line, quoted) || len(line) >= unreadBytes {
			return true
		}
	}
	return e.More > 0
}

func (e *ListingError) Error() string {
	if len(e.Lines) == 0 {
		return "a listing that is not understood"
	}
	first := e.Lines[0]
	if len(first) > quotedBytes {
		first = strings.ToValidUTF8(first[:quotedBytes], "") + "..."
	}
	what := "a line"
	if n := e.Count(); n > 1 {
		what = fmt.Sprintf("%d lines", n)
	}
	return fmt.Sprintf("%s of the listing of %s not understood: %s: %s", what, Quote(e.Dir), first, e.Why)
}

// Is reports whether target is [fs.ErrPermission] and the listing has nothing but the
// word of ls that it may not open the directory.
func (e *ListingError) Is(target error) bool { return target == fs.ErrPermission && e.Closed() }

// Closed reports whether the one line says that the directory may not be opened, as
// inetutils-ftpd sends the errors of ls.
func (e *ListingError) Closed() bool {
	if e.Count() != 1 {
		return false
	}
	what, denied := strings.CutSuffix(strings.ToLower(strings.TrimSpace(e.Lines[0])), ": permission denied")
	what = strings.TrimPrefix(strings.TrimPrefix(what, "ls: "), "cannot open directory ")
	what = strings.Trim(what, "'\"`\u2018\u2019")
	return denied && (what == "." || what == "./" || what == strings.ToLower(e.Dir))
}

// As makes the public form of the error be found in its place.
func (e *ListingError) As(target any) bool {
	return Public.Listing != nil && errors.As(Public.Listing(e), target)
}

// Unread returns err as a ListingError, nil if it is something else.
func Unread(err error) *ListingError {
	var le *ListingError
	if errors.As(err, &le) {
		return le
	}
	return nil
}
