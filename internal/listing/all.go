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
//
// An entry is yielded as soon as its line is there, but for names that may have a
// blank more in front, behind a date that may be filled up, as in German and
// Polish, or a carriage return at the end: they wait for a line that shows what
// it is, or a few more of their kind.
// What the listing shows of times later than that is what Settle is for.
func (p *Parser) All(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		h := holder{p: p, yield: yield}
		lines := NewLineReader(r)
		for {
			line, err := lines.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil && !p.overlong(err) {
				h.release()
				h.add(Entry{}, err)
				return
			}
			if err != nil {
				if !h.add(Entry{}, err) {
					return
				}
				continue
			}
			if lines.open() {
				line = strings.TrimRight(line, "\x00\x1a") // the end of a file
			}
			if p.skipAbove(line) {
				p.num++
				continue
			}
			e, ok, err := p.Line(line)
			if (ok || err != nil) && !h.add(e, err) {
				return
			}
		}
		if !h.release() {
			return
		}
		if err := p.End(); err != nil {
			yield(Entry{}, err)
		}
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

// A holder keeps the order of what All yields while a name is in doubt.
type holder struct {
	p     *Parser
	yield func(Entry, error) bool
	held  []heldEntry
	done  bool
}

type heldEntry struct {
	e   Entry
	err error
	num int // the line's
}

func (h *holder) add(e Entry, err error) bool {
	if len(h.held) == 0 && e.doubt == padNone {
		return !h.done && h.yield(e, err)
	}
	h.held = append(h.held, heldEntry{e, err, h.p.num})
	if len(h.held) >= maxHeld || !slices.ContainsFunc(h.held, h.doubtful) {
		return h.release()
	}
	return true
}

func (h *holder) doubtful(w heldEntry) bool {
	switch w.e.doubt {
	case padNone:
		return false
	case padCR:
		return h.p.ends.mean == crUnknown
	}
	return h.p.calendar.filled.columns[w.e.doubt] == padUnknown
}

// release yields what waits. It reports whether the loop goes on.
func (h *holder) release() bool {
	for _, w := range h.held {
		switch {
		case w.e.doubt == padNone:
		case w.e.doubt == padCR && h.p.ends.mean == crNames:
			w.err = newLineError(w.e.Raw+"\r", w.num, nameFault("\r"))
			w.e = Entry{}
		case w.e.doubt != padCR && h.p.calendar.filled.columns[w.e.doubt] == padNo:
			w.e.Name = " " + w.e.Name
		}
		w.e.doubt = padNone
		if h.done || !h.yield(w.e, w.err) {
			h.done = true
			break
		}
	}
	h.held = nil
	return !h.done
}
