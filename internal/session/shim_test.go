package session

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat/internal/ftptest"
)

// large is a file of many segments.
var large = bytes.Repeat([]byte("0123456789abcdef"), 20_000)

// guest returns a program of jlaffaye/ftp that has logged in through a session.
func (w *world) guest(t *testing.T) *ftp.ServerConn {
	t.Helper()
	c, err := Guest(w.ctx, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	nc, dialled := NewShim(w.ctx, c), false
	verbs, err := ftp.Dial(addr, ftp.DialWithDialFunc(func(_, to string) (net.Conn, error) {
		if !dialled {
			dialled = true
			return nc, nil
		}
		_, port, err := net.SplitHostPort(to)
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(port)
		if d := nc.Waiting(n); d != nil {
			return d, nil
		}
		return nil, fmt.Errorf("nothing waits at %s: %v", to, err)
	}))
	if err == nil {
		err = verbs.Login("me", "hush")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { verbs.Quit() })
	return verbs
}

// TestTransfers has such a program move files.
func TestTransfers(t *testing.T) {
	set := func(s *ftptest.Server) {
		if err := s.Tree.WriteFile("large", large, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, set, func(t *testing.T, w *world) {
		c := w.guest(t)
		for range 3 {
			if got := read(t, c, "large", 0); !bytes.Equal(got, large) {
				t.Errorf("%d bytes", len(got))
			}
			if got := read(t, c, "large", 1000); !bytes.Equal(got, large[1000:]) {
				t.Errorf("%d bytes from the middle", len(got))
			}
			if err := c.Stor("up", bytes.NewReader(large)); err != nil {
				t.Error(err)
			}
			if got, err := w.srv.Tree.ReadFile("up"); !bytes.Equal(got, large) {
				t.Errorf("the server has %d bytes, %v", len(got), err)
			}
			if names, err := c.NameList("pub"); len(names) != 1 || err != nil {
				t.Errorf("names: %q, %v", names, err)
			}
		}
		if w.conns() != 1 {
			t.Errorf("%d control connections", w.conns())
		}
	})
}

// read reads a file.
func read(t *testing.T, c *ftp.ServerConn, name string, offset uint64) []byte {
	t.Helper()
	r, err := c.RetrFrom(name, offset)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return got
}

// TestTransferEnds has transfers end in ways of their own. The session goes on
// after each.
func TestTransferEnds(t *testing.T) {
	set := func(s *ftptest.Server) {
		s.Limits.Rate = 250_000 // it writes often enough to see soon that nobody reads
		s.Script = []ftptest.Step{{On: "RETR", Nth: 3, Final: "451 Read error."}, {On: "STOR", Nth: 2, Final: "552 Full."}}
		if err := s.Tree.WriteFile("large", large, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, set, func(t *testing.T, w *world) {
		c := w.guest(t)
		check := func(what string, err error, code string) {
			t.Helper()
			if (err == nil) != (code == "") || !strings.Contains(fmt.Sprint(err), code) {
				t.Errorf("%s: %v, want %s", what, err, code)
			}
			if _, err := c.CurrentDir(); err != nil {
				t.Errorf("after %s: %v", what, err)
			}
		}
		_, err := c.Retr("none")
		check("a missing file", err, "550 ")
		r, err := c.Retr("large")
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(r, make([]byte, 1000))
		check("the end of reading", r.Close(), "")
		if r, err = c.Retr("large"); err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(r)
		r.Close()
		check("the end of a file", err, "451 ")
		check("an upload", c.Stor("up", strings.NewReader("x")), "")
		check("one that is refused", c.Stor("up", strings.NewReader("x")), "552 ")
		r, err = c.Retr("large")
		if err != nil {
			t.Fatal(err)
		}
		r.SetDeadline(time.Now().Add(time.Second))
		_, err = io.ReadAll(r)
		if nerr, ok := err.(net.Error); !ok || !nerr.Timeout() {
			t.Errorf("past the deadline: %v", err)
		}
		check("a deadline", r.Close(), "426 ") // a read has failed
	})
}
