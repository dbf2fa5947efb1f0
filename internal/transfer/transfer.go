package transfer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/data"
	"github.com/ftpnat/ftpnat/internal/plan"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// Transfer is a command in progress, with the data connection that it uses. It is
// for one goroutine at a time. It has to be ended by End, Abandon or Cut.
type Transfer struct {
	*data.Conn // nil until it is there
	own        data.Conn

	e        *Engine
	req      Request
	call     *control.Call
	begun    proto.Reply   // the 150; zero until it came
	verdict  proto.Reply   // the closing reply; zero until it came
	check    *control.Call // of Request.Check, if that was sent along; nil for none
	question *control.Call // NOOP behind the transfer: see Engine.trial; nil for none
	patience time.Duration // for the first reply
	strays   int           // replies that were passed over

	hasty     bool  // begun by the fast way
	behind    bool  // commands were sent behind it
	abandoned bool  // by us
	size      int64 // of the file at the end of a download; -1 while nobody told
	twice     bool  // the server has said twice that it begins
	cut       bool  // the data did not go through to its end
	done      bool  // how it ended is recorded
	broke     error // why Request.Body could not be sent; nil if it was
	lost      error // why there is no closing reply; nil if there may be one
}

// newTransfer returns the transfer that an attempt may lead to. It is called once.
func newTransfer(a *attempt) *Transfer {
	t := &a.own
	t.e, t.req, t.patience, t.size = a.e, a.req, a.timers.Start, -1
	if a.e.ended && a.step.Mode.Passive() && a.e.path.Proven() == a.step {
		// The way is good: it is the server that takes so long, for a tape that
		// has to be mounted.
		t.patience = max(t.patience, data.Stall)
	}
	return t
}

// bind gives the transfer the socket of its data connection.
func (t *Transfer) bind(nc net.Conn) { t.Conn = t.own.Init(nc, data.Direction(t.Upload())) }

// Line returns the command.
func (t *Transfer) Line() string { return t.req.Line }

// Upload reports whether the bytes go to the server.
func (t *Transfer) Upload() bool { return t.req.kind.upload() }

// Begun returns the 150.
func (t *Transfer) Begun() proto.Reply { return t.begun }

// Verdict returns the closing reply; zero until it has come.
func (t *Transfer) Verdict() proto.Reply { return t.verdict }

// Question returns the command of Check.
func (r Request) Question() string {
	if r.Check == SIZE {
		return r.size()
	}
	return r.Check
}

// size returns the command that asks for the size of what Line names.
func (r Request) size() string {
	_, name, _ := strings.Cut(r.Line, " ")
	return SIZE + " " + name
}

// begin secures the data connection and, for a download, waits until the first
// bytes are there: only then is it known that the server found the connection as
// good as we did.
func (t *Transfer) begin(ctx context.Context) error {
	if t.e.sess.DataTLS() != nil {
		if err := t.secure(ctx); err != nil {
			return err
		}
	}
	switch {
	case t.Ended():
		return nil // the server has sent nothing, and that at once
	case !t.Upload():
		return t.peek(ctx)
	case t.hasty && t.req.Whole:
		return nil // the data need not wait for the 150
	}
	return t.firstReply(ctx, t.patience)
}

// peek waits for the first bytes of a download, or its end.
func (t *Transfer) peek(ctx context.Context) error {
	if t.begun.Code != 0 {
		if got, ended := t.PeekSoon(); ended {
			return t.peekedAt(ctx, got)
		}
	}
	peeked := t.Peek()
	for {
		if t.verdict.Code >= 400 || t.nothing() {
			// The server gave up, or there is nothing. If bytes come all the same
			// the way is good, and the transfer is what failed.
			t.ReadWithin(50*time.Millisecond + t.e.RTT())
		}
		select {
		case got := <-peeked:
			return t.peekedAt(ctx, got)
		case r := <-t.repliesUntilVerdict():
			if err := t.saw(ctx, r); err != nil {
				t.Close()
				<-peeked
				return err
			}
		case <-ctx.Done():
			t.Close()
			<-peeked
			return ctx.Err()
		}
	}
}

// peekedAt decides whether a download has begun, by its first bytes.
func (t *Transfer) peekedAt(ctx context.Context, got data.Peeked) error {
	if t.nothing() {
		got.Err = io.EOF
	}
	switch {
	case got.N > 0:
		return nil
	case t.verdict.Code >= 400:
		return t.refusal(ctx, t.verdict)
	case proto.IsTimeout(got.Err):
		return &fault{cause: proto.ControlSilent, err: proto.ErrStalled}
	}
	// An empty file, or a server that could not use the connection.
	t.Empty()
	t.Close() // some servers say 226 only when we have closed
	t.cut = got.Err != io.EOF && !data.CutShort(got.Err)
	r, err := t.closing(ctx, t.e.verdictLimit())
	switch {
	case err != nil:
		return t.e.lost(ctx, err)
	case r.Code >= 400:
		return t.refusal(ctx, r)
	case t.cut:
		return &fault{cause: proto.DialFailed, reply: r, err: got.Err}
	}
	return nil
}

// nothing reports whether the server has said that there is nothing to list: some say
// so in place of a 150, and leave the data connection open.
func (t *Transfer) nothing() bool {
	return t.req.kind == listing && t.verdict.Completed() && t.verdict.EmptyDir()
}

// repliesUntilVerdict returns the channel on which the closing reply comes; nil,
// which never delivers, once it has.
func (t *Transfer) repliesUntilVerdict() <-chan proto.Reply {
	if t.verdict.Code != 0 {
		return nil
	}
	return t.call.Replies()
}

// saw records a reply that was read from there. An error says that there is no
// transfer.
func (t *Transfer) saw(ctx context.Context, r proto.Reply) error {
	t.e.sess.Saw(ctx, r)
	switch {
	case t.begun.Code == 0:
		return t.judgeFirst(ctx, r)
	case !r.Preliminary():
		t.verdict = r
	default:
		t.twice = true
	}
	return nil
}

// secure puts the data connection under TLS.
func (t *Transfer) secure(ctx context.Context) error {
	base, state := t.e.sess.DataTLS(), tls.ConnectionState{}
	if conn := t.e.sess.Live(); conn != nil {
		state, _ = conn.TLS()
	}
	cfg := t.e.keys.Config(base, state)
	err, refused := t.handshake(ctx, cfg)
	switch {
	case refused != nil:
		return refused
	case err == nil:
		t.e.resumed = proto.Found(t.Resumed())
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	narrow := cfg != base && !proto.IsTimeout(err)
	if narrow {
		t.e.keys.OfferAll() // perhaps it failed for the one that was offered
	}
	err = t.unsecured(ctx, err)
	var f *fault
	if errors.As(err, &f) && narrow && f.cause != proto.TLSReuseRequired {
		f.again = true
	}
	return err
}

// handshake makes the handshake and reads replies meanwhile: a server that has
// not begun yet goes on with it as soon as it has. refused is why it does not
// begin.
func (t *Transfer) handshake(ctx context.Context, cfg *tls.Config) (err, refused error) {
	hctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := t.Handshake(hctx, cfg)
	limit := t.patience
	if t.begun.Code != 0 {
		limit = t.e.cfg.Attempt
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	stop := func() {
		cancel()
		<-done
	}
	lost := t.call.Lost()
	for {
		select {
		case err := <-done:
			return err, nil
		case r := <-t.repliesUntilVerdict():
			if err := t.saw(ctx, r); err != nil {
				stop()
				return nil, err
			}
			timer.Reset(t.handshakeLimit())
		case <-lost:
			lost = nil
			if len(t.call.Replies()) == 0 && t.begun.Code == 0 {
				stop()
				return nil, t.e.lost(ctx, errClosed())
			}
		case <-timer.C:
			stop()
			if t.begun.Code == 0 {
				return nil, t.e.lost(ctx, proto.ErrSilent)
			}
			return context.DeadlineExceeded, nil
		}
	}
}

// handshakeLimit is how long a handshake may go on after a reply. A server that
// has said how the transfer ended is not to begin any more.
func (t *Transfer) handshakeLimit() time.Duration {
	if t.verdict.Code != 0 {
		return 100*time.Millisecond + 2*t.e.RTT()
	}
	return t.e.cfg.Attempt
}

// unsecured says why a handshake failed: the server tells it, in a 522 or 425.
func (t *Transfer) unsecured(ctx context.Context, err error) error {
	t.Close()
	limit := t.e.soon()
	if ferr := t.firstReply(ctx, limit); ferr != nil {
		return ferr
	}
	r, rerr := t.closing(ctx, limit)
	if rerr != nil {
		t.e.sess.Drop(ctx, rerr)
		return &fault{cause: proto.TLSFailed, err: err}
	}
	var stranger *tls.CertificateVerificationError
	cause := t.dataCause(r)
	switch {
	case cause == proto.TLSReuseRequired, r.Code == 425 && !errors.As(err, &stranger):
		return &fault{cause: cause, reply: r, err: proto.Refusal(t.req.Line, r), again: cause == proto.DataRefused && r.NoData("")}
	case !t.Wordless():
	case r.RefusesFile() && !r.AboutTLS():
		return proto.Refusal(t.req.Line, r)
	case r.Completed() && t.isEmpty(ctx):
		t.Empty()
		return nil
	}
	return &fault{cause: proto.TLSFailed, reply: r, err: err}
}

// isEmpty asks the server whether it has nothing to send. Without TLS nobody
// knows who has closed the data connection: only what is said on the control
// connection counts.
func (t *Transfer) isEmpty(ctx context.Context) bool {
	if t.req.kind != download {
		return false
	}
	r, err := t.e.ask(ctx, t.req.size(), plan.Quick(t.e.RTT(), t.e.cfg.Attempt).Reply)
	return err == nil && r.Size() == t.req.Offset
}
