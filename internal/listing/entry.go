package listing

import (
	"io/fs"
	"strings"
	"time"
)

// A Type is the kind of a directory entry.
type Type uint8

// The types. TypeCurrent and TypeParent come from MLSD only, which lists the
// directory itself (cdir) and its parent (pdir) if the server likes.
const (
	TypeUnknown Type = iota // MLSD without the fact
	TypeFile
	TypeDir
	TypeLink
	TypeOther // devices, sockets, data sets that cannot be read as files
	TypeCurrent
	TypeParent
)

var typeNames = [...]string{"unknown", "file", "dir", "link", "other", "current", "parent"}

func (t Type) String() string { return nameAt(typeNames[:], int(t)) }

// A Precision says how much of a ModTime the server told.
type Precision uint8

// The precisions, ascending. With PrecisionDay the time of day is midnight.
const (
	PrecisionNone Precision = iota
	PrecisionDay
	PrecisionMinute
	PrecisionSecond
	PrecisionFraction
)

var precisionNames = [...]string{"none", "day", "minute", "second", "fraction"}

func (p Precision) String() string { return nameAt(precisionNames[:], int(p)) }

func nameAt(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "invalid"
}

// An Entry is one file, directory or other object that a listing names.
type Entry struct {
	// Name is the entry's name as the server sent it, byte for byte. Only what is
	// not part of the name on its system is taken off: the slash that some
	// servers put behind directories and ".DIR;1" on VMS.
	Name string

	// Target is where a link points, "" if the listing does not say.
	Target string

	// Size is the number of bytes, -1 if it is unknown or only known in other
	// units (blocks, tracks, records, rounded to kilobytes).
	Size int64

	// Mode holds permission bits, setuid, setgid and sticky. It is meaningful
	// only if HasMode is set.
	Mode    fs.FileMode
	HasMode bool
	Type    Type

	// Precision and Absolute are about ModTime: Absolute reports that the listing
	// itself fixed the zone; otherwise Options.Location was assumed.
	Precision Precision
	Absolute  bool

	Owner, Group string

	// ModTime is the zero Time if Precision is PrecisionNone.
	ModTime time.Time

	Perm      string // MLSD's perm fact
	Unique    string // MLSD's unique fact, EPLF's identifier
	MediaType string // MLSD's media-type fact

	// Raw is the line that the entry was read from. A VMS entry that spans two
	// lines has them joined by a newline.
	Raw string

	late  late    // for Parser.Settle
	doubt padding // the name may begin with a blank; All waits for a line that shows it

	// Yearless reports that the listing tells no year: that of ModTime is the latest
	// possible.
	Yearless bool
}

// ValidName reports whether name can be one entry of a directory: it is not
// empty, "." or "..", and holds no slash, NUL, CR or LF.
func ValidName(name string) bool {
	return name != "." && name != ".." && nameFault(name) == ""
}

// nameFault says what is wrong with a name, "" if nothing is.
func nameFault(name string) string {
	switch {
	case name == "":
		return "no name"
	case strings.Contains(name, "/"):
		return "name holds a slash"
	case strings.Contains(name, "\x00"):
		return "name holds a NUL"
	case strings.ContainsAny(name, "\r\n"):
		return "name holds a line break"
	}
	return ""
}
