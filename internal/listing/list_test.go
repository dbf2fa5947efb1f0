package listing

import (
	"fmt"
	"os"
	"path/filepath"
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
		l = List{}
		for _, e := range want {
			l.Add(e)
		}
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
