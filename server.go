package ftpnat

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// answer is a thing that is found out once.
type answer uint8

const (
	unknown answer = iota
	yes
	no
)

// server is what the connections of a pool have learnt of their server. It is
// safe for concurrent use.
type server struct {
	charset Charset        // nil for the bytes as they are
	zone    *time.Location // of LIST's times

	mu    sync.Mutex
	known map[question]answer
	home  string // PWD of the pool's directory; empty while it is not known
	lists map[string]cachedList
	epoch int // counts the changes

	walk walker // has a lock of its own
}

// question is one of the things that are not in FEAT, or are wrong there.
type question uint8

const (
	hasMLST question = iota
	hasMLSD
	hasSIZE
	takesDashA // LIST -a
	showsLinks // in MLST
	listsLinks // in MLSD
	endsLines  // the last of a listing too
	statLists  // STAT of a directory tells what the ordinary listing tells
	keepsBytes // of names beyond ASCII
)

func newServer(cfg *config) *server {
	return &server{
		charset: cfg.Dialer.Charset,
		zone:    cfg.Dialer.ServerZone,
		known:   make(map[question]answer),
		lists:   make(map[string]cachedList),
		walk:    newWalker(),
	}
}

func (s *server) ask(q question) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[q]
}

func (s *server) learn(q question, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[q] = a
}

// cachedList is a listing that Open may use for a while. On a server without
// MLST the properties of a file are in its directory's listing alone, and
// copying a tree would list each directory once for every file in it.
type cachedList struct {
	entries []listing.Entry
	until   time.Time
}

const (
	// cacheFor is how long a listing may be used, and cacheTimes how many
	// times as long as it took, so that listing never takes much of the time.
	cacheFor   = 5 * time.Second
	cacheTimes = 20
	cacheMost  = time.Minute
	// cacheLists and cacheEntries bound the memory.
	cacheLists   = 16
	cacheEntries = 100_000
)

// now returns how often something was changed.
func (s *server) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// keep puts a listing that took some time into the cache, unless something has
// changed since it was asked for.
func (s *server) keep(dir string, entries []listing.Entry, took time.Duration, epoch int) {
	if len(entries) > cacheEntries {
		return
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		return
	}
	total := len(entries)
	for d, c := range s.lists {
		if now.After(c.until) {
			delete(s.lists, d)
			continue
		}
		total += len(c.entries)
	}
	if len(s.lists) >= cacheLists || total > cacheEntries {
		clear(s.lists)
	}
	s.lists[dir] = cachedList{entries, now.Add(min(max(cacheFor, cacheTimes*took), cacheMost))}
}

// recall returns a listing from the cache.
func (s *server) recall(dir string) ([]listing.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.lists[dir]
	if !ok || time.Now().After(c.until) {
		return nil, false
	}
	return c.entries, true
}

// changed forgets all listings: something was written.
func (s *server) changed() {
	s.walk.changed()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	clear(s.lists)
}

// find returns the entry of a name in a sorted listing.
func find(entries []listing.Entry, name string) (listing.Entry, bool) {
	i, ok := slices.BinarySearchFunc(entries, name, func(e listing.Entry, n string) int { return cmp.Compare(e.Name, n) })
	if !ok {
		return listing.Entry{}, false
	}
	return entries[i], true
}

// Charset translates between the names of an [FS] and the bytes on the wire,
// for servers that do not speak UTF-8. Both ways must be exact: a name that
// cannot be translated is an error. Implementations must be safe for
// concurrent use.
type Charset interface {
	Encode(name string) (wire string, err error)
	Decode(wire string) (name string, err error)
}

// encode returns a path as the server is given it.
func (ls *lease) encode(name string) (string, error) {
	cs := ls.charset()
	if cs == nil {
		return dotted(name), nil
	}
	wire, err := cs.Encode(name)
	if err != nil {
		return "", fmt.Errorf("the name cannot be put in the server's charset: %w", err)
	}
	return dotted(wire), nil
}

// charset returns the translation that is in force: none where the server
// speaks UTF-8.
func (ls *lease) charset() Charset {
	if _, utf8 := ls.l.sess.Feature("UTF8"); utf8 {
		return nil
	}
	return ls.p.server.charset
}

// line returns a command with a path as its argument.
func (ls *lease) line(verb, name string) (string, error) {
	wire, err := ls.encode(name)
	if err != nil || wire == "" {
		return verb, err
	}
	return verb + " " + wire, nil
}

// decode translates the names of a listing.
func (ls *lease) decode(entries []listing.Entry) error {
	cs := ls.charset()
	if cs == nil {
		return nil
	}
	for i := range entries {
		e := &entries[i]
		name, err := cs.Decode(e.Name)
		if err == nil && !listing.ValidName(name) {
			err = fmt.Errorf("%q is no name", name)
		}
		if err != nil {
			return fmt.Errorf("the name %q in the listing: %w", e.Name, err)
		}
		e.Name = name
		if e.Target, err = cs.Decode(e.Target); err != nil {
			return fmt.Errorf("the link %q: %w", name, err)
		}
	}
	return nil
}

// unsupported reports whether a reply says that the server does not have a
// command at all.
func unsupported(r Reply) bool {
	return r.Code == 500 || r.Code == 502 || r.Code == 504 || r.Code == 202 ||
		r.Code == 501 && strings.Contains(strings.ToLower(r.Text()), "not understood")
}
