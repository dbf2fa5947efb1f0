package ftpnat

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// TestWalkerBounds has more fetched than may be held.
func TestWalkerBounds(t *testing.T) {
	w := newWalker()
	big := make([]listing.Entry, 900)
	for i := range big {
		big[i] = listing.Entry{Name: fmt.Sprintf("e%03d", i), Type: listing.TypeDir}
	}
	for i := range 1000 {
		dir := fmt.Sprintf("d%04d", i)
		w.store([]*dirList{newDirList(dir, big)}, 0)
		w.listed(dir+"/x", big)
		if w.held > aheadEntries || w.names+len(w.seen) > seenNames {
			t.Fatalf("%d entries and %d names are held", w.held, w.names)
		}
	}
	names := 0
	for _, s := range w.seen {
		names += len(s.subs)
	}
	if names != w.names || len(w.ahead) != aheadEntries/len(big) {
		t.Errorf("%d names, counted %d; %d listings", names, w.names, len(w.ahead))
	}
	for i := range 2 * avoidMost {
		w.shun(fmt.Sprint(i))
	}
	if len(w.avoid) > avoidMost {
		t.Errorf("%d directories are avoided", len(w.avoid))
	}
}

// TestWalkPlan foretells the order of a walk from what is known of the tree.
func TestWalkPlan(t *testing.T) {
	w := newWalker()
	dirs := func(names ...string) []listing.Entry {
		var list []listing.Entry
		for _, name := range names {
			list = append(list, listing.Entry{Name: name, Type: listing.TypeDir})
		}
		return append(list, listing.Entry{Name: "zz", Type: listing.TypeFile})
	}
	all := func(string) bool { return true }
	w.listed("", dirs("a", "a b", "b", "c"))
	w.listed("a", dirs("x", "y"))
	w.store([]*dirList{newDirList("b", dirs("1", "2"))}, 0)
	w.shun("b/2")
	for _, c := range []struct {
		dir      string
		expected bool
		want     []string
	}{
		{"", false, nil},
		{"a", true, []string{"a b", "b/1", "c"}},
		{"a/x", true, []string{"a/y", "a b", "b/1", "c"}},
		{"a/y", false, nil},
		{"a/z", false, nil},
		{"a b", true, []string{"b/1", "c"}},
		{"b", false, nil},
		{"c/d", false, nil},
	} {
		if got := w.expected(c.dir); got != c.expected {
			t.Errorf("expected(%q) = %v", c.dir, got)
		}
		if got, _ := w.plan(c.dir, c.expected, all); !slices.Equal(got, c.want) {
			t.Errorf("plan(%q) = %q, want %q", c.dir, got, c.want)
		}
	}
	w.window = 2
	if got, _ := w.plan("a/x", true, func(dir string) bool { return dir != "a b" }); !slices.Equal(got, []string{"a/y", "b/1"}) {
		t.Errorf("with room for two: %q", got)
	}
	if _, changes := w.plan("a/x", true, all); changes != 0 {
		t.Errorf("%d changes", changes)
	}
	w.changed()
	w.store([]*dirList{newDirList("c", nil)}, 0)
	if w.take("b") != nil || w.take("c") != nil {
		t.Error("a listing from before a change was kept")
	}
}
