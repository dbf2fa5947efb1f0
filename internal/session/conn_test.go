package session

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// TestWant: a reply with another code is an error, and one that can be looked at.
func TestWant(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		c := w.open(t, "")
		for _, tt := range []struct {
			want int
			line string
			ok   bool
		}{
			{250, "CWD pub", true}, {2, "NOOP", true}, {25, "CWD deep", true}, {0, "SIZE none", true},
			{2, "SIZE none", false}, {213, "NOOP", false},
		} {
			r, err := c.Want(w.ctx, tt.want, tt.line)
			if (err == nil) != tt.ok || r.Code == 0 {
				t.Errorf("Want(%d, %s) = %v, %v", tt.want, tt.line, r, err)
			}
			var refused *proto.Error
			if err != nil && (!errors.As(err, &refused) || refused.Reply.Code != r.Code || refused.Command != tt.line) {
				t.Errorf("Want(%d, %s): %#v", tt.want, tt.line, err)
			}
		}
	})
}

// TestHome comes back from wherever a session was led.
func TestHome(t *testing.T) {
	for _, dir := range []string{"", "pub", "/pub/deep"} {
		run(t, nil, func(t *testing.T, w *world) {
			c := w.open(t, dir)
			home := pwd(t, w.ctx, c)
			for range 2 {
				for _, line := range []string{"CWD /", "CWD pub"} {
					if _, err := c.Want(w.ctx, 2, line); err != nil {
						t.Error(err)
					}
				}
				if err := c.Home(w.ctx); err != nil {
					t.Error(err)
				}
				if got := pwd(t, w.ctx, c); got != home {
					t.Errorf("in %q, want %q", got, home)
				}
			}
			if w.conns() != 3 {
				t.Errorf("%d connections", w.conns())
			}
		})
	}
}

// TestReplaced: a connection that was given up, or has ended, is replaced by one
// in the same state.
func TestReplaced(t *testing.T) {
	set := func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "NOOP", Nth: 1, Reply: ftptest.None, Then: ftptest.Reset}}
	}
	run(t, set, func(t *testing.T, w *world) {
		c := w.open(t, "pub")
		if _, err := c.Want(w.ctx, 2, "CWD deep"); err != nil {
			t.Error(err)
		}
		if _, err := c.Want(w.ctx, 2, "NOOP"); err != nil {
			t.Error(err)
		}
		c.Drop(w.ctx, errors.New("test"))
		if c.Alive() || c.Answers(w.ctx) {
			t.Error("alive")
		}
		if got := pwd(t, w.ctx, c); got != "/pub/deep" || w.conns() != 3 || !c.Alive() {
			t.Errorf("in %q after %d connections", got, w.conns())
		}
		if _, utf8 := c.Feature("UTF8"); !utf8 || c.Features() == nil {
			t.Errorf("features: %v", c.Features())
		}
	})
}

// get reads a file through the transfer engine.
func get(t *testing.T, w *world, c *Conn, name, want string) {
	t.Helper()
	tr, err := c.Transfer().Open(w.ctx, transfer.Request{Line: "RETR " + name})
	if err != nil {
		t.Error(err)
		return
	}
	got, err := io.ReadAll(tr)
	if err == nil {
		err = io.EOF
	}
	if err := tr.End(w.ctx, err); err != io.EOF || string(got) != want {
		t.Errorf("%s: %q, %v", name, got, err)
	}
}

// TestWithLogin: once a mode is proven the command for a data connection travels
// with the first login of a session, and with no other.
func TestWithLogin(t *testing.T) {
	run(t, nil, func(t *testing.T, w *world) {
		c := w.open(t, "pub/deep")
		get(t, w, c, "file.bin", "content")
		c = w.open(t, "pub/deep")
		if got := w.verbs(2); got != "USER PASS TYPE OPTS CWD EPSV FEAT" {
			t.Errorf("the second login: %s", got)
		}
		get(t, w, c, "file.bin", "content")
		if got := w.verbs(2); strings.Count(got, "EPSV RETR") != 0 || strings.Count(got, "RETR") != 1 {
			t.Errorf("a port was asked for twice: %s", got)
		}
		c.Drop(w.ctx, errors.New("test"))
		get(t, w, c, "file.bin", "content")
		if got := w.verbs(3); !strings.HasPrefix(got, "USER PASS TYPE OPTS CWD EPSV RETR") {
			t.Errorf("the third connection: %s", got)
		}
	})
}

// TestSettled has a port asked for along with a login answered late, or not at
// all: the commands that follow get their own replies.
func TestSettled(t *testing.T) {
	for name, step := range map[string]ftptest.Step{
		"late":    {On: "EPSV", Nth: 2, Delay: time.Second},
		"refused": {On: "EPSV", Nth: 2, Reply: "522 No."},
		"never":   {On: "EPSV", Nth: 2, Reply: ftptest.None},
		"lost":    {On: "EPSV", Nth: 2, Reply: ftptest.None, Then: ftptest.Reset},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(s *ftptest.Server) { s.Script = []ftptest.Step{step} }, func(t *testing.T, w *world) {
				get(t, w, w.open(t, "pub/deep"), "file.bin", "content")
				c := w.open(t, "pub/deep")
				start := time.Now()
				for range 2 {
					if got := pwd(t, w.ctx, c); got != "/pub/deep" {
						t.Errorf("in %q", got)
					}
					if r, err := c.Want(w.ctx, 213, "SIZE file.bin"); r.Size() != 7 {
						t.Errorf("SIZE: %v, %v", r, err)
					}
				}
				get(t, w, c, "file.bin", "content")
				if took := time.Since(start); took > 10*time.Second || w.conns() > 3 {
					t.Errorf("took %v and %d connections", took, w.conns())
				}
			})
		})
	}
}
