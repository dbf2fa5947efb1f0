package ftpnat

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
)

const (
	// statMost is from how many entries on STAT is not used. Servers cut there
	// by default, or give up.
	statMost = 1000
	// statFaults is how many listings by STAT may differ before it is given
	// up: something may change between two listings.
	statFaults = 3
	// sizesMost is how many sizes of files are compared.
	sizesMost = 16
	// statLimit is how long, beyond some round trips, the next listing by STAT
	// may take where it has done no good yet. The ordinary one was there already.
	statLimit = 2 * time.Second
)

// readDir lists a directory for who may walk: STAT gives a listing on the
// control connection, in one round trip, and many directories can be asked for
// in one go. It is used where it was seen to tell what the ordinary listing
// tells.
func (ls *lease) readDir(ctx context.Context, dir string) (*dirList, error) {
	w := &ls.p.server.walk
	expected := w.expected(dir)
	if ls.maySTAT(dir, expected) {
		f, err := ls.readAhead(ctx, dir, expected)
		if f != nil || err != nil {
			return f, err
		}
	}
	return ls.listedDir(ctx, dir)
}

// listedDir lists a directory in the ordinary way.
func (ls *lease) listedDir(ctx context.Context, dir string) (*dirList, error) {
	entries, err := ls.list(ctx, dir)
	if err != nil {
		return nil, err
	}
	if ls.machine(hasMLSD) == yes && slices.ContainsFunc(entries, isLink) {
		ls.p.server.learn(listsLinks, yes)
	}
	ls.p.server.walk.listed(dir, entries)
	return newDirList(dir, entries), nil
}

func isLink(e listing.Entry) bool { return e.Type == listing.TypeLink }

func isOther(e listing.Entry) bool {
	return e.Type != listing.TypeFile && e.Type != listing.TypeDir && e.Type != listing.TypeLink
}

// maySTAT reports whether dir is to be listed by STAT. Where MLSD tells more,
// that is for walks alone.
func (ls *lease) maySTAT(dir string, expected bool) bool {
	known := ls.p.server.ask(statLists)
	if known == no || ls.l.lesson.Walk == No || !ls.l.takesAhead() || !ls.echoes() || ls.p.server.walk.shunned(dir) {
		return false
	}
	if _, ok := ls.statLine(dir); !ok {
		return false
	}
	return expected || known == yes && ls.machine(hasMLSD) != yes
}

// echoes reports whether the server may answer the marks between listings, as
// far as FEAT tells. Whether it repeats their numbers, the first answer shows.
func (ls *lease) echoes() bool {
	_, ok := ls.l.sess.Feature("REST")
	return ok || len(ls.l.sess.Features()) == 0
}

// statLine returns the command that lists a directory on the control
// connection, where its name surely means itself.
func (ls *lease) statLine(dir string) (line string, ok bool) {
	wire, err := ls.encode(dir)
	if err != nil || !plainName(wire) || strings.Contains(wire, "\xff") {
		return "", false
	}
	if wire == "" {
		wire = "."
	}
	line = "STAT " + wire
	if ls.showsDots() {
		line = "STAT -a " + wire
	}
	return line, control.CheckCommand(line) == nil
}

// showsDots reports whether the server's STAT takes -a and shows "." then,
// which tells an empty directory from one that is not there. The one that does
// not hides no dot files either.
func (ls *lease) showsDots() bool {
	return !strings.Contains(Reply(ls.l.sess.Greeting()).Text(), "pyftpdlib")
}

// readAhead lists a directory by STAT and those that a walk needs next in the
// same flight. It returns nil where dir must be listed in the ordinary way.
func (ls *lease) readAhead(ctx context.Context, dir string, expected bool) (*dirList, error) {
	w := &ls.p.server.walk
	if f := w.takeUnsure(dir); f != nil {
		return ls.compared(ctx, f)
	}
	known := ls.p.server.ask(statLists)
	var sample *dirList
	dirs := []string{dir}
	if known == unknown {
		if sample = w.sampled(ls.comparable); sample != nil && sample.dir != dir {
			dirs = []string{sample.dir, dir}
		}
	}
	plan, changes := w.plan(dir, expected, func(dir string) bool { _, ok := ls.statLine(dir); return ok })
	got, err := ls.statAll(ctx, append(dirs, plan...))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || ls.p.server.ask(statLists) == no {
		ls.distrust(err)
		return nil, nil
	}
	if sample != nil {
		if f := got[0].list; f == nil {
			ls.doubt()
			return nil, nil
		} else if !ls.agree(ctx, sample.entries, f) {
			return nil, ctx.Err()
		}
		if sample.dir != dir {
			got = got[1:]
		}
		if ls.p.server.ask(statLists) == unknown {
			ls.checkSizes(ctx, got)
		}
	}
	return ls.sortOut(ctx, dir, got, changes, expected)
}

// sortOut hands out the listing of dir and keeps the others. Where it is not
// known yet what STAT is worth, that of dir is compared first.
func (ls *lease) sortOut(ctx context.Context, dir string, got []answered, changes int, expected bool) (f *dirList, err error) {
	w := &ls.p.server.walk
	first, proven := got[0].list, ls.p.server.ask(statLists) == yes
	switch {
	case first == nil && !proven:
		ls.doubt()
		return nil, nil
	case first == nil, proven && !ls.showsSame(first):
		w.shun(dir)
	case !proven || !w.isSure(first):
		f, err = ls.compared(ctx, first)
	default:
		f = first
		w.use(f)
		ls.p.server.remember(f)
	}
	if err != nil || ls.p.server.ask(statLists) != yes {
		return f, err
	}
	if expected {
		w.hit()
	}
	var others []*dirList
	for _, a := range got[1:] {
		if a.list == nil || !ls.showsSame(a.list) {
			w.shun(a.dir)
			continue
		}
		others = append(others, a.list)
	}
	w.store(others, changes)
	if w.wantsInfo() {
		ls.completeAll(ctx, f, others)
	}
	return f, ctx.Err()
}

// showsSame reports whether a listing shows links as the ordinary one would.
func (ls *lease) showsSame(f *dirList) bool {
	return !f.links || ls.machine(hasMLSD) != yes || ls.p.server.ask(listsLinks) == yes
}

// isSure reports whether a listing by STAT is surely not cut.
func (w *walker) isSure(f *dirList) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sure(f)
}

// remember lets Open find the files of a listing, on servers where that is the
// only place that tells of them.
func (s *server) remember(f *dirList) {
	if f.keep && time.Since(f.at) < cacheFor {
		s.keep(f.dir, f.entries, f.took, f.epoch)
	}
}

// compared lists a directory in the ordinary way and compares that with the
// listing that STAT gave.
func (ls *lease) compared(ctx context.Context, f *dirList) (*dirList, error) {
	trusted, err := ls.listedDir(ctx, f.dir)
	if err == nil {
		ls.agree(ctx, trusted.entries, f)
	}
	return trusted, err
}

// agree compares an ordinary listing with that of STAT and learns from it.
func (ls *lease) agree(ctx context.Context, trusted []listing.Entry, got *dirList) bool {
	missing, differs := ls.compare(trusted, got.entries)
	switch {
	case ls.p.server.ask(statLists) == no:
		return false
	case len(missing) > 0 && ls.stillMissing(ctx, got.dir, missing):
		ls.giveUpSTAT()
		return false
	case len(missing) > 0 || differs:
		// Files come and go.
		ls.doubt()
		return false
	}
	ls.p.server.walk.prove(got.lines)
	// With MLST nobody is told a size of STAT, else one must have been seen to
	// be right.
	if ls.machine(hasMLSD) == yes && slices.ContainsFunc(trusted, ls.comparable) || slices.ContainsFunc(trusted, isSized) {
		ls.trustSTAT()
	}
	return true
}

// checkSizes compares sizes that STAT told of files with those that SIZE tells.
func (ls *lease) checkSizes(ctx context.Context, got []answered) {
	i := slices.IndexFunc(got, func(a answered) bool { return a.list != nil && slices.ContainsFunc(a.list.entries, isSized) })
	if i < 0 || ls.p.server.ask(hasSIZE) == no {
		return
	}
	var lines []string
	var sizes []int64
	for _, e := range got[i].list.entries {
		line, err := ls.line("SIZE", below(got[i].dir, e.Name))
		if isSized(e) && err == nil && len(lines) < sizesMost {
			lines, sizes = append(lines, line), append(sizes, e.Size)
		}
	}
	wrong := 0
	err := ls.l.askAll(ctx, lines, ls.l.cfg.attempt, func(i int, r Reply) error {
		if sizeIn(r) != sizes[i] {
			wrong++
		}
		return nil
	})
	switch {
	case err != nil:
		ls.distrust(err)
	case wrong > 0:
		ls.doubt()
	case len(lines) > 0:
		ls.trustSTAT()
	}
}

// stillMissing lists a directory again by STAT and then in the ordinary way,
// and reports whether one of some names is there and STAT does not show it. It
// was not created, nor removed, between two listings then.
func (ls *lease) stillMissing(ctx context.Context, dir string, names []string) bool {
	got, err := ls.statAll(ctx, []string{dir})
	if err != nil || got[0].list == nil {
		return true
	}
	trusted, err := ls.list(ctx, dir)
	if err != nil {
		return true
	}
	missing, _ := ls.compare(trusted, got[0].list.entries)
	return slices.ContainsFunc(missing, func(name string) bool { return slices.Contains(names, name) })
}

// compare returns the names that an ordinary listing has and one by STAT has
// not, and whether there are other differences.
func (ls *lease) compare(trusted, got []listing.Entry) (missing []string, differs bool) {
	left := make(map[string]listing.Entry, len(got))
	for _, e := range got {
		left[e.Name] = e
	}
	for _, a := range trusted {
		b, ok := left[a.Name]
		delete(left, a.Name)
		switch {
		case !ls.comparable(a), ok && !ls.comparable(b):
		case !ok:
			missing = append(missing, a.Name)
		case a.Type != b.Type, a.Type == listing.TypeFile && a.Size != b.Size:
			differs = true
		}
	}
	for _, e := range left {
		differs = differs || ls.comparable(e)
	}
	return missing, differs
}

// doubt counts what STAT did not tell well, and gives it up in the end.
func (ls *lease) doubt() {
	if ls.p.server.walk.fault() >= statFaults {
		ls.giveUpSTAT()
	}
}

// trustSTAT takes in that STAT has done good.
func (ls *lease) trustSTAT() {
	ls.p.server.learn(statLists, yes)
	if ls.l.lesson.Walk == Unknown {
		ls.l.lesson.Walk = Yes
		ls.l.keep()
	}
}

// giveUpSTAT ends the use of STAT; where it has done no good, also in the sessions
// to come, as it may have cost this one its connection.
func (ls *lease) giveUpSTAT() {
	good := ls.p.server.ask(statLists) == yes
	ls.p.server.learn(statLists, no)
	ls.p.server.walk.changed()
	if !good {
		ls.l.lesson.Walk.failed()
		ls.l.keep()
	}
}

// distrust gives STAT up where it costs connections: at once where it has done
// no good yet, unless one directory is to blame, and then also for the sessions
// to come.
func (ls *lease) distrust(err error) {
	if err == nil {
		return
	}
	if ls.p.server.ask(statLists) != yes && !isGarbled(err) {
		ls.giveUpSTAT()
	}
	ls.doubt()
}

// isGarbled reports whether the server sent what is no reply, or none that can
// be read.
func isGarbled(err error) bool {
	var strange *control.ProtocolError
	return errors.As(err, &strange)
}

// comparable reports whether an ordinary listing and STAT should tell the same
// of an entry. Servers with MLSD have their own ideas there of links and of what
// is neither file nor directory.
func (ls *lease) comparable(e listing.Entry) bool {
	return ls.machine(hasMLSD) != yes || !isLink(e) && !isOther(e)
}

func isSized(e listing.Entry) bool { return e.Type == listing.TypeFile && e.Size >= 0 }

// answered is what came of a STAT: list is nil where it cannot be relied on.
type answered struct {
	dir  string
	list *dirList
}

// statAll asks for the listings of directories in one flight, of as many as it
// has room for.
func (ls *lease) statAll(ctx context.Context, dirs []string) ([]answered, error) {
	m, err := newMarks()
	if err != nil {
		return nil, err
	}
	var lines []string
	size := 0
	for i, dir := range dirs {
		line, _ := ls.statLine(dir)
		if size += len(line) + len(m.line(i)); size > askedBytes && i > 1 {
			break
		}
		lines = append(lines, line, m.line(i))
	}
	lines = append(lines, unmark)
	var got []answered
	start, epoch := time.Now(), ls.p.server.now()
	limit := ls.l.cfg.attempt
	if ls.p.server.ask(statLists) != yes {
		limit = min(limit, statLimit+4*ls.l.roundTrip())
	}
	err = ls.l.askAll(ctx, lines, limit, func(n int, r Reply) error {
		switch {
		case n == len(lines)-1:
			return m.checkEnd(r)
		case n%2 == 1:
			return m.check(n/2, r)
		}
		got = append(got, answered{dirs[n/2], ls.statList(dirs[n/2], r)})
		return nil
	})
	ls.blame(err, dirs, len(got))
	for _, a := range got {
		if a.list != nil {
			a.list.took, a.list.epoch = time.Since(start), epoch
		}
	}
	return got, err
}

// blame finds the directory whose listing cost a connection: one that is too
// long for a reply, or that holds names which make up replies.
func (ls *lease) blame(err error, dirs []string, replies int) {
	garbled := isGarbled(err)
	if garbled && replies < len(dirs) {
		ls.p.server.walk.shun(dirs[replies])
	}
	if (garbled || errors.Is(err, errMisaligned)) && replies > 0 {
		ls.p.server.walk.shun(dirs[replies-1])
	}
}

// statList returns the listing in a reply to STAT, nil where there is none or
// where it must be looked at in the ordinary way.
func (ls *lease) statList(dir string, r Reply) *dirList {
	if unsupported(r) {
		ls.p.server.learn(statLists, no)
		return nil
	}
	if r.Code < 211 || r.Code > 213 || len(r.Lines) < 2 || len(r.Lines) > statMost {
		return nil
	}
	entries, dots, ok := parseStat(r.Lines[1:len(r.Lines)-1], ls.p.server.zone)
	if !ok || ls.showsDots() && !dots || !ls.showsDots() && doubtful(entries, dir) || ls.decode(entries) != nil {
		return nil
	}
	machine := ls.machine(hasMLSD) == yes
	if machine && slices.ContainsFunc(entries, isOther) {
		// MLSD may have another name for what they are.
		return nil
	}
	slices.SortStableFunc(entries, func(a, b listing.Entry) int { return cmp.Compare(a.Name, b.Name) })
	entries = slices.CompactFunc(entries, func(a, b listing.Entry) bool { return a.Name == b.Name })
	f := newDirList(dir, entries)
	f.links = slices.ContainsFunc(entries, isLink)
	f.keep = ls.machine(hasMLST) != yes
	f.lines = len(r.Lines)
	ls.p.server.walk.measure(f.lines)
	if machine {
		f.rough = newRough(dir, entries)
	}
	return f
}

// parseStat parses the lines of a listing on the control connection and
// reports whether "." was among them.
func parseStat(lines []string, zone *time.Location) (entries []listing.Entry, dots, ok bool) {
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
			dots = true
		}
	}
	return entries, dots, true
}
