package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ftpnat/ftpnat"
)

// goos is the system whose rules for names the folder has.
const goos = runtime.GOOS

// patience is after how many failures in a row, each of which the FS tried to
// mend for as long as -retry says, a run ends.
const patience = 3

// job is one run of a backup.
type job struct {
	v     *vault
	fsys  *ftpnat.FS
	out   *printer
	opts  *options
	begun time.Time

	mu       sync.Mutex
	failures int // in a row, of the connection
	fetched  []record
	bytes    int64 // that were read in this run
	problems []problem
}

// backup makes a backup.
func backup(ctx context.Context, v *vault, opts *options, d *ftpnat.Dialer, out *printer) error {
	old, err := v.load()
	if err != nil {
		return err
	}
	source := sourceOf(opts.url)
	if old.Source != "" && old.Source != source {
		return fmt.Errorf("%s is a backup of %s; this one needs a target of its own", opts.target, old.Source)
	}
	b := &job{v: v, out: out, opts: opts, begun: time.Now()}
	damaged := map[name]bool{}
	if opts.verify {
		if damaged, err = b.recheck(ctx, old); err != nil {
			return err
		}
	}
	ctx = ftpnat.WithTrace(ctx, out.trace())
	fsys, err := d.Open(ctx, opts.url)
	if err != nil {
		return err
	}
	defer fsys.Close()
	b.fsys = fsys.WithContext(ctx)
	now, err := b.walk(ctx)
	if err != nil {
		out.statusEnd()
		return b.giveUp(ctx, err)
	}
	b.problems = now.problems
	return b.carryOut(ctx, old, source, makePlan(old.byName(), now, func(r record) bool {
		return !damaged[r.Name] && v.store.held(r)
	}))
}

// carryOut does what the plan says.
func (b *job) carryOut(ctx context.Context, old *manifest, source string, p plan) error {
	b.out.planned(p)
	for _, r := range p.inWay {
		if err := b.v.store.remove(r); err != nil {
			b.fail(r.Name, err)
		}
	}
	for _, r := range p.found {
		if r.Kind == kindDir {
			if err := b.v.store.mkdir(r); err != nil {
				b.fail(r.Name, err)
			}
		}
	}
	if err := b.fetchAll(ctx, p.fetch); err != nil {
		return b.giveUp(ctx, err)
	}
	m := &manifest{Source: source, Begun: b.begun.UTC(), Records: b.records(old, p)}
	b.out.status("writing %s", b.opts.target)
	if err := b.v.store.commit(old.Records, m.Records); err != nil {
		return err
	}
	slices.SortFunc(b.problems, problem.compare)
	m.Problems, m.Complete = b.problems, len(b.problems) == 0
	if err := b.v.save(m); err != nil {
		return err
	}
	b.out.statusEnd()
	b.out.summary(b, p, m)
	if !m.Complete {
		return errIncomplete
	}
	return nil
}

// records returns what the backup has after this run. It removes what -delete
// asks it to.
func (b *job) records(old *manifest, p plan) []record {
	all := slices.Concat(p.keep, p.found, b.fetched)
	got := map[name]bool{}
	for _, r := range b.fetched {
		got[r.Name] = true
	}
	before := old.byName()
	for _, r := range p.fetch {
		// What could not be read again is there as it was.
		if was := before[r.Name]; !got[r.Name] && was.Kind == kindFile && b.v.store.held(was) {
			all = append(all, was)
		}
	}
	for _, r := range p.gone {
		if slices.ContainsFunc(p.inWay, func(w record) bool { return w.Name == r.Name }) {
			continue
		}
		if b.opts.delete {
			if err := b.v.store.remove(r); err != nil {
				b.fail(r.Name, err)
			}
			continue
		}
		if r.Gone.IsZero() {
			r.Gone = b.begun.UTC()
		}
		if r.Kind != kindFile || b.v.store.held(r) {
			all = append(all, r)
		}
	}
	return all
}

// fail takes down that a name could not be read or kept.
func (b *job) fail(at name, err error) {
	b.mu.Lock()
	b.problems = append(b.problems, problem{at, because(err)})
	b.mu.Unlock()
	b.out.failed(at, err)
}

// hopeless counts failures that are not about one file. It returns an error
// when there have been too many in a row.
func (b *job) hopeless(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, blocked := errors.AsType[*ftpnat.NegotiateError](err)
	_, refused := errors.AsType[*ftpnat.ReplyError](err)
	if err == nil || refused && !blocked || errors.Is(err, ftpnat.ErrChanged) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotOurs) {
		b.failures = 0
		return nil
	}
	if b.failures++; b.failures < patience {
		return nil
	}
	return fmt.Errorf("given up after %d failures in a row: %w", b.failures, err)
}

// giveUp ends a run before its end. The manifest stays as it is; the journal
// has what was done.
func (b *job) giveUp(ctx context.Context, err error) error {
	b.out.statusEnd()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.out.problems(b.problems)
	return err
}

// because returns why, without the name that is said elsewhere.
func because(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
