package ftpnat_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// embedded is a server like those that are libraries in other programs: none of
// the well-known ones, and with no greeting to know it by.
func embedded(edit func(*ftptest.Personality)) setup {
	return setup{
		dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 },
		ftp: func(s *ftptest.Server) {
			s.Personality = ftptest.Plain()
			s.Personality.Listing.ShowHidden, s.Personality.Listing.Options = true, false
			edit(&s.Personality)
		},
	}
}

// overTLS puts a setup under TLS.
func overTLS(t *testing.T, s setup) setup {
	t.Helper()
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	server, dialer := s.ftp, s.dialer
	s.ftp = func(s *ftptest.Server) {
		server(s)
		s.TLS, s.RequireTLS = cert.Server.Clone(), true
	}
	s.dialer = func(d *ftpnat.Dialer) {
		dialer(d)
		d.TLSConfig = &tls.Config{RootCAs: cert.Pool}
	}
	return s
}

// within fails the test where f takes longer in virtual time.
func within(t *testing.T, d time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > d {
		t.Errorf("took %v, want at most %v", took, d)
	}
}

// TestUploadKeptOpen has a server, goftp's, leave the data connections of
// uploads open. What it says of them is enough.
func TestUploadKeptOpen(t *testing.T) {
	s := overTLS(t, embedded(func(p *ftptest.Personality) { p.Data.KeepUpload = true }))
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for i, n := range []int{0, 100, 200_000} {
			within(t, time.Second, func() {
				name := fmt.Sprintf("up%d", i)
				if err := fsys.WriteFile(name, content[:n], 0o644); err != nil {
					t.Error(err)
				}
				w.has(t, name, string(content[:n]))
			})
		}
	})
}

// TestUploadKeptOpenRefused has such a server refuse an upload that was sent
// before the 150.
func TestUploadKeptOpenRefused(t *testing.T) {
	s := overTLS(t, embedded(func(p *ftptest.Personality) { p.Data.KeepUpload = true }))
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		if err := fsys.WriteFile("up", content[:100], 0o644); err != nil {
			t.Fatal(err)
		}
		within(t, 2*time.Second, func() {
			if err := fsys.WriteFile("nowhere/up", content[:100], 0o644); !refuses(err, "STOR") {
				t.Errorf("into a directory that is not there: %v", err)
			}
			if err := fsys.WriteFile("up", content[:50], 0o644); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestLazyTLS has a server, as those of crypto/tls do, close the data connection
// of an empty file before any TLS.
func TestLazyTLS(t *testing.T) {
	s := overTLS(t, embedded(func(p *ftptest.Personality) { p.TLS.Lazy = true }))
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for range 3 {
			if got, err := fsys.ReadFile("empty"); err != nil || len(got) != 0 {
				t.Errorf("an empty file: %d bytes, %v", len(got), err)
			}
			if got, err := fsys.ReadFile("pub/file.bin"); err != nil || !bytes.Equal(got, content) {
				t.Errorf("another file: %d bytes, %v", len(got), err)
			}
		}
		c := w.dial()
		defer c.Close()
		r, err := c.Retrieve(w.ctx, "empty", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || len(got) != 0 {
			t.Errorf("Retrieve: %d bytes, %v", len(got), err)
		}
		r.Close()
	})
}

// TestLazyTLSForged has somebody close data connections before the handshake.
// The server has had its data taken, and says that all went well.
func TestLazyTLSForged(t *testing.T) {
	s := overTLS(t, embedded(func(p *ftptest.Personality) {}))
	server := s.ftp
	s.ftp = func(s *ftptest.Server) {
		server(s)
		s.Script = []ftptest.Step{{On: "RETR", After150: "226 Transfer complete."}}
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		if got, err := fsys.ReadFile("pub/file.bin"); err == nil {
			t.Errorf("%d bytes and no error", len(got))
		}
		c := w.dial()
		defer c.Close()
		if r, err := c.Retrieve(w.ctx, "pub/file.bin", 0); err == nil {
			r.Close()
			t.Error("Retrieve: no error")
		}
	})
}

// TestRefusedBeforeTLS has a server find out after the 150 that it cannot read
// what was asked for, and say so without a byte of TLS.
func TestRefusedBeforeTLS(t *testing.T) {
	s := overTLS(t, embedded(func(p *ftptest.Personality) {}))
	server := s.ftp
	s.ftp = func(s *ftptest.Server) {
		server(s)
		s.Script = []ftptest.Step{{On: "RETR", After150: "550 Issue during transfer: read pub: is a directory"}}
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		_, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
		if r := replyOf(err); r.Code != 550 || isNegotiate(err) {
			t.Errorf("Retrieve: %v", err)
		}
	})
}

// TestRestAppends has a server append where STOR follows a REST, whatever its
// number.
func TestRestAppends(t *testing.T) {
	s := embedded(func(p *ftptest.Personality) { p.Files.RestAppends = true })
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		for range 3 {
			if err := w.store(c); err != nil {
				t.Fatal(err)
			}
			r, err := c.Retrieve(w.ctx, "up.bin", 5)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content[5:]) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
			r.Close()
		}
	})
}

// TestForgottenConnector has a server, ftp-srv, forget data connections that were
// asked for: the end of the one before takes them along.
func TestForgottenConnector(t *testing.T) {
	for name, forget := range map[string]func(nth int) bool{
		"once":             func(nth int) bool { return nth == 2 },
		"every third time": func(nth int) bool { return nth%3 == 0 },
	} {
		for _, reply := range []string{"551 No connector setup, send PASV or PORT", "451 No connector setup, send PASV or PORT", "450 unable to open transfer: no transfer connection"} {
			t.Run(name+" "+reply[:3], func(t *testing.T) {
				s := embedded(func(p *ftptest.Personality) {})
				server := s.ftp
				s.ftp = func(s *ftptest.Server) {
					server(s)
					for nth := 1; nth < 100; nth++ {
						if forget(nth) {
							s.Script = append(s.Script, ftptest.Step{On: "RETR", Nth: nth, Reply: reply})
						}
					}
				}
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					within(t, 20*time.Second, func() {
						for range 20 {
							if got, err := fsys.ReadFile("pub/file.bin"); err != nil || !bytes.Equal(got, content) {
								t.Errorf("%d bytes, %v", len(got), err)
							}
						}
					})
					if n := w.Server.Counters().Connections; n > 1 {
						t.Errorf("%d control connections, want 1", n)
					}
				})
			})
		}
	}
}

// TestNamedForConnector has the name of a file read as such a refusal.
func TestNamedForConnector(t *testing.T) {
	s := embedded(func(p *ftptest.Personality) { *p = p.Saying("RETR.failed", "550 {arg}: {why}") })
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		if _, err := c.Retrieve(w.ctx, "send PASV or PORT", 0); isNegotiate(err) || replyOf(err).Code != 550 {
			t.Errorf("Retrieve: %v", err)
		}
	})
}

// TestTransientMissing has a server refuse with a transient code what is not
// there, or may not be seen: trying again would be of no use.
func TestTransientMissing(t *testing.T) {
	for _, machine := range []bool{true, false} {
		t.Run(fmt.Sprint(machine), func(t *testing.T) {
			s := embedded(func(p *ftptest.Personality) {
				*p = p.Saying("LIST.failed", "451 ENOENT: no such file or directory, stat '{path}'",
					"MLSD.failed", "450 Could not list: {why}", "RMD.failed", "451 file system error",
					"RNFR", "350 Ready.", "RNFR.failed", "350 Ready.")
				if !machine {
					p.Missing = append(p.Missing, "MLSD", "MLST")
				}
			})
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				within(t, 10*time.Second, func() {
					if _, err := fsys.ReadDir("."); err != nil {
						t.Error(err)
					}
					if _, err := fsys.ReadDir("nope"); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("ReadDir: %v", err)
					}
					if err := fsys.MkdirAll("a/b c/d", 0o755); err != nil {
						t.Errorf("MkdirAll: %v", err)
					}
					if err := fsys.Remove("a"); !errors.Is(err, syscall.ENOTEMPTY) {
						t.Errorf("Remove: %v", err)
					}
					if err := fsys.Rename("nope", "new"); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("Rename: %v", err)
					}
					if err := fsys.RemoveAll("a"); err != nil {
						t.Errorf("RemoveAll: %v", err)
					}
				})
				w.left(t, "/", "empty", "pub")
			})
		})
	}
}

// TestRMDAll has a server remove directories with all that is in them.
func TestRMDAll(t *testing.T) {
	s := embedded(func(p *ftptest.Personality) { p.Files.RMDAll = true })
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		if err := fsys.Remove("pub"); !errors.Is(err, syscall.ENOTEMPTY) {
			t.Errorf("Remove: %v", err)
		}
		w.has(t, "pub/file.bin", string(content))
		if err := fsys.RemoveAll("pub"); err != nil {
			t.Errorf("RemoveAll: %v", err)
		}
		w.left(t, "/", "empty")
	})
}

// TestRMDAllUnreadable has the listing of a directory hold one line that nobody can
// read: on a server that removes what is in a directory, it stays.
func TestRMDAllUnreadable(t *testing.T) {
	s := embedded(func(p *ftptest.Personality) { p.Files.RMDAll = true })
	server := s.ftp
	s.ftp = func(srv *ftptest.Server) {
		server(srv)
		srv.EditList = func(_ string, lines []string) []string { return append(lines, "?!") }
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		if err := fsys.Remove("pub"); err == nil {
			t.Error("Remove: no error")
		}
		w.has(t, "pub/file.bin", string(content))
	})
}

// TestNameChanged has a server take letters out of names, and say nothing of it.
func TestNameChanged(t *testing.T) {
	s := embedded(func(p *ftptest.Personality) {
		p.Files.Strip = "\"\\ü"
		p.Features = []string{"MDTM", "SIZE", "REST STREAM"}
	})
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		for _, name := range []string{`qu"ote`, `back\slash`, "fünf"} {
			if err := fsys.WriteFile(name, []byte("x"), 0o644); err == nil {
				t.Errorf("WriteFile %s: no error", name)
			}
			if err := fsys.Mkdir(name+"2", 0o755); err == nil {
				t.Errorf("Mkdir %s: no error", name)
			}
		}
		for _, name := range []string{"plain", "déjà", "vu à la"} {
			if err := fsys.WriteFile(name, []byte("x"), 0o644); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestWalkRemembered has a server's replies to REST prove nothing, so that
// listings by STAT cost a connection: once, and not each time that it is opened.
func TestWalkRemembered(t *testing.T) {
	s := treeSetup(t, ftptest.VSFTPD().Saying("REST", "350 OK"), 1, mixedTree())
	inBubble(t, s, func(t *testing.T, w *world) {
		for i := range 3 {
			before := w.Server.Counters().Connections
			fsys := w.openFS(t, "")
			names := 0
			err := fs.WalkDir(fsys, ".", func(string, fs.DirEntry, error) error { names++; return nil })
			if err != nil || names < len(mixedTree()) {
				t.Errorf("walk: %d names, %v", names, err)
			}
			fsys.Close()
			if n := w.Server.Counters().Connections - before; i > 0 && n != 1 {
				t.Errorf("walk %d: %d control connections, want 1", i, n)
			}
		}
		if !strings.Contains(w.Verbs(), "STAT") {
			t.Error("no STAT at all")
		}
	})
}

// TestFlightMixed has a server answer the last command of a login first, and no
// other: that takes no long wait to know.
func TestFlightMixed(t *testing.T) {
	s := embedded(func(p *ftptest.Personality) { p.Control.Ahead = ftptest.FirstOnly })
	server := s.ftp
	s.ftp = func(s *ftptest.Server) {
		server(s)
		s.Script = []ftptest.Step{{On: "USER", Conn: 1, Before: "229 Entering Extended Passive Mode (|||50000|)"}}
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		within(t, 5*time.Second, func() {
			c := w.dial()
			defer c.Close()
			if err := w.fetch(c); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestFlightSideBySide has a server, ftp-srv, obey what it gets at once and side
// by side, so that it refuses what is not for strangers before the login is done.
// That is no refusal of the user.
func TestFlightSideBySide(t *testing.T) {
	for name, answer := range map[string]string{
		"in turn":        "530 Command requires authentication: EPSV\r\n230 User logged in\r\n",
		"in one another": "530 Command requires authentication: EPSV\r\n211-Extensions\r\n SIZE\r\n230 User logged in\r\n200 Ok\r\n MDTM\r\n211 End\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := embedded(func(*ftptest.Personality) {})
			server := s.ftp
			s.ftp = func(s *ftptest.Server) {
				server(s)
				s.Script = []ftptest.Step{{On: "PASS", Conn: 1, Raw: answer}}
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				within(t, time.Second, func() {
					c := w.dial()
					defer c.Close()
					if err := w.fetch(c); err != nil {
						t.Error(err)
					}
					if mode := c.Report().Mode; mode != ftpnat.EPSV {
						t.Errorf("mode %v, want EPSV, which is not to blame", mode)
					}
				})
				within(t, time.Second, func() { w.dial().Close() })
				if n := w.Server.Counters().Connections; n != 3 {
					t.Errorf("%d control connections, want 3: it is remembered", n)
				}
			})
		})
	}
}

// TestActiveFiles reads and writes files in active mode as Twisted's server wants
// it: see TestActiveOneByOne.
func TestActiveFiles(t *testing.T) {
	s := setup{dialer: func(d *ftpnat.Dialer) {
		d.Modes, d.MaxConns, d.Memory = []ftpnat.Mode{ftpnat.PORT}, 1, new(ftpnat.MemoryMap)
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "").WithContext(w.ctx)
		for i := range 5 {
			name := fmt.Sprintf("up%d", i)
			if err := fsys.WriteFile(name, content[:100+i], 0o644); err != nil {
				t.Error(err)
			}
			w.has(t, name, string(content[:100+i]))
			if got, err := fsys.ReadFile(name); err != nil || len(got) != 100+i {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}
		if n := w.Server.Counters().Commands["STOR"]; n != 5 {
			t.Errorf("%d times STOR, want 5", n)
		}
		learnt, err := w.d.Memory.(*ftpnat.MemoryMap).MarshalJSON()
		if err != nil || strings.Contains(string(learnt), `"ahead":"no"`) || strings.Contains(string(learnt), `"queue":"no"`) {
			t.Errorf("learnt %s, %v", learnt, err)
		}
		w.answered(t, "PORT")
	})
}

// TestFlightSwapped has a server, aioftp, answer the last two commands of a login
// in the other order.
func TestFlightSwapped(t *testing.T) {
	s := embedded(func(*ftptest.Personality) {})
	server := s.ftp
	s.ftp = func(s *ftptest.Server) {
		server(s)
		s.Script = []ftptest.Step{
			{On: "EPSV", Conn: 1, Nth: 1, Reply: "502 'feat' not implemented"},
			{On: "FEAT", Conn: 1, Nth: 1, Reply: "229 listen socket created (|||50000|)"},
		}
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		within(t, time.Second, func() {
			c := w.dial()
			defer c.Close()
			if err := w.fetch(c); err != nil {
				t.Error(err)
			}
		})
	})
}
