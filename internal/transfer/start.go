package transfer

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// fault is why an attempt failed, if the way is to blame and not the file.
type fault struct {
	cause proto.Cause
	reply proto.Reply
	err   error
	again bool // it has been seen to: the same step may do better at once
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// errDisorder says that it is not known any more which reply is whose.
var errDisorder = errors.New("a reply came that belongs to no command")

// noRestart is the refusal of a transfer that is to begin in the middle of a
// file.
type noRestart struct{ error }

// Unwrap returns the refusal.
func (e noRestart) Unwrap() error { return e.error }

// Is reports whether target is [proto.ErrNoRestart].
func (e noRestart) Is(target error) bool { return target == proto.ErrNoRestart }

// maxStrays is how many replies that cannot be meant are passed over before the
// right one comes.
const maxStrays = 3

// firstReply waits for the server to begin.
func (t *Transfer) firstReply(ctx context.Context, limit time.Duration) error {
	for t.begun.Code == 0 {
		r, err := t.nextReply(ctx, limit)
		if err != nil {
			return t.e.lost(ctx, err)
		}
		if err := t.judgeFirst(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// judgeFirst decides what a reply to the command means before the server has
// begun, or just after that. begun is set if it has.
func (t *Transfer) judgeFirst(ctx context.Context, r proto.Reply) error {
	switch {
	case t.behind && t.begun.Code == 0 && !r.Preliminary() && !r.RefusesFile():
		// The end of something earlier, or of this, or the answer to what
		// was sent behind it: only a fresh connection can tell.
		return t.e.lost(ctx, errDisorder)
	case r.Preliminary():
		t.begun = r
		return nil
	case t.begun.Code != 0 && r.Completed():
		// The server has sent all before we took its connection.
		t.verdict = r
		return nil
	case r.Code == 226 || r.Code == 250 || r.Code == 225:
		return t.earlyEnd(ctx, r)
	case r.Completed():
		// An answer to something earlier.
		if t.strays++; t.strays <= maxStrays {
			if conn := t.e.sess.Live(); conn != nil {
				conn.Again(t.call)
			}
			return nil
		}
	}
	return t.refusal(ctx, r)
}

// earlyEnd tells a 226 before any 150 that is the end of this transfer from one
// that is the end of an earlier one: after that the 150 follows on its heels.
func (t *Transfer) earlyEnd(ctx context.Context, r proto.Reply) error {
	conn := t.e.sess.Live()
	if conn == nil {
		t.begun, t.verdict = r, r
		return nil
	}
	conn.Again(t.call)
	next, err := t.e.sess.Next(ctx, t.call, 100*time.Millisecond+2*conn.RTT())
	switch {
	case err == nil:
		return t.judgeFirst(ctx, next)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	conn.Forget(t.call)
	t.begun, t.verdict = r, r
	return nil
}

// refusal returns what a negative reply to the command stands for: a fault of
// the way, or the server's last word on the file.
func (t *Transfer) refusal(ctx context.Context, r proto.Reply) error {
	err := proto.Refusal(t.req.Line, r)
	if t.begun.Code != 0 {
		err = proto.Failure(t.req.Line, r)
	}
	if r.Code == 421 && !t.e.sess.Answers(ctx) {
		return &fault{cause: proto.ControlReset, reply: r, err: err}
	}
	if cause := t.dataCause(r); cause != proto.OK {
		t.e.overheard(ctx, r)
		// The end of the last transfer may have come late and taken along
		// the data connection that the server had agreed to: once more.
		return &fault{cause: cause, reply: r, err: err, again: cause == proto.DataRefused && r.NoData("")}
	}
	if t.req.Offset > 0 && r.NoRestart() {
		return noRestart{err}
	}
	return err
}

// dataCause returns what a negative reply says about the data connection; OK if
// it is about something else.
func (t *Transfer) dataCause(r proto.Reply) proto.Cause {
	sealed := t.e.sess.DataTLS() != nil
	switch {
	case r.Code == 522 && sealed:
		return proto.TLSReuseRequired
	case r.NoMode():
		return proto.Refused
	case t.hasty && r.NamesModes():
		// ftp-srv ends, with a transfer, the data connection that was asked
		// for behind it, and says 551, as it does of files.
		return proto.Refused
	case r.Code == 421:
		return proto.Refused
	case r.NoData(t.req.Line):
		return proto.DataRefused
	case r.Code != 425 && r.Code != 426:
		return proto.OK
	case sealed && r.WantsReuse(), r.Code == 425 && t.Conn != nil && t.Secured() && !t.Resumed():
		// Said by the server, or by ProFTPD's refusal of a connection that
		// has gone all the way through the handshake.
		return proto.TLSReuseRequired
	case r.BadIP():
		return proto.BadIP
	}
	return proto.DataRefused
}

// errClosed is the error of a control connection that is gone.
func errClosed() error { return &proto.LostError{Err: net.ErrClosed} }
