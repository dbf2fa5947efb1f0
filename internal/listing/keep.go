package listing

import (
	"strings"
	"unsafe"
)

// A Keeper makes entries fit to be kept in large numbers: they hold on to what
// they name and not to the lines that they were read from, texts that many of
// them share are there once, and names lie side by side. Its zero value is ready
// to use. A [List] needs less memory still.
type Keeper struct {
	shared map[string]string
	last   [4]string // shared most recently: owner, group, perm, media type
	names  arena
}

// maxShared bounds the texts that a Keeper shares. Owners and permissions of a
// directory are few; a server that makes them up must not make it grow.
const maxShared = 256

// Keep returns e without Raw and with memory of its own.
func (k *Keeper) Keep(e Entry) Entry {
	e.Name, e.Target, e.Unique = k.names.add(e.Name), k.names.add(e.Target), k.names.add(e.Unique)
	e.Owner, e.Group = k.share(0, e.Owner), k.share(1, e.Group)
	e.Perm, e.MediaType = k.share(2, e.Perm), k.share(3, e.MediaType)
	e.Raw, e.doubt = "", padNone
	return e
}

func (k *Keeper) share(i int, s string) string {
	if s == k.last[i] {
		return k.last[i]
	}
	kept, ok := k.shared[s]
	if !ok {
		kept = strings.Clone(s)
		if len(k.shared) < maxShared {
			if k.shared == nil {
				k.shared = make(map[string]string)
			}
			k.shared[kept] = kept
		}
	}
	k.last[i] = kept
	return kept
}

// An arena holds texts side by side. It starts small: most directories are.
type arena struct {
	free []byte // of the block in use
	next int    // size of the next block
}

const (
	firstBlock = 256
	lastBlock  = 8 << 10
)

// add returns a copy of s.
func (a *arena) add(s string) string {
	if s == "" {
		return ""
	}
	if len(s) > len(a.free) {
		if len(s) > lastBlock/8 {
			return strings.Clone(s)
		}
		a.next = min(max(2*a.next, firstBlock, len(s)), lastBlock)
		a.free = make([]byte, a.next)
	}
	n := copy(a.free, s)
	text := unsafe.String(unsafe.SliceData(a.free), n) // nothing writes there again
	a.free = a.free[n:]
	return text
}
