package transfer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/path"
	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

const (
	addr    = "ftp.example.com:21"
	latency = 25 * time.Millisecond // one way
	rtt     = 2 * latency
)

// small is the content of the file that every server has.
var small = bytes.Repeat([]byte("0123456789abcdef"), 300)

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

// lesson returns the one that there is.
func (m *memory) lesson() proto.Lesson {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lessons {
		return l
	}
	return proto.Lesson{}
}

// setup describes a network with one client and one server.
type setup struct {
	near, far []memnet.Box
	ftp       func(*ftptest.Server)
	cfg       func(*Config)
	path      func(*path.Config)
	tls       *tls.Config
	slow      bool // the login is sent one command at a time
	late      bool // what FEAT says is not waited for
}

// secured returns a setup with a server over TLS, which is made ready by ftp.
func secured(t testing.TB, ftp func(*ftptest.Server)) setup {
	t.Helper()
	cert, err := ftptest.NewCert("ftp.example.com")
	if err != nil {
		t.Fatal(err)
	}
	return setup{
		tls: &tls.Config{RootCAs: cert.Pool, ServerName: "ftp.example.com"},
		ftp: func(s *ftptest.Server) {
			s.TLS = cert.Server
			ftp(s)
		},
	}
}

// world is a setup that runs.
type world struct {
	*testing.T
	srv    *ftptest.Server
	client *memnet.Host
	mem    *memory
	set    setup
	queue  *path.Queueing
	ctx    context.Context
	mu     sync.Mutex
	log    bytes.Buffer
	seen   []string // attempts, as "EPSV 0" with the number of the cause
	notes  []string
	sent   []string // verbs of commands
}

// run calls f in virtual time. The bubble ends when every goroutine in it has: a
// leak fails the test.
func run(t *testing.T, s setup, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Config{Latency: latency})
		client := netip.MustParseAddr("203.0.113.2")
		if len(s.near) > 0 {
			client = netip.MustParseAddr("10.0.0.2")
		}
		w := &world{T: t, set: s, mem: &memory{lessons: make(map[proto.Key]proto.Lesson)}, queue: new(path.Queueing)}
		w.client = n.Site(s.near...).Host("client", client)
		server := n.Site(s.far...).Host("ftp.example.com", netip.MustParseAddr("198.51.100.10"))
		w.srv = &ftptest.Server{Tree: ftptest.NewTree(), Network: ftptest.Network{Listen: server.Listen, Dial: server.DialFrom, ActivePort: 20}, Personality: ftptest.VSFTPD()}
		w.must(w.srv.Tree.WriteFile("file", small, 0o644))
		if s.ftp != nil {
			s.ftp(w.srv)
		}
		ln, err := server.Listen(t.Context(), "tcp", ":21")
		w.must(err)
		w.srv.Start(ln)
		w.ctx = w.traced(t.Context())
		defer func() {
			w.srv.Close()
			n.Close()
			if t.Failed() {
				t.Logf("dialogue:\n%s", w.log.String())
			}
		}()
		f(w)
	})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// traced returns a context whose hooks write a dialogue.
func (w *world) traced(ctx context.Context) context.Context {
	start := time.Now()
	line := func(format string, args ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		fmt.Fprintf(&w.log, "%8v ", time.Since(start).Round(time.Millisecond))
		fmt.Fprintf(&w.log, format+"\n", args...)
	}
	return trace.With(ctx, &trace.Hooks{
		Connect: func(c trace.Connect) { line("* connect %v %v", c.Local, c.Err) },
		Command: func(s string) {
			w.sent = append(w.sent, control.Verb(s))
			line("> %s", s)
		},
		Reply: func(r proto.Reply) { line("< %v", r) },
		Lost:  func(err error) { line("* lost: %v", err) },
		Note: func(s string) {
			w.notes = append(w.notes, s)
			line("# %s", s)
		},
		Attempt: func(a proto.Attempt) {
			w.seen = append(w.seen, fmt.Sprintf("%v %d", a.Mode, a.Cause))
			line("= %v %d %v", a.Mode, a.Cause, a.Err)
		},
	})
}

// client is a session with its engine.
type client struct {
	*Engine
	w *world
}

// login opens a session.
func (w *world) login() *client {
	w.Helper()
	cfg := Config{Server: addr, Host: "ftp.example.com", Attempt: 15 * time.Second, Dial: w.client.DialContext, Listen: w.client.Listen, Queueing: w.queue}
	if w.set.cfg != nil {
		w.set.cfg(&cfg)
	}
	pc := path.Config{Server: addr, Memory: w.mem}
	if w.set.path != nil {
		w.set.path(&pc)
	}
	p := path.New(pc)
	c := &client{w: w}
	sess := control.NewSession(control.Config{
		Server: addr, TLS: w.set.tls, Limit: 15 * time.Second, ReplyLimit: time.Minute, RetryFor: 2 * time.Minute,
		Lost: func() { c.Lost() },
		Dial: func(ctx context.Context) (net.Conn, error) {
			nc, err := w.client.DialContext(ctx, "tcp", addr)
			if err == nil {
				p.Connected(proto.AddrOf(nc.LocalAddr()).Addr(), proto.AddrOf(nc.RemoteAddr()).Addr())
			}
			return nc, err
		},
		Flight: func() (control.Flight, bool) {
			p.Recall()
			f := control.Flight{Login: []string{"USER me", "PASS hush"}, After: []string{"TYPE I"}, Last: []string{"FEAT"}}
			if also := c.WithLogin(); also != nil {
				f.Also = []*control.Also{also}
			}
			return f, !w.set.slow
		},
	})
	c.Engine = New(cfg, sess, p)
	_, err := sess.Open(w.ctx)
	w.must(err)
	for _, line := range []string{"USER me", "PASS hush", "TYPE I", "FEAT"} {
		if line == "FEAT" && w.set.late && sess.Postpone(w.ctx, line) {
			continue
		}
		_, err := sess.Do(w.ctx, line)
		w.must(err)
	}
	flew, err := sess.Land(w.ctx)
	w.must(err)
	if flew {
		p.Learn(path.Flight, true)
	}
	return c
}

// close ends the session.
func (c *client) close() {
	c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.sess.Close(ctx)
}

// with calls f with a session.
func (w *world) with(f func(c *client)) {
	w.Helper()
	c := w.login()
	defer c.close()
	f(c)
}

// get downloads the file and checks it.
func (c *client) get() error { return c.fetch(Request{Line: "RETR file", Resumes: true}, small) }

func (c *client) fetch(req Request, want []byte) error {
	c.w.Helper()
	t, err := c.Open(c.w.ctx, req)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(t)
	if err := t.End(c.w.ctx, err); err != io.EOF {
		return fmt.Errorf("end: %w", err)
	}
	if !bytes.Equal(got, want) {
		c.w.Errorf("%s: %d bytes, want %d", req.Line, len(got), len(want))
	}
	return nil
}

// put uploads a small file in whole.
func (c *client) put(name string) error {
	t, err := c.Open(c.w.ctx, Request{Line: "STOR " + name, Whole: true, Body: small, Resumes: true, Check: "SIZE " + name})
	if err != nil {
		return err
	}
	err = t.End(c.w.ctx, nil)
	if err == nil {
		var size int64
		if size, err = t.Size(c.w.ctx); err == nil && size != int64(len(small)) {
			c.w.Errorf("%s: SIZE says %d", name, size)
		}
	}
	return err
}

// has checks a file on the server.
func (w *world) has(name string, want []byte) {
	w.Helper()
	if got, err := w.srv.Tree.ReadFile(name); err != nil || !bytes.Equal(got, want) {
		w.Errorf("the server has %d bytes of %s, want %d: %v", len(got), name, len(want), err)
	}
}

// trips returns how many round trips f takes.
func (w *world) trips(f func()) float64 {
	start := time.Now()
	f()
	return float64(time.Since(start)) / float64(rtt)
}

// verbs returns the commands of a control connection, from 1.
func (w *world) verbs(conn int) []string { return w.srv.Transcript()[conn-1].Verbs() }

// said returns how many commands with a verb came on all control connections.
func (w *world) said(verb string) (n int) {
	for _, d := range w.srv.Transcript() {
		for _, v := range d.Verbs() {
			if v == verb {
				n++
			}
		}
	}
	return n
}

// conns returns the number of control connections so far.
func (w *world) conns() int { return len(w.srv.Transcript()) }

// failures returns the attempts that failed, and forgets all so far.
func (w *world) failures() []string {
	seen := slices.DeleteFunc(w.seen, func(s string) bool { return strings.HasSuffix(s, " 0") })
	w.seen = nil
	return seen
}

// wants checks what is remembered.
func (w *world) wants(what string, got, want proto.Finding) {
	w.Helper()
	if got != want {
		w.Errorf("%s: %d, want %d", what, got, want)
	}
}

// code returns the code of the reply that an error is about.
func code(err error) int { return proto.ReplyOf(err).Code }

var errOops = errors.New("oops")
