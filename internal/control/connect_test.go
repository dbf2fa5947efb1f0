package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// hungUp is a socket whose other end has closed: a write fails, from the nth
// on, before what came is read, or after.
type hungUp struct {
	net.Conn
	nth        int
	slow, late time.Duration // of that write, and of reads
}

func (c *hungUp) Write(p []byte) (int, error) {
	if c.nth--; c.nth > 0 {
		return c.Conn.Write(p)
	}
	time.Sleep(c.slow)
	return 0, syscall.ECONNRESET
}

func (c *hungUp) Read(p []byte) (int, error) {
	time.Sleep(c.late)
	return c.Conn.Read(p)
}

// TestGreetingBeforeEnd: what a server says before it closes is heard, whenever
// it closes under a login that is sent in one go.
func TestGreetingBeforeEnd(t *testing.T) {
	for _, tt := range []struct {
		script, want string
		away         bool
	}{
		{"S: 421 too many\nclose:", "421 too many", true},
		{"S: 220 ready\nclose:", "the control connection was ", false},
		{"close:", "greeting: the control connection was ", false},
	} {
		for nth := 1; nth <= 2; nth++ {
			for _, slow := range []time.Duration{0, time.Second} {
				name := fmt.Sprintf("%q, write %d fails after %v", tt.script, nth, slow)
				t.Run(name, func(t *testing.T) {
					withSession(t, []string{tt.script}, func(t *testing.T, s *Session, fm *farm) {
						_, err := s.Open(t.Context())
						if !strings.HasPrefix(errText(err), tt.want) {
							t.Errorf("err = %v, want %s", err, tt.want)
						}
						if lost := map[bool]int{true: 0, false: 1}[tt.away]; s.Lost() != lost {
							t.Errorf("%d flights lost", s.Lost())
						}
						if s.Live() != nil {
							t.Errorf("the connection is used on")
						}
					}, func(c *Config) {
						dial := c.Dial
						c.Dial = func(ctx context.Context) (net.Conn, error) {
							nc, err := dial(ctx)
							late := 10 * time.Millisecond
							if slow > 0 {
								late = 0
							}
							return &hungUp{nc, nth, slow, late}, err
						}
					}, atOnce)
				})
			}
		}
	}
}

// atOnce has the login sent in one go, with a command behind it as a link sends
// it.
func atOnce(c *Config) {
	c.Flight = func() (Flight, bool) {
		return Flight{Login: []string{"USER me", "PASS hush"}, Last: []string{"FEAT"}}, true
	}
}

// TestAlsoLost has the connection end while a command that travels with the login
// is sent.
func TestAlsoLost(t *testing.T) {
	also := &Also{Line: "EPSV"}
	withSession(t, []string{"S: 220 ready\nclose:"}, func(t *testing.T, s *Session, fm *farm) {
		_, err := s.Open(t.Context())
		var lost *proto.LostError
		if !errors.As(err, &lost) || s.Live() != nil || s.Lost() != 1 || also.Call == nil {
			t.Errorf("Open = %v; %d flights lost, %v", err, s.Lost(), also.Call)
		}
	}, atOnce, travelling(also), func(c *Config) {
		dial := c.Dial
		c.Dial = func(ctx context.Context) (net.Conn, error) {
			nc, err := dial(ctx)
			return &hungUp{nc, 2, 0, 10 * time.Millisecond}, err
		}
	})
}

// travelling has commands travel with the login.
func travelling(also ...*Also) func(*Config) {
	return func(c *Config) {
		flight := c.Flight
		c.Flight = func() (Flight, bool) {
			f, ok := flight()
			f.Also = also
			return f, ok
		}
	}
}

// heard is a Hearer that keeps what it hears.
type heard struct{ replies []proto.Reply }

func (h *heard) Heard(r proto.Reply) { h.replies = append(h.replies, r) }

// TestAlso has a command travel with the first login of a session: its reply goes
// to the one who hears it, and no login after the first has it.
func TestAlso(t *testing.T) {
	h := new(heard)
	also := &Also{Line: "EPSV", Hearer: h}
	first := "S: 220 ready\nC: USER me\nC: PASS hush\nC: EPSV\nC: FEAT\nS: 331 ok\nS: 230 ok\nS: 229 (|||1025|)\nS: 211 none\nC: NOOP\nS: 200 ok\nclose:"
	second := "S: 220 ready\nC: USER me\nC: PASS hush\nS: 331 ok\nS: 230 ok\nC: NOOP\nS: 200 ok"
	withSession(t, []string{first, second}, func(t *testing.T, s *Session, _ *farm) {
		open(t, s)
		for _, c := range []struct {
			line string
			code int
		}{{"USER me", 331}, {"PASS hush", 230}, {"FEAT", 211}} {
			do(t, s, c.line, c.code)
		}
		if flew, err := s.Land(t.Context()); !flew || err != nil {
			t.Errorf("Land = %v, %v", flew, err)
		}
		if r, err := s.Final(t.Context(), also.Call); r.Code != 229 || err != nil {
			t.Errorf("EPSV: %v, %v", r, err)
		}
		do(t, s, "NOOP", 200)
		<-s.conn.Done()
		if len(h.replies) != 1 || h.replies[0].Code != 229 {
			t.Errorf("heard %v", h.replies)
		}
		do(t, s, "NOOP", 200)
	}, atOnce, travelling(also))
}

// TestAlsoAfterLoss: what travelled with a login that was lost does not travel with
// the next one.
func TestAlsoAfterLoss(t *testing.T) {
	script := "S: 220 ready\nC: USER me\nC: PASS hush\nC: FEAT\nS: 331 ok\nS: 230 ok\nS: 211 none"
	withSession(t, []string{script}, func(t *testing.T, s *Session, _ *farm) {
		s.Lose(1)
		open(t, s)
		do(t, s, "USER me", 331)
		do(t, s, "PASS hush", 230)
		if _, err := s.Land(t.Context()); err != nil {
			t.Error(err)
		}
	}, atOnce, travelling(&Also{Line: "EPSV"}))
}
