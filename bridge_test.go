package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// TestBridge runs a jlaffaye/ftp program, unmodified but for its one option,
// through each kind of path.
func TestBridge(t *testing.T) {
	cases := []struct {
		name  string
		setup setup
	}{
		{"EPSV", setup{}},
		{"PASV", setup{near: []memnet.Box{homeNAT, on("EPSV", memnet.Swallow)}}},
		{"PORT", setup{far: []memnet.Box{activeOnly}}},
		{"MLSD", setup{ftp: func(s *ftptest.Server) { s.Personality = ftptest.ProFTPD() }}},
		{"PRET", setup{ftp: func(s *ftptest.Server) {
			s.Personality = ftptest.Plain()
			s.Personality.Data.RequirePRET = true
			s.Personality.Features = append(slices.Clone(s.Personality.Features), "PRET")
		}}},
		{"250", setup{ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RETR", Final: "250 Done."}, {On: "STOR", Final: "250 Done."}}
		}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.setup, func(t *testing.T, w *world) { program(t, w) })
		})
	}
}

// program is what existing users of jlaffaye/ftp do.
func program(t *testing.T, w *world) {
	fail := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	c, err := ftp.Dial(w.Addr, ftp.DialWithDialFunc(w.d.DialFunc(w.ctx)))
	if err != nil {
		t.Fatal(err)
	}
	fail("login", c.Login("anonymous", "secret word"))
	fail("mkdir", c.MakeDir("new"))
	fail("stor", c.Stor("new/a", bytes.NewReader(content)))
	fail("append", c.Append("new/a", strings.NewReader("tail")))
	fail("empty", c.Stor("new/b", strings.NewReader("")))
	names, err := c.NameList("new")
	fail("nlst", err)
	if len(names) != 2 {
		t.Errorf("NameList: %q", names)
	}
	entries, err := c.List("new")
	fail("list", err)
	found := 0
	for _, e := range entries {
		if e.Name == "a" && e.Size == uint64(len(content)+4) || e.Name == "b" && e.Size == 0 {
			found++
		}
	}
	if found != 2 {
		t.Errorf("List: %+v", entries)
	}
	r, err := c.RetrFrom("new/a", 100_000)
	fail("retr", err)
	if err == nil {
		got, err := io.ReadAll(r)
		fail("read", err)
		if want := append(slices.Clone(content), "tail"...)[100_000:]; !bytes.Equal(got, want) {
			t.Errorf("read %d bytes, want %d others", len(got), len(want))
		}
		fail("close", r.Close())
	}
	var walked []string
	for walk := c.Walk("new"); walk.Next(); {
		walked = append(walked, walk.Path())
	}
	if slices.Sort(walked); !slices.Equal(walked, []string{"new/a", "new/b"}) {
		t.Errorf("Walk: %q", walked)
	}
	if _, err = c.Retr("missing"); err == nil || !strings.HasPrefix(err.Error(), "550") {
		t.Errorf("Retr of a missing file: %v", err)
	}
	fail("rename", c.Rename("new/a", "new/c"))
	fail("delete", c.Delete("new/c"))
	fail("rmdir", c.RemoveDirRecur("/new"))
	fail("quit", c.Quit())
	if strings.Contains(w.log.String(), "secret") {
		t.Error("the trace has the password")
	}
}

// bridged logs in with jlaffaye/ftp over a dial function.
func (w *world) bridged(t *testing.T, dial func(network, addr string) (net.Conn, error)) *ftp.ServerConn {
	t.Helper()
	c, err := ftp.Dial(w.Addr, ftp.DialWithDialFunc(dial))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login("anonymous", "x"); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBridgeTruth wants what jlaffaye/ftp alone leaves in Close to come from
// Read: the data that is not all.
func TestBridgeTruth(t *testing.T) {
	inBubble(t, setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "RETR", Final: "426 Failure writing network stream."}}
	}}, func(t *testing.T, w *world) {
		c := w.bridged(t, w.d.DialFunc(w.ctx))
		defer c.Quit()
		r, err := c.Retr("pub/file.bin")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), "426") {
			t.Errorf("Read ended with %v, want the 426", err)
		}
		if err := r.Close(); err == nil {
			t.Error("Close is nil, want the 426")
		}
		if err := c.NoOp(); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}

// TestBridgeNegotiateError wants the whole story from the program's call, and
// a connection that is of use afterwards.
func TestBridgeNegotiateError(t *testing.T) {
	s := setup{near: []memnet.Box{homeNAT}, far: []memnet.Box{activeOnly}}
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.bridged(t, w.d.DialFunc(w.ctx))
		defer c.Quit()
		_, err := c.List("")
		var ne *ftpnat.NegotiateError
		if !errors.As(err, &ne) {
			t.Errorf("List: %v, want a *NegotiateError", err)
		}
		if _, err := c.CurrentDir(); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}

// TestBridgeMany has one function serve several connections, and its context
// end them.
func TestBridgeMany(t *testing.T) {
	inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Limits.Rate = 10_000 }}, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(w.ctx)
		dial := w.d.DialFunc(ctx)
		var reads []*ftp.Response
		for range 3 {
			c := w.bridged(t, dial)
			defer c.Quit()
			r, err := c.Retr("pub/file.bin")
			if err != nil {
				t.Fatal(err)
			}
			reads = append(reads, r)
		}
		time.AfterFunc(time.Second, cancel)
		for _, r := range reads {
			if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
				t.Errorf("the read ended with %v, want context.Canceled", err)
			}
			r.Close()
		}
	})
}
