package stream

import (
	"errors"
	"hash/maphash"
	"io"
	"os"
)

const (
	// overlap is how much of what came before an offset is read again where a
	// transfer goes on there, in bytes: a file that took the place of the one that
	// was begun may have its size and, to the second, its time.
	overlap = 4 << 10
	// allMost is up to how many bytes that is all of it, on servers that do not tell
	// the time of a file to the second.
	allMost = 32 << 20
)

// past is what a Reader has handed on last, in one piece. Its zero value is for
// nothing.
type past struct {
	from, end int64 // offsets in the file
	tail      []byte
	sum       *maphash.Hash // of all of it; nil if that is not kept
	hash      maphash.Hash  // where sum is kept
	local     *os.File      // has all of it; nil if tail and sum are what is left
	shift     int64         // between an offset and the place in local
	// brief says that the end of it has to do: all of it was read again, and the
	// transfer broke before it brought more. On a bad path none ever would.
	brief bool
}

// begin forgets what does not end at an offset. keep says that all of what comes
// is to be known again.
func (p *past) begin(off int64, keep bool) {
	if off == p.end && off > p.from {
		return
	}
	p.from, p.end, p.tail, p.local, p.sum = off, off, p.tail[:0], nil, nil
	if keep {
		p.hash = maphash.Hash{}
		p.sum = &p.hash
	}
}

// took records bytes that were read.
func (p *past) took(b []byte) {
	p.brief = p.brief && len(b) == 0
	if p.local != nil {
		p.from, p.tail, p.local, p.sum = p.end, p.tail[:0], nil, nil
	}
	p.end += int64(len(b))
	if p.sum != nil {
		p.sum.Write(b)
	}
	if len(b) >= overlap {
		p.tail = append(p.tail[:0], b[len(b)-overlap:]...)
		return
	}
	if extra := len(p.tail) + len(b) - overlap; extra > 0 {
		p.tail = p.tail[:copy(p.tail, p.tail[extra:])]
	}
	p.tail = append(p.tail, b...)
}

// copied records n bytes that were written to a local file, which can be read.
func (p *past) copied(w *os.File, n int64) {
	p.brief = p.brief && n == 0
	at, err := w.Seek(0, io.SeekCurrent)
	if p.local != w || err != nil || p.shift != p.end+n-at {
		p.from, p.tail, p.local, p.sum = p.end, p.tail[:0], nil, nil
	}
	p.end += n
	if err == nil {
		p.local, p.shift = w, p.end-at
	}
}

// start returns where a transfer that is to go on at off begins, so that what came
// before can be compared: off, if nothing did. all asks for all of it.
func (p *past) start(off int64, all bool) int64 {
	all = all && !p.brief && off-p.from <= allMost
	switch {
	case off != p.end:
		return off
	case all && (p.local != nil || p.sum != nil):
		return p.from
	case p.local != nil:
		return max(p.from, off-overlap)
	}
	return off - int64(len(p.tail))
}

// errDiffers says that a file is not the one that was read before.
var errDiffers = errors.New("what was read before is not there any more")

// same reads from where start said up to the end, and returns errDiffers if that
// is not what came before.
func (p *past) same(r io.Reader, from int64) error {
	var was maphash.Hash
	switch {
	case p.local != nil:
		if _, err := io.Copy(&was, io.NewSectionReader(p.local, from-p.shift, p.end-from)); err != nil {
			return &localError{err}
		}
	case p.sum != nil && from == p.from:
		was = *p.sum
	default:
		was.Write(p.tail)
	}
	var now maphash.Hash
	now.SetSeed(was.Seed())
	if _, err := io.CopyN(&now, r, p.end-from); err != nil {
		return err
	}
	if now.Sum64() != was.Sum64() {
		return errDiffers
	}
	return nil
}

// readable reports whether what is written to a local file can be read there.
func readable(w *os.File) bool {
	_, err := w.ReadAt(make([]byte, 1), 0)
	return err == nil || err == io.EOF
}
