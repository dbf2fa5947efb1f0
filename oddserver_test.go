package ftpnat_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// TestDisplacedRefusal has servers answer a command behind the login while they
// still look at the user or the password, as ftp-srv 4.6 does: the refusal of
// that command is not one of the user. It is EPSV, which goes with the login once
// it has worked.
func TestDisplacedRefusal(t *testing.T) {
	const refusal = "530 Command requires authentication: EPSV"
	for _, on := range []string{"USER", "PASS"} {
		for _, good := range []bool{true, false} {
			t.Run(fmt.Sprint(on, good), func(t *testing.T) {
				s := setup{ftp: func(s *ftptest.Server) {
					s.Script = []ftptest.Step{{On: "EPSV", Conn: 2, Nth: 1, Reply: ftptest.None}, {On: on, Conn: 2, Before: refusal}}
					if !good {
						s.Script = []ftptest.Step{{On: on, Reply: "530 No."}}
					}
				}}
				inBubble(t, s, func(t *testing.T, w *world) {
					if good {
						c := w.dial()
						defer c.Close()
						if err := w.fetch(c); err != nil {
							t.Fatal(err)
						}
					}
					start := time.Now()
					fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/pub")
					if !good {
						if replyOf(err).Code != 530 || w.Server.Counters().Connections != 1 {
							t.Errorf("Open: %v, after %d connections", err, w.Server.Counters().Connections)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					defer fsys.Close()
					if got, err := fsys.ReadFile("file.bin"); err != nil || !bytes.Equal(got, content) {
						t.Errorf("ReadFile: %d bytes, %v", len(got), err)
					}
					if took := time.Since(start); took > 20*rtt {
						t.Errorf("took %v", took)
					}
					again := w.openFS(t, "pub")
					if n := w.Server.Counters().Connections; n != 4 {
						t.Errorf("%d connections for three sessions, want 4: the lesson was not kept", n)
					}
					if got, err := again.ReadFile("file.bin"); err != nil || !bytes.Equal(got, content) {
						t.Errorf("ReadFile: %d bytes, %v", len(got), err)
					}
				})
			})
		}
	}
}

// TestLostBehind has a server that keeps EPSV behind a transfer, answers it,
// and then forgets the data connection, as ftp-srv 4.6 does. A file is not blamed for that,
// and it does not go on for ever.
func TestLostBehind(t *testing.T) {
	for _, code := range []string{"551", "425", "451"} {
		t.Run(code, func(t *testing.T) {
			s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) {
				s.Personality = ftptest.VSFTPD().Saying("nodata", code+" No connector setup, send PASV or PORT")
				s.Personality.Control.During, s.Personality.Control.LoseBehind = ftptest.Defer, true
				files(30)(s)
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "").WithContext(w.ctx)
				for i := range 30 {
					if got, err := fsys.ReadFile(fmt.Sprintf("f%02d", i)); err != nil || !bytes.Equal(got, small) {
						t.Errorf("ReadFile %d: %d bytes, %v", i, len(got), err)
					}
				}
				if n := strings.Count(w.log.String(), "# EPSV: once more"); n == 0 || n > 4 {
					t.Errorf("%d attempts were made again, want a few", n)
				}
			})
		})
	}
}

// TestMarksUnanswered has servers that take REST and do not repeat its number,
// as busybox and ftpserverlib do, and some that have no REST: a walk costs the
// first a connection, once.
func TestMarksUnanswered(t *testing.T) {
	for name, rest := range map[string]bool{"no number": true, "no REST": false} {
		t.Run(name, func(t *testing.T) {
			s := treeSetup(t, ftptest.VSFTPD().Saying("REST", "350 Operation successful"), 1, mixedTree())
			if inner := s.ftp; !rest {
				s.ftp = func(srv *ftptest.Server) {
					inner(srv)
					p := &srv.Personality
					p.Missing = append(slices.Clone(p.Missing), "REST")
					p.Features = slices.DeleteFunc(slices.Clone(p.Features), func(f string) bool { return strings.HasPrefix(f, "REST") })
				}
			}
			inBubble(t, s, func(t *testing.T, w *world) {
				want := []int{2, 3, 4}
				if !rest {
					want = []int{1, 2, 3}
				}
				for _, n := range want {
					fsys := w.openFS(t, "")
					seen, err := walk(fsys, true)
					if err != nil {
						t.Fatal(err)
					}
					seen.same(t, expect(mixedTree()), true)
					if got := w.Server.Counters().Connections; got != n {
						t.Errorf("%d connections, want %d", got, n)
					}
				}
			})
		})
	}
}

// TestTransientRefusals has servers say with 4yz what will not change: aioftp of
// a directory that is not empty, ProFTPD and ftp-srv of one that is not there.
func TestTransientRefusals(t *testing.T) {
	p := ftptest.VSFTPD().Saying("RMD.failed", "451 file system error", "LIST.failed", "450 {arg}: No such file or directory")
	p.Listing.EmptyMissing = false
	s := setup{ftp: func(s *ftptest.Server) { s.Personality = p }}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		start := time.Now()
		for _, dir := range []string{"d", "d/e", "d/e/f"} {
			if err := fsys.Mkdir(dir, 0o755); err != nil {
				t.Error(err)
			}
		}
		if err := fsys.WriteFile("d/e/f/g", small, 0o644); err != nil {
			t.Error(err)
		}
		if err := fsys.Remove("d"); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Remove of a directory that is not empty: %v", err)
		}
		if err := fsys.RemoveAll("d"); err != nil {
			t.Error(err)
		}
		if _, err := fsys.ReadDir("missing"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ReadDir: %v", err)
		}
		if _, err := fsys.Stat("missing/deep"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat: %v", err)
		}
		if took := time.Since(start); took > 100*rtt {
			t.Errorf("took %v", took)
		}
	})
}

// TestNoDirectory has every server refuse files whose directory is not there.
func TestNoDirectory(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) { s.Personality = p }}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys := w.openFS(t, "")
				for _, n := range []int{0, 10, 200_000} {
					if err := fsys.WriteFile("missing/deep/name", content[:n], 0o644); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("WriteFile of %d bytes: %v", n, err)
					}
				}
				if err := fsys.WriteFile("empty/name", small, 0o644); err == nil || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("WriteFile below a file: %v", err)
				}
				if err := fsys.WriteFile("pub/name", small, 0o644); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestRenameAnything has a server take RNFR for any name, as busybox does.
func TestRenameAnything(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "RNFR", Reply: "350 Operation successful"}, {On: "RNTO", Reply: "550 Error"}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		if err := fsys.Rename("missing", "other"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Rename of a missing file: %v", err)
		}
		if err := fsys.Rename("empty", "other"); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Rename: %v", err)
		}
	})
}

// TestEarlyEndPureFTPd closes downloads before their end on a server that then
// says a second 150: the connection is kept, and what was learnt of it.
func TestEarlyEndPureFTPd(t *testing.T) {
	s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) { s.Personality = ftptest.PureFTPd() }}
	inBubble(t, s, func(t *testing.T, w *world) {
		big := bytes.Repeat(content, 40)
		if err := w.Server.Tree.WriteFile("big", big, 0o644); err != nil {
			t.Fatal(err)
		}
		fsys := w.openFS(t, "").WithContext(w.ctx)
		for i := range 4 {
			f, err := fsys.Open("big")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(f, make([]byte, 1000)); err != nil {
				t.Error(err)
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			if got, err := fsys.ReadFile("pub/file.bin"); err != nil || !bytes.Equal(got, content) {
				t.Errorf("ReadFile %d: %d bytes, %v", i, len(got), err)
			}
		}
		if n := w.Server.Counters().Connections; n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		if strings.Contains(w.log.String(), "does not keep commands") {
			t.Error("the server was taken for one that does not keep commands")
		}
	})
}

// TestQuotesDropped has a server drop the quotes in every command, as ftp-srv
// does: the file has another name then.
func TestQuotesDropped(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{
			{On: "STOR", Nth: 1, As: "STOR quote"}, {On: "SIZE", As: "SIZE quote"},
			{On: "MKD", As: "MKD aquote"},
		}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		if err := fsys.WriteFile(`quo"te`, small, 0o644); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("WriteFile: %v", err)
		}
		if err := fsys.Mkdir(`a"quote`, 0o755); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Mkdir: %v", err)
		}
	})
}

// TestRestartForbidden has a server take REST and refuse what follows, as ProFTPD
// does with AllowRetrieveRestart off: that will not change.
func TestRestartForbidden(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "RETR", Reply: "451 file.bin: Restart not permitted, try again"}}
	}}
	inBubble(t, s, func(t *testing.T, w *world) {
		f, err := w.openFS(t, "pub").Open("file.bin")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		start := time.Now()
		if _, err := f.(io.ReaderAt).ReadAt(make([]byte, 10), 1000); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("ReadAt: %v", err)
		}
		if took := time.Since(start); took > 20*rtt {
			t.Errorf("took %v", took)
		}
	})
}

// TestTypeRefused has a server without binary transfers: the error says so.
func TestTypeRefused(t *testing.T) {
	s := setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "TYPE", Reply: "550 Permission denied."}} }}
	inBubble(t, s, func(t *testing.T, w *world) {
		_, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/")
		if replyOf(err).Code != 550 || !strings.Contains(err.Error(), "TYPE I: 550") {
			t.Errorf("Open: %v", err)
		}
	})
}
