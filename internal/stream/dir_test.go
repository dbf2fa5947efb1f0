package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// manyNames is how many files "many" has: more than come in one segment.
const manyNames = 300

// dirJobs are ways to read a directory: by how many names, -1 for all that is left.
// The last number is that of all later calls.
var dirJobs = []struct {
	name string
	by   []int
	lent bool // somebody else wants the connection after the first call
}{
	{"one, and a thousand", []int{1, 1000}, false},
	{"by tens, lent", []int{10}, true},
	{"all", []int{-1}, false},
	{"two, and the rest", []int{2, -1}, false},
	{"two, and the rest, lent", []int{2, -1}, true},
}

// TestDirOutcomes has something go wrong with each command that reads a directory, and
// with its data: every name is returned once, and all of them if there is no error.
// What else comes of it is in testdata/dirs.txt.
func TestDirOutcomes(t *testing.T) {
	var table ftpworld.Table
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain()} {
		for _, odd := range []bool{false, true} {
			for n, j := range dirJobs {
				if odd && j.lent {
					continue
				}
				plain, commands := readDir(t, p, n, odd, nil, nil)
				troubles := append(ftpworld.Troubles(commands), ftpworld.DataTroubles(ftptest.Sent, 501)...)
				troubles = slices.DeleteFunc(troubles, func(tr ftpworld.Trouble) bool {
					return tr.Name == "data ended by a box after 0 always" // it looks like a directory that is empty
				})
				name := fmt.Sprint(p.Name, ", ", j.name)
				if odd {
					name += ", a line is odd"
				}
				table.Job(name, plain, troubles, func(tr ftpworld.Trouble) string {
					what, _ := readDir(t, p, n, odd, tr.Steps, tr.Faults)
					return what
				})
			}
		}
	}
	table.Compare(t, filepath.Join("testdata", "dirs.txt"), *update)
}

// readDir does a job, in a directory of which a line is odd or none, and returns what
// came of it and the commands it took.
func readDir(t *testing.T, p ftptest.Personality, job int, odd bool, steps []ftptest.Step, faults []ftptest.Fault) (what string, commands []string) {
	j := dirJobs[job]
	s := setup{proven: true, ftp: func(s *ftptest.Server) {
		s.Personality, s.Script, s.Faults = p, steps, faults
		for i := range manyNames {
			_ = s.Tree.WriteFile(manyName(i), nil, 0o644)
		}
		if odd {
			s.EditList = func(_ string, list []string) []string { return append(list, "What?") }
		}
	}}
	inWorld(t, s, func(t *testing.T, w *world) {
		if err := w.files.With(w.ctx, func(*remote.Session) error { return nil }); err != nil {
			t.Fatal(err)
		}
		d := w.files.Dir("many")
		var names []string
		var err error
		told := 0
		for call := 0; ; call++ {
			n := j.by[min(call, len(j.by)-1)]
			var list []listing.Entry
			list, err = d.Next(w.ctx, n)
			if n < 0 && !slices.IsSortedFunc(list, byName) || n > 0 && len(list) > n || n > 0 && len(list) == 0 && err == nil {
				t.Errorf("Next(%d) returned %d entries, %v", n, len(list), err)
			}
			for _, e := range list {
				names = append(names, e.Name)
			}
			if proto.Unread(err) != nil {
				told++
				err = nil
				continue
			}
			if err != nil || n < 0 {
				break
			}
			if call == 0 && j.lent {
				idle()
				_ = w.look(w.ctx)
			}
		}
		commands = ftpworld.Sent(w.srv)
		if err == io.EOF {
			err = nil
		}
		what = ftpworld.Outcome(err, proto.ReplyOf(err).Code, kinds, commands)
		all := slices.Sorted(slices.Values(names))
		if n := len(slices.Compact(slices.Clone(all))); n != len(all) || err == nil && n != manyNames {
			t.Errorf("%d names, %d of them different, %v", len(all), n, err)
			for _, name := range all {
				if _, serr := w.srv.Tree.Stat("many/" + name); serr != nil {
					t.Errorf("there is no %s", name)
				}
			}
		}
		if err == nil && (told == 1) != odd {
			t.Errorf("%d times an odd line was told of", told)
		}
		d.Stop(w.ctx)
		d.Stop(w.ctx)
		again, aerr := d.Next(w.ctx, 3)
		if err == nil && len(faults) == 0 && (aerr != nil || len(again) == 0) {
			t.Errorf("anew: %d names, %v", len(again), aerr)
		}
		d.Stop(w.ctx)
		if t.Failed() {
			t.Logf("%s, %s, odd %v: %v %v: %v", p.Name, j.name, odd, steps, faults, err)
		}
	})
	return what, commands
}

// manyName has a length with which no fault comes at the end of a line: nothing would show it.
func manyName(i int) string { return fmt.Sprintf("many/name%06d", i) }

func byName(a, b listing.Entry) int {
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	}
	return 0
}

// TestDirEnds has the context of a listing end, at once and while it comes: that is the
// error, and the connection goes to the next one.
func TestDirEnds(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Plain()} {
		for _, after := range []int{0, 1, 5} {
			for _, n := range []int{10, -1} {
				inWorld(t, setup{proven: true, ftp: func(s *ftptest.Server) {
					s.Personality, s.Limits.Rate = p, 1_000
					for i := range manyNames {
						_ = s.Tree.WriteFile(manyName(i), nil, 0o644)
					}
				}}, func(t *testing.T, w *world) {
					ctx, cancel := context.WithTimeout(w.ctx, time.Duration(after)*time.Second)
					defer cancel()
					d := w.files.Dir("many")
					var err error
					for err == nil {
						_, err = d.Next(ctx, n)
					}
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s, after %d s: %v", p.Name, after, err)
					}
					if err := w.look(w.ctx); err != nil {
						t.Error(err)
					}
					if list, err := d.Next(w.ctx, n); err != nil || len(list) == 0 {
						t.Errorf("another context: %d names, %v", len(list), err)
					}
					d.Stop(w.ctx)
					if err := w.look(w.ctx); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}
