package walk

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/listing"
	inner "github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
)

// fake is a session with a server that is a map, and needs no network.
type fake struct {
	t    *testing.T
	mlsx bool           // MLST and MLSD are there
	tree map[string]int // sizes of files by name
	// edit changes the lines of a STAT, and refuse its reply; nil changes none.
	edit   func(dir string, lines []string) []string
	refuse func(dir string) (proto.Reply, error)
	way    *inner.Path
	crew   Crew

	mu      sync.Mutex
	listed  []string   // directories, in the ordinary way
	flights [][]string // commands
}

// memory is a proto.Memory of one path.
type memory struct{ lesson proto.Lesson }

func (m *memory) Recall(proto.Key) (proto.Lesson, bool)  { return m.lesson, true }
func (m *memory) Learn(_ proto.Key, lesson proto.Lesson) { m.lesson = lesson }
func (m *memory) Forget(proto.Key)                       {}

func newFake(t *testing.T, tree map[string]int) *fake {
	return &fake{t: t, tree: tree, way: inner.New(inner.Config{Memory: new(memory)})}
}

// in returns what is in a directory, sorted.
func (f *fake) in(dir string) []listing.Entry {
	prefix := remote.Below(dir, "")
	found := make(map[string]listing.Entry)
	for name, size := range f.tree {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		first, _, deeper := strings.Cut(rest, "/")
		e := listing.Entry{Name: first, Type: listing.TypeFile, Size: int64(size)}
		if deeper {
			e.Type, e.Size = listing.TypeDir, -1
		}
		found[first] = e
	}
	var list []listing.Entry
	for _, e := range found {
		list = append(list, e)
	}
	return remote.Sort(list)
}

func (f *fake) List(_ context.Context, dir string) ([]listing.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed = append(f.listed, dir)
	return f.in(dir), nil
}

func (f *fake) Line(verb, name string) (string, error) {
	if name == "" {
		return verb, nil
	}
	return verb + " " + name, nil
}

func (f *fake) Decode([]listing.Entry) error  { return nil }
func (f *fake) HasMLST() bool                 { return f.mlsx }
func (f *fake) HasMLSD() bool                 { return f.mlsx }
func (f *fake) HasSIZE() bool                 { return true }
func (f *fake) CatchUp(context.Context) error { return nil }
func (f *fake) Pipelines() bool               { return true }
func (f *fake) Path() *inner.Path             { return f.way }
func (f *fake) Features() map[string]string   { return map[string]string{"REST": "STREAM"} }
func (f *fake) Greeting() proto.Reply         { return proto.Reply{} }
func (f *fake) RTT() time.Duration            { return time.Millisecond }

func (f *fake) ParseMLST(name, line string, r proto.Reply) (listing.Entry, bool, error) {
	if r.Code == 550 {
		return listing.Entry{}, true, proto.Missing(proto.Refusal(line, r))
	}
	size, ok := f.tree[name]
	if !ok {
		return listing.Entry{Name: path.Base(name), Type: listing.TypeDir}, true, nil
	}
	return listing.Entry{Name: path.Base(name), Type: listing.TypeFile, Size: int64(size), Absolute: true}, true, nil
}

func (f *fake) Batch(_ context.Context, lines []string, _ time.Duration, take func(int, proto.Reply) error) error {
	f.mu.Lock()
	f.flights = append(f.flights, slices.Clone(lines))
	f.mu.Unlock()
	for i, line := range lines {
		r := f.answer(line)
		if dir, ok := strings.CutPrefix(line, "STAT -a "); ok && f.refuse != nil {
			wrong, err := f.refuse(dir)
			if err != nil {
				return err
			}
			if wrong.Code != 0 {
				r = wrong
			}
		}
		if err := take(i, r); err != nil {
			return err
		}
	}
	return nil
}

func (f *fake) answer(line string) proto.Reply {
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case "REST":
		return proto.Reply{Code: 350, Lines: []string{"Restarting at " + arg}}
	case "SIZE":
		return proto.Reply{Code: 213, Lines: []string{fmt.Sprint(f.tree[arg])}}
	case "MLST":
		if strings.HasSuffix(arg, "gone") {
			return proto.Reply{Code: 550, Lines: []string{"No such file"}}
		}
		return proto.Reply{Code: 250, Lines: []string{"", " " + arg, ""}}
	}
	dir := strings.TrimPrefix(arg, "-a ")
	if dir == "." {
		dir = ""
	}
	lines := []string{"drwxr-xr-x 2 a b 0 Jan  1 00:00 .", "drwxr-xr-x 2 a b 0 Jan  1 00:00 .."}
	for _, e := range f.in(dir) {
		kind := "-rw-r--r--"
		if e.Type == listing.TypeDir {
			kind = "drwxr-xr-x"
		}
		lines = append(lines, fmt.Sprintf("%s 1 a b %d Jan  1 00:00 %s", kind, max(e.Size, 0), e.Name))
	}
	if f.edit != nil {
		lines = f.edit(dir, lines)
	}
	return proto.Reply{Code: 213, Lines: append(append([]string{"Status follows:"}, lines...), "End of status")}
}

// walk goes through the tree as fs.WalkDir does, and compares what it sees with
// what is there.
func (f *fake) walk(w *Walk) {
	f.t.Helper()
	var down func(dir string)
	down = func(dir string) {
		d := w.Take(dir)
		if d == nil {
			var err error
			if d, err = w.ReadDir(f.t.Context(), f, dir, f.crew); err != nil {
				f.t.Fatalf("%q: %v", dir, err)
			}
		}
		want := f.in(dir)
		got := d.Entries()
		same := slices.EqualFunc(got, want, func(a, b listing.Entry) bool {
			return a.Name == b.Name && a.Type == b.Type && (a.Size == b.Size || a.Type == listing.TypeDir)
		})
		if !same {
			f.t.Errorf("%q has %d entries, want %d", dir, len(got), len(want))
		}
		for _, e := range want {
			if e.Type == listing.TypeDir {
				down(remote.Below(dir, e.Name))
			}
		}
	}
	down("")
}

func newWalk() *Walk { return New(remote.NewServer(nil, time.UTC), time.Minute) }
