package ftpnat_test

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// TestFigures is the time from Open to the first byte of a file, at a round
// trip of 50 ms.
func TestFigures(t *testing.T) {
	cases := []struct {
		name  string
		setup setup
		limit time.Duration
	}{
		{"nothing in the way", setup{ftp: func(s *ftptest.Server) { s.Personality = ftptest.ProFTPD() }}, 12 * rtt},
		{"nothing in the way, vsftpd", setup{}, 12 * rtt},
		{"229 dropped", setup{near: []memnet.Box{memnet.ReplyBox{Code: "229", Port: 3001}}, far: []memnet.Box{dropPort(3001)}}, 3 * time.Second},
		{"EPSV swallowed", setup{near: []memnet.Box{homeNAT, on("EPSV", memnet.Swallow)}}, 4 * time.Second},
		{"passive dropped", setup{far: []memnet.Box{activeOnly}}, 6 * time.Second},
		{"passive dropped, public address learnt", setup{far: []memnet.Box{activeOnly},
			ftp:  func(s *ftptest.Server) { s.Personality.Data.ForeignPORT = ftptest.Connect },
			near: []memnet.Box{memnet.NAT{Public: natAddr, Forwards: []memnet.Forward{{Ports: memnet.AllPorts, To: privateClient}}}}}, 6 * time.Second},
		{"PORT reset", setup{near: []memnet.Box{homeNAT, on("PORT", memnet.Reset)}, dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT, ftpnat.EPSV} }}, 1500 * time.Millisecond},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.setup, func(t *testing.T, w *world) {
				start := time.Now()
				fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/pub")
				if err != nil {
					t.Fatal(err)
				}
				defer fsys.Close()
				f, err := fsys.Open("file.bin")
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				if _, err := f.Read(make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				took := time.Since(start)
				t.Logf("%v", took)
				if took > c.limit {
					t.Errorf("the first byte came after %v, want at most %v", took, c.limit)
				}
			})
		})
	}
}

// TestFiguresByServer is the same for ReadFile on each server, with nothing in
// the way.
func TestFiguresByServer(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Personality = p }}, func(t *testing.T, w *world) {
				start := time.Now()
				var first time.Duration
				w.ctx = ftpnat.WithTrace(w.ctx, &ftpnat.Trace{Attempt: func(a ftpnat.Attempt) {
					if a.Cause == ftpnat.OK && first == 0 {
						first = time.Since(start)
					}
				}})
				fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/pub")
				if err != nil {
					t.Fatal(err)
				}
				defer fsys.Close()
				got, err := fsys.WithContext(w.ctx).ReadFile("file.bin")
				if err != nil || !bytes.Equal(got, content) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				t.Logf("%v, %d round trips", first, first/rtt)
				if limit := 14 * rtt; first > limit {
					t.Errorf("the first byte came after %v, want at most %v", first, limit)
				}
			})
		})
	}
}

// TestNothingWorksFS negotiates once, whatever forms of listing there are.
func TestNothingWorksFS(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			s := setup{near: []memnet.Box{homeNAT}, far: []memnet.Box{activeOnly}, ftp: func(s *ftptest.Server) { s.Personality = p }}
			inBubble(t, s, func(t *testing.T, w *world) {
				fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr)
				if err != nil {
					t.Fatal(err)
				}
				defer fsys.Close()
				for name, f := range map[string]func() error{
					"ReadDir":  func() error { _, err := fs.ReadDir(fsys, "."); return err },
					"ReadFile": func() error { _, err := fs.ReadFile(fsys, "empty"); return err },
				} {
					start := time.Now()
					err := f()
					var ne *ftpnat.NegotiateError
					if !errors.As(err, &ne) {
						t.Errorf("%s: err = %v", name, err)
						continue
					}
					if took := time.Since(start); took >= 30*time.Second {
						t.Errorf("%s took %v", name, took)
					}
					if !slices.ContainsFunc(ne.Attempts, func(a ftpnat.Attempt) bool { return a.Cause == ftpnat.DialTimeout }) || len(ne.Advice()) == 0 {
						t.Errorf("%s: %v", name, err)
					}
					if errors.As(err, new(*ftpnat.ReplyError)) {
						t.Errorf("%s: a reply to one of the attempts passes for the server's word on the name", name)
					}
				}
			})
		})
	}
}

// TestActiveSmall takes no pause where the server has sent all before its
// connection was taken.
func TestActiveSmall(t *testing.T) {
	inBubble(t, setup{dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT} }}, func(t *testing.T, w *world) {
		if err := w.Server.Tree.WriteFile("small", []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		c := w.dial()
		defer c.Close()
		for range 5 {
			start := time.Now()
			rc, err := c.Retrieve(w.ctx, "small", 0)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 2)
			n, _ := rc.Read(b)
			if took := time.Since(start); n != 1 || took > 4*rtt {
				t.Errorf("read %d bytes in %v", n, took)
			}
			if err := rc.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestAdvice says what helps, and nothing of what was mended on the way.
func TestAdvice(t *testing.T) {
	refusedThenTaken := []ftpnat.Attempt{{Mode: ftpnat.EPSV, Cause: ftpnat.DialTimeout}, {Mode: ftpnat.PORT, Cause: ftpnat.Refused}, {Mode: ftpnat.PORT, Cause: ftpnat.AcceptTimeout}}
	if got := strings.Join((&ftpnat.NegotiateError{Attempts: refusedThenTaken}).Advice(), "\n"); strings.Contains(got, ftpnat.Refused.Advice()) || !strings.Contains(got, ftpnat.AcceptTimeout.Advice()) {
		t.Errorf("got %q", got)
	}
	if got := (&ftpnat.NegotiateError{Attempts: []ftpnat.Attempt{{Mode: ftpnat.PORT, Cause: ftpnat.Refused}, {Mode: ftpnat.PORT, Cause: ftpnat.NoAddress}}}).Advice(); !slices.Equal(got, []string{ftpnat.Refused.Advice(), ftpnat.NoAddress.Advice()}) {
		t.Errorf("got %q", got)
	}
}
