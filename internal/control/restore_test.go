package control

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

func retrying(d time.Duration) func(*Config) { return func(c *Config) { c.RetryFor = d } }

// TestRetry: a server that counts connections lets the next one in after a
// while.
func TestRetry(t *testing.T) {
	scripts := []string{
		in + "close:",
		"S: 421 too many",
		"refused",
		"S: 220 ready\nC: USER me\nS: 421 too many\nclose:",
		"S: 120 soon\nS: 120 later",
		"silence:",
		"close:",
		in + "C: DELE x\nS: 250 ok",
	}
	withSession(t, scripts, func(t *testing.T, s *Session, fm *farm) {
		login(t, s)
		<-s.conn.Done()
		do(t, s, "DELE x", 250)
		if s.Lives() != 7 {
			t.Errorf("Lives = %d", s.Lives())
		}
		for i := 3; i < len(fm.dials); i++ {
			// 250 ms, times 1.5, plus or minus half: never at once, never
			// more than 10 s and a half of it beside the time it waited.
			if gap := fm.dials[i] - fm.dials[i-1]; gap < 125*time.Millisecond || gap > 15*time.Second+replyLimit {
				t.Errorf("%v between two connections: %v", gap, fm.dials)
			}
		}
	}, retrying(2*time.Minute))
}

func TestRetryEnds(t *testing.T) {
	const patience = 30 * time.Second
	full := "S: 220 ready\nC: USER me\nS: 421 too many\nclose:"
	t.Run("with RetryFor", func(t *testing.T) {
		withSession(t, []string{in + "close:"}, func(t *testing.T, s *Session, fm *farm) {
			login(t, s)
			<-s.conn.Done()
			start := time.Now()
			_, err := s.Do(t.Context(), "NOOP")
			if took := time.Since(start); !errors.Is(err, errNoMore) || took > patience || took < patience-15*time.Second {
				t.Errorf("Do = %v after %v", err, took)
			}
			if n := len(fm.dials); n < 5 || n > 60 {
				t.Errorf("%d connections were tried", n)
			}
		}, retrying(patience))
	})
	t.Run("with the context", func(t *testing.T) {
		withSession(t, []string{in + "close:", full, full}, func(t *testing.T, s *Session, fm *farm) {
			login(t, s)
			<-s.conn.Done()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			if _, err := s.Do(ctx, "NOOP"); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errNoMore) || time.Since(start) > 10*time.Second {
				t.Errorf("Do = %v after %v", err, time.Since(start))
			}
		}, retrying(patience))
	})
	t.Run("at once without patience", func(t *testing.T) {
		withSession(t, []string{in + "close:", full}, func(t *testing.T, s *Session, fm *farm) {
			login(t, s)
			<-s.conn.Done()
			start := time.Now()
			_, err := s.Do(t.Context(), "NOOP")
			if errText(err) != "the control connection could not be opened again: USER me: 421 too many" || time.Since(start) != 0 {
				t.Errorf("Do = %v after %v", err, time.Since(start))
			}
		}, retrying(-1))
	})
	for name, script := range map[string]string{
		"at once at a 530":                    "S: 220 ready\nC: USER me\nS: 530 no\nclose:",
		"at once at a 554":                    "S: 554 go away",
		"at once at garbage":                  "S: SSH-2.0-x",
		"at once where the directory is gone": in + "C: CWD /a\nS: 550 gone",
	} {
		t.Run(name, func(t *testing.T) {
			withSession(t, []string{in + "C: CWD /a\nS: 250 ok\nclose:", script}, func(t *testing.T, s *Session, fm *farm) {
				login(t, s)
				do(t, s, "CWD /a", 250)
				<-s.conn.Done()
				start := time.Now()
				_, err := s.Do(t.Context(), "NOOP")
				if err == nil || time.Since(start) != 0 || s.Live() != nil {
					t.Errorf("Do = %v after %v", err, time.Since(start))
				}
			}, retrying(patience))
		})
	}
}

func TestTransientDNS(t *testing.T) {
	for err, want := range map[error]bool{
		&net.DNSError{IsNotFound: true}:                                   false,
		&net.DNSError{IsTemporary: true}:                                  true,
		proto.ErrSilent:                                                   true,
		&proto.LostError{Err: io.EOF}:                                     true,
		&proto.Error{Reply: proto.Reply{Code: 421}}:                       true,
		&proto.Error{Reply: proto.Reply{Code: 430}}:                       false,
		&proto.Error{Command: "PASS ****", Reply: proto.Reply{Code: 451}}: false,
		&proto.Error{Reply: proto.Reply{Code: 530}}:                       false,
	} {
		if transient(err) != want {
			t.Errorf("transient(%v) = %v", err, !want)
		}
	}
}
