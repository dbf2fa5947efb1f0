package ftpnat

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/plan"
)

// secure makes the TLS handshake. The client is the TLS client in active mode
// too: RFC 4217, 7. Where the server has not begun yet its reply is taken in
// meanwhile: the handshake goes on as soon as it has.
func (ch *channel) secure(ctx context.Context) error {
	ch.tail = &tailConn{Conn: ch.raw}
	cfg := ch.l.dataTLS()
	tc := tls.Client(ch.tail, cfg)
	err := ch.handshake(ctx, tc)
	var refused *unbegun
	switch {
	case err == nil:
		ch.nc, ch.resumed = tc, tc.ConnectionState().DidResume
		ch.l.resumed = found(ch.resumed)
		return nil
	case errors.As(err, &refused):
		return refused.error
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if cfg != ch.l.data && !isTimeout(err) {
		// Perhaps for the one group that was offered.
		ch.l.anyGroup, ch.l.shortcut = true, hasty
	}
	return ch.unsecured(ctx, err)
}

// unbegun is why a server has not begun a transfer that we had begun.
type unbegun struct{ error }

// Unwrap returns the reason.
func (e *unbegun) Unwrap() error { return e.error }

// again reports whether an upload that was made in haste, with all of the file
// in hand, is to be made once more in the plain way. The server's refusal of the
// file is its last word on it.
func again(err error) bool {
	var e *unbegun
	var refused *ReplyError
	switch {
	case errors.Is(err, ErrNoVerdict):
		return true
	case !errors.As(err, &e):
		return false
	}
	return !errors.As(e.error, &refused) || refused.Temporary() || isFault(e.error)
}

func isFault(err error) bool {
	var f *fault
	return errors.As(err, &f)
}

// handshake makes the handshake and takes in replies meanwhile.
func (ch *channel) handshake(ctx context.Context, tc *tls.Conn) error {
	hctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- tc.HandshakeContext(hctx) }() // ends with hctx
	limit := ch.patience
	if ch.prelim.Code != 0 {
		limit = ch.l.cfg.attempt
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	lost := ch.call.Lost()
	for {
		select {
		case err := <-done:
			return err
		case r := <-ch.repliesUntilVerdict():
			if err := ch.saw(ctx, r); err != nil {
				cancel()
				<-done
				return &unbegun{err}
			}
			timer.Reset(ch.handshakeLimit())
		case <-lost:
			lost = nil
			if len(ch.call.Replies()) == 0 && ch.prelim.Code == 0 {
				cancel()
				<-done
				return &unbegun{ch.l.lost(&control.LostError{Err: net.ErrClosed})}
			}
		case <-timer.C:
			cancel()
			<-done
			if ch.prelim.Code == 0 {
				return &unbegun{ch.l.lost(control.ErrSilent)}
			}
			return context.DeadlineExceeded
		}
	}
}

// handshakeLimit is how long a handshake may go on after a reply. A server that
// has said how the transfer ended is not to begin any more.
func (ch *channel) handshakeLimit() time.Duration {
	if ch.verdict != nil {
		return 100*time.Millisecond + 2*ch.l.roundTrip()
	}
	return ch.l.cfg.attempt
}

// unsecured says why a handshake failed: the server says so, in a 522 or 425.
func (ch *channel) unsecured(ctx context.Context, err error) error {
	ch.closeData()
	if ch.prelim.Code == 0 {
		if ferr := ch.l.firstReply(ctx, ch, 2*time.Second+4*ch.l.roundTrip()); ferr != nil {
			return ferr
		}
	}
	r, rerr := ch.closing(ctx, 2*time.Second+4*ch.l.roundTrip())
	if rerr != nil {
		ch.l.sess.Drop(rerr)
		return &fault{cause: TLSFailed, err: err}
	}
	var stranger *tls.CertificateVerificationError
	cause := ch.l.dataCause(ch, r)
	switch {
	case cause == TLSReuseRequired, r.Code == 425 && !errors.As(err, &stranger):
		return &fault{cause: cause, reply: r, err: replyError(ch.req.line, r)}
	case !ch.wordless():
	case refusesFile(r) && !aboutTLS(r):
		return replyError(ch.req.line, r)
	case r.completed() && ch.isEmpty(ctx):
		ch.eof = true
		return nil
	}
	return &fault{cause: TLSFailed, reply: r, err: err}
}

// wordless reports whether the server has closed the data connection without a
// byte of TLS. Those that leave the handshake to their first read or write do
// so where there is none: the file is empty, or could not be read.
func (ch *channel) wordless() bool { return ch.tail.bytes == 0 }

// aboutTLS reports whether a refusal is one of TLS, and not of the file.
func aboutTLS(r Reply) bool {
	text := strings.ToLower(r.Text())
	for _, s := range []string{"tls", "ssl", "handshake", "certificate", "secur"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// isEmpty asks the server whether it has nothing to send. Without TLS nobody
// knows who has closed the data connection: only what is said on the control
// connection counts.
func (ch *channel) isEmpty(ctx context.Context) bool {
	verb, name, ok := strings.Cut(ch.req.line, " ")
	if !ok || !strings.EqualFold(verb, "RETR") {
		return false
	}
	r, err := ch.l.ask(ctx, "SIZE "+name, plan.Quick(ch.l.roundTrip(), ch.l.cfg.attempt).Reply)
	return err == nil && sizeIn(r) == ch.req.offset
}

// dataTLS returns the configuration of the next data connection. It offers the
// key exchange that the control connection has settled on: with another one
// first, a server that does not have that asks again (RFC 8446, 4.1.4), which
// is a round trip. Before TLS 1.3 the groups limit the certificates too and are
// left alone.
func (l *link) dataTLS() *tls.Config {
	conn := l.sess.Live()
	if l.anyGroup || conn == nil {
		return l.data
	}
	state, _ := conn.TLS()
	if state.Version != tls.VersionTLS13 || state.CurveID == 0 {
		return l.data
	}
	if l.oneGroup == nil || l.groupOf != l.data {
		l.groupOf, l.oneGroup = l.data, l.data.Clone()
		l.oneGroup.CurvePreferences = []tls.CurveID{state.CurveID}
	}
	return l.oneGroup
}
