package listing

import "strings"

// A unixForm has what was seen in a line of ls besides its entry.
type unixForm struct {
	netware bool // the permissions are NetWare's
}

// line parses a line of "ls -l". Most servers send it, whether they run ls, as
// wu-ftpd did, or have their own: vsftpd, ProFTPD, Pure-FTPd, FileZilla Server,
// IIS if it is set so, NetPresenz on Macs, Connect:Enterprise, and NetWare with
// permissions in brackets:
//
//	-rw-r--r--   1 root     other        531 Jan 29 03:26 README
//	brw-rw----   1 root     disk      8,   0 2024-02-29 10:00 sda
//	d [R----F--] supervisor            512       Jan 16 18:53    login
//
// What stands between the permissions and the size varies too much to be
// counted; the date, with the size before it, is what tells where the name
// begins. Exactly one space separates them. The date has only to look like one:
// where it means nothing the time is unknown.
func (x *unixForm) line(e *Entry, line string, cal *calendar) (reason string) {
	*e = Entry{Size: -1}
	text := line
	if text[0] == ' ' || text[0] == '\t' {
		text = strings.TrimLeft(text, " \t")
	}
	perm, ok := e.permissions(text)
	if !ok && isDigit(text[0]) {
		rest := behindNumbers(text)
		if perm, ok = e.permissions(rest); !ok {
			return numericMode(e, text)
		}
		text = rest
	}
	if !ok {
		return notMine
	}
	x.netware = perm.netware
	var f fields
	f.splitN(text[perm.end:], 9)
	c, ok := unixColumns{cal, &f}.find(e.Type)
	if !ok && f.n == 9 {
		f.split(text[perm.end:])
		c, ok = unixColumns{cal, &f}.find(e.Type)
	}
	if !ok {
		return e.withoutDate(&f)
	}
	name := f.after(c.date.last)
	if name == "" {
		return "no name"
	}
	e.setUnixSize(&f, c)
	if perm.enterprise {
		e.Owner, e.Group = f.at(1), ""
	}
	cal.setUnixTime(e, c.date)
	if perm.netware || c.date.padding == padAny {
		e.Name = strings.TrimLeft(name, " \t")
	} else {
		e.Name = cal.filled.unpadded(e, name[1:], c.date.padding, &cal.tongue)
	}
	if e.Type == TypeLink {
		e.Name, e.Target = cutTarget(e.Name, e.Size)
	}
	return ""
}

// behindNumbers returns what follows one or two numbers: ls -li and -ls have
// inodes and blocks before the permissions.
func behindNumbers(text string) string {
	for range 2 {
		n := leadingDigits(text)
		if n == 0 || n == len(text) || text[n] != ' ' {
			break
		}
		text = strings.TrimLeft(text[n:], " ")
	}
	return text
}

// columnsFound are the columns around the name's: where the date ends and how
// large the file is.
type columnsFound struct {
	date unixDate
	size unixSize
}

// find finds the date and the size before it. The columns of ls come first,
// those that others leave out or add next, and words that are in no language
// last: a name may hold a date, too.
func (u unixColumns) find(t Type) (c columnsFound, ok bool) {
	const usual = 4            // behind links, owner, group and size
	if english(u.at(1)) != 0 { // nothing but the size before it
		if c, ok = u.findAt(1, t, false); ok && !c.date.unknown {
			return c, true
		}
	}
	if c, ok = u.findAt(usual, t, false); ok {
		return c, true
	}
	var loose columnsFound
	found := false
	for i := 1; i < usual; i++ {
		if c, ok = u.findAt(i, t, false); ok && !c.date.unknown {
			return c, true
		} else if ok && !found {
			loose, found = c, true
		}
	}
	if found {
		return loose, true
	}
	if c, ok = u.findAt(usual, t, true); ok {
		return c, true
	}
	if c, ok = u.oddSize(usual, t); ok {
		return c, true
	}
	for i := usual + 1; i < u.n; i++ {
		if c, ok = u.findAt(i, t, false); ok {
			return c, true
		}
	}
	for i := usual - 1; i < u.n; i++ {
		if c, ok = u.findAt(i, t, true); ok && !c.date.unknown && (c.date.year == 0 || c.date.year >= 1900) {
			return c, true
		}
	}
	return u.oddSize(u.n, t)
}

func (u unixColumns) findAt(i int, t Type, anyWord bool) (c columnsFound, ok bool) {
	if i >= u.n {
		return c, false
	}
	if c.size, ok = sizeField(u.fields, i-1, t); !ok {
		return c, false
	}
	if c.date, ok = u.dateAt(i, anyWord); ok && i > 4 {
		u.spacedSize(&c.size)
	}
	return c, ok
}

// oddSize finds a date of a known month behind a group with the size glued to
// it, as where a column is full, and behind none, in the first n words.
func (u unixColumns) oddSize(n int, t Type) (c columnsFound, ok bool) {
	for i := 1; i < min(n, u.n); i++ {
		if c.date, ok = u.dateAt(i, false); !ok || !c.date.worded || c.date.unknown || leadingDigits(u.at(i)) > 2 {
			continue
		}
		word := u.at(i - 1)
		start := len(strings.TrimRight(word, "0123456789"))
		c.size = unixSize{bytes: -1, first: i}
		if t == TypeOther {
			return c, true // the numbers of a device
		}
		if n, ok := parseSize(word[start:]); ok && i > 1 && start > 0 && isLetter(word[start-1]) {
			u.pos[i-1][1] -= len(word) - start // the rest is the owner or the group
			c.size.bytes = n
		}
		return c, true
	}
	return c, false
}

// spacedSize takes the numbers before a size for its thousands, where links, owner
// and group are before them.
func (u unixColumns) spacedSize(s *unixSize) {
	const usual = 3 // behind links, owner and group
	if len(u.at(s.first)) != 3 || !isNumber(u.at(s.first)) || !isNumber(u.at(0)) {
		return
	}
	for i := usual; i < s.first; i++ {
		if u.pos[i+1][0]-u.pos[i][1] != 1 {
			return
		}
	}
	text := u.line[u.pos[usual][0]:u.pos[s.first][1]]
	switch n, ok := groupedSize(strings.ReplaceAll(text, " ", "'")); {
	case ok && s.first-usual > 1:
		*s = unixSize{n, usual}
	case ok:
		s.bytes = -1 // the first may as well be the group of an owner with a blank
	}
}

// withoutDate reads a line whose columns end with the size, and the line of ls
// for a file that it could not look at. The name is one word then: of several,
// some may be columns.
func (e *Entry) withoutDate(f *fields) (reason string) {
	if f.n > 5 && f.at(0) == "?" && f.at(3) == "?" && f.at(4) == "?" {
		e.Name = strings.TrimPrefix(f.after(4), " ")
		if e.Type == TypeLink {
			e.Name, e.Target = cutTarget(e.Name, -1)
		}
		return ""
	}
	if f.n != 5 || !isNumber(f.at(0)) || f.rest(4) != "" || strings.IndexByte("0123456789", f.at(4)[0]) >= 0 || monthOf(f.at(4)) != 0 {
		return "no size and date"
	}
	size, ok := parseSize(f.at(3))
	if !ok {
		return "no size and date"
	}
	e.setUnixSize(f, columnsFound{size: unixSize{size, 3}, date: unixDate{first: 4}})
	e.Name = f.at(4)
	return ""
}

// numericMode parses a line of a server that leaves nothing to be read:
//
//	0100644   500  101   12345    123456789       name
func numericMode(e *Entry, text string) (reason string) {
	var f fields
	f.splitN(text, 6)
	mode := f.at(0)
	bits, ok := octal(mode)
	if f.n < 6 || !ok || len(mode) < 5 || len(mode) > 7 || !isNumber(f.at(1)) || !isNumber(f.at(2)) || !isNumber(f.at(3)) {
		return notMine
	}
	*e = Entry{Mode: unixMode(bits), HasMode: true, Owner: f.at(1), Group: f.at(2)}
	switch bits >> 12 {
	case 0o10:
		e.Type = TypeFile
	case 0o4:
		e.Type = TypeDir
	case 0o12:
		e.Type = TypeLink
	case 0o1, 0o2, 0o6, 0o14:
		e.Type = TypeOther
	default:
		return notMine
	}
	e.Size, _ = parseSize(f.at(3))
	if seconds, ok := parseSize(f.at(4)); ok {
		e.setUnixSeconds(seconds)
	} else {
		return notMine
	}
	e.Name = strings.TrimLeft(f.after(4), " \t")
	if e.Type == TypeLink {
		e.Name, e.Target = cutTarget(e.Name, e.Size)
	}
	return ""
}

// A unixSize is the size column, or the two numbers of a device.
type unixSize struct {
	bytes int64
	first int // index of the column's first word
}

// sizeField reads the size in the word with index i. One that is rounded
// (33.5k), too large or negative is unknown, and so is a device's.
func sizeField(f *fields, i int, t Type) (unixSize, bool) {
	word := f.at(i)
	if t == TypeOther {
		if major, minor, ok := strings.Cut(word, ","); ok && isNumber(major) && isNumber(minor) {
			return unixSize{-1, i}, true
		}
		if major, ok := strings.CutSuffix(f.at(i-1), ","); ok && isNumber(major) && isNumber(word) {
			return unixSize{-1, i - 1}, true
		}
	}
	if n, ok := parseSize(word); ok {
		return unixSize{n, i}, true
	}
	if isNumber(word) || word[0] == '-' && (len(word) == 1 || isNumber(word[1:])) {
		return unixSize{-1, i}, true
	}
	if !isDigit(word[0]) {
		return unixSize{}, false
	}
	if n, ok := groupedSize(word); ok {
		return unixSize{n, i}, true
	}
	return unixSize{-1, i}, rounded(word)
}

// rounded recognises 33.5k, 4,0K, 12KB and 1.5MiB.
func rounded(word string) bool {
	number := strings.TrimRight(word, "iBkKmMgGtTpP")
	unit := len(word) - len(number)
	whole, fraction, _ := strings.Cut(strings.ReplaceAll(number, ",", "."), ".")
	return unit >= 1 && unit <= 3 && isNumber(whole) && (fraction == "" || isNumber(fraction))
}

// setUnixSize sets the size and what the columns before it say.
func (e *Entry) setUnixSize(f *fields, c columnsFound) {
	e.Size = c.size.bytes
	if f.at(0) == "folder" && e.Type == TypeDir && c.date.first == 2 {
		e.Size = -1 // NetPresenz counts the entries
		return
	}
	e.setOwners(f, c.size.first)
	if e.HasMode && e.Mode == 0 && e.Owner == "owner" && e.Group == "group" {
		e.HasMode = false // IIS knows no modes, and says so in this way
	}
}

// setOwners reads owner and group from the first n words, the count of links
// among them or not. Names with spaces in them are told apart where wider gaps
// separate the columns, else left unknown.
func (e *Entry) setOwners(f *fields, n int) {
	first := 0
	if mark := f.at(0); n > 1 && len(mark) == 4 && strings.Trim(mark, "-apsl") == "" {
		first = 1 // extended attributes on z/OS
	}
	if n > first && isNumber(f.at(first)) {
		first++
	}
	switch n - first {
	case 0:
	case 1:
		e.Owner = f.at(first)
	case 2:
		e.Owner, e.Group = f.at(first), f.at(first+1)
	default:
		columns := strings.TrimSpace(f.line[f.pos[first][0]:f.pos[n-1][1]])
		owner, group, ok := strings.Cut(columns, "  ")
		group = strings.TrimLeft(group, " ")
		if ok && !strings.Contains(group, "  ") {
			e.Owner, e.Group = owner, group
		}
	}
}

// cutTarget splits "name -> target". Either may hold an arrow of its own: then
// the size decides, which for a link is the target's length, else the first one.
func cutTarget(text string, size int64) (name, target string) {
	const arrow = " -> "
	for i := 0; ; {
		j := strings.Index(text[i:], arrow)
		if j < 0 {
			break
		}
		i += j
		if int64(len(text)-i-len(arrow)) == size {
			return text[:i], text[i+len(arrow):]
		}
		i++
	}
	name, target, _ = strings.Cut(text, arrow)
	return strings.TrimSuffix(name, " ->"), target
}
