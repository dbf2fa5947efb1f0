package ftpnat_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestRetryable has errors as callers get them.
func TestRetryable(t *testing.T) {
	reply := func(command string, code int, text string) error {
		return &ftpnat.ReplyError{Command: command, Reply: ftpnat.Reply{Code: code, Lines: []string{text}}}
	}
	at := func(op string, err error) error { return &fs.PathError{Op: op, Path: "a", Err: err} }
	refused := func(code int) error {
		return &ftpnat.NegotiateError{Attempts: []ftpnat.Attempt{{Mode: ftpnat.EPSV, Cause: ftpnat.Refused, Reply: ftpnat.Reply{Code: code}}}}
	}
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, false},
		{errors.New("what"), false},
		{reply("RETR a", 450, "Busy."), true},
		{at("open", reply("RETR a", 450, "Busy.")), true},
		{fmt.Errorf("backup: %w", at("open", reply("RETR a", 450, "Busy."))), true},
		{at("open", reply("RETR a", 550, "No such file.")), false},
		{at("writefile", reply("STOR a", 452, "Full.")), false},
		{at("writefile", reply("STOR a", 451, "Quota exceeded.")), false},
		{reply("login as joe", 430, "Invalid username or password"), false},
		{reply("login as joe", 530, "Login incorrect."), false},
		{reply("login as joe", 530, "Sorry, the maximum number of clients (1) are already connected."), true},
		{reply("", 421, "Too many connections."), true},
		{reply("", 421, "Use TLS."), false},
		{refused(425), true},
		{at("open", refused(421)), true},
		{refused(500), false},
		{ftpnat.ErrBusy, true},
		{ftpnat.ErrChanged, true},
		{at("read", ftpnat.ErrShort), true},
		{at("read", ftpnat.ErrStalled), true},
		{ftpnat.ErrClosed, false},
		{at("close", ftpnat.ErrNoVerdict), false},
		{at("writefile", ftpnat.ErrNoVerdict), true},
		{at("write", ftpnat.ErrMismatch), false},
		{at("readfile", ftpnat.ErrLost), true},
		{at("mkdir", ftpnat.ErrLost), false},
		{&os.LinkError{Op: "rename", Old: "a", New: "b", Err: ftpnat.ErrLost}, false},
		{context.Canceled, false},
		{at("open", context.DeadlineExceeded), false},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true},
		{&net.DNSError{IsNotFound: true}, false},
		{x509.UnknownAuthorityError{}, false},
		{at("open", syscall.ENOENT), false},
		{at("open", fs.ErrPermission), false},
	} {
		if got := ftpnat.Retryable(tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
}

// TestErrorKinds finds what servers say by the errors of other packages.
func TestErrorKinds(t *testing.T) {
	full := played451("451 No space left on device")
	inBubble(t, full, func(t *testing.T, w *world) {
		err := w.openFS(t, "").WriteFile("x", small, 0o644)
		if !errors.Is(err, syscall.ENOSPC) || ftpnat.Retryable(err) {
			t.Errorf("a full disk: %v", err)
		}
	})
	cut := setup{dialer: func(d *ftpnat.Dialer) { d.RetryFor = -1 }, ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "DELE", Then: ftptest.Reset}}
	}}
	inBubble(t, cut, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		if _, err := c.Do(w.ctx, 2, "DELE", "pub/file.bin"); !errors.Is(err, ftpnat.ErrLost) || !ftpnat.Retryable(err) {
			t.Errorf("a lost connection: %v", err)
		}
	})
	mute := setup{dialer: func(d *ftpnat.Dialer) { d.RetryFor = -1 }, ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "DELE", Then: ftptest.Silence}}
	}}
	inBubble(t, mute, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		_, err := c.Do(w.ctx, 2, "DELE", "pub/file.bin")
		if !errors.Is(err, ftpnat.ErrNoReply) || !errors.Is(err, ftpnat.ErrLost) || !ftpnat.Retryable(err) {
			t.Errorf("a silent server: %v", err)
		}
	})
}

func played451(reply string) setup {
	return setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "STOR", Reply: reply}} }}
}

// TestAccount has a server that asks for an account, or for none.
func TestAccount(t *testing.T) {
	asks := []ftptest.Step{{On: "PASS", Conn: 1, Reply: "332 Need account."}, {On: "PASS", Conn: 2, Reply: "332 Need account."}, {On: "ACCT", As: "PASS x"}, {On: "HELP", Nth: 1, Then: ftptest.Reset}}
	for name, tt := range map[string]struct {
		script  []ftptest.Step
		account string
		code    int // of the refusal; zero for none
		sent    int // ACCT
	}{
		"asked for":           {asks, "dept-9", 0, 2},
		"asked for, not set":  {asks, "", 332, 0},
		"not asked for":       {nil, "dept-9", 0, 0},
		"refused":             {[]ftptest.Step{asks[0], asks[1], {On: "ACCT", Reply: "530 What is dept-9?"}}, "dept-9", 530, 1},
		"with no second word": {[]ftptest.Step{{On: "USER", Reply: "332 Need account."}, {On: "ACCT", As: "PASS x"}}, "dept-9", 503, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := setup{dialer: func(d *ftpnat.Dialer) { d.User, d.Password, d.Account = "joe", "secret", tt.account }, ftp: func(s *ftptest.Server) { s.Script = tt.script }}
			inBubble(t, s, func(t *testing.T, w *world) {
				c, err := w.d.Dial(w.ctx, w.Addr)
				if replyOf(err).Code != tt.code {
					t.Fatalf("Dial: %v", err)
				}
				if strings.Contains(w.log.String()+fmt.Sprint(err), "dept-9") {
					t.Errorf("the account is in: %v\n%s", err, w.log)
				}
				if err == nil {
					defer c.Close()
					if tt.sent > 0 {
						// The next connection has to send it again.
						if _, err := c.Do(w.ctx, 0, "HELP"); err != nil {
							t.Error(err)
						}
					}
					if err := w.fetch(c); err != nil {
						t.Error(err)
					}
				}
				if n := w.Server.Counters().Commands["ACCT"]; n != tt.sent {
					t.Errorf("ACCT was sent %d times, want %d", n, tt.sent)
				}
			})
		})
	}
}

// TestDisablePipelining has each command wait for the reply to the one before.
func TestDisablePipelining(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.ProFTPD(), ftptest.PureFTPd(), ftptest.Pyftpdlib()} {
		s := setup{dialer: func(d *ftpnat.Dialer) { d.DisablePipelining = true }, ftp: func(s *ftptest.Server) { s.Personality = p }}
		inBubble(t, s, func(t *testing.T, w *world) {
			fsys := w.openFS(t, "pub")
			for i := range 3 {
				if _, err := fsys.ReadFile("file.bin"); err != nil {
					t.Error(err)
				}
				if err := fsys.WriteFile(fmt.Sprint("x", i), small, 0o644); err != nil {
					t.Error(err)
				}
				if f, err := fsys.Open("file.bin"); err != nil {
					t.Error(err)
				} else {
					f.Close()
				}
				if err := fs.WalkDir(fsys, ".", func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
					t.Error(err)
				}
			}
			for _, conn := range w.Server.Transcript() {
				waiting := ""
				for _, l := range conn.Lines {
					switch {
					case l.Dir == ftptest.Received && waiting != "" && !strings.HasPrefix(l.Text, "QUIT"):
						t.Errorf("%s: %q was sent before the reply to %q", p.Name, l.Text, waiting)
						return
					case l.Dir == ftptest.Received:
						waiting = l.Text
					case final(l.Text):
						waiting = ""
					}
				}
			}
		})
	}
}

// final reports whether what the server sent ends with a reply that nothing follows.
func final(text string) bool {
	lines := strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	line := lines[len(lines)-1]
	return len(line) > 3 && line[0] >= '2' && line[0] <= '5' && line[3] == ' '
}

// TestFeatures returns a copy of what FEAT said.
func TestFeatures(t *testing.T) {
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "pub")
		for range 2 {
			f, err := fsys.Features()
			if rest, ok := f["REST"]; err != nil || !ok || rest != "STREAM" {
				t.Errorf("Features: %v, %v", f, err)
			}
			clear(f)
		}
	})
	inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Personality = ftptest.Ancient() }}, func(t *testing.T, w *world) {
		if f, err := w.openFS(t, "").Features(); err != nil || f == nil || len(f) != 0 {
			t.Errorf("a server without FEAT: %v, %v", f, err)
		}
	})
}

// TestRawPassword has passwords in URLs that end them for net/url.
func TestRawPassword(t *testing.T) {
	for _, raw := range []string{
		"ftp://joe:hun#ter2@host/a", "ftp://joe:hun/ter2@host/a", "ftp://joe:hun?ter2@host/a", "ftpes://joe:#hunter2@host",
		"ftp://joe:12#hunter2@host/a", "ftp://joe:12?hunter2@host/a", "ftp://joe:hunter2#@host:21/",
	} {
		_, err := new(ftpnat.Dialer).Open(t.Context(), raw)
		if err == nil {
			t.Errorf("%s: nil", raw)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, "%23") || !strings.Contains(text, "Dialer.Password") {
			t.Errorf("%s: no help in %q", raw, text)
		}
		for _, piece := range []string{"hun", "ter2", "12"} {
			if strings.Contains(text, piece) {
				t.Errorf("%s: %q has %q of the password", raw, text, piece)
			}
		}
	}
}

// noCharset is a Charset that is not asked for anything.
type noCharset struct{}

func (noCharset) Encode(name string) (string, error) { return name, nil }
func (noCharset) Decode(wire string) (string, error) { return wire, nil }

// TestCharsetUnused tells that a charset is not used, and where it is says nothing.
func TestCharsetUnused(t *testing.T) {
	for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Ancient()} {
		s := setup{dialer: func(d *ftpnat.Dialer) { d.Charset = noCharset{} }, ftp: func(s *ftptest.Server) { s.Personality = p }}
		inBubble(t, s, func(t *testing.T, w *world) {
			var notes []string
			ctx := ftpnat.WithTrace(w.ctx, &ftpnat.Trace{Note: func(text string) { notes = append(notes, text) }})
			fsys, err := w.d.Open(ctx, "ftp://"+w.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer fsys.Close()
			_, utf8 := must(fsys.Features())["UTF8"]
			if told := slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, "Charset") }); told != utf8 {
				t.Errorf("%s: UTF8 in FEAT %v, notes %q", p.Name, utf8, notes)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestRefusedByAll has many calls of one FS whose password is not right any more:
// the server is sent it once.
func TestRefusedByAll(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "PASS", Conn: 1, Nth: 1, As: "PASS x"}, {On: "PASS", Reply: "530 Login incorrect."}, {On: "NOOP", Then: ftptest.Reset}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		time.Sleep(idleLimit + 10*time.Second)
		for range 20 {
			if _, err := fsys.ReadFile("pub/file.bin"); replyOf(err).Code != 530 || ftpnat.Retryable(err) {
				t.Errorf("ReadFile: %v", err)
			}
		}
		if n := w.Server.Counters().Commands["PASS"]; n != 2 {
			t.Errorf("PASS was sent %d times, want 2", n)
		}
		time.Sleep(2 * time.Minute)
		if _, err := fsys.Stat("pub"); replyOf(err).Code != 530 || w.Server.Counters().Commands["PASS"] != 3 {
			t.Errorf("after a while: %v", err)
		}
	})
}

// TestDeniedWrite has a server deny a file, and have no command for others.
func TestDeniedWrite(t *testing.T) {
	for _, reply := range []string{"550 Access Denied.", "553 Overwrite permission denied", "550 pub/file.bin: Permission denied"} {
		for _, name := range []string{"file.bin", "pub/file.bin", "pub/new"} {
			s := setup{ftp: func(s *ftptest.Server) {
				s.Script = []ftptest.Step{{On: "STOR", Reply: reply}, {On: "SITE", Reply: "202 SITE command not implemented"}, {On: "APPE", Reply: "500 Unknown command."}}
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				if err := fsys.WriteFile(name, small, 0o644); !errors.Is(err, fs.ErrPermission) || replyOf(err).Code/10 != 55 {
					t.Errorf("WriteFile: %v", err)
				}
				f, err := fsys.Append("pub/file.bin")
				if err == nil {
					_, _ = f.Write(small)
					err = f.Close()
				}
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("Append: %v", err)
				}
				if err := fsys.Chmod("pub/file.bin", 0o644); !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("Chmod: %v", err)
				}
			})
		}
	}
	s := setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "STOR", Reply: "550 denied: No such directory."}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		if err := w.openFS(t, "").WriteFile("denied/x", small, 0o644); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a directory that is missing: %v", err)
		}
	})
}
