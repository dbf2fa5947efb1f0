package walk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// flat has 50 directories with some files each, more in the later ones.
func flat() map[string]int {
	tree := make(map[string]int)
	for i := range 50 {
		for j := range 10 + i%4 {
			tree[fmt.Sprintf("d%02d/f%02d", i, j)] = 100*i + j
		}
	}
	return tree
}

// TestWalk lists a tree of 51 directories in a few flights.
func TestWalk(t *testing.T) {
	for _, mlsx := range []bool{false, true} {
		f := newFake(t, flat())
		f.mlsx = mlsx
		w := newWalk()
		f.walk(w)
		if len(f.listed) > 5 || len(f.flights) > 8 {
			t.Errorf("MLSD %v: %d ordinary listings, %d flights", mlsx, len(f.listed), len(f.flights))
		}
		if f.way.Takes(path.Walk) != proto.Yes {
			t.Error("the path does not know that it works")
		}
		if len(w.forecast.ahead) > 0 || w.forecast.held > 0 {
			t.Errorf("%d listings are left", len(w.forecast.ahead))
		}
	}
}

// TestCut sees all there is on a server that cuts the listings of STAT, at
// whatever length, and says nothing of it.
func TestCut(t *testing.T) {
	tree := flat()
	for i := range 100 {
		tree[fmt.Sprintf("d30/x%02d", i)] = i
		tree[fmt.Sprintf("d40/x%02d", i)] = i
	}
	for most := 2; most < 130; most += 1 + most/10*4 {
		f := newFake(t, tree)
		f.edit = func(_ string, lines []string) []string { return lines[:min(len(lines), most)] }
		w := newWalk()
		f.walk(w)
		if good := w.known() == proto.Yes; good != (most > 113) {
			t.Errorf("cut at %d lines: STAT is good: %v", most, good)
		}
		if most > 113 && len(f.listed) > 6 {
			t.Errorf("cut at %d lines: %d ordinary listings", most, len(f.listed))
		}
	}
}

// without drops the lines of a listing that end in a word.
func without(ends ...string) func(string, []string) []string {
	return func(_ string, lines []string) []string {
		return slices.DeleteFunc(lines, func(l string) bool {
			return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(l, " "+end) })
		})
	}
}

func replaced(old, now string) func(string, []string) []string {
	return func(_ string, lines []string) []string {
		for i := range lines {
			lines[i] = strings.ReplaceAll(lines[i], old, now)
		}
		return lines
	}
}

func always(code int) func(string) (proto.Reply, error) {
	return func(string) (proto.Reply, error) { return proto.Reply{Code: code, Lines: []string{"No"}}, nil }
}

// wrongs are ways in which STAT goes wrong.
var wrongs = map[string]struct {
	edit   func(string, []string) []string
	refuse func(string) (proto.Reply, error)
	want   proto.Finding // whether STAT is good in the end
}{
	"nothing":       {want: proto.Yes},
	"hides one":     {edit: without("d07"), want: proto.No},
	"hides dots":    {edit: without(".", ".."), want: proto.No},
	"other types":   {edit: replaced("-rw", "drw"), want: proto.No},
	"other sizes":   {edit: replaced(" b ", " b 9"), want: proto.No},
	"what is this":  {edit: func(_ string, l []string) []string { return append(l, "what is this") }, want: proto.No},
	"names of more": {edit: func(_ string, l []string) []string { return append(l, "-rw-r--r-- 1 a b 3 Jan  1 00:00 x") }, want: proto.No},
	"Telnet's byte": {edit: func(_ string, l []string) []string { return append(l, "-rw-r--r-- 1 a b 3 Jan  1 00:00 \xff") }, want: proto.No},
	"a device in one": {edit: func(dir string, l []string) []string {
		if dir == "d03" {
			l = append(l, "what is this")
		}
		return l
	}, want: proto.Yes},
	"502":           {refuse: always(502), want: proto.No},
	"550":           {refuse: always(550), want: proto.No},
	"450":           {refuse: always(450), want: proto.No},
	"the session's": {refuse: always(211), want: proto.No},
	"lost at first": {refuse: func(string) (proto.Reply, error) { return proto.Reply{}, errors.New("lost") }, want: proto.No},
	"garbled in one": {refuse: func(dir string) (proto.Reply, error) {
		if dir == "d03" {
			return proto.Reply{}, &control.ProtocolError{}
		}
		return proto.Reply{}, nil
	}, want: proto.Yes},
}

// TestWrong has STAT go wrong in all ways: the walk sees all there is, and STAT is
// given up unless it does some good.
func TestWrong(t *testing.T) {
	for name, tt := range wrongs {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, flat())
			f.edit, f.refuse = tt.edit, tt.refuse
			w := newWalk()
			f.walk(w)
			f.walk(w)
			if w.known() != tt.want {
				t.Errorf("STAT is good: %v, want %v", w.known(), tt.want)
			}
			if n := len(f.listed); (n < 20) != (tt.want == proto.Yes) {
				t.Errorf("%d ordinary listings", n)
			}
			if n := len(f.flights); n > 16 || tt.want == proto.No && n > 8 {
				t.Errorf("%d flights", n)
			}
			if on := f.way.Takes(path.Walk); tt.want == proto.No && on != proto.No && name != "502" || tt.want == proto.Yes && on != proto.Yes {
				t.Errorf("on the path: %v", on)
			}
		})
	}
}

// TestForged has the name of a file make up the end of a reply: the mark that
// follows is not answered, and the directory is avoided.
func TestForged(t *testing.T) {
	f := newFake(t, flat())
	w := newWalk()
	f.walk(w)
	l := &lister{w, &misaligned{f}}
	if _, err := l.statAll(t.Context(), []string{"d01", "d02", "d03"}); err == nil {
		t.Error("no error")
	}
	if w.forecast.avoids("d01") || !w.forecast.avoids("d02") {
		t.Error("not the one directory is avoided")
	}
}

// misaligned answers the mark behind d02 with something else.
type misaligned struct{ *fake }

func (m *misaligned) Batch(ctx context.Context, lines []string, limit time.Duration, take func(int, proto.Reply) error) error {
	for i, line := range lines {
		r := m.answer(line)
		if i == 3 {
			r = proto.Reply{Code: 350, Lines: []string{"Restarting at 100000000"}}
		}
		if err := take(i, r); err != nil {
			return err
		}
	}
	return nil
}

// TestWrites lists again what may have changed.
func TestWrites(t *testing.T) {
	f := newFake(t, flat())
	w := newWalk()
	f.walk(w)
	if _, err := w.ReadDir(t.Context(), f, "", Crew{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ReadDir(t.Context(), f, "d00", Crew{}); err != nil {
		t.Fatal(err)
	}
	f.tree["d01/new"] = 1
	w.server.Changed()
	if w.Take("d01") != nil {
		t.Error("a listing from before the change was used")
	}
	f.walk(w)
}

// rough returns a listing that the server can tell more of, and its walk.
func rough(t *testing.T, f *fake) (*Walk, *Dir) {
	t.Helper()
	f.mlsx = true
	w := newWalk()
	f.walk(w)
	for _, dir := range []string{"d00", "d01"} {
		if _, err := w.ReadDir(t.Context(), f, dir, Crew{}); err != nil {
			t.Fatal(err)
		}
	}
	d := w.Take("d02")
	if d == nil || !d.Rough() {
		t.Fatal("no listing by STAT")
	}
	f.flights, f.listed = nil, nil
	return w, d
}

func lend(ctx context.Context, s Session) func(func(context.Context, Session) error) error {
	return func(use func(context.Context, Session) error) error { return use(ctx, s) }
}

// TestExact asks about all entries of a directory in one flight, with those that
// come next, however many ask at once.
func TestExact(t *testing.T) {
	f := newFake(t, flat())
	w, d := rough(t, f)
	var wg sync.WaitGroup
	for _, e := range d.Entries() {
		wg.Go(func() {
			got, err := w.Exact(t.Context(), d, e.Name, lend(t.Context(), f))
			if err != nil || !got.Absolute || got.Size != e.Size {
				t.Errorf("%s: %+v, %v", e.Name, got, err)
			}
		})
	}
	wg.Wait()
	if len(f.flights) != 1 || len(f.flights[0]) < 2*len(d.Entries()) || len(f.listed) > 0 {
		t.Fatalf("%d flights, %d ordinary listings", len(f.flights), len(f.listed))
	}
	next := w.Take("d03")
	if next == nil {
		t.Fatal("the next directory is not there")
	}
	never := func(func(context.Context, Session) error) error { return errors.New("a session was asked for") }
	if e, err := w.Exact(t.Context(), next, "f01", never); err != nil || !e.Absolute {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := w.Exact(t.Context(), d, "nothing", never); !errors.Is(err, proto.ErrMissing) {
		t.Errorf("a name that is not there: %v", err)
	}
}

// TestExactWalk asks for what is exact all along a walk: in few flights.
func TestExactWalk(t *testing.T) {
	f := newFake(t, flat())
	f.mlsx = true
	w := newWalk()
	dirs := []string{""}
	for i := range 50 {
		dirs = append(dirs, fmt.Sprintf("d%02d", i))
	}
	for _, dir := range dirs {
		d := w.Take(dir)
		if d == nil {
			var err error
			if d, err = w.ReadDir(t.Context(), f, dir, Crew{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range d.Entries() {
			got, err := w.Exact(t.Context(), d, e.Name, lend(t.Context(), f))
			if err != nil || d.Rough() && e.Type == listing.TypeFile && !got.Absolute {
				t.Errorf("%s/%s: %+v, %v", dir, e.Name, got, err)
			}
		}
	}
	if len(f.flights) > 16 || len(f.listed) > 4 {
		t.Errorf("%d flights, %d ordinary listings", len(f.flights), len(f.listed))
	}
}

// TestExactGone says which files have gone since they were listed.
func TestExactGone(t *testing.T) {
	tree := flat()
	tree["d02/gone"] = 1
	f := newFake(t, tree)
	w, d := rough(t, f)
	if _, err := w.Exact(t.Context(), d, "gone", lend(t.Context(), f)); !errors.Is(err, proto.ErrMissing) {
		t.Errorf("gone: %v", err)
	}
	if _, err := w.Exact(t.Context(), d, "f00", lend(t.Context(), f)); err != nil {
		t.Errorf("not gone: %v", err)
	}
}

// vague is a session whose MLST is of no use.
type vague struct{ *fake }

func (v *vague) ParseMLST(string, string, proto.Reply) (listing.Entry, bool, error) {
	return listing.Entry{}, false, nil
}

// TestExactVague has the ordinary listing where MLST is of no use.
func TestExactVague(t *testing.T) {
	f := newFake(t, flat())
	w, d := rough(t, f)
	if _, err := w.Exact(t.Context(), d, "f00", lend(t.Context(), &vague{f})); err != nil {
		t.Error(err)
	}
	if !slices.Equal(f.listed, []string{"d02"}) {
		t.Errorf("listed %q", f.listed)
	}
}

// TestExactCancelled leaves the wait for somebody else's flight with the context.
func TestExactCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, flat())
		w, d := rough(t, f)
		release := make(chan struct{})
		done := make(chan error)
		go func() {
			_, err := w.Exact(t.Context(), d, "f00", func(use func(context.Context, Session) error) error {
				<-release
				return use(t.Context(), f)
			})
			done <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if _, err := w.Exact(ctx, d, "f01", lend(ctx, f)); !errors.Is(err, context.Canceled) {
			t.Errorf("the wait ended with %v", err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestMarks takes no number for another.
func TestMarks(t *testing.T) {
	m, err := newMarks()
	if err != nil {
		t.Fatal(err)
	}
	right := proto.Reply{Code: 350, Lines: []string{"Restarting at" + strings.TrimPrefix(m.line(3), "REST")}}
	if err := m.check(3, right); err != nil {
		t.Error(err)
	}
	for _, wrong := range []proto.Reply{{Code: 350}, {Code: 550, Lines: right.Lines}, {}} {
		if m.check(3, wrong) == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
	if m.check(4, right) == nil {
		t.Error("the number of another mark is taken")
	}
	if m.checkEnd(right) != nil || m.checkEnd(proto.Reply{Code: 501}) == nil {
		t.Error("the end")
	}
}
