// Package ftpmodel drives an FS with random operations and compares what the server
// has with a model in memory: whatever a call said nil of is so, and an error leaves
// a state that is documented. The server, and what stands in front of it, are the
// caller's: an in-process one, or a real one whose files are seen on the disk.
package ftpmodel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat"
)

// Config is what a run is made of.
type Config struct {
	FS    *ftpnat.FS
	Truth fs.FS // Truth is what the server has, seen otherwise than by FTP.
	Seed  uint64

	Ops     int // Ops is the number of operations in all.
	Workers int
	Dirs    int           // Dirs is the number of directories they share, "m0" and on, which Run makes.
	Size    int           // Size bounds a file.
	Settle  time.Duration // Settle is the time that what was given up has to come to rest on the server.
	Hurry   time.Duration // Hurry bounds the contexts that end at random; zero means that none do.
	Limit   time.Duration // Limit is how long a call may take that has no such context.
	Local   string        // Local is an empty directory for what is fetched.

	Errorf func(format string, args ...any)
}

// Result counts what was done.
type Result struct {
	Done, Failed map[string]int // by operation
	Errors       map[string]int // by what they say, in short; not those of the context
	Left         []string       // names that nobody asked for, at the end
	Slowest      time.Duration
}

// entry is a file or a directory of the model.
type entry struct {
	dir  bool
	data string
}

// state is what is below a directory, by path.
type state map[string]entry

// place is a directory that one worker at a time uses.
type place struct {
	turn  chan struct{} // holds the place's turn: in virtual time no mutex may be waited for
	name  string
	files state
	left  []string
}

type run struct {
	Config
	places []*place

	mu  sync.Mutex
	res Result
}

// own are the names that the model gives; whatever else is there was left.
var own = regexp.MustCompile(`^[fs]\d$`)

// Run does the operations and compares the server with the model after each, and at
// the end.
func Run(cfg Config) Result {
	r := &run{Config: cfg, res: Result{Done: make(map[string]int), Failed: make(map[string]int), Errors: make(map[string]int)}}
	for i := range cfg.Dirs {
		r.places = append(r.places, &place{name: fmt.Sprintf("m%d", i), files: make(state), turn: make(chan struct{}, 1)})
	}
	for _, p := range r.places {
		if err := r.insist(func() error { return cfg.FS.MkdirAll(p.name, 0o777) }); err != nil {
			cfg.Errorf("mkdir %s: %v", p.name, err)
			return r.res
		}
	}
	var group sync.WaitGroup
	for i := range cfg.Workers {
		n := cfg.Ops / cfg.Workers
		rng := rand.New(rand.NewPCG(cfg.Seed, uint64(i)))
		group.Go(func() {
			for j := range n {
				(&worker{run: r, r: rng, id: i, nth: j}).act()
			}
		})
	}
	group.Wait()
	time.Sleep(cfg.Settle)
	for _, p := range r.places {
		r.same(p, "at the end", p.files)
		r.res.Left = append(r.res.Left, p.left...)
	}
	return r.res
}

// insist calls f until it succeeds, a few times.
func (r *run) insist(f func() error) (err error) {
	for range 10 {
		if err = f(); err == nil {
			return nil
		}
	}
	return err
}

// look returns what the server has below a directory, and what was left there.
func (r *run) look(dir string) (state, []string, error) {
	seen, left := make(state), []string(nil)
	err := fs.WalkDir(r.Truth, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel := strings.TrimPrefix(name, dir+"/")
		switch {
		case !own.MatchString(path.Base(name)):
			left = append(left, name)
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir():
			seen[rel] = entry{dir: true}
		default:
			data, err := fs.ReadFile(r.Truth, name)
			seen[rel] = entry{data: string(data)}
			return err
		}
		return nil
	})
	return seen, left, err
}

// same compares a directory of the server with what it has to be.
func (r *run) same(p *place, when string, want state) bool {
	got, left, err := r.look(p.name)
	p.left = left
	if err != nil {
		r.Errorf("%s: %s: %v", p.name, when, err)
		return false
	}
	if maps.Equal(got, want) {
		return true
	}
	r.Errorf("%s: %s: the server has%s", p.name, when, differences(got, want))
	return false
}

// differences says how two states differ.
func differences(got, want state) string {
	names := slices.Sorted(maps.Keys(got))
	for name := range want {
		if _, ok := got[name]; !ok {
			names = append(names, name)
		}
	}
	var b strings.Builder
	for _, name := range names {
		g, is := got[name]
		w, was := want[name]
		if is != was || g != w {
			fmt.Fprintf(&b, " %s: %s, want %s;", name, g.String(is, w.data), w.String(was, g.data))
		}
	}
	return b.String()
}

// String describes an entry beside another one.
func (e entry) String(there bool, other string) string {
	switch {
	case !there:
		return "nothing"
	case e.dir:
		return "a directory"
	}
	n := 0
	for n < len(e.data) && n < len(other) && e.data[n] == other[n] {
		n++
	}
	return fmt.Sprintf("%d bytes (%x.., alike up to %d)", len(e.data), e.data[:min(4, len(e.data))], n)
}

// count counts an operation.
func (r *run) count(op string, err error, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.res.Slowest = max(r.res.Slowest, took)
	if err == nil {
		r.res.Done[op]++
		return
	}
	r.res.Failed[op]++
	if !errors.Is(err, context.DeadlineExceeded) {
		r.res.Errors[op+": "+short(err)]++
	}
}

// digits are what makes errors differ.
var digits = regexp.MustCompile(`[0-9a-z.]*\d[0-9a-z.:]*`)

// short returns the beginning of an error, without numbers.
func short(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return digits.ReplaceAllString(text[:min(len(text), 160)], "#")
}

// payload returns n bytes that no other call returns.
func payload(r *rand.Rand, n int) []byte {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	b := make([]byte, n)
	rand.NewChaCha8(seed).Read(b)
	return b
}

// clone returns a copy.
func (s state) clone() state { return maps.Clone(s) }

// below returns the entries below a directory of the state, by path from it.
func (s state) below(dir string) state {
	if dir == "." {
		return s
	}
	sub := make(state)
	for name, e := range s {
		if rel, ok := strings.CutPrefix(name, dir+"/"); ok {
			sub[rel] = e
		}
	}
	return sub
}

// isPrefix reports whether a is how b begins.
func isPrefix(a string, b []byte) bool { return bytes.HasPrefix(b, []byte(a)) }
