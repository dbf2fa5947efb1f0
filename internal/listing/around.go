package listing

import "strings"

// crEnds says what a carriage return in front of a line's end means.
type crEnds uint8

const (
	crUnknown crEnds = iota
	crNames          // it is the name's: other lines have none
	crLines          // all lines have one: their ends were converted twice
)

// A lineEnds is what carriage returns at the ends of lines mean.
type lineEnds struct {
	mean    crEnds
	crLines int  // lines with one so far
	guessed bool // the last line's was taken off on its own word
}

// trim takes off what servers put around a line: a byte order mark, NUL of a
// program in C, a second carriage return, and the end of a file of CP/M.
func (l *lineEnds) trim(line string, num, entries int) string {
	l.guessed = false
	if num == 1 {
		line = strings.TrimPrefix(line, "\ufeff")
	}
	if line == "" {
		return line
	}
	if line[0] == 0 || line[len(line)-1] == 0 {
		line = strings.Trim(line, "\x00")
	}
	if len(line) > 0 && line[0] == 0x1a && strings.Trim(line, "\x1a\x00") == "" {
		return ""
	}
	if blank(line) {
		return ""
	}
	if line[0] == '\r' {
		line = line[1:] // of a line that ends in LF CR
	}
	if line[len(line)-1] != '\r' {
		if l.mean == crUnknown {
			l.mean = crNames
		}
		return line
	}
	if l.mean == crNames || l.mean == crUnknown && strings.HasSuffix(line, " Icon\r") {
		return line // macOS has such a file in folders with an icon of their own
	}
	if l.mean == crUnknown && entries == 0 && num > 1 || l.crLines > 0 {
		l.mean = crLines
	}
	l.crLines++
	l.guessed = l.mean == crUnknown
	return line[:len(line)-1]
}

// aside recognises lines that are no entries and no headings of a form: a total
// in a language that is not known here, and the name of the directory.
func (p *Parser) aside(line string, afterBlank bool) (reason string) {
	if !p.fixed && dosAside(line) && (p.format == FormatDOS || p.format == FormatAuto && p.entries == 0 && line[1] != ' ') {
		return noEntry
	}
	if p.fixed || p.format != FormatAuto && p.format != FormatUnix {
		return ""
	}
	if _, total := totalOf(line); total && p.entries == 0 || sum(line) {
		return noEntry
	}
	if line[len(line)-1] != ':' || symbolic(line) {
		return ""
	}
	if p.entries == 0 {
		return noEntry // ".:", as ls says with several arguments
	}
	if afterBlank {
		p.foreign = true
		return "the listing goes on with another directory"
	}
	return ""
}

// sum recognises what Emacs and careful servers make of a total.
func sum(line string) bool {
	var f fields
	f.split(strings.ToLower(line))
	if f.n < 3 || f.n > 8 || f.at(0) != "total" && f.at(0) != "total:" {
		return false
	}
	for i := 1; i < f.n; i++ {
		switch word := strings.Trim(f.at(i), ".,"); word {
		case "of", "used", "in", "directory", "available", "and", "file", "files", "file(s)", "bytes", "byte(s)", "directories":
		default:
			if _, ok := groupedSize(word); !ok && !rounded(word) {
				return false
			}
		}
	}
	return true
}

// dosAside recognises what dir says around its entries in whatever language: the
// drive, its number, its path, and below the entries how many they are. All of it
// is indented, as no entry is.
func dosAside(line string) bool {
	var f fields
	f.split(line)
	if f.n < 2 || line[0] != ' ' {
		return false
	}
	if isNumber(f.at(0)) {
		return f.pos[0][0] > 8 && strings.HasSuffix(strings.TrimRight(f.at(1), ","), ")") && leadingDigits(f.at(1)) == 0 // 3 Datei(en)
	}
	for i := 1; i < f.n; i++ {
		word := f.at(i)
		if len(word) >= 2 && isLetter(word[0]) && word[1] == ':' && (len(word) == 2 || word[2] == '\\') {
			return true
		}
		if i == f.n-1 && len(word) == 9 && word[4] == '-' && strings.Trim(word, "-0123456789ABCDEF") == "" {
			return true // 1234-ABCD
		}
	}
	return false
}

// reply recognises the lines of a reply to STAT on the data connection, and
// returns what one of them has of a listing.
func (p *Parser) reply(line string) (text string, ok bool) {
	if p.fixed || len(line) < 5 || line[:2] != "21" || line[2] < '1' || line[2] > '3' || p.format != FormatAuto && p.format != FormatUnix {
		return "", false
	}
	rest := strings.TrimLeft(line[4:], " ")
	switch line[3] {
	case '-':
		if symbolic(rest) {
			return rest, true
		}
		return "", true
	case ' ':
		rest = strings.ToLower(rest)
		return "", strings.Contains(rest, "status") || strings.HasPrefix(rest, "end")
	}
	return "", false
}

// symbolic reports whether a line begins as one of ls does.
func symbolic(line string) bool {
	var e Entry
	_, ok := e.permissions(line)
	return ok
}

// heading recognises lines that every listing of some format may carry besides
// its entries.
func (p *Parser) heading(line string) bool {
	if table := p.format == FormatAuto || p.format == FormatVxWorks || p.format == FormatOS9; table && p.entries == 0 {
		if ruler := strings.Trim(line, " "); len(ruler) > 8 && strings.Trim(ruler, "- ") == "" {
			return true // below a heading
		}
	}
	f, ok := headingOf(line)
	switch {
	case ok && p.entries > 0 && (f == FormatVxWorks || f == FormatOS9):
		return false // another directory may follow
	case ok && f == FormatVMS && p.format == FormatAuto && strings.HasSuffix(strings.Fields(line)[0], "otal"):
		return true // a sum, which others have above their entries
	}
	if ok && (p.format == FormatAuto || f == p.format || zOS(f) && zOS(p.format)) {
		p.format = f
		return true
	}
	if p.format != FormatAuto && p.format != FormatUnix {
		return false
	}
	if word, ok := totalOf(line); !ok || !p.calendar.tongue.total(word) {
		return false
	}
	p.format = FormatUnix
	return true
}

// headingOf knows the headings of one format.
func headingOf(line string) (Format, bool) {
	var f fields
	f.splitN(line, 4)
	if f.n < 2 {
		return FormatAuto, false
	}
	first, second := f.at(0), f.at(1)
	switch first {
	case "size":
		return FormatVxWorks, second == "date" && f.at(2) == "time"
	case "Owner":
		return FormatOS9, second == "Last" && f.at(2) == "modified"
	case "Volume":
		if second == "Unit" {
			return FormatDatasets, true
		}
		return FormatDOS, second == "in" || second == "Serial"
	case "Name":
		return FormatMembers, second == "VV.MM" || second == "Size" && f.at(2) == "TTR"
	case "File":
		return FormatNonStop, second == "Code" && f.at(2) == "EOF"
	case "JOBNAME":
		return FormatJES, second == "JOBID"
	case "Directory":
		if second == "of" {
			if timelike(f.at(3)) && strings.Contains(f.at(3), ":") { // which no name on DOS has
				return FormatOS9, true
			}
			return FormatDOS, true
		}
		return FormatVMS, strings.Contains(second, "[") && strings.Contains(second, "]")
	case "Total", "Grand":
		if strings.Contains(line, " block") || strings.Contains(line, " file") {
			return FormatVMS, true
		}
	}
	if isNumber(first) {
		return FormatDOS, second == "File(s)" || second == "Dir(s)"
	}
	return FormatAuto, false
}

// totalOf returns the word or the few words with which ls announces the sum of
// blocks, in any language: a number follows, and nothing else.
func totalOf(line string) (word string, ok bool) {
	line = strings.Trim(line, " \t")
	at := strings.LastIndexAny(line, " \t")
	if at < 1 {
		return "", false
	}
	number := line[at+1:]
	if !isNumber(number) && !rounded(number) {
		if _, ok := groupedSize(number); !ok {
			return "", false
		}
	}
	word = strings.TrimRight(line[:at], " \t:")
	if word == "" || len(word) > maxWord || strings.Count(word, " ") > 2 || strings.ContainsAny(word, "0123456789/;=+.[]\t") {
		return "", false
	}
	return word, word[0] != '-'
}

// skipAbove recognises a total above a listing of facts: MLSD by a program that
// has ls at hand.
func (p *Parser) skipAbove(line string) bool {
	if p.format != FormatMLSx || p.num > 0 || strings.ContainsAny(line, ";=") {
		return false
	}
	_, ok := totalOf(strings.TrimRight(line, "\r"))
	return ok
}
