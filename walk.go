package ftpnat

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

const (
	// windowFirst is how many directories are asked for beyond the one that is
	// needed, when a walk is first seen, and windowMost the most.
	windowFirst = 8
	windowMost  = 64
	// foretoldFor is how old a listing may be when it is used.
	foretoldFor = 30 * time.Second
	// aheadEntries bounds the entries of listings that wait to be used, and
	// seenNames the names of directories from which a walk is foretold.
	aheadEntries = 100_000
	seenNames    = 100_000
	// infosAfter is for how many listings it is remembered that who walks asks
	// for Info.
	infosAfter = 16
	// avoidMost bounds the directories that are remembered as unfit for STAT.
	avoidMost = 4096
)

// walker foresees which directories are listed next. A walk (fs.WalkDir,
// CopyFS, rclone and others) lists a directory and then those in it, one by
// one in the order of their names, each followed by what is in it.
//
// What was fetched is used once, and forgotten when anything is written. It is
// safe for concurrent use.
type walker struct {
	mu      sync.Mutex
	changes int // on the server, as far as known
	window  int
	seen    map[string]*seenDir
	uses    int // of seen; a clock
	names   int // in seen
	ahead   map[string]*dirList
	held    int                 // entries in ahead
	avoid   map[string]struct{} // directories that STAT does not list well
	sample  *dirList            // a listing to compare with STAT's
	proven  int                 // lines of the longest listing by STAT that was seen to be complete
	longest int                 // lines of the longest listing by STAT
	faults  int                 // of STAT
	infos   int                 // for how many listings more all that the server can tell is fetched
}

// seenDir is a directory that was listed.
type seenDir struct {
	subs []string // the directories in it, sorted
	used int
}

// dirList is a listing.
type dirList struct {
	dir     string
	entries []listing.Entry
	lines   int      // of the reply to STAT
	subs    []string // the directories among them
	rough   *rough   // not nil where the server can tell more of the entries
	links   bool     // there are links among them, which MLSD may show in another way
	keep    bool     // Open may use it
	at      time.Time
	took    time.Duration
	epoch   int // of the server, when it was asked for
}

func newDirList(dir string, entries []listing.Entry) *dirList {
	f := &dirList{dir: dir, entries: entries, at: time.Now()}
	for _, e := range entries {
		if e.Type == listing.TypeDir {
			f.subs = append(f.subs, e.Name)
		}
	}
	return f
}

func newWalker() walker {
	return walker{
		window: windowFirst,
		seen:   make(map[string]*seenDir),
		ahead:  make(map[string]*dirList),
		avoid:  make(map[string]struct{}),
	}
}

// below returns the path of a name in a directory.
func below(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// take returns a listing that was fetched ahead. It is there once.
func (w *walker) take(dir string) *dirList {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.ahead[dir]
	if f == nil || !w.sure(f) {
		return nil
	}
	w.drop(f)
	if time.Since(f.at) > foretoldFor {
		w.shrink()
		return nil
	}
	w.window = min(w.window+1, windowMost)
	w.infos = max(w.infos-1, 0)
	w.see(f)
	return f
}

// takeUnsure returns what take has left: a listing that is as long as any that
// was seen, and may be cut.
func (w *walker) takeUnsure(dir string) *dirList {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.ahead[dir]
	if f == nil {
		return nil
	}
	w.drop(f)
	if time.Since(f.at) > foretoldFor {
		return nil
	}
	return f
}

// sure reports whether a listing by STAT is not cut. Some servers can be set to
// cut listings at a length, and say nothing of it in STAT: there is a longer one
// then, or one of that length was compared.
func (w *walker) sure(f *dirList) bool { return f.lines <= w.proven || f.lines < w.longest }

func (w *walker) drop(f *dirList) {
	delete(w.ahead, f.dir)
	w.held -= len(f.entries)
}

// shrink has less fetched ahead: it was not used.
func (w *walker) shrink() { w.window = max(w.window/2, 1) }

// see notes that a directory was listed, and what is in it.
func (w *walker) see(f *dirList) {
	w.uses++
	if old := w.seen[f.dir]; old != nil {
		w.names -= len(old.subs)
	}
	w.seen[f.dir] = &seenDir{f.subs, w.uses}
	w.names += len(f.subs)
	// Those above it are needed longest.
	for at := f.dir; at != ""; {
		at, _ = split(at)
		if s := w.seen[at]; s != nil {
			s.used = w.uses
		}
	}
	if w.names+len(w.seen) > seenNames {
		w.forgetOld()
	}
}

// forgetOld forgets all but the half that was used last.
func (w *walker) forgetOld() {
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

// listed takes in a listing that was had in the ordinary way.
func (w *walker) listed(dir string, entries []listing.Entry) {
	f := newDirList(dir, entries)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ahead[dir] != nil {
		w.drop(w.ahead[dir])
	}
	w.see(f)
	if len(entries) < statMost {
		w.sample = f
	}
}

// sampled returns a listing that was had in the ordinary way just now and is
// good to judge by, nil where there is none. It is there once.
func (w *walker) sampled(good func(listing.Entry) bool) *dirList {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.sample
	if f == nil || time.Since(f.at) > cacheFor || !slices.ContainsFunc(f.entries, good) {
		return nil
	}
	w.sample = nil
	return f
}

// expected reports whether a walk would list dir now: the directory that comes
// before it in the order of a walk was listed.
func (w *walker) expected(dir string) bool {
	parent, base := split(dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen[parent]
	if s == nil || dir == "" {
		return false
	}
	i, ok := slices.BinarySearch(s.subs, base)
	return ok && (i == 0 || w.seen[below(parent, s.subs[i-1])] != nil)
}

// plan returns the directories that a walk needs after dir, in order, those
// that are fit, and the state that they are planned in.
func (w *walker) plan(dir string, expected bool, fit func(dir string) bool) (dirs []string, changes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tidy()
	if !expected || w.held >= aheadEntries {
		return nil, w.changes
	}
	for at := dir; at != "" && len(dirs) < w.window; {
		parent, base := split(at)
		s := w.seen[parent]
		if s == nil {
			break
		}
		i, _ := slices.BinarySearch(s.subs, base+"\x00")
		dirs = w.descend(dirs, parent, s.subs[i:], fit)
		at = parent
	}
	return dirs, w.changes
}

// descend adds directories, or, where they are there already, those in them.
func (w *walker) descend(dirs []string, parent string, subs []string, fit func(string) bool) []string {
	for _, sub := range subs {
		if len(dirs) >= w.window {
			break
		}
		dir := below(parent, sub)
		if f := w.ahead[dir]; f != nil {
			dirs = w.descend(dirs, dir, f.subs, fit)
		} else if _, unfit := w.avoid[dir]; !unfit && fit(dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// tidy drops listings that have become too old. Nobody came for them, and less
// is fetched from now on.
func (w *walker) tidy() {
	old := len(w.ahead)
	for _, f := range w.ahead {
		if time.Since(f.at) > foretoldFor {
			w.drop(f)
		}
	}
	if len(w.ahead) < old {
		w.shrink()
	}
}

// hit notes that a walk went on as foreseen.
func (w *walker) hit() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.window = min(w.window+1, windowMost)
}

// store keeps listings that were fetched ahead, unless something has changed
// since they were planned.
func (w *walker) store(list []*dirList, changes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changes != changes {
		return
	}
	for _, f := range list {
		if old := w.ahead[f.dir]; old != nil {
			w.drop(old)
		}
		if w.held+len(f.entries) > aheadEntries {
			return
		}
		w.ahead[f.dir] = f
		w.held += len(f.entries)
	}
}

// use notes a listing by STAT that goes to the caller at once.
func (w *walker) use(f *dirList) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.see(f)
}

// shun has a directory listed in the ordinary way from now on.
func (w *walker) shun(dir string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.avoid) >= avoidMost {
		clear(w.avoid)
	}
	w.avoid[dir] = struct{}{}
}

// shunned reports whether a directory is to be listed in the ordinary way.
func (w *walker) shunned(dir string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, unfit := w.avoid[dir]
	return unfit
}

// measure notes the length of a listing by STAT.
func (w *walker) measure(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.longest = max(w.longest, n)
}

// prove notes that a listing of n lines by STAT was complete.
func (w *walker) prove(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proven = max(w.proven, n)
}

// fault counts what went wrong with STAT and returns how often that was.
func (w *walker) fault() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults++
	return w.faults
}

// changed forgets what was fetched: something was written. The names that are
// known stay, as they say only what may be worth asking for.
func (w *walker) changed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes++
	w.sample = nil
	if len(w.ahead) > 0 {
		w.shrink()
	}
	clear(w.ahead)
	w.held = 0
}

// unfinished returns what was fetched ahead and may not be exact, in the order
// of a walk, but for one.
func (w *walker) unfinished(except *rough) []*rough {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []*rough
	for _, f := range w.ahead {
		if f.rough != nil && f.rough != except {
			list = append(list, f.rough)
		}
	}
	slices.SortFunc(list, func(a, b *rough) int { return cmp.Compare(walkKey(a.dir), walkKey(b.dir)) })
	return list
}

// wantInfo notes that who walks asks for Info.
func (w *walker) wantInfo() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.infos = infosAfter
}

// wantsInfo reports whether who walks asked for Info lately.
func (w *walker) wantsInfo() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.infos > 0
}

// walkKey returns what sorts paths in the order of a walk: what is in a
// directory comes before its neighbours.
func walkKey(dir string) string { return strings.ReplaceAll(dir, "/", "\x00") }

// takeAhead returns a listing that was fetched ahead, nil where there is none.
func (f *FS) takeAhead(name string) *dirList {
	if !validName(name) || f.ctx.Err() != nil || f.p.life.Err() != nil {
		return nil
	}
	list := f.p.server.walk.take(f.path(name))
	if list != nil && list.keep {
		f.p.server.remember(list)
	}
	return list
}
