package retry_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/proxy"
	"github.com/ftpnat/ftpnat/internal/retry"
)

// TestMixedErrors has errors that are of two kinds, of which the first decides: a
// connection broke with it, which alone would be worth another try.
func TestMixedErrors(t *testing.T) {
	reset := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	lost := &proto.LostError{Err: io.EOF}
	busy := refusal(450, "busy")
	for _, c := range []struct {
		name         string
		err          error
		worth, later bool
	}{
		{"a certificate", errors.Join(&tls.CertificateVerificationError{Err: io.EOF}, reset), true, false},
		{"a certificate that a lost connection brought", &proto.LostError{Err: &tls.CertificateVerificationError{Err: io.EOF}}, true, false},
		{"a name that does not exist", errors.Join(&net.DNSError{IsNotFound: true}, reset), true, false},
		{"a meaning", &proto.FSError{Kind: fs.ErrExist, Err: lost}, false, false},
		{"a meaning, and a refusal for now", &proto.FSError{Kind: fs.ErrExist, Err: busy}, false, false},
		{"all modes, and a reset", errors.Join(&proto.NegotiateError{}, reset), false, false},
		{"all modes, and a refusal for now", errors.Join(&proto.NegotiateError{}, busy), false, false},
		{"all modes, for now", &proto.NegotiateError{Attempts: []proto.Attempt{{Cause: proto.Refused, Reply: proto.Reply{Code: 425}}}}, true, true},
		{"a refusal, and a reset", errors.Join(refusal(550, "no"), reset), false, false},
		{"a refusal, and a file that changes", errors.Join(refusal(550, "no"), proto.ErrChanged), false, false},
		{"a proxy, and a reset", errors.Join(&proxy.Error{}, reset), false, false},
		{"what came too short", proto.ErrShort, true, true},
		{"an end too early", io.ErrUnexpectedEOF, true, true},
		{"data that stand still", proto.ErrStalled, true, true},
		{"a lost connection", proto.ErrLost, true, true},
		{"a file that changes", proto.ErrChanged, false, true},
		{"no connection in time", proto.ErrUnreached, true, true},
		{"a busy session", proto.ErrBusy, false, true},
		{"Close", errors.Join(proto.ErrClosed, lost), false, false},
		{"the caller's end, and a refusal for now", &proto.Interrupted{End: context.DeadlineExceeded, Last: busy}, false, false},
		{"the caller's end, and a silence", &proto.Interrupted{End: context.DeadlineExceeded, Last: proto.ErrSilent}, false, false},
		{"the caller's cancel, and a refusal for now", errors.Join(context.Canceled, busy), false, false},
		{"a local file, by a connection", &fs.PathError{Op: "read", Err: &net.OpError{Op: "read", Err: syscall.EBADF}}, true, true},
		{"a local file", &fs.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}, true, false},
		{"an error number alone", syscall.ENOSPC, true, true},
	} {
		if got := retry.Worth(c.err); got != c.worth {
			t.Errorf("Worth of %s: %v", c.name, got)
		}
		if got := retry.Later(c.err); got != c.later {
			t.Errorf("Later of %s: %v", c.name, got)
		}
	}
	for _, errno := range []syscall.Errno{
		syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.ENETRESET,
	} {
		if err := (&fs.PathError{Op: "read", Path: "a", Err: errno}); !retry.Later(err) {
			t.Errorf("%v is taken for an error of a local file", err)
		}
	}
}

// TestPauses has tries of each kind fail until Do gives up: how many there are, and
// how long that takes, is what tells whether they are counted as futile.
func TestPauses(t *testing.T) {
	busy := refusal(450, "busy")
	some := func(causes ...proto.Cause) error {
		err := &proto.NegotiateError{Proven: true}
		for _, c := range causes {
			err.Attempts = append(err.Attempts, proto.Attempt{Cause: c, Reply: proto.Reply{Code: 425}})
		}
		return err
	}
	for _, c := range []struct {
		name        string
		errs        []error // of the tries; the last one for all that follow
		tries       int     // zero for many
		least, most time.Duration
	}{
		// A second, and three.
		{"dear", []error{retry.Futile(busy)}, 3, 4 * time.Second, 4 * time.Second},
		{"dear once, and cheap", []error{retry.Futile(busy), busy, nil}, 3, 1100 * time.Millisecond, 3 * time.Second},
		{"dear, and further", []error{retry.Futile(busy), retry.Futile(busy), retry.Progress(busy), retry.Futile(busy)}, 6, 8 * time.Second, 10 * time.Second},
		{"begun", []error{proto.ErrNoVerdict}, 3, 200 * time.Millisecond, 2 * time.Second},
		{"begun, and stalled", []error{proto.ErrStalled}, 3, 200 * time.Millisecond, 2 * time.Second},
		{"begun, and short", []error{proto.ErrShort}, 3, 200 * time.Millisecond, 2 * time.Second},
		{"begun, and refused", []error{proto.Failure("RETR a", proto.Reply{Code: 451, Lines: []string{"local error"}})}, 3, 200 * time.Millisecond, 2 * time.Second},
		{"refused", []error{busy}, 0, 30 * time.Second, time.Minute},
		{"lost", []error{&proto.LostError{Err: io.EOF}}, 0, 30 * time.Second, time.Minute},
		{"all modes", []error{some(proto.Refused, proto.DialTimeout)}, 3, 200 * time.Millisecond, 2 * time.Second},
		{"all modes refused", []error{some(proto.Refused, proto.Refused)}, 0, 30 * time.Second, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			start := time.Now()
			longest, last := time.Duration(0), start
			err := retry.Do(t.Context(), time.Minute, func() error {
				longest = max(longest, time.Since(last))
				last = time.Now()
				n++
				return c.errs[min(n, len(c.errs))-1]
			})
			took := time.Since(start)
			if c.tries > 0 && n != c.tries || c.tries == 0 && (n < 8 || n > 20) || took < c.least || took > c.most {
				t.Errorf("%s: %d tries in %v: %v", c.name, n, took, err)
			}
			// The pause is right within a half: it is drawn by lot.
			if c.tries == 0 && (longest < 5*time.Second || longest > 15*time.Second) {
				t.Errorf("%s: the longest pause is %v", c.name, longest)
			}
			if want := c.errs[len(c.errs)-1]; want != nil && retry.Bare(err) != retry.Bare(want) {
				t.Errorf("%s: %v", c.name, err)
			}
		})
	}
}

// TestBareOfAll takes off each mark, and any number of them.
func TestBareOfAll(t *testing.T) {
	busy := refusal(450, "busy")
	err := busy
	for _, mark := range []func(error) error{retry.Permanent, retry.Progress, retry.Futile} {
		if mark(nil) != nil {
			t.Error("a mark on nothing is an error")
		}
		if one := mark(busy); one == busy || retry.Bare(one) != busy || !errors.Is(one, busy) {
			t.Errorf("%v is not %v", retry.Bare(one), busy)
		}
		err = mark(err)
	}
	if retry.Bare(err) != busy || retry.Bare(nil) != nil {
		t.Errorf("%v is not %v", retry.Bare(err), busy)
	}
}
