package retry_test

import (
	"context"
	"errors"
	"fmt"
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

func refusal(code int, text string) error {
	return proto.Refusal("RETR a", proto.Reply{Code: code, Lines: []string{text}})
}

func TestWorth(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"the caller's cancel", context.Canceled, false},
		{"the caller's deadline", context.DeadlineExceeded, false},
		{"a peer's silence", fmt.Errorf("%w within 1m", proto.ErrSilent), true},
		{"Close", proto.ErrClosed, false},
		{"a meaning that was found out", proto.Missing(refusal(450, "busy")), false},
		{"all modes", &proto.NegotiateError{Err: io.ErrUnexpectedEOF}, false},
		{"a refusal", refusal(550, "no"), false},
		{"a refusal for now", refusal(450, "busy"), true},
		{"a refusal for good by its words", refusal(450, "No such file"), false},
		{"a lost control connection", &proto.LostError{Err: io.EOF}, true},
		{"a reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{"a bare errno", syscall.EPIPE, true},
		{"a proxy that may do it later", &proxy.Error{Later: true}, true},
		{"a proxy that does not", &proxy.Error{}, false},
		{"a proxy that hung up", proxy.ErrClosed, true},
		{"no verdict", proto.ErrNoVerdict, true},
		{"anything else", errors.New("what"), false},
	} {
		if got := retry.Worth(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestDo(t *testing.T) {
	busy := refusal(450, "busy")
	for _, c := range []struct {
		name  string
		limit time.Duration
		errs  []error // of the tries; the last one for all that follow
		tries int     // at least
		most  int
		want  error
	}{
		{"at once", time.Minute, []error{nil}, 1, 1, nil},
		{"third try", time.Minute, []error{busy, busy, nil}, 3, 3, nil},
		{"never", -1, []error{busy, nil}, 1, 1, busy},
		{"no time", 0, []error{busy, nil}, 1, 1, busy},
		{"not worth it", time.Minute, []error{io.ErrNoProgress}, 1, 1, io.ErrNoProgress},
		{"worth it all the same", time.Minute, []error{retry.Again(io.ErrNoProgress), io.ErrNoProgress}, 2, 2, io.ErrNoProgress},
		{"permanent", time.Minute, []error{busy, retry.Permanent(io.ErrUnexpectedEOF)}, 2, 2, io.ErrUnexpectedEOF},
		{"until the limit", time.Minute, []error{busy}, 8, 20, busy},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			start := time.Now()
			err := retry.Do(t.Context(), c.limit, func() error {
				n++
				return c.errs[min(n, len(c.errs))-1]
			})
			if retry.Bare(err) != c.want || n < c.tries || n > c.most {
				t.Errorf("%s: %v after %d tries, want %v after %d to %d", c.name, err, n, c.want, c.tries, c.most)
			}
			if took := time.Since(start); took > max(c.limit, 0)+15*time.Second {
				t.Errorf("%s: took %v", c.name, took)
			}
		})
	}
}

// TestNested has a Do around another one: the limit is that of both.
func TestNested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := refusal(450, "busy")
		start := time.Now()
		err := retry.Do(t.Context(), time.Minute, func() error {
			return retry.Progress(retry.Do(t.Context(), time.Minute, func() error { return busy }))
		})
		if took := time.Since(start); took > time.Minute {
			t.Errorf("took %v", took)
		}
		if !errors.Is(err, busy) || retry.Worth(err) || !retry.Later(err) {
			t.Error(err)
		}
	})
}

// TestProgress has a try that gets further each time go on beyond the limit.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := refusal(450, "busy")
		n := 0
		start := time.Now()
		err := retry.Do(t.Context(), 2*time.Second, func() error {
			if n++; n == 100 {
				return nil
			}
			return retry.Progress(busy)
		})
		if err != nil || n != 100 || time.Since(start) < 20*time.Second {
			t.Errorf("%v after %d tries and %v", err, n, time.Since(start))
		}
	})
}

func TestDoContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := retry.Do(ctx, time.Minute, func() error { return refusal(450, "busy") })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

// TestFutile has tries that cost much end after three in a row, and Do's around them
// end with them.
func TestFutile(t *testing.T) {
	busy := refusal(450, "busy")
	ended := proto.Failure("RETR a", proto.Reply{Code: 451, Lines: []string{"local error"}})
	for name, tt := range map[string]struct {
		errs  []error
		tries int
	}{
		"three logins":                  {[]error{retry.Futile(busy)}, 3},
		"three transfers":               {[]error{ended}, 3},
		"three short ones":              {[]error{proto.ErrShort}, 3},
		"one that got further":          {[]error{ended, ended, retry.Progress(ended), ended}, 6},
		"refusals in between cost none": {[]error{ended, busy, busy, busy, busy, ended, ended}, 7},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			err := retry.Do(t.Context(), time.Minute, func() error {
				return retry.Do(t.Context(), time.Minute, func() error {
					n++
					return tt.errs[min(n, len(tt.errs))-1]
				})
			})
			if n != tt.tries || retry.Worth(err) || retry.Later(err) != retry.Later(busy) {
				t.Errorf("%s: %v after %d tries, want %d", name, err, n, tt.tries)
			}
		})
	}
}

// TestLastWord has a context end a pause, and a try: what the last try failed for
// that it did not end is told too.
func TestLastWord(t *testing.T) {
	busy := refusal(450, "busy")
	for name, last := range map[string]func(context.Context) error{
		"a pause": func(context.Context) error { return busy },
		"a try": func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("dial: %w", ctx.Err())
		},
		"a try, by what was closed": func(ctx context.Context) error {
			<-ctx.Done()
			return &proto.LostError{Err: net.ErrClosed}
		},
		"a try that is the last": func(ctx context.Context) error {
			<-ctx.Done()
			return retry.Permanent(ctx.Err())
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			n := 0
			err := retry.Do(ctx, time.Minute, func() error {
				if n++; n < 3 {
					return busy
				}
				return last(ctx)
			})
			var refused *proto.Error
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &refused) || refused.Reply.Code != 450 {
				t.Errorf("%s: %v has not both", name, err)
			}
			if proto.RefusedAt(err) || proto.ReplyOf(err).Code != 0 || retry.Worth(err) || retry.Later(err) {
				t.Errorf("%s: %v is taken for a refusal", name, err)
			}
		})
	}
}

func TestLater(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"a refusal for now", refusal(450, "busy"), true},
		{"a full disk", refusal(452, "x"), false},
		{"too many users", proto.LoginRefusal("me", proto.Reply{Code: 530, Lines: []string{"Too many users"}}), true},
		{"a refused login", proto.LoginRefusal("me", proto.Reply{Code: 421, Lines: []string{"No"}}), false},
		{"a busy Conn", proto.ErrBusy, true},
		{"a file that changes", fmt.Errorf("%w: x", proto.ErrChanged), true},
		{"a name that does not exist", &net.DNSError{IsNotFound: true}, false},
		{"a resolver that is not there", &net.DNSError{IsTemporary: true}, true},
		{"no answer", fmt.Errorf("%w within 15s: %w", proto.ErrUnreached, context.DeadlineExceeded), true},
		{"the caller's deadline", context.DeadlineExceeded, false},
		{"a local file", &fs.PathError{Op: "open", Path: "a", Err: syscall.ENOENT}, false},
		{"a broken connection", &fs.PathError{Op: "read", Path: "a", Err: syscall.ECONNRESET}, true},
		{"all modes", &proto.NegotiateError{}, false},
		{"all modes, for now", &proto.NegotiateError{Attempts: []proto.Attempt{{Cause: proto.Refused, Reply: proto.Reply{Code: 425}}}}, true},
		{"all modes, of which one has worked", &proto.NegotiateError{Proven: true}, true},
		{"one that has worked, and TLS", &proto.NegotiateError{Proven: true, Attempts: []proto.Attempt{{Cause: proto.TLSFailed}}}, false},
		{"a lost connection", fmt.Errorf("x: %w", &proto.LostError{Err: io.EOF}), true},
	} {
		if got := retry.Later(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestWrappers has what is put around an error leave it to be found, and nil be nil.
func TestWrappers(t *testing.T) {
	for name, wrap := range map[string]func(error) error{"Permanent": retry.Permanent, "Again": retry.Again, "Progress": retry.Progress, "Futile": retry.Futile} {
		busy := refusal(450, "busy")
		if err := wrap(busy); !errors.Is(err, busy) || err == busy || retry.Bare(err) != busy || retry.Public(wrap(io.EOF)) != io.EOF {
			t.Errorf("%s: %v", name, err)
		}
		if err := wrap(nil); err != nil {
			t.Errorf("%s of nil: %v", name, err)
		}
	}
}

// TestPermanentKept has a context end with an error that is not worth another try: that
// is what is returned, and no end of a context.
func TestPermanentKept(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := retry.Do(ctx, time.Minute, func() error {
		cancel()
		return retry.Permanent(io.ErrNoProgress)
	})
	if err != io.ErrNoProgress {
		t.Error(err)
	}
}
