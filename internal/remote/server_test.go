package remote

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestCache keeps listings for as long as they are worth it.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(nil, nil)
		list := []listing.Entry{{Name: "a"}, {Name: "b"}}
		for _, c := range []struct {
			took, after time.Duration
			there       bool
		}{
			{0, Fresh, true}, {0, Fresh + 1, false},
			{time.Second, cachedTimes * time.Second, true}, {time.Second, cachedTimes*time.Second + 1, false},
			{time.Hour, maxCached, true}, {time.Hour, maxCached + 1, false},
		} {
			s.Keep("d", list, c.took, s.Epoch())
			time.Sleep(c.after)
			if _, there := s.Recall("d"); there != c.there {
				t.Errorf("took %v, after %v: there: %v", c.took, c.after, there)
			}
		}
	})
}

// TestCacheForgets forgets what was listed before a change.
func TestCacheForgets(t *testing.T) {
	s := NewServer(nil, nil)
	epoch := s.Epoch()
	s.Keep("d", nil, 0, epoch)
	s.Changed()
	if _, there := s.Recall("d"); there {
		t.Error("kept over a change")
	}
	if s.Epoch() == epoch {
		t.Error("the epoch is the same")
	}
	s.Keep("d", nil, 0, epoch)
	if _, there := s.Recall("d"); there {
		t.Error("kept what was asked for before a change")
	}
}

// TestCacheBounds bounds the memory.
func TestCacheBounds(t *testing.T) {
	s := NewServer(nil, nil)
	for i := range 10 * maxLists {
		s.Keep(strconv.Itoa(i), make([]listing.Entry, 10), 0, 0)
	}
	if len(s.lists) > maxLists {
		t.Errorf("%d listings", len(s.lists))
	}
	s.Keep("long", make([]listing.Entry, maxEntries), 0, 0)
	if _, there := s.Recall("long"); !there || len(s.lists) > 1 {
		t.Errorf("the longest one is there: %v, among %d", there, len(s.lists))
	}
	s.Keep("longer", make([]listing.Entry, maxEntries+1), 0, 0)
	if _, there := s.Recall("longer"); there {
		t.Error("kept too many entries")
	}
}

func TestFind(t *testing.T) {
	list := Sort([]listing.Entry{{Name: "b", Size: 1}, {Name: "a"}, {Name: "b", Size: 2}, {Name: "b", Size: 2}})
	if len(list) != 3 || list[0].Name != "a" {
		t.Fatalf("Sort: %v", list)
	}
	if e, ok := Find(list, "b"); !ok || e.Size != 1 {
		t.Errorf("Find: %v, %v", e, ok)
	}
	if _, ok := Find(list, "c"); ok {
		t.Error("found what is not there")
	}
}

func TestKnows(t *testing.T) {
	s := NewServer(nil, nil)
	if s.Knows(SIZE) != proto.Unknown {
		t.Error("knows too much")
	}
	s.Learn(SIZE, false)
	s.Learn(DashA, true)
	if s.Knows(SIZE) != proto.No || s.Knows(DashA) != proto.Yes || s.Knows(MLST) != proto.Unknown {
		t.Error("has not learnt")
	}
}

// TestMakingHeard has answers say whether there is something, and others say nothing.
func TestMakingHeard(t *testing.T) {
	three := []string{"a", "b", "c"}
	for _, c := range []struct {
		line string
		r    proto.Reply
		want proto.Finding
	}{
		{"MLST x", proto.Reply{Code: 250, Lines: three}, proto.Yes},
		{"MLST x", proto.Reply{Code: 250, Lines: three[:2]}, proto.Unknown},
		{"SIZE x", proto.Reply{Code: 250, Lines: three}, proto.Unknown},
		{"SIZE x", proto.Reply{Code: 213, Lines: []string{"0"}}, proto.Yes},
		{"SIZE x", proto.Reply{Code: 550, Lines: []string{"No such file."}}, proto.Unknown},
		{"MLST x", proto.Reply{Code: 550, Lines: []string{"No such file."}}, proto.No},
		{"CWD x", proto.Reply{Code: 550, Lines: []string{"Permission denied."}}, proto.Unknown},
		{"CWD x", proto.Reply{Code: 550, Lines: []string{"What?"}}, proto.No},
		{"MLST x", proto.Reply{Code: 500, Lines: []string{"What?"}}, proto.Unknown},
	} {
		var m Making
		if m.heard(c.line, c.r); m.there != c.want || m.moves {
			t.Errorf("%s: %v: %v", c.line, c.r, m.there)
		}
	}
	m := Making{there: proto.Yes}
	if m.heard("CWD x", proto.Reply{Code: 550, Lines: []string{"What?"}}); m.there != proto.Yes {
		t.Error("it is not there any more")
	}
}

// TestFileRead remembers a file that was read.
func TestFileRead(t *testing.T) {
	s := NewServer(nil, nil)
	for _, name := range []string{"", "a", "b/c"} {
		s.read(name)
		for range 2 {
			if got := s.aFile(); got != name {
				t.Errorf("%q, want %q", got, name)
			}
		}
	}
}
