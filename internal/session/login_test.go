package session

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestOpen logs in on servers of each kind, in one go: from the second round trip
// on the session is ready.
func TestOpen(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.Pyftpdlib(), ftptest.FileZilla(), ftptest.IIS(), ftptest.Ancient()} {
		t.Run(p.Name, func(t *testing.T) {
			run(t, func(s *ftptest.Server) { s.Personality = p }, func(t *testing.T, w *world) {
				start := time.Now()
				c := w.open(t, "pub")
				if took := time.Since(start); took > 250*time.Millisecond {
					t.Errorf("took %v", took)
				}
				if got := pwd(t, w.ctx, c); got != "/pub" {
					t.Errorf("in %q", got)
				}
				if got := w.flight(t); got != proto.Yes || w.conns() != 1 {
					t.Errorf("flight %v, %d connections", got, w.conns())
				}
				if !c.Alive() || !c.Answers(w.ctx) || c.RTT() != 50*time.Millisecond || c.Greeting().Code != 220 {
					t.Errorf("alive %v, round trip %v, greeting %v", c.Alive(), c.RTT(), c.Greeting())
				}
				if c.Path().Local().String() != "203.0.113.2" || c.Path().Peer().String() != "198.51.100.10" {
					t.Errorf("from %v to %v", c.Path().Local(), c.Path().Peer())
				}
			})
		})
	}
}

// TestOdd has servers that do not take a login in one go: it is sent more slowly,
// and so from then on.
func TestOdd(t *testing.T) {
	type odd struct {
		name         string
		ahead, early ftptest.Ahead
	}
	var cases []odd
	for name, a := range map[string]ftptest.Ahead{
		"thrown away": ftptest.FirstOnly, "refused": ftptest.RefuseAhead,
		"closed": ftptest.CutAhead, "reset": ftptest.ResetAhead,
	} {
		cases = append(cases, odd{name: name, ahead: a}, odd{name: name + ", before the greeting", early: a})
	}
	cases = append(cases, odd{name: "out of order", ahead: ftptest.LastFirst})
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			set := func(s *ftptest.Server) {
				s.Personality = ftptest.Plain()
				s.Personality.Control.Ahead, s.Personality.Control.Early = tt.ahead, tt.early
			}
			run(t, set, func(t *testing.T, w *world) {
				start := time.Now()
				c := w.open(t, "pub")
				if took := time.Since(start); took > 15*time.Second {
					t.Errorf("the login took %v", took)
				}
				if got := pwd(t, w.ctx, c); got != "/pub" {
					t.Errorf("in %q", got)
				}
				if got := w.flight(t); got != proto.No {
					t.Errorf("flight: %v", got)
				}
				before := w.conns()
				w.open(t, "")
				if n := w.conns() - before; n != 1 {
					t.Errorf("the second login took %d control connections", n)
				}
			})
		})
	}
}

// TestRefused has logins refused for good reasons: they are not tried again.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name, dir string
		step      ftptest.Step
		want      string
	}{
		{"password", "", ftptest.Step{On: "PASS", Reply: "530 Login incorrect."}, "ftpnat: ftp.example.com:21: login as me: 530 Login incorrect."},
		{"user", "", ftptest.Step{On: "USER", Reply: "530 No me."}, "ftpnat: ftp.example.com:21: login as me: 530 No me."},
		{"account", "", ftptest.Step{On: "PASS", Reply: "332 Account?"}, "ftpnat: ftp.example.com:21: login as me: 332 Account?"},
		{"greeting", "", ftptest.Step{On: ftptest.Greeting, Reply: "421 Too many users."}, "ftpnat: ftp.example.com:21: 421 Too many users."},
		{"missing directory", "none", ftptest.Step{}, "CWD none: 550 Failed to change directory."},
		{"directory", "pub", ftptest.Step{On: "CWD", Reply: "550 Permission denied."}, "CWD pub: 550 Permission denied."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, func(s *ftptest.Server) { s.Script = []ftptest.Step{tt.step} }, func(t *testing.T, w *world) {
				start := time.Now()
				_, err := Open(w.ctx, w.cfg, tt.dir)
				if fmt.Sprint(err) != tt.want || w.conns() != 1 || time.Since(start) > 5*time.Second {
					t.Errorf("Open: %v after %v and %d connections", err, time.Since(start), w.conns())
				}
				if noDir := errors.Is(err, proto.ErrNoDir); noDir != (tt.dir != "") || noDir != proto.RefusedAt(err) || noDir == (proto.NotOpen(err).Code != 0) {
					t.Errorf("Open: %#v", err)
				}
			})
		})
	}
}

// TestLosses has the control connection lost once, at each command of the login.
func TestLosses(t *testing.T) {
	for _, on := range []string{ftptest.Greeting, "USER", "PASS", "TYPE", "OPTS", "CWD", "FEAT"} {
		for _, then := range []ftptest.Ending{ftptest.Cut, ftptest.Reset} {
			t.Run(fmt.Sprint(on, then), func(t *testing.T) {
				set := func(s *ftptest.Server) {
					s.Script = []ftptest.Step{{On: on, Nth: 1, Reply: ftptest.None, Then: then}}
				}
				run(t, set, func(t *testing.T, w *world) {
					c := w.open(t, "pub")
					if got := pwd(t, w.ctx, c); got != "/pub" || w.conns() > 3 {
						t.Errorf("in %q after %d connections", got, w.conns())
					}
				})
			})
		}
	}
}

// TestArguments keeps a user and a password from being two commands.
func TestArguments(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		for _, change := range []func(*Config){
			func(c *Config) { c.User = "a\r\nDELE x" },
			func(c *Config) { c.Password = "a\nb" },
		} {
			cfg := *w.cfg
			change(&cfg)
			if _, err := Open(w.ctx, &cfg, ""); !errors.Is(err, control.ErrArgument) {
				t.Errorf("Open: %v", err)
			}
		}
		if w.conns() != 0 {
			t.Errorf("%d connections", w.conns())
		}
	})
}

// TestDial asks a server again that has said "later", and no other.
func TestDial(t *testing.T) {
	for _, tt := range []struct {
		reply       string
		retry       time.Duration
		fails       int
		least, most int // connections; the pauses are random
	}{
		{"421 Later.", time.Minute, 2, 3, 3},
		{"421 Later.", -1, 2, 1, 1},
		{"421 Later.", time.Second, 100, 2, 7},
		{"530 Never.", time.Minute, 2, 1, 1},
	} {
		set := func(s *ftptest.Server) {
			for i := range tt.fails {
				s.Script = append(s.Script, ftptest.Step{On: ftptest.Greeting, Nth: i + 1, Reply: tt.reply})
			}
		}
		run(t, set, func(t *testing.T, w *world) {
			w.cfg.RetryFor = tt.retry
			c, err := Dial(w.ctx, w.cfg)
			if n := w.conns(); (err == nil) != (n > tt.fails) || n < tt.least || n > tt.most {
				t.Errorf("%+v: %v after %d connections", tt, err, n)
			}
			if err == nil {
				c.Close()
			} else if code := proto.NotOpen(err).Code; fmt.Sprint(code) != tt.reply[:3] {
				t.Errorf("%+v: %v", tt, err)
			}
		})
	}
}

// TestTLSRefused: a server that takes no TLS is not asked twice, and gets no
// password.
func TestTLSRefused(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		w.cfg.TLS.Config = &tls.Config{ServerName: "ftp.example.com"}
		_, err := Open(w.ctx, w.cfg, "")
		if !errors.Is(err, control.ErrNoTLS) || w.conns() != 1 || strings.Contains(w.verbs(1), "PASS") {
			t.Errorf("Open: %v, %d connections", err, w.conns())
		}
	})
}

// TestTLS logs in over TLS of both kinds.
func TestTLS(t *testing.T) {
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, implicit := range []bool{false, true} {
		set := func(s *ftptest.Server) {
			s.TLS, s.ImplicitTLS, s.RequireTLS = cert.Server, implicit, true
		}
		run(t, set, func(t *testing.T, w *world) {
			w.cfg.TLS = Security{Config: &tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com"}, Implicit: implicit}
			c := w.open(t, "pub")
			if c.TLSVersion() != "TLS 1.3" || c.Control().DataTLS() == nil || w.flight(t) != proto.Yes {
				t.Errorf("%q, flight %v", c.TLSVersion(), w.flight(t))
			}
		})
		run(t, set, func(t *testing.T, w *world) {
			w.cfg.TLS = Security{Config: &tls.Config{ServerName: "ftp.example.com"}, Implicit: implicit}
			_, err := Open(w.ctx, w.cfg, "")
			var stranger *tls.CertificateVerificationError
			if !errors.As(err, &stranger) || w.conns() != 1 {
				t.Errorf("Open: %v after %d connections", err, w.conns())
			}
		})
	}
}

// TestSoftware tells servers by other signs than their greeting, and does not
// trust a greeting alone.
func TestSoftware(t *testing.T) {
	for _, tt := range []struct {
		server ftptest.Personality
		want   control.Software
	}{
		{ftptest.VSFTPD().Saying("greeting", "220 Welcome."), control.VSFTPD},
		{ftptest.PureFTPd().Saying("greeting", "220 Welcome."), control.PureFTPd},
		{ftptest.Pyftpdlib().Saying("greeting", "220 Welcome."), control.Pyftpdlib},
		{ftptest.Plain().Saying("greeting", "220 (vsFTPd 3.0.3)"), control.UnknownSoftware},
		{ftptest.ProFTPD(), control.ProFTPD},
		{ftptest.IIS(), control.UnknownSoftware},
		{ftptest.FileZilla(), control.UnknownSoftware},
		{ftptest.Ancient(), control.UnknownSoftware},
	} {
		run(t, func(s *ftptest.Server) { s.Personality = tt.server }, func(t *testing.T, w *world) {
			if got := w.open(t, "").Software(); got != tt.want {
				t.Errorf("%s: %d, want %d", tt.server.Name, got, tt.want)
			}
		})
	}
}

// TestGuest has a program of jlaffaye/ftp log in by itself.
func TestGuest(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		guest, err := Guest(w.ctx, w.cfg)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ftp.Dial(addr, ftp.DialWithDialFunc(func(string, string) (net.Conn, error) { return NewShim(w.ctx, guest), nil }))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login("somebody", "else"); err != nil {
			t.Error(err)
		}
		if err := c.ChangeDir("pub"); err != nil {
			t.Error(err)
		}
		guest.Drop(w.ctx, errors.New("test"))
		if dir, err := c.CurrentDir(); dir != "/pub" || err != nil {
			t.Errorf("in %q, %v", dir, err)
		}
		if err := c.Quit(); err != nil {
			t.Error(err)
		}
		if guest.Alive() || w.conns() != 2 || !strings.Contains(w.srv.Transcript()[1].Commands()[0], "somebody") {
			t.Errorf("%d connections: %v", w.conns(), w.srv.Transcript())
		}
	})
}

// TestOpenCancelled has the caller lose patience: that is no fault of the server's.
func TestOpenCancelled(t *testing.T) {
	set := func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "PASS", Delay: time.Minute}} }
	run(t, set, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(w.ctx, time.Second)
		defer cancel()
		_, err := Open(ctx, w.cfg, "")
		if !errors.Is(err, context.DeadlineExceeded) || w.conns() != 1 || len(w.mem.lessons) != 0 || w.cfg.Shared.lost.Load() != 0 {
			t.Errorf("Open: %v, %d connections, %v", err, w.conns(), w.mem.lessons)
		}
	})
}
