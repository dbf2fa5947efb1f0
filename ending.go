package ftpnat

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
)

// finish closes the data connection in good order and returns the server's
// closing reply, positive or not.
func (ch *channel) finish(ctx context.Context) (Reply, error) {
	if err := ch.endData(ctx); err != nil {
		return Reply{}, err
	}
	if ch.early() {
		if err := ch.l.firstReply(ctx, ch, ch.patience); err != nil {
			return Reply{}, &unbegun{err}
		}
	}
	r, err := ch.closing(ctx, ch.l.verdictLimit())
	if err == nil && r.Code == 421 {
		ch.l.sess.Answers(ctx)
	}
	if err != nil {
		ch.l.sess.Drop(err)
		if ctx.Err() != nil {
			return Reply{}, ctx.Err()
		}
		return Reply{}, fmt.Errorf("%w: %w", ErrNoVerdict, err)
	}
	return r, nil
}

// endData closes the data connection in good order. An error is the server's
// refusal of an upload that it has been sent already.
func (ch *channel) endData(ctx context.Context) error {
	if !ch.closed && ch.req.upload() {
		var refused *unbegun
		if err := ch.endUpload(ctx); errors.As(err, &refused) {
			ch.closeData()
			return err
		} else if err != nil {
			ch.l.note("the end of the upload could not be sent: %v", err)
		}
	}
	if !ch.closed && ch.unsigned() && !ch.req.upload() {
		ch.l.note("the data ended without a close_notify")
	}
	ch.closeData()
	return nil
}

// verdictLimit is how long the server may take to say that a transfer is
// complete: some write what they got to a slow store first.
func (l *link) verdictLimit() time.Duration { return replyLimits * l.cfg.attempt }

// lingerFor is how long the end of an upload waits for the server to close.
const lingerFor = 5 * time.Second

// endUpload says that this was all. Over TLS a close_notify says so, and what
// the server sent meanwhile (session tickets of TLS 1.3) is read: a socket
// that is closed with bytes unread is reset, and the server would lose what
// it has not read yet.
func (ch *channel) endUpload(ctx context.Context) error {
	tc, ok := ch.nc.(*tls.Conn)
	if !ok {
		return nil
	}
	tc.SetDeadline(time.Now().Add(lingerFor))
	if err := tc.CloseWrite(); err != nil {
		return err
	}
	half, ok := ch.raw.(interface{ CloseWrite() error })
	if !ok {
		return nil
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	return ch.linger(ctx, tc)
}

// linger reads until the server closes its end, or has said how the transfer
// ended: it has read all then, and some never close before we do.
func (ch *channel) linger(ctx context.Context, tc *tls.Conn) error {
	closed := make(chan struct{})
	go func() { // ends with the deadline
		defer close(closed)
		io.Copy(io.Discard, io.LimitReader(tc, 1<<20))
	}()
	var err error
	for err == nil && ch.verdict == nil {
		select {
		case <-closed:
			return nil
		case r := <-ch.call.Replies():
			if serr := ch.saw(ctx, r); serr != nil {
				err = &unbegun{serr}
			}
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	tc.SetReadDeadline(time.Now())
	<-closed
	return err
}

// cutOff has a socket closed with a reset, where that can be set.
func cutOff(nc net.Conn) {
	if l, ok := nc.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
}

func (ch *channel) closeData() {
	if ch.closed {
		return
	}
	ch.closed = true
	ch.raw.Close()
	if ch.release != nil {
		ch.release()
	}
}

// closing waits for the closing reply.
func (ch *channel) closing(ctx context.Context, limit time.Duration) (Reply, error) {
	if err := ch.awaitVerdict(ctx, limit); err != nil {
		ch.settled(ctx.Err() != nil)
		return Reply{}, err
	}
	ch.settled(ch.verdict.completed() || ch.abandoned)
	ch.l.answered(ctx, ch)
	return *ch.verdict, nil
}

// awaitVerdict waits for the closing reply. Where there is none it can be waited
// for again.
func (ch *channel) awaitVerdict(ctx context.Context, limit time.Duration) error {
	for ch.verdict == nil {
		r, err := ch.nextReply(ctx, limit)
		if err != nil {
			return err
		}
		if !r.Preliminary() || ch.abandoned && ch.prelim.Code != 0 {
			ch.verdict = (*Reply)(&r)
		} else if ch.prelim.Code == 0 {
			ch.prelim = Reply(r)
		}
	}
	return nil
}

// settled takes in that the transfer has ended.
func (ch *channel) settled(ok bool) {
	early := ch.hurried && ch.req.early
	switch {
	case ch.done:
	case early && !ok && (ch.verdict == nil || ch.verdict.Code/10 == 42):
		// More likely that than what was sent behind it.
		ch.l.summoned(false)
	case ch.behind:
		ch.l.queued(ok)
	case ok:
		ch.l.unqueued()
	}
	if early && ok && !ch.done {
		ch.l.summoned(true)
	}
	ch.done = true
	ch.l.ended = ch.l.ended || ok
}

// nextReply waits for a reply, and not for long where a server has obeyed a
// command that was sent behind the transfer before that had ended: the transfer
// may be gone then, and nothing more come.
func (ch *channel) nextReply(ctx context.Context, limit time.Duration) (control.Reply, error) {
	short := 2*time.Second + 4*ch.l.roundTrip()
	if !ch.behind || short >= limit {
		return ch.l.sess.Next(ctx, ch.call, limit)
	}
	r, err := ch.l.sess.Next(ctx, ch.call, short)
	if !errors.Is(err, control.ErrSilent) {
		return r, err
	}
	if ch.l.sess.Mixed() {
		return r, err
	}
	return ch.l.sess.Next(ctx, ch.call, limit-short)
}

// abandon ends a download before its end. The server's reply to that is
// awaited for about one round trip; without it the control connection is
// given up, which is as quick as anything else.
func (ch *channel) abandon(ctx context.Context) {
	ch.abandoned = true
	if conn := ch.l.sess.Live(); conn != nil {
		conn.Abandon(ch.call)
	}
	ch.closeData()
	if _, err := ch.closing(ctx, 50*time.Millisecond+2*ch.l.roundTrip()); err != nil {
		ch.l.sess.Drop(err)
	}
}
