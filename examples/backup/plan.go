package main

import (
	"path"
	"slices"
	"strings"
	"time"
)

// tree is what was found on the server.
type tree struct {
	records  []record
	unknown  []string // names of which, and below which, the server did not tell what is there
	problems []problem
}

// plan is what a run has to do.
type plan struct {
	fetch   []record // files that are new or changed
	changed map[name]bool
	keep    []record // of the manifest: nothing is to be done for these
	gone    []record // of the manifest: the server does not have these
	inWay   []record // those of gone whose place is needed
	found   []record // directories and links
}

// makePlan compares a manifest with what was found. Held reports whether the
// backup still has the file of a record.
func makePlan(old map[name]record, now tree, held func(record) bool) plan {
	p := plan{changed: map[name]bool{}}
	seen := make(map[name]string, len(now.records)) // kinds
	for _, r := range now.records {
		seen[r.Name] = r.Kind
		if r.Kind != kindFile {
			p.found = append(p.found, r)
			continue
		}
		before, known := old[r.Name]
		known = known && before.Kind == kindFile
		if known && before.same(r) && held(before) {
			before.Gone = time.Time{}
			p.keep = append(p.keep, before)
			continue
		}
		p.fetch = append(p.fetch, r)
		p.changed[r.Name] = known
	}
	parents := map[string]bool{}
	for at := range seen {
		for d := path.Dir(string(at)); d != "."; d = path.Dir(d) {
			parents[d] = true
		}
	}
	for _, r := range old {
		switch _, there := seen[r.Name]; {
		case there && (seen[r.Name] == r.Kind || r.Kind != kindFile):
		case !there && within(string(r.Name), now.unknown):
			p.keep = append(p.keep, r)
		default:
			p.gone = append(p.gone, r)
			if there || parents[string(r.Name)] || below(string(r.Name), seen) {
				p.inWay = append(p.inWay, r)
			}
		}
	}
	slices.SortFunc(p.keep, record.compare)
	slices.SortFunc(p.gone, record.compare)
	slices.SortFunc(p.inWay, record.compare)
	return p
}

// within reports whether a name is one of those given, or below one of them.
func within(at string, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return at == n || strings.HasPrefix(at, n+"/") })
}

// below reports whether a name was in a directory that is something else now.
func below(at string, seen map[name]string) bool {
	for d := path.Dir(at); d != "."; d = path.Dir(d) {
		if kind, there := seen[name(d)]; there && kind != kindDir {
			return true
		}
	}
	return false
}

// size is how many bytes are to be read.
func (p plan) size() (n int64) {
	for _, r := range p.fetch {
		n += r.Size
	}
	return n
}
