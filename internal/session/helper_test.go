package session

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// memory keeps lessons in a map.
type memory struct {
	mu      sync.Mutex
	lessons map[proto.Key]proto.Lesson
}

// Recall returns a lesson.
func (m *memory) Recall(k proto.Key) (proto.Lesson, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.lessons[k]
	return l, ok
}

// Learn keeps a lesson.
func (m *memory) Learn(k proto.Key, l proto.Lesson) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lessons[k] = l
}

// Forget forgets one.
func (m *memory) Forget(k proto.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.lessons, k)
}

// world is a network with one client and one server.
type world struct {
	srv *ftptest.Server
	cfg *Config
	mem *memory
	ctx context.Context
	log bytes.Buffer
}

const addr = "ftp.example.com:21"

// run calls f in virtual time with a server that was changed by ftp.
func run(t *testing.T, ftp func(*ftptest.Server), f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		nw := memnet.New(memnet.Config{Latency: 25 * time.Millisecond})
		client := nw.Host("client", netip.MustParseAddr("203.0.113.2"))
		server := nw.Host("ftp.example.com", netip.MustParseAddr("198.51.100.10"))
		tree := ftptest.NewTree()
		if err := tree.WriteFile("pub/deep/file.bin", []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
		w := &world{mem: &memory{lessons: make(map[proto.Key]proto.Lesson)}}
		w.srv = &ftptest.Server{Tree: tree, Network: ftptest.Network{Listen: server.Listen, Dial: server.DialFrom, ActivePort: 20}, Personality: ftptest.VSFTPD()}
		if ftp != nil {
			ftp(w.srv)
		}
		ln, err := server.Listen(t.Context(), "tcp", ":21")
		if err != nil {
			t.Fatal(err)
		}
		w.srv.Start(ln)
		w.cfg = w.config(client)
		w.ctx = w.traced(t.Context())
		defer func() {
			w.srv.Close()
			nw.Close()
			if t.Failed() {
				t.Logf("dialogue:\n%s", w.log.String())
			}
		}()
		f(t, w)
	})
}

// config returns settings for the server.
func (w *world) config(client *memnet.Host) *Config {
	return &Config{
		Server: addr, User: "me", Password: "hush",
		Dial:    func(ctx context.Context) (net.Conn, error) { return client.DialContext(ctx, "tcp", addr) },
		Attempt: 15 * time.Second, RetryFor: 2 * time.Minute,
		Path:     path.Config{Server: addr, Memory: w.mem},
		Transfer: transfer.Config{Host: "ftp.example.com", Dial: client.DialContext, Listen: client.Listen},
		Shared:   new(Shared),
	}
}

// traced returns a context whose hooks write a dialogue.
func (w *world) traced(ctx context.Context) context.Context {
	start := time.Now()
	line := func(format string, args ...any) {
		fmt.Fprintf(&w.log, "%8v ", time.Since(start).Round(time.Millisecond))
		fmt.Fprintf(&w.log, format+"\n", args...)
	}
	return trace.With(ctx, &trace.Hooks{
		Connect: func(c trace.Connect) { line("* connect %s %v -> %v %v", c.Server, c.Local, c.Remote, c.Err) },
		Command: func(s string) { line("> %s", s) },
		Reply:   func(r proto.Reply) { line("< %v", r) },
		Lost:    func(err error) { line("* lost: %v", err) },
		Note:    func(s string) { line("# %s", s) },
	})
}

// open opens a session that can be opened.
func (w *world) open(t *testing.T, dir string) *Conn {
	t.Helper()
	c, err := Open(w.ctx, w.cfg, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// conns returns the number of control connections that the server has had.
func (w *world) conns() int { return len(w.srv.Transcript()) }

// verbs returns the commands of a control connection, from 1.
func (w *world) verbs(conn int) string {
	return strings.Join(w.srv.Transcript()[conn-1].Verbs(), " ")
}

// flight returns what was learnt of logins in one go.
func (w *world) flight(t *testing.T) proto.Finding {
	t.Helper()
	if len(w.mem.lessons) != 1 {
		t.Errorf("%d lessons", len(w.mem.lessons))
	}
	for _, l := range w.mem.lessons {
		return l.Flight
	}
	return proto.Unknown
}

// pwd asks for the working directory.
func pwd(t *testing.T, ctx context.Context, c *Conn) string {
	t.Helper()
	r, err := c.Want(ctx, 257, "PWD")
	if err != nil {
		t.Error(err)
	}
	dir, _, _ := strings.Cut(strings.TrimPrefix(r.Text(), `"`), `"`)
	return dir
}
