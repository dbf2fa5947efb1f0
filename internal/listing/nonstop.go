package listing

import "strings"

// nonStop parses a line of HPE NonStop (Tandem) with the files of Guardian. Those
// of its OSS are listed as by ls.
//
//	File         Code             EOF  Last Modification    Owner  RWEP
//	EMSACSTM      101             146  18-Sep-00 09:03:37 170,175 "nunu"
//	TACLCSTM   O  101             101  4-Mar-01  23:50:06 255,255 "oooo"
func nonStop(e *Entry, line string, cal *calendar, known bool) (reason string) {
	var f fields
	f.split(line)
	if !known && !(f.n >= 6 && strings.Count(line, ",") >= 1 && strings.HasSuffix(line, "\"") && strings.Count(line, "-") >= 2) {
		return notMine
	}
	date := 3 // behind name, code and end of file
	if len(f.at(1)) == 1 && !isNumber(f.at(1)) {
		date = 4 // O marks an open file
	}
	*e = Entry{Name: f.at(0), Type: TypeFile}
	var ok bool
	if e.Size, ok = parseSize(f.at(date - 1)); f.n < 5 || !ok && !strings.Contains(f.at(date), "-") {
		return "no size and date"
	}
	if d, ok := textualDate(&f, date); ok {
		cal.setUnixTime(e, d)
	}
	group, owner, ok := strings.Cut(f.at(date+2), ",")
	if ok && owner == "" {
		owner = f.at(date + 3) // 244, 10
	}
	e.Group, e.Owner = group, owner
	return ""
}
