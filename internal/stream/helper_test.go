package stream

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/listing"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/pool"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/session"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// content is what is in "file".
var content = func() []byte {
	b := make([]byte, 200_000)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}()

const addr = "ftp.example.com:21"

// world is a network with one client and one server.
type world struct {
	srv     *ftptest.Server
	pool    *pool.Pool[*session.Conn]
	files   Files
	ctx     context.Context
	log     bytes.Buffer
	resumed []trace.Resume
	last    trace.Progress
}

// memory has the lessons of the sessions of one test, which log in one by one.
type memory map[proto.Key]proto.Lesson

// Recall returns a lesson.
func (m memory) Recall(k proto.Key) (proto.Lesson, bool) {
	l, ok := m[k]
	return l, ok
}

// Learn keeps a lesson.
func (m memory) Learn(k proto.Key, l proto.Lesson) { m[k] = l }

// Forget forgets one.
func (m memory) Forget(k proto.Key) { delete(m, k) }

// setup says what a world has that others have not.
type setup struct {
	ftp    func(*ftptest.Server)
	proven bool // EPSV is remembered
}

// inWorld calls f in virtual time, with one connection at most.
func inWorld(t *testing.T, s setup, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		nw := memnet.New(memnet.Config{Latency: 25 * time.Millisecond})
		client := nw.Host("client", netip.MustParseAddr("203.0.113.2"))
		server := nw.Host("ftp.example.com", netip.MustParseAddr("198.51.100.10"))
		tree := ftptest.NewTree()
		if err := tree.WriteFile("file", content, 0o644); err != nil {
			t.Fatal(err)
		}
		w := &world{srv: &ftptest.Server{Tree: tree, Network: ftptest.Network{Listen: server.Listen, Dial: server.DialFrom, ActivePort: 20}, Personality: ftptest.VSFTPD()}}
		if s.ftp != nil {
			s.ftp(w.srv)
		}
		ln, err := server.Listen(t.Context(), "tcp", ":21")
		if err != nil {
			t.Fatal(err)
		}
		w.srv.Start(ln)
		mem := memory{}
		if s.proven {
			mem = proven()
		}
		cfg := &session.Config{
			Server: addr, User: "me", Password: "hush",
			Dial:    func(ctx context.Context) (net.Conn, error) { return client.DialContext(ctx, "tcp", addr) },
			Attempt: 15 * time.Second, RetryFor: time.Minute,
			Path:     path.Config{Server: addr, Memory: mem},
			Transfer: transfer.Config{Host: "ftp.example.com", Dial: client.DialContext, Listen: client.Listen},
			Shared:   new(session.Shared),
		}
		w.pool = pool.New(pool.Config[*session.Conn]{
			Max:      1,
			Open:     func(ctx context.Context) (*session.Conn, error) { return session.Open(ctx, cfg, "") },
			Full:     func(err error) bool { return proto.ReplyOf(err).TooMany() },
			Again:    func(err error, proven bool) bool { return proven || proto.RefusedAt(err) },
			RetryFor: cfg.RetryFor,
		})
		w.files = Files{Pool: w.pool, Server: remote.NewServer(nil, time.UTC), RetryFor: cfg.RetryFor}
		w.ctx = w.traced(t.Context())
		defer func() {
			w.pool.Close()
			w.srv.Close()
			nw.Close()
			if t.Failed() {
				t.Logf("dialogue:\n%s", w.log.String())
			}
		}()
		f(t, w)
	})
}

// traced returns a context whose hooks write a dialogue.
func (w *world) traced(ctx context.Context) context.Context {
	start := time.Now()
	line := func(format string, args ...any) {
		fmt.Fprintf(&w.log, "%8v ", time.Since(start).Round(time.Millisecond))
		fmt.Fprintf(&w.log, format+"\n", args...)
	}
	return trace.With(trace.Serial(ctx), &trace.Hooks{
		Command:  func(s string) { line("> %s", s) },
		Reply:    func(r proto.Reply) { line("< %v", r) },
		Lost:     func(err error) { line("* lost: %v", err) },
		Note:     func(s string) { line("# %s", s) },
		Resume:   func(r trace.Resume) { w.resumed = append(w.resumed, r) },
		Progress: func(p trace.Progress) { w.last = p },
	})
}

// reader returns a Reader of "file" by a quick look, as FS.Open has it.
func (w *world) reader(t *testing.T) *Reader {
	t.Helper()
	var e listing.Entry
	err := w.files.With(w.ctx, func(s *remote.Session) (err error) {
		e, _, err = remote.QuickStat(w.ctx, s, "file")
		return err
	})
	if err != nil || e.Size != int64(len(content)) {
		t.Fatal(e, err)
	}
	return w.files.Reader(Source{Name: "file", Path: "file", Entry: e, Asked: true})
}

// feature returns what FEAT said.
func (w *world) feature(verb string) (arg string, ok bool) {
	err := w.files.With(w.ctx, func(s *remote.Session) error {
		arg, ok = s.Feature(verb)
		return nil
	})
	return arg, ok && err == nil
}

// sent returns how many commands of a verb the server has had.
func (w *world) sent(verb string) (n int) {
	for _, d := range w.srv.Transcript() {
		for _, v := range d.Verbs() {
			if v == verb {
				n++
			}
		}
	}
	return n
}

// has checks what is on the server.
func (w *world) has(t *testing.T, name string, want []byte) {
	t.Helper()
	if got, err := w.srv.Tree.ReadFile(name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes, want %d: %v", name, len(got), len(want), err)
	}
}

// names checks which files are on the server.
func (w *world) names(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	entries, err := w.srv.Tree.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("files %s, want %s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// idle leaves what is parked alone until it may be revoked.
func idle() { time.Sleep(20 * time.Millisecond) }
