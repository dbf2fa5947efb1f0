package walk

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

const (
	// detailsMost bounds the entries that are asked about ahead of need.
	detailsMost = 2048
	// detailsFor is for how many listings it is remembered that the caller asks
	// for more than the listing tells.
	detailsFor = 16
	// shortWire is the round trip time below which MLSD, which takes a data
	// connection for each directory, costs less than an MLST for each entry.
	shortWire = time.Millisecond
)

// short reports whether a data connection costs next to nothing.
func (l *lister) short() bool { return l.HasMLSD() && l.RTT() < shortWire }

// whole marks a listing that has been made in the ordinary way because the caller
// asks for more than STAT tells: as long as that is so, the next ones are too.
func (l *lister) whole(d *Dir) {
	n := l.w.details.Load()
	if n == 0 || !l.short() || slices.ContainsFunc(d.entries, isUnsized) {
		return
	}
	l.w.details.CompareAndSwap(n, n-1)
	d.rough, d.use = true, newIOLock()
	d.exact, d.done = d.entries, true
}

// Rough reports whether the server can tell more of the entries than the listing
// did, when files were changed to the second, and in no time zone but UTC; or whether
// it is to be told that somebody asks for that. [Walk.Exact] has it.
func (d *Dir) Rough() bool { return d.rough }

// Exact returns all that the server can tell of an entry of a listing. A caller
// that asks for one entry of a rough listing asks for the others of its directory
// too, so all are asked about in one go: on a short wire by the ordinary listing, which
// the next directories have from the start then. For that lend is called, which is to
// call its argument with a session. If there is nothing under the name any more
// the error is [proto.ErrMissing].
func (w *Walk) Exact(ctx context.Context, d *Dir, name string, lend func(func(context.Context, Session) error) error) (listing.Entry, error) {
	if !d.rough {
		if e, ok := remote.Find(d.entries, name); ok {
			return e, nil
		}
		return listing.Entry{}, proto.ErrMissing
	}
	if err := d.use.lock(ctx); err != nil {
		return listing.Entry{}, err
	}
	defer d.use.unlock()
	if !d.asked {
		d.asked = true
		w.details.Store(detailsFor)
	}
	if !d.done {
		err := lend(func(ctx context.Context, s Session) error { return (&lister{w, s}).complete(ctx, d) })
		if err != nil {
			return listing.Entry{}, err
		}
	}
	if err := d.gone[name]; err != nil {
		return listing.Entry{}, err
	}
	e, ok := remote.Find(d.exact, name)
	if !ok {
		return e, proto.ErrMissing
	}
	return e, nil
}

// complete completes a listing, whose lock the caller holds, and in the same
// flight those that a walk needs next.
func (l *lister) complete(ctx context.Context, d *Dir) error {
	if l.HasMLST() && !l.short() {
		l.completeHeld(ctx, d, l.w.forecast.waiting())
	}
	if d.done || ctx.Err() != nil {
		return ctx.Err()
	}
	// The ordinary listing tells it as well.
	entries, err := l.List(ctx, d.dir)
	if errors.Is(err, proto.ErrMissing) {
		entries, err = nil, nil
	}
	if proto.Unread(err) != nil {
		err = nil // ReadDir has told of it
	}
	if err == nil {
		d.exact, d.gone, d.done = entries, nil, true
	}
	return err
}

// completeAll completes listings that were just fetched. What fails is asked
// again when it is needed.
func (l *lister) completeAll(ctx context.Context, first *Dir, others []*Dir) {
	if !l.HasMLST() {
		return
	}
	if first != nil {
		others = append([]*Dir{first}, others...)
	}
	l.completeHeld(ctx, nil, others)
}

// completeHeld completes held, whose lock the caller holds, and as many of the
// others as nobody else is at just now.
func (l *lister) completeHeld(ctx context.Context, held *Dir, others []*Dir) {
	var list []*Dir
	total := 0
	if held != nil {
		list, total = append(list, held), len(held.entries)
	}
	for _, d := range others {
		if d == held || !d.rough || !d.use.tryLock() {
			continue
		}
		defer d.use.unlock()
		if d.done {
			continue
		}
		if total += len(d.entries); total > detailsMost {
			break
		}
		list = append(list, d)
	}
	// An error means that this is found out in another way.
	if err := l.askAbout(ctx, list); err != nil && ctx.Err() == nil {
		l.blameSTAT(err)
	}
}

// askAbout asks about all entries of listings.
func (l *lister) askAbout(ctx context.Context, list []*Dir) error {
	m, err := newMarks()
	if err != nil || len(list) == 0 {
		return err
	}
	var lines []string
	var queries []*query
	for _, d := range list {
		q := l.newQuery(d)
		lines = append(lines, q.lines...)
		queries = append(queries, q)
	}
	n := len(lines)
	lines = append(lines, m.line(0), unmark)
	i := 0 // in queries
	err = l.Batch(ctx, lines, l.w.limit, func(k int, r proto.Reply) error {
		switch k {
		case n:
			return m.check(0, r)
		case n + 1:
			return m.checkEnd(r)
		}
		for len(queries[i].told) == len(queries[i].lines) {
			i++
		}
		l.take(queries[i], lines[k], r)
		return nil
	})
	if err != nil {
		return err
	}
	for _, q := range queries {
		q.finish()
	}
	return nil
}

// query is a listing whose entries are asked about.
type query struct {
	d     *Dir
	lines []string
	told  []told
	vague bool // the ordinary listing must be had
}

// told is what MLST said of an entry.
type told struct {
	e   listing.Entry
	err error // it is gone
}

func (l *lister) newQuery(d *Dir) *query {
	q := &query{d: d}
	for _, e := range d.entries {
		line, err := l.Line("MLST", remote.Below(d.dir, e.Name))
		if err != nil {
			return &query{d: d, vague: true}
		}
		q.lines = append(q.lines, line)
	}
	return q
}

// take records a reply to MLST.
func (l *lister) take(q *query, line string, r proto.Reply) {
	was := q.d.entries[len(q.told)]
	e, known, err := l.ParseMLST(remote.Below(q.d.dir, was.Name), line, r)
	switch {
	case err != nil && !errors.Is(err, proto.ErrMissing), err == nil && !known:
		q.vague = true
	case err == nil && was.Type == listing.TypeLink && e.Type != listing.TypeLink:
		// It was followed.
		q.vague = true
	case err == nil && e.Target == "":
		e.Target = was.Target
	}
	e.Name = was.Name
	q.told = append(q.told, told{e, err})
}

// finish replaces the listing by what was told.
func (q *query) finish() {
	if q.vague {
		return
	}
	list := make([]listing.Entry, 0, len(q.told))
	for i, t := range q.told {
		if t.err == nil {
			list = append(list, t.e)
			continue
		}
		if q.d.gone == nil {
			q.d.gone = make(map[string]error)
		}
		q.d.gone[q.d.entries[i].Name] = t.err
	}
	q.d.exact, q.d.done = list, true
}
