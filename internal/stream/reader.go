package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// maxSkip is how far a Reader reads on to get to an offset, in bytes; to break
// off and start anew costs some round trips.
const maxSkip = 256 << 10

// Source is a file to be read.
type Source struct {
	Name  string        // in the FS, for progress
	Path  string        // in the directory of the pool
	Entry listing.Entry // what is known of the file
	// Asked says that Entry has what SIZE and MDTM told, and not a listing.
	Asked bool
	// Size is the latest size that is known, -1 if none is. Several readers of
	// one file share it.
	Size *atomic.Int64
	// Steady says that who reads waits for nothing but this file.
	Steady bool
	// Quiet says that somebody else reports progress.
	Quiet bool
}

// Reader reads a file over connections that come and go. Its methods are for
// one goroutine at a time.
type Reader struct {
	files Files
	src   Source
	run   *run // nil if no transfer is under way

	pos  int64  // of the transfer
	end  int64  // of the file, by the server's verdict; -1 if it is not known
	rest []byte // what came beyond what was read, and ends at pos: see takeRest
	past past   // what was handed on, for the next transfer to be compared with

	was     identity // the file before any of it was read
	known   phase    // what was is worth
	asked   bool     // was has what SIZE and MDTM told
	broken  bool     // the last transfer broke: a listing from before may be old
	shortAt int64    // where the server called the file complete and it was not; -1 for nowhere
	meter   meter
	opened  time.Time // start of the last transfer, or of the last try without a pause
}

// steadyFor is how long ago a transfer must have begun that breaks, for another one
// to be begun without a pause.
const steadyFor = 250 * time.Millisecond

// A phase is how far a Reader has come with the file that it first met.
type phase uint8

const (
	unmet  phase = iota // nothing is known of the file
	marked              // its identity is
	begun               // and bytes of it were read
)

// Reader returns a Reader of a file. No command is sent before the first read.
func (f Files) Reader(src Source) *Reader {
	if src.Size == nil {
		src.Size = new(atomic.Int64)
		src.Size.Store(src.Entry.Size)
	}
	return &Reader{files: f, src: src, end: -1, shortAt: -1, meter: meter{off: src.Quiet}}
}

// Read reads at an offset. Like Read of an io.Reader it returns as soon as
// there is something. io.EOF comes when the server has said that the file is
// complete, and the size is right.
func (r *Reader) Read(ctx context.Context, p []byte, off int64) (int, error) {
	n, err := r.readOnce(ctx, p, off)
	if !again(n, err) {
		return n, proto.ContextError(ctx, err)
	}
	return r.persist(ctx, err, func() (int, error) { return r.readOnce(ctx, p, off) })
}

// CopyTo copies the file from an offset on to a local one, in the kernel if that
// can be, and returns how many bytes were written. The error is that of Read, but
// nil at the end of the file, or that of w.
func (r *Reader) CopyTo(ctx context.Context, w *os.File, off int64) (n int64, err error) {
	buf := data.Buffer()
	defer data.Recycle(buf)
	once := (*Reader).copyOnce
	if !readable(w) {
		once = (*Reader).writeOnce
	}
	for err == nil {
		var m int
		m, err = once(r, ctx, w, *buf, off+n)
		if err != nil && err != io.EOF {
			at := n // n itself would be kept in memory that is allocated
			m, err = r.copyOn(ctx, m, err, func() (int, error) { return once(r, ctx, w, *buf, off+at) })
		}
		n += int64(m)
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// copyOn goes on where the copy of a piece has failed.
func (r *Reader) copyOn(ctx context.Context, n int, err error, once func() (int, error)) (int, error) {
	if again(n, err) {
		n, err = r.persist(ctx, err, once)
	}
	if local, ok := errors.AsType[*localError](err); ok {
		return n, local.error
	}
	return n, proto.ContextError(ctx, err)
}

// localError is an error of a local file.
type localError struct{ error }

func again(n int, err error) bool { return n == 0 && retry.Worth(err) }

// persist repeats a try that failed with err until it has brought bytes.
func (r *Reader) persist(ctx context.Context, err error, try func() (int, error)) (n int, _ error) {
	if time.Since(r.opened) >= steadyFor && !proto.RefusedAt(err) {
		// It has worked until now: who reads need not wait for the pause that a
		// server in trouble is due.
		r.opened = time.Now()
		if n, err = try(); !again(n, err) {
			return n, err
		}
	}
	first := true
	err = retry.Do(ctx, r.files.RetryFor, func() error {
		if !first {
			n, err = try()
		}
		first = false
		if n > 0 {
			return retry.Permanent(err)
		}
		return err
	})
	return n, err
}

// readOnce reads on the transfer that is under way, or on a new one.
func (r *Reader) readOnce(ctx context.Context, p []byte, off int64) (int, error) {
	if n := r.fromRest(p, off); n > 0 {
		return n, nil
	}
	if err := r.ready(ctx, off); err != nil {
		return 0, err
	}
	n, err := r.run.t.Read(p)
	r.past.took(p[:n])
	return r.took(ctx, n, err)
}

func (r *Reader) copyOnce(ctx context.Context, w *os.File, buf []byte, off int64) (int, error) {
	if r.restAt(off) {
		return r.writeOnce(ctx, w, buf, off)
	}
	if err := r.ready(ctx, off); err != nil {
		return 0, err
	}
	n, err, werr := r.run.t.CopyTo(w, buf)
	if werr != nil {
		// What was read and not written is lost to this transfer.
		r.drop(ctx, werr)
		return int(n), &localError{werr}
	}
	if n > 0 {
		r.past.copied(w, n)
	}
	return r.took(ctx, int(n), err)
}

// writeOnce is copyOnce for a file that cannot be read: what comes is seen here.
func (r *Reader) writeOnce(ctx context.Context, w *os.File, buf []byte, off int64) (int, error) {
	n, err := r.readOnce(ctx, buf, off)
	if n == 0 {
		return 0, err
	}
	m, werr := w.Write(buf[:n])
	if werr != nil {
		return m, &localError{werr}
	}
	return m, err
}

// took records the outcome of a read.
func (r *Reader) took(ctx context.Context, n int, err error) (int, error) {
	r.pos += int64(n)
	if n > 0 {
		r.known, r.broken = begun, false
		r.meter.moved(ctx, r.progress(), false)
	}
	switch {
	case ctx.Err() != nil:
		r.drop(ctx, ctx.Err())
		return n, ctx.Err()
	case n == 0 && err == io.EOF:
		return 0, r.settle(ctx)
	case n == 0 && err != nil:
		r.drop(ctx, err)
		return 0, err
	}
	if r.overrun() {
		// Whether there is an end to it is known when the size is asked for.
		r.run.t.Abandon(ctx)
		r.release()
		return n, nil
	}
	r.park()
	return n, nil
}

// slack is how much more than the size of a file, in bytes, may come before the
// server is asked whether it has become so large.
func slack(size int64) int64 { return 1<<20 + size/8 }

// overrun reports whether much more has come than the file is known to have.
func (r *Reader) overrun() bool {
	size := r.src.Size.Load()
	return size >= 0 && r.pos-size > slack(size)
}

func (r *Reader) progress() trace.Progress {
	return trace.Progress{Name: r.src.Name, Bytes: r.pos, Total: r.src.Size.Load()}
}

// park lets others have the connection until the next read. If FEAT has no REST
// the transfer could not go on then; a steady reader keeps it.
func (r *Reader) park() {
	if _, rest := r.run.s.Feature("REST"); r.src.Steady && !rest {
		return
	}
	if r.takeRest() {
		r.run.lease.Spare(r.run.yield)
		return
	}
	r.run.lease.Park(r.run.yield)
}

// ready brings the Reader to the offset, with a transfer under way.
func (r *Reader) ready(ctx context.Context, off int64) error {
	if r.end >= 0 && off >= r.end {
		return io.EOF
	}
	if r.run != nil {
		run := r.run
		mine, err := run.lease.Unpark(ctx)
		if !mine {
			r.forget()
		}
		switch {
		case err != nil:
			return err
		case run.over && off == r.pos:
			return r.judge(ctx, run.part, run.verdict)
		}
	}
	switch {
	case r.run == nil:
	case r.pos == off:
		return nil
	case off > r.pos && off-r.pos <= maxSkip && r.skip(ctx, off-r.pos):
		r.past.begin(off, !r.was.sure())
		return nil
	default:
		r.run.t.Abandon(ctx)
		r.release()
	}
	return r.start(ctx, off)
}

// skip reads n bytes that nobody wants.
func (r *Reader) skip(ctx context.Context, n int64) bool {
	m, err := io.CopyN(io.Discard, struct{ io.Reader }{r.run.t}, n)
	r.pos += m
	return err == nil && ctx.Err() == nil
}

// release gives the connection back.
func (r *Reader) release() {
	r.run.release()
	r.run = nil
}

// forget ends the use of a transfer whose connection is another's.
func (r *Reader) forget() {
	r.run.forget()
	r.run = nil
}

// drop gives the connection up: it is not known what is on its way there.
func (r *Reader) drop(ctx context.Context, err error) {
	r.broken = true
	r.run.t.Cut(ctx, err)
	r.release()
}

// Stop ends the transfer, if there is one. A later read begins anew.
func (r *Reader) Stop(ctx context.Context) {
	if r.run == nil {
		return
	}
	if mine, _ := r.run.lease.Unpark(ctx); !mine {
		r.forget()
		return
	}
	r.run.t.Abandon(ctx)
	r.release()
}

// start opens a transfer from the offset on.
func (r *Reader) start(ctx context.Context, off int64) error {
	from := off
	run, err := r.files.start(ctx, func(s *remote.Session) (t *transfer.Transfer, err error) {
		t, from, err = r.open(ctx, s, off)
		return t, err
	})
	if err == io.EOF {
		r.end = off
	}
	if err != nil {
		return err
	}
	run.yield = func(ctx context.Context) bool {
		// It can go on from where it stands.
		run.t.Abandon(ctx)
		run.retire()
		return true
	}
	r.rest = nil
	r.run, r.pos, r.opened = run, off, time.Now()
	r.meter.begin()
	if off > 0 {
		trace.From(ctx).Resumed(trace.Resume{Name: r.src.Name, Offset: off})
	}
	if from < off {
		return r.recognise(ctx, from)
	}
	r.past.begin(off, !r.was.sure())
	return nil
}

// recognise reads what was handed on before, from an offset up to where the
// transfer is to go on, and checks that it is the same.
func (r *Reader) recognise(ctx context.Context, from int64) error {
	err := r.past.same(r.run.t, from)
	r.past.brief = true
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, errDiffers):
		r.run.t.Abandon(ctx)
		r.release()
		return fmt.Errorf("%w: what comes before byte %d is not what it was", proto.ErrChanged, r.pos)
	case err == io.EOF:
		err = r.run.t.End(ctx, err)
		r.release()
		r.broken = true
		if err == io.EOF || errors.Is(err, proto.ErrShort) {
			return r.short(err)
		}
		return err
	}
	r.drop(ctx, err)
	return err
}

// open sends RETR, with REST before it if it is to begin in the middle, and
// returns where it begins: at off, or before that so that what came before can be
// compared. It returns io.EOF if nothing is left to be read.
func (r *Reader) open(ctx context.Context, s *remote.Session, off int64) (t *transfer.Transfer, from int64, err error) {
	if err := r.meet(ctx, s); err != nil {
		return nil, off, err
	}
	size := r.src.Size.Load()
	if off > 0 && off >= size && size >= 0 {
		// Some refuse REST to the end. What is known of the size may be old.
		now, err := remote.Size(ctx, s, r.src.Path)
		switch {
		case err != nil:
			return nil, off, err
		case now >= 0 && now < off && r.past.end == off && r.past.from < off:
			return nil, off, fmt.Errorf("%w: %d bytes came, and there are %d", proto.ErrChanged, off, now)
		case now < 0 && off > size:
			// There is more than was known, and nobody tells how much.
		case now <= off:
			return nil, off, io.EOF
		}
		r.src.Size.Store(now)
		size = now
	}
	if off > 0 {
		from = r.past.start(off, !r.was.sure())
	}
	if _, rest := s.Feature("REST"); from == 0 && !rest {
		from = off // for the server to say whether it can
	}
	t, err = remote.Read(ctx, s, r.src.Path, from, size)
	return t, from, err
}

// settle decides what the end of the data means. It returns io.EOF if the file
// is complete.
func (r *Reader) settle(ctx context.Context) error {
	got := r.run.t.Part()
	err := r.run.t.End(ctx, io.EOF)
	r.release()
	return r.judge(ctx, got, err)
}

// judge is settle for what the server has said of what came.
func (r *Reader) judge(ctx context.Context, got transfer.Part, err error) error {
	if errors.Is(err, proto.ErrNoVerdict) {
		if err = r.confirm(ctx, got, err); err == nil {
			err = io.EOF
		}
	}
	if err == io.EOF {
		r.end = r.pos
		r.src.Size.Store(r.pos)
		r.meter.moved(ctx, r.progress(), true)
		return io.EOF
	}
	r.broken = !errors.Is(err, proto.ErrChanged)
	if errors.Is(err, proto.ErrShort) {
		return r.short(err)
	}
	return err
}

// confirm settles a transfer whose closing reply never came.
func (r *Reader) confirm(ctx context.Context, got transfer.Part, lost error) error {
	return r.files.With(ctx, func(s *remote.Session) error {
		now, err := remote.Stat(ctx, s, r.src.Path, false)
		if err != nil {
			return err
		}
		return confirmed(got, now.Size, lost)
	})
}

// short is for a server that says a file is complete when it is not, for the
// reason err: it is asked for the rest, once.
func (r *Reader) short(err error) error {
	if r.shortAt == r.pos {
		return &proto.FSError{Kind: proto.ErrShort, Err: err}
	}
	r.shortAt = r.pos
	return proto.ErrShort
}
