// Package listing parses what FTP servers send in answer to MLSD, MLST and
// LIST.
//
// MLSD and MLST are specified (RFC 3659). LIST is not: its forms are recognised
// by their lines, and the form of a listing, once seen, holds for the rest of
// it. Known are the lists of Unix and its imitators, NetWare, DOS and IIS, EPLF,
// VMS, z/OS data sets and members, OS/400 and NonStop Guardian.
//
// No line is dropped in silence. A line carries an entry, or carries none by
// right (a heading, a total, a blank line, the entries "." and ".."), or is
// reported as a *LineError.
//
// Where a listing is ambiguous the package prefers no answer to a wrong one:
// an unknown size is -1, an unknown time is the zero Time. The times of LIST are
// in the server's zone, which only the caller can know (Options.Location), and
// mostly exact to the minute; MDTM gives the exact one.
package listing
