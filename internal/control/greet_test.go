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
		{"S: 421 too many\nclose:", "the server refused the connection: 421 too many", true},
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
						if lost := map[bool]int{true: 0, false: 1}[tt.away]; s.TurnedAway() != tt.away || s.Lost() != lost {
							t.Errorf("turned away: %v, %d flights lost", s.TurnedAway(), s.Lost())
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

// TestLaunchedLost has the connection end while the one who launches sends what
// is his.
func TestLaunchedLost(t *testing.T) {
	var s *Session
	withSession(t, []string{"S: 220 ready\nclose:"}, func(t *testing.T, session *Session, fm *farm) {
		s = session
		_, err := s.Open(t.Context())
		var lost *LostError
		if !errors.As(err, &lost) {
			t.Errorf("Open = %v", err)
		}
	}, atOnce, func(c *Config) {
		c.Launched = func(ctx context.Context) {
			time.Sleep(time.Second)
			if _, err := s.SendAll(ctx, nil, "EPSV"); err == nil {
				t.Error("a command was sent on a connection that had ended")
			}
		}
	})
}
