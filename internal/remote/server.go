package remote

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Server is what the connections of a file system have found out about their
// server. It is safe for concurrent use.
type Server struct {
	charset Charset        // nil for the bytes as they are
	zone    *time.Location // of the times in LIST

	mu    sync.Mutex
	known map[Capability]proto.Finding
	file  string // that was read; empty if none was
	home  string // PWD of the session's directory; empty while it is not known
	lists map[string]cachedList
	epoch int // number of changes
}

// Capability is something that FEAT does not tell, or tells wrongly.
type Capability uint8

// The capabilities.
const (
	MLST       Capability = iota // of use: FEAT decides whether there is one
	MLSD                         // of use, with a type for every entry
	SIZE                         // there is one
	DashA                        // LIST -a lists dot files
	ShowsLinks                   // MLST shows links
	EndsLines                    // the last line of a listing ends like the others
	KeepsBytes                   // names beyond ASCII stay as they are
	NotUTF8                      // it names UTF8 in FEAT, and sends the charset all the same
	ListArg                      // LIST lists the directory that it names
	MLSDArg                      // MLSD takes the name of a directory
	MLSDGlobs                    // it takes the name for a pattern
	Signs                        // data over TLS end with a close_notify
	SizesDirs                    // SIZE tells something of directories
	ListsSelf                    // LIST -a shows the directory itself
)

// NewServer returns a Server of which nothing is known yet. A nil Charset leaves
// names as they are; zone is that of the times in LIST, nil for UTC.
func NewServer(cs Charset, zone *time.Location) *Server {
	return &Server{
		charset: cs,
		zone:    zone,
		known:   make(map[Capability]proto.Finding),
		lists:   make(map[string]cachedList),
	}
}

// Zone returns the time zone of LIST.
func (s *Server) Zone() *time.Location { return s.zone }

// Knows returns what is known of a capability.
func (s *Server) Knows(c Capability) proto.Finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[c]
}

// Learn records whether the server has a capability.
func (s *Server) Learn(c Capability, has bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[c] = proto.Found(has)
}

// read records that there is a file.
func (s *Server) read(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file = name
}

// aFile returns the name of a file that was read; empty if none was.
func (s *Server) aFile() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file
}

// learnSIZE learns from a reply to SIZE whether the server has that. One that has told
// a size does, whatever it says later.
func (s *Server) learnSIZE(r proto.Reply) {
	switch {
	case r.Size() >= 0:
		s.Learn(SIZE, true)
	case r.Unsupported() && s.Knows(SIZE) != proto.Yes:
		s.Learn(SIZE, false)
	}
}

// cachedList is a listing that Stat may use for a while. If the server has no
// MLST, the properties of a file are in its directory's listing alone, and a
// copy of a tree would list each directory once for every file in it.
type cachedList struct {
	entries []listing.Entry // nil if there are too many
	huge    bool            // there are
	at      time.Time
	until   time.Time
}

// The limits of the cache.
const (
	// A listing may be used for minCached, or for cachedTimes as long as it
	// took, so that listing never takes much of the time; at most for maxCached.
	minCached   = 5 * time.Second
	cachedTimes = 20
	maxCached   = time.Minute
	// maxKept is how long a listing is kept for what SIZE and MDTM confirm.
	maxKept = 10 * time.Minute
	// maxLists and maxEntries bound the memory.
	maxLists   = 16
	maxEntries = 100_000
)

// Fresh is how long a listing stands for its directory at least.
const Fresh = minCached

// Epoch returns a number that grows with every change on the server that is
// known of.
func (s *Server) Epoch() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.epoch
}

// Changed records that something was written: all listings are forgotten.
func (s *Server) Changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	clear(s.lists)
}

// Keep puts a sorted listing into the cache. It took some time, and was asked
// for in an epoch; if something has changed since then it is not kept.
func (s *Server) Keep(dir string, entries []listing.Entry, took time.Duration, epoch int) {
	huge := len(entries) > maxEntries
	if huge {
		entries = nil
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch {
		return
	}
	total := len(entries)
	for d, c := range s.lists {
		if now.Sub(c.at) > maxKept {
			delete(s.lists, d)
			continue
		}
		total += len(c.entries)
	}
	if len(s.lists) >= maxLists || total > maxEntries {
		clear(s.lists)
	}
	s.lists[dir] = cachedList{entries, huge, now, now.Add(min(max(minCached, cachedTimes*took), maxCached))}
}

// remember returns a listing that may be too old to be used without a question,
// and whether the directory has too many entries for a listing to be kept.
func (s *Server) remember(dir string) (entries []listing.Entry, huge bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.lists[dir]
	if !ok || time.Since(c.at) > maxKept {
		return nil, false
	}
	return c.entries, c.huge
}

// Recall returns a listing from the cache.
func (s *Server) Recall(dir string) ([]listing.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.lists[dir]
	if !ok || c.huge || time.Now().After(c.until) {
		return nil, false
	}
	return c.entries, true
}

// homeDir returns the name of the session's directory; empty if it is not known.
func (s *Server) homeDir() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.home
}

func (s *Server) setHome(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.home = dir
}

// Find returns the entry of a name in a sorted listing.
func Find(entries []listing.Entry, name string) (listing.Entry, bool) {
	i, ok := slices.BinarySearchFunc(entries, name, func(e listing.Entry, n string) int { return cmp.Compare(e.Name, n) })
	if !ok {
		return listing.Entry{}, false
	}
	return entries[i], true
}

// Sort sorts a listing by name. Of two entries that tell the same one is dropped;
// other entries of one name stay, in the order of the listing: a caller must see
// that there are two.
func Sort(entries []listing.Entry) []listing.Entry {
	byName := func(a, b listing.Entry) int { return cmp.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(entries, byName) {
		slices.SortStableFunc(entries, byName)
	}
	return slices.CompactFunc(entries, func(a, b listing.Entry) bool {
		return a.Name == b.Name && a.Type == b.Type && a.Size == b.Size && a.ModTime.Equal(b.ModTime)
	})
}
