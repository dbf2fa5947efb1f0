package control

import (
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

func TestGreeting(t *testing.T) {
	withConn(t, `
		S: 220-Welcome
		S: 220 ready`, func(t *testing.T, c *Conn, greeting *Call) {
		want := proto.Reply{Code: 220, Lines: []string{"Welcome", "ready"}}
		if r := final(t, c, greeting); !reflect.DeepEqual(r, want) {
			t.Errorf("greeting %v, want %v", r, want)
		}
		if c.RTT() != 0 {
			t.Errorf("a greeting was taken for a round trip of %v", c.RTT())
		}
		if _, ok := c.TLS(); ok {
			t.Error("TLS in clear text")
		}
	})
}

// TestPipelined: replies belong to commands in the order in which these were
// sent, with preliminary ones in between.
func TestPipelined(t *testing.T) {
	withConn(t, `
		S: 220 ready
		C: EPSV
		C: RETR a
		C: NOOP
		S: 229 (|||1024|)
		S: 150 here
		wait: 1s
		S: 226 done
		S: 200 still here`, func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		epsv, retr, noop := send(t, c, "EPSV"), send(t, c, "RETR a"), send(t, c, "NOOP")
		if r := final(t, c, noop); r.Code != 200 {
			t.Errorf("NOOP got %v", r)
		}
		var codes []int
		for range 2 {
			r, err := c.Next(t.Context(), retr, 0)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, r.Code)
		}
		if !reflect.DeepEqual(codes, []int{150, 226}) {
			t.Errorf("RETR got %v", codes)
		}
		if r := final(t, c, epsv); r.Code != 229 {
			t.Errorf("EPSV got %v", r)
		}
		if _, err := c.Next(t.Context(), epsv, time.Second); !errors.Is(err, proto.ErrSilent) {
			t.Errorf("a second reply to EPSV: %v", err)
		}
	})
}

func TestRTT(t *testing.T) {
	withConn(t, `
		S: 220 ready
		C: ONE
		wait: 300ms
		S: 200 ok
		C: TWO
		wait: 200ms
		S: 200 ok
		C: THREE
		wait: 1h
		S: 200 ok
		C: FOUR
		S: 226 late
		wait: 250ms
		S: 200 ok`, func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		for _, tt := range []struct {
			line string
			want time.Duration
		}{{"ONE", 300 * time.Millisecond}, {"TWO", 200 * time.Millisecond}, {"THREE", 200 * time.Millisecond}} {
			call := send(t, c, tt.line)
			if _, err := c.Next(t.Context(), call, 2*time.Hour); err != nil {
				t.Fatal(err)
			}
			if got := c.RTT(); got != tt.want {
				t.Errorf("RTT after %s = %v, want %v", tt.line, got, tt.want)
			}
		}
		// A reply that was on its way already is no measure.
		call := send(t, c, "FOUR")
		if r := final(t, c, call); r.Code != 226 {
			t.Fatalf("got %v", r)
		}
		c.Again(call)
		if r := final(t, c, call); r.Code != 200 {
			t.Errorf("got %v", r)
		}
		if got := c.RTT(); got != 200*time.Millisecond {
			t.Errorf("RTT after a late reply = %v", got)
		}
	})
}

func TestStray(t *testing.T) {
	withConn(t, `
		S: 220 ready
		S: 421 idle too long
		close:`, func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		<-c.Done()
		if got := c.Stray(); len(got) != 1 || got[0].Code != 421 {
			t.Errorf("Stray = %v", got)
		}
		if got := c.Stray(); got != nil {
			t.Errorf("Stray again = %v", got)
		}
		if err := c.Err(); !errors.Is(err, io.EOF) {
			t.Errorf("Err = %v", err)
		}
		if _, err := c.Send(t.Context(), "NOOP"); !errors.Is(err, io.EOF) {
			t.Errorf("Send = %v", err)
		}
	})
}

func TestTooManyReplies(t *testing.T) {
	tests := []struct {
		name, script string
		read         bool // each reply as it comes
		want         string
	}{
		{"strays", "S: 220 ready\n" + strings.Repeat("S: 200 and more\n", maxStray+1), false,
			`not an FTP reply: more replies than commands: "200 and more"`},
		{"greetings that are none", strings.Repeat("S: 120 soon\n", maxReplies+1) + "silence:", false,
			`not an FTP reply: too many replies to one command: "120 soon"`},
		{"greetings that are none, each awaited", strings.Repeat("S: 120 soon\nwait: 1s\n", maxReplies+1) + "silence:", true,
			`not an FTP reply: too many replies to one command: "120 soon"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withConn(t, tt.script, func(t *testing.T, c *Conn, greeting *Call) {
				for tt.read {
					if _, err := c.Next(t.Context(), greeting, time.Minute); err != nil {
						break
					}
				}
				<-c.Done()
				var pe *ProtocolError
				if err := c.Err(); !errors.As(err, &pe) || err.Error() != tt.want {
					t.Errorf("Err = %v, want %s", err, tt.want)
				}
			})
		})
	}
}

// TestAgain: a late 226 stands in the way of the reply to a command.
func TestAgain(t *testing.T) {
	tests := []struct {
		name, replies string
		want          []int
	}{
		{"the true reply is there already", "S: 226 late\nS: 213 ok\nwait: 1s", []int{226, 213}},
		{"it comes later", "S: 226 late\nwait: 1s\nS: 213 ok\nwait: 1s", []int{226, 213}},
		{"with a preliminary one, already", "S: 226 late\nS: 150 here\nS: 226 done\nwait: 1s", []int{226, 150, 226}},
		{"with a preliminary one, later", "S: 226 late\nwait: 1s\nS: 150 here\nwait: 1s\nS: 226 done\nwait: 1s", []int{226, 150, 226}},
		{"the preliminary one already, the final one later", "S: 226 late\nS: 150 here\nwait: 1s\nS: 226 done\nwait: 1s", []int{226, 150, 226}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withConn(t, "S: 220 ready\nC: CMD\n"+tt.replies+"\nC: NOOP\nS: 200 in step", func(t *testing.T, c *Conn, greeting *Call) {
				final(t, c, greeting)
				call := send(t, c, "CMD")
				codes := []int{final(t, c, call).Code}
				synctest.Wait()
				c.Again(call)
				for len(codes) < len(tt.want) {
					r, err := c.Next(t.Context(), call, 10*time.Second)
					if err != nil {
						t.Fatalf("after %v: %v", codes, err)
					}
					codes = append(codes, r.Code)
				}
				if !reflect.DeepEqual(codes, tt.want) {
					t.Errorf("replies %v, want %v", codes, tt.want)
				}
				if r := final(t, c, send(t, c, "NOOP")); r.Code != 200 {
					t.Errorf("NOOP got %v", r)
				}
			})
		})
	}
}

// TestAgainTooOften: what a call is given in this way counts too.
func TestAgainTooOften(t *testing.T) {
	script := "S: 220 ready\nC: CMD\n" + strings.Repeat("S: 150 soon\n", maxReplies-1) + "S: 226 late\nS: 150 x\nS: 226 y\nsilence:"
	withConn(t, script, func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		call := send(t, c, "CMD")
		final(t, c, call)
		synctest.Wait()
		c.Again(call)
		var pe *ProtocolError
		if !errors.As(c.Err(), &pe) {
			t.Errorf("Err = %v", c.Err())
		}
	})
}

// TestForget: nothing more is expected for a call, and what comes belongs to
// the next one.
func TestForget(t *testing.T) {
	withConn(t, `
		S: 220 ready
		C: CMD
		wait: 1s
		C: NOOP
		S: 200 ok`, func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		call := send(t, c, "CMD")
		c.Forget(call)
		c.Forget(call) // no harm
		if r := final(t, c, send(t, c, "NOOP")); r.Code != 200 {
			t.Errorf("NOOP got %v", r)
		}
	})
}

func TestBytesSent(t *testing.T) {
	long := "CWD " + strings.Repeat("x", maxCommand-4)
	tests := []struct{ line, want string }{
		{"NOOP", "NOOP\r\n"},
		{"CWD caf\xc3\xa9", "CWD caf\xc3\xa9\r\n"},
		{"CWD \xff", "CWD \xff\xff\r\n"},
		{"\xff\xffa\xff", "\xff\xff\xff\xffa\xff\xff\r\n"},
		{long, long + "\r\n"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			c, _ := NewConn(near, near, 0)
			defer c.Close()
			got := make(chan string)
			go func() {
				b := make([]byte, len(tt.want))
				n, _ := io.ReadFull(far, b)
				far.Close()
				got <- string(b[:n])
			}()
			send(t, c, tt.line)
			if s := <-got; s != tt.want {
				t.Errorf("Send(%.20q) wrote %.40q", tt.line, s)
			}
		})
	}
}

func TestCheckCommand(t *testing.T) {
	tests := []struct{ line, want string }{
		{"NOOP", ""},
		{"CWD \xff\x01\t", ""},
		{strings.Repeat("x", maxCommand), ""},
		{strings.Repeat("x", maxCommand+1), "a command of 16385 bytes is longer than the 16384 that are sent"},
		{"CWD a\rb", `a command must not contain CR, LF or NUL: byte '\r' after "CWD a"`},
		{"CWD a\nDELE b", `a command must not contain CR, LF or NUL: byte '\n' after "CWD a"`},
		{"CWD \x00", `a command must not contain CR, LF or NUL: byte '\x00' after "CWD "`},
		{"\r\n", `a command must not contain CR, LF or NUL: byte '\r' after ""`},
		{"PASS hush\nhush", `a command must not contain CR, LF or NUL: byte '\n' after "PASS ****"`},
		{"USER me\r\nPASS hush", `a command must not contain CR, LF or NUL: byte '\r' after "USER me"`},
	}
	for _, tt := range tests {
		err := CheckCommand(tt.line)
		if got := errText(err); got != tt.want {
			t.Errorf("CheckCommand(%.30q) = %q, want %q", tt.line, got, tt.want)
		}
		if bad := strings.Contains(tt.want, "must not"); bad != errors.Is(err, ErrArgument) {
			t.Errorf("CheckCommand(%.30q) is ErrArgument: %v", tt.line, !bad)
		}
	}
	withConn(t, "S: 220 ready\nsilence:", func(t *testing.T, c *Conn, greeting *Call) {
		if _, err := c.Send(t.Context(), "CWD a\nb"); !errors.Is(err, ErrArgument) {
			t.Errorf("Send = %v", err)
		}
		if c.Err() != nil {
			t.Errorf("the connection was given up: %v", c.Err())
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestContextInSend: before a byte is written the connection stays; after
// that it is of no more use.
func TestContextInSend(t *testing.T) {
	withConn(t, "S: 220 ready\nC: NOOP\nS: 200 ok\ndeaf:", func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Send(ended, "STOR x"); err != context.Canceled {
			t.Errorf("Send = %v", err)
		}
		if r := final(t, c, send(t, c, "NOOP")); r.Code != 200 {
			t.Errorf("the connection has suffered: %v", r)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := c.Send(short, "STOR x"); err != context.DeadlineExceeded {
			t.Errorf("Send = %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Send took %v", took)
		}
		if err := c.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Err = %v", err)
		}
	})
}

// TestSendToTheDeaf: a peer that takes no bytes does not hold anybody for ever.
func TestSendToTheDeaf(t *testing.T) {
	withConn(t, "S: 220 ready\ndeaf:", func(t *testing.T, c *Conn, greeting *Call) {
		start := time.Now()
		_, err := c.Send(context.Background(), "NOOP")
		var lost *proto.LostError
		if !errors.As(err, &lost) || time.Since(start) != writeLimit {
			t.Errorf("Send = %v after %v", err, time.Since(start))
		}
	})
}

func TestNextEnds(t *testing.T) {
	withConn(t, "S: 220 ready\nC: CMD\nwait: 10s\nS: 200 ok\nwait: 1s\nclose:", func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		call := send(t, c, "CMD")
		start := time.Now()
		_, err := c.Next(t.Context(), call, 1500*time.Millisecond)
		if !errors.Is(err, proto.ErrSilent) || err.Error() != "no reply within 1.5s" || time.Since(start) != 1500*time.Millisecond {
			t.Errorf("Next = %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start = time.Now()
		if _, err := c.Next(ctx, call, time.Hour); err != context.DeadlineExceeded || time.Since(start) != 2*time.Second {
			t.Errorf("Next = %v after %v", err, time.Since(start))
		}
		if r := final(t, c, call); r.Code != 200 {
			t.Errorf("the reply was lost: %v", r)
		}
		if _, err := c.Next(t.Context(), call, time.Hour); !errors.Is(err, io.EOF) {
			t.Errorf("Next = %v", err)
		}
	})
}

// TestLastWords: a reply that came is given out though the connection has
// ended, and though the context has.
func TestLastWords(t *testing.T) {
	withConn(t, "S: 220 ready\nC: CMD\nS: 421 goodbye\nclose:", func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		call := send(t, c, "CMD")
		<-c.Done()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if r, err := c.Next(ended, call, 0); err != nil || r.Code != 421 {
			t.Errorf("Next = %v, %v", r, err)
		}
	})
}

func TestReset(t *testing.T) {
	withConn(t, "S: 220 ready\nsilence:", func(t *testing.T, c *Conn, greeting *Call) {
		call := send(t, c, "CMD")
		c.Reset()
		if _, err := c.Next(t.Context(), call, time.Hour); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Next = %v", err)
		}
		c.Reset() // no harm
	})
}

// lingerer is a socket that records how it is to be closed.
type lingerer struct {
	net.Conn
	sec int
}

func (l *lingerer) SetLinger(sec int) error { l.sec = sec; return nil }

func TestResetIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, reset := range []bool{false, true} {
			near, far := net.Pipe()
			defer far.Close()
			l := &lingerer{near, -1}
			c, _ := NewConn(l, l, 0)
			want := -1
			if reset {
				want = 0
				c.Reset()
			} else {
				c.Close()
			}
			if l.sec != want {
				t.Errorf("reset %v: linger %d, want %d", reset, l.sec, want)
			}
		}
	})
}

// TestLag: what a server has to work for does not count, and of commands that travel
// together only the time between the replies does.
func TestLag(t *testing.T) {
	withConn(t, `
		S: 220 ready
		C: NOOP
		wait: 100ms
		S: 200 ok
		C: TYPE I
		wait: 150ms
		S: 200 ok
		C: PASS secret
		C: OPTS UTF8 ON
		wait: 5s
		S: 230 in
		wait: 30ms
		S: 200 ok
		C: PWD
		wait: 350ms
		S: 257 "/"`, func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		for _, tt := range []struct {
			lines []string
			want  time.Duration
		}{
			{[]string{"NOOP"}, 100 * time.Millisecond}, // no round trip was measured before
			{[]string{"TYPE I"}, 100 * time.Millisecond},
			{[]string{"PASS secret", "OPTS UTF8 ON"}, 100 * time.Millisecond},
			{[]string{"PWD"}, 250 * time.Millisecond},
		} {
			var calls []*Call
			for _, line := range tt.lines {
				calls = append(calls, send(t, c, line))
			}
			for _, call := range calls {
				final(t, c, call)
			}
			if got := c.Lag(); got != tt.want {
				t.Errorf("after %v: %v, want %v", tt.lines, got, tt.want)
			}
		}
	})
}
