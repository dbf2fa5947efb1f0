package stream

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"strings"

	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/pool"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/session"
)

// Dir reads a directory over connections that come and go. Its methods are for
// one goroutine at a time.
//
// It is read entry by entry as long as one listing tells all. Where that breaks,
// or does not show that it is whole, the directory is listed anew, as a whole, and
// what was returned before is left out: hashes of the names are kept for that.
type Dir struct {
	files Files
	path  string

	run   *dirRun // nil if no listing is under way
	begun bool    // there was one
	keep  listing.Keeper
	seed  maphash.Seed
	seen  []uint64 // hashes of the names that were returned

	held   bool            // list has all that is left
	list   []listing.Entry // may be shared with others
	unread error           // a ListingError that was not returned yet
}

// dirRun is a listing that is under way, with the connection that it has.
type dirRun struct {
	lease   *pool.Lease[*session.Conn]
	l       *remote.Listing
	unguard func() bool
}

// release gives the connection back.
func (r *dirRun) release() {
	r.lease.Release()
	r.unguard()
}

// maxSeen is how many names a listing may have to be listed anew where it breaks:
// their hashes take 32 MiB.
const maxSeen = 4 << 20

// fewest is for how many entries there is room at first.
const fewest = 128

// Dir returns a reader of a directory. No command is sent before the first Next.
func (f Files) Dir(path string) *Dir { return &Dir{files: f, path: path, seed: maphash.MakeSeed()} }

// Next returns up to n entries, at least one: as many as are there, if some are.
// It returns io.EOF behind the last one, when the directory is known to be whole.
// If n is not above zero all that is left is returned, sorted by name. A
// [*proto.ListingError] is returned once: in place of io.EOF, or with all. The
// entries must not be changed.
func (d *Dir) Next(ctx context.Context, n int) (list []listing.Entry, err error) {
	if n <= 0 {
		list, err = d.rest(ctx)
	} else if !d.held {
		list, err = d.read(ctx, n)
	}
	if err != nil || n > 0 && len(list) > 0 {
		return list, proto.ContextError(ctx, err)
	}
	if n > 0 {
		list = d.list[:min(n, len(d.list))]
		d.list = d.list[len(list):]
	}
	if n > 0 && len(list) > 0 {
		return list, nil
	}
	if err, d.unread = d.unread, nil; err == nil && n > 0 {
		err = io.EOF
	}
	return list, err
}

// rest returns all that is left, sorted.
func (d *Dir) rest(ctx context.Context) (list []listing.Entry, err error) {
	if !d.held && !d.begun {
		err = d.hold(ctx)
	}
	for !d.held && err == nil {
		var more []listing.Entry
		more, err = d.read(ctx, 1<<10)
		list = append(list, more...)
	}
	if len(list) == 0 {
		list = d.list
	} else if list = append(list, d.list...); err == nil {
		slices.SortStableFunc(list, func(a, b listing.Entry) int { return strings.Compare(a.Name, b.Name) })
	}
	d.list = nil
	return list, err
}

// read reads up to n entries of the listing that is under way. If there are none,
// and no error, the rest is held.
func (d *Dir) read(ctx context.Context, n int) ([]listing.Entry, error) {
	if err := d.ready(ctx); err != nil || d.held {
		return nil, err
	}
	list := make([]listing.Entry, 0, min(n, fewest))
	for len(list) < n && (len(list) == 0 || d.run.l.Ready()) {
		e, err := d.run.l.Next()
		if err == nil {
			list = append(list, d.keep.Keep(e))
			if len(d.seen) < maxSeen {
				d.seen = append(d.seen, maphash.String(d.seed, e.Name))
			}
			continue
		}
		err = d.run.l.End(ctx, err)
		d.run.release()
		d.run = nil
		switch {
		case ctx.Err() != nil:
			return list, ctx.Err()
		case err == nil, proto.Unread(err) != nil:
			d.held, d.unread, d.seen = true, err, nil
			return list, nil
		case len(d.seen) == maxSeen:
			return list, err
		case len(list) > 0:
			return list, nil // the next call lists anew
		}
		return nil, d.hold(ctx)
	}
	d.run.lease.Park(d.yield(d.run))
	return list, nil
}

// yield returns what ends a listing for others.
func (d *Dir) yield(run *dirRun) func(context.Context) bool {
	return func(ctx context.Context) bool {
		run.l.Stop(ctx)
		return true
	}
}

// ready sees to a listing that is under way, or to all that is left.
func (d *Dir) ready(ctx context.Context) error {
	if d.run != nil {
		mine, err := d.run.lease.Unpark(ctx)
		if mine {
			return nil
		}
		d.run.unguard()
		if d.run = nil; err != nil {
			return err
		}
	}
	if d.begun {
		return d.hold(ctx)
	}
	d.begun = true
	err := d.open(ctx)
	if err != nil && ctx.Err() == nil {
		return d.hold(ctx)
	}
	return err
}

// open opens a listing.
func (d *Dir) open(ctx context.Context) error {
	if !d.files.Server.Streams() {
		return remote.ErrUnclear
	}
	lease, err := d.files.Pool.Acquire(ctx)
	if err != nil {
		return err
	}
	s := d.files.on(lease)
	var l *remote.Listing
	if err = s.CatchUp(ctx); err == nil {
		l, err = remote.OpenList(ctx, s, d.path)
	}
	if err != nil {
		lease.Release()
		return err
	}
	d.run = &dirRun{lease: lease, l: l, unguard: l.Guard(ctx)}
	return nil
}

// hold lists the whole directory, but for what was returned before.
func (d *Dir) hold(ctx context.Context) error {
	if len(d.seen) == maxSeen {
		return errors.New("the listing broke off, and is too long to be taken up again")
	}
	var unread error
	err := retry.Do(ctx, d.files.RetryFor, func() error {
		return d.files.With(ctx, func(s *remote.Session) (err error) {
			d.list, err = s.List(ctx, d.path)
			if unread = nil; proto.Unread(err) != nil {
				unread, err = err, nil
			}
			if err != nil && !retry.Worth(err) {
				err = retry.Permanent(err)
			}
			return err
		})
	})
	if err != nil {
		return retry.Bare(err)
	}
	if len(d.seen) > 0 {
		slices.Sort(d.seen)
		left := make([]listing.Entry, 0, max(0, len(d.list)-len(d.seen)))
		for _, e := range d.list {
			if _, was := slices.BinarySearch(d.seen, maphash.String(d.seed, e.Name)); !was {
				left = append(left, e)
			}
		}
		d.list, d.seen = left, nil
	}
	d.held, d.unread = true, unread
	return nil
}

// Stop ends the listing, if there is one. A later Next begins anew.
func (d *Dir) Stop(ctx context.Context) {
	if run := d.run; run != nil {
		if mine, _ := run.lease.Unpark(ctx); mine {
			run.l.Stop(ctx)
			run.lease.Release()
		}
		run.unguard()
	}
	*d = *d.files.Dir(d.path)
}
