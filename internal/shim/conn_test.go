package shim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// raw is a connection that a test speaks to itself.
func raw(t *testing.T, f *fake) (*Conn, *bufio.Reader) {
	t.Helper()
	g := &gate{t: t, back: []*fake{f}, life: context.Background()}
	nc, err := g.dial("tcp", "ftp.example.com:21")
	must(t, err)
	t.Cleanup(func() { nc.Close() })
	br := bufio.NewReader(nc)
	for range 3 { // the greeting
		if _, err := br.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return nc.(*Conn), br
}

// ask sends a line and returns the reply's first one.
func ask(t *testing.T, c *Conn, br *bufio.Reader, line string) string {
	t.Helper()
	if _, err := io.WriteString(c, line+"\r\n"); err != nil {
		t.Fatal(err)
	}
	reply, err := br.ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(reply, "\r\n")
}

// offer has a data connection made up and dials it.
func offer(t *testing.T, c *Conn, br *bufio.Reader) *DataConn {
	t.Helper()
	var port int
	reply := ask(t, c, br, "EPSV")
	if _, err := fmt.Sscanf(reply, "229 Entering Extended Passive Mode (|||%d|)", &port); err != nil {
		t.Fatalf("EPSV: %q", reply)
	}
	d := c.Waiting(port)
	if d == nil || !MadeUp(port) || MadeUp(65535) {
		t.Fatalf("no data connection waits on port %d", port)
	}
	return d
}

func TestOwnAnswers(t *testing.T) {
	f := newFake("/f", "abc")
	c, br := raw(t, f)
	for _, tt := range []struct{ line, want string }{
		{"REST 5", "350 Restarting at 5."},
		{"REST -1", "501 REST wants a number of bytes."},
		{"REST x", "501 REST wants a number of bytes."},
		{"REST", "501 REST wants a number of bytes."},
		{"rest 9223372036854775808", "501 REST wants a number of bytes."},
		{"PRET RETR x", "200 The command is announced to the server when it is known how."},
		{"PORT 127,0,0,1,4,1", "502 The data connection is ftpnat's to choose: see Dialer.Modes."},
		{"eprt |1|127.0.0.1|1025|", "502 The data connection is ftpnat's to choose: see Dialer.Modes."},
		{"AUTH TLS", "534 TLS is ftpnat's: set Dialer.TLSConfig, and give jlaffaye/ftp no TLS option."},
		{"PROT P", "534 TLS is ftpnat's: set Dialer.TLSConfig, and give jlaffaye/ftp no TLS option."},
		{"RETR /f", "425 Use EPSV or PASV first."},
		{"QUIT", "221 Goodbye."},
	} {
		if got := ask(t, c, br, tt.line); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.line, got, tt.want)
		}
	}
	check(t, f)
	if got := ask(t, c, br, "NOOP"); got != "200 ok" {
		t.Errorf("NOOP: %q", got)
	}
	check(t, f, "NOOP")
}

func TestPASVReply(t *testing.T) {
	for remote, want := range map[string]string{
		"198.51.100.10": "227 Entering Passive Mode (198,51,100,10,",
		"2001:db8::10":  "227 Entering Passive Mode (0,0,0,0,",
	} {
		c := New(t.Context(), newFake(), &net.TCPAddr{}, &net.TCPAddr{IP: net.ParseIP(remote), Port: 21})
		br := bufio.NewReader(c)
		for range 3 {
			br.ReadString('\n')
		}
		reply := ask(t, c, br, "PASV")
		var hi, lo int
		if n, _ := fmt.Sscanf(strings.TrimPrefix(reply, want), "%d,%d).", &hi, &lo); n != 2 {
			t.Fatalf("%s: %q", remote, reply)
		}
		if c.Waiting(hi<<8|lo) == nil {
			t.Errorf("%s: nothing waits on the port of %q", remote, reply)
		}
		must(t, c.Close())
	}
}

// TestWaiting: a port is for one dial, and a second offer takes the first back.
func TestWaiting(t *testing.T) {
	f := newFake("/f", "abc")
	c, br := raw(t, f)
	first := offer(t, c, br)
	if c.Waiting(first.port) != nil || c.Waiting(first.port+1) != nil || c.Waiting(0) != nil {
		t.Error("a data connection was given out twice")
	}
	ask(t, c, br, "EPSV")
	if got := ask(t, c, br, "RETR /f"); !strings.HasPrefix(got, "425 ") {
		t.Errorf("RETR without a dial: %q", got)
	}
	closed := offer(t, c, br)
	closed.Close()
	if got := ask(t, c, br, "RETR /f"); !strings.HasPrefix(got, "425 ") {
		t.Errorf("RETR on a closed data connection: %q", got)
	}
}

func TestUnbound(t *testing.T) {
	c, br := raw(t, newFake())
	d := offer(t, c, br)
	if _, err := d.Read(make([]byte, 1)); err != errUnbound {
		t.Errorf("Read = %v", err)
	}
	if _, err := d.Write([]byte("x")); err != errUnbound {
		t.Errorf("Write = %v", err)
	}
	if d.LocalAddr() != c.LocalAddr() || d.RemoteAddr() != c.RemoteAddr() {
		t.Errorf("addresses %v, %v", d.LocalAddr(), d.RemoteAddr())
	}
	must(t, d.Close())
	must(t, d.Close())
	if _, err := d.Read(make([]byte, 1)); err != net.ErrClosed {
		t.Errorf("Read after Close = %v", err)
	}
	if _, err := d.Write(nil); err != net.ErrClosed {
		t.Errorf("Write after Close = %v", err)
	}
}

// TestLines: commands come in pieces, several at once, and without an end.
func TestLines(t *testing.T) {
	f := newFake()
	c, br := raw(t, f)
	for _, piece := range []string{"NO", "OP\r", "\nTYPE I\r\nTY", "PE A\n"} {
		if n, err := io.WriteString(c, piece); n != len(piece) || err != nil {
			t.Errorf("Write(%q) = %d, %v", piece, n, err)
		}
	}
	check(t, f, "NOOP", "TYPE I", "TYPE A")
	for range 3 {
		if line, err := br.ReadString('\n'); line != "200 ok\r\n" || err != nil {
			t.Errorf("reply %q, %v", line, err)
		}
	}
	if _, err := io.WriteString(c, strings.Repeat("x", maxLine+1)); err == nil {
		t.Error("a line without an end was taken")
	}
}

// TestReplyAsText: what is read from a server is written so that it reads the same.
func TestReplyAsText(t *testing.T) {
	for _, tt := range []struct {
		reply proto.Reply
		want  string
	}{
		{say(200, "ok"), "200 ok\r\n"},
		{proto.Reply{Code: 200}, "200 \r\n"},
		{say(211, "A", " B", "C"), "211-A\r\n B\r\n211 C\r\n"},
		{say(211, "A", "", "C"), "211-A\r\n\r\n211 C\r\n"},
		{say(211, "A", "211 not the end", "211", "212 other", "C"), "211-A\r\n211-211 not the end\r\n211-211\r\n212 other\r\n211 C\r\n"},
	} {
		var c Conn
		c.reply(tt.reply)
		if got := c.out.String(); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.reply, got, tt.want)
		}
	}
}

// hanging are calls that do not end by themselves.
var hanging = []struct {
	name string
	f    func(*fake)
	call func(t *testing.T, c *Conn, br *bufio.Reader) error
}{
	{"a command", func(f *fake) { f.hang["STAT"] = true }, func(t *testing.T, c *Conn, br *bufio.Reader) error {
		io.WriteString(c, "STAT\r\n")
		_, err := br.ReadString('\n')
		return err
	}},
	{"a read", func(f *fake) { f.stall = true }, func(t *testing.T, c *Conn, br *bufio.Reader) error {
		d := offer(t, c, br)
		ask(t, c, br, "RETR /f")
		_, err := d.Read(make([]byte, 1))
		return err
	}},
	{"a write", func(f *fake) { f.stall = true }, func(t *testing.T, c *Conn, br *bufio.Reader) error {
		d := offer(t, c, br)
		ask(t, c, br, "STOR /f")
		_, err := d.Write([]byte("x"))
		return err
	}},
	{"the wait for a verdict", func(f *fake) { f.silent = true }, func(t *testing.T, c *Conn, br *bufio.Reader) error {
		d := offer(t, c, br)
		ask(t, c, br, "STOR /f")
		d.Close()
		_, err := br.ReadString('\n')
		return err
	}},
}

// TestClosedMeanwhile: Close from another goroutine ends what is under way.
func TestClosedMeanwhile(t *testing.T) {
	for _, tt := range hanging {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake("/f", "abc")
				tt.f(f)
				c, br := raw(t, f)
				done := make(chan error, 1)
				go func() { done <- tt.call(t, c, br) }()
				synctest.Wait()
				must(t, c.Close())
				if err := <-done; !errors.Is(err, net.ErrClosed) {
					t.Errorf("error %v", err)
				}
				must(t, c.Close())
				if f.closed != 1 {
					t.Errorf("the backend was closed %d times", f.closed)
				}
				for _, d := range f.data {
					if d.ends != 1 || d.overlap {
						t.Errorf("ended %d times, in the middle of a call: %v", d.ends, d.overlap)
					}
				}
				if _, err := io.WriteString(c, "NOOP\r\n"); err != net.ErrClosed {
					t.Errorf("Write = %v", err)
				}
				if _, err := c.Read(make([]byte, 1)); err != net.ErrClosed {
					t.Errorf("Read = %v", err)
				}
				if c.Life().Err() == nil {
					t.Error("its life goes on")
				}
			})
		})
	}
}

// TestDataClosedMeanwhile: the same for a data connection alone. The transfer
// was ended by the caller and not by a fault.
func TestDataClosedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("/f", "abc")
		f.stall, f.verdict = true, say(426, "cut")
		c, br := raw(t, f)
		d := offer(t, c, br)
		ask(t, c, br, "RETR /f")
		done := make(chan error, 1)
		go func() {
			_, err := d.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		must(t, d.Close())
		if err := <-done; err != net.ErrClosed {
			t.Errorf("Read = %v", err)
		}
		if line, err := br.ReadString('\n'); line != "226 The transfer has ended.\r\n" {
			t.Errorf("verdict %q, %v", line, err)
		}
		if d := f.data[0]; d.ends != 1 || d.overlap {
			t.Errorf("ended %d times, in the middle of a call: %v", d.ends, d.overlap)
		}
	})
}

// stuck returns a connection, and a call on it or on a data connection that does
// not end by itself, with the connection whose deadlines are for that.
func stuck(t *testing.T, data bool) (c *Conn, nc net.Conn, call func() error) {
	f := newFake("/f", "abc")
	f.hang["STAT"], f.stall = true, true
	c, br := raw(t, f)
	if !data {
		return c, c, func() error { return errors.New(ask(t, c, br, "STAT")) }
	}
	d := offer(t, c, br)
	ask(t, c, br, "RETR /f")
	return c, d, func() error {
		_, err := d.Read(make([]byte, 1))
		return err
	}
}

// TestDeadlines: they hold for what is under way, and can be moved.
func TestDeadlines(t *testing.T) {
	tests := []struct {
		name string
		set  []time.Duration // each a second after the one before; zero for none
		want time.Duration   // zero: it is Close that ends it, after a minute
	}{
		{"in time", []time.Duration{3 * time.Second}, 3 * time.Second},
		{"moved nearer", []time.Duration{time.Hour, 2 * time.Second}, 3 * time.Second},
		{"moved away", []time.Duration{3 * time.Second, 10 * time.Second}, 11 * time.Second},
		{"taken away", []time.Duration{3 * time.Second, 0}, 0},
		{"set late", []time.Duration{0, 3 * time.Second}, 4 * time.Second},
		{"over already", []time.Duration{0, -time.Second}, time.Second},
	}
	for _, tt := range tests {
		for _, data := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/data %v", tt.name, data), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, nc, call := stuck(t, data)
					start := time.Now()
					type end struct {
						err  error
						took time.Duration
					}
					done := make(chan end, 1)
					go func() {
						err := call()
						done <- end{err, time.Since(start)}
					}()
					for i, d := range tt.set {
						if i > 0 {
							time.Sleep(time.Second)
						}
						at := time.Now().Add(d)
						if d == 0 {
							at = time.Time{}
						}
						must(t, []func(time.Time) error{nc.SetDeadline, nc.SetReadDeadline, nc.SetWriteDeadline}[i%3](at))
					}
					if tt.want == 0 {
						time.Sleep(time.Until(start.Add(time.Minute)))
						must(t, c.Close())
						if got := <-done; got.took != time.Minute || !strings.Contains(text(got.err), net.ErrClosed.Error()) {
							t.Errorf("%v after %v", got.err, got.took)
						}
						return
					}
					if got := <-done; got.took != tt.want || !strings.Contains(text(got.err), os.ErrDeadlineExceeded.Error()) {
						t.Errorf("%v after %v", got.err, got.took)
					}
				})
			})
		}
	}
}

// TestDeadlineBeforehand: one that was set ahead of the command holds for the
// data connection, and one that is over begins nothing.
func TestDeadlineBeforehand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("/f", "abc")
		c, br := raw(t, f)
		d := offer(t, c, br)
		at := time.Now().Add(time.Hour)
		must(t, d.SetDeadline(at))
		ask(t, c, br, "RETR /f")
		if got := f.data[0].deadline; !got.Equal(at) {
			t.Errorf("deadline %v, want %v", got, at)
		}
		d.Close()
		br.ReadString('\n')
		must(t, c.SetDeadline(time.Now().Add(-time.Second)))
		if got := ask(t, c, br, "NOOP"); got != os.ErrDeadlineExceeded.Error() {
			t.Errorf("NOOP: %q", got)
		}
		must(t, c.SetDeadline(time.Time{}))
		if got := ask(t, c, br, "NOOP"); got != "200 ok" {
			t.Errorf("NOOP: %q", got)
		}
	})
}

// TestContextEnds: the context of the connection ends a command with its
// own error.
func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := newFake()
	c := New(ctx, f, &net.TCPAddr{}, &net.TCPAddr{})
	defer c.Close()
	br := bufio.NewReader(c)
	for range 3 {
		br.ReadString('\n')
	}
	cancel()
	if got := ask(t, c, br, "NOOP"); got != context.Canceled.Error() {
		t.Errorf("NOOP: %q", got)
	}
}
