package tree

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Ground is the side of a server that Remove needs. What is said of Source holds.
type Ground interface {
	// List lists a directory as it is now, with all that the server can be made to
	// show.
	List(ctx context.Context, name string) ([]listing.Entry, error)
	// AtOnce returns how many names are best cleared by one call.
	AtOnce() int
	// Clear removes entries of a directory, links and not what they lead to, and
	// then, if last is set, the directory. It returns for each entry why it is
	// still there, which is ErrNotEmpty for a directory that may have something in
	// it; and whether the directory is gone.
	Clear(ctx context.Context, dir string, entries []listing.Entry, last bool) (errs []error, gone bool, err error)
	// Remove removes a file, a link or an empty directory.
	Remove(ctx context.Context, name string) error
}

// maxPasses is how often a directory is listed of which more comes to light when
// what was listed has been removed: some servers cut listings.
const maxPasses = 16

// Remove removes a directory with all that is in it. An error that concerns one
// name ends nothing: all of them are returned joined, the first hundred and a count.
// Nothing that the server says makes Remove name anything that is not below name.
func Remove(ctx context.Context, ground Ground, opts Options, name string) error {
	r := &removal{workers: newWorkers(ctx, opts), ground: ground}
	r.act = "removal"
	r.changed.L = &r.state
	top := &doomed{name: name}
	r.push(func() error { return r.list(top) })
	return r.wait(r.all())
}

// removal is one Remove. What is deepest is done first, so that no more is held
// than the directories above it have in them.
type removal struct {
	*workers
	ground Ground

	state   sync.Mutex // guards what follows, and every doomed
	changed sync.Cond
	jobs    []func() error // the last is the next
	busy    int            // jobs under way
}

// doomed is a directory that is being removed.
type doomed struct {
	name   string
	up     *doomed
	inside *within
	unread error // a ListingError

	passes  int
	waits   int  // parts of it, and directories in it, that are not done
	cleared int  // what was removed from it in this pass
	left    bool // something in it stays, which was told
	gone    bool
}

// all has the workers do all jobs, including those that others bring about.
func (r *removal) all() error {
	for {
		job := r.next()
		if job == nil {
			return r.failed()
		}
		err := r.do(func() error {
			err := r.names(job())
			r.fail(err)
			r.state.Lock()
			r.busy--
			r.changed.Broadcast()
			r.state.Unlock()
			return err
		})
		if err != nil {
			return err
		}
	}
}

// next waits for a job that there is somebody for. It returns nil at the end.
func (r *removal) next() func() error {
	r.state.Lock()
	defer r.state.Unlock()
	for r.failed() == nil {
		switch last := len(r.jobs) - 1; {
		case last >= 0 && r.busy < r.most:
			job := r.jobs[last]
			r.jobs[last] = nil
			r.jobs = r.jobs[:last]
			r.busy++
			return job
		case last < 0 && r.busy == 0:
			return nil
		}
		r.changed.Wait()
	}
	return nil
}

// push adds a job.
func (r *removal) push(job func() error) {
	r.state.Lock()
	defer r.state.Unlock()
	r.jobs = append(r.jobs, job)
	r.changed.Broadcast()
}

// stays records an error of something that stays in a directory.
func (r *removal) stays(d *doomed, err error) error {
	if err == nil {
		return nil
	}
	r.state.Lock()
	d.left = true
	r.state.Unlock()
	return r.names(err)
}

// list lists a directory and sees to what is in it.
func (r *removal) list(d *doomed) error {
	entries, err := r.ground.List(r.ctx, d.name)
	d.unread = nil
	switch {
	case proto.Unread(err) != nil:
		d.unread = err
	case errors.Is(err, fs.ErrNotExist):
		d.gone = true
		return r.finished(d)
	case err != nil:
		err := r.stays(d, err)
		return cmp.Or(err, r.finished(d))
	}
	if err := d.inside.loops(d.name, entries); err != nil {
		return cmp.Or(r.stays(d, err), r.finished(d))
	}
	d.inside = d.inside.with(entries)
	entries, err = r.usable(d, entries)
	if err != nil {
		return err
	}
	size := max(r.ground.AtOnce(), 1)
	parts := slices.Collect(slices.Chunk(entries, size))
	d.waits = max(len(parts), 1)
	if len(parts) < 2 {
		alone := d.unread == nil && !slices.ContainsFunc(entries, isDir)
		return r.clear(d, entries, alone)
	}
	slices.Reverse(parts)
	for _, part := range parts {
		r.push(func() error { return r.clear(d, part, false) })
	}
	return nil
}

func isDir(e listing.Entry) bool { return e.Type == listing.TypeDir }

// usable returns the entries whose names lead into the directory. Of the others,
// which no honest server lists, it is said that they stay.
func (r *removal) usable(d *doomed, entries []listing.Entry) ([]listing.Entry, error) {
	good := make([]listing.Entry, 0, len(entries))
	for _, e := range entries {
		if e.Name != "" && e.Name != "." && e.Name != ".." && !strings.Contains(e.Name, "/") {
			good = append(good, e)
			continue
		}
		if err := r.stays(d, &fs.PathError{Op: "remove", Path: d.name + "/" + e.Name, Err: fs.ErrInvalid}); err != nil {
			return nil, err
		}
	}
	return good, nil
}

// clear removes a part of a directory; with last, which there is no other part
// then, the directory too.
func (r *removal) clear(d *doomed, part []listing.Entry, last bool) error {
	errs, gone, err := r.ground.Clear(r.ctx, d.name, part, last)
	if err := r.stays(d, err); err != nil {
		return err
	}
	for i, err := range errs {
		switch {
		case err == nil:
			r.state.Lock()
			d.cleared++
			r.state.Unlock()
		case errors.Is(err, proto.ErrNotEmpty):
			r.enter(d, part[i])
		default:
			if err := r.stays(d, err); err != nil {
				return err
			}
		}
	}
	if gone {
		d.gone = true
	}
	return r.part(d)
}

// enter goes on in a directory that is in another.
func (r *removal) enter(d *doomed, e listing.Entry) {
	sub := &doomed{name: d.name + "/" + e.Name, up: d, inside: d.inside.below(e)}
	r.state.Lock()
	d.waits++
	r.state.Unlock()
	r.push(func() error { return r.list(sub) })
}

// part records that a part of a directory is done.
func (r *removal) part(d *doomed) error {
	r.state.Lock()
	d.waits--
	done := d.waits == 0
	r.state.Unlock()
	if !done {
		return nil
	}
	if !d.gone && !d.left {
		again, err := r.last(d)
		if again {
			r.push(func() error { return r.list(d) })
			return nil
		}
		if err := r.stays(d, err); err != nil {
			return err
		}
	}
	return r.finished(d)
}

// finished tells the directory above of the end of one in it.
func (r *removal) finished(d *doomed) error {
	if d.up == nil {
		return nil
	}
	r.state.Lock()
	if d.left {
		d.up.left = true
	} else {
		d.up.cleared++
	}
	r.state.Unlock()
	return r.part(d.up)
}

// last removes a directory that should be empty. It returns whether it must be
// listed again.
func (r *removal) last(d *doomed) (again bool, err error) {
	_, gone, err := r.ground.Clear(r.ctx, d.name, nil, true)
	if gone || err != nil {
		return false, err
	}
	err = r.ground.Remove(r.ctx, d.name)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, proto.ErrNotEmpty) && d.unread == nil && d.cleared > 0 && d.passes < maxPasses:
		d.passes++
		d.cleared = 0
		return true, nil
	case d.unread != nil:
		err = errors.Join(err, d.unread)
	}
	return false, err
}
