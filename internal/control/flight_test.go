package control

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// A login that was sent in one go, and what came of it.
const sentLogin = `
	S: 220 ready
	C: USER me
	C: PASS x
	C: TYPE I
	C: FEAT
	S: 331 ok
`

// flying has a session send such a login.
func flying(proven bool) func(*Config) {
	return func(c *Config) {
		c.Flight = func() (Flight, bool) {
			return Flight{Login: []string{"USER me", "PASS x"}, After: []string{"TYPE I"}, Last: []string{"FEAT"}, Proven: proven}, true
		}
	}
}

// TestFlight has something on the way throw away some of what was sent: a reply
// to a later command is not taken for one to the password.
func TestFlight(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		proven       bool
		code         int // in reply to PASS; zero where the flight is lost
		lost         int
		took         time.Duration
	}{
		{"taken", "S: 230 ok\nS: 200 ok\nS: 211 none", false, 230, 0, 0},
		{"refused", "S: 530 no\nS: 530 no\nS: 211 none", false, 530, 0, 0},
		{"refused and closed", "S: 530 no\nclose:", false, 530, 0, 0},
		{"refused, and silent where that may have another reason", "S: 530 no\nS: 530 no\nsilence:", false, 530, 0, 0},
		{"the refusal of what came later", "S: 530 log in\nsilence:", false, 0, maxLost, userLimit},
		{"the same where all was well before", "S: 530 log in\nsilence:", true, 0, maxLost, flightLimit},
		{"another code than that of TYPE", "S: 530 log in\nS: 211 none\nsilence:", false, 0, 1, 0},
		{"slow", "wait: 9s\nS: 230 ok\nS: 200 ok\nS: 211 none\nC: NOOP\nS: 200 ok", false, 230, 0, 9 * time.Second},
		{"slower", "C: NOOP\nwait: 17s\nS: 230 ok\nS: 200 ok\nS: 211 none\nS: 200 ok", false, 230, 0, userLimit + 17*time.Second},
		{"gone", "C: NOOP\nS: 200 ok\nsilence:", false, 0, maxLost, userLimit + restLimit},
		{"silent", "C: NOOP\nsilence:", false, 0, maxLost, userLimit + replyLimit},
		{"silent where all was well before", "C: NOOP\nsilence:", true, 0, maxLost, flightLimit + replyLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withSession(t, []string{sentLogin + tt.script}, func(t *testing.T, s *Session, _ *farm) {
				open(t, s)
				do(t, s, "USER me", 331)
				start := time.Now()
				r, err := s.Do(t.Context(), "PASS x")
				if r.Code != tt.code || (err == nil) != (tt.code != 0) || s.Lost() != tt.lost {
					t.Errorf("PASS = %v, %v; %d flights were lost", r, err, s.Lost())
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if tt.code != 230 {
					return
				}
				do(t, s, "TYPE I", 200)
				do(t, s, "FEAT", 211)
				if flew, err := s.Land(t.Context()); !flew || err != nil {
					t.Errorf("Land = %v, %v", flew, err)
				}
			}, flying(tt.proven))
		})
	}
}

// TestFlightUnanswered has nothing of a login answered. What was sent behind it may
// be why where the two can have met on the way.
func TestFlightUnanswered(t *testing.T) {
	for merges, lost := range map[bool]int{false: maxLost, true: 1} {
		withSession(t, []string{"S: 220 ready\nsilence:"}, func(t *testing.T, s *Session, _ *farm) {
			open(t, s)
			if _, err := s.Do(t.Context(), "USER me"); !errors.Is(err, proto.ErrSilent) || s.Lost() != lost {
				t.Errorf("merges %v: USER: %v; %d flights were lost, want %d", merges, err, s.Lost(), lost)
			}
		}, flying(false), func(c *Config) { c.Merges = merges })
	}
}

// TestFlightBroken has the connection end between the parts of a login.
func TestFlightBroken(t *testing.T) {
	withSession(t, []string{"silence:"}, func(t *testing.T, s *Session, _ *farm) {
		if _, err := s.Open(t.Context()); err == nil || s.Live() != nil || s.Lost() != 1 {
			t.Errorf("Open = %v; %d flights were lost", err, s.Lost())
		}
	}, flying(false), func(c *Config) {
		dial := c.Dial
		c.Dial = func(ctx context.Context) (net.Conn, error) {
			nc, err := dial(ctx)
			return &hungUp{Conn: nc, nth: 2}, err
		}
	})
}

// TestFlightOdd has a server with codes of its own, and one that gives a reply too
// many: what it says to PWD tells them apart.
func TestFlightOdd(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		lost         bool
	}{
		{"codes of its own", "S: 220 in\nS: 226 type\nS: 211 none\nC: PWD\nS: 257 \"/\"", false},
		{"codes of its own, and no PWD", "S: 200 in\nS: 250 type\nS: 211 none\nC: PWD\nS: 502 no", false},
		{"one too many, at once", "S: 200 in\nS: 220 in\nS: 200 type\nS: 211 none", true},
		{"one too many, late", "S: 200 in\nS: 220 in\nS: 200 type\nC: PWD\nS: 211 none", true},
		{"the reply to another command", "S: 230 in\nS: 230 in\nS: 200 type\nS: 211 none", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withSession(t, []string{sentLogin + tt.script}, func(t *testing.T, s *Session, _ *farm) {
				open(t, s)
				do(t, s, "USER me", 331)
				_, err := s.Do(t.Context(), "PASS x")
				for _, line := range []string{"TYPE I", "FEAT"} {
					if err == nil {
						_, err = s.Do(t.Context(), line)
					}
				}
				if err == nil {
					_, err = s.Land(t.Context())
				}
				if (err != nil) != tt.lost || s.Lost() > 0 != tt.lost {
					t.Errorf("%v; %d flights were lost", err, s.Lost())
				}
			}, flying(false))
		})
	}
}

// TestGrounded tells of the end of logins in one go when it is decided.
func TestGrounded(t *testing.T) {
	told := 0
	withSession(t, []string{"S: 220 ready\nsilence:"}, func(t *testing.T, s *Session, _ *farm) {
		open(t, s)
		if _, err := s.Do(t.Context(), "USER me"); !errors.Is(err, proto.ErrSilent) || told != 1 {
			t.Errorf("USER: %v; told %d times", err, told)
		}
		s.Drop(t.Context(), errors.New("again"))
	}, flying(false), func(c *Config) { c.Grounded = func() { told++ } })
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// TestMeant tells a refusal of the password from one of how it was sent.
func TestMeant(t *testing.T) {
	for script, want := range map[string]bool{
		"S: 500 bad password\nS: 530 no\nS: 530 no": true,
		"S: 500 what\nS: 500 what\nS: 500 what":     false,
		"S: 500 bad password\nclose:":               false,
	} {
		withSession(t, []string{sentLogin + script}, func(t *testing.T, s *Session, _ *farm) {
			open(t, s)
			do(t, s, "USER me", 331)
			r, err := s.Do(t.Context(), "PASS x")
			if err != nil || s.Meant(r) != want {
				t.Errorf("%q: %v, %v, meant %v", script, r, err, !want)
			}
		}, flying(false))
	}
}
