package walk

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// broken is a session whose connection is lost.
type broken struct{ *fake }

func (b *broken) Batch(context.Context, []string, time.Duration, func(int, proto.Reply) error) error {
	return errors.New("lost")
}

func (b *broken) List(context.Context, string) ([]listing.Entry, error) {
	return nil, errors.New("lost")
}

// TestCrew has three others list, which work, are lost, or are none: the walk sees all
// there is, with hardly more listings than alone, and all are given back.
func TestCrew(t *testing.T) {
	tree := make(map[string]int)
	for i := range 1000 {
		tree[fmt.Sprintf("d%04d/f", i)] = i
	}
	for _, stat := range []bool{true, false} {
		for name, tt := range map[string]struct {
			session func(*fake) Session
			share   bool // the crew has done its share
		}{
			"works": {func(f *fake) Session { return f }, true},
			"lost":  {func(f *fake) Session { return &broken{f} }, false},
			"none":  {func(*fake) Session { return nil }, false},
		} {
			own := newFake(t, tree)
			others := newFake(t, tree)
			if !stat {
				own.refuse = always(502)
			}
			lent, back := 0, make(chan bool, 4*len(tree))
			own.crew = Crew{Most: 3, Lend: func() (Session, func()) {
				s := tt.session(others)
				if s == nil {
					return nil, nil
				}
				lent++
				return s, func() { back <- true }
			}}
			own.walk(newWalk())
			if len(back) != lent || (lent > 0) != (name != "none") {
				t.Errorf("STAT %v, %s: %d sessions were lent, %d given back", stat, name, lent, len(back))
			}
			a, b := len(own.listed)+len(own.flights), len(others.listed)+len(others.flights)
			if share := b > a/2; share != tt.share {
				t.Errorf("STAT %v, %s: %d listings and flights, %d by others", stat, name, a, b)
			}
			if n := len(own.listed) + len(others.listed); !stat && n != 1001 {
				t.Errorf("%s: %d ordinary listings", name, n)
			}
		}
	}
}

// TestWide asks for more than one flight holds only where that has gone well for long,
// is needed soon, and can be held.
func TestWide(t *testing.T) {
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("d%03d", i))
	}
	for _, tt := range []struct {
		flights, window int
		ago             time.Duration
		biggest, want   int
	}{
		{wideAfter, windowMost, 0, 10, 4 * windowMost},
		{wideAfter - 1, windowMost, 0, 10, windowMost},
		{wideAfter, windowMost / 2, 0, 10, windowMost / 2},
		{wideAfter, windowMost, wideFor, 10, windowMost},
		{wideAfter, windowMost, 0, 1000, aheadEntries / 1000},
		{wideAfter, windowMost, 0, aheadEntries, windowMost},
	} {
		w := newForecast(new(writes).epoch)
		w.listed(newDir("", dirs(names...)), false)
		w.flights, w.window, w.biggest = tt.flights, tt.window, tt.biggest
		w.last = time.Now().Add(-tt.ago)
		if got, _ := w.plan("d000", true, 3, anyDir); len(got) != tt.want {
			t.Errorf("%+v: %d directories", tt, len(got))
		}
		w.flights = tt.flights
		one := 0
		if tt.want > windowMost {
			one = 3
		}
		if got, _ := w.planOne("d000", 3); tt.biggest < aheadEntries && len(got) != one {
			t.Errorf("%+v: %d directories, one each", tt, len(got))
		}
	}
}
