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
	e, skip, reason := p.parse(text)
	if reason == "" && !skip {
		skip, reason = p.finish(&e, text)
	}
	if reason != "" {
		return Entry{}, false, newLineError(line, p.num, reason)
	}
	if skip {
		return Entry{}, false, nil
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

// notMine is the reason for which a format declines a line outright.
const notMine = "not in a known form"

// A form parses one line of one format. It returns skip for a line without an
// entry, and a reason if it cannot parse the line.
type form func(p *Parser, line string) (e Entry, skip bool, reason string)

// forms lists what FormatAuto tries, the most distinctive first. The others are
// recognised by their headings only.
var forms = [...]struct {
	format Format
	parse  form
}{
	{FormatUnix, (*Parser).unix},
	{FormatMLSx, (*Parser).mlsx},
	{FormatDOS, (*Parser).dos},
	{FormatEPLF, (*Parser).eplf},
	{FormatOS400, (*Parser).os400},
	{FormatVMS, (*Parser).vms},
	{FormatDatasets, (*Parser).dataset},
	{FormatVxWorks, (*Parser).vxworks},
	{FormatOS2, (*Parser).os2},
	{FormatOS9, (*Parser).os9},
	{FormatVM, (*Parser).vm},
	{FormatNortel, (*Parser).nortel},
	{FormatMembers, (*Parser).member},
	{FormatNonStop, (*Parser).nonStop},
	{FormatJES, (*Parser).jes},
}

func (p *Parser) parse(line string) (Entry, bool, string) {
	if blank(line) {
		p.blankBefore = true
		return Entry{}, true, ""
	}
	afterBlank := p.blankBefore
	p.blankBefore = false
	if p.format == FormatUnix && !p.foreign && (line[0] == '-' || line[0] == 'd') {
		return p.unix(line)
	}
	if p.format == FormatDOS && isDigit(line[0]) {
		if e, skip, reason := p.dos(line); reason == "" {
			return e, skip, ""
		}
	}
	if text, ok := p.reply(line); ok {
		line = text
		if line == "" {
			return Entry{}, true, ""
		}
	}
	if p.around(line) {
		return Entry{}, true, ""
	}
	why := notMine
	for _, f := range forms {
		if p.format != FormatAuto && p.format != f.format || p.format == FormatAuto && headed(f.format) {
			continue
		}
		e, skip, reason := f.parse(p, line)
		if reason == "" {
			p.format = f.format
			return e, skip, ""
		}
		if why == notMine {
			why = reason
		}
	}
	skip, reason := p.aside(line, afterBlank)
	switch {
	case skip:
		return Entry{}, true, ""
	case reason != "":
		why = reason
	}
	return Entry{}, false, why
}

// headed reports whether a format is recognised by its heading alone: its lines
// would pass for others.
func headed(f Format) bool { return f == FormatJES }

func zOS(f Format) bool {
	return f == FormatDatasets || f == FormatMembers || f == FormatJES
}

// finish applies what holds for every format.
func (p *Parser) finish(e *Entry, line string) (skip bool, reason string) {
	if e.Type == TypeCurrent || e.Type == TypeParent {
		return true, ""
	}
	if e.Type == TypeDir && len(e.Name) > 1 {
		e.Name = strings.TrimSuffix(e.Name, "/")
	}
	if strings.IndexByte(e.Name, '/') >= 0 {
		e.Name = p.base(e.Name)
	}
	if e.Name == "." || e.Name == ".." {
		return true, ""
	}
	if e.Raw == "" {
		e.Raw = line
	}
	return false, nameFault(e.Name)
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
	case !p.hasDir && name[0] == '/' && (p.netware || p.format != FormatUnix && p.format != FormatAuto):
	default:
		return name
	}
	return name[at:]
}

func blank(line string) bool {
	return line == "" || line[0] <= ' ' && strings.Trim(line, " \t\r") == ""
}
