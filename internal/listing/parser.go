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

func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return "invalid"
}

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
	format  Format
	fixed   bool // the format was given
	loc     *time.Location
	now     time.Time
	dir     string // with a slash at its end, and none in front
	hasDir  bool
	certain bool
	num     int

	netware bool   // the permissions are NetWare's
	pending string // VMS: a name whose other columns come on the next line
	file    string // OS/400: the *FILE whose members may follow
	orders  [len(separators)]orderSet

	limitYear int   // from which conclude counts back
	limit     clock // the latest time of that year that is not in the future
	days      dayCache
	sameDate  sameDate

	zoneSeconds int
	zoneLoc     *time.Location

	tongue        tongue
	unsure        []string // month words that wait for Settle
	needsSettling bool

	pads    [padCR]padState
	guessed int // names that were taken for padded

	endsGuessed bool   // the line's second carriage return was taken off on its own word
	blankBefore bool   // the line before was blank
	foreign     bool   // what follows is of another directory
	ends        crEnds // what carriage returns at the ends of lines mean
	crLines     int    // lines with one so far
	entries     int    // read so far
}

// A padState says whether a column is filled up with blanks.
type padState uint8

const (
	padUnknown padState = iota
	padYes
	padNo
)

// enoughPadded is the number of names that begin with a blank one after the other
// from which on it is the column's.
const enoughPadded = 4

// setPad sets whether a column is filled up, unless that is known.
func (p *Parser) setPad(column padding, pads bool) {
	switch {
	case p.pads[column] != padUnknown:
	case pads:
		p.pads[column] = padYes
	default:
		p.pads[column] = padNo
	}
}

// NewParser returns a Parser for one listing.
func NewParser(o Options) *Parser {
	p := &Parser{format: o.Format, fixed: o.Format != FormatAuto, loc: o.Location, now: o.Now, certain: o.Certain}
	for i := range p.orders {
		p.orders[i] = allOrders
	}
	if p.loc == nil {
		p.loc = time.UTC
	}
	if p.now.IsZero() {
		p.now = time.Now()
	}
	p.now = p.now.In(p.loc)
	if o.Dir != "" {
		p.hasDir = true
		if dir := strings.Trim(path.Clean(o.Dir), "/"); dir != "." && dir != "" {
			p.dir = dir + "/"
		}
	}
	limit := p.now.Add(futureSlack)
	p.limitYear = limit.Year()
	p.limit = clock{month: int(limit.Month()), day: limit.Day(), hour: limit.Hour(), min: limit.Minute(), sec: limit.Second()}
	return p
}

// Format returns the format of the listing, FormatAuto while it is unknown.
func (p *Parser) Format() Format { return p.format }

// Line parses the next line, given without its line end. It returns false for a
// line that carries no entry by right: a heading or a total in one of the known
// forms, a blank line, ".", ".." and MLSD's cdir and pdir. Every line that is
// neither that nor an entry is a *LineError; the Parser goes on with the next.
//
// Times that the rest of the listing may show to be others are settled by
// Settle, and names only by All.
func (p *Parser) Line(line string) (e Entry, ok bool, err error) {
	p.num++
	text := p.trim(line)
	e, reason := p.parse(text)
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
	if p.endsGuessed {
		e.doubt = padCR
	}
	return e, true, nil
}

// End reports whether the listing may end here: on VMS, an entry that wraps may
// have lost its second line.
func (p *Parser) End() error {
	if p.pending == "" {
		return nil
	}
	err := newLineError(p.pending, p.num, "listing ends inside an entry")
	p.pending = ""
	return err
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

// parseAs reads a line in one form. It returns an entry, or the reason why there
// is none.
func (p *Parser) parseAs(format Format, line string) (Entry, string) {
	switch format {
	case FormatUnix:
		return p.unix(line)
	case FormatMLSx:
		return p.mlsx(line)
	case FormatDOS:
		return p.dos(line)
	case FormatEPLF:
		return eplf(line)
	case FormatOS400:
		return p.os400(line)
	case FormatVMS:
		return p.vms(line)
	case FormatDatasets:
		return p.dataset(line)
	case FormatMembers:
		return p.member(line)
	case FormatVxWorks:
		return p.vxworks(line)
	case FormatOS2:
		return p.os2(line)
	case FormatOS9:
		return p.os9(line)
	case FormatVM:
		return p.vm(line)
	case FormatNortel:
		return p.nortel(line)
	case FormatNonStop:
		return p.nonStop(line)
	}
	return Entry{}, "a JES job, not a file" // of SITE FILETYPE=JES on z/OS
}

func (p *Parser) parse(line string) (Entry, string) {
	if blank(line) {
		p.blankBefore = true
		return Entry{}, noEntry
	}
	afterBlank := p.blankBefore
	p.blankBefore = false
	if p.format == FormatUnix && !p.foreign && (line[0] == '-' || line[0] == 'd') {
		return p.unix(line)
	}
	if p.format == FormatDOS && isDigit(line[0]) {
		if e, reason := p.dos(line); reason == "" {
			return e, ""
		}
	}
	if text, ok := p.reply(line); ok {
		line = text
	}
	if line == "" || p.around(line) {
		return Entry{}, noEntry
	}
	e, reason := p.guess(line)
	if reason == "" || reason == noEntry {
		return e, reason
	}
	if why := p.aside(line, afterBlank); why != "" {
		reason = why
	}
	return Entry{}, reason
}

// guess reads a line in the form of the listing, or in the first that it has.
func (p *Parser) guess(line string) (Entry, string) {
	if p.format != FormatAuto {
		return p.parseAs(p.format, line)
	}
	why := notMine
	for _, f := range guesses {
		e, reason := p.parseAs(f, line)
		if reason == "" || reason == noEntry {
			p.format = f
			return e, reason
		}
		if why == notMine {
			why = reason
		}
	}
	return Entry{}, why
}

func zOS(f Format) bool {
	return f == FormatDatasets || f == FormatMembers || f == FormatJES
}

// finish applies what holds for every format.
func (p *Parser) finish(e *Entry, line string) (reason string) {
	if e.Type == TypeCurrent || e.Type == TypeParent {
		return noEntry
	}
	if e.Type == TypeDir && len(e.Name) > 1 {
		e.Name = strings.TrimSuffix(e.Name, "/")
	}
	if strings.IndexByte(e.Name, '/') >= 0 {
		e.Name = p.base(e.Name)
	}
	if e.Name == "." || e.Name == ".." {
		return noEntry
	}
	if e.Raw == "" {
		e.Raw = line
	}
	return nameFault(e.Name)
}

// base returns the last element of a path that stands in the place of a name, if
// it is of the directory that was asked for. Another may be of a directory below,
// or of one that nobody asked for.
func (p *Parser) base(name string) string {
	at := strings.LastIndexByte(name, '/') + 1
	dir := name[:at]
	switch {
	case dir == "./":
	case p.hasDir && (dir == p.dir || dir == "./"+p.dir || name[0] == '/' && strings.HasSuffix(dir, "/"+p.dir)):
	case !p.hasDir && name[0] == '/' && (p.netware || p.format != FormatUnix):
	default:
		return name
	}
	return name[at:]
}

func blank(line string) bool {
	return line == "" || line[0] <= ' ' && strings.Trim(line, " \t\r") == ""
}
