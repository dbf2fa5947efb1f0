package pool

import (
	"sync"
	"time"
)

// firstWait is how long a pool without any connection waits until others of its limit
// have one less, before it opens one all the same: who holds theirs may be waiting
// for it, as a copy from one to the other does.
const firstWait = time.Second

// Limits are those of many servers. The zero value is ready to use.
type Limits struct {
	mu sync.Mutex
	by map[string]*limit
}

// limit is how many connections several pools may have in all. It is guarded by
// Limits.mu, which is locked after the pools' own.
type limit struct {
	most, open int
	pools      map[member]want
}

// member is a pool. What it is told it does later, by its timers.
type member interface {
	wake() // there may be room
	ask()  // another wants an idle connection's place
}

// want is what a member lacks.
type want uint8

const (
	content want = iota
	more
	first // it has none
)

// wake has those who want a connection look whether there is room.
func (of *limit) wake() {
	for p, w := range of.pools {
		if w != content && of.open < of.most {
			p.wake()
		}
	}
}

// wants reports whether a pool other than p wants as much as that, or more urgently.
func (of *limit) wants(p member, least want) bool {
	for other, w := range of.pools {
		if other != p && w >= least {
			return true
		}
	}
	return false
}

// Shared is one pool's part in the limit of a server. Nil has none.
type Shared struct {
	limits *Limits
	server string
	most   int
	pool   member
	of     *limit
}

// Of returns a part in the limit of a server, which is most connections as soon as a
// pool has it.
func (l *Limits) Of(server string, most int) *Shared {
	return &Shared{limits: l, server: server, most: most}
}

// join makes the pool one of those that share the limit.
func (s *Shared) join(p member) {
	l := s.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = make(map[string]*limit)
	}
	if l.by[s.server] == nil {
		l.by[s.server] = &limit{pools: make(map[member]want)}
	}
	s.pool, s.of = p, l.by[s.server]
	s.of.most = s.most
	s.of.pools[p] = content
}

// leave takes the pool away, which has no connections.
func (s *Shared) leave() {
	if s == nil {
		return
	}
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	if delete(s.of.pools, s.pool); len(s.of.pools) == 0 {
		delete(s.limits.by, s.server)
	}
}

// take reports whether the pool may have a connection more, and counts it. If there
// is no room the others are asked, unless it must have one. Who has none goes first.
func (s *Shared) take(w want, must bool) bool {
	if s == nil {
		return true
	}
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	if must || s.of.open < s.of.most && (w == first || !s.of.wants(s.pool, first)) {
		s.of.open++
		s.of.pools[s.pool] = content
		s.of.wake()
		return true
	}
	s.of.pools[s.pool] = w
	for p := range s.of.pools {
		if p != s.pool {
			p.ask()
		}
	}
	return false
}

// release gives a connection's place back.
func (s *Shared) release() {
	if s == nil {
		return
	}
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	s.of.open--
	s.of.wake()
}

// forget says that the pool wants no connection any more.
func (s *Shared) forget() {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	s.of.pools[s.pool] = content
}

// due reports whether the pool is to give up a connection that nobody has in use: last
// says that it has no other, wanted that somebody waits for it there.
func (s *Shared) due(last, wanted bool) bool {
	if s == nil {
		return false
	}
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	switch {
	case s.of.open < s.of.most:
		return false // there is room
	case !last && (s.of.open > s.of.most || s.of.wants(s.pool, first)):
		return true
	}
	return !wanted && s.of.wants(s.pool, more)
}
