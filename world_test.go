package ftpnat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// The addresses of every test network.
var (
	privateClient = netip.MustParseAddr("10.0.0.2")
	publicClient  = netip.MustParseAddr("203.0.113.2")
	natAddr       = netip.MustParseAddr("203.0.113.7")
	serverAddr    = netip.MustParseAddr("198.51.100.10")
	privateServer = netip.MustParseAddr("10.9.0.10")
	deadAddr      = netip.MustParseAddr("192.0.2.99")
)

const (
	latency = 25 * time.Millisecond // one way
	rtt     = 2 * latency
)

// content is the file that every test server has.
var content = func() []byte {
	b := make([]byte, 200_000)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
}()

// setup describes a network with one client and one server.
type setup struct {
	near   []memnet.Box // between the client and the public segment
	far    []memnet.Box // between the server and it
	client netip.Addr   // zero means public, or private behind a NAT
	server netip.Addr   // zero means public
	name   netip.Addr   // what the server's name resolves to; zero means its own
	ftp    func(*ftptest.Server)
	dialer func(*Dialer)
	real   bool // in real time, for tests without synctest
}

// world is a setup that runs.
type world struct {
	t      testing.TB
	net    *memnet.Network
	near   *memnet.Site
	far    *memnet.Site
	client *memnet.Host
	srv    *ftptest.Server
	d      *Dialer
	addr   string
	ctx    context.Context
	log    *bytes.Buffer
	extra  []func() // to be called before the end
}

// inBubble runs f on the setup in virtual time. The bubble ends when every
// goroutine in it has: a leak fails the test.
func inBubble(t *testing.T, s setup, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, s)
		defer w.close()
		f(t, w)
	})
}

func newWorld(t testing.TB, s setup) *world {
	w := &world{t: t, addr: "ftp.example.com:21", log: new(bytes.Buffer)}
	lat := latency
	if s.real {
		lat = 0
	}
	w.net = memnet.New(memnet.Config{Latency: lat})
	if !s.client.IsValid() {
		s.client = publicClient
		for _, b := range s.near {
			if _, ok := b.(memnet.NAT); ok {
				s.client = privateClient
			}
		}
	}
	if !s.server.IsValid() {
		s.server = serverAddr
	}
	w.near = w.net.Site(s.near...)
	w.client = w.near.Host("client", s.client)
	w.far = w.net.Site(s.far...)
	server := w.far.Host("ftp.example.com", s.server)
	if s.name.IsValid() {
		w.net.Name("ftp.example.com", s.name)
	}
	tree := ftptest.NewTree()
	if err := tree.WriteFile("pub/file.bin", content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := tree.WriteFile("empty", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w.srv = &ftptest.Server{Tree: tree, Listen: server.Listen, Dial: server.DialFrom, ActivePort: 20, Personality: ftptest.VSFTPD()}
	if s.ftp != nil {
		s.ftp(w.srv)
	}
	port := ":21"
	if w.srv.ImplicitTLS {
		port = ":990"
		w.addr = "ftp.example.com:990"
	}
	ln, err := server.Listen(t.Context(), "tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	w.srv.Start(ln)
	w.d = &Dialer{DialContext: w.client.DialContext, Listen: w.client.Listen}
	if s.dialer != nil {
		s.dialer(w.d)
	}
	w.ctx = WithTrace(t.Context(), writeTrace(w.log))
	return w
}

// writeTrace returns a trace that writes a readable dialogue.
func writeTrace(b io.Writer) *Trace {
	start := time.Now()
	line := func(format string, args ...any) {
		fmt.Fprintf(b, "%8v ", time.Since(start).Round(time.Millisecond))
		fmt.Fprintf(b, format+"\n", args...)
	}
	return &Trace{
		Connect: func(e ConnectEvent) { line("* connect %v -> %v %v", e.Local, e.Remote, e.Err) },
		Command: func(s string) { line("> %s", s) },
		Reply:   func(r Reply) { line("< %s", r) },
		Lost:    func(err error) { line("* lost: %v", err) },
		Attempt: func(a Attempt) { line("= %v", a) },
		Note:    func(s string) { line("# %s", s) },
	}
}

func (w *world) close() {
	for _, f := range w.extra {
		f()
	}
	w.srv.Close()
	w.net.Close()
	if w.t.Failed() {
		w.t.Logf("dialogue:\n%s", w.log)
	}
}

// plain has a Dialer send nothing ahead.
func plain(d *Dialer) { d.Memory = waiting{new(MemoryMap)} }

// waiting is a memory in which nothing may be sent ahead of a reply.
type waiting struct{ *MemoryMap }

// Recall returns what was learnt, and that.
func (m waiting) Recall(p Path) (Lesson, bool) {
	l, _ := m.MemoryMap.Recall(p)
	l.Flight, l.Queue, l.Ahead, l.Seen = No, No, No, time.Now()
	return l, true
}

// dial logs in or fails the test.
func (w *world) dial() *Conn {
	w.t.Helper()
	c, err := w.d.Dial(w.ctx, w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// fetch reads the test file and checks it.
func (w *world) fetch(c *Conn) error {
	rc, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
	if err != nil {
		return err
	}
	defer rc.Close()
	got, err := io.ReadAll(rc)
	if err == nil && !bytes.Equal(got, content) {
		w.t.Errorf("read %d bytes that are not the %d of the file", len(got), len(content))
	}
	return err
}

// bothWays fetches and stores.
func (w *world) bothWays(c *Conn) error { return errors.Join(w.fetch(c), w.store(c)) }

// store writes a file and checks what the server has.
func (w *world) store(c *Conn) error {
	n, err := c.Store(w.ctx, "up.bin", bytes.NewReader(content))
	if err != nil {
		return err
	}
	got, rerr := w.srv.Tree.ReadFile("up.bin")
	if rerr != nil || n != int64(len(content)) || !bytes.Equal(got, content) {
		w.t.Errorf("stored %d bytes: the server has %d, %v", n, len(got), rerr)
	}
	return nil
}

// causes returns the modes and causes of the attempts, as "EPSV DialTimeout".
func causesOf(attempts []Attempt) []string {
	var list []string
	for _, a := range attempts {
		name, _ := a.Cause.MarshalText()
		list = append(list, a.Mode.String()+" "+string(name))
	}
	return list
}

// verbs returns the commands of all control connections, from the first that
// belongs to a transfer on.
func (w *world) verbs() string {
	var all []string
	for _, d := range w.srv.Transcript() {
		all = append(all, strings.Join(d.Verbs(), " "))
	}
	return strings.Join(all, " | ")
}
