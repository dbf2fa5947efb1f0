package control

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestMain looks for goroutines that outlive the tests. Inside a bubble
// testing/synctest does that by itself.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && leaked() {
		code = 1
	}
	os.Exit(code)
}

// leaked reports whether a goroutine of this package is still there.
func leaked() bool {
	buf := make([]byte, 1<<20)
	for range 100 {
		stacks := buf[:runtime.Stack(buf, true)]
		if !bytes.Contains(stacks, []byte("control.(*Conn)")) {
			return false
		}
		runtime.Gosched()
	}
	fmt.Fprintf(os.Stderr, "goroutines are left:\n%s", buf[:runtime.Stack(buf, true)])
	return true
}

// A peer plays the server's part of a transcript, one step a line:
//
//	S: text      send a line
//	raw: "..."   send these bytes, quoted as in Go
//	C: text      await this line
//	wait: 3s     pause
//	tls:         go on as a TLS server
//	bye:         send a close_notify
//	clear:       await one, and go on in clear text
//	close:       end the connection
//	silence:     read what comes and answer nothing
//	deaf:        not even read
//
// At its end the peer takes a QUIT and nothing else.
type peer struct {
	t    *testing.T
	nc   net.Conn
	raw  net.Conn  // under TLS: the socket
	tls  *tls.Conn // the last
	br   *bufio.Reader
	over <-chan struct{} // the test is
}

func (p *peer) play(script string) {
	defer p.nc.Close()
	for _, step := range strings.Split(strings.TrimSpace(script), "\n") {
		op, arg, _ := strings.Cut(strings.TrimSpace(step), ":")
		if !p.step(op, strings.TrimPrefix(arg, " ")) {
			return
		}
	}
	for {
		line, err := p.br.ReadString('\n')
		if err != nil {
			return
		}
		if line != "QUIT\r\n" {
			p.t.Errorf("after its script the server got %q", line)
		}
	}
}

// step takes one step and reports whether another one follows.
func (p *peer) step(op, arg string) bool {
	switch op {
	case "S":
		io.WriteString(p.nc, arg+"\r\n")
	case "raw":
		text, err := strconv.Unquote(arg)
		if err != nil {
			p.t.Errorf("%s: %v", arg, err)
		}
		io.WriteString(p.nc, text)
	case "C":
		line, err := p.br.ReadString('\n')
		if err != nil || line != arg+"\r\n" {
			p.t.Errorf("the server got %q, %v; want %q", line, err, arg)
			return false
		}
	case "wait":
		d, err := time.ParseDuration(arg)
		if err != nil {
			p.t.Error(err)
		}
		time.Sleep(d)
	case "tls":
		p.raw = p.nc
		tc := tls.Server(&recordConn{Conn: p.nc}, serverTLS(p.t))
		if err := tc.Handshake(); err != nil {
			return false
		}
		p.nc, p.br, p.tls = tc, bufio.NewReader(tc), tc
	case "bye":
		p.tls.CloseWrite()
		p.raw.SetWriteDeadline(time.Time{})
	case "clear":
		if b, err := p.br.ReadByte(); err != io.EOF {
			p.t.Errorf("in place of the end of TLS the server got %q, %v", b, err)
			return false
		}
		p.nc, p.br = p.raw, bufio.NewReader(p.raw)
	case "silence":
		io.Copy(io.Discard, p.br)
		return false
	case "deaf":
		<-p.over
		return false
	case "close":
		return false
	case "":
	default:
		p.t.Errorf("no such step: %q", op)
	}
	return true
}

// farm is a server of which each connection has a script of its own.
type farm struct {
	t       *testing.T
	scripts []string
	dials   []time.Duration // when, since the first
	start   time.Time
	over    chan struct{}
	peers   sync.WaitGroup

	net      *memnet.Network
	client   *memnet.Host
	listener net.Listener
}

var errNoMore = errors.New("nobody listens")

func newFarm(t *testing.T, scripts ...string) *farm {
	f := &farm{t: t, scripts: scripts, start: time.Now(), over: make(chan struct{}), net: memnet.New(memnet.Config{})}
	f.client = f.net.Host("client", netip.MustParseAddr("203.0.113.2"))
	l, err := f.net.Host("server", netip.MustParseAddr("198.51.100.10")).Listen(t.Context(), "tcp", ":21")
	if err != nil {
		t.Fatal(err)
	}
	f.listener = l
	return f
}

// end waits for the peers and checks that all connections were made.
func (f *farm) end() {
	close(f.over)
	f.peers.Wait()
	f.net.Close()
	if len(f.scripts) > 0 {
		f.t.Errorf("%d connections were not made: %q", len(f.scripts), f.scripts)
	}
}

func (f *farm) dial(ctx context.Context) (net.Conn, error) {
	f.dials = append(f.dials, time.Since(f.start))
	if len(f.scripts) == 0 {
		return nil, errNoMore
	}
	script := f.scripts[0]
	f.scripts = f.scripts[1:]
	switch script {
	case "refused":
		return nil, errNoMore
	case "timeout":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	near, far := f.connect(ctx, script)
	p := &peer{t: f.t, nc: far, br: bufio.NewReader(far), over: f.over}
	f.peers.Go(func() { p.play(script) })
	return near, nil
}

// connect returns the ends of a connection. Nobody is deaf on a network, which
// takes what is written; a pipe does not.
func (f *farm) connect(ctx context.Context, script string) (near, far net.Conn) {
	if strings.Contains(script, "deaf:") {
		return net.Pipe()
	}
	near, err := f.client.DialContext(ctx, "tcp", "198.51.100.10:21")
	if err != nil {
		f.t.Error(err)
	}
	if far, err = f.listener.Accept(); err != nil {
		f.t.Error(err)
	}
	return near, far
}

// withConn runs f in virtual time on a connection to a peer with a script.
func withConn(t *testing.T, script string, f func(t *testing.T, c *Conn, greeting *Call)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fm := newFarm(t, script)
		defer fm.end()
		nc, err := fm.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c, greeting := NewConn(nc, nc, 0)
		defer c.Close()
		f(t, c, greeting)
	})
}

// limits of every session in the tests.
const (
	connectLimit = 5 * time.Second
	replyLimit   = 20 * time.Second
)

// withSession runs f in virtual time on a session, one script a connection.
func withSession(t *testing.T, scripts []string, f func(t *testing.T, s *Session, fm *farm), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fm := newFarm(t, scripts...)
		defer fm.end()
		cfg := Config{Dial: fm.dial, Limit: connectLimit, ReplyLimit: replyLimit}
		for _, c := range change {
			c(&cfg)
		}
		s := NewSession(cfg)
		defer s.Close(context.Background())
		f(t, s, fm)
	})
}

const certName = "ftp.example.com"

func serverTLS(t testing.TB) *tls.Config {
	t.Helper()
	cert, err := ftptest.NewCert(certName)
	if err != nil {
		t.Fatal(err)
	}
	return cert.Server
}

func clientTLS(t testing.TB) *tls.Config {
	t.Helper()
	cert, err := ftptest.NewCert(certName)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{RootCAs: cert.Pool, ServerName: certName}
}

// final reads the replies to a call up to the last one.
func final(t *testing.T, c *Conn, call *Call) proto.Reply {
	t.Helper()
	for {
		r, err := c.Next(t.Context(), call, time.Minute)
		if err != nil {
			t.Fatalf("%s: %v", call.Verb, err)
		}
		if !r.Preliminary() {
			return r
		}
	}
}

// send sends a line that can be sent.
func send(t *testing.T, c *Conn, line string) *Call {
	t.Helper()
	call, err := c.Send(t.Context(), line)
	if err != nil {
		t.Fatalf("Send(%q): %v", line, err)
	}
	return call
}

// do has a session carry out a command that is answered by code.
func do(t *testing.T, s *Session, line string, code int) proto.Reply {
	t.Helper()
	r, err := s.Do(t.Context(), line)
	if err != nil || r.Code != code {
		t.Fatalf("Do(%q) = %v, %v; want %d", line, r, err, code)
	}
	return r
}

// open opens a session that can be opened.
func open(t *testing.T, s *Session) {
	t.Helper()
	if r, err := s.Open(t.Context()); err != nil {
		t.Fatalf("Open = %v, %v", r, err)
	}
}

// startTLS sends AUTH and goes on over TLS.
func startTLS(ctx context.Context, c *Conn, cfg *tls.Config, clear bool, limit time.Duration) (proto.Reply, error) {
	call, err := c.sendLast(ctx, "AUTH TLS")
	if err != nil {
		return proto.Reply{}, err
	}
	return c.startTLS(ctx, call, cfg, clear, limit, limit)
}
