package ftpnat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/plan"
)

// ask sends a command of the negotiation and returns the final reply to it.
// Anything but a positive one is a fault.
func (l *link) ask(ctx context.Context, line string, limit time.Duration) (Reply, error) {
	c, err := l.sess.Send(ctx, line)
	if err != nil {
		return Reply{}, l.lost(err)
	}
	return l.hear(ctx, c, line, limit)
}

// hear returns the final reply to a command of the negotiation.
func (l *link) hear(ctx context.Context, c *control.Call, line string, limit time.Duration) (Reply, error) {
	for {
		r, err := l.sess.Next(ctx, c, limit)
		if err != nil {
			return Reply{}, l.lost(err)
		}
		switch {
		case r.Preliminary():
		case r.Code == 421 && !l.sess.Answers(ctx):
			return Reply(r), &fault{cause: ControlReset, reply: Reply(r), err: replyError(line, Reply(r))}
		case r.Code >= 400:
			return Reply(r), &fault{cause: Refused, reply: Reply(r), err: replyError(line, Reply(r))}
		default:
			return Reply(r), nil
		}
	}
}

// maxStrays is how many replies that cannot be meant are passed over while
// the right one is awaited.
const maxStrays = 3

// lost says why there is no reply, and gives the control connection up.
func (l *link) lost(err error) error {
	l.sess.Drop(err)
	switch {
	case errors.Is(err, control.ErrArgument):
		return err
	case errors.Is(err, control.ErrSilent):
		return &fault{cause: ControlSilent, err: err}
	}
	return &fault{cause: ControlReset, err: err}
}

// start sends REST where it is needed, and the command.
func (l *link) start(ctx context.Context, req request, t plan.Timers) (*channel, error) {
	if l.rests(req) {
		// On some servers a REST stays in force: it is taken back.
		line := fmt.Sprintf("REST %d", req.offset)
		r, err := l.ask(ctx, line, t.Reply)
		var f *fault
		refused := errors.As(err, &f) && f.cause == Refused
		switch {
		case refused && req.offset > 0:
			return nil, replyError(line, f.reply)
		case err != nil && !refused:
			return nil, err
		case err == nil && req.offset > 0 && r.Code/100 != 3 && r.Code/100 != 2:
			return nil, replyError(line, r)
		}
		l.restLife = 0
		if req.offset > 0 {
			l.restLife = l.sess.Lives()
		}
	}
	if err := l.part(ctx, req, t); err != nil {
		return nil, err
	}
	return l.command(ctx, req, t)
}

// part puts a command between a REST that was taken back and an upload of a
// whole file: a few servers append where the one follows the other, whatever
// the number was.
func (l *link) part(ctx context.Context, req request, t plan.Timers) error {
	if !req.upload() || req.offset > 0 || control.Verb(l.said) != "REST" {
		return nil
	}
	_, err := l.ask(ctx, "NOOP", t.Reply)
	var f *fault
	if errors.As(err, &f) && f.cause == Refused {
		return nil
	}
	return err
}

// rests reports whether a REST has to come before the command.
func (l *link) rests(req request) bool {
	stale := l.restLife == l.sess.Lives() && l.restLife > 0
	return req.offset > 0 || stale && req.verb() != "APPE"
}

// command sends the command, and in the same write what is to follow the
// transfer where the server keeps that.
func (l *link) command(ctx context.Context, req request, t plan.Timers) (*channel, error) {
	ch := &channel{l: l, req: req, patience: t.Start}
	var calls []*control.Call
	var err error
	switch {
	case !l.queues(req) || !l.sure(l.current):
		calls, err = l.sess.SendAll(ctx, nil, req.line)
	default:
		var most [4]string
		lines := append(append(most[:0], req.line), req.tail...)
		ch.behind = len(req.tail) > 0
		if f := l.foresee(); f != nil {
			f.behind, ch.behind = true, true
			calls, err = l.sendAhead(ctx, f, lines...)
		} else {
			calls, err = l.sess.SendAll(ctx, nil, lines...)
		}
	}
	if err != nil {
		return nil, l.lost(err)
	}
	ch.call, ch.after = calls[0], calls[1:]
	if ch.behind {
		l.shortcut, l.behind = hasty, true
	}
	return ch, nil
}

// firstReply waits for the server to begin.
func (l *link) firstReply(ctx context.Context, ch *channel, limit time.Duration) error {
	for ch.prelim.Code == 0 {
		r, err := ch.nextReply(ctx, limit)
		if err != nil {
			return l.lost(err)
		}
		if err := l.judgeFirst(ctx, ch, Reply(r)); err != nil {
			return err
		}
	}
	return nil
}

// judgeFirst takes in a reply to the data command. The channel's prelim is
// set when the server has begun.
func (l *link) judgeFirst(ctx context.Context, ch *channel, r Reply) error {
	switch {
	case ch.behind && ch.prelim.Code == 0 && r.Code/100 != 1 && !refusesFile(r):
		// The end of something earlier, or of this, or the answer to what
		// was sent behind it: only a fresh connection can tell.
		return l.lost(errDisorder)
	case r.Code/100 == 1:
		ch.prelim = r
		return nil
	case ch.prelim.Code != 0 && r.completed():
		// The server has sent all before we took its connection.
		verdict := r
		ch.verdict = &verdict
		return nil
	case r.Code == 226 || r.Code == 250 || r.Code == 225:
		return l.earlyEnd(ctx, ch, r)
	case r.Code/100 == 2:
		// An answer to something earlier.
		if ch.strays++; ch.strays <= maxStrays {
			if conn := l.sess.Live(); conn != nil {
				conn.Again(ch.call)
			}
			return nil
		}
	}
	return l.refusal(ctx, ch, r)
}

// refusesFile reports whether a reply can only be a refusal of what a transfer
// was to carry, or of the data connection for it.
func refusesFile(r Reply) bool {
	return r.Code/10 == 55 || r.Code >= 450 && r.Code <= 452
}

// errDisorder says that it is not known any more which reply is whose.
var errDisorder = errors.New("a reply came that belongs to no command")

// earlyEnd tells a 226 that has come before any 150 and is the end of this
// transfer from one that is the end of an earlier one: after that the 150
// follows on its heels.
func (l *link) earlyEnd(ctx context.Context, ch *channel, r Reply) error {
	conn := l.sess.Live()
	if conn == nil {
		ch.prelim, ch.verdict = r, &r
		return nil
	}
	conn.Again(ch.call)
	next, err := l.sess.Next(ctx, ch.call, 100*time.Millisecond+2*conn.RTT())
	switch {
	case err == nil:
		return l.judgeFirst(ctx, ch, Reply(next))
	case ctx.Err() != nil:
		return ctx.Err()
	}
	conn.Forget(ch.call)
	ch.prelim, ch.verdict = r, &r
	return nil
}

// refusal turns a negative reply to the data command into a fault of the way,
// or into the server's last word on the file.
func (l *link) refusal(ctx context.Context, ch *channel, r Reply) error {
	err := replyError(ch.req.line, r)
	if r.Code == 421 && !l.sess.Answers(ctx) {
		return &fault{cause: ControlReset, reply: r, err: err}
	}
	if cause := l.dataCause(ch, r); cause != OK {
		l.overheard(r)
		return &fault{cause: cause, reply: r, err: err}
	}
	return err
}

// saysNoData reports whether a refusal says that the server knows of no data
// connection. The text is in small letters, and may repeat the name of a file.
func saysNoData(line, text string) bool {
	if _, name, _ := strings.Cut(line, " "); name != "" {
		text = strings.ReplaceAll(text, strings.ToLower(name), "")
	}
	for _, s := range []string{"pasv or port", "port or pasv", "pasv first", "no data connection", "no transfer connection"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// dataCause returns what a negative reply says of the data connection; OK
// where it says nothing of it.
func (l *link) dataCause(ch *channel, r Reply) Cause {
	text := strings.ToLower(r.Text())
	switch {
	case r.Code == 522 && l.data != nil:
		return TLSReuseRequired
	case r.Code == 503 && (strings.Contains(text, "port") || strings.Contains(text, "pasv")):
		// It does not know of the mode that it has agreed to.
		return Refused
	case l.shortcut != none && !l.plainly && strings.Contains(text, "pasv") && strings.Contains(text, "port"):
		// ftp-srv ends, with a transfer, the data connection that was asked
		// for behind it, and says 551, as it does of files.
		return Refused
	case r.Code == 421:
		return Refused
	case saysNoData(ch.req.line, text):
		return DataRefused
	case r.Code != 425 && r.Code != 426:
		return OK
	case l.data != nil && (strings.Contains(text, "reuse") || strings.Contains(text, "resum")),
		r.Code == 425 && ch.nc != ch.raw && !ch.resumed:
		// Said by the server, or by ProFTPD's refusal of a connection that
		// has gone all the way through the handshake.
		return TLSReuseRequired
	case strings.Contains(text, "bad ip") || strings.Contains(text, "security"):
		return BadIP
	}
	return DataRefused
}
