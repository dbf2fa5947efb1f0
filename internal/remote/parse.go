package remote

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// maxListing bounds one listing, in bytes: two million files or so.
const maxListing = 256 << 20

var errHugeList = errors.New("the listing is longer than what is held in memory")

// errNotUTF8 says that a listing is to be read in the charset.
var errNotUTF8 = errors.New("the listing is not UTF-8, which the server says that it has")

// parseList reads a listing to its end. What could not be understood, or used, is in
// unread. A charset goes over each line, because words and names may be in it. If
// trust is set, nothing but UTF-8 is expected, and errNotUTF8 is returned at the
// end if a line is in the charset.
func parseList(r io.Reader, o listing.Options, cs Charset, trust bool) (entries []listing.Entry, unread *proto.ListingError, self bool, err error) {
	lr := &io.LimitedReader{R: r, N: maxListing}
	var in io.Reader = lr
	raw := &decoder{cs: cs, in: lr, trust: trust}
	if cs != nil {
		in = raw
	}
	unread = &proto.ListingError{Dir: o.Dir}
	var keeper listing.Keeper
	var all gathered
	p := listing.NewParser(o)
	for e, err := range p.All(in) {
		var le *listing.LineError
		switch {
		case errors.As(err, &le):
			unread.Add(le.Line, le.Reason)
			continue
		case err != nil:
			return nil, nil, false, err
		}
		if raw.kept[strings.TrimRight(e.Raw, "\r\n")] {
			if err := decode(cs, &e); err != nil {
				unread.Add(e.Raw, err.Error())
				continue
			}
		}
		all.add(keeper.Keep(e))
	}
	if lr.N <= 0 {
		return nil, nil, false, errHugeList
	}
	if raw.foreign && !raw.proven {
		return nil, nil, false, errNotUTF8
	}
	entries = all.joined()
	p.Settle(entries)
	if unread.Count() == 0 {
		unread = nil
	}
	return entries, unread, p.Self(), nil
}

// gathered are entries in blocks: a slice that grows copies a long listing ten times,
// and each entry takes as much memory again each time.
type gathered struct {
	full [][]listing.Entry
	last []listing.Entry
	n    int
}

func (g *gathered) add(e listing.Entry) {
	if len(g.last) == cap(g.last) {
		if g.n > 0 {
			g.full = append(g.full, g.last)
		}
		g.last = make([]listing.Entry, 0, min(max(4, g.n), 1<<10))
	}
	g.last = append(g.last, e)
	g.n++
}

// joined returns them all.
func (g *gathered) joined() []listing.Entry {
	if len(g.full) == 0 {
		return g.last
	}
	return slices.Concat(append(g.full, g.last)...)
}

// decoder puts the lines of a listing in UTF-8. A line that is not wholly in the
// charset stays as it is, as its name may be.
type decoder struct {
	cs   Charset
	in   io.Reader
	r    *bufio.Reader
	rest string          // of a line
	kept map[string]bool // lines that stayed as they are
	err  error

	trust   bool // the lines are UTF-8 already
	foreign bool // one is not
	proven  bool // one is, and has letters beyond ASCII: single names of other bytes are left
}

// Read reads.
func (d *decoder) Read(p []byte) (int, error) {
	for d.rest == "" {
		if d.err != nil {
			return 0, d.err
		}
		d.next()
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

// next reads a line, or as much of one as an entry may have.
func (d *decoder) next() {
	if d.r == nil {
		d.r = bufio.NewReaderSize(d.in, listing.MaxLine)
	}
	var line []byte
	line, d.err = d.r.ReadSlice('\n')
	if d.err == bufio.ErrBufferFull {
		d.err = nil
	}
	text := strings.TrimRight(string(line), "\r\n")
	end := string(line[len(text):])
	plain, err := decoded(d.cs, text)
	if d.trust {
		valid := utf8.ValidString(text)
		d.foreign = d.foreign || err == nil && !valid
		d.proven = d.proven || valid && utf8.RuneCountInString(text) < len(text)
		plain, err = text, nil
	}
	if err != nil {
		if d.kept == nil {
			d.kept = make(map[string]bool)
		}
		d.kept[text] = true
		plain = text
	}
	d.rest = plain + end
}

// decoded returns what stands in a charset, if that is certain: some decoders put
// a mark in the place of what they do not know.
func decoded(cs Charset, wire string) (string, error) {
	text, err := cs.Decode(wire)
	if err != nil {
		return "", fmt.Errorf("it is not in the server's charset: %w", err)
	}
	if strings.ContainsRune(text, utf8.RuneError) {
		if back, err := cs.Encode(text); err != nil || back != wire {
			return "", errors.New("it is not in the server's charset")
		}
	}
	return text, nil
}

// decode translates the names of an entry in place.
func decode(cs Charset, e *listing.Entry) error {
	name, err := decoded(cs, e.Name)
	if err == nil && !listing.ValidName(name) {
		err = fmt.Errorf("%q is no name", name)
	}
	if err != nil {
		return err
	}
	e.Name = name
	e.Target, err = decoded(cs, e.Target)
	return err
}

// ParseLines parses the lines of a listing that came on the control connection,
// in the form of ls. It reports whether "." was among them, and whether all of
// them were understood.
func ParseLines(lines []string, zone *time.Location) (entries []listing.Entry, dot, ok bool) {
	p := listing.NewParser(listing.Options{Format: listing.FormatUnix, Location: zone})
	var keeper listing.Keeper
	for _, line := range lines {
		line = strings.TrimPrefix(line, " ")
		e, is, err := p.Line(line)
		switch {
		case err != nil || strings.Contains(line, "\xff"):
			// Telnet's byte may stand for something else on this connection.
			return nil, false, false
		case is:
			entries = append(entries, keeper.Keep(e))
		case strings.HasPrefix(line, "d") && strings.HasSuffix(line, " ."):
			dot = true
		}
	}
	p.Settle(entries)
	return entries, dot, true
}
