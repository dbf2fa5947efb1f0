package control

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

func TestStartTLS(t *testing.T) {
	withConn(t, `
		S: 220 ready
		C: AUTH TLS
		S: 234 go ahead
		tls:
		C: PBSZ 0
		S: 200 ok
		C: CWD `+"\xff\xff"+`
		S: 250 ok`, func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		r, err := startTLS(t.Context(), c, clientTLS(t), false, time.Minute)
		if err != nil || r.Code != 234 {
			t.Fatalf("StartTLS = %v, %v", r, err)
		}
		if cs, ok := c.TLS(); !ok || !cs.HandshakeComplete || cs.ServerName != certName {
			t.Errorf("TLS = %v, %v", cs.HandshakeComplete, ok)
		}
		if c.Raw() == nil || c.Raw() == c.nc {
			t.Error("the socket is not to be had")
		}
		if r := final(t, c, send(t, c, "PBSZ 0")); r.Code != 200 {
			t.Errorf("PBSZ got %v", r)
		}
		if r := final(t, c, send(t, c, "CWD \xff")); r.Code != 250 {
			t.Errorf("CWD got %v", r)
		}
	})
}

func TestStartTLSFails(t *testing.T) {
	const limit = 10 * time.Second
	tests := []struct {
		name, after string // after AUTH TLS
		code        int
		err         string // empty: the connection stays usable
		took        time.Duration
	}{
		{"refused", "S: 502 no\nC: NOOP\nS: 200 ok", 502, "", 0},
		{"refused with 431", "S: 431 not now\nC: NOOP\nS: 200 ok", 431, "", 0},
		{"wants more", "S: 334 ADAT\nC: NOOP\nS: 200 ok", 334, "", 0},
		{"text smuggled in after the 234", `raw: "234 ok\r\n230 you are in\r\n"` + "\nsilence:", 234, "not an FTP reply: more text after the reply to AUTH", 0},
		{"half a line smuggled in", `raw: "234 ok\r\n2"` + "\nsilence:", 234, "not an FTP reply: more text after the reply to AUTH", 0},
		{"an empty line smuggled in", `raw: "234 ok\r\n\r\n"` + "\nsilence:", 234, "not an FTP reply: more text after the reply to AUTH", 0},
		{"text in place of the handshake", "S: 234 ok\nwait: 1s\nS: 230 you are in\nsilence:", 234, "TLS handshake: tls: first record does not look like a TLS handshake", time.Second},
		{"the handshake hangs", "S: 234 ok\nsilence:", 234, "TLS handshake: no reply", limit},
		{"the handshake is not even read", "S: 234 ok\ndeaf:", 234, "TLS handshake: no reply", limit},
		{"the end in the handshake", "S: 234 ok\nclose:", 234, "TLS handshake: ", 0},
		{"no answer", "silence:", 0, "no reply within 10s", limit},
		{"the end", "close:", 0, "the control connection was closed by the other end", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withConn(t, "S: 220 ready\nC: AUTH TLS\n"+tt.after, func(t *testing.T, c *Conn, greeting *Call) {
				final(t, c, greeting)
				start := time.Now()
				r, err := startTLS(t.Context(), c, clientTLS(t), false, limit)
				if r.Code != tt.code || time.Since(start) != tt.took {
					t.Errorf("StartTLS = %v after %v", r, time.Since(start))
				}
				if _, ok := c.TLS(); ok {
					t.Error("TLS is said to be there")
				}
				if tt.err == "" {
					if err != nil {
						t.Errorf("error %v", err)
					}
					if r := final(t, c, send(t, c, "NOOP")); r.Code != 200 {
						t.Errorf("NOOP got %v", r)
					}
					return
				}
				if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
					t.Errorf("error %v, want %s", err, tt.err)
				}
			})
		})
	}
}

func TestStartTLSContext(t *testing.T) {
	withConn(t, "S: 220 ready\nC: AUTH TLS\nS: 234 ok\nsilence:", func(t *testing.T, c *Conn, greeting *Call) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := startTLS(ctx, c, clientTLS(t), false, time.Minute)
		if !errors.Is(err, proto.ErrSilent) && err != context.DeadlineExceeded || time.Since(start) != 3*time.Second {
			t.Errorf("StartTLS = %v after %v", err, time.Since(start))
		}
	})
}

func TestStartTLSStranger(t *testing.T) {
	withConn(t, "S: 220 ready\nC: AUTH TLS\nS: 234 ok\ntls:", func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		cfg := clientTLS(t)
		cfg.ServerName = "other.example.com"
		_, err := startTLS(t.Context(), c, cfg, false, time.Minute)
		var cert *tls.CertificateVerificationError
		if !errors.As(err, &cert) || c.Err() == nil {
			t.Errorf("StartTLS = %v, Err = %v", err, c.Err())
		}
	})
}

func explicit(t *testing.T) func(*Config) {
	return func(c *Config) { c.TLS = clientTLS(t) }
}

func implicit(t *testing.T) func(*Config) {
	return func(c *Config) { explicit(t)(c); c.Implicit = true }
}

func TestSessionTLS(t *testing.T) {
	const login = `
		C: USER me
		S: 331 ok
		C: PASS hush
		S: 230 ok
		C: PBSZ 0
		S: 200 ok
		C: PROT P
		S: 200 ok
		C: TYPE I
		S: 200 ok
		`
	tests := []struct {
		name, begin string
		change      func(*Config)
	}{
		{"explicit", "S: 220 ready\nC: AUTH TLS\nS: 234 ok\ntls:", explicit(t)},
		{"implicit", "tls:\nS: 220 ready", implicit(t)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scripts := []string{tt.begin + login + "close:", tt.begin + login + "C: NOOP\nS: 200 ok"}
			withSession(t, scripts, func(t *testing.T, s *Session, _ *farm) {
				open(t, s)
				do(t, s, "USER me", 331)
				do(t, s, "PASS hush", 230)
				do(t, s, "TYPE I", 200)
				<-s.conn.Done()
				do(t, s, "NOOP", 200)
				if _, ok := s.Live().TLS(); !ok {
					t.Error("the second connection is in clear text")
				}
			}, tt.change)
		})
	}
}

func TestSessionTLSFails(t *testing.T) {
	tests := []struct {
		name, script string
		change       func(*Config)
		want         string
		took         time.Duration
	}{
		{"AUTH is refused", "S: 220 ready\nC: AUTH TLS\nS: 502 no\nsilence:", explicit(t), "AUTH TLS: 502 no", 0},
		{"the handshake hangs", "S: 220 ready\nC: AUTH TLS\nS: 234 ok\nsilence:", explicit(t), "TLS handshake: no reply", connectLimit},
		{"implicit, the handshake hangs", "silence:", implicit(t), "TLS handshake: no reply", connectLimit},
		{"implicit, clear text", "S: 220 ready\nsilence:", implicit(t), "TLS handshake: tls: first record does not look like a TLS handshake", 0},
		{"implicit, no greeting", "tls:\nsilence:", implicit(t), "greeting: no reply within 20s", replyLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withSession(t, []string{tt.script}, func(t *testing.T, s *Session, _ *farm) {
				start := time.Now()
				_, err := s.Open(t.Context())
				if errText(err) != tt.want || time.Since(start) != tt.took {
					t.Errorf("Open = %v after %v", err, time.Since(start))
				}
				if s.Live() != nil {
					t.Error("the connection is kept")
				}
			}, tt.change)
		})
	}
}

// TestNoPROT: without protected data connections there is no login.
func TestNoPROT(t *testing.T) {
	script := "S: 220 ready\nC: AUTH TLS\nS: 234 ok\ntls:\nC: USER me\nS: 230 ok\nC: PBSZ 0\nS: 500 what\nC: PROT P\nS: 536 no\nsilence:"
	withSession(t, []string{script}, func(t *testing.T, s *Session, _ *farm) {
		open(t, s)
		_, err := s.Do(t.Context(), "USER me")
		if errText(err) != "PROT P: 536 no" || s.Live() != nil {
			t.Errorf("Do = %v, connection kept: %v", err, s.Live() != nil)
		}
	}, explicit(t))
}

// TestPair: what the control connection is given serves the data connections, and
// what those are given serves nobody.
func TestPair(t *testing.T) {
	base := &tls.Config{ServerName: certName}
	first, data := pair(base, false)
	other, _ := pair(base, false)
	given, later := new(tls.ClientSessionState), new(tls.ClientSessionState)
	first.ClientSessionCache.Put("any", given)
	data.ClientSessionCache.Put("any", later)
	for name, cfg := range map[string]*tls.Config{"control": first, "data": data} {
		if got, ok := cfg.ClientSessionCache.Get("other"); got != given || !ok || cfg.ServerName != certName {
			t.Errorf("%s: %p, %v", name, got, ok)
		}
	}
	if _, ok := other.ClientSessionCache.Get("any"); ok || base.ClientSessionCache != nil {
		t.Error("the sessions of one connection are another's")
	}
	if first.DynamicRecordSizingDisabled || !data.DynamicRecordSizingDisabled || base.DynamicRecordSizingDisabled {
		t.Errorf("large records at once: control %v, data %v, the caller's %v", first.DynamicRecordSizingDisabled, data.DynamicRecordSizingDisabled, base.DynamicRecordSizingDisabled)
	}
	if c, d := pair(base, true); c == nil || d != nil {
		t.Errorf("clear data: %v, %v", c, d)
	}
	if c, d := pair(nil, false); c != nil || d != nil {
		t.Errorf("clear text: %v, %v", c, d)
	}
}
