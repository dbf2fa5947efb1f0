package tree

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// place is a directory below dst, or that itself. It is open while something is to
// be made in it: by a name from dst, the system would open each directory of the
// name for each step of each file.
type place struct {
	root  *os.Root
	path  string       // from dst
	fresh bool         // nothing was in it before
	users atomic.Int64 // the walk while it is there, jobs and files
	all   *places
}

func (p *place) enter() { p.users.Add(1) }

// leave closes the directory when nobody else is there.
func (p *place) leave() {
	if p.users.Add(-1) == 0 {
		p.all.remove(p)
		p.root.Close()
	}
}

// places are the directories that are open.
type places struct {
	mu   sync.Mutex
	open map[*place]struct{}
}

// add returns a directory, with one user.
func (all *places) add(root *os.Root, path string, fresh bool) *place {
	p := &place{root: root, path: path, fresh: fresh, all: all}
	p.enter()
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.open == nil {
		all.open = make(map[*place]struct{})
	}
	all.open[p] = struct{}{}
	return p
}

func (all *places) remove(p *place) {
	all.mu.Lock()
	defer all.mu.Unlock()
	delete(all.open, p)
}

// close closes what jobs that were never done have left open.
func (all *places) close() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for p := range all.open {
		p.root.Close()
	}
}

// isEmpty reports whether nothing is in a directory.
func isEmpty(root *os.Root) bool {
	dir, err := root.Open(".")
	if err != nil {
		return false
	}
	defer dir.Close()
	_, err = dir.ReadDir(1)
	return err == io.EOF
}
