// Package listing parses what FTP servers send in answer to MLSD, MLST and
// LIST.
//
// MLSD and MLST are specified (RFC 3659). LIST is not: its forms are recognised
// by their lines, and the form of a listing, once seen, holds for the rest of
// it. Known are the lists of Unix and its imitators in any language, NetWare, DOS
// and IIS, OS/2, EPLF, VMS, z/OS data sets and members, z/VM, OS/400, NonStop
// Guardian, VxWorks, OS-9, VShell and Nortel.
//
// A [Parser] takes off what servers put around lines (around.go), knows the
// headings, and has a form read the rest: each is a function that fills an
// [Entry] or says why the line has none. What earlier lines have shown of dates,
// the order of their numbers, the language and the padding, is the calendar that
// all forms share (calendar.go).
//
// No line is dropped in silence. A line carries an entry, or carries none by
// right (a heading, a total, a blank line, the entries "." and ".."), or is
// reported as a *LineError. A name and a type suffice for an entry: the rest is
// unknown where it cannot be understood.
//
// Where a listing is ambiguous the package prefers no answer to a wrong one:
// an unknown size is -1, an unknown time is the zero Time. The times of LIST are
// in the server's zone, which only the caller can know (Options.Location), and
// mostly exact to the minute; MDTM gives the exact one.
//
// Some times are certain only when the whole listing is there: whether 01-02-20
// is in January or in February, another line shows. Parser.Settle sets them right
// for readers that hold all entries, as a slice or a [List]; for others there is
// Options.Certain.
package listing
