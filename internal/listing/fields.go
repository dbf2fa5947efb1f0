package listing

import (
	"math"
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

func (f *fields) split(line string) { f.splitN(line, maxFields) }

// splitN takes no more than n words.
func (f *fields) splitN(line string, n int) {
	f.line, f.n = line, 0
	for i := 0; f.n < n; f.n++ {
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

// behind returns the name behind the word with index i, whose column has a width;
// more spaces than that are the name's own.
func (f *fields) behind(i, width int) string {
	rest := f.after(i)
	if pad := width - len(f.at(i)); pad > 0 && len(rest) > pad && strings.Trim(rest[:pad], " ") == "" {
		return rest[pad:]
	}
	return strings.TrimLeft(rest, " \t")
}

// rest returns what follows the word with index i, without blanks around it.
func (f *fields) rest(i int) string { return strings.Trim(f.after(i), " \t") }

func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// parseSize reads a number of bytes; ok is false for anything else, too large a
// number included.
func parseSize(s string) (n int64, ok bool) {
	for i := range len(s) {
		digit := s[i] - '0'
		if digit > 9 || uint64(n) > math.MaxInt64/10 {
			return -1, false
		}
		n = n*10 + int64(digit)
	}
	if s == "" || n < 0 {
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
