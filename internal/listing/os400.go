package listing

import "strings"

// An os400Form has what a line of OS/400 needs of those before.
type os400Form struct {
	file string // the *FILE whose members may follow
}

// line parses a line of OS/400 (IBM i) in its own format, which it has until SITE
// LISTFMT 1 asks for that of ls:
//
//	PEP              4019 18.03.04 18:58:16 *STMF      report.zip
//	CFT             45056 04/12/14 14:19:31 *FILE      A.FILE
//	CFT                                     *MEM       A.FILE/A.MBR
//
// The job's date format decides about slashes; while the listing has not shown
// which it is, the time is unknown. A *FILE whose name ends in ".FILE" is a
// directory of members, and the members listed behind it are its entries, not
// those of this directory.
func (o *os400Form) line(e *Entry, line string, cal *calendar) (reason string) {
	var f fields
	f.split(line)
	at := 0
	for at < f.n && at <= 6 && objectTypes[f.at(at)] == TypeUnknown {
		at++
	}
	if at >= f.n || at > 6 {
		return notMine
	}
	*e = Entry{Name: f.behind(at, 11), Size: -1}
	if e.Name == "" {
		return "no name"
	}
	if at > 0 {
		e.Owner = f.at(0)
	}
	e.Type = objectTypes[f.at(at)]
	e.setObject(&f, at, cal)
	switch f.at(at) {
	case "*FILE":
		o.file = e.Name
		if strings.HasSuffix(e.Name, ".FILE") {
			e.Type = TypeDir
		}
	case "*MEM":
		if file, member, ok := strings.Cut(e.Name, "/"); ok && file != "" {
			if file == o.file {
				return noEntry
			}
			e.Name = member // of the file that was asked for
		}
	}
	return ""
}

// objectTypes are the types of object that appear in listings. Others can be
// neither read nor entered.
var objectTypes = map[string]Type{
	"*FILE": TypeFile, "*STMF": TypeFile, "*DSTMF": TypeFile, "*MEM": TypeFile, "*DOC": TypeFile, "*USRSPC": TypeFile,
	"*DIR": TypeDir, "*DDIR": TypeDir, "*LIB": TypeDir, "*FLR": TypeDir,
	"*SYMLNK": TypeLink,
	"*PGM":    TypeOther, "*SRVPGM": TypeOther, "*MODULE": TypeOther, "*CMD": TypeOther, "*OUTQ": TypeOther,
	"*DTAQ": TypeOther, "*DTAARA": TypeOther, "*JOBD": TypeOther, "*JRN": TypeOther, "*JRNRCV": TypeOther,
	"*MSGQ": TypeOther, "*MSGF": TypeOther, "*USRPRF": TypeOther, "*BNDDIR": TypeOther, "*BLKSF": TypeOther,
	"*SOCKET": TypeOther, "*CHRSF": TypeOther, "*FIFO": TypeOther, "*SQLPKG": TypeOther, "*PNLGRP": TypeOther,
	"*QRYDFN": TypeOther, "*AUTL": TypeOther, "*SBSD": TypeOther, "*CLS": TypeOther, "*JOBQ": TypeOther,
	"*MENU": TypeOther, "*TBL": TypeOther, "*USRIDX": TypeOther, "*USRQ": TypeOther, "*WSCST": TypeOther,
}

// setObject reads size, date and time from the columns before that with index at,
// as far as they are there. Only a stream file's size is what a transfer brings.
func (e *Entry) setObject(f *fields, at int, cal *calendar) {
	for i := 1; i < at; i++ {
		if size, ok := parseSize(f.at(i)); ok && i == 1 && (f.at(at) == "*STMF" || f.at(at) == "*DSTMF") {
			e.Size = size
		}
		if i+1 < at && cal.setNumbers(e, f.at(i), objectTime(f.at(i+1)), objectOrders(f.at(i))) {
			return
		}
	}
}

// objectTime takes the job's separator out of a time.
func objectTime(word string) string {
	if len(word) == len("15:04:05") {
		return strings.NewReplacer(".", ":", ",", ":").Replace(word)
	}
	return word
}

func objectOrders(date string) preference {
	switch {
	case strings.Contains(date, "."):
		return preference{orderDMY, orderYMD}
	case strings.Contains(date, "-"):
		return preference{orderYMD}
	}
	return preference{} // the job's, which is what its user likes
}
