package control

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// mixtures are replies in the order in which they come to commands that wait at
// the same time.
var mixtures = []struct {
	name, commands, replies string
	want                    [][]int // by command
	mixed                   bool
}{
	{"in order", "RETR f, EPSV", "150 226 229", [][]int{{150, 226}, {229}}, false},
	{"refused behind the transfer", "RETR f, EPSV", "150 226 500", [][]int{{150, 226}, {500}}, false},
	{"the transfer refused", "RETR f, EPSV", "550 229", [][]int{{550}, {229}}, false},
	{"the transfer aborted", "RETR f, EPSV", "150 426 229", [][]int{{150, 426}, {229}}, false},
	{"aborted, told twice", "RETR f, EPSV", "150 426 226 229", [][]int{{150, 426}, {229}}, false},
	{"EPSV obeyed at once", "RETR f, EPSV", "150 229 226", [][]int{{150, 226}, {229}}, true},
	{"EPSV obeyed first", "RETR f, EPSV", "229 150 226", [][]int{{150, 226}, {229}}, true},
	{"EPSV refused at once", "RETR f, EPSV", "150 500 226", [][]int{{150, 226}, {500}}, true},
	{"EPSV refused at once in other words", "RETR f, EPSV", "150 450 226", [][]int{{150, 226}, {450}}, true},
	{"NOOP obeyed at once", "RETR f, NOOP", "150 200 226", [][]int{{150, 226}, {200}}, true},
	{"SIZE obeyed at once", "STOR f, SIZE f, EPSV", "213 229 150 226", [][]int{{150, 226}, {213}, {229}}, true},
	{"an upload with its size", "STOR f, SIZE f, EPSV", "150 226 213 229", [][]int{{150, 226}, {213}, {229}}, false},
	{"PORT answered late", "PORT 1, RETR f", "150 200 226", [][]int{{200}, {150, 226}}, true},
	{"a late 226 before 229", "EPSV", "226 229", [][]int{{229}}, false},
	{"a 229 that nobody asked for", "NOOP", "229 200", [][]int{{200}}, false},
}

// TestOrder has several commands wait for replies at the same time.
func TestOrder(t *testing.T) {
	for _, tt := range mixtures {
		t.Run(tt.name, func(t *testing.T) {
			commands := strings.Split(tt.commands, ", ")
			script := "S: 220 ready\n"
			for _, line := range commands {
				script += "C: " + line + "\n"
			}
			for _, code := range strings.Fields(tt.replies) {
				script += "S: " + code + " text\n"
			}
			withConn(t, script+"C: QUIT\nS: 221 bye", func(t *testing.T, c *Conn, greeting *Call) {
				final(t, c, greeting)
				calls := make([]*Call, len(commands))
				for i, line := range commands {
					calls[i] = c.newCall(line)
				}
				if err := c.send(t.Context(), calls...); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				got := make([][]int, len(calls))
				for i, call := range calls {
					for len(call.replies) > 0 {
						got[i] = append(got[i], (<-call.replies).Code)
					}
				}
				if !reflect.DeepEqual(got, tt.want) {
					t.Errorf("replies %v, want %v", got, tt.want)
				}
				if c.Mixed() != tt.mixed {
					t.Errorf("Mixed = %v", c.Mixed())
				}
				if r := final(t, c, send(t, c, "QUIT")); r.Code != 221 {
					t.Errorf("QUIT got %v", r)
				}
			})
		})
	}
}

// TestBelated has the end of an earlier transfer come twice, the second time
// when the next command is on its way.
func TestBelated(t *testing.T) {
	for _, tt := range []struct {
		name, replies string
		want          int
		most          time.Duration
	}{
		{"before the refusal", "S: 226 Abort successful.\nS: 550 no", 550, 0},
		{"some time before", "S: 226 Abort successful.\nwait: 50ms\nS: 250 done", 250, 50 * time.Millisecond},
		{"the answer of its own kind", "S: 226 Removed.", 226, 200 * time.Millisecond},
		{"and then the end", "S: 226 Abort successful.\nclose:", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withSession(t, []string{"S: 220 ready\nC: DELE x\n" + tt.replies}, func(t *testing.T, s *Session, _ *farm) {
				open(t, s)
				start := time.Now()
				r, err := s.Do(t.Context(), "DELE x")
				if (err == nil) != (tt.want != 0) || r.Code != tt.want || time.Since(start) > tt.most {
					t.Errorf("%v, %v, after %v", r, err, time.Since(start))
				}
			})
		})
	}
}

// TestDone has a call leave its channel to the next one only when nothing may come
// on it any more, and take another if one is expected after all.
func TestDone(t *testing.T) {
	script := "S: 220 ready\nC: RETR a\nS: 150 here it comes\nC: NOOP\nS: 226 sent\nS: 200 in step\nC: NOOP\nS: 200 late"
	withConn(t, script, func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		send := func(line string) *Call {
			call, err := c.Send(t.Context(), line)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return call
		}
		retr := send("RETR a")
		<-retr.Replies()
		retr.Done() // its last reply is not there
		noop := send("NOOP")
		noop.Done() // its reply was not taken
		if len(c.spare) != 0 || noop.replies == retr.replies {
			t.Fatal("a channel was given away that is in use")
		}
		if r := final(t, c, retr); r.Code != 226 {
			t.Errorf("%v", r)
		}
		if r := final(t, c, noop); r.Code != 200 {
			t.Errorf("%v", r)
		}
		was := retr.replies
		retr.Done()
		retr.Done()
		again := send("NOOP")
		if again.replies != was || len(c.spare) != 0 {
			t.Error("the channel was not used again")
		}
		c.Again(retr)
		if retr.replies == nil || retr.replies == was {
			t.Error("a call that waits again has no channel of its own")
		}
		c.Forget(retr)
		if r := final(t, c, again); r.Code != 200 {
			t.Errorf("%v", r)
		}
	})
}
