package proto

import (
	"strconv"
	"strings"
)

// unopenedWords say that a directory could not be read, in a reply that is
// positive.
var unopenedWords = words{{"failed to open directory", "vsftpd"}}

// Unopened reports whether the closing reply of a listing says that the directory
// could not be read.
func (r Reply) Unopened() bool { return r.Completed() && unopenedWords.in(r.lower()) }

// Matches returns how many lines a listing has by its closing reply, as in "226 12
// matches total" of Pure-FTPd, and whether the reply tells.
func (r Reply) Matches() (int, bool) {
	for _, line := range r.Lines {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(number, 10, 31)
		if err == nil && (strings.HasPrefix(rest, "matches") || strings.HasPrefix(rest, "match ")) {
			return int(n), true
		}
	}
	return 0, false
}
