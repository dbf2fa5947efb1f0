package stream

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/retry"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// maxHeld is how much of a new file is held back, in bytes. A file that is no
// larger is sent in one go when it is closed: without waiting for the server's
// 150, and again if that does not come.
const maxHeld = 64 << 10

// Target is a file to be written.
type Target struct {
	Name   string // in the FS, for progress
	Path   string // in the directory of the pool
	Total  int64  // size that it will have, for progress; -1 if it is not known
	Append bool   // what is there stays
	// From is where a file goes on that another Writer began and could not
	// end; zero to begin.
	From int64
	// Ours says that nobody else knows the path, and that nothing was there.
	Ours bool
	// New says that the file must not be there: else the error is fs.ErrExist.
	New bool
	// Whole says that all of the file is what ReadFrom reads, and that this can be
	// read again if it is a local file: ReadFrom ends the file then.
	Whole bool
	// Final is the path that the file will have in the end, if Path is a temporary
	// one. Another one of that kind is used where that helps.
	Final string
}

// Writer writes a file over connections that come and go: an upload that stands
// idle is ended if others need its connection, and what follows is appended.
// Its methods are for one goroutine at a time.
type Writer struct {
	files Files
	to    Target
	run   *run // nil if no transfer is under way

	base    int64       // size of the file before; -1 if it is not known
	n       int64       // bytes taken
	held    []byte      // taken and not sent yet: all there is so far
	begun   bool        // the server has been given the file
	touched bool        // it may have been
	before  remote.Mark // of the file, if it was asked for
	marked  bool        // it was
	lost    error       // why the outcome of an earlier try is not known; nil if it is
	place   *placing    // where the file goes when it is whole; nil if it is there already
	temps   []string    // temporary names that may have been used, the last one now; nil if Path is not one
	given   bool        // the server was given the last one
	ended   bool        // by ReadFrom
	late    bool        // a session that was given up may yet read a command for the file
	have    int64       // size that the server has told since the transfer ended; -1 for none
	err     error       // the first, which all that follows returns
	meter   meter
}

// Writer returns a Writer of a file. No command is sent before there is more
// than 64 KiB, or Close is called.
func (f Files) Writer(to Target) *Writer { return f.WriterIn(new(Writer), to) }

// WriterIn is Writer in memory that is there.
func (f Files) WriterIn(w *Writer, to Target) *Writer {
	*w = Writer{files: f, to: to, base: to.From, before: remote.Unmarked, have: -1}
	if to.Final != "" {
		w.temps = []string{to.Path}
	}
	return w
}

// Size returns where the file ends.
func (w *Writer) Size() int64 { return max(w.base, 0) + w.n }

// Write sends p.
func (w *Writer) Write(ctx context.Context, p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.holds(int64(len(p))) {
		w.held = append(w.held, p...)
		w.n += int64(len(p))
		return len(p), nil
	}
	if err := w.ready(ctx); err != nil {
		return 0, w.broke(err)
	}
	n, err := w.run.t.Write(p)
	return n, w.sent(ctx, int64(n), err)
}

// holds reports whether n more bytes can be held back.
func (w *Writer) holds(n int64) bool {
	return !w.begun && !w.to.Append && w.to.From == 0 && w.run == nil && int64(len(w.held))+n <= maxHeld
}

// A SourceError is the error of what ReadFrom reads. The Writer is as good as
// before. It has no Unwrap: whatever it is, it is none of the server.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return e.Err.Error() }

// ReadFrom sends all that r has. A local file is sent by the kernel if that can
// be; while anything else is read, others can have the connection. An error of
// r is a *SourceError.
func (w *Writer) ReadFrom(ctx context.Context, r io.Reader) (n int64, err error) {
	if n := w.to.Total; w.to.Whole && n >= 0 && w.holds(n) {
		return w.readFrom(ctx, r, nil, false)
	}
	file, local := data.Regular(r)
	if local {
		left := file.Left()
		local = left < 0 || !w.holds(left)
	}
	if !local || !w.to.Whole {
		return w.readFrom(ctx, r, file, local)
	}
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, &SourceError{err}
	}
	err = w.again(ctx, func() error {
		if _, err := file.Seek(start, io.SeekStart); err != nil {
			return &SourceError{err}
		}
		_, err := w.readFrom(ctx, r, file, true)
		return err
	})
	w.ended = true
	return w.n, err
}

// readFrom is ReadFrom once. If it is local, file is r, sent by the kernel.
func (w *Writer) readFrom(ctx context.Context, r io.Reader, file io.Reader, local bool) (n int64, err error) {
	buf := data.Buffer()
	defer data.Recycle(buf)
	for {
		var m int64
		var rerr error
		if local {
			m, err, rerr = w.sendPiece(ctx, file, *buf)
		} else {
			m, err, rerr = w.copyPiece(ctx, r, *buf)
		}
		n += m
		switch {
		case err != nil:
			return n, err
		case rerr == io.EOF:
			return n, nil
		case rerr != nil:
			return n, &SourceError{rerr}
		}
	}
}

// sendPiece sends a piece of a local file, in the kernel if that can be.
func (w *Writer) sendPiece(ctx context.Context, file io.Reader, buf []byte) (n int64, err, rerr error) {
	if w.err != nil {
		return 0, w.err, nil
	}
	if err := w.ready(ctx); err != nil {
		return 0, w.broke(err), nil
	}
	n, err, rerr = w.run.t.CopyFrom(file, buf)
	return n, w.sent(ctx, n, err), rerr
}

// copyPiece sends a piece of what r has, by way of memory.
func (w *Writer) copyPiece(ctx context.Context, r io.Reader, buf []byte) (n int64, err, rerr error) {
	m, rerr := r.Read(buf)
	if m > 0 {
		m, err = w.Write(ctx, buf[:m])
	}
	return int64(m), err, rerr
}

// sent records the outcome of a write.
func (w *Writer) sent(ctx context.Context, n int64, err error) error {
	w.n += n
	w.meter.moved(ctx, w.progress(), false)
	if err = w.flowing(ctx, err); err != nil {
		return w.broke(err)
	}
	w.run.lease.Park(w.run.yield)
	return nil
}

// flowing ends a transfer on which a write failed, or whose context has ended.
// Why the server stopped reading is better than that it did.
func (w *Writer) flowing(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		w.cut(ctx, ctx.Err())
		return ctx.Err()
	case err != nil:
		verdict := w.run.t.End(ctx, err)
		w.release()
		if proto.RefusedAt(verdict) {
			return verdict
		}
	}
	return err
}

func (w *Writer) progress() trace.Progress {
	return trace.Progress{Name: w.to.Name, Upload: true, Bytes: w.Size(), Total: w.to.Total}
}

// broke makes an error final: what the server has of the bytes so far is not
// known.
func (w *Writer) broke(err error) error {
	if w.err == nil {
		w.err = err
	}
	return w.err
}

// cut ends the transfer so that the file does not look complete.
func (w *Writer) cut(ctx context.Context, err error) {
	w.run.t.Cut(ctx, err)
	w.release()
}

// ready sees to a transfer that is under way.
func (w *Writer) ready(ctx context.Context) error {
	if err := w.regain(ctx); err != nil || w.run != nil {
		return err
	}
	if err := w.start(ctx); err != nil {
		return err
	}
	_, err := w.run.t.Write(w.held)
	w.held = nil
	return w.flowing(ctx, err)
}

// start opens a transfer. Until a byte was sent it can be tried again.
func (w *Writer) start(ctx context.Context) error {
	return w.under(ctx, func() error {
		return retry.Do(ctx, w.files.RetryFor, func() error { return w.startOnce(ctx, false) })
	})
}

// under calls f, which gives the server the file, and again if the reason of a
// refusal may be gone: the directory was made meanwhile, or another name is to be
// tried. Nothing that was sent must be lost.
func (w *Writer) under(ctx context.Context, f func() error) error {
	err := f()
	if err == nil {
		return nil
	}
	err = w.explained(ctx, err)
	if errors.Is(err, fs.ErrPermission) && !w.begun && ctx.Err() == nil {
		if err = f(); err == nil {
			return nil
		}
		err = w.explained(ctx, err)
	}
	if w.to.Final == "" || w.begun {
		return err
	}
	other := w.files.otherName(w.to.Final, err)
	if other == "" {
		return err
	}
	w.rename(other)
	w.given = false
	if err = f(); err != nil {
		return w.explained(ctx, err)
	}
	return nil
}

// afresh changes to another temporary name, for another try from the start: a
// session that was given up may yet read its STOR, and empty the file.
func (w *Writer) afresh() { w.rename(w.files.tempName(w.to.Final, "part")) }

// rename changes to another temporary name.
func (w *Writer) rename(temp string) {
	w.to.Path = temp
	w.temps = append(w.temps, temp)
}

// startOnce opens a transfer. whole says that what is held is all of the file, and
// is to be sent with it.
func (w *Writer) startOnce(ctx context.Context, whole bool) error {
	run, err := w.files.start(ctx, func(s *remote.Session) (*transfer.Transfer, error) {
		s.Server.Changed()
		return w.open(ctx, s, whole)
	})
	if err != nil {
		w.late = w.late || w.given && !proto.RefusedAt(err)
		return err
	}
	if w.begun || w.to.From > 0 {
		trace.From(ctx).Resumed(trace.Resume{Name: w.to.Name, Upload: true, Offset: w.Size()})
	}
	w.run, w.begun, w.have = run, true, -1
	if !run.t.Closed() {
		w.lend(ctx)
	}
	w.meter.begin()
	return nil
}

// open sends the command that goes on where the file ends.
func (w *Writer) open(ctx context.Context, s *remote.Session, whole bool) (*transfer.Transfer, error) {
	switch {
	case w.begun || w.to.Append:
		return w.extend(ctx, s)
	case w.to.From == 0:
		return w.create(ctx, s, whole)
	}
	path := w.to.Path
	// After a break an old session may still be writing what it got. Written
	// at its place the same does no harm; appended it would be there twice.
	t, err := remote.Write(ctx, s, path, remote.Put{Offset: w.base})
	if !proto.RefusedAt(err) {
		return t, err
	}
	return remote.Write(ctx, s, path, remote.Put{Append: true})
}

// create sends the command that begins a file; whole says that what is held is all
// of it, and is sent too.
func (w *Writer) create(ctx context.Context, s *remote.Session, whole bool) (*transfer.Transfer, error) {
	if err := w.mark(ctx, s, whole); err != nil {
		return nil, err
	}
	if w.to.Final != "" && w.given {
		w.afresh()
	}
	put := remote.Put{Afresh: func() (string, error) {
		w.late = true
		if w.to.Final != "" {
			w.afresh()
		}
		return s.Line("STOR", w.to.Path)
	}}
	w.touched, w.given = true, true
	if !whole {
		return remote.Write(ctx, s, w.to.Path, put)
	}
	put.Whole, put.Body = true, w.held
	if !w.marked && !w.to.Ours {
		put.Before = &w.before
	}
	t, err := remote.Write(ctx, s, w.to.Path, put)
	// A size that is the same proves nothing; the time is asked for before the next
	// try.
	w.marked = w.marked || w.before.Refused || w.before.Size >= 0 && w.before.Size != w.n
	return t, err
}

// mark asks what is there before it is replaced, so that what is there afterwards
// can be told from it. What is held is sent again if the outcome is lost, and that
// is early enough to ask.
func (w *Writer) mark(ctx context.Context, s *remote.Session, whole bool) (err error) {
	if w.marked || w.to.Ours || whole && w.lost == nil && !w.to.New {
		return nil
	}
	timed := !w.to.New && (s.Pipelines() || w.lost != nil)
	w.before, err = remote.MarkOf(ctx, s.ForTransfer(), w.to.Path, timed)
	w.marked = err == nil
	if w.to.New && w.before.Size >= 0 {
		err = &proto.FSError{Kind: fs.ErrExist}
	}
	return err
}

// extend goes on with a file of which the server said that it has all so far,
// or that was there before.
func (w *Writer) extend(ctx context.Context, s *remote.Session) (*transfer.Transfer, error) {
	now, err := remote.MarkOf(ctx, s, w.to.Path, false)
	if err != nil {
		return nil, err
	}
	if !w.begun {
		w.base, w.before, w.marked = now.Size, now, true
	} else if now.Size >= 0 && w.from(now) >= 0 && now.Size != w.from(now)+w.n {
		return nil, w.mismatch(now.Size)
	}
	w.touched = true
	t, err := remote.Write(ctx, s, w.to.Path, remote.Put{Append: true})
	if w.to.Append || !proto.RefusedAt(err) {
		return t, err
	}
	return remote.Write(ctx, s, w.to.Path, remote.Put{Offset: w.Size()})
}

// from returns the size of the file before, by a mark from afterwards: SIZE was
// refused for a name that was missing, and is answered now. It is -1 if it is not
// known.
func (w *Writer) from(now remote.Mark) int64 {
	if w.base < 0 && w.before.Refused && now.Size >= 0 {
		return 0
	}
	return w.base
}

// explained finds out what a refusal of the file means. No connection must be
// in use.
func (w *Writer) explained(ctx context.Context, err error) error {
	if !remote.Explainable(w.to.Path, err) {
		return err
	}
	// Without a connection, what the server said is the error.
	_ = w.files.With(ctx, func(s *remote.Session) error {
		err = remote.Explain(ctx, s, remote.OpWrite, w.to.Path, err)
		return nil
	})
	return err
}

func (w *Writer) release() {
	w.run.release()
	w.run = nil
}

// forget ends the use of a transfer whose connection is another's.
func (w *Writer) forget() {
	w.run.forget()
	w.run = nil
}
