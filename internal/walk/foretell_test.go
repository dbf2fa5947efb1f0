package walk

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// writes is an epoch that tests set.
type writes int

func (w *writes) epoch() int { return int(*w) }

// dirs returns a listing of directories, and a file.
func dirs(names ...string) []listing.Entry {
	var list []listing.Entry
	for _, name := range names {
		list = append(list, listing.Entry{Name: name, Type: listing.TypeDir})
	}
	return append(list, listing.Entry{Name: "zz", Type: listing.TypeFile})
}

func anyDir(string) bool { return true }

// TestBounds has more fetched than may be held.
func TestBounds(t *testing.T) {
	w := newForecast(new(writes).epoch)
	big := make([]listing.Entry, 900)
	for i := range big {
		big[i] = listing.Entry{Name: fmt.Sprintf("e%03d", i), Type: listing.TypeDir}
	}
	for i := range 1000 {
		dir := fmt.Sprintf("d%04d", i)
		w.store([]*Dir{newDir(dir, big)}, 0)
		w.listed(newDir(dir+"/x", big), false)
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
		w.avoid(fmt.Sprint(i))
	}
	if len(w.avoided) > avoidMost {
		t.Errorf("%d directories are avoided", len(w.avoided))
	}
}

// TestPlan foretells the order of a walk from what is known of the tree.
func TestPlan(t *testing.T) {
	w := newForecast(new(writes).epoch)
	w.listed(newDir("", dirs("a", "a b", "b", "c")), false)
	w.listed(newDir("a", dirs("x", "y")), false)
	w.store([]*Dir{newDir("b", dirs("1", "2"))}, 0)
	w.avoid("b/2")
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
		if got, _ := w.plan(c.dir, c.expected, 0, anyDir); !slices.Equal(got, c.want) {
			t.Errorf("plan(%q) = %q, want %q", c.dir, got, c.want)
		}
	}
	w.window = 2
	if got, _ := w.plan("a/x", true, 0, func(dir string) bool { return dir != "a b" }); !slices.Equal(got, []string{"a/y", "b/1"}) {
		t.Errorf("with room for two: %q", got)
	}
}

// TestEpoch uses nothing from before a change that nobody told it of.
func TestEpoch(t *testing.T) {
	var at writes
	w := newForecast(at.epoch)
	w.listed(newDir("", dirs("a", "b", "c")), false)
	_, planned := w.plan("a", true, 0, anyDir)
	w.store([]*Dir{newDir("a", nil), newDir("b", nil)}, planned)
	if w.take("a", false) == nil {
		t.Fatal("nothing was kept")
	}
	if w.take("a", false) != nil {
		t.Error("a listing was used twice")
	}
	_, planned = w.plan("a", true, 0, anyDir)
	at++
	if w.take("b", false) != nil {
		t.Error("a listing from before a change was used")
	}
	w.store([]*Dir{newDir("c", nil)}, planned)
	if w.take("c", false) != nil {
		t.Error("a listing that was asked for before a change was kept")
	}
	if w.sampled(func(listing.Entry) bool { return true }) != nil {
		t.Error("a sample from before a change was used")
	}
	if got, _ := w.plan("a", true, 0, anyDir); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("the names are not known any more: %q", got)
	}
}

// TestOld uses nothing that is old, and then fetches less.
func TestOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newForecast(new(writes).epoch)
		w.store([]*Dir{newDir("a", nil), newDir("b", nil)}, 0)
		time.Sleep(foretoldFor + time.Second)
		if w.take("a", false) != nil || w.window != windowFirst/2 {
			t.Errorf("the window is %d", w.window)
		}
		w.plan("", false, 0, anyDir)
		if len(w.ahead) > 0 || w.held > 0 || w.window != windowFirst/4 {
			t.Errorf("%d are held, the window is %d", len(w.ahead), w.window)
		}
	})
}

// TestComplete has the lengths of listings by STAT go in, those that were found
// to be complete marked with a sign, and whether another one may be cut come out.
func TestComplete(t *testing.T) {
	for _, tt := range []struct {
		sample int   // length of a sample that was found to be complete
		seen   []int // negative: found to be complete
		lines  int
		want   bool
	}{
		{0, nil, 5, false},
		{0, []int{5}, 5, false},         // all that long may be cut there
		{0, []int{5, 5, 5}, 5, false},   //
		{0, []int{5, 6}, 5, true},       // there is a longer one
		{0, []int{5, 6}, 6, false},      //
		{0, []int{5, 6, -6}, 6, true},   // compared
		{0, []int{5, 6, -5}, 6, false},  //
		{0, []int{-6}, 7, false},        //
		{0, []int{-6, 7, 8}, 7, true},   //
		{0, []int{-900, 34}, 900, true}, //
		{6, nil, 6, false},              // the one above is that long by chance
		{6, nil, 5, true},               //
		{6, []int{5, 6}, 6, false},      //
		{6, []int{-6}, 6, true},         //
		{6, []int{7}, 7, false},         //
	} {
		w := newForecast(new(writes).epoch)
		if tt.sample > 0 {
			w.measureSample(&Dir{dir: "above", lines: tt.sample})
		}
		for _, n := range tt.seen {
			w.measure(&Dir{dir: "seen", lines: max(n, -n)}, n < 0)
		}
		d := &Dir{dir: "d", lines: tt.lines, at: time.Now()}
		if got := w.complete(d); got != tt.want {
			t.Errorf("%v, then %d lines: %v", tt.seen, tt.lines, got)
		}
		w.store([]*Dir{d}, 0)
		if got := w.take("d", false) != nil; got != tt.want {
			t.Errorf("%v, then %d lines: taken %v", tt.seen, tt.lines, got)
		}
		if got := w.take("d", true) != nil; got == tt.want {
			t.Errorf("%v, then %d lines: left to be compared %v", tt.seen, tt.lines, got)
		}
	}
}

// TestWindow grows while a walk goes on as foretold.
func TestWindow(t *testing.T) {
	w := newForecast(new(writes).epoch)
	for range 2 * windowMost {
		w.hit()
	}
	if w.window != windowMost {
		t.Errorf("the window is %d", w.window)
	}
	w.store([]*Dir{newDir("a", nil)}, 0)
	w.forget()
	if w.window != windowMost/2 || len(w.ahead) > 0 {
		t.Errorf("after a drop the window is %d", w.window)
	}
	for range 10 {
		w.shrink()
	}
	if w.window != 1 {
		t.Errorf("the window is %d", w.window)
	}
}
