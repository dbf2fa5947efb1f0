package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Clear removes entries, as a server does: of a directory nothing but an empty one.
func (s *fakeServer) Clear(ctx context.Context, dir string, entries []listing.Entry, last bool) (errs []error, gone bool, err error) {
	for _, e := range entries {
		errs = append(errs, s.Remove(ctx, path.Join(dir, e.Name)))
	}
	if last {
		gone = s.Remove(ctx, dir) == nil
	}
	return errs, gone, nil
}

func (s *fakeServer) AtOnce() int { return 3 }

func (s *fakeServer) List(ctx context.Context, dir string) ([]listing.Entry, error) {
	return s.ReadDir(ctx, dir)
}

func (s *fakeServer) Remove(ctx context.Context, name string) error {
	if _, err := s.find(ctx, "lstat", name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.files {
		if strings.HasPrefix(other, name+"/") {
			return &fs.PathError{Op: "remove", Path: name, Err: &proto.FSError{Kind: proto.ErrNotEmpty}}
		}
	}
	if s.create != nil {
		if err := s.create(name); err != nil {
			return &fs.PathError{Op: "remove", Path: name, Err: err}
		}
	}
	delete(s.files, name)
	return nil
}

// wide has a tree of 600 files in directories on three levels.
func wide() map[string]string {
	files := map[string]string{"kept/f": "x"}
	for i := range 600 {
		files[fmt.Sprintf("top/d%d/e%d/f%d", i%5, i%3, i)] = "x"
	}
	return files
}

func TestRemove(t *testing.T) {
	for _, n := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(wide())
			if err := Remove(t.Context(), s, most(n), "top"); err != nil {
				t.Error(err)
			}
			same(t, s.tree(), map[string]string{"kept": "/", "kept/f": "x"})
		})
	}
}

// TestRemoveStays has files that cannot be removed: they are told, a hundred of
// them, and so is how many more there are. The directories that they are in are not.
func TestRemoveStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(wide())
		s.create = func(name string) error {
			if strings.Contains(name, "/e1/f") {
				return fs.ErrPermission
			}
			return nil
		}
		err := Remove(t.Context(), s, most(4), "top")
		if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != 101 || lines[100] != "and 100 errors more" || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%d lines: %v", len(lines), err)
		}
		if n := len(s.tree()); n != 1+1+1+5+5+200 {
			t.Errorf("%d names are left", n)
		}
	})
}

// TestRemoveEnds has the connection end, or the context: nothing goes on.
func TestRemoveEnds(t *testing.T) {
	for _, n := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			removed := 0
			s := newServer(wide())
			s.create = func(string) error {
				mu.Lock()
				defer mu.Unlock()
				if removed++; removed >= 20 {
					return proto.ErrLost
				}
				return nil
			}
			err := Remove(t.Context(), s, most(n), "top")
			if !errors.Is(err, proto.ErrLost) || strings.Contains(err.Error(), "\n") || removed > 60 {
				t.Errorf("%v, after %d", err, removed)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := Remove(ctx, s, most(n), "top"); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
}

// loopServer has a directory that holds itself, by the unique fact of MLSD, and is
// not removed.
type loopServer struct {
	*fakeServer
	lists int
}

func (s *loopServer) ReadDir(_ context.Context, dir string) ([]listing.Entry, error) {
	s.lists++
	if dir == "." {
		return []listing.Entry{{Name: "top", Type: listing.TypeDir, Unique: "8U2"}}, nil
	}
	return []listing.Entry{{Name: "again", Type: listing.TypeDir, Unique: "8U2"}, {Name: "other", Type: listing.TypeDir, Unique: "8U2"}}, nil
}

func (s *loopServer) List(ctx context.Context, dir string) ([]listing.Entry, error) {
	return s.ReadDir(ctx, dir)
}

func (s *loopServer) Clear(_ context.Context, dir string, entries []listing.Entry, _ bool) (errs []error, gone bool, err error) {
	for range entries {
		errs = append(errs, &proto.FSError{Kind: proto.ErrNotEmpty})
	}
	return errs, false, nil
}

// TestLoop has a directory that is found in itself: it is told, and not gone into.
func TestLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for what, do := range map[string]func(s *loopServer) error{
			"Remove": func(s *loopServer) error { return Remove(t.Context(), s, most(1), "top") },
			"Fetch":  func(s *loopServer) error { return Fetch(t.Context(), s, most(1), t.TempDir(), ".") },
		} {
			s := &loopServer{fakeServer: newServer(nil)}
			err := do(s)
			if !errors.Is(err, errLoop) || !strings.Contains(err.Error(), "top/again") || s.lists > 12 {
				t.Errorf("%s: %v, after %d listings", what, err, s.lists)
			}
		}
	})
}

// ground is a server whose directories are not what they seem.
type ground struct {
	*fakeServer
	edit  func(dir string, entries []listing.Entry) ([]listing.Entry, error)
	lists map[string]int
	clear []string
	named []string // what was to be removed
}

// List lists.
func (g *ground) List(ctx context.Context, dir string) ([]listing.Entry, error) {
	g.lists[dir]++
	entries, err := g.ReadDir(ctx, dir)
	if err == nil && g.edit != nil {
		entries, err = g.edit(dir, entries)
	}
	return entries, err
}

// Clear records what is cleared by one call.
func (g *ground) Clear(ctx context.Context, dir string, entries []listing.Entry, last bool) ([]error, bool, error) {
	g.clear = append(g.clear, fmt.Sprint(dir, " ", len(entries), " ", last))
	for _, e := range entries {
		g.named = append(g.named, dir+"/"+e.Name)
	}
	return g.fakeServer.Clear(ctx, dir, entries, last)
}

// TestRemoveOdd has listings that fail, hide names, name what is elsewhere, or have lines
// that are not understood: what can be removed is, and the rest is told.
func TestRemoveOdd(t *testing.T) {
	tree := map[string]string{"top/a/f": "x", "top/b/f": "x", "top/b/g": "x", "top/empty": "/", "top/file": "x", "kept": "x"}
	unread := &proto.ListingError{Dir: "top/b", Lines: []string{"What?"}}
	gone := false
	only := func(dir string, f func([]listing.Entry) ([]listing.Entry, error)) func(string, []listing.Entry) ([]listing.Entry, error) {
		return func(d string, all []listing.Entry) ([]listing.Entry, error) {
			if d != dir {
				return all, nil
			}
			return f(all)
		}
	}
	for _, c := range []struct {
		name  string
		edit  func(dir string, entries []listing.Entry) ([]listing.Entry, error)
		errs  []error // each once; none if all goes well
		left  []string
		lists int // of all
	}{
		{"nothing is odd", nil, nil, nil, 3},
		{"may not be listed", only("top/b", func([]listing.Entry) ([]listing.Entry, error) {
			return nil, &fs.PathError{Op: "readdir", Path: "top/b", Err: fs.ErrPermission}
		}), []error{fs.ErrPermission}, []string{"top", "top/b", "top/b/f", "top/b/g"}, 3},
		{"gone for a moment", only("top/a", func(all []listing.Entry) ([]listing.Entry, error) {
			if gone = !gone; gone {
				return nil, proto.Missing(nil)
			}
			return all, nil
		}), nil, nil, 5},
		{"a line is odd", only("top/b", func(all []listing.Entry) ([]listing.Entry, error) { return all, unread }), nil, nil, 3},
		{"a line is odd and hides a name", only("top/b", func(all []listing.Entry) ([]listing.Entry, error) { return all[:1], unread }),
			[]error{proto.ErrNotEmpty, unread}, []string{"top", "top/b", "top/b/g"}, 3},
		{"cut short", func(_ string, all []listing.Entry) ([]listing.Entry, error) { return all[:min(1, len(all))], nil }, nil, nil, 7},
		{"names of elsewhere", only("top/b", func(all []listing.Entry) ([]listing.Entry, error) {
			for _, name := range []string{"", ".", "..", "../../kept"} {
				all = append(all, listing.Entry{Name: name, Type: listing.TypeFile})
			}
			return all, nil
		}), []error{fs.ErrInvalid, fs.ErrInvalid, fs.ErrInvalid, fs.ErrInvalid}, []string{"top"}, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &ground{fakeServer: newServer(tree), edit: c.edit, lists: make(map[string]int)}
			err := Remove(t.Context(), g, most(1), "top")
			want := map[string]string{"kept": "x"}
			for _, name := range c.left {
				want[name] = newServer(tree).tree()[name]
			}
			same(t, g.tree(), want)
			if lines := strings.Count(fmt.Sprint(err), "\n") + 1; (err == nil) != (c.errs == nil) || err != nil && lines != len(c.errs) {
				t.Errorf("%s: %v", c.name, err)
			}
			for _, e := range c.errs {
				if !errors.Is(err, e) {
					t.Errorf("%s: %v, want %v", c.name, err, e)
				}
			}
			lists := 0
			for _, n := range g.lists {
				lists += n
			}
			if lists != c.lists {
				t.Errorf("%s: %d listings: %v, %q", c.name, lists, g.lists, g.clear)
			}
			for _, name := range g.named {
				if path.Clean(name) != name || !strings.HasPrefix(name, "top/") {
					t.Errorf("%s: %q was to be removed", c.name, name)
				}
			}
		})
	}
}
