package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"github.com/ftpnat/ftpnat"
)

// job makes one tree like another.
type job struct {
	carrier
	up     bool
	verify verify
	filter filter
	remove bool
	dry    bool
	label  string

	copied, kept, removed int
	failed                []error
	mu                    sync.Mutex
}

// run does the job, and returns a *partialError if a part of it failed.
func (j *job) run(ctx context.Context, parallel int) error {
	src, dst, err := j.scan(ctx)
	if err != nil {
		return err
	}
	j.failed = append(src.failed, dst.failed...)
	for _, name := range src.left {
		j.app.warn("left out: %s", printable(name))
	}
	same := func(a, b entry) bool { return j.same(ctx, a, b) }
	steps := makePlan(src.entries, dst.entries, same, j.remove, j.filter.all())
	if err := ctx.Err(); err != nil {
		return err
	}
	if j.dry {
		return j.show(steps)
	}
	return j.carryOut(ctx, steps, parallel)
}

// scan looks at both sides at once.
func (j *job) scan(ctx context.Context) (src, dst tree, err error) {
	var far, near tree
	var farErr, nearErr error
	var wg sync.WaitGroup
	wg.Go(func() { far, farErr = scanRemote(ctx, j.fsys, j.remote, j.filter) })
	wg.Go(func() {
		if j.local != nil {
			near, nearErr = scanLocal(ctx, j.local, j.filter)
		}
	})
	wg.Wait()
	if j.up && codeIfAny(farErr) == codeNotFound {
		farErr = nil // it is made
	}
	if err := errors.Join(farErr, nearErr); err != nil {
		return src, dst, err
	}
	if j.up {
		return near, far, nil
	}
	return far, near, nil
}

// codeIfAny is codeOf for an error that may be nil.
func codeIfAny(err error) code {
	if err == nil {
		return codeOK
	}
	return codeOf(err)
}

// same reports whether a file is there already.
func (j *job) same(ctx context.Context, src, dst entry) bool {
	if !j.verify.same(src, dst, j.up) {
		return false
	}
	if j.verify != byHash {
		return true
	}
	ok, err := j.hashes(ctx, src.name)
	return err == nil && ok
}

// show prints the steps for --dry-run.
func (j *job) show(steps []step) error {
	for _, st := range steps {
		if st.op == opKeep {
			continue
		}
		if _, err := fmt.Fprintln(j.app.out, j.app.name(st.line())); err != nil {
			return localWrite(err)
		}
	}
	return j.outcome(0)
}

// carryOut takes the steps: directories, then files by several workers, and
// removals last, and only if all else succeeded.
func (j *job) carryOut(ctx context.Context, steps []step, parallel int) error {
	if err := j.prepare(); err != nil {
		return err
	}
	files, total := 0, int64(0)
	for _, st := range steps {
		if st.op == opCopy {
			files++
			total += st.size
		}
	}
	j.progress = j.app.newProgress(j.label, files, total)
	j.fsys = j.fsys.WithContext(ftpnat.WithTrace(j.app.traced(ctx), j.progress.trace()))
	left := j.each(ctx, steps, parallel)
	if len(j.failed) == 0 && ctx.Err() == nil {
		j.prune(ctx, steps)
	} else if j.remove && slices.ContainsFunc(steps, func(st step) bool { return st.op == opRemove }) {
		j.app.warn("nothing was removed, because not everything was copied")
	}
	j.progress.clear()
	if err := ctx.Err(); err != nil {
		j.failed = nil // what was cut off says nothing
		return errors.Join(err, j.outcome(left))
	}
	return j.outcome(left)
}

// prepare makes the directory that all goes to.
func (j *job) prepare() error {
	if j.up {
		return j.fsys.MkdirAll(j.remote, 0o777)
	}
	return nil
}

// each makes directories and copies files. It returns how many files were not
// tried, because the connection failed.
func (j *job) each(ctx context.Context, steps []step, parallel int) (left int) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan step)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for st := range queue {
				if err := j.copyFile(ctx, st); err != nil && networkFault(err) {
					cancel(err)
				}
			}
		})
	}
	for _, st := range steps {
		switch st.op {
		case opMkdir:
			j.note(st, j.mkdir(st.name))
		case opConflict:
			j.note(st, &fileError{st.name, errors.New(st.why)})
		case opKeep:
			j.kept++
		case opCopy:
			select {
			case queue <- st:
				continue
			case <-ctx.Done():
				left++
			}
		}
	}
	close(queue)
	wg.Wait()
	return left
}

// copyFile copies one file.
func (j *job) copyFile(ctx context.Context, st step) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var err error
	if j.up {
		err = j.send(ctx, st.entry)
	} else {
		err = j.fetch(st.entry)
	}
	if err == nil && j.verify == byHash {
		err = j.confirm(ctx, st.name)
	}
	if err != nil {
		err = &fileError{st.name, err}
	}
	j.note(st, err)
	return err
}

// confirm compares a file after it was copied.
func (j *job) confirm(ctx context.Context, name string) error {
	ok, err := j.hashes(ctx, name)
	if err == nil && !ok {
		err = errDiffers
	}
	return err
}

func (j *job) mkdir(name string) error {
	if j.up {
		return j.fsys.MkdirAll(j.on(name), 0o777)
	}
	local, err := filepath.Localize(name)
	if err == nil {
		err = j.local.MkdirAll(local, 0o777)
	}
	return localWrite(err)
}

// note records how a step ended.
func (j *job) note(st step, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err != nil:
		j.failed = append(j.failed, err)
		return
	case st.op == opCopy:
		j.copied++
	case st.op == opRemove:
		j.removed++
	}
	if j.app.verbose {
		j.app.warn("%s", printable(st.line()))
	}
}

// prune removes what the source does not have.
func (j *job) prune(ctx context.Context, steps []step) {
	for _, st := range steps {
		if st.op != opRemove || ctx.Err() != nil {
			continue
		}
		var err error
		if j.up {
			err = j.fsys.Remove(j.on(st.name))
		} else {
			err = localWrite(j.local.Remove(filepath.FromSlash(st.name)))
		}
		if err != nil {
			err = &fileError{st.name, err}
		}
		j.note(st, err)
	}
}

// outcome says what was done, and lists what failed.
func (j *job) outcome(left int) error {
	if j.progress != nil {
		text := count(j.copied, "file") + " copied"
		if j.copied > 0 {
			text += ", " + j.progress.summary()
		}
		if j.kept > 0 {
			text += fmt.Sprintf(", %d there already", j.kept)
		}
		if j.removed > 0 {
			text += fmt.Sprintf(", %d removed", j.removed)
		}
		j.app.warn("%s", text)
	}
	if len(j.failed) == 0 {
		return nil
	}
	for _, err := range j.failed {
		j.app.say("failed: %s", failure(err))
	}
	return &partialError{done: "copied", failed: j.failed, left: left}
}
