package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// sink writes a file over connections that come and go: an upload that stands
// idle is ended, so that its connection can serve others, and what follows is
// appended. Its methods are for one goroutine at a time.
type sink struct {
	fs     *FS
	name   string // in the FS, for progress
	at     string // in the pool's directory
	total  int64  // for progress; -1 where it is not known
	append bool   // APPE from the start

	base    int64  // size of the file before; -1 where it is not known
	n       int64  // bytes taken
	held    []byte // taken and not sent yet: as long as they are all there is
	early   bool   // the transfer was begun with all of the file in held
	ls      *lease
	ch      *channel
	yield   func(context.Context) bool // ends the transfer for others
	unguard func() bool                // of the transfer
	taken   error                      // what yield met; to be read where the lease is known to be lost
	begun   bool                       // the server has the file
	resumed bool                       // begun by an earlier transfer of another sink: restart at base
	err     error                      // final
	meter   meter
}

// size returns where the file ends.
func (s *sink) size() int64 { return max(s.base, 0) + s.n }

// write sends p.
func (s *sink) write(ctx context.Context, p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.holds(len(p)) {
		s.held = append(s.held, p...)
		s.n += int64(len(p))
		return len(p), nil
	}
	if err := s.ready(ctx); err != nil {
		return 0, s.broke(err)
	}
	n, err := s.ch.Write(p)
	return s.sent(ctx, n, err)
}

// holdMost is how much of a new file is held back. A file that is no larger is
// sent in one go when it is closed: without waiting for the server's 150, and
// again if that does not come.
const holdMost = 64 << 10

// holds reports whether n more bytes can be held back.
func (s *sink) holds(n int) bool {
	return !s.begun && !s.append && !s.resumed && s.ls == nil && len(s.held)+n <= holdMost
}

// readFrom sends all that r has. An error that is none of the server or the way
// to it is one of r, and leaves s.err as it is. While r, where it is not a file
// of the system, is read, others can have the connection.
func (s *sink) readFrom(ctx context.Context, r io.Reader) (n int64, err error) {
	buf := bulk.Get().(*[]byte)
	defer bulk.Put(buf)
	file, isFile := regular(r)
	if isFile && s.holds(left(file)) {
		isFile = false
	}
	for {
		var m int64
		var rerr error
		if isFile {
			m, err, rerr = s.sendPiece(ctx, file, *buf)
		} else {
			m, err, rerr = s.copyPiece(ctx, r, *buf)
		}
		n += m
		switch {
		case err != nil:
			return n, err
		case rerr == io.EOF:
			return n, nil
		case rerr != nil:
			return n, rerr
		}
	}
}

// left returns how many bytes of a file are still to be read, at most so many
// that they cannot be held back.
func left(file systemFile) int {
	info, err := file.Stat()
	if err != nil {
		return holdMost + 1
	}
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return holdMost + 1
	}
	return int(min(info.Size()-at, holdMost+1))
}

// sendPiece sends a piece of a file of the system, in the kernel where that
// can be.
func (s *sink) sendPiece(ctx context.Context, file systemFile, buf []byte) (n int64, err, rerr error) {
	if s.err != nil {
		return 0, s.err, nil
	}
	if err := s.ready(ctx); err != nil {
		return 0, s.broke(err), nil
	}
	n, err, rerr = s.ch.moveFile(file, buf)
	_, err = s.sent(ctx, int(n), err)
	return n, err, rerr
}

// copyPiece sends a piece of what r has, by way of memory.
func (s *sink) copyPiece(ctx context.Context, r io.Reader, buf []byte) (n int64, err, rerr error) {
	m, rerr := r.Read(buf)
	if m > 0 {
		m, err = s.write(ctx, buf[:m])
	}
	return int64(m), err, rerr
}

// sent takes in the outcome of a write.
func (s *sink) sent(ctx context.Context, n int, err error) (int, error) {
	s.n += int64(n)
	s.meter.moved(s.ls.l, s.event(), false)
	if ctx.Err() != nil {
		s.cut(ctx.Err())
		return n, s.broke(ctx.Err())
	}
	if err != nil {
		return n, s.broke(s.whyBroken(ctx, err))
	}
	s.park()
	return n, nil
}

func (s *sink) event() ProgressEvent {
	return ProgressEvent{Name: s.name, Upload: true, Bytes: s.size(), Total: s.total}
}

// broke makes an error final: what the server has of the bytes so far is not
// known.
func (s *sink) broke(err error) error {
	if s.err == nil {
		s.err = err
	}
	return s.err
}

// whyBroken ends a transfer on which a write failed. Why the server stopped
// reading is better than that it did.
func (s *sink) whyBroken(ctx context.Context, err error) error {
	r, verr := s.ch.finish(ctx)
	line := s.ch.req.line
	s.release()
	if verr == nil && !r.completed() {
		return replyError(line, r)
	}
	return err
}

// cut ends the transfer so that the file does not look complete.
func (s *sink) cut(err error) {
	cutOff(s.ch.raw)
	s.ch.closeData()
	s.ls.l.sess.Drop(err)
	s.release()
}

func (s *sink) release() {
	s.ls.release()
	s.forget()
}

// forget ends what was kept of the transfer.
func (s *sink) forget() {
	if s.unguard != nil {
		s.unguard()
	}
	s.ls, s.ch, s.yield, s.unguard = nil, nil, nil, nil
}

// sendHeld sends what was held back.
func (s *sink) sendHeld(ctx context.Context) error {
	held := s.held
	if len(held) == 0 {
		return nil
	}
	s.held = nil
	_, err := s.ch.Write(held)
	switch {
	case ctx.Err() != nil:
		s.cut(ctx.Err())
		return ctx.Err()
	case err != nil:
		return s.whyBroken(ctx, err)
	}
	return nil
}

// start opens a transfer. Until a byte was sent it can be tried again.
func (s *sink) start(ctx context.Context) error {
	var pace backoff.BackOff
	for {
		err := s.startOnce(ctx)
		if err == nil {
			return nil
		}
		if pace == nil {
			pace = s.fs.p.cfg.pace()
		}
		if !retryable(err) || !pause(ctx, pace) {
			return s.explained(ctx, contextual(ctx, err))
		}
	}
}

func (s *sink) startOnce(ctx context.Context) error {
	ls, err := s.fs.p.acquire(ctx)
	if err != nil {
		return err
	}
	ls.p.server.changed()
	ch, err := s.transfer(ctx, ls)
	if err != nil {
		ls.release()
		return err
	}
	if s.begun || s.resumed {
		call(ls.l.trace.Resume, ResumeEvent{Name: s.name, Upload: true, Offset: s.size()})
	}
	s.ls, s.ch, s.begun = ls, ch, true
	s.yield, s.unguard = s.yielding(ctx, ls, ch), ch.guard(ctx)
	s.meter.begin()
	return nil
}

// transfer sends the command that goes on where the file ends.
func (s *sink) transfer(ctx context.Context, ls *lease) (*channel, error) {
	if !s.begun && !s.resumed && !s.append {
		return s.command(ctx, ls, "STOR", 0)
	}
	if s.begun || s.append {
		// The server said that it has all so far, or it was there before.
		have, err := ls.size(ctx, s.at)
		if err != nil {
			return nil, err
		}
		if !s.begun {
			s.base = max(have, -1)
		} else if have >= 0 && s.base >= 0 && have != s.size() {
			return nil, fmt.Errorf("%w: it has %d bytes, and %d were sent", ErrMismatch, have, s.size())
		}
		ch, err := s.command(ctx, ls, "APPE", 0)
		if err == nil || s.append || !refusedAt(err) {
			return ch, err
		}
		return s.command(ctx, ls, "STOR", s.size())
	}
	// After a break an old session may still be writing what it got. Written
	// at its place the same does no harm; appended it would be there twice.
	ch, err := s.command(ctx, ls, "STOR", s.base)
	if err == nil || !refusedAt(err) {
		return ch, err
	}
	return s.command(ctx, ls, "APPE", 0)
}

// refusedAt reports whether the server refused a command as such.
func refusedAt(err error) bool {
	var refused *ReplyError
	return errors.As(err, &refused) && !isNegotiate(err)
}

func (s *sink) command(ctx context.Context, ls *lease, verb string, offset int64) (*channel, error) {
	line, err := ls.line(verb, s.at)
	if err != nil {
		return nil, err
	}
	req := request{line: line, offset: offset}
	if s.early && verb == "STOR" && offset == 0 {
		req.early, req.mends = true, true
		if ls.p.server.ask(hasSIZE) != no {
			size, _ := ls.line("SIZE", s.at)
			req.tail = []string{size}
		}
	}
	return ls.l.transfer(ctx, req)
}

// abort ends the use of a file that is not to be completed.
func (s *sink) abort(ctx context.Context) {
	if s.ls == nil {
		return
	}
	ours, _ := s.ls.unpark(ctx)
	if ours {
		s.cut(errAborted)
		return
	}
	s.forget()
}

var errAborted = errors.New("the upload was broken off")

// close ends the file and returns what the server says of it.
func (s *sink) close(ctx context.Context) error {
	if s.ls != nil {
		ours, err := s.ls.unpark(ctx)
		if !ours {
			s.forget()
			if err == nil {
				err = s.taken
			}
		}
		if err != nil {
			return s.broke(err)
		}
	}
	if s.err != nil {
		if s.ls != nil {
			s.cut(s.err)
		}
		return s.err
	}
	var r Reply
	var err, noVerdict error
	whole := s.ls == nil && !s.begun
	if whole {
		r, err = s.store(ctx)
		switch {
		case s.ls == nil && errors.Is(err, ErrNoVerdict):
			noVerdict = err
		case s.ls == nil:
			return s.broke(err)
		}
	}
	if s.ls != nil {
		if !whole {
			r, err = s.ch.finish(ctx)
		}
		line := s.ch.req.line
		if err != nil || ctx.Err() != nil || !r.completed() {
			s.release()
		}
		switch {
		case ctx.Err() != nil:
			return s.broke(ctx.Err())
		case err != nil:
			noVerdict = err
		case !r.completed():
			return s.broke(s.explained(ctx, replyError(line, r)))
		}
	}
	return s.verify(ctx, noVerdict)
}

// store sends a file that is held back in whole, which may be empty, and returns
// the server's verdict. There is no lease when there was no transfer.
func (s *sink) store(ctx context.Context) (Reply, error) {
	var lost error
	for s.early = true; ; s.early = false {
		if err := s.start(ctx); err != nil {
			// A server that replaces nothing may have it all from before.
			return Reply{}, errors.Join(lost, err)
		}
		_, err := s.ch.Write(s.held)
		r, verr := s.ch.finish(ctx)
		switch {
		case s.early && verr == nil && (r.Code == 425 || r.Code == 426):
			// The bytes may have come too early.
			s.begun = false
			s.release()
			continue
		case s.early && again(verr) && ctx.Err() == nil:
			if errors.Is(verr, ErrNoVerdict) {
				lost = verr
			}
			s.begun = false
			s.release()
			continue
		case verr == nil && r.completed() && err != nil:
			// It says that it has what we could not send.
			return r, err
		}
		var refused *ReplyError
		if errors.As(verr, &refused) {
			r, verr = refused.Reply, nil
		}
		return r, verr
	}
}

// sizeNow asks for the size, or takes the answer where that was asked for along
// with the transfer.
func (s *sink) sizeNow(ctx context.Context) (int64, error) {
	if s.ch != nil && len(s.ch.after) > 0 && s.ls.l.sess.Live() != nil {
		r, err := s.ls.l.sess.Next(ctx, s.ch.after[0], 2*time.Second+4*s.ls.l.roundTrip())
		if err == nil && (r.Code == 213 || r.Code == 550) && !s.ls.l.sess.Mixed() {
			return sizeIn(Reply(r)), nil
		}
		s.ls.l.noQueue()
		if err != nil {
			s.ls.l.sess.Drop(err)
		}
	}
	s.ls.eager = true
	return s.ls.size(ctx, s.at)
}

// verify compares the size that the server tells. Where the closing reply did
// not come, the size alone decides.
func (s *sink) verify(ctx context.Context, noVerdict error) error {
	s.fs.p.server.changed()
	if s.ls == nil {
		ls, err := s.fs.p.acquire(ctx)
		if err != nil {
			return s.broke(errors.Join(noVerdict, err))
		}
		s.ls = ls
	}
	have, err := s.sizeNow(ctx)
	if err == nil {
		err = s.ls.kept(ctx, s.at)
	}
	if err == nil && (s.base >= 0 && have == s.size() || have < 0 && noVerdict == nil || s.base < 0 && noVerdict == nil) {
		s.meter.moved(s.ls.l, s.event(), true)
		s.release()
		return nil
	}
	s.release()
	switch {
	case err != nil:
		return s.broke(err)
	case have < 0 || s.base < 0:
		return s.broke(noVerdict)
	case noVerdict != nil:
		return s.broke(noVerdict)
	}
	return s.broke(fmt.Errorf("%w: it has %d bytes, and %d were sent", ErrMismatch, have, s.size()))
}
