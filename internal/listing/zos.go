package listing

import "strings"

// dataset parses a line of z/OS (MVS, OS/390) in a list of data sets. Its UNIX
// files are listed as by ls.
//
//	Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname
//	WYOSPT 3420   2003/05/21  1  200  FB      80  8053  PS  48-MVS.FILE
//	Migrated                                                49-MVS.FILE
//
// A partitioned data set is a directory. The date is that of the last reference,
// not of a change, so the time is unknown, and so is the size, in tracks.
func dataset(e *Entry, line string, known bool) (reason string) {
	var f fields
	f.split(line)
	if f.n < 2 || !known && !fullDataset(&f) {
		return notMine
	}
	*e = Entry{Name: f.at(f.n - 1), Type: TypeFile, Size: -1}
	if !validDsname(e.Name) {
		return "no data set name"
	}
	switch f.at(f.n - 2) {
	case "PS", "PS-E", "PS-L", "PSU", "DA":
		return ""
	case "PO", "PO-E", "POU":
		e.Type = TypeDir
		return ""
	case "VSAM", "PATH", "AIX", "GDG", "HFS", "ZFS", "IS", "U":
		e.Type = TypeOther
		return ""
	}
	switch first := f.at(0); {
	case first == "Pseudo" && f.at(1) == "Directory":
		e.Type = TypeDir
	case first == "Migrated", first == "MIGRAT", first == "ARCIVE", first == "Tape", strings.EqualFold(f.at(1), "Tape"), strings.Contains(line, "Not Direct Access"):
	case strings.HasPrefix(line, "Not Mounted"), strings.HasPrefix(line, "Error determining attributes"), strings.HasPrefix(line, "GDG base"):
		e.Type = TypeOther
	default:
		return "unknown kind of data set"
	}
	return ""
}

// fullDataset recognises a line without the heading before it.
func fullDataset(f *fields) bool {
	date, kind := f.at(2), f.at(f.n-2)
	if f.n == 3 && strings.EqualFold(f.at(1), "Tape") || f.n == 4 && kind == "VSAM" && isNumber(f.at(1)) || f.n == 2 && f.at(0) == "Migrated" {
		return true
	}
	return f.n >= 8 && f.n <= 10 && (date == "**NONE**" || len(date) == 10 && date[4] == '/' && date[7] == '/')
}

func validDsname(name string) bool {
	if len(name) > 44 {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		if !validMember(strings.ToUpper(part)) {
			return false
		}
	}
	return true
}

// validMember reports whether name is made of the letters that names on z/OS
// are, at most eight of them.
func validMember(name string) bool {
	return len(name) >= 1 && len(name) <= 8 && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$#@-{") == ""
}

// member parses a line of a partitioned data set's directory, with the
// statistics of an editor, the attributes of a load module or nothing:
//
//	Name     VV.MM   Created       Changed      Size  Init   Mod   Id
//	TBSHELF   01.03 2002/09/12 2002/10/11 09:37    11    11     0 KIL001
//	TBTOOL
//
// Sizes are in records and hence unknown.
func member(e *Entry, line string, cal *calendar, known bool) (reason string) {
	var f fields
	f.split(line)
	*e = Entry{Name: f.at(0), Type: TypeFile, Size: -1}
	version := f.at(1)
	if !known && !(f.n >= 9 && len(version) == 5 && version[2] == '.' && strings.Count(f.at(2), "/") == 2 && strings.Count(f.at(3), "/") == 2 && timelike(f.at(4))) {
		return notMine // without a heading most lines would do
	}
	if !validMember(e.Name) {
		return "no member name"
	}
	switch {
	case f.n == 1:
		return ""
	case f.n >= 8 && len(version) == 5 && version[2] == '.':
		cal.setNumbers(e, f.at(3), f.at(4), preference{orderYMD})
		e.Owner = f.at(f.n - 1)
		return ""
	case f.n >= 4 && len(version) >= 6 && strings.Trim(version, "0123456789ABCDEF") == "":
		return ""
	}
	return "neither statistics nor attributes"
}
