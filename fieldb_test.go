package ftpnat_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// Part B of the field's report: logins.
//
//	B1  a password that was refused               TestRefusedOnce, TestRefusedLater
//	B2  421, and not for being too many           TestNotTooMany
//	B3  CWD of the URL's path: 450, 421           TestTransientCWD
//	B4  the first digit decides                   TestFirstDigit, TestOddUSER
//	B5  no PROT, and data in the clear            TestNoPROT
//	B6  one command at a time, remembered         TestOneCommandRemembered
//	B7  the last word under a context's error     TestLastWord
//	B8  Dialer.Account                            (a new word: later)
//	B9  PASS is answered late                     TestSlowPASS

// entryWays are the ways to log in.
var entryWays = map[string]func(d *ftpnat.Dialer, ctx context.Context, addr string) error{
	"Open": func(d *ftpnat.Dialer, ctx context.Context, addr string) error {
		fsys, err := d.Open(ctx, "ftp://"+addr+"/pub")
		if err == nil {
			fsys.Close()
		}
		return err
	},
	"Dial": func(d *ftpnat.Dialer, ctx context.Context, addr string) error {
		c, err := d.Dial(ctx, addr)
		if err == nil {
			c.Close()
		}
		return err
	},
	"Probe": func(d *ftpnat.Dialer, ctx context.Context, addr string) error { return second(d.Probe(ctx, addr)) },
}

// commands counts a command.
func (w *world) commands(verb string) int { return w.Server.Counters().Commands[verb] }

func TestRefusedOnce(t *testing.T) {
	replies := []string{
		"430 Invalid username or password", "530 Login incorrect.", "531 No.", "532 Need account.", "533 No.", "535 Bad credentials.",
		"450 Access denied.", "451 Wrong password.", "452 No.", "425 No.", "421 Login incorrect.", "550 Denied.",
	}
	for _, verb := range []string{"PASS", "USER"} {
		for _, reply := range replies {
			for _, ahead := range []bool{true, false} {
				for way, enter := range entryWays {
					t.Run(fmt.Sprint(verb, " ", reply[:3], " ", ahead, " ", way), func(t *testing.T) {
						s := played(ftptest.VSFTPD(), ftptest.Step{On: verb, Reply: reply})
						if verb == "USER" {
							s = played(ftptest.VSFTPD(), ftptest.Step{On: verb, Reply: reply}, ftptest.Step{On: "PASS", Reply: "503 Login with USER first."})
						}
						s.dialer = func(d *ftpnat.Dialer) {
							if !ahead {
								plain(d)
							}
							d.User, d.Password = "joe", "secret"
						}
						inBubble(t, s, func(t *testing.T, w *world) {
							start := time.Now()
							err := enter(w.d, w.ctx, w.Addr)
							if took := time.Since(start); err == nil || took > 5*time.Second {
								t.Errorf("%v, after %v", err, took)
							}
							if code := fmt.Sprint(replyOf(err).Code); code != reply[:3] {
								t.Errorf("%v is not about the %s", err, reply[:3])
							}
							// A login that was sent ahead and displaced may be asked once more.
							if n := w.commands(verb); n > 1 {
								t.Errorf("%s was sent %d times", verb, n)
							}
						})
					})
				}
			}
		}
	}
}

// TestRefusedLater has the password changed while an FS is open.
func TestRefusedLater(t *testing.T) {
	for _, reply := range []string{"430 Invalid username or password", "530 Login incorrect.", "451 Wrong password."} {
		for op, f := range map[string]func(fsys *ftpnat.FS) error{
			"ReadFile":  func(fsys *ftpnat.FS) error { return second(fsys.ReadFile("pub/file.bin")) },
			"ReadDir":   func(fsys *ftpnat.FS) error { return second(fsys.ReadDir("pub")) },
			"WriteFile": func(fsys *ftpnat.FS) error { return fsys.WriteFile("x", small, 0o644) },
			"Upload":    func(fsys *ftpnat.FS) error { return second(fsys.Upload("x", bytes.NewReader(small))) },
			"Mkdir":     func(fsys *ftpnat.FS) error { return fsys.Mkdir("d", 0o755) },
			"Stat":      func(fsys *ftpnat.FS) error { return second(fsys.Stat("pub")) },
			"Fetch":     func(fsys *ftpnat.FS) error { return fsys.Fetch("/nonexistent/never", "pub") },
		} {
			t.Run(reply[:3]+" "+op, func(t *testing.T) {
				s := played(ftptest.ProFTPD(), func(srv *ftptest.Server) {
					srv.Script = []ftptest.Step{
						{On: "PASS", Conn: 1, Nth: 1, As: "PASS x"}, {On: "PASS", Reply: reply},
						{On: "NOOP", Then: ftptest.Reset},
					}
				})
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					time.Sleep(idleLimit + 10*time.Second) // the connection is closed
					start := time.Now()
					err := f(fsys)
					if took := time.Since(start); err == nil || took > 5*time.Second {
						t.Errorf("%v, after %v", err, took)
					}
					if n := w.commands("PASS"); n > 2 {
						t.Errorf("PASS was sent %d times", n)
					}
				})
			})
		}
	}
}

func TestNotTooMany(t *testing.T) {
	for _, tt := range []struct {
		reply string
		tls   bool
	}{
		{"421 Sorry, cleartext sessions are not accepted on this server.", true},
		{"421 Sorry, cleartext sessions and weak ciphers are not accepted on this server.\r\n421 Please reconnect using TLS security mechanisms.", true},
		{"421 Use TLS.", true},
		{"421 Connection from 203.0.113.2 is not allowed.", false},
		{"421 Your address is not on the list: access denied.", false},
		{"421 You are banned.", false},
	} {
		for _, on := range []string{ftptest.Greeting, "USER"} {
			for way, enter := range entryWays {
				t.Run(on+" "+tt.reply[:12]+" "+way, func(t *testing.T) {
					inBubble(t, played(ftptest.PureFTPd(), ftptest.Step{On: on, Raw: tt.reply + "\r\n", Then: ftptest.Cut}), func(t *testing.T, w *world) {
						start := time.Now()
						err := enter(w.d, w.ctx, w.Addr)
						if took := time.Since(start); err == nil || took > 10*time.Second {
							t.Errorf("%v, after %v", err, took)
						}
						if n := w.Server.Counters().Connections; n > 2 {
							t.Errorf("%d connections", n)
						}
						if replyOf(err).Code != 421 {
							t.Errorf("%v is not about the 421", err)
						}
						if tt.tls && !strings.Contains(fmt.Sprint(err), "ftpes://") {
							t.Errorf("%v: no word of ftpes://", err)
						}
					})
				})
			}
		}
	}
}

func TestTransientCWD(t *testing.T) {
	for _, reply := range []string{"450 Busy.", "421 Busy.", "451 Local error.", "425 No."} {
		t.Run(reply, func(t *testing.T) {
			inBubble(t, played(ftptest.VSFTPD(), ftptest.Step{On: "CWD", Reply: reply}), func(t *testing.T, w *world) {
				start := time.Now()
				fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/pub")
				if err == nil {
					fsys.Close()
					t.Fatal("nil")
				}
				if fmt.Sprint(replyOf(err).Code) != reply[:3] {
					t.Errorf("%v is not about %s", err, reply)
				}
				if n := w.Server.Counters().Logins; n > 8 {
					t.Errorf("%d logins in %v", n, time.Since(start))
				}
			})
		})
	}
}

// TestPassingCWD is refused for a while.
func TestPassingCWD(t *testing.T) {
	inBubble(t, played(ftptest.VSFTPD(), ftptest.Step{On: "CWD", Nth: 1, Reply: "450 Busy."}), func(t *testing.T, w *world) {
		fsys := w.openFS(t, "pub")
		mustRead(t, fsys, "file.bin", string(content))
	})
}

func TestFirstDigit(t *testing.T) {
	for name, script := range map[string][]ftptest.Step{
		"greeting 230": {{On: ftptest.Greeting, Reply: "230 Logged in already."}},
		"greeting 200": {{On: ftptest.Greeting, Reply: "200 Ready."}},
	} {
		testPositive(t, name, script, nil)
	}
	for _, code := range []string{"200", "202", "220", "250"} {
		testPositive(t, "PASS "+code, nil, map[string]string{"PASS": code + " Fine."})
	}
	for _, code := range []string{"226", "250", "220"} {
		testPositive(t, "TYPE "+code, nil, map[string]string{"TYPE": code + " Fine."})
	}
	for _, code := range []string{"250", "220", "211", "226"} {
		testPositive(t, "OPTS "+code, nil, map[string]string{"OPTS.UTF8": code + " Fine."})
	}
	for _, code := range []string{"220", "200", "226"} {
		testPositive(t, "CWD "+code, nil, map[string]string{"CWD": code + " Fine."})
	}
}

// testPositive logs in to a server with odd positive replies and reads a file.
func testPositive(t *testing.T, name string, script []ftptest.Step, texts map[string]string) {
	for _, ahead := range []bool{true, false} {
		for way, enter := range entryWays {
			t.Run(fmt.Sprint(name, " ", ahead, " ", way), func(t *testing.T) {
				s := played(ftptest.VSFTPD(), func(srv *ftptest.Server) {
					srv.Script = script
					for key, text := range texts {
						srv.Personality = srv.Personality.Saying(key, text)
					}
				})
				s.dialer = func(d *ftpnat.Dialer) {
					if !ahead {
						plain(d)
					}
				}
				inBubble(t, s, func(t *testing.T, w *world) {
					if err := enter(w.d, w.ctx, w.Addr); err != nil {
						t.Fatal(err)
					}
					if n := w.Server.Counters().Connections; n != 1 && way != "Probe" {
						t.Errorf("%d connections", n)
					}
					mustRead(t, w.openFS(t, "pub"), "file.bin", string(content))
				})
			})
		}
	}
}

// TestOddUSER has servers that need no password, and one that says 314.
func TestOddUSER(t *testing.T) {
	for _, reply := range []string{"230 Logged in.", "200 Fine.", "232 User logged in, authorized by security data exchange.", "220 Fine."} {
		for _, ahead := range []bool{true, false} {
			for way, enter := range entryWays {
				t.Run(fmt.Sprint(reply[:3], " ", ahead, " ", way), func(t *testing.T) {
					// The server logs the user in by USER: what it says of PASS is one of two.
					for _, pass := range []string{"230 Already.", "503 Login with USER first.", "202 Not needed."} {
						p := ftptest.VSFTPD().Saying("USER", reply, "PASS", pass)
						p.NoPass = true
						s := played(p)
						s.dialer = func(d *ftpnat.Dialer) {
							if !ahead {
								plain(d)
							}
						}
						inBubble(t, s, func(t *testing.T, w *world) {
							if err := enter(w.d, w.ctx, w.Addr); err != nil {
								t.Errorf("PASS %s: %v", pass, err)
							}
						})
					}
				})
			}
		}
	}
	for way, enter := range entryWays {
		t.Run("314 "+way, func(t *testing.T) {
			inBubble(t, played(ftptest.VSFTPD(), ftptest.Step{On: "USER", Reply: "314 What?"}, ftptest.Step{On: "PASS", Reply: "503 Login with USER first."}), func(t *testing.T, w *world) {
				start := time.Now()
				err := enter(w.d, w.ctx, w.Addr)
				if replyOf(err).Code != 314 || time.Since(start) > 5*time.Second || w.commands("USER") > 3 {
					t.Errorf("%v, after %v and %d USER", err, time.Since(start), w.commands("USER"))
				}
			})
		})
	}
}

func TestNoPROT(t *testing.T) {
	cert := newCert(t, "ftp.example.com")
	for _, reply := range []string{"500 Unknown command.", "502 Not implemented.", "504 No.", "534 No."} {
		for _, both := range []bool{false, true} {
			for _, implicit := range []bool{true, false} {
				for _, clear := range []bool{true, false} {
					t.Run(fmt.Sprint(reply[:3], both, implicit, clear), func(t *testing.T) {
						script := []ftptest.Step{{On: "PROT", Reply: reply}}
						if both {
							script = append(script, ftptest.Step{On: "PBSZ", Reply: reply})
						}
						s := played(ftptest.VSFTPD(), func(srv *ftptest.Server) {
							srv.Script, srv.TLS, srv.ImplicitTLS, srv.Personality.TLS.ClearData = script, cert.Server, implicit, true
						})
						s.dialer = func(d *ftpnat.Dialer) {
							d.TLSConfig, d.ImplicitTLS, d.ClearData = &tls.Config{RootCAs: cert.Pool}, implicit, clear
						}
						inBubble(t, s, func(t *testing.T, w *world) {
							scheme := "ftpes"
							if implicit {
								scheme = "ftps"
							}
							start := time.Now()
							fsys, err := w.d.Open(w.ctx, scheme+"://"+w.Addr+"/pub")
							if !clear {
								if err == nil || time.Since(start) > 10*time.Second {
									t.Errorf("%v, after %v: data were to be private", err, time.Since(start))
								}
								return
							}
							if err != nil {
								t.Fatal(err)
							}
							defer fsys.Close()
							mustRead(t, fsys, "file.bin", string(content))
						})
					})
				}
			}
		}
	}
}

// TestOneCommandRemembered has a server that goes silent when two commands come in one
// read: what was found is known before the second try, and to another Open.
func TestOneCommandRemembered(t *testing.T) {
	for name, s := range map[string]setup{
		"silent": played(ftptest.VSFTPD(), ftptest.Step{On: "USER", Conn: 1, Then: ftptest.Silence}),
	} {
		t.Run(name, func(t *testing.T) {
			memory := new(ftpnat.MemoryMap)
			s.dialer = func(d *ftpnat.Dialer) { d.Memory = memory }
			inBubble(t, s, func(t *testing.T, w *world) {
				ctx, cancel := context.WithTimeout(w.ctx, 25*time.Second)
				defer cancel()
				fsys, err := w.d.Open(ctx, "ftp://"+w.Addr+"/pub")
				if err == nil {
					fsys.Close()
				}
				if w.Server.Counters().Connections > 1 {
					second := w.Server.Transcript()[1]
					if len(second.Lines) > 1 && second.Lines[0].Dir == ftptest.Received {
						t.Errorf("the second try sends before the greeting: %v", second.Verbs())
					}
				}
				for _, l := range lessons(t, memory) {
					if l.Flight != ftpnat.No {
						t.Errorf("the login in one go is %v", l.Flight)
					}
				}
				if len(lessons(t, memory)) == 0 {
					t.Error("nothing is remembered")
				}
			})
		})
	}
}

func TestLastWord(t *testing.T) {
	const patience = 10 * time.Second
	for name, tt := range map[string]struct {
		s    setup
		code int
	}{
		"421":     {played(ftptest.VSFTPD(), ftptest.Step{On: ftptest.Greeting, Reply: "421 Too many connections.", Then: ftptest.Cut}), 421},
		"CWD 450": {played(ftptest.VSFTPD(), ftptest.Step{On: "CWD", Reply: "450 Busy."}), 450},
		"reset":   {played(ftptest.VSFTPD(), ftptest.Step{On: ftptest.Greeting, Then: ftptest.Reset}), 0},
	} {
		for way, enter := range entryWays {
			if name == "CWD 450" && way != "Open" {
				continue
			}
			if name == "reset" && way != "Open" || way == "Probe" {
				continue // that is not tried again
			}
			t.Run(name+" "+way, func(t *testing.T) {
				inBubble(t, tt.s, func(t *testing.T, w *world) {
					ctx, cancel := context.WithTimeout(w.ctx, patience)
					defer cancel()
					start := time.Now()
					err := enter(w.d, ctx, w.Addr)
					if ctx.Err() == nil {
						t.Skipf("%v, after %v: it ended before the context did", err, time.Since(start))
					}
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v is not the context's error", err)
					}
					var ne net.Error
					if tt.code != 0 && replyOf(err).Code != tt.code || tt.code == 0 && !errors.Is(err, syscall.ECONNRESET) && !errors.As(err, &ne) {
						t.Errorf("%v has not the last word", err)
					}
				})
			})
		}
	}
	for op, f := range map[string]func(fsys *ftpnat.FS) error{
		"ReadFile":  func(fsys *ftpnat.FS) error { return second(fsys.ReadFile("pub/file.bin")) },
		"WriteFile": func(fsys *ftpnat.FS) error { return fsys.WriteFile("x", small, 0o644) },
		"Upload":    func(fsys *ftpnat.FS) error { return second(fsys.Upload("x", bytes.NewReader(small))) },
		"ReadDir":   func(fsys *ftpnat.FS) error { return second(fsys.ReadDir("pub")) },
		"Mkdir":     func(fsys *ftpnat.FS) error { return fsys.Mkdir("d", 0o755) },
	} {
		t.Run(op, func(t *testing.T) {
			verbs := []ftptest.Step{{On: "RETR", Reply: "450 Busy."}, {On: "STOR", Reply: "450 Busy."}, {On: "LIST", Reply: "450 Busy."}, {On: "STAT", Reply: "450 Busy."}, {On: "MKD", Reply: "450 Busy."}}
			inBubble(t, played(ftptest.VSFTPD(), func(srv *ftptest.Server) { srv.Script = verbs }), func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				err := f(fsys.WithContext(ctx))
				if ctx.Err() == nil {
					t.Skipf("%v: it ended before the context did", err)
				}
				if !errors.Is(err, context.DeadlineExceeded) || replyOf(err).Code != 450 {
					t.Errorf("%v has not both", err)
				}
			})
		})
	}
}

// TestSlowPASS has a server that takes 25 s for a password: it is sent once. A USER
// that is not answered for so long is another matter: a server that a login in one
// go has wedged does that (TestFlightUnanswered).
func TestSlowPASS(t *testing.T) {
	for _, ahead := range []bool{true, false} {
		for way, enter := range entryWays {
			if way == "Probe" {
				continue // ends within 30 s
			}
			for _, verb := range []string{"PASS"} {
				t.Run(fmt.Sprint(verb, ahead, way), func(t *testing.T) {
					s := played(ftptest.VSFTPD(), ftptest.Step{On: verb, Delay: 25 * time.Second})
					s.dialer = func(d *ftpnat.Dialer) {
						if !ahead {
							plain(d)
						}
					}
					inBubble(t, s, func(t *testing.T, w *world) {
						if err := enter(w.d, w.ctx, w.Addr); err != nil {
							t.Error(err)
						}
						if n := w.Server.Counters().Connections; n != 1 || w.commands("PASS") != 1 {
							t.Errorf("%d connections, %d PASS", n, w.commands("PASS"))
						}
					})
				})
			}
		}
	}
}
