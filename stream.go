package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/ftpnat/ftpnat/internal/listing"
)

// skipMost is how far a stream reads on to get to an offset, where breaking
// off and starting anew costs some round trips.
const skipMost = 256 << 10

// stream reads a file over connections that come and go. Its methods are for
// one goroutine at a time.
type stream struct {
	f  *File
	ls *lease   // nil while there is no transfer
	ch *channel // of the transfer

	yield   func(context.Context) bool // gives the transfer up for others
	unguard func() bool                // of the transfer

	pos  int64 // where the transfer stands
	end  int64 // of the file, by the server's verdict; -1 while it is not known
	from int64 // where the transfer began

	was     listing.Entry // the file before anything was read of it
	marked  bool          // was is known
	pinned  bool          // the time in was is that of MDTM, as the listing did not tell it well
	begun   bool          // a byte was read before
	broken  bool          // the last transfer broke: what is known of the file may be old
	shortAt int64         // one more than where a server said that a file was complete and it was not
	steady  bool          // who reads waits for nothing but this file
	meter   meter
}

// read reads at the offset. Like Read of an io.Reader it returns as soon as
// there is something.
func (s *stream) read(ctx context.Context, p []byte, off int64) (int, error) {
	return s.persist(ctx, func() (int, error) { return s.once(ctx, p, off) })
}

// copyTo copies a piece to a file of the system.
func (s *stream) copyTo(ctx context.Context, w *os.File, buf []byte, off int64) (int64, error) {
	n, err := s.persist(ctx, func() (int, error) {
		if s.end >= 0 && off >= s.end {
			return 0, io.EOF
		}
		if err := s.ready(ctx, off); err != nil {
			return 0, err
		}
		n, err, werr := s.ch.moveTo(w, buf)
		if werr != nil {
			// What was read and not written is lost to this transfer.
			s.drop(werr)
			return int(n), final{werr}
		}
		return s.took(ctx, int(n), err)
	})
	if fin, ok := err.(final); ok {
		err = fin.error
	}
	return int64(n), err
}

// persist calls try until bytes were read, the end was reached, the error is
// final or RetryFor has passed.
func (s *stream) persist(ctx context.Context, try func() (int, error)) (int, error) {
	var pace backoff.BackOff
	for {
		n, err := try()
		if n > 0 || err == nil || err == io.EOF {
			return n, err
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if pace == nil {
			pace = s.f.fs.p.cfg.pace()
		}
		if !retryable(err) || !pause(ctx, pace) {
			return 0, contextual(ctx, err)
		}
	}
}

// once reads at the offset on the transfer there is, or on a new one.
func (s *stream) once(ctx context.Context, p []byte, off int64) (int, error) {
	if s.end >= 0 && off >= s.end {
		return 0, io.EOF
	}
	if err := s.ready(ctx, off); err != nil {
		return 0, err
	}
	n, err := s.ch.Read(p)
	return s.took(ctx, n, err)
}

// took takes in the outcome of a read.
func (s *stream) took(ctx context.Context, n int, err error) (int, error) {
	s.pos += int64(n)
	if n > 0 {
		s.begun, s.broken = true, false
		s.meter.moved(s.ls.l, s.event(), false)
	}
	switch {
	case ctx.Err() != nil:
		s.drop(ctx.Err())
		return n, ctx.Err()
	case n > 0:
		s.park()
		return n, nil
	case err == io.EOF:
		return 0, s.settle(ctx)
	case err != nil:
		s.drop(err)
		return 0, err
	}
	s.park()
	return 0, nil
}

func (s *stream) event() ProgressEvent {
	return ProgressEvent{Name: s.f.name, Bytes: s.pos, Total: s.f.size.Load()}
}

// park lets others have the connection until the next read. Where FEAT has no
// REST the transfer could not go on then; a steady reader keeps it.
func (s *stream) park() {
	if _, rest := s.ls.l.sess.Feature("REST"); s.steady && !rest {
		return
	}
	s.ls.park(s.yield)
}

// ready brings the stream to the offset, with a transfer in use.
func (s *stream) ready(ctx context.Context, off int64) error {
	if s.ls != nil {
		ours, err := s.ls.unpark(ctx)
		if !ours {
			s.forget()
		}
		if err != nil {
			return err
		}
	}
	if s.ls != nil && s.pos != off {
		if off > s.pos && off-s.pos <= skipMost && s.skip(ctx, off-s.pos) {
			return nil
		}
		if s.ls != nil {
			s.ch.abandon(ctx)
			s.release()
		}
	}
	if s.ls != nil {
		return nil
	}
	return s.start(ctx, off)
}

// skip reads n bytes that nobody wants.
func (s *stream) skip(ctx context.Context, n int64) bool {
	m, err := io.CopyN(io.Discard, struct{ io.Reader }{s.ch}, n)
	s.pos += m
	return err == nil && ctx.Err() == nil
}

// release gives the connection back.
func (s *stream) release() {
	s.ls.release()
	s.forget()
}

// forget ends what was kept of the transfer.
func (s *stream) forget() {
	if s.unguard != nil {
		s.unguard()
	}
	s.ls, s.ch, s.yield, s.unguard = nil, nil, nil, nil
}

// drop gives the connection up: it is not known what is on its way there.
func (s *stream) drop(err error) {
	s.broken = true
	s.ch.closeData()
	s.ls.l.sess.Drop(err)
	s.release()
}

// stop ends the transfer, wherever it is.
func (s *stream) stop(ctx context.Context) {
	if s.ls == nil {
		return
	}
	ours, _ := s.ls.unpark(ctx)
	if ours {
		s.ch.abandon(ctx)
		s.release()
		return
	}
	s.forget()
}

// start opens a transfer from the offset on.
func (s *stream) start(ctx context.Context, off int64) error {
	ls, err := s.f.fs.p.acquire(ctx)
	if err != nil {
		return err
	}
	ch, err := s.transfer(ctx, ls, off)
	if err != nil {
		ls.release()
		return err
	}
	if ch == nil {
		ls.release()
		s.end = off
		return io.EOF
	}
	s.ls, s.ch, s.pos, s.from = ls, ch, off, off
	s.yield, s.unguard = ch.yield, ch.guard(ctx)
	s.meter.begin()
	if off > 0 {
		call(ls.l.trace.Resume, ResumeEvent{Name: s.f.name, Offset: off})
	}
	return nil
}

// transfer sends RETR, with REST before it where it is to start in the middle.
// The channel is nil where nothing is left to be read.
func (s *stream) transfer(ctx context.Context, ls *lease, off int64) (*channel, error) {
	if err := s.same(ctx, ls); err != nil {
		return nil, err
	}
	if size := s.f.size.Load(); off > 0 && off >= size && size >= 0 {
		// REST to the end is refused by some. What is known of the size may
		// be old, so that it is asked for.
		now, err := ls.size(ctx, s.f.at)
		if err != nil || now <= off {
			return nil, err
		}
		s.f.size.Store(now)
	}
	line, err := ls.line("RETR", s.f.at)
	if err != nil {
		return nil, err
	}
	ch, err := ls.l.transfer(ctx, request{line: line, offset: off, mends: true})
	switch {
	case err == nil:
		return ch, nil
	case verbOf(err) == "REST" && !isNegotiate(err), off > 0 && saysNoRestart(replyOf(err)):
		return nil, &kindError{errors.ErrUnsupported, fmt.Errorf("the server cannot start at byte %d of a file: %w", off, err)}
	}
	return nil, ls.whyNotRead(ctx, s.f.at, err)
}

// saysNoRestart reports whether the server takes REST and then refuses what
// follows for it: ProFTPD with AllowRetrieveRestart off, by a transient reply.
func saysNoRestart(r Reply) bool {
	return r.Code == 451 && strings.Contains(strings.ToLower(r.Text()), "restart not permitted")
}

// same checks that the file is the one that was read before.
func (s *stream) same(ctx context.Context, ls *lease) error {
	if !s.begun {
		return s.mark(ctx, ls)
	}
	now, err := s.look(ctx, ls)
	if err != nil {
		return err
	}
	was := s.was
	if now.Size < 0 || was.Size < 0 {
		now.Size = was.Size
	}
	if now.Type != was.Type || now.Size != was.Size || !sameTime(now, was) {
		return fmt.Errorf("%w: %d bytes of %v, and before %d bytes of %v", ErrChanged, now.Size, now.ModTime, was.Size, was.ModTime)
	}
	return nil
}

// mark takes down what the file is before anything was read of it.
func (s *stream) mark(ctx context.Context, ls *lease) error {
	if s.marked {
		return nil
	}
	s.was = s.f.found
	switch {
	case s.f.glanced && s.was.Precision == listing.PrecisionNone:
		if err := ls.touched(ctx, s.f.at, &s.was); err != nil {
			return err
		}
	case !s.f.glanced && s.was.Size >= pinFrom && !isExact(s.was):
		ls.eager = true // the question and a port in one round trip
		if err := ls.touched(ctx, s.f.at, &s.was); err != nil {
			return err
		}
		s.pinned = isExact(s.was)
	}
	s.marked = true
	return nil
}

// pinFrom is from what size on a file is asked for its time where the listing
// told it to the minute, or the day: a transfer that breaks goes on then only
// in the very file that it began in.
const pinFrom = 64 << 10

// isExact reports whether a time tells a file from one that took its place.
func isExact(e listing.Entry) bool {
	return e.Absolute && e.Precision >= listing.PrecisionSecond
}

// look describes the file by what Open asked for.
func (s *stream) look(ctx context.Context, ls *lease) (listing.Entry, error) {
	if !s.f.glanced && !s.pinned {
		// A short file has no better mark than what the listing tells now.
		recent := !s.broken && s.was.Size >= pinFrom
		return ls.stat(ctx, s.f.at, recent)
	}
	e := s.was
	if s.f.glanced {
		e = s.f.found
	}
	var err error
	if e.Size, err = ls.size(ctx, s.f.at); err != nil {
		return e, err
	}
	if e.Size < 0 {
		return ls.stat(ctx, s.f.at, false)
	}
	return e, ls.touched(ctx, s.f.at, &e)
}

// sameTime compares two times by what both are exact to: LIST drops the
// minutes of a file that grows old, and does not tell its zone, which MLST does.
func sameTime(a, b listing.Entry) bool {
	if a.Precision == listing.PrecisionNone || b.Precision == listing.PrecisionNone {
		return true
	}
	unit := fileInfo{a}.Sys().(*Facts).Precision
	if other := (fileInfo{b}).Sys().(*Facts).Precision; other > unit {
		unit = other
	}
	apart := a.ModTime.Truncate(unit).Sub(b.ModTime.Truncate(unit)).Abs()
	if a.Absolute == b.Absolute {
		return apart == 0
	}
	const farthest, step = 14 * time.Hour, 15 * time.Minute // of the zones there are
	return apart <= max(farthest, unit) && apart%step == 0
}

// settle decides what the end of the data means, by the server's closing reply
// and the size. It returns io.EOF when the file is complete.
func (s *stream) settle(ctx context.Context) error {
	r, err := s.ch.finish(ctx)
	prelim, line := s.ch.prelim, s.ch.req.line
	if err != nil {
		s.broken = true
		s.release()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return s.ownVerdict(ctx, err)
	}
	if !r.completed() {
		s.broken = true
		s.release()
		return replyError(line, r)
	}
	size := s.f.size.Load()
	if size < 0 && s.from == 0 {
		if n, told := announced(prelim); told {
			size = n
		}
	}
	if size < 0 || size == s.pos {
		return s.complete()
	}
	now, err := s.ls.size(ctx, s.f.at)
	if err == nil && now == s.pos && s.from == 0 {
		// It had changed between Open and the first byte, or what Open
		// knew was old: what came is whole.
		return s.complete()
	}
	s.release()
	switch {
	case err != nil:
		s.broken = true
		return err
	case now >= 0 && now != size || s.pos > size:
		return fmt.Errorf("%w: %d bytes came, and there were %d", ErrChanged, s.pos, size)
	}
	return s.short(size)
}

// complete takes down that the file ends here.
func (s *stream) complete() error {
	s.end = s.pos
	s.f.size.Store(s.pos)
	s.meter.moved(s.ls.l, s.event(), true)
	s.release()
	return io.EOF
}

// short is for a server that says a file is complete when it is not: once it
// is asked for the rest.
func (s *stream) short(size int64) error {
	s.broken = true
	if s.shortAt == s.pos+1 {
		return &kindError{ErrShort, fmt.Errorf("%d of %d", s.pos, size)}
	}
	s.shortAt = s.pos + 1
	return ErrShort
}

// ownVerdict settles a transfer whose closing reply never came: all is there
// when a fresh connection says that the file has as many bytes as came.
func (s *stream) ownVerdict(ctx context.Context, cause error) error {
	ls, err := s.f.fs.p.acquire(ctx)
	if err != nil {
		return err
	}
	s.ls = ls
	e, err := ls.stat(ctx, s.f.at, false)
	switch {
	case err != nil:
		s.release()
		return err
	case e.Size == s.pos && (s.f.size.Load() < 0 || e.Size == s.f.size.Load()):
		return s.complete()
	}
	s.release()
	if e.Size < 0 {
		return &kindError{ErrNoVerdict, cause}
	}
	return cause // the rest is asked for, where the file is the same
}

// announced returns the size that a 150 tells, as "(1234 bytes)".
func announced(r Reply) (int64, bool) {
	const most = 18 // digits, so that no number is too large
	text := r.Text()
	for {
		before, after, found := strings.Cut(text, " bytes)")
		if !found {
			return 0, false
		}
		if open := strings.LastIndexByte(before, '('); open >= 0 && len(before)-open-1 <= most {
			if n, err := strconv.ParseUint(before[open+1:], 10, 63); err == nil {
				return int64(n), true
			}
		}
		text = after
	}
}

// meterEvery is how often Progress is called at most.
const meterEvery = 250 * time.Millisecond

// meter paces the reports of progress.
type meter struct {
	last time.Time
	off  bool // somebody else tells
}

func (m *meter) begin() {
	if m.last.IsZero() {
		m.last = time.Now()
	}
}

func (m *meter) moved(l *link, e ProgressEvent, end bool) {
	if l.trace.Progress == nil || m.off || !end && time.Since(m.last) < meterEvery {
		return
	}
	m.last = time.Now()
	l.trace.Progress(e)
}
