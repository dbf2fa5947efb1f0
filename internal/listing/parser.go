package listing

import (
	"errors"
	"io"
	"iter"
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
)

var formatNames = [...]string{"auto", "MLSx", "Unix", "DOS", "EPLF", "VMS", "z/OS data sets", "z/OS members", "JES", "OS/400", "NonStop"}

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
}

// A Parser parses one listing, line by line. It keeps no more than one line.
type Parser struct {
	format Format
	loc    *time.Location
	now    time.Time
	num    int

	pending string // VMS: a name whose other columns come on the next line
	file    string // OS/400: the *FILE whose members may follow
	orders  orderSet
}

// NewParser returns a Parser for one listing.
func NewParser(o Options) *Parser {
	p := &Parser{format: o.Format, loc: o.Location, now: o.Now, orders: allOrders}
	if p.loc == nil {
		p.loc = time.UTC
	}
	if p.now.IsZero() {
		p.now = time.Now()
	}
	p.now = p.now.In(p.loc)
	return p
}

// Format returns the format of the listing, FormatAuto while it is unknown.
func (p *Parser) Format() Format { return p.format }

// Line parses the next line, given without its line end. It returns false for a
// line that carries no entry by right: a heading or a total in one of the known
// forms, a blank line, ".", ".." and MLSD's cdir and pdir. Every line that is
// neither that nor an entry is a *LineError; the Parser goes on with the next.
func (p *Parser) Line(line string) (e Entry, ok bool, err error) {
	p.num++
	e, skip, reason := p.parse(line)
	if reason == "" && !skip {
		skip, reason = finish(&e, line)
	}
	if reason != "" {
		return Entry{}, false, &LineError{Line: line, Num: p.num, Reason: reason}
	}
	if skip {
		return Entry{}, false, nil
	}
	return e, true, nil
}

// End reports whether the listing may end here: on VMS, an entry that wraps may
// have lost its second line.
func (p *Parser) End() error {
	if p.pending == "" {
		return nil
	}
	err := &LineError{Line: p.pending, Num: p.num, Reason: "listing ends inside an entry"}
	p.pending = ""
	return err
}

// All parses the whole of r. A *LineError with a line number concerns that line
// alone and the loop may go on; any other error ends the sequence.
func (p *Parser) All(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		lines := NewLineReader(r)
		for {
			line, err := lines.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			e, ok, err := p.Line(line)
			if (ok || err != nil) && !yield(e, err) {
				return
			}
		}
		if err := p.End(); err != nil {
			yield(Entry{}, err)
		}
	}
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
	{FormatMembers, (*Parser).member},
	{FormatNonStop, (*Parser).nonStop},
	{FormatJES, (*Parser).jes},
}

func (p *Parser) parse(line string) (Entry, bool, string) {
	if blank(line) {
		return Entry{}, true, ""
	}
	if p.format != FormatMLSx {
		if f, ok := heading(line); ok && (p.format == FormatAuto || f == FormatAuto || f == p.format || zOS(f) && zOS(p.format)) {
			if f != FormatAuto {
				p.format = f
			}
			return Entry{}, true, ""
		}
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
	return Entry{}, false, why
}

// headed reports whether a format is recognised by its heading alone: its lines
// would pass for others.
func headed(f Format) bool {
	return f == FormatMembers || f == FormatNonStop || f == FormatJES
}

func zOS(f Format) bool {
	return f == FormatDatasets || f == FormatMembers || f == FormatJES
}

// finish applies what holds for every format.
func finish(e *Entry, line string) (skip bool, reason string) {
	if e.Type == TypeCurrent || e.Type == TypeParent {
		return true, ""
	}
	if e.Type == TypeDir && len(e.Name) > 1 {
		e.Name = strings.TrimSuffix(e.Name, "/")
	}
	if e.Name == "." || e.Name == ".." {
		return true, ""
	}
	if e.Raw == "" {
		e.Raw = line
	}
	return false, nameFault(e.Name)
}

func blank(line string) bool {
	return strings.Trim(line, " \t\r") == ""
}
