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
	"testing/iotest"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/control"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestStory2006 has the text that a person gets who meets what made this
// library.
func TestStory2006(t *testing.T) {
	s := setup{
		near:   []memnet.Box{homeNAT, memnet.CommandBox{Verbs: []string{"PORT", "EPRT"}, Arg: memnet.PrivateEndpoint, Do: memnet.Reset}},
		dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT}; d.ListenPorts = [2]uint16{40001, 40001} },
		ftp:    func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "STAT", Reply: "500 no"}} },
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		_, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
		var ne *ftpnat.NegotiateError
		if !errors.As(err, &ne) {
			t.Fatalf("err = %v, want a *NegotiateError", err)
		}
		const want = `ftpnat: no data connection with ftp.example.com:21:
  PORT advertised 10.0.0.2:40001: the control connection was cut, after 0s
  PORT: no public address is known (neither a setting nor the server tells it), after 50ms
  * The connection was cut when this machine asked the server to connect back to it (PORT). It had to name its address, 10.0.0.2, which is private: it means nothing outside your own network, and the server, or a firewall on the way, takes it for an attack. Use passive mode, in which this machine makes both connections itself: leave Dialer.Modes empty, or add EPSV and PASV.
  * This machine's address means nothing to the server and its public address is not known: set Dialer.PublicAddr (with Dialer.ListenPorts forwarded to this machine), or Dialer.Mapper.`
		if err.Error() != want {
			t.Errorf("got:\n%v\nwant:\n%s", err, want)
		}
	})
	s.dialer = nil
	inBubble(t, s, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		if err := w.fetch(c); err != nil {
			t.Errorf("with no setting: %v", err)
		}
	})
}

// TestNothingWorks bounds the time to a verdict where there is no way.
func TestNothingWorks(t *testing.T) {
	cases := []struct {
		name  string
		setup setup
		want  []ftpnat.Cause // each must be named
	}{
		{"all data ports dropped on both sides", setup{near: []memnet.Box{homeNAT}, far: []memnet.Box{activeOnly}}, []ftpnat.Cause{ftpnat.DialTimeout}},
		{"the same, and PORT is taken", setup{near: []memnet.Box{homeNAT}, far: []memnet.Box{activeOnly},
			ftp: func(s *ftptest.Server) { s.Personality.Data.ForeignPORT = ftptest.Connect }}, []ftpnat.Cause{ftpnat.DialTimeout, ftpnat.AcceptTimeout}},
		{"all commands swallowed", setup{near: []memnet.Box{homeNAT, memnet.CommandBox{Verbs: []string{"EPSV", "PASV", "PORT", "EPRT"}, Do: memnet.Swallow}}}, []ftpnat.Cause{ftpnat.ControlSilent}},
		{"all commands reset", setup{near: []memnet.Box{homeNAT, memnet.CommandBox{Verbs: []string{"EPSV", "PASV", "PORT", "EPRT"}, Do: memnet.Reset}}}, []ftpnat.Cause{ftpnat.ControlReset}},
		{"all commands refused", setup{ftp: func(s *ftptest.Server) {
			for _, v := range []string{"EPSV", "PASV", "PORT", "EPRT"} {
				s.Script = append(s.Script, ftptest.Step{On: v, Reply: "502 no"})
			}
		}}, []ftpnat.Cause{ftpnat.Refused}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.setup, func(t *testing.T, w *world) {
				conn := w.dial()
				defer conn.Close()
				start := time.Now()
				_, err := conn.Retrieve(w.ctx, "pub/file.bin", 0)
				var ne *ftpnat.NegotiateError
				if !errors.As(err, &ne) {
					t.Fatalf("err = %v, want a *NegotiateError", err)
				}
				if took := time.Since(start); took >= 30*time.Second {
					t.Errorf("it took %v", took)
				}
				for _, cause := range c.want {
					if !slices.ContainsFunc(ne.Attempts, func(a ftpnat.Attempt) bool { return a.Cause == cause }) {
						t.Errorf("no attempt has the cause %v:\n%v", cause, err)
					}
					if !slices.Contains(ne.Advice(), cause.Advice()) && cause != ftpnat.ControlReset {
						t.Errorf("the advice has nothing on %v: %q", cause, ne.Advice())
					}
				}
				if len(ne.Advice()) == 0 {
					t.Error("no advice")
				}
				// The session is of use still.
				if _, err := conn.Do(w.ctx, 257, "PWD"); err != nil {
					t.Errorf("after it: %v", err)
				}
			})
		})
	}
}

// TestSecondTransfer wants a known path to cost what its mode costs and no
// command more, in the same Dialer and in one that was given the Memory.
func TestSecondTransfer(t *testing.T) {
	cases := []struct {
		name  string
		setup setup
		want  string // the commands of the second transfer
		later string // and of the first one of another session
	}{
		{"EPSV", setup{}, "EPSV RETR NOOP", "RETR EPSV"},
		{"PASV", setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "EPSV", Reply: "500 no"}} }}, "PASV RETR NOOP", "RETR PASV"},
		{"PORT", setup{far: []memnet.Box{activeOnly}}, "PORT RETR", "PORT RETR"},
		{"PORT public", setup{near: []memnet.Box{memnet.NAT{Public: natAddr, Forwards: []memnet.Forward{{Ports: memnet.AllPorts, To: privateClient}}}}, far: []memnet.Box{activeOnly}}, "PORT RETR", "PORT RETR"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, c.setup, func(t *testing.T, w *world) {
				var mem ftpnat.MemoryMap
				w.d.Memory = &mem
				last := func() string {
					all := w.Server.Transcript()
					verbs := all[len(all)-1].Verbs()
					return strings.Join(verbs, " ")
				}
				c1 := w.dial()
				if err := w.fetch(c1); err != nil {
					t.Fatal(err)
				}
				before := last()
				if err := w.fetch(c1); err != nil {
					t.Fatal(err)
				}
				if got := strings.TrimPrefix(last(), before+" "); got != c.want {
					t.Errorf("the second transfer took %q, want %q", got, c.want)
				}
				c1.Close()

				data, err := mem.MarshalJSON()
				if err != nil {
					t.Fatal(err)
				}
				other := new(ftpnat.MemoryMap)
				if err := other.UnmarshalJSON(data); err != nil {
					t.Fatal(err)
				}
				d2 := &ftpnat.Dialer{DialContext: w.d.DialContext, Listen: w.d.Listen, Memory: other}
				c2, err := d2.Dial(w.ctx, w.Addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c2.Close()
				before = last()
				if err := w.fetch(c2); err != nil {
					t.Fatal(err)
				}
				if got := strings.TrimPrefix(last(), before+" "); got != c.later {
					t.Errorf("with the exported memory %s the first transfer took %q, want %q", data, got, c.later)
				}
			})
		})
	}
}

// TestForget has the way that worked close, and another open.
func TestForget(t *testing.T) {
	inBubble(t, setup{ftp: func(s *ftptest.Server) {
		s.Script = []ftptest.Step{{On: "EPSV", Nth: 2, Reply: "502 not any more"}}
	}}, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		for range 3 {
			if err := w.fetch(c); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := w.Verbs(), "USER PASS TYPE OPTS FEAT EPSV RETR EPSV PASV RETR PASV RETR NOOP"; got != want {
			t.Errorf("commands %q, want %q", got, want)
		}
	})
}

// TestForgottenConnection has a NAT forget the control connection between two
// transfers: that is not held against the mode.
func TestForgottenConnection(t *testing.T) {
	for _, reset := range []bool{false, true} {
		nat := homeNAT
		nat.IdleTimeout, nat.IdleReset = 8*time.Second, reset
		inBubble(t, setup{near: []memnet.Box{nat}}, func(t *testing.T, w *world) {
			dial := w.d.DialContext
			w.d.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := dial(ctx, network, addr)
				return struct{ net.Conn }{nc}, err // has no keepalive
			}
			c := w.dial()
			defer c.Close()
			if err := w.fetch(c); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) // virtual
			start := time.Now()
			if err := w.fetch(c); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
			if got := causesOf(c.Report().Attempts); len(got) != 2 || got[1] != "EPSV OK" {
				t.Errorf("attempts %q, want EPSV to be tried again", got)
			}
			if err := w.fetch(c); err != nil {
				t.Fatal(err)
			}
			if got, want := causesOf(c.Report().Attempts), []string{"EPSV OK"}; !slices.Equal(got, want) {
				t.Errorf("then attempts %q, want %q", got, want)
			}
		})
	}
}

// TestHostileServer wants a clear error in bounded time and memory.
func TestHostileServer(t *testing.T) {
	cases := []struct {
		name string
		step ftptest.Step
		want string // in the error
		as   any    // errors.As
	}{
		{"no greeting", ftptest.Step{On: ftptest.Greeting, Then: ftptest.Silence}, "no reply", nil},
		{"120 and nothing", ftptest.Step{On: ftptest.Greeting, Reply: "120 wait", Then: ftptest.Silence}, "no reply", nil},
		{"421 greeting", ftptest.Step{On: ftptest.Greeting, Reply: "421 too many", Then: ftptest.Cut}, "421 too many", new(*ftpnat.ReplyError)},
		{"endless lines in the greeting", ftptest.Step{On: ftptest.Greeting, Endless: "220-again\r\n"}, "without an end", new(*control.ProtocolError)},
		{"an endless line in the greeting", ftptest.Step{On: ftptest.Greeting, Endless: "220 aaaaaaaaaaaaaaaaaaaaaaaa"}, "a line of more than", new(*control.ProtocolError)},
		{"endless empty lines", ftptest.Step{On: ftptest.Greeting, Endless: "\r\n"}, "empty lines", new(*control.ProtocolError)},
		{"HTTP", ftptest.Step{On: ftptest.Greeting, Raw: "HTTP/1.1 400 Bad Request\r\n\r\n"}, "without a reply code", new(*control.ProtocolError)},
		{"closed at once", ftptest.Step{On: ftptest.Greeting, Raw: "2", Then: ftptest.Cut}, "closed by the other end", new(*proto.LostError)},
		{"endless reply to RETR", ftptest.Step{On: "RETR", Endless: "150-again\r\n"}, "", nil},
		{"silence at RETR", ftptest.Step{On: "RETR", Then: ftptest.Silence}, "no reply", new(*ftpnat.NegotiateError)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Script = []ftptest.Step{c.step} }}, func(t *testing.T, w *world) {
				w.d.RetryFor = 10 * time.Second
				start := time.Now()
				conn, err := w.d.Dial(w.ctx, w.Addr)
				if err == nil {
					err = w.fetch(conn)
					conn.Close()
				}
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("err = %v, want one with %q", err, c.want)
				}
				if c.as != nil && !errors.As(err, c.as) {
					t.Errorf("err is a %T, want a %T", err, c.as)
				}
				if took := time.Since(start); took > 3*time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestArgument wants bytes that would end a command to reach no wire.
func TestArgument(t *testing.T) {
	for _, bad := range []string{"a\rb", "a\nb", "a\x00b", "x\r\nDELE y"} {
		inBubble(t, setup{}, func(t *testing.T, w *world) {
			c := w.dial()
			defer c.Close()
			before := w.Verbs()
			_, err1 := c.Retrieve(w.ctx, bad, 0)
			_, err2 := c.Store(w.ctx, bad, strings.NewReader("x"))
			_, err3 := c.Do(w.ctx, 0, "SIZE", bad)
			_, err4 := c.Do(w.ctx, 0, bad)
			for _, err := range []error{err1, err2, err3, err4} {
				if !errors.Is(err, control.ErrArgument) {
					t.Errorf("%q: err = %v", bad, err)
				}
			}
			if got := w.Verbs(); got != before {
				t.Errorf("%q: sent %q", bad, strings.TrimPrefix(got, before))
			}
			w.d.Password = bad
			if _, err := w.d.Dial(w.ctx, w.Addr); !errors.Is(err, control.ErrArgument) || strings.Contains(err.Error(), "b") && strings.Contains(err.Error(), bad) {
				t.Errorf("password %q: err = %v", bad, err)
			}
		})
	}
}

// TestCancel ends the context after each millisecond of a dial, a download
// through three modes and an upload: the call ends at once with the context's
// error, and the bubble tells of what it would leak.
func TestCancel(t *testing.T) {
	s := setup{near: []memnet.Box{homeNAT, on("EPSV", memnet.Swallow)}, far: []memnet.Box{dropPort(3000)},
		ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "PASV", Nth: 1, Reply: "227 ok (198,51,100,10,11,184)"}}
		}}
	whole := 0
	for after := time.Millisecond; whole == 0 || after < 100*time.Millisecond; after += 37 * time.Millisecond {
		inBubble(t, s, func(t *testing.T, w *world) {
			ctx, cancel := context.WithTimeout(w.ctx, after)
			defer cancel()
			w.ctx = ctx
			start := time.Now()
			c, err := w.d.Dial(ctx, w.Addr)
			if err == nil {
				if err = w.fetch(c); err == nil {
					err = w.store(c)
				}
				defer c.Close()
			}
			if err == nil {
				whole++
				return
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after %v: err = %v", after, err)
			}
			if took := time.Since(start); took != after {
				t.Errorf("a context of %v ended the call after %v", after, took)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// TestBusy has a Conn do one thing at a time, and Close end it.
func TestBusy(t *testing.T) {
	inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Limits.Rate = 10_000 }}, func(t *testing.T, w *world) {
		c := w.dial()
		rc, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(w.ctx, 0, "NOOP"); err != ftpnat.ErrBusy {
			t.Errorf("Do: %v, want ErrBusy", err)
		}
		if _, err := c.Store(w.ctx, "x", strings.NewReader("x")); err != ftpnat.ErrBusy {
			t.Errorf("Store: %v, want ErrBusy", err)
		}
		done := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, rc)
			done <- err
		}()
		time.Sleep(time.Second) // virtual
		c.Close()
		if err := <-done; err != ftpnat.ErrClosed {
			t.Errorf("the read ended with %v, want ErrClosed", err)
		}
		if _, err := c.Do(w.ctx, 0, "NOOP"); err != ftpnat.ErrClosed {
			t.Errorf("Do after Close: %v, want ErrClosed", err)
		}
	})
}

// TestEarlyClose costs the control connection or a round trip, and no error.
func TestEarlyClose(t *testing.T) {
	for _, p := range ftptest.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Personality = p; s.Limits.Rate = 100_000 }}, func(t *testing.T, w *world) {
				c := w.dial()
				defer c.Close()
				rc, err := c.Retrieve(w.ctx, "pub/file.bin", 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(rc, make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if err := rc.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				if took := time.Since(start); took > 50*time.Millisecond+2*rtt {
					t.Errorf("Close took %v", took)
				}
				if err := w.fetch(c); err != nil {
					t.Errorf("the next download: %v", err)
				}
			})
		})
	}
}

// TestUploadSourceFails wants an error, and not a file that looks whole.
func TestUploadSourceFails(t *testing.T) {
	boom := errors.New("boom")
	inBubble(t, setup{}, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		_, err := c.Store(w.ctx, "part", io.MultiReader(bytes.NewReader(content), iotest.ErrReader(boom)))
		if !errors.Is(err, boom) {
			t.Errorf("err = %v", err)
		}
		if err := w.store(c); err != nil {
			t.Errorf("the next upload: %v", err)
		}
	})
}

// TestVerdict wants the server's last word to count, not the end of the data.
func TestVerdict(t *testing.T) {
	for _, final := range []string{"426 Connection closed; transfer aborted.", "451 Local error.", "551 Read error on input file."} {
		inBubble(t, setup{ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RETR", Final: final}, {On: "STOR", Final: final}}
		}}, func(t *testing.T, w *world) {
			c := w.dial()
			defer c.Close()
			var re *ftpnat.ReplyError
			if err := w.fetch(c); !errors.As(err, &re) {
				t.Errorf("%s: a download ended with %v", final, err)
			}
			if err := w.store(c); !errors.As(err, &re) {
				t.Errorf("%s: an upload ended with %v", final, err)
			}
		})
	}
	t.Run("never comes", func(t *testing.T) {
		inBubble(t, setup{ftp: func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "RETR", Final: ftptest.None, Then: ftptest.Silence}}
		}}, func(t *testing.T, w *world) {
			c := w.dial()
			defer c.Close()
			if err := w.fetch(c); !errors.Is(err, ftpnat.ErrNoVerdict) {
				t.Errorf("err = %v, want ErrNoVerdict", err)
			}
		})
	})
}
