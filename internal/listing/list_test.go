package listing

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestList gives back what was put in, for all listings there are, settled or
// not.
func TestList(t *testing.T) {
	files, err := filepath.Glob("testdata/*.list")
	if err != nil {
		t.Fatal(err)
	}
	_, _, lists := readLocales(t)
	var texts []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	for _, l := range lists {
		texts = append(texts, l.text)
	}
	for _, text := range texts {
		var l List
		var k Keeper
		var want []Entry
		p := NewParser(Options{Now: march2})
		for e, err := range p.All(strings.NewReader(text)) {
			if err == nil {
				l.Add(e)
				want = append(want, k.Keep(e))
			}
		}
		same(t, &l, want)
		p.Settle(want)
		p.SettleList(&l)
		same(t, &l, want)
		slices.SortStableFunc(want, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
		l.Sort()
		same(t, &l, want)
	}
}

func same(t *testing.T, l *List, want []Entry) {
	t.Helper()
	if l.Len() != len(want) {
		t.Fatalf("%d entries of %d", l.Len(), len(want))
	}
	for i, e := range l.All() {
		w := want[i]
		if !e.ModTime.Equal(w.ModTime) || e.ModTime.String() != w.ModTime.String() || e.late != w.late {
			t.Errorf("time %v of %+v, want %v", e.ModTime, w, w.ModTime)
		}
		e.ModTime, e.late = w.ModTime, w.late
		if e != w {
			t.Errorf("%+v\nwant %+v", e, w)
		}
	}
}

// TestListSort sorts more entries than a block has, keeps the order of the
// same names, and takes more.
func TestListSort(t *testing.T) {
	var l List
	const n = 3*blockLen + 9
	for i := range n {
		l.Add(Entry{Name: fmt.Sprintf("%05d", (n-i)/2), Size: int64(i), Owner: "o", Target: strings.Repeat("t", i%3)})
	}
	for range 2 {
		l.Sort()
		for i := range l.Len() - 1 {
			a, b := l.At(i), l.At(i+1)
			if a.Name > b.Name || a.Name == b.Name && a.Size > b.Size || a.Target != strings.Repeat("t", int(a.Size)%3) {
				t.Fatalf("%+v before %+v", a, b)
			}
		}
		if i, found := l.Search("00700"); !found || l.Name(i) != "00700" || l.At(i-1).Name == "00700" {
			t.Errorf("found at %d, %v", i, found)
		}
		if _, found := l.Search("x"); found {
			t.Error("found x")
		}
		l.Add(Entry{Name: "00000", Size: n})
	}
}

// TestListOwners has more owners than are shared.
func TestListOwners(t *testing.T) {
	var l List
	for i := range maxOwners + 10 {
		l.Add(Entry{Name: "a", Owner: fmt.Sprint(i)})
	}
	for i, e := range l.All() {
		if e.Owner != fmt.Sprint(i) {
			t.Fatalf("owner of %d: %q", i, e.Owner)
		}
	}
}
