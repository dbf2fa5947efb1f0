package ftpnat

import (
	"context"
	"errors"
	"io/fs"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// factsMost bounds the entries that are asked about ahead of need.
const factsMost = 2048

// rough is a listing by STAT on a server that can tell more by MLST: when files
// were changed to the second, and in no time zone but UTC. Who asks for one
// entry asks for the others of its directory too, so all are asked about in one
// go.
type rough struct {
	dir string // in the pool's directory

	use   turn // guards what follows
	list  []listing.Entry
	gone  map[string]error // why there is nothing under a name any more
	exact bool             // list is what MLST or MLSD told
	asked bool             // for Info
}

func newRough(dir string, entries []listing.Entry) *rough {
	return &rough{dir: dir, use: newTurn(), list: entries}
}

// info returns all that the server can tell of an entry.
func (m *rough) info(f *FS, dir, name string) (fs.FileInfo, error) {
	full := name
	if dir != "." {
		full = dir + "/" + name
	}
	select {
	case m.use <- struct{}{}:
	case <-f.ctx.Done():
		return nil, &fs.PathError{Op: "lstat", Path: full, Err: f.ctx.Err()}
	}
	defer m.use.give()
	if !m.asked {
		m.asked = true
		f.p.server.walk.wantInfo()
	}
	if !m.exact {
		err := f.ask("lstat", full, func(ctx context.Context, ls *lease, _ string) error { return ls.exact(ctx, m) })
		if err != nil {
			return nil, err
		}
	}
	e, ok := find(m.list, name)
	err := m.gone[name]
	if err == nil && !ok {
		err = errMissing
	}
	if err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: full, Err: err}
	}
	return fileInfo{e}, nil
}

// exact completes a listing, and in the same flight those that a walk needs
// next.
func (ls *lease) exact(ctx context.Context, m *rough) error {
	if ls.machine(hasMLST) == yes {
		ls.completeHeld(ctx, m, ls.p.server.walk.unfinished(m))
	}
	if m.exact || ctx.Err() != nil {
		return ctx.Err()
	}
	// The ordinary listing tells it as well.
	entries, err := ls.list(ctx, m.dir)
	if errors.Is(err, errMissing) {
		entries, err = nil, nil
	}
	if err == nil {
		m.list, m.gone, m.exact = entries, nil, true
	}
	return err
}

// completeAll completes listings that were just fetched. What fails is asked
// again when it is needed.
func (ls *lease) completeAll(ctx context.Context, first *dirList, others []*dirList) {
	if ls.machine(hasMLST) != yes {
		return
	}
	var list []*rough
	for _, f := range append([]*dirList{first}, others...) {
		if f != nil && f.rough != nil {
			list = append(list, f.rough)
		}
	}
	ls.completeHeld(ctx, nil, list)
}

// completeHeld completes held, whose turn is the caller's, and as many of
// others as nobody else is at just now.
func (ls *lease) completeHeld(ctx context.Context, held *rough, others []*rough) {
	var list []*rough
	total := 0
	if held != nil {
		list, total = append(list, held), len(held.list)
	}
	for _, m := range others {
		if !m.use.tryTake() {
			continue
		}
		defer m.use.give()
		if m.exact {
			continue
		}
		if total += len(m.list); total > factsMost {
			break
		}
		list = append(list, m)
	}
	// An error means that this is found out in another way.
	if err := ls.complete(ctx, list); err != nil && ctx.Err() == nil {
		ls.distrust(err)
	}
}

// complete asks about all entries of listings.
func (ls *lease) complete(ctx context.Context, list []*rough) error {
	m, err := newMarks()
	if err != nil || len(list) == 0 {
		return err
	}
	var lines []string
	var asked []*query
	for _, r := range list {
		a := ls.askAbout(r)
		lines = append(lines, a.lines...)
		asked = append(asked, a)
	}
	n := len(lines)
	lines = append(lines, m.line(0), unmark)
	i := 0 // in asked
	err = ls.l.askAll(ctx, lines, ls.l.cfg.attempt, func(k int, reply Reply) error {
		switch k {
		case n:
			return m.check(0, reply)
		case n + 1:
			return m.checkEnd(reply)
		}
		for len(asked[i].told) == len(asked[i].lines) {
			i++
		}
		ls.takeFacts(asked[i], lines[k], reply)
		return nil
	})
	if err != nil {
		return err
	}
	for _, a := range asked {
		a.finish()
	}
	return nil
}

// query is a listing whose entries are asked about.
type query struct {
	m     *rough
	lines []string
	told  []told
	vague bool // the ordinary listing must be had
}

// told is what MLST said of an entry.
type told struct {
	e   listing.Entry
	err error // it is gone
}

func (ls *lease) askAbout(m *rough) *query {
	a := &query{m: m}
	for _, e := range m.list {
		line, err := ls.line("MLST", below(m.dir, e.Name))
		if err != nil {
			return &query{m: m, vague: true}
		}
		a.lines = append(a.lines, line)
	}
	return a
}

// takeFacts takes in a reply to MLST.
func (ls *lease) takeFacts(a *query, line string, r Reply) {
	was := a.m.list[len(a.told)]
	e, known, err := ls.mlstReply(below(a.m.dir, was.Name), line, r)
	switch {
	case err != nil && !errors.Is(err, errMissing), err == nil && !known:
		a.vague = true
	case err == nil && was.Type == listing.TypeLink && e.Type != listing.TypeLink:
		// It was followed.
		a.vague = true
	case err == nil && e.Target == "":
		e.Target = was.Target
	}
	e.Name = was.Name
	a.told = append(a.told, told{e, err})
}

// finish puts what was told in the place of the listing.
func (a *query) finish() {
	if a.vague {
		return
	}
	list := make([]listing.Entry, 0, len(a.told))
	for i, t := range a.told {
		if t.err == nil {
			list = append(list, t.e)
			continue
		}
		if a.m.gone == nil {
			a.m.gone = make(map[string]error)
		}
		a.m.gone[a.m.list[i].Name] = t.err
	}
	a.m.list, a.m.exact = list, true
}
