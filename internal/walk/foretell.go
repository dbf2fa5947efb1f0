package walk

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/remote"
)

const (
	// windowFirst is how many directories are asked for beyond the one that is
	// needed, when a walk is first seen, and windowMost the most. Each that a
	// walk came for adds windowStep: after the first few it is hardly anything
	// else.
	windowFirst = 8
	windowStep  = 4
	windowMost  = 64
	// foretoldFor is how old a listing may be when it is used.
	foretoldFor = 30 * time.Second
	// aheadEntries bounds the entries of listings that wait to be used, and
	// seenNames the names of directories from which a walk is foretold.
	aheadEntries = 100_000
	seenNames    = 100_000
	// avoidMost bounds the directories that are remembered as unfit for STAT.
	avoidMost = 4096
	// wideAfter is after how many flights of that many directories, or ordinary
	// listings, several connections list: a login costs a few.
	wideAfter = 3
	// wideFor is for how long after a listing the next one may be asked for over
	// several connections: who comes for less is slower than one of them.
	wideFor = 2 * time.Second
)

// forecast foretells which directories are listed next. A walk (fs.WalkDir,
// CopyFS, rclone and others) lists a directory and then those in it, one by
// one in the order of their names, each followed by what is in it.
//
// A listing that was fetched ahead is used once, and dropped when anything is
// written. forecast does no I/O and is safe for concurrent use.
type forecast struct {
	epoch func() int // of the server: how often something was written

	mu      sync.Mutex
	at      int // epoch when last looked at
	drops   int // counts how often all that was fetched was dropped
	window  int
	seen    map[string]*seenDir
	uses    int // of seen; a clock
	names   int // in seen
	ahead   map[string]*Dir
	held    int                 // entries in ahead
	biggest int                 // entries of the biggest of the last directories
	last    time.Time           // of the last flight
	flights int                 // that went as foretold, since window is the most
	avoided map[string]struct{} // directories that STAT does not list well
	sample  *Dir                // an ordinary listing to compare with STAT's
	longest int                 // lines of the longest listing by STAT
	proven  bool                // one of that length was seen to be complete, beside the sample
	// sampleDir is the sample that was seen to be complete if it is of that length.
	sampleDir string
}

// seenDir is a directory that was listed.
type seenDir struct {
	subs []string // the directories in it, sorted
	used int
}

func newForecast(epoch func() int) *forecast {
	return &forecast{
		epoch:     epoch,
		at:        epoch(),
		window:    windowFirst,
		seen:      make(map[string]*seenDir),
		ahead:     make(map[string]*Dir),
		avoided:   make(map[string]struct{}),
		sampleDir: none,
	}
}

// lock locks the forecast, and drops what was fetched before the last change.
func (w *forecast) lock() {
	w.mu.Lock()
	if now := w.epoch(); now != w.at {
		w.at = now
		w.dropAll()
	}
}

// dropAll drops what was fetched. The names that are known stay, because they
// tell only what may be worth asking for.
func (w *forecast) dropAll() {
	w.drops++
	w.sample = nil
	if len(w.ahead) > 0 {
		w.shrink()
	}
	clear(w.ahead)
	w.held = 0
}

// forget is dropAll for other reasons than a change.
func (w *forecast) forget() {
	w.lock()
	defer w.mu.Unlock()
	w.dropAll()
}

// take returns a listing that was fetched ahead. It is returned once and then
// removed. One that may be incomplete is left unless doubtful is set, and then
// has yet to be compared.
func (w *forecast) take(dir string, doubtful bool) *Dir {
	w.lock()
	defer w.mu.Unlock()
	d := w.ahead[dir]
	complete := d != nil && w.isComplete(d)
	if d == nil || !complete && !doubtful {
		return nil
	}
	w.drop(d)
	if time.Since(d.at) > foretoldFor {
		w.shrink()
		return nil
	}
	if complete {
		w.window = min(w.window+windowStep, windowMost)
		w.see(d)
	}
	return d
}

// complete reports whether a listing by STAT is most likely complete. Some servers
// can be set to cut listings at a length, and STAT does not say so: then there
// is no longer one, and hardly any directory but the first is of that
// very length.
func (w *forecast) complete(d *Dir) bool {
	w.lock()
	defer w.mu.Unlock()
	return w.isComplete(d)
}

func (w *forecast) isComplete(d *Dir) bool {
	return d.lines == 0 || d.lines < w.longest || d.lines == w.longest && (w.proven || w.sampleDir == d.dir)
}

// measure records the length of a listing by STAT, and whether it was found to be
// complete.
func (w *forecast) measure(d *Dir, complete bool) {
	w.lock()
	defer w.mu.Unlock()
	w.grow(d)
	w.proven = w.proven || complete && d.lines == w.longest
}

// measureSample records that the listing by STAT of a sample was complete. That a
// directory above others has that length says nothing of those: any of them may
// be longer, and be cut there.
func (w *forecast) measureSample(d *Dir) {
	w.lock()
	defer w.mu.Unlock()
	w.grow(d)
	if d.lines == w.longest {
		w.sampleDir = d.dir
	}
}

func (w *forecast) grow(d *Dir) {
	if d.lines > w.longest {
		w.longest, w.sampleDir, w.proven = d.lines, none, false
	}
}

// none stands for no directory: the root is the empty name.
const none = "."

func (w *forecast) drop(d *Dir) {
	delete(w.ahead, d.dir)
	w.held -= len(d.entries)
}

// shrink has less fetched ahead, because something was not used.
func (w *forecast) shrink() { w.window, w.flights = max(w.window/2, 1), 0 }

// see records that a directory was listed, and which directories are in it.
func (w *forecast) see(d *Dir) {
	w.uses++
	w.biggest = max(w.biggest-w.biggest/16, len(d.entries))
	if old := w.seen[d.dir]; old != nil {
		w.names -= len(old.subs)
	}
	w.seen[d.dir] = &seenDir{d.subs, w.uses}
	w.names += len(d.subs)
	// Those above it are needed longest.
	for at := d.dir; at != ""; {
		at, _ = remote.Split(at)
		if s := w.seen[at]; s != nil {
			s.used = w.uses
		}
	}
	if w.names+len(w.seen) > seenNames {
		w.forgetOld()
	}
}

// forgetOld forgets all but the half that was used last.
func (w *forecast) forgetOld() {
	var used []int
	for _, s := range w.seen {
		used = append(used, s.used)
	}
	slices.Sort(used)
	line := used[len(used)/2]
	for dir, s := range w.seen {
		if s.used < line || len(s.subs) > seenNames/2 {
			w.names -= len(s.subs)
			delete(w.seen, dir)
		}
	}
}

// listed records a listing that goes to the caller at once: an ordinary one, or,
// if byStat is set, one by STAT.
func (w *forecast) listed(d *Dir, byStat bool) {
	w.lock()
	defer w.mu.Unlock()
	w.see(d)
	w.last = time.Now()
	if byStat {
		return
	}
	if old := w.ahead[d.dir]; old != nil {
		w.drop(old)
	}
	if len(d.entries) < statMost {
		w.sample = d
	}
}

// sampled returns the last ordinary listing if that is recent and has an entry
// that is good to judge by, and nil otherwise. It is returned once and then
// removed.
func (w *forecast) sampled(good func(listing.Entry) bool) *Dir {
	w.lock()
	defer w.mu.Unlock()
	d := w.sample
	if d == nil || time.Since(d.at) > remote.Fresh || !slices.ContainsFunc(d.entries, good) {
		return nil
	}
	w.sample = nil
	return d
}

// expected reports whether a walk would list dir now: the directory that comes
// before it in the order of a walk was listed.
func (w *forecast) expected(dir string) bool {
	parent, base := remote.Split(dir)
	w.lock()
	defer w.mu.Unlock()
	s := w.seen[parent]
	if s == nil || dir == "" {
		return false
	}
	i, ok := slices.BinarySearch(s.subs, base)
	return ok && (i == 0 || w.seen[remote.Below(parent, s.subs[i-1])] != nil)
}

// plan returns the directories that a walk needs after dir, in order, those that
// are fit, and what store has to be told: as many as one flight has, and as many for
// each of the others that may list at the same time.
func (w *forecast) plan(dir string, expected bool, others int, fit func(dir string) bool) (dirs []string, drops int) {
	w.lock()
	defer w.mu.Unlock()
	w.prune()
	if !expected || w.held >= aheadEntries {
		return nil, w.drops
	}
	most := w.window
	if w.wide() {
		most = max(most, min(windowMost*(1+others), w.room()))
	}
	return w.next(dir, most, fit), w.drops
}

// planOne is plan where each of the others lists one directory, and dir is listed
// already.
func (w *forecast) planOne(dir string, others int) (dirs []string, drops int) {
	w.lock()
	defer w.mu.Unlock()
	w.prune()
	if !w.wide() {
		return nil, w.drops
	}
	return w.next(dir, min(others, w.room()), func(string) bool { return true }), w.drops
}

// wide counts a flight, and reports whether it is worth several connections.
func (w *forecast) wide() bool {
	if w.window < windowMost {
		return false
	}
	w.flights++
	return w.flights > wideAfter && time.Since(w.last) < wideFor
}

// room returns how many directories can be held further, if they are as big as the
// last ones.
func (w *forecast) room() int { return (aheadEntries - w.held) / max(w.biggest, 1) }

// next returns directories that a walk needs after dir.
func (w *forecast) next(dir string, most int, fit func(string) bool) (dirs []string) {
	for at := dir; at != "" && len(dirs) < most; {
		parent, base := remote.Split(at)
		s := w.seen[parent]
		if s == nil {
			break
		}
		i, _ := slices.BinarySearch(s.subs, base+"\x00")
		dirs = w.descend(dirs, parent, s.subs[i:], most, fit)
		at = parent
	}
	return dirs
}

// descend appends the directories in parent, or, if they were fetched already,
// those in them.
func (w *forecast) descend(dirs []string, parent string, subs []string, most int, fit func(string) bool) []string {
	for _, sub := range subs {
		if len(dirs) >= most {
			break
		}
		dir := remote.Below(parent, sub)
		if d := w.ahead[dir]; d != nil {
			dirs = w.descend(dirs, dir, d.subs, most, fit)
		} else if _, unfit := w.avoided[dir]; !unfit && fit(dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// prune drops listings that have become too old. Nobody came for them, and less
// is fetched from now on.
func (w *forecast) prune() {
	all := len(w.ahead)
	for _, d := range w.ahead {
		if time.Since(d.at) > foretoldFor {
			w.drop(d)
		}
	}
	if len(w.ahead) < all {
		w.shrink()
	}
}

// hit records that a walk went on as foretold.
func (w *forecast) hit() {
	w.lock()
	defer w.mu.Unlock()
	w.window = min(w.window+windowStep, windowMost)
}

// store keeps listings that were fetched ahead, unless all were dropped since
// they were planned.
func (w *forecast) store(list []*Dir, drops int) {
	w.lock()
	defer w.mu.Unlock()
	if w.drops != drops {
		return
	}
	w.last = time.Now()
	for _, d := range list {
		if old := w.ahead[d.dir]; old != nil {
			w.drop(old)
		}
		if w.held+len(d.entries) > aheadEntries {
			return
		}
		w.ahead[d.dir] = d
		w.held += len(d.entries)
	}
}

// avoid has a directory listed in the ordinary way from now on.
func (w *forecast) avoid(dir string) {
	w.lock()
	defer w.mu.Unlock()
	if len(w.avoided) >= avoidMost {
		clear(w.avoided)
	}
	w.avoided[dir] = struct{}{}
}

// avoids reports whether a directory is to be listed in the ordinary way.
func (w *forecast) avoids(dir string) bool {
	w.lock()
	defer w.mu.Unlock()
	_, unfit := w.avoided[dir]
	return unfit
}

// waiting returns what was fetched ahead, in the order of a walk.
func (w *forecast) waiting() []*Dir {
	w.lock()
	defer w.mu.Unlock()
	list := make([]*Dir, 0, len(w.ahead))
	for _, d := range w.ahead {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *Dir) int { return cmp.Compare(walkKey(a.dir), walkKey(b.dir)) })
	return list
}

// walkKey returns what sorts paths in the order of a walk: what is in a
// directory comes before its neighbours.
func walkKey(dir string) string { return strings.ReplaceAll(dir, "/", "\x00") }
