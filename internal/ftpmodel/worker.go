package ftpmodel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat"
)

// worker does one operation.
type worker struct {
	*run
	r    *rand.Rand
	id   int
	nth  int
	fsys *ftpnat.FS
	p    *place
	what string
}

// change is an operation that changes something: what a nil leaves, and what an
// error may leave of each path that it touches.
type change struct {
	call func() error
	then state
	may  func(rel string, now entry, there bool) bool
}

// act does an operation in a directory that nobody else uses meanwhile.
func (w *worker) act() {
	w.p = w.places[w.r.IntN(len(w.places))]
	w.p.turn <- struct{}{}
	defer func() { <-w.p.turn }()
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	hurried := w.Hurry > 0 && w.r.IntN(3) == 0
	if hurried {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(w.r.Int64N(int64(w.Hurry))))
	}
	defer cancel()
	w.fsys = w.FS.WithContext(ctx)
	op := ops[w.r.IntN(len(ops))]
	start := time.Now()
	var err error
	if op.read != nil {
		err = op.read(w)
	} else {
		err = w.change(op.change(w))
	}
	took := time.Since(start)
	w.count(op.name, err, took)
	if !hurried && took > w.Limit {
		w.wrong("took %v", took)
	}
	w.kind(err, ctx.Err() != nil)
}

// wrong reports what must not be.
func (w *worker) wrong(format string, args ...any) {
	w.Errorf("seed %d, worker %d, operation %d: %s %s: %s", w.Seed, w.id, w.nth, w.p.name, w.what, fmt.Sprintf(format, args...))
}

// kind checks what an error is.
func (w *worker) kind(err error, ended bool) {
	if err == nil {
		return
	}
	var pe *fs.PathError
	var le *os.LinkError
	if !errors.As(err, &pe) && !errors.As(err, &le) {
		w.wrong("the error %q has no path", err)
	}
	if !ended && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		w.wrong("%s: errors.Is a context's error, and the context has not ended", short(err))
	}
}

// change does an operation that changes something, and compares.
func (w *worker) change(c change) error {
	before := w.p.files
	if !w.same(w.p, "before "+w.what, before) {
		w.adopt()
		return nil
	}
	err := c.call()
	if err == nil {
		w.p.files = c.then
		if !w.same(w.p, w.what+" said nil", c.then) {
			w.adopt()
		}
		return nil
	}
	time.Sleep(w.Settle)
	now, left, lerr := w.look(w.p.name)
	if lerr != nil {
		w.wrong("%v", lerr)
		return err
	}
	w.p.left = left
	names := now.clone()
	for name := range before {
		names[name] = entry{}
	}
	for name := range names {
		n, is := now[name]
		b, was := before[name]
		if is == was && n == b {
			continue
		}
		if t, will := c.then[name]; is == will && n == t {
			continue
		}
		if c.may == nil || !c.may(name, n, is) {
			w.wrong("%v left%s", err, differences(state{name: n}.only(is), state{name: b}.only(was)))
		}
	}
	w.p.files = now
	return err
}

// only returns the state, or none.
func (s state) only(there bool) state {
	if there {
		return s
	}
	return nil
}

// adopt takes what the server has for the model, after that was found to differ.
func (w *worker) adopt() {
	if now, _, err := w.look(w.p.name); err == nil {
		w.p.files = now
	}
}

// at returns the name in the FS.
func (w *worker) at(rel string) string { return path.Join(w.p.name, rel) }

// name returns a name that may be there, of a file as a rule, in the directory or
// one below it.
func (w *worker) name() string {
	base := fmt.Sprintf("f%d", w.r.IntN(6))
	if dir := fmt.Sprintf("s%d", w.r.IntN(4)); w.p.files[dir].dir {
		return dir + "/" + base
	}
	return base
}

// there returns the name of a file that is there, as a rule.
func (w *worker) there() string {
	var files []string
	for name, e := range w.p.files {
		if !e.dir {
			files = append(files, name)
		}
	}
	if len(files) == 0 || w.r.IntN(10) == 0 {
		return w.name()
	}
	slices.Sort(files)
	return files[w.r.IntN(len(files))]
}

// data returns new content.
func (w *worker) data() []byte {
	n := w.r.IntN(w.Size)
	if w.r.IntN(3) == 0 {
		n = w.r.IntN(200)
	}
	return payload(w.r, n)
}

// missing checks an error of a name that is there.
func (w *worker) missing(rel string, err error) error {
	if _, ok := w.p.files[rel]; ok && errors.Is(err, fs.ErrNotExist) {
		w.wrong("%v, and it is there", err)
	}
	return err
}

// with returns the state with a file.
func (s state) with(name, data string) state {
	s = s.clone()
	s[name] = entry{data: data}
	return s
}

// without returns the state without a name and all below it.
func (s state) without(name string) state {
	s = s.clone()
	for n := range s {
		if n == name || strings.HasPrefix(n, name+"/") {
			delete(s, n)
		}
	}
	return s
}
