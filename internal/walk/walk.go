// Package walk lists what a walk through a tree needs next before it asks: many
// directories in one go, by STAT on the control connection.
package walk

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// Session is what a walk needs of a [*remote.Session].
type Session interface {
	List(ctx context.Context, dir string) ([]listing.Entry, error)
	Line(verb, name string) (string, error)
	Decode(entries []listing.Entry) error
	HasMLST() bool
	HasMLSD() bool
	HasSIZE() bool
	ParseMLST(name, line string, r proto.Reply) (e listing.Entry, known bool, err error)

	Batch(ctx context.Context, lines []string, limit time.Duration, take func(i int, r proto.Reply) error) error
	CatchUp(ctx context.Context) error
	Path() *path.Path
	Pipelines() bool // commands may be sent before earlier ones are answered
	Features() map[string]string
	Greeting() proto.Reply
	RTT() time.Duration
}

// Walk is what is known of walks over one server. It is safe for concurrent use.
type Walk struct {
	server   *remote.Server
	limit    time.Duration // of a reply
	forecast *forecast
	details  atomic.Int32 // for how many listings more all that the server can tell is fetched

	mu     sync.Mutex
	good   proto.Finding // whether STAT tells what the ordinary listing tells
	links  bool          // MLSD shows links
	faults int           // of STAT
}

var _ Session = (*remote.Session)(nil)

// New returns the walks over a server. One that takes longer than limit for a
// reply has failed.
func New(server *remote.Server, limit time.Duration) *Walk {
	return &Walk{server: server, limit: limit, forecast: newForecast(server.Epoch)}
}

// Dir is the listing of a directory.
type Dir struct {
	dir     string // in the server's directory
	entries []listing.Entry
	unread  error    // a ListingError, if there is one
	lines   int      // of the reply to STAT; zero for an ordinary listing
	subs    []string // the directories among them
	links   bool     // there are links among them, which MLSD may show in another way
	keep    bool     // Open may use it
	at      time.Time
	took    time.Duration
	epoch   int // of the server, when it was asked for

	rough bool   // the server can tell more of the entries
	use   ioLock // guards what follows
	exact []listing.Entry
	done  bool             // exact is there
	gone  map[string]error // why there is nothing under a name any more
	asked bool             // for what is exact
}

func newDir(dir string, entries []listing.Entry) *Dir {
	d := &Dir{dir: dir, entries: entries, at: time.Now()}
	for _, e := range entries {
		if e.Type == listing.TypeDir {
			d.subs = append(d.subs, e.Name)
		}
	}
	return d
}

// Unread returns a [*proto.ListingError] if lines were not understood.
func (d *Dir) Unread() error { return d.unread }

// Entries returns what is in the directory, sorted by name. It must not be
// changed.
func (d *Dir) Entries() []listing.Entry { return d.entries }

// ioLock is a mutex that is held during I/O: waiting for it ends with a context.
type ioLock chan struct{}

func newIOLock() ioLock { return make(ioLock, 1) }

func (l ioLock) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l ioLock) tryLock() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l ioLock) unlock() { <-l }

// Take returns a listing that was fetched ahead, without any I/O; nil if there is
// none. It is returned once and then removed.
func (w *Walk) Take(dir string) *Dir {
	d := w.forecast.take(dir, false)
	if d == nil {
		return nil
	}
	if n := w.details.Load(); n > 0 {
		w.details.CompareAndSwap(n, n-1)
	}
	w.remember(d)
	return d
}

// ReadDir lists a directory for a caller that may be walking: STAT gives a
// listing on the control connection, in one round trip, and many directories can
// be asked for in one go. It is used once it was seen to tell what the ordinary
// listing tells.
//
// Where walks have gone on as foretold for long, the crew lists what comes thereafter.
func (w *Walk) ReadDir(ctx context.Context, s Session, dir string, crew Crew) (*Dir, error) {
	l := &lister{w, s}
	expected := w.forecast.expected(dir)
	if l.maySTAT(dir, expected) {
		d, err := l.readAhead(ctx, dir, expected, crew)
		if d != nil || err != nil {
			return d, err
		}
	}
	if expected && !l.usesSTAT() {
		defer crew.list(ctx, w, dir)()
	}
	return l.ordinary(ctx, dir)
}

// remember lets Open find the files of a listing, on servers where no other
// command tells of them.
func (w *Walk) remember(d *Dir) {
	if d.keep && time.Since(d.at) < remote.Fresh {
		w.server.Keep(d.dir, d.entries, d.took, d.epoch)
	}
}

// known returns whether STAT is worth anything here.
func (w *Walk) known() proto.Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.good
}

func (w *Walk) learn(good proto.Finding) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.good = good
}

// lister lists over one session.
type lister struct {
	w *Walk
	Session
}

// ordinary lists a directory in the ordinary way.
func (l *lister) ordinary(ctx context.Context, dir string) (*Dir, error) {
	entries, err := l.List(ctx, dir)
	if err != nil && proto.Unread(err) == nil {
		return nil, err
	}
	d := l.ordinaryDir(dir, entries, err)
	l.w.forecast.listed(d, false)
	return d, nil
}

// ordinaryDir returns an ordinary listing, with the error that came with it.
func (l *lister) ordinaryDir(dir string, entries []listing.Entry, unread error) *Dir {
	if l.HasMLSD() && slices.ContainsFunc(entries, isLink) {
		l.w.mu.Lock()
		l.w.links = true
		l.w.mu.Unlock()
	}
	d := newDir(dir, entries)
	d.unread = unread
	l.whole(d)
	return d
}

// maySTAT reports whether dir is to be listed by STAT. If MLSD tells more, that
// is for walks alone.
func (l *lister) maySTAT(dir string, expected bool) bool {
	if !l.usesSTAT() || l.w.forecast.avoids(dir) {
		return false
	}
	if _, ok := l.statLine(dir); !ok {
		return false
	}
	return expected || l.w.known() == proto.Yes && !l.HasMLSD()
}

// usesSTAT reports whether directories are listed by STAT at all.
func (l *lister) usesSTAT() bool {
	if l.w.known() == proto.No || l.w.server.Knows(remote.ListArg) == proto.No || l.Path().Takes(path.Walk) == proto.No || !l.Pipelines() || !l.echoes() {
		return false
	}
	return l.w.details.Load() == 0 || !l.short() // MLSD tells what is asked for too
}

// echoes reports whether the server may answer the marks between listings, as
// far as FEAT tells. Whether it repeats their numbers, the first answer shows.
func (l *lister) echoes() bool {
	features := l.Features()
	_, ok := features["REST"]
	return ok || len(features) == 0
}

// readAhead lists a directory by STAT and those that a walk needs next in the
// same flight. It returns nil if dir must be listed in the ordinary way.
func (l *lister) readAhead(ctx context.Context, dir string, expected bool, crew Crew) (*Dir, error) {
	w := l.w.forecast
	if d := w.take(dir, true); d != nil {
		return l.compared(ctx, d)
	}
	var sample *Dir
	dirs := []string{dir}
	if l.w.known() == proto.Unknown {
		if sample = w.sampled(l.comparable); sample != nil && sample.dir != dir {
			dirs = []string{sample.dir, dir}
		}
	}
	others := 0
	if l.w.known() == proto.Yes {
		others = crew.Most
	}
	plan, drops := w.plan(dir, expected, others, func(dir string) bool { _, ok := l.statLine(dir); return ok })
	plan, rest := plan[:min(len(plan), windowMost)], plan[min(len(plan), windowMost):]
	defer crew.stat(ctx, l.w, rest, drops)()
	got, err := l.statAll(ctx, append(dirs, plan...))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || l.w.known() == proto.No {
		l.blameSTAT(err)
		return nil, nil
	}
	if sample != nil {
		if d := got[0].list; d == nil {
			l.suspect()
			return nil, nil
		} else if !l.agree(ctx, sample.entries, d) {
			return nil, ctx.Err()
		} else {
			l.w.forecast.measureSample(d)
		}
		if sample.dir != dir {
			if l.ignoresName(got) {
				return nil, nil
			}
			got = got[1:]
		}
		if l.w.known() == proto.Unknown {
			l.checkSizes(ctx, got)
		}
	}
	return l.handOut(ctx, dir, got, drops, expected)
}

// handOut returns the listing of dir and keeps the others. If it is not known yet
// what STAT is worth, that of dir is compared first.
func (l *lister) handOut(ctx context.Context, dir string, got []answer, drops int, expected bool) (d *Dir, err error) {
	w := l.w.forecast
	first, proven := got[0].list, l.w.known() == proto.Yes
	switch {
	case first == nil && !proven:
		l.suspect()
		return nil, nil
	case first == nil, proven && !l.showsSame(first):
		w.avoid(dir)
	case !proven || !w.complete(first):
		d, err = l.compared(ctx, first)
	default:
		d = first
		w.listed(d, true)
		l.w.remember(d)
	}
	if err != nil || l.w.known() != proto.Yes {
		return d, err
	}
	if expected {
		w.hit()
	}
	l.store(ctx, d, got[1:], drops)
	return d, ctx.Err()
}

// store keeps what was fetched ahead, with first or without it.
func (l *lister) store(ctx context.Context, first *Dir, got []answer, drops int) {
	var list []*Dir
	for _, a := range got {
		if a.list == nil || !l.showsSame(a.list) {
			l.w.forecast.avoid(a.dir)
			continue
		}
		list = append(list, a.list)
	}
	l.w.forecast.store(list, drops)
	if l.w.details.Load() > 0 {
		l.completeAll(ctx, first, list)
	}
}

func isLink(e listing.Entry) bool { return e.Type == listing.TypeLink }

func isOther(e listing.Entry) bool {
	return e.Type != listing.TypeFile && e.Type != listing.TypeDir && e.Type != listing.TypeLink
}

func isUnsized(e listing.Entry) bool { return e.Type == listing.TypeFile && e.Size < 0 }

func isSized(e listing.Entry) bool { return e.Type == listing.TypeFile && e.Size >= 0 }
