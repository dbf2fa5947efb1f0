package listing

import "strings"

// Here are the tables of systems that have few servers left.

// vxworks parses a line of VxWorks, in controllers and instruments, and of
// VShell, which writes the size first, too:
//
//	    2048    Feb-28-1998  05:23:30   logs              <DIR>
//	206876  Apr 04, 2000 21:06 file
//	0  Dec 12, 2002 02:13 directory/
func vxworks(e *Entry, line string, cal *calendar) (reason string) {
	var f fields
	f.splitN(line, 6)
	*e = Entry{Type: TypeFile}
	size := f.at(0)
	if !isNumber(size) || f.n < 4 {
		return notMine
	}
	e.Size, _ = parseSize(size)
	var d unixDate
	if year, ok := yearColumn(f.at(3)); ok && f.n > 5 && strings.HasSuffix(f.at(2), ",") && monthOf(f.at(1)) != 0 && timelike(f.at(4)) {
		d.month, d.last = monthOf(f.at(1)), 4
		d.setYear(year)
		d.unknown = !d.timeOfDay(f.at(4)) || !d.setDay(f.at(2))
		e.Name = strings.TrimPrefix(f.after(4), " ")
	} else if d, ok = textualDate(&f, 1); ok && d.last == 2 {
		e.Name = strings.Trim(f.after(2), " \t")
		if name, ok := strings.CutSuffix(e.Name, "<DIR>"); ok {
			e.Name, e.Type = strings.TrimRight(name, " \t"), TypeDir
		}
	} else {
		return notMine
	}
	if len(e.Name) > 1 && strings.HasSuffix(e.Name, "/") {
		e.Type = TypeDir
	}
	cal.setUnixTime(e, d)
	return ""
}

// os2 parses a line of OS/2:
//
//	     0           DIR   05-12-97   16:44  LANGUAGE
//	587823    RSA    DIR   01-08-97   13:58  OS2KRNL
//	 33280      A          02-09-97   13:49  OS2LDR
func os2(e *Entry, line string, cal *calendar) (reason string) {
	var f fields
	f.splitN(line, 6)
	*e = Entry{Type: TypeFile}
	if !isNumber(f.at(0)) {
		return notMine
	}
	e.Size, _ = parseSize(f.at(0))
	at := 1
	for ; at < f.n && strings.Trim(f.at(at), "RASHDI") == "" && len(f.at(at)) <= 5; at++ {
		if f.at(at) == "DIR" {
			e.Type = TypeDir
		}
	}
	if at > 3 || at+2 >= f.n || !timelike(f.at(at+1)) {
		return notMine
	}
	if !cal.setNumbers(e, f.at(at), f.at(at+1), dosOrders(f.at(at))) {
		return notMine
	}
	e.Name = strings.TrimLeft(f.after(at+1), " ")
	return ""
}

// os9 parses a line of Microware OS-9. The attributes begin with d for a
// directory, and the size is the last column before the name:
//
//	0.0    97/08/01 1020   d-ewrewr      30      1024 CMDS
func os9(e *Entry, line string, cal *calendar) (reason string) {
	var f fields
	f.splitN(line, 7)
	group, owner, ok := strings.Cut(f.at(0), ".")
	attributes := f.at(3)
	if !ok || f.n < 7 || !isNumber(group) || !isNumber(owner) || len(attributes) != 8 || strings.Trim(attributes, "-dsewr") != "" {
		return notMine
	}
	*e = Entry{Type: TypeFile, Group: group, Owner: owner}
	e.Size, _ = parseSize(f.at(5))
	if attributes[0] == 'd' {
		e.Type = TypeDir
	}
	if l, ok := newLate(f.at(1), preference{orderYMD}); ok && len(f.at(2)) == 4 && isNumber(f.at(2)) {
		c, ok := l.ordered(orderYMD, cal.year)
		if ok && c.timeOfDay(f.at(2)[:2]+":"+f.at(2)[2:]) {
			cal.setTime(e, c)
		}
	}
	e.Name = strings.TrimPrefix(f.after(5), " ")
	return ""
}

// vm parses a line of z/VM, which has names of two words. The size is in records:
//
//	PROFILE  EXEC     V        65      107        2 2005-10-04 15:28:42 060191
func vm(e *Entry, line string, cal *calendar) (reason string) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$#@+-:_"
	var f fields
	f.splitN(line, 9)
	format := f.at(2)
	if f.n < 8 || format != "V" && format != "F" && format != "DIR" || strings.Count(f.at(6), "-") != 2 && strings.Count(f.at(6), "/") != 2 || !timelike(f.at(7)) {
		return notMine
	}
	if strings.Trim(strings.ToUpper(f.at(0)+f.at(1)), letters) != "" {
		return notMine
	}
	*e = Entry{Name: f.at(0) + "." + f.at(1), Type: TypeFile, Size: -1, Owner: f.at(8)}
	if format == "DIR" {
		e.Name, e.Type = f.at(0), TypeDir
	}
	cal.setNumbers(e, f.at(6), f.at(7), preference{orderYMD, orderMDY})
	return ""
}

// nortel parses a line of the routers' wfFtp:
//
//	config       1014196  06/03/04  Thur.   10:20:03
func nortel(e *Entry, line string, cal *calendar) (reason string) {
	var f fields
	f.splitN(line, 6)
	if f.n != 5 || !isNumber(f.at(1)) || !timelike(f.at(4)) || len(f.at(3)) > 6 || strings.Count(f.at(2), "/") != 2 {
		return notMine
	}
	*e = Entry{Name: f.at(0), Type: TypeFile}
	e.Size, _ = parseSize(f.at(1))
	cal.setNumbers(e, f.at(2), f.at(4), preference{orderMDY, orderDMY})
	return ""
}
