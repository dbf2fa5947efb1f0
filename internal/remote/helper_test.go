package remote_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/remote"
	"github.com/ftpnat/ftpnat/internal/session"
	"github.com/ftpnat/ftpnat/internal/trace"
	"github.com/ftpnat/ftpnat/internal/transfer"
)

// forgetful is a memory that keeps nothing.
type forgetful struct{}

// Recall returns nothing.
func (forgetful) Recall(proto.Key) (proto.Lesson, bool) { return proto.Lesson{}, false }

// Learn keeps nothing.
func (forgetful) Learn(proto.Key, proto.Lesson) {}

// Forget does nothing.
func (forgetful) Forget(proto.Key) {}

// world is a server and one session with it.
type world struct {
	*remote.Session
	srv  *ftptest.Server
	ctx  context.Context
	mu   sync.Mutex
	sent []string // commands, since the last call of commands
	log  bytes.Buffer
}

// content is what is in each file.
const content = "content"

// newTree returns the files of every server.
func newTree(t *testing.T) *ftptest.Tree {
	t.Helper()
	tree := ftptest.NewTree()
	for _, name := range []string{"pub/file", "pub/deep/file", "top"} {
		if err := tree.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.Mkdir("empty", 0o755); err != nil {
		t.Fatal(err)
	}
	return tree
}

// run calls f in virtual time with a session on a server that was changed by
// ftp. The session begins in the server's root.
func run(t *testing.T, ftp func(*ftptest.Server), f func(t *testing.T, w *world)) {
	t.Helper()
	runWith(t, nil, ftp, f)
}

// runWith is run with a charset.
func runWith(t *testing.T, cs remote.Charset, ftp func(*ftptest.Server), f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const addr = "ftp.example.com:21"
		nw := memnet.New(memnet.Config{Latency: 25 * time.Millisecond})
		client := nw.Host("client", netip.MustParseAddr("203.0.113.2"))
		server := nw.Host("ftp.example.com", netip.MustParseAddr("198.51.100.10"))
		w := &world{}
		w.srv = &ftptest.Server{Tree: newTree(t), Network: ftptest.Network{Listen: server.Listen, Dial: server.DialFrom, ActivePort: 20}, Personality: ftptest.Plain()}
		if ftp != nil {
			ftp(w.srv)
		}
		ln, err := server.Listen(t.Context(), "tcp", ":21")
		if err != nil {
			t.Fatal(err)
		}
		w.srv.Start(ln)
		defer func() {
			w.srv.Close()
			nw.Close()
			if t.Failed() {
				t.Logf("dialogue:\n%s", w.log.String())
			}
		}()
		w.ctx = w.traced(t.Context())
		cfg := &session.Config{
			Server: addr, User: "me", Password: "hush", KeepNames: cs != nil,
			Dial:    func(ctx context.Context) (net.Conn, error) { return client.DialContext(ctx, "tcp", addr) },
			Attempt: 15 * time.Second, RetryFor: 2 * time.Minute,
			Path:     path.Config{Server: addr, Memory: forgetful{}},
			Transfer: transfer.Config{Host: "ftp.example.com", Dial: client.DialContext, Listen: client.Listen},
			Shared:   new(session.Shared),
		}
		conn, err := session.Open(w.ctx, cfg, "")
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		w.Session = &remote.Session{Conn: conn, Server: remote.NewServer(cs, time.UTC)}
		w.commands()
		f(t, w)
	})
}

// traced returns a context whose hooks keep the dialogue.
func (w *world) traced(ctx context.Context) context.Context {
	start := time.Now()
	line := func(format string, args ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		fmt.Fprintf(&w.log, "%8v ", time.Since(start).Round(time.Millisecond))
		fmt.Fprintf(&w.log, format+"\n", args...)
	}
	return trace.With(ctx, &trace.Hooks{
		Command: func(s string) {
			line("> %s", s)
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sent = append(w.sent, s)
		},
		Reply: func(r proto.Reply) { line("< %v", r) },
		Lost:  func(err error) { line("* lost: %v", err) },
		Note:  func(s string) { line("# %s", s) },
	})
}

// commands returns what was sent since it was called last, but for what opens
// data connections.
func (w *world) commands() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := slices.DeleteFunc(w.sent, func(s string) bool { return s == "EPSV" || s == "PASV" })
	w.sent = nil
	return sent
}

// count returns how many of these begin so.
func (w *world) count(command string) (n int) {
	for _, line := range w.commands() {
		if strings.HasPrefix(line, command) {
			n++
		}
	}
	return n
}

// refusal returns the error of a negative reply.
func refusal(command string, code int, text string) error {
	return proto.Refusal(command, proto.Reply{Code: code, Lines: []string{text}})
}
