package ftpnat

import (
	"encoding/json"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"
	"weak"
)

// Path is what a [Memory] is kept by: the way from a local network to a server.
type Path struct {
	Server  string       // host:port as it was dialled, and "+tls" where that is in use
	Network netip.Prefix // of the local address: /24 for IPv4, /64 for IPv6
}

// Lesson is what is known of a path.
type Lesson struct {
	Mode   Mode       `json:"mode,omitzero"`   // opened the last data connection; zero when none did
	Source string     `json:"addr,omitzero"`   // which address it used: peer, advertised, local, public
	Public netip.Addr `json:"public,omitzero"` // under which the server sees us, where it let that slip
	Avoid  []Mode     `json:"avoid,omitempty"` // were refused, or cost the control connection
	Seen   time.Time  `json:"seen,omitzero"`   // when this was learnt

	// What may be sent before what came earlier was answered. A No is doubted
	// after a day.
	Flight Finding `json:"flight,omitzero"` // the login, in one go
	Queue  Finding `json:"queue,omitzero"`  // a command behind the one that transfers
	Ahead  Finding `json:"ahead,omitzero"`  // EPSV, PASV, PORT or EPRT, with the answer not awaited
	Walk   Finding `json:"walk,omitzero"`   // STAT of many directories, in one go
}

// relentAfter is how long it is remembered that something did not work which is
// only slower without: two broken connections may have been the reason.
const relentAfter = 24 * time.Hour

// relent forgets what is not to be sent ahead when that was learnt long ago.
func (l *Lesson) relent() {
	if time.Since(l.Seen) < relentAfter {
		return
	}
	for _, f := range []*Finding{&l.Flight, &l.Queue, &l.Ahead, &l.Walk} {
		if *f == No {
			*f = Unknown
		}
	}
}

// failed takes in that something did not work: once is enough where it never has,
// twice in a row where it has. One may be chance.
func (f *Finding) failed() {
	if *f == Yes {
		*f = Unknown
	} else {
		*f = No
	}
}

// Memory keeps what worked, so that the next transfer on the same path begins
// with it. Implementations must be safe for concurrent use. What a Memory
// holds is advice: a lesson that is wrong costs time and is forgotten.
type Memory interface {
	Recall(Path) (Lesson, bool)
	Learn(Path, Lesson)
	Forget(Path)
}

// memories has the Memory of each Dialer that was given none. It is not kept
// in the Dialer, which is a plain struct that may be copied.
var memories sync.Map // weak.Pointer[Dialer] to *MemoryMap

// memoryOf returns the memory of a Dialer without one of its own, which lives
// as long as the Dialer.
func memoryOf(d *Dialer) *MemoryMap {
	key := weak.Make(d)
	if m, ok := memories.Load(key); ok {
		return m.(*MemoryMap)
	}
	m, known := memories.LoadOrStore(key, new(MemoryMap))
	if !known {
		runtime.AddCleanup(d, func(key weak.Pointer[Dialer]) { memories.Delete(key) }, key)
	}
	return m.(*MemoryMap)
}

// maxPaths bounds a MemoryMap; beyond it the oldest lesson makes room.
const maxPaths = 4096

// MemoryMap is a [Memory] that can be written as JSON and read back, by
// another process too. Its zero value is empty and ready to use.
type MemoryMap struct {
	mu      sync.Mutex
	lessons map[Path]Lesson
}

// Recall returns the lesson of a path.
func (m *MemoryMap) Recall(p Path) (Lesson, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.lessons[p]
	l.Avoid = slices.Clone(l.Avoid)
	return l, ok
}

// Learn sets the lesson of a path.
func (m *MemoryMap) Learn(p Path, l Lesson) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lessons == nil {
		m.lessons = make(map[Path]Lesson)
	}
	if _, known := m.lessons[p]; !known && len(m.lessons) >= maxPaths {
		m.dropOldest()
	}
	l.Avoid = slices.Clone(l.Avoid)
	m.lessons[p] = l
}

func (m *MemoryMap) dropOldest() {
	var oldest Path
	var seen time.Time
	first := true
	for p, l := range m.lessons {
		if first || l.Seen.Before(seen) {
			oldest, seen, first = p, l.Seen, false
		}
	}
	delete(m.lessons, oldest)
}

// Forget removes the lesson of a path.
func (m *MemoryMap) Forget(p Path) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lessons, p)
}

// entry is one path in the JSON form.
type entry struct {
	Server  string       `json:"server"`
	Network netip.Prefix `json:"network,omitzero"`
	Lesson
}

// MarshalJSON returns all lessons, ordered by path.
func (m *MemoryMap) MarshalJSON() ([]byte, error) {
	m.mu.Lock()
	lessons := maps.Clone(m.lessons)
	m.mu.Unlock()
	entries := make([]entry, 0, len(lessons))
	for p, l := range lessons {
		entries = append(entries, entry{p.Server, p.Network, l})
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.Server != b.Server {
			if a.Server < b.Server {
				return -1
			}
			return 1
		}
		return a.Network.Addr().Compare(b.Network.Addr())
	})
	return json.Marshal(entries)
}

// UnmarshalJSON adds the lessons of another MemoryMap.
func (m *MemoryMap) UnmarshalJSON(data []byte) error {
	var entries []entry
	if err := json.Unmarshal(data, &entries); err != nil {
		return err
	}
	for _, e := range entries {
		m.Learn(Path{e.Server, e.Network}, e.Lesson)
	}
	return nil
}
