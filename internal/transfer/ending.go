package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

// End ends the transfer and returns what became of it: io.EOF if a download is
// whole, nil if an upload is, by the server's word and the size that it told. err
// is why no more was read or written: io.EOF, or nil, if that was the end.
//
// Other results are the server's negative reply, a *proto.Error, which goes
// before err; err itself; proto.ErrNoVerdict if no closing reply came, or if a
// whole upload that could not be sent to its end is called complete;
// proto.ErrShort or proto.ErrChanged, by [Part.Whole]; proto.ErrTruncated for a
// listing; and the error of ctx, with which the control connection is given up.
func (t *Transfer) End(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		t.Cut(ctx, ctx.Err())
		return ctx.Err()
	}
	if err == io.EOF {
		err = nil
	}
	if t.Upload() && err == nil {
		err = t.broke
	}
	t.cut = err != nil
	r, lost := t.Finish(ctx)
	switch {
	case lost == nil && !r.Completed():
		// Why the server stopped is better than that it did.
		return proto.Failure(t.req.Line, r)
	case lost == nil && t.req.kind == listing && r.Truncated():
		return fmt.Errorf("%w: %s: %s", proto.ErrTruncated, t.req.Line, r)
	case lost == nil && t.req.kind == listing && r.Unopened():
		// A positive reply, and nothing was listed.
		return proto.Failure(t.req.Line, r)
	case err != nil && t.req.Whole && lost == nil:
		return fmt.Errorf("%w: %w", proto.ErrNoVerdict, err)
	case err != nil && !t.req.Whole:
		return err
	case lost != nil:
		return lost
	case t.Upload():
		return nil
	}
	return t.counted(ctx)
}

// counted compares what a download has brought with what is known of the size.
// It returns io.EOF if the file is whole, as far as anybody tells.
func (t *Transfer) counted(ctx context.Context) error {
	part := t.Part()
	forged := part.Unsigned && t.e.cfg.Signs.Load()
	if t.Secured() && !part.Unsigned {
		t.e.cfg.Signs.Store(true)
	}
	switch {
	case t.req.kind == listing:
		return io.EOF // how much that should be is for the caller to find out
	case t.req.Check == "" && !t.req.Resumes:
		return io.EOF // nobody wants to know
	}
	if t.req.Offset == 0 {
		_, told := t.begun.Announced()
		t.e.tells = proto.Found(told)
	}
	asked := false
	err := part.Whole(func() (int64, error) {
		asked = true
		return t.sizeNow(ctx)
	})
	t.checked(ctx) // the answer may be on its way still
	switch {
	case err != nil:
		return err
	case asked && t.size < 0 && forged:
		// The server ends its data with a close_notify, as it did before.
		return fmt.Errorf("%w: %s ended without a close_notify", proto.ErrShort, t.req.Line)
	case asked && t.size < 0:
		trace.From(ctx).Notef("%s: the server tells no size: nothing but its %03d says that the file is whole", t.req.Line, t.verdict.Code)
	}
	return io.EOF
}

// Part is what a download has brought of a file when its data has ended.
type Part struct {
	From, To int64 // by the bytes that came
	Size     int64 // of the file, as it is believed; -1 if nothing is known
	Unsigned bool  // a TLS peer has not said that this was all
}

// Part returns what the transfer has brought so far.
func (t *Transfer) Part() Part {
	off := t.req.Offset
	p := Part{From: off, To: off + t.Count(), Size: t.expected(), Unsigned: t.Unsigned()}
	if p.Unsigned && p.Size == p.To && t.req.Known <= 0 && !t.req.Resumes {
		p.Size = -1 // by the 150 alone: the caller cannot try again, and wants to be sure
	}
	return p
}

// Whole decides whether a download that the server calls complete has brought
// the file to its end: nil if so, ErrShort, or ErrChanged. A box on the way can
// end a data connection, and the server does not learn of it: that the data ended
// and the server's reply is positive proves nothing without the size. sizeNow asks
// the server for that; -1 means that it does not tell.
func (p Part) Whole(sizeNow func() (int64, error)) error {
	if p.Size == p.To {
		return nil
	}
	now, err := sizeNow()
	switch {
	case err != nil:
		return err
	case now == p.To && (p.From == 0 || p.Size < 0), now < 0 && p.Size < 0:
		// It has changed since the size was told and before the first byte,
		// or what was told was old: what came is whole.
		return nil
	case p.Size >= 0 && (now >= 0 && now != p.Size || p.To > p.Size):
		return fmt.Errorf("%w: %d bytes came, and there were %d", proto.ErrChanged, p.To, p.Size)
	case now >= 0 && p.To > now:
		return fmt.Errorf("%w: %d bytes came, and there are %d", proto.ErrChanged, p.To, now)
	}
	return fmt.Errorf("%w: %d of %d", proto.ErrShort, p.To, max(now, p.Size))
}

// sizeNow returns the size of the file at the end of a download; -1 if the server
// does not tell. The question has travelled with the command if the server takes
// that. One that has told others is asked twice.
func (t *Transfer) sizeNow(ctx context.Context) (int64, error) {
	if size, told := t.checked(ctx); told {
		t.size = size
		return size, nil
	}
	if t.e.sizes == proto.No || t.req.Check == "" {
		return -1, nil
	}
	odd := func(r proto.Reply) bool { return t.e.sizes == proto.Yes && (r.Unsupported() || r.Code/100 == 4) }
	r, err := t.e.plain(ctx, t.req.Question())
	if err == nil && odd(r) {
		r, err = t.e.plain(ctx, t.req.Question())
	}
	switch {
	case err != nil:
		return -1, fmt.Errorf("%w: %w", proto.ErrNoVerdict, err)
	case odd(r):
		return -1, fmt.Errorf("%w: %w", proto.ErrNoVerdict, proto.Refusal(t.req.Question(), r))
	}
	t.size = t.e.hearSize(r)
	return t.size, nil
}

// Known returns the size of the file as the caller, the 150 or, at the end of a
// download, the server told it; -1 if nobody did.
func (t *Transfer) Known() int64 {
	if t.size >= 0 {
		return t.size
	}
	return t.expected()
}

// expected returns the size of the file as the caller or the 150 told it; -1 if
// neither did. What a 150 tells after REST differs from server to server.
func (t *Transfer) expected() int64 {
	if t.req.Known > 0 {
		return t.req.Known
	}
	if n, told := t.begun.Announced(); told && t.req.Offset == 0 {
		return n
	}
	return -1
}

// Finish closes the data connection in good order and returns the closing reply,
// positive or not. It may be called again.
func (t *Transfer) Finish(ctx context.Context) (proto.Reply, error) {
	t.CloseData(ctx)
	if t.lost != nil {
		return proto.Reply{}, t.lost
	}
	r, err := t.closing(ctx, t.e.verdictLimit())
	switch {
	case err == nil && r.Code == 421:
		t.e.sess.Answers(ctx)
	case err == nil:
	case ctx.Err() != nil:
		t.e.sess.Drop(ctx, err)
		t.lost = ctx.Err()
	default:
		t.e.sess.Drop(ctx, err)
		t.lost = fmt.Errorf("%w: %w", proto.ErrNoVerdict, err)
	}
	return r, t.lost
}

// Send uploads what r has and ends the transfer. An error of r is returned as it
// is, and the file does not look complete then.
func (t *Transfer) Send(ctx context.Context, r io.Reader) error {
	stop := t.Guard(ctx)
	err, rerr := t.CopyAllFrom(r)
	stop()
	if rerr != nil && ctx.Err() == nil {
		t.CutOff()
		t.Abandon(ctx)
		return rerr
	}
	return t.End(ctx, err)
}

// CloseData closes the data connection in good order: the first half of End, for
// an upload whose closing reply is awaited by Await.
func (t *Transfer) CloseData(ctx context.Context) {
	if err := t.endData(ctx); err != nil {
		trace.From(ctx).Notef("the end of the upload could not be sent: %v", err)
	}
}

// refused is why a server has not begun a transfer whose data was sent already.
type refused struct{ error }

// Unwrap returns the reason.
func (e refused) Unwrap() error { return e.error }

// endData is CloseData. The error is why the end of an upload could not be sent,
// or refused.
func (t *Transfer) endData(ctx context.Context) error {
	if t.Closed() {
		return nil
	}
	defer t.Close()
	if !t.Upload() {
		if t.Unsigned() {
			trace.From(ctx).Notef("the data ended without a close_notify")
		}
		return nil
	}
	drained, err := t.CloseWrite()
	if drained == nil {
		return err
	}
	return t.linger(ctx, drained)
}

// linger waits until the server closes its end, or has said how the transfer
// ended: it has read all then, and some never close before we do.
func (t *Transfer) linger(ctx context.Context, drained <-chan struct{}) (err error) {
	defer func() {
		t.ReadWithin(0)
		<-drained
	}()
	for err == nil && t.verdict.Code == 0 {
		select {
		case <-drained:
			return nil
		case r := <-t.call.Replies():
			if serr := t.saw(ctx, r); serr != nil {
				err = refused{serr}
			}
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return err
}

// closing waits for the closing reply and records how the transfer ended.
func (t *Transfer) closing(ctx context.Context, limit time.Duration) (proto.Reply, error) {
	if err := t.await(ctx, limit); err != nil {
		t.settled(ctx, ctx.Err() != nil)
		return proto.Reply{}, err
	}
	t.settled(ctx, t.verdict.Completed() || t.abandoned)
	t.answered(ctx)
	t.call.Done()
	return t.verdict, nil
}

// Await waits for the closing reply, and leaves all as it is if none comes: it
// and End may follow, with another context.
func (t *Transfer) Await(ctx context.Context) error { return t.await(ctx, t.e.verdictLimit()) }

func (t *Transfer) await(ctx context.Context, limit time.Duration) error {
	for t.verdict.Code == 0 {
		switch cut := t.cut || t.broke != nil; {
		case cut && (t.twice || !t.Upload()):
			// Pure-FTPd may say no more, and a server that took another connection for
			// this one waits for that.
			limit = min(limit, t.e.soon())
		case cut:
			limit = min(limit, t.e.cfg.Attempt) // what came may have to be stored
		}
		r, err := t.nextReply(ctx, limit)
		if err != nil {
			return err
		}
		switch {
		case !r.Preliminary(), t.abandoned && t.begun.Code != 0:
			t.verdict = r
		case t.begun.Code == 0:
			t.begun = r
		default:
			t.twice = true
		}
	}
	return nil
}

// nextReply waits for a reply, and not for long if a server has obeyed a command
// that was sent behind the transfer before that had ended: the transfer may be
// gone then, and nothing more come.
func (t *Transfer) nextReply(ctx context.Context, limit time.Duration) (proto.Reply, error) {
	short := t.e.soon()
	if !t.behind || short >= limit {
		return t.e.sess.Next(ctx, t.call, limit)
	}
	r, err := t.e.sess.Next(ctx, t.call, short)
	if !errors.Is(err, proto.ErrSilent) || t.e.sess.Mixed() {
		return r, err
	}
	return t.e.sess.Next(ctx, t.call, limit-short)
}

// settled records that the transfer has ended.
func (t *Transfer) settled(ctx context.Context, ok bool) {
	switch {
	case t.done:
	case t.behind:
		t.e.queued(ctx, ok)
	case ok:
		t.e.cfg.Queueing.EndedPlainly()
	}
	t.done = true
	t.e.ended = t.e.ended || ok
	if ok {
		t.e.cfg.Worked.Store(true)
	}
}

// answered reads the reply to the NOOP behind the transfer.
func (t *Transfer) answered(ctx context.Context) {
	question := t.question
	if t.question = nil; question == nil {
		return
	}
	mixed := t.e.sess.Mixed()
	r, err := t.e.sess.Next(ctx, question, plan.Quick(t.e.RTT(), t.e.cfg.Attempt).Reply)
	if err != nil || mixed || !r.Completed() {
		t.notKept(ctx, r, err)
		return
	}
	t.e.path.Learn(path.Queue, true)
}

// notKept records that a command behind the transfer was not answered as it should
// be. That the connection has ended may have had another reason.
func (t *Transfer) notKept(ctx context.Context, r proto.Reply, err error) {
	switch {
	case ctx.Err() != nil:
	case r.Code == 421, err != nil && !errors.Is(err, proto.ErrSilent):
		t.e.queued(ctx, false)
	default:
		t.e.noQueue(ctx)
	}
	if err != nil {
		t.e.sess.Drop(ctx, err)
	}
}

// Size returns the size that the server told along with a whole upload, or asks
// for it: see [Request.Check]. It is called after End. The size is -1 if the
// server does not tell.
func (t *Transfer) Size(ctx context.Context) (int64, error) {
	if size, told := t.checked(ctx); told {
		return size, nil
	}
	if t.req.Check == "" {
		return -1, nil
	}
	replies, err := t.e.Ask(ctx, t.req.Question())
	if err != nil {
		return 0, err
	}
	return replies[0].Size(), nil
}

// checked returns the answer to the command that was sent with the transfer, and
// whether there is one that can be relied on.
func (t *Transfer) checked(ctx context.Context) (size int64, told bool) {
	call := t.check
	if t.check = nil; call == nil || t.lost != nil {
		return 0, false
	}
	r, err := t.e.sess.Next(ctx, call, t.e.soon())
	if err == nil && (r.Code == 213 || r.Code == 550) && !t.e.sess.Mixed() {
		call.Done()
		return r.Size(), true
	}
	if t.behind {
		t.notKept(ctx, r, err)
	} else if err != nil {
		t.e.sess.Drop(ctx, err)
	}
	return 0, false
}

// Abandon ends a transfer before its end. The server's reply to that is awaited
// for about one round trip; without it the control connection is given up, which
// is as quick as anything else.
func (t *Transfer) Abandon(ctx context.Context) {
	if t.done {
		t.Close()
		return
	}
	t.abandoned = true
	if conn := t.e.sess.Live(); conn != nil {
		conn.Abandon(t.call)
	}
	t.Close()
	if _, err := t.closing(ctx, 50*time.Millisecond+2*t.e.RTT()); err != nil {
		t.lost = err
		t.e.sess.Drop(ctx, err)
	}
}

// Cut gives the transfer and the control connection up for the reason err. What
// the server has of an upload does not look complete.
func (t *Transfer) Cut(ctx context.Context, err error) {
	if t.Upload() && !t.Closed() {
		t.CutOff()
	}
	t.Close()
	if t.done {
		return
	}
	t.done, t.lost = true, err
	t.e.sess.Drop(ctx, err)
}

// sendBody sends all of a whole upload. An error is that of the context; any
// other is for End to judge.
func (t *Transfer) sendBody(ctx context.Context) error {
	body := t.req.Body
	n, err := t.WriteSoon(body)
	if t.broke = err; proto.IsTimeout(err) {
		stop := t.Guard(ctx)
		_, t.broke = t.Write(body[n:])
		stop()
	}
	if ctx.Err() != nil {
		t.Cut(ctx, ctx.Err())
		return ctx.Err()
	}
	return nil
}

// sendWhole sends all of a whole upload, without waiting for the server to begin,
// and ends the transfer. An error is why it is not known that the server has it;
// other refusals of the file are left in the verdict.
func (t *Transfer) sendWhole(ctx context.Context) error {
	if err := t.sendBody(ctx); err != nil {
		return err
	}
	if err := t.endData(ctx); err != nil {
		var early refused
		if errors.As(err, &early) {
			return early.error
		}
		trace.From(ctx).Notef("the end of the upload could not be sent: %v", err)
	}
	if err := t.firstReply(ctx, t.patience); err != nil {
		return err
	}
	r, err := t.Finish(ctx)
	switch {
	case err != nil:
		return err
	case r.Code == 425 || r.Code == 426:
		// The bytes may have come too early.
		return &fault{cause: proto.DataRefused, reply: r, err: proto.Refusal(t.req.Line, r)}
	}
	return nil
}
