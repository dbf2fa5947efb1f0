package ftpnat

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Path is the key of a [Memory]: the way from a local network to a server.
type Path struct {
	Server  string       // host:port as it was dialled, and "+tls" if TLS is in use
	Network netip.Prefix // of the local address: /24 for IPv4, /64 for IPv6
}

// Lesson is what is known of a path.
type Lesson struct {
	Mode   Mode       `json:"mode,omitzero"`   // mode of the last data connection; zero if there was none
	Source string     `json:"addr,omitzero"`   // kind of its address: peer, advertised, local, public
	Public netip.Addr `json:"public,omitzero"` // our address as the server sees it, if it told
	Avoid  []Mode     `json:"avoid,omitempty"` // modes that were refused or cost the control connection
	Seen   time.Time  `json:"seen,omitzero"`   // time of the last change

	// The shortcuts that the path takes: commands that are sent before earlier
	// ones were answered. A No expires after 24 hours.
	Flight Finding `json:"flight,omitzero"` // the login in one go
	Queue  Finding `json:"queue,omitzero"`  // a command behind the one that transfers
	Ahead  Finding `json:"ahead,omitzero"`  // a passive connection opened before it is needed
	Walk   Finding `json:"walk,omitzero"`   // STAT of many directories in one go
}

// Memory keeps what worked, so that the next transfer on the same path begins
// with it. Implementations must be safe for concurrent use. A Memory holds
// advice: a lesson that is wrong costs time and is forgotten.
type Memory interface {
	Recall(Path) (Lesson, bool)
	Learn(Path, Lesson)
	Forget(Path)
}

// memories has the Memory of each Dialer that was given none. It is not kept
// in the Dialer, which is a plain struct that may be copied.
var memories path.Beside[Dialer, MemoryMap]

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
		oldest := p
		for q := range m.lessons {
			if oldest == p || m.lessons[q].Seen.Before(m.lessons[oldest].Seen) {
				oldest = q
			}
		}
		delete(m.lessons, oldest)
	}
	l.Avoid = slices.Clone(l.Avoid)
	m.lessons[p] = l
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
		return cmp.Or(strings.Compare(a.Server, b.Server), a.Network.Addr().Compare(b.Network.Addr()))
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

// inner is a Memory as the inner packages use it.
type inner struct{ m Memory }

// Recall returns the lesson of a path.
func (in inner) Recall(k proto.Key) (proto.Lesson, bool) {
	l, ok := in.m.Recall(Path(k))
	return proto.Lesson{
		Mode: proto.Mode(l.Mode), Source: l.Source, Public: l.Public, Avoid: modes[proto.Mode](l.Avoid), Seen: l.Seen,
		Flight: proto.Finding(l.Flight), Queue: proto.Finding(l.Queue), Ahead: proto.Finding(l.Ahead), Walk: proto.Finding(l.Walk),
	}, ok
}

// Learn sets the lesson of a path.
func (in inner) Learn(k proto.Key, l proto.Lesson) {
	in.m.Learn(Path(k), Lesson{
		Mode: Mode(l.Mode), Source: l.Source, Public: l.Public, Avoid: modes[Mode](l.Avoid), Seen: l.Seen,
		Flight: Finding(l.Flight), Queue: Finding(l.Queue), Ahead: Finding(l.Ahead), Walk: Finding(l.Walk),
	})
}

// Forget removes the lesson of a path.
func (in inner) Forget(k proto.Key) { in.m.Forget(Path(k)) }

// modes converts between the two types of a mode.
func modes[To, From ~uint8](list []From) []To {
	var to []To
	for _, m := range list {
		to = append(to, To(m))
	}
	return to
}
