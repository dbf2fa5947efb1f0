package listing

import (
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"
)

// A List holds many entries in little memory: what an [Entry] has room for and
// hardly any entry needs is stored once or not at all. Its zero value is empty
// and ready to use.
type List struct {
	names  arena
	blocks [][]compact
	n      int

	owners map[owners]uint32
	owned  []owners
	rare   map[int32]rarity // by position when added
	zones  []*time.Location
}

// blockLen is the number of entries in a block, which grows with the list: it is
// not copied when it grows.
const blockLen = 1 << 10

// A compact is the part of an entry that differs from its neighbours.
type compact struct {
	name  string
	size  int64
	sec   int64
	nsec  uint32
	mode  uint32 // the twelve bits of chmod, hasMode, isRare and yearless
	id    int32  // position when added
	owner uint16 // index of owned, plus one; 0 for none
	zone  uint8  // index of zones
	bits  uint8  // precision, type, whether the month was Jan, absolute
}

const (
	hasMode   = 1 << 31
	absolute  = 1 << 7
	isJanuary = 1 << 6
	isRare    = 1 << 30
	yearless  = 1 << 29
	maxOwners = 1<<16 - 1
	maxZones  = 1 << 8
)

type owners struct{ owner, group, perm, mediaType string }

// A rarity is what few entries have: links' targets, and what Settle waits for.
type rarity struct {
	target, unique string
	owners         owners // if there are too many to be shared
	late           late
}

// Add appends an entry without Raw. It needs memory for the name, and for what
// no entry had before.
func (l *List) Add(e Entry) {
	b := l.n / blockLen
	if b == len(l.blocks) {
		size := blockLen
		if b == 0 {
			size = 16
		}
		l.blocks = append(l.blocks, make([]compact, 0, size))
	}
	l.blocks[b] = append(l.blocks[b], l.compact(e))
	l.n++
}

func (l *List) compact(e Entry) compact {
	c := compact{name: l.names.add(e.Name), size: e.Size, id: int32(l.n)}
	c.bits = uint8(e.Type)<<3 | uint8(e.Precision)
	if e.Absolute {
		c.bits |= absolute
	}
	if e.HasMode {
		c.mode = hasMode | modeBits(e.Mode)
	}
	if e.Precision != PrecisionNone {
		c.zone = l.zone(e.ModTime.Location())
		c.sec, c.nsec = e.ModTime.Unix(), uint32(e.ModTime.Nanosecond())
	}
	if e.Yearless {
		c.mode |= yearless
	}
	r := rarity{target: e.Target, unique: e.Unique, late: e.late}
	if e.late.kind != lateNot && e.late == lateJanuary(e.ModTime, e.Precision) {
		c.bits |= isJanuary
		r.late = late{}
	}
	who := owners{e.Owner, e.Group, e.Perm, e.MediaType}
	if who != (owners{}) {
		var ok bool
		if c.owner, ok = l.share(who); !ok {
			r.owners = who.clone()
		}
	}
	if r != (rarity{}) {
		r.target, r.unique = l.names.add(r.target), l.names.add(r.unique)
		if l.rare == nil {
			l.rare = make(map[int32]rarity)
		}
		l.rare[c.id] = r
		c.mode |= isRare
	}
	return c
}

func (o owners) clone() owners {
	return owners{strings.Clone(o.owner), strings.Clone(o.group), strings.Clone(o.perm), strings.Clone(o.mediaType)}
}

// share returns the number of what few entries differ in.
func (l *List) share(who owners) (n uint16, ok bool) {
	if last := len(l.owned); last > 0 && l.owned[last-1] == who {
		return uint16(last), true
	}
	i, ok := l.owners[who]
	if !ok {
		if len(l.owned) == maxOwners {
			return 0, false
		}
		if l.owners == nil {
			l.owners = make(map[owners]uint32)
		}
		who = who.clone()
		l.owned = append(l.owned, who)
		i = uint32(len(l.owned))
		l.owners[who] = i
	}
	return uint16(i), true
}

// zone returns the number of a location. There is always one for UTC.
func (l *List) zone(loc *time.Location) uint8 {
	if l.zones == nil {
		l.zones = []*time.Location{time.UTC}
	}
	i := slices.Index(l.zones, loc)
	switch {
	case i >= 0:
		return uint8(i)
	case len(l.zones) == maxZones:
		return 0
	}
	l.zones = append(l.zones, loc)
	return uint8(len(l.zones) - 1)
}

// Len returns the number of entries.
func (l *List) Len() int { return l.n }

// At returns the entry with index i. Its texts are those of the list, which are
// kept as long as they are.
func (l *List) At(i int) Entry { return l.entry(l.at(i)) }

func (l *List) at(i int) *compact { return &l.blocks[i/blockLen][i%blockLen] }

func (l *List) entry(c *compact) Entry {
	e := Entry{Name: c.name, Size: c.size, Type: Type(c.bits >> 3 & 7), Precision: Precision(c.bits & 7), Absolute: c.bits&absolute != 0, Yearless: c.mode&yearless != 0}
	if e.HasMode = c.mode&hasMode != 0; e.HasMode {
		e.Mode = unixMode(c.mode & 0o7777)
	}
	if e.Precision != PrecisionNone {
		e.ModTime = time.Unix(c.sec, int64(c.nsec)).In(l.zones[c.zone])
	}
	var who owners
	if c.owner > 0 {
		who = l.owned[c.owner-1]
	}
	if c.mode&isRare != 0 {
		r := l.rare[c.id]
		e.Target, e.Unique, e.late = r.target, r.unique, r.late
		if r.owners != (owners{}) {
			who = r.owners
		}
	}
	if c.bits&isJanuary != 0 {
		e.late = lateJanuary(e.ModTime, e.Precision)
	}
	e.Owner, e.Group, e.Perm, e.MediaType = who.owner, who.group, who.perm, who.mediaType
	return e
}

// Name returns the name of the entry with index i.
func (l *List) Name(i int) string { return l.at(i).name }

// All yields the entries with their indices.
func (l *List) All() iter.Seq2[int, Entry] {
	return func(yield func(int, Entry) bool) {
		for i := range l.n {
			if !yield(i, l.At(i)) {
				return
			}
		}
	}
}

// modeBits is the opposite of unixMode.
func modeBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for i, special := range [...]fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if m&special != 0 {
			bits |= 0o1000 << i
		}
	}
	return bits
}
