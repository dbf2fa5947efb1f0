package listing

import (
	"path"
	"strings"
	"time"
)

// A Format is a form of listing.
type Format uint8

// The formats. FormatAuto recognises any of the others.
const (
	FormatAuto Format = iota
	FormatMLSx
	FormatUnix // with NetWare and others that imitate it
	FormatDOS
	FormatEPLF
	FormatVMS
	FormatDatasets // z/OS
	FormatMembers  // z/OS, inside a partitioned data set
	FormatJES      // z/OS job output: recognised and refused
	FormatOS400
	FormatNonStop
	FormatVxWorks // with VShell, which has the size first, too
	FormatOS2
	FormatOS9
	FormatVM // z/VM
	FormatNortel
)

var formatNames = [...]string{"auto", "MLSx", "Unix", "DOS", "EPLF", "VMS", "z/OS data sets", "z/OS members", "JES", "OS/400", "NonStop",
	"VxWorks", "OS/2", "OS-9", "z/VM", "Nortel"}

func (f Format) String() string { return nameAt(formatNames[:], int(f)) }

// Options are what a listing leaves open.
type Options struct {
	// Format is set where the form is known beforehand, as for MLSD.
	Format Format

	// Location is the server's time zone. Nil means UTC.
	Location *time.Location

	// Now is the time of the listing, from which years that it omits are
	// concluded. Zero means the time at which the Parser is made.
	Now time.Time

	// Dir is the path of the directory that was asked for, "." for the root. Some
	// servers put it in front of names, or a path from their own root that ends
	// with it. Names with another path are refused; without Dir only the systems
	// that are known for it may list absolute paths.
	Dir string

	// Certain leaves a time unknown while the listing has not shown in which
	// order its dates are, instead of taking the order that is usual. It is for
	// readers that cannot wait for the end and Settle.
	Certain bool
}

// A Parser parses one listing, line by line. It keeps no more than one line.
type Parser struct {
	format   Format
	fixed    bool // the format was given
	dir      directory
	calendar calendar
	ends     lineEnds

	unix  unixForm
	vms   vmsForm
	os400 os400Form

	num         int  // the line's
	entries     int  // read so far
	blankBefore bool // the line before was blank
	foreign     bool // what follows is of another directory
	self        bool // there was an entry of the directory itself
}

// NewParser returns a Parser for one listing.
func NewParser(o Options) *Parser {
	return &Parser{format: o.Format, fixed: o.Format != FormatAuto, dir: newDirectory(o.Dir), calendar: newCalendar(o)}
}

// Format returns the format of the listing, FormatAuto while it is unknown.
func (p *Parser) Format() Format { return p.format }

// Self reports whether the directory itself was listed so far, as "." or as MLSD's
// cdir.
func (p *Parser) Self() bool { return p.self }

// Line parses the next line, given without its line end. It returns false for a
// line that carries no entry by right: a heading or a total in one of the known
// forms, a blank line, ".", ".." and MLSD's cdir and pdir. Every line that is
// neither that nor an entry is a *LineError; the Parser goes on with the next.
//
// Times that the rest of the listing may show to be others are settled by
// Settle, and names only by All.
func (p *Parser) Line(line string) (e Entry, ok bool, err error) {
	p.num++
	text := p.ends.trim(line, p.num, p.entries)
	reason := p.parse(&e, text)
	if reason == "" {
		reason = p.finish(&e, text)
	}
	switch reason {
	case "":
	case noEntry:
		return Entry{}, false, nil
	default:
		return Entry{}, false, newLineError(line, p.num, reason)
	}
	p.entries++
	if p.ends.guessed {
		e.doubt = padCR
	}
	return e, true, nil
}

// End reports whether the listing may end here: on VMS, an entry that wraps may
// have lost its second line.
func (p *Parser) End() error {
	name := p.vms.pending
	if name == "" {
		return nil
	}
	p.vms.pending = ""
	return newLineError(name, p.num, "listing ends inside an entry")
}

// What a form says of a line without an entry, besides what is wrong with it.
const (
	notMine = "not in a known form"
	noEntry = "no entry, by right"
)

// guesses are the forms that FormatAuto tries, the most distinctive first. JES is
// not among them: its lines would pass for others, and its heading shows it.
var guesses = [...]Format{FormatUnix, FormatMLSx, FormatDOS, FormatEPLF, FormatOS400, FormatVMS, FormatDatasets, FormatVxWorks, FormatOS2,
	FormatOS9, FormatVM, FormatNortel, FormatMembers, FormatNonStop}

// parseAs reads a line in one form into e. It returns the reason why there is no
// entry, if there is none.
func (p *Parser) parseAs(e *Entry, format Format, line string) (reason string) {
	known, cal := p.format == format, &p.calendar
	switch format {
	case FormatUnix:
		return p.unix.line(e, line, cal)
	case FormatMLSx:
		return mlsx(e, line, known)
	case FormatDOS:
		return dos(e, line, cal)
	case FormatEPLF:
		return eplf(e, line)
	case FormatOS400:
		return p.os400.line(e, line, cal)
	case FormatVMS:
		return p.vms.line(e, line, cal, known)
	case FormatDatasets:
		return dataset(e, line, known)
	case FormatMembers:
		return member(e, line, cal, known)
	case FormatVxWorks:
		return vxworks(e, line, cal)
	case FormatOS2:
		return os2(e, line, cal)
	case FormatOS9:
		return os9(e, line, cal)
	case FormatVM:
		return vm(e, line, cal)
	case FormatNortel:
		return nortel(e, line, cal)
	case FormatNonStop:
		return nonStop(e, line, cal, known)
	}
	return "a JES job, not a file" // of SITE FILETYPE=JES on z/OS
}

func (p *Parser) parse(e *Entry, line string) (reason string) {
	if blank(line) {
		p.blankBefore = true
		return noEntry
	}
	afterBlank := p.blankBefore
	p.blankBefore = false
	if p.format == FormatUnix && !p.foreign && (line[0] == '-' || line[0] == 'd') {
		return p.unix.line(e, line, &p.calendar)
	}
	if p.format == FormatDOS && isDigit(line[0]) {
		if dos(e, line, &p.calendar) == "" {
			return ""
		}
	}
	if text, ok := p.reply(line); ok {
		line = text
	}
	if line == "" || p.foreign || p.format != FormatMLSx && p.heading(line) {
		return noEntry
	}
	reason = p.guess(e, line)
	if reason != "" && reason != noEntry {
		if why := p.aside(line, afterBlank); why != "" {
			return why
		}
	}
	return reason
}

// guess reads a line in the form of the listing, or in the first that it has.
func (p *Parser) guess(e *Entry, line string) (why string) {
	if p.format != FormatAuto {
		return p.parseAs(e, p.format, line)
	}
	why = notMine
	for _, f := range guesses {
		reason := p.parseAs(e, f, line)
		if reason == "" || reason == noEntry {
			p.format = f
			return reason
		}
		if why == notMine {
			why = reason
		}
	}
	return why
}

func zOS(f Format) bool {
	return f == FormatDatasets || f == FormatMembers || f == FormatJES
}

// finish applies what holds for every format.
func (p *Parser) finish(e *Entry, line string) (reason string) {
	if e.Type == TypeCurrent || e.Type == TypeParent {
		p.self = p.self || e.Type == TypeCurrent
		return noEntry
	}
	if e.Type == TypeDir && len(e.Name) > 1 {
		e.Name = strings.TrimSuffix(e.Name, "/")
	}
	if strings.IndexByte(e.Name, '/') >= 0 {
		e.Name = p.dir.base(e.Name, p.unix.netware || p.format != FormatUnix)
	}
	if e.Name == "." || e.Name == ".." {
		p.self = p.self || e.Name == "."
		return noEntry
	}
	if e.Raw == "" {
		e.Raw = line
	}
	return nameFault(e.Name)
}

// A directory is the one that was asked for.
type directory struct {
	path  string // with a slash at its end, and none in front; "" for the root
	known bool
}

func newDirectory(name string) directory {
	dir := directory{known: name != ""}
	if name = strings.Trim(path.Clean(name), "/"); name != "." && name != "" {
		dir.path = name + "/"
	}
	return dir
}

// base returns the last element of a path that stands in the place of a name, if
// it is of this directory. Another may be of a directory below, or of one that
// nobody asked for. Where the directory is not known, absolute says whether the
// system lists absolute paths.
func (d directory) base(name string, absolute bool) string {
	at := strings.LastIndexByte(name, '/') + 1
	dir := name[:at]
	switch {
	case dir == "./":
	case d.known && (dir == d.path || dir == "./"+d.path || name[0] == '/' && strings.HasSuffix(dir, "/"+d.path)):
	case !d.known && name[0] == '/' && absolute:
	default:
		return name
	}
	return name[at:]
}

func blank(line string) bool {
	return line == "" || line[0] <= ' ' && strings.Trim(line, " \t\r") == ""
}
