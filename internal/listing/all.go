package listing

import (
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
)

// maxHeld bounds the entries that wait for a line that shows how wide a column is.
const maxHeld = 64

// All parses the whole of r. A *LineError concerns its line alone and the loop
// may go on; any other error ends the sequence.
func (p *Parser) All(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		in := p.Reader(r)
		for {
			e, err := in.Next()
			if err == io.EOF || !yield(e, err) || err != nil && in.ended() {
				return
			}
		}
	}
}

// A Reader reads the entries of a listing one by one.
//
// An entry is returned as soon as its line is there, but for names that may have a
// blank more in front, behind a date that may be filled up, as in German and
// Polish, or a carriage return at the end: they wait for a line that shows what
// it is, or a few more of their kind.
// What the listing shows of times later than that is what Settle is for.
type Reader struct {
	p     *Parser
	lines *LineReader
	held  []heldEntry // they wait, in order
	free  []heldEntry // they do not wait any more
	err   error       // that has ended the listing
}

type heldEntry struct {
	e   Entry
	err error
	num int // the line's
}

// Reader returns a Reader of a listing.
func (p *Parser) Reader(r io.Reader) *Reader { return &Reader{p: p, lines: NewLineReader(r)} }

// Next returns the next entry. A *LineError concerns its line alone; any other
// error is final, and io.EOF says that this was all.
func (r *Reader) Next() (Entry, error) {
	for len(r.free) == 0 && r.err == nil {
		line, err := r.lines.Next()
		switch {
		case err != nil && r.p.overlong(err):
			r.hold(Entry{}, err)
			continue
		case err != nil:
			r.end(err)
			continue
		}
		if r.lines.open() {
			line = strings.TrimRight(line, "\x00\x1a") // the end of a file
		}
		if r.p.skipAbove(line) {
			r.p.num++
			continue
		}
		e, ok, err := r.p.Line(line)
		switch {
		case !ok && err == nil:
		case len(r.held) == 0 && e.doubt == padNone:
			return e, err
		default:
			r.hold(e, err)
		}
	}
	if len(r.free) == 0 {
		return Entry{}, r.err
	}
	w := r.free[0]
	r.free = r.free[1:]
	return w.e, w.err
}

// Ready reports whether lines are there that Next has not returned yet, so that it
// is not likely to wait for some.
func (r *Reader) Ready() bool { return len(r.free) > 0 || r.err != nil || r.lines.text != "" }

// ended reports whether nothing more will come.
func (r *Reader) ended() bool { return r.err != nil && len(r.free) == 0 }

// end ends the listing.
func (r *Reader) end(err error) {
	r.release()
	r.err = err
	if !errors.Is(err, io.EOF) {
		return
	}
	r.err = io.EOF
	if err := r.p.End(); err != nil {
		r.free = append(r.free, heldEntry{err: err})
	}
}

// overlong counts a line that was too long to be read, and numbers its error.
func (p *Parser) overlong(err error) bool {
	var le *LineError
	if !errors.As(err, &le) {
		return false
	}
	p.num++
	le.Num = p.num
	return true
}

func (r *Reader) hold(e Entry, err error) {
	r.held = append(r.held, heldEntry{e, err, r.p.num})
	if len(r.held) >= maxHeld || !slices.ContainsFunc(r.held, r.doubtful) {
		r.release()
	}
}

func (r *Reader) doubtful(w heldEntry) bool {
	switch w.e.doubt {
	case padNone:
		return false
	case padCR:
		return r.p.ends.mean == crUnknown
	}
	return r.p.calendar.filled.columns[w.e.doubt] == padUnknown
}

// release lets go what waits.
func (r *Reader) release() {
	for i := range r.held {
		w := &r.held[i]
		switch {
		case w.e.doubt == padNone:
		case w.e.doubt == padCR && r.p.ends.mean == crNames:
			w.err = newLineError(w.e.Raw+"\r", w.num, nameFault("\r"))
			w.e = Entry{}
		case w.e.doubt != padCR && r.p.calendar.filled.columns[w.e.doubt] == padNo:
			w.e.Name = " " + w.e.Name
		}
		w.e.doubt = padNone
	}
	r.free, r.held = append(r.free, r.held...), nil
}
