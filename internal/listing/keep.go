package listing

import "strings"

// A Keeper makes entries fit to be kept in large numbers: they hold on to what
// they name and not to the lines that they were read from, and texts that many
// of them share are there once. Its zero value is ready to use.
type Keeper struct{ shared map[string]string }

// maxShared bounds the texts that a Keeper shares. Owners and permissions of a
// directory are few; a server that makes them up must not make it grow.
const maxShared = 256

// Keep returns e without Raw and with memory of its own.
func (k *Keeper) Keep(e Entry) Entry {
	own := e.Name
	if len(e.Target)+len(e.Unique) > 0 {
		own += e.Target + e.Unique
	} else {
		own = strings.Clone(own)
	}
	name, target := len(e.Name), len(e.Name)+len(e.Target)
	e.Name, e.Target, e.Unique = own[:name], own[name:target], own[target:]
	e.Owner, e.Group = k.share(e.Owner), k.share(e.Group)
	e.Perm, e.MediaType = k.share(e.Perm), k.share(e.MediaType)
	e.Raw = ""
	return e
}

func (k *Keeper) share(s string) string {
	if s == "" {
		return ""
	}
	if kept, ok := k.shared[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	if len(k.shared) < maxShared {
		if k.shared == nil {
			k.shared = make(map[string]string)
		}
		k.shared[s] = s
	}
	return s
}
