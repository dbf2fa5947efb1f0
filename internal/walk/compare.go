package walk

import (
	"context"
	"slices"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

const (
	// statFaults is how many listings by STAT may differ before it is given
	// up: something may change between two listings.
	statFaults = 3
	// sizesMost is how many sizes of files are compared.
	sizesMost = 16
)

// comparable reports whether an ordinary listing and STAT should tell the same
// of an entry. Servers with MLSD have their own ideas there of links and of what
// is neither file nor directory.
func (l *lister) comparable(e listing.Entry) bool {
	return !l.HasMLSD() || !isLink(e) && !isOther(e)
}

// showsSame reports whether a listing shows links as the ordinary one would.
func (l *lister) showsSame(d *Dir) bool {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return !d.links || !l.HasMLSD() || l.w.links
}

// compared lists a directory in the ordinary way and compares that with the
// listing that STAT gave.
func (l *lister) compared(ctx context.Context, d *Dir) (*Dir, error) {
	trusted, err := l.ordinary(ctx, d.dir)
	if err == nil {
		if l.agree(ctx, trusted.entries, d) {
			l.w.forecast.measure(d, true)
		}
	}
	return trusted, err
}

// agree compares an ordinary listing with that of STAT and learns from it.
func (l *lister) agree(ctx context.Context, trusted []listing.Entry, got *Dir) bool {
	missing, differs := l.compare(trusted, got.entries)
	switch {
	case l.w.known() == proto.No:
		return false
	case len(missing) > 0 && l.stillMissing(ctx, got.dir, missing):
		l.giveUp()
		return false
	case len(missing) > 0 || differs:
		// Files come and go.
		l.suspect()
		return false
	}
	// With MLST no caller gets a size of STAT, else one must have been seen to
	// be right.
	if l.HasMLSD() && slices.ContainsFunc(trusted, l.comparable) || slices.ContainsFunc(trusted, isSized) {
		l.trust()
	}
	return true
}

// ignoresName reports whether STAT lists one directory whatever it is given, as
// the LIST of some routers does: what came for the directory of the sample and for
// another one is the same. STAT is given up then.
func (l *lister) ignoresName(got []answer) bool {
	a, b := got[0].list, got[1].list
	same := func(x, y listing.Entry) bool {
		return x.Name == y.Name && x.Type == y.Type && x.Size == y.Size && x.ModTime.Equal(y.ModTime)
	}
	if a == nil || b == nil || len(a.entries) == 0 || !slices.EqualFunc(a.entries, b.entries, same) {
		return false
	}
	l.giveUp()
	return true
}

// checkSizes compares sizes that STAT told of files with those that SIZE tells.
func (l *lister) checkSizes(ctx context.Context, got []answer) {
	i := slices.IndexFunc(got, func(a answer) bool { return a.list != nil && slices.ContainsFunc(a.list.entries, isSized) })
	if i < 0 || !l.HasSIZE() {
		return
	}
	var lines []string
	var sizes []int64
	for _, e := range got[i].list.entries {
		line, err := l.Line("SIZE", remote.Below(got[i].dir, e.Name))
		if isSized(e) && err == nil && len(lines) < sizesMost {
			lines, sizes = append(lines, line), append(sizes, e.Size)
		}
	}
	wrong := 0
	err := l.Batch(ctx, lines, l.w.limit, func(i int, r proto.Reply) error {
		if r.Size() != sizes[i] {
			wrong++
		}
		return nil
	})
	switch {
	case err != nil:
		l.blameSTAT(err)
	case wrong > 0:
		l.suspect()
	case len(lines) > 0:
		l.trust()
	}
}

// stillMissing lists a directory again by STAT and then in the ordinary way,
// and reports whether one of some names is there and STAT does not show it. It
// was not created, nor removed, between two listings then.
func (l *lister) stillMissing(ctx context.Context, dir string, names []string) bool {
	got, err := l.statAll(ctx, []string{dir})
	if err != nil || got[0].list == nil {
		return true
	}
	trusted, err := l.List(ctx, dir)
	if err != nil {
		return true
	}
	missing, _ := l.compare(trusted, got[0].list.entries)
	return slices.ContainsFunc(missing, func(name string) bool { return slices.Contains(names, name) })
}

// compare returns the names that an ordinary listing has and one by STAT has
// not, and whether there are other differences.
func (l *lister) compare(trusted, got []listing.Entry) (missing []string, differs bool) {
	left := make(map[string]listing.Entry, len(got))
	for _, e := range got {
		left[e.Name] = e
	}
	for _, a := range trusted {
		b, ok := left[a.Name]
		delete(left, a.Name)
		switch {
		case !l.comparable(a), ok && !l.comparable(b):
		case !ok:
			missing = append(missing, a.Name)
		case a.Type != b.Type, a.Type == listing.TypeFile && a.Size != b.Size:
			differs = true
		}
	}
	for _, e := range left {
		differs = differs || l.comparable(e)
	}
	return missing, differs
}

// suspect counts what STAT did not tell well, and gives it up in the end.
func (l *lister) suspect() {
	l.w.mu.Lock()
	l.w.faults++
	faults := l.w.faults
	l.w.mu.Unlock()
	if faults >= statFaults {
		l.giveUp()
	}
}

// trust records that STAT has done good.
func (l *lister) trust() {
	l.w.learn(proto.Yes)
	l.Path().Learn(path.Walk, true)
}

// giveUp ends the use of STAT; if it has done no good, also in the sessions to
// come, because it may have cost this one its connection.
func (l *lister) giveUp() {
	good := l.w.known() == proto.Yes
	l.w.learn(proto.No)
	l.w.forecast.forget()
	if !good {
		l.Path().Learn(path.Walk, false)
	}
}

// blameSTAT gives STAT up if it costs connections: at once if it has done no good
// yet, unless one directory is to blame, and then also for the sessions to come.
func (l *lister) blameSTAT(err error) {
	if err == nil {
		return
	}
	if l.w.known() != proto.Yes && !isGarbled(err) {
		l.giveUp()
	}
	l.suspect()
}
