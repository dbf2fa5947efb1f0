package listing

import (
	"strconv"
	"strings"
)

// maxFields is more than any format has in front of the name.
const maxFields = 20

// fields are the first words of a line with their places, so that what follows a
// word can be taken as it stands. It needs no memory of its own.
type fields struct {
	line string
	n    int
	pos  [maxFields][2]int
}

func (f *fields) split(line string) {
	f.line, f.n = line, 0
	for i := 0; f.n < maxFields; f.n++ {
		for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
			i++
		}
		if i == len(line) {
			return
		}
		start := i
		for i < len(line) && line[i] != ' ' && line[i] != '\t' {
			i++
		}
		f.pos[f.n] = [2]int{start, i}
	}
}

// at returns the word with index i, "" if there is none.
func (f *fields) at(i int) string {
	if i < 0 || i >= f.n {
		return ""
	}
	return f.line[f.pos[i][0]:f.pos[i][1]]
}

// after returns what follows the word with index i.
func (f *fields) after(i int) string { return f.line[f.pos[i][1]:] }

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// parseSize reads a number of bytes; ok is false for anything else, too large a
// number included.
func parseSize(s string) (n int64, ok bool) {
	if !isNumber(s) {
		return -1, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return -1, false
	}
	return n, true
}

// smallInt reads a number of at most four digits.
func smallInt(s string) (int, bool) {
	if len(s) > 4 || !isNumber(s) {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}
