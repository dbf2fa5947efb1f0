package ftpnat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/ftpworld"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// What every test network has.
var (
	privateClient = ftpworld.PrivateClient
	publicClient  = ftpworld.PublicClient
	natAddr       = ftpworld.NATAddr
	serverAddr    = ftpworld.ServerAddr
	privateServer = ftpworld.PrivateServer
	deadAddr      = ftpworld.DeadAddr
	content       = ftpworld.Content
)

const (
	latency = ftpworld.Latency
	rtt     = ftpworld.RTT
)

// What a Dialer does where it is not told otherwise.
const (
	defaultAttemptTimeout = 15 * time.Second
	defaultRetryFor       = 2 * time.Minute
	defaultMaxConns       = 4
	replyLimits           = 4                    // times that patience, for an ordinary reply
	idleLimit             = time.Minute          // after which a connection of an FS is closed
	idleQuantum           = 5 * time.Millisecond // after which a file that is not read lends its connection
)

// dialFunc is DialContext of a Dialer.
type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// setup is an ftpworld.Setup, and the client.
type setup struct {
	near   []memnet.Box
	far    []memnet.Box
	client netip.Addr
	server netip.Addr
	name   netip.Addr
	ftp    func(*ftptest.Server)
	dialer func(*ftpnat.Dialer)
	real   bool
	oneWay time.Duration // zero means ftpworld.Latency
}

// world is a setup that runs.
type world struct {
	*ftpworld.World
	t     testing.TB
	d     *ftpnat.Dialer
	ctx   context.Context
	log   *bytes.Buffer
	extra []func() // to be called before the end
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
	t.Helper()
	w := &world{t: t, log: new(bytes.Buffer)}
	w.World = ftpworld.New(t, ftpworld.Setup{Near: s.near, Far: s.far, Client: s.client, Server: s.server, Name: s.name, FTP: s.ftp, Real: s.real, Latency: s.oneWay})
	w.d = &ftpnat.Dialer{DialContext: w.Client.DialContext, Listen: w.Client.Listen}
	if s.dialer != nil {
		s.dialer(w.d)
	}
	w.ctx = ftpnat.WithTrace(t.Context(), writeTrace(w.log))
	return w
}

func (w *world) close() {
	for _, f := range w.extra {
		f()
	}
	w.Close()
	if w.t.Failed() {
		w.t.Logf("dialogue:\n%s", w.log)
	}
}

// writeTrace returns a trace that writes a readable dialogue.
func writeTrace(b io.Writer) *ftpnat.Trace {
	start := time.Now()
	line := func(format string, args ...any) {
		fmt.Fprintf(b, "%8v ", time.Since(start).Round(time.Millisecond))
		fmt.Fprintf(b, format+"\n", args...)
	}
	return &ftpnat.Trace{
		Connect: func(e ftpnat.ConnectEvent) { line("* connect %v -> %v %v", e.Local, e.Remote, e.Err) },
		Command: func(s string) { line("> %s", s) },
		Reply:   func(r ftpnat.Reply) { line("< %s", r) },
		Lost:    func(err error) { line("* lost: %v", err) },
		Attempt: func(a ftpnat.Attempt) { line("= %v", a) },
		Note:    func(s string) { line("# %s", s) },
	}
}

// plain has a Dialer send nothing ahead.
func plain(d *ftpnat.Dialer) { d.Memory = waiting{new(ftpnat.MemoryMap)} }

// waiting is a memory in which nothing may be sent ahead of a reply.
type waiting struct{ *ftpnat.MemoryMap }

// Recall returns what was learnt, and that.
func (m waiting) Recall(p ftpnat.Path) (ftpnat.Lesson, bool) {
	l, _ := m.MemoryMap.Recall(p)
	l.Flight, l.Queue, l.Ahead, l.Seen = ftpnat.No, ftpnat.No, ftpnat.No, time.Now()
	return l, true
}

// dial logs in or fails the test.
func (w *world) dial() *ftpnat.Conn {
	w.t.Helper()
	c, err := w.d.Dial(w.ctx, w.Addr)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// fetch reads the test file and checks it.
func (w *world) fetch(c *ftpnat.Conn) error {
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
func (w *world) bothWays(c *ftpnat.Conn) error { return errors.Join(w.fetch(c), w.store(c)) }

// store writes a file and checks what the server has.
func (w *world) store(c *ftpnat.Conn) error {
	n, err := c.Store(w.ctx, "up.bin", bytes.NewReader(content))
	if err != nil {
		return err
	}
	got, rerr := w.Server.Tree.ReadFile("up.bin")
	if rerr != nil || n != int64(len(content)) || !bytes.Equal(got, content) {
		w.t.Errorf("stored %d bytes: the server has %d, %v", n, len(got), rerr)
	}
	return nil
}

// causes returns the modes and causes of the attempts, as "EPSV DialTimeout".
func causesOf(attempts []ftpnat.Attempt) []string {
	var list []string
	for _, a := range attempts {
		name, _ := a.Cause.MarshalText()
		list = append(list, a.Mode.String()+" "+string(name))
	}
	return list
}

// replyOf returns the reply that err is about; zero where it is about none.
func replyOf(err error) ftpnat.Reply {
	var re *ftpnat.ReplyError
	if errors.As(err, &re) {
		return re.Reply
	}
	return ftpnat.Reply{}
}

// refuses reports whether err is a server's refusal of a command.
func refuses(err error, verb string) bool {
	var re *ftpnat.ReplyError
	return errors.As(err, &re) && (re.Command == verb || strings.HasPrefix(re.Command, verb+" "))
}

// isNegotiate reports whether err is about the data connection.
func isNegotiate(err error) bool {
	var ne *ftpnat.NegotiateError
	return errors.As(err, &ne)
}
