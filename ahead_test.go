package ftpnat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ftpnat/ftpnat"
	"github.com/ftpnat/ftpnat/internal/ftptest"
	"github.com/ftpnat/ftpnat/internal/memnet"
)

// small is a file of a few segments.
var small = content[:10_000]

// lesson returns what was learnt of the only path there is.
func (w *world) lesson() ftpnat.Lesson {
	w.t.Helper()
	list := lessons(w.t, ftpnat.MemoryOf(w.d))
	if len(list) != 1 {
		w.t.Fatalf("%d lessons", len(list))
	}
	return list[0]
}

// lessons returns all that a memory holds.
func lessons(t testing.TB, m *ftpnat.MemoryMap) []ftpnat.Lesson {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var list []ftpnat.Lesson
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// files gives a server small files, f00 and on.
func files(n int) func(*ftptest.Server) {
	return func(s *ftptest.Server) {
		for i := range n {
			if err := s.Tree.WriteFile(fmt.Sprintf("f%02d", i), small, 0o644); err != nil {
				panic(err)
			}
		}
	}
}

// trips returns for how many round trips f runs.
func trips(f func()) float64 {
	start := time.Now()
	f()
	return float64(time.Since(start)) / float64(rtt)
}

// atMost holds a number of round trips against its limit.
func atMost(t *testing.T, what string, got, limit float64) {
	t.Helper()
	t.Logf("%s: %.2f round trips", what, got)
	if got > limit {
		t.Errorf("%s took %.2f round trips, want at most %.1f", what, got, limit)
	}
}

// readEach reads n of the small files. It returns the round trips that each
// took.
func readEach(t *testing.T, fsys fs.FS, n int) float64 {
	t.Helper()
	return trips(func() {
		for i := range n {
			got, err := fs.ReadFile(fsys, fmt.Sprintf("f%02d", i))
			if err != nil || !bytes.Equal(got, small) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
		}
	}) / float64(n)
}

// writeEach writes n small files. It returns the round trips that each took.
func (w *world) writeEach(t *testing.T, fsys *ftpnat.FS, n int) float64 {
	t.Helper()
	took := trips(func() {
		for i := range n {
			if err := fsys.WriteFile(fmt.Sprintf("up%d", i), small, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
	for i := range n {
		w.has(t, fmt.Sprintf("up%d", i), string(small))
	}
	return took / float64(n)
}

// TestRoundTrips counts round trips, which virtual time makes exact.
func TestRoundTrips(t *testing.T) {
	const n = 20
	cases := []struct {
		server                                   ftptest.Personality
		first, later, download, opened, uploaded float64
	}{
		{ftptest.VSFTPD(), 5, 4, 3.1, 3.2, 3.1},
		{ftptest.ProFTPD(), 5, 4, 3.1, 3.1, 3.1},
		{ftptest.PureFTPd(), 5, 4, 2.1, 2.1, 2.1},
		{ftptest.Pyftpdlib(), 5, 4, 3.1, 3.1, 3.1},
		{ftptest.FileZilla(), 5, 4, 4.1, 5.1, 5.1},
		{ftptest.Ancient(), 6, 5, 4.1, 8.1, 5.1},
	}
	for _, c := range cases {
		t.Run(c.server.Name, func(t *testing.T) {
			s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) {
				s.Personality = c.server
				files(n)(s)
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				var seen time.Duration
				start := time.Now()
				ctx := ftpnat.WithTrace(w.ctx, &ftpnat.Trace{Attempt: func(a ftpnat.Attempt) { seen = time.Since(start) }})
				fsys := w.openIn(t, ctx, "")
				readEach(t, fsys, 1)
				atMost(t, "from the start to the first byte", float64(seen)/float64(rtt), c.first)
				start = time.Now()
				readEach(t, w.openIn(t, ctx, ""), 1)
				atMost(t, "the same in a later session", float64(seen)/float64(rtt), c.later)
				atMost(t, "a download", readEach(t, fsys, n), c.download)
				atMost(t, "an Open and a Read to the end", readEach(t, onlyOpen{fsys}, n), c.opened)
				atMost(t, "an upload", w.writeEach(t, fsys, n), c.uploaded)
			})
		})
	}
}

// onlyOpen is a file system with Open alone.
type onlyOpen struct{ f *ftpnat.FS }

// Open opens a file.
func (o onlyOpen) Open(name string) (fs.File, error) { return o.f.Open(name) }

// TestFlightOdd has servers that do not take a login in one go.
func TestFlightOdd(t *testing.T) {
	type odd struct {
		name         string
		ahead, early ftptest.Ahead
	}
	var cases []odd
	for name, a := range map[string]ftptest.Ahead{
		"thrown away": ftptest.FirstOnly, "refused": ftptest.RefuseAhead,
		"closed": ftptest.CutAhead, "reset": ftptest.ResetAhead,
	} {
		cases = append(cases, odd{name: name, ahead: a}, odd{name: name + ", before the greeting", early: a})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := setup{ftp: func(s *ftptest.Server) {
				s.Personality = ftptest.Plain()
				s.Personality.Control.Ahead, s.Personality.Control.Early = c.ahead, c.early
				files(3)(s)
			}}
			inBubble(t, s, func(t *testing.T, w *world) {
				start := time.Now()
				fsys := w.openFS(t, "pub")
				took := time.Since(start)
				if got, err := fsys.ReadFile("file.bin"); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if err := fsys.WriteFile("up", small, 0o644); err != nil {
					t.Error(err)
				}
				w.has(t, "pub/up", string(small))
				if l := w.lesson(); l.Flight != ftpnat.No {
					t.Errorf("remembered %+v", l)
				}
				if took > 15*time.Second {
					t.Errorf("the login took %v", took)
				}
				before := len(w.Server.Transcript())
				again, err := w.d.Open(w.ctx, "ftp://"+w.Addr)
				if err != nil {
					t.Fatal(err)
				}
				again.Close()
				if n := len(w.Server.Transcript()) - before; n != 1 {
					t.Errorf("the second login took %d control connections", n)
				}
			})
		})
	}
}

// TestFlightRefused has a login refused for good reasons, which are not tried
// again, and one that takes its time.
func TestFlightRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		ftp  func(*ftptest.Server)
		code int // zero for a login that works
	}{
		{"wrong password", func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "PASS", Reply: "530 Login incorrect."}} }, 530},
		{"wrong user", func(s *ftptest.Server) {
			s.Script = []ftptest.Step{{On: "USER", Reply: "530 This server is for others."}}
		}, 530},
		{"no such directory", func(s *ftptest.Server) { s.Script = []ftptest.Step{{On: "CWD", Reply: "550 No such directory."}} }, 550},
		{"slow", func(s *ftptest.Server) {
			s.Personality = s.Personality.Saying()
			s.Personality.Control.Delays = map[string]time.Duration{"PASS": 3 * time.Second, ftptest.Greeting: 20 * time.Second}
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, setup{ftp: c.ftp}, func(t *testing.T, w *world) {
				fsys, err := w.d.Open(w.ctx, "ftp://"+w.Addr+"/pub")
				if err == nil {
					defer fsys.Close()
				}
				if got := replyOf(err).Code; got != c.code || (err == nil) != (c.code == 0) {
					t.Errorf("Open: %v", err)
				}
				if n := w.Server.Counters().Commands["PASS"]; n > 1 && c.code != 550 {
					t.Errorf("PASS was sent %d times", n)
				}
			})
		})
	}
}

// mix reads and writes small files and a larger one in turn, in n rounds.
func (w *world) mix(t *testing.T, n int) {
	fsys := w.openFS(t, "")
	for i := range n {
		if got, err := fsys.ReadFile(fmt.Sprintf("f%02d", i)); err != nil || !bytes.Equal(got, small) {
			t.Errorf("ReadFile: %d bytes, %v", len(got), err)
		}
		if got, err := fs.ReadFile(onlyOpen{fsys}, "pub/file.bin"); err != nil || !bytes.Equal(got, content) {
			t.Errorf("Open: %d bytes, %v", len(got), err)
		}
		if err := fsys.WriteFile("up", small, 0o644); err != nil {
			t.Errorf("WriteFile: %v", err)
		}
		w.has(t, "up", string(small))
	}
}

// TestQueueFaults has servers that look like one that keeps commands behind a
// transfer and do something else. Every byte is right all the same, and the
// server is not asked that again.
func TestQueueFaults(t *testing.T) {
	faults := map[string]ftptest.During{
		"refused": ftptest.Refuse, "obeyed, and the transfer destroyed": ftptest.Obey, "answered first": ftptest.Beside,
		"answered before the 150": ftptest.BeforeBegin, "refused after the transfer": ftptest.RefuseAfter, "lost": ftptest.Lose,
		"closed": ftptest.CutDuring, "reset": ftptest.ResetDuring,
	}
	for name, during := range faults {
		for _, one := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", name, one), func(t *testing.T) {
				s := setup{dialer: func(d *ftpnat.Dialer) { d.MaxConns = 1 }, ftp: func(s *ftptest.Server) {
					s.Personality.Control.During, s.Personality.Control.KeepShared = during, false
					files(6)(s)
				}}
				inBubble(t, s, func(t *testing.T, w *world) {
					if one {
						c := w.dial()
						defer c.Close()
						for range 3 {
							if err := w.bothWays(c); err != nil {
								t.Error(err)
							}
						}
					} else {
						w.mix(t, 6)
					}
					// Conn.Retrieve cannot go on where a transfer broke, and so
					// takes no risk.
					if l := w.lesson(); l.Queue != ftpnat.No && !one {
						t.Errorf("remembered %+v", l)
					}
					before := len(w.Server.Transcript())
					c := w.dial()
					defer c.Close()
					for range 3 {
						if err := w.fetch(c); err != nil {
							t.Error(err)
						}
					}
					if n := len(w.Server.Transcript()) - before; n != 1 {
						t.Errorf("with that remembered: %d control connections", n)
					}
				})
			})
		}
	}
}

// TestAheadMissed has a firewall before the server that opens ports by what it
// reads, and overlooks a reply that shares a segment with others.
func TestAheadMissed(t *testing.T) {
	helper := activeOnly
	helper.FTPHelper = true
	s := setup{
		far: []memnet.Box{helper},
		ftp: func(s *ftptest.Server) { s.Personality.Control.Coalesce = time.Millisecond },
	}
	inBubble(t, s, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "pub")
		for i := range 4 {
			start := time.Now()
			if got, err := fs.ReadFile(onlyOpen{fsys}, "file.bin"); err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if took := time.Since(start); took > 14*rtt {
				t.Errorf("transfer %d took %v", i, took)
			}
		}
		if l := w.lesson(); l.Ahead != ftpnat.No || l.Mode != ftpnat.EPSV {
			t.Errorf("remembered %+v", l)
		}
	})
}

// TestAheadOld has a data connection that was opened ahead of need and not used
// for so long that it is worth nothing.
func TestAheadOld(t *testing.T) {
	for _, pause := range []time.Duration{3 * time.Second, time.Minute, 10 * time.Minute} {
		inBubble(t, setup{near: []memnet.Box{memnet.NAT{Public: natAddr, IdleTimeout: 20 * time.Second}}}, func(t *testing.T, w *world) {
			c := w.dial()
			defer c.Close()
			for range 3 {
				if err := w.fetch(c); err != nil {
					t.Errorf("after %v: %v", pause, err)
				}
				time.Sleep(pause) // virtual
			}
		})
	}
}

// TestEarlyRefused has uploads refused that were sent before the answer.
func TestEarlyRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply string
		nth   int
		code  int // zero for an upload that works in the end
	}{
		{"for good", "553 Could not create file.", 0, 553},
		{"for now", "450 Busy.", 3, 0},
		{"the data connection", "425 Security: Bad IP connecting.", 3, 0},
		{"with the end of the connection", "421 Bye.", 3, 0},
		{"an unknown command", "500 What?", 0, 500},
	} {
		for _, p := range []ftptest.Personality{ftptest.VSFTPD(), ftptest.Pyftpdlib()} {
			t.Run(c.name+"/"+p.Name, func(t *testing.T) {
				s := setup{ftp: func(s *ftptest.Server) {
					s.Personality = p
					s.Script = []ftptest.Step{{On: "STOR", Nth: c.nth, Reply: c.reply}}
				}}
				inBubble(t, s, func(t *testing.T, w *world) {
					fsys := w.openFS(t, "")
					for i := range 4 {
						name := fmt.Sprintf("up%d", i)
						err := fsys.WriteFile(name, small, 0o644)
						if replyOf(err).Code != c.code || (err == nil) != (c.code == 0) {
							t.Errorf("WriteFile %d: %v", i, err)
						}
						if err == nil {
							w.has(t, name, string(small))
						}
					}
					conn := w.dial()
					defer conn.Close()
					n, err := conn.Store(w.ctx, "up", bytes.NewReader(small))
					if replyOf(err).Code != c.code || err == nil && n != int64(len(small)) {
						t.Errorf("Store: %d, %v", n, err)
					}
				})
			})
		}
	}
}

// TestEarlyFull has the server run out of space after the data was sent.
func TestEarlyFull(t *testing.T) {
	inBubble(t, setup{ftp: func(s *ftptest.Server) { s.Limits.MaxFileSize = 5_000 }}, func(t *testing.T, w *world) {
		fsys := w.openFS(t, "")
		full := 0
		for i := range 3 {
			if err := fsys.WriteFile(fmt.Sprintf("up%d", i), small, 0o644); err != nil {
				full++
				var refused *ftpnat.ReplyError
				if !errors.As(err, &refused) || refused.Reply.Code != 552 {
					t.Errorf("WriteFile: %v", err)
				}
			}
		}
		if full == 0 {
			t.Error("everything went onto a full disk")
		}
	})
}

// TestActiveOneByOne has active mode wait for the answer to PORT before the
// command is sent, once it has worked too: Twisted's server loses a transfer
// whose command comes before that. A PORT that is refused is the end of its call
// alone.
func TestActiveOneByOne(t *testing.T) {
	for _, reply := range []string{"", "500 Illegal PORT command.", "421 No."} {
		s := setup{far: []memnet.Box{activeOnly}, dialer: func(d *ftpnat.Dialer) { d.Modes = []ftpnat.Mode{ftpnat.PORT} }, ftp: func(s *ftptest.Server) {
			if reply != "" {
				s.Script = []ftptest.Step{{On: "PORT", Nth: 3, Reply: reply}}
			}
		}}
		inBubble(t, s, func(t *testing.T, w *world) {
			c := w.dial()
			defer c.Close()
			for i := range 4 {
				var err error
				took := trips(func() { err = w.fetch(c) })
				if refused := reply != "" && i == 1; refused != (err != nil) {
					t.Errorf("%q, %d: %v", reply, i, err)
				}
				if took > 4.5 && err == nil {
					t.Errorf("%q: transfer %d took %.1f round trips", reply, i, took)
				}
				if err := w.store(c); err != nil {
					t.Errorf("%q: %v", reply, err)
				}
			}
			if causes := causesOf(c.Report().Attempts); !slices.Equal(causes, []string{"PORT OK"}) {
				t.Errorf("%q: attempts %q", reply, causes)
			}
			w.answered(t, "PORT")
		})
	}
}

// answered sees that no command was sent while one of a verb waited for its
// answer.
func (w *world) answered(t *testing.T, verb string) {
	t.Helper()
	waiting := false
	for line := range strings.Lines(w.log.String()) {
		fields := strings.Fields(line)
		switch {
		case len(fields) < 3:
		case fields[1] == "<":
			waiting = false
		case fields[1] == ">" && waiting:
			t.Errorf("%s was sent before the answer to %s", fields[2], verb)
			waiting = false
		case fields[1] == ">":
			waiting = fields[2] == verb
		}
	}
}

// TestGreetingFirst has nothing sent ahead where it was learnt that this is not
// taken.
func TestGreetingFirst(t *testing.T) {
	inBubble(t, setup{dialer: plain}, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		if err := w.fetch(c); err != nil {
			t.Fatal(err)
		}
		if log := w.log.String(); strings.Index(log, "< 220") > strings.Index(log, "> USER") {
			t.Errorf("the login did not wait for the greeting:\n%s", log)
		}
	})
}
