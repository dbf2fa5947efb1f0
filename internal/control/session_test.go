package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

func TestOpen(t *testing.T) {
	tests := []struct {
		name, script, want string // want empty: it opens
		took               time.Duration
	}{
		{"220", "S: 220 ready", "", 0},
		{"120, then 220", "S: 120 soon\nwait: 4s\nS: 220 ready", "", 4 * time.Second},
		{"slow", "wait: 19s\nS: 220 ready", "", 19 * time.Second},
		{"nothing", "silence:", "greeting: no reply within 20s", replyLimit},
		{"120, then nothing", "S: 120 soon\nsilence:", "greeting: no reply within 20s", replyLimit},
		{"120 twice", "S: 120 soon\nS: 120 later\nsilence:", "120 later", 0},
		{"421", "S: 421 too many", "421 too many", 0},
		{"554", "S: 554 go away", "554 go away", 0},
		{"331", "S: 331 password", "331 password", 0},
		{"garbage", "S: SSH-2.0-x\nsilence:", `greeting: not an FTP reply: a line without a reply code: "SSH-2.0-x"`, 0},
		{"the end", "close:", "greeting: the control connection was closed by the other end", 0},
		{"the end in the line", `raw: "220 rea"` + "\nclose:", "greeting: the control connection was closed by the other end in the middle of a reply", 0},
		{"refused", "refused", "nobody listens", 0},
		{"timeout", "timeout", "no connection within 5s: context deadline exceeded", connectLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withSession(t, []string{tt.script}, func(t *testing.T, s *Session, _ *farm) {
				var connects int
				ctx := trace.With(t.Context(), &trace.Hooks{Connect: func(trace.Connect) { connects++ }})
				start := time.Now()
				_, err := s.Open(ctx)
				if errText(err) != tt.want || time.Since(start) != tt.took {
					t.Errorf("Open = %v after %v", err, time.Since(start))
				}
				if live := s.Live() != nil; live != (tt.want == "") {
					t.Errorf("a connection is there: %v", live)
				}
				if connects != 1 {
					t.Errorf("%d connects were shown", connects)
				}
			})
		})
	}
}

func TestOpenContext(t *testing.T) {
	for _, script := range []string{"timeout", "silence:", "S: 120 soon\nsilence:"} {
		withSession(t, []string{script}, func(t *testing.T, s *Session, _ *farm) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if _, err := s.Open(ctx); err != context.DeadlineExceeded || time.Since(start) != time.Second {
				t.Errorf("%q: Open = %v after %v", script, err, time.Since(start))
			}
		})
	}
}

// firstLife sets up a session, and secondLife what of it must be there in the next
// one.
const (
	firstLife = `
	S: 220 ready
	C: HOST ftp.example.com
	S: 220 ok
	C: OPTS UTF8 ON
	S: 200 ok
	C: USER me
	S: 331 ok
	C: PASS wrong
	S: 530 no
	C: PASS hush
	S: 230 ok
	C: TYPE A
	S: 200 ok
	C: OPTS MLST type;
	S: 200 ok
	C: TYPE I
	S: 200 ok
	C: CLNT me
	S: 200 ok
	C: SITE UMASK 022
	S: 200 ok
	C: SITE UMASK
	S: 200 022
	C: LANG xx
	S: 504 no
	C: CWD /a
	S: 250 ok
	C: CWD /b
	S: 250 ok
	C: CWD c
	S: 250 ok
	C: CWD nowhere
	S: 550 no
	C: CDUP
	S: 250 ok
	C: RNFR x
	S: 350 and
	close:`

	secondLife = `
	S: 220 ready
	C: HOST ftp.example.com
	S: 220 ok
	C: OPTS UTF8 ON
	S: 200 ok
	C: USER me
	S: 331 ok
	C: PASS hush
	S: 230 ok
	C: TYPE I
	S: 200 ok
	C: OPTS MLST type;
	S: 200 ok
	C: CLNT me
	S: 200 ok
	C: SITE UMASK 022
	S: 200 ok
	C: CWD /b
	S: 250 ok
	C: CWD c
	S: 250 ok
	C: CDUP
	S: 250 ok
	C: RNFR x
	S: 350 and
	C: RNTO y
	S: 250 done`
)

// TestRestore: the new connection is told all that the old one knew, in an
// order that servers take.
func TestRestore(t *testing.T) {
	withSession(t, []string{firstLife, secondLife}, func(t *testing.T, s *Session, _ *farm) {
		var lost []string
		ctx := trace.With(t.Context(), &trace.Hooks{Lost: func(err error) { lost = append(lost, errText(err)) }})
		open(t, s)
		for _, c := range []struct {
			line string
			code int
		}{
			{"HOST ftp.example.com", 220}, {"OPTS UTF8 ON", 200}, {"USER me", 331}, {"PASS wrong", 530}, {"PASS hush", 230},
			{"TYPE A", 200}, {"OPTS MLST type;", 200}, {"TYPE I", 200}, {"CLNT me", 200}, {"SITE UMASK 022", 200}, {"SITE UMASK", 200},
			{"LANG xx", 504}, {"CWD /a", 250}, {"CWD /b", 250}, {"CWD c", 250}, {"CWD nowhere", 550}, {"CDUP", 250}, {"RNFR x", 350},
		} {
			do(t, s, c.line, c.code)
		}
		<-s.conn.Done()
		if r, err := s.Do(ctx, "RNTO y"); r.Code != 250 || err != nil {
			t.Errorf("RNTO = %v, %v", r, err)
		}
		if s.Lives() != 2 {
			t.Errorf("Lives = %d", s.Lives())
		}
		if want := []string{"the control connection was closed by the other end"}; !reflect.DeepEqual(lost, want) {
			t.Errorf("lost: %q", lost)
		}
	})
}

const in = "S: 220 ready\nC: USER me\nS: 230 ok\n"

// login opens a session and logs in as the scripts that begin with in have it.
func login(t *testing.T, s *Session) {
	t.Helper()
	open(t, s)
	do(t, s, "USER me", 230)
}

// TestLostUnderCommand: a command that only asks is repeated, another one is
// not, because it may have been carried out.
func TestLostUnderCommand(t *testing.T) {
	tests := []struct {
		line     string
		repeated bool
	}{
		{"NOOP", true}, {"SIZE x", true}, {"mdtm x", true}, {"PWD", true}, {"TYPE I", true}, {"CWD /a", true}, {"RNFR x", true},
		{"FEAT", true}, {"STAT", true}, {"OPTS UTF8 ON", true}, {"XSHA256 x", true},
		{"CWD a", false}, {"CWD", false}, {"CDUP", false}, {"DELE x", false}, {"MKD x", false}, {"RMD x", false}, {"RNTO y", false}, {"MFMT 2000 x", false},
		{"SITE CHMOD 600 x", false}, {"STOR x", false}, {"APPE x", false}, {"REIN", false}, {"ALLO 1", false},
	}
	for _, tt := range tests {
		for _, cut := range []string{"close:", `raw: "200-o"` + "\nclose:", "S: 150 busy\nclose:"} {
			scripts := []string{in + "C: " + tt.line + "\n" + cut}
			if tt.repeated {
				scripts = append(scripts, in+"C: "+tt.line+"\nS: 200 ok")
			}
			withSession(t, scripts, func(t *testing.T, s *Session, _ *farm) {
				login(t, s)
				r, err := s.Do(t.Context(), tt.line)
				var lost *proto.LostError
				if tt.repeated && (err != nil || r.Code != 200) || !tt.repeated && !errors.As(err, &lost) {
					t.Errorf("%s, %q: Do = %v, %v", tt.line, cut, r, err)
				}
			})
		}
	}
}

// TestRepeatedOnce: what kills two connections is not tried on a third.
func TestRepeatedOnce(t *testing.T) {
	withSession(t, []string{in + "C: SIZE x\nclose:", in + "C: SIZE x\nclose:"}, func(t *testing.T, s *Session, _ *farm) {
		login(t, s)
		if _, err := s.Do(t.Context(), "SIZE x"); !errors.Is(err, io.EOF) {
			t.Errorf("Do = %v", err)
		}
	})
}

// TestSilentCommand: no answer costs the connection, and is not asked for twice.
func TestSilentCommand(t *testing.T) {
	withSession(t, []string{in + "C: SIZE x\nsilence:", in + "C: NOOP\nS: 200 ok"}, func(t *testing.T, s *Session, _ *farm) {
		login(t, s)
		start := time.Now()
		_, err := s.Do(t.Context(), "SIZE x")
		if !errors.Is(err, proto.ErrSilent) || err.Error() != "SIZE x: no reply within 20s" || time.Since(start) != replyLimit {
			t.Errorf("Do = %v after %v", err, time.Since(start))
		}
		do(t, s, "NOOP", 200)
	})
}

// TestPreliminaryWithoutEnd: each 1yz takes patience, and there is an end to it.
func TestPreliminaryWithoutEnd(t *testing.T) {
	script := in + "C: SITE INDEX\n" + strings.Repeat("S: 150 still busy\nwait: 19s\n", 100) + "silence:"
	withSession(t, []string{script}, func(t *testing.T, s *Session, _ *farm) {
		login(t, s)
		start := time.Now()
		_, err := s.Do(t.Context(), "SITE INDEX")
		var pe *ProtocolError
		if !errors.As(err, &pe) || time.Since(start) > maxReplies*replyLimit {
			t.Errorf("Do = %v after %v", err, time.Since(start))
		}
	})
}

func TestContextInDo(t *testing.T) {
	withSession(t, []string{in + "C: SIZE x\nsilence:", in + "C: NOOP\nS: 200 ok"}, func(t *testing.T, s *Session, _ *farm) {
		login(t, s)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Do(ended, "SIZE x"); err != context.Canceled || s.Lives() != 1 || s.Live() == nil {
			t.Errorf("ended before: Do = %v, lives %d", err, s.Lives())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := s.Do(ctx, "SIZE x"); err != context.DeadlineExceeded || time.Since(start) != time.Second {
			t.Errorf("ended meanwhile: Do = %v after %v", err, time.Since(start))
		}
		if s.Live() != nil {
			t.Error("a connection is kept that owes a reply")
		}
		if _, err := s.Do(ended, "NOOP"); err != context.Canceled {
			t.Errorf("ended, and no connection: Do = %v", err)
		}
		do(t, s, "NOOP", 200)
	})
}

// TestRenameLost: whether an RNTO was carried out is not known; the RNFR must
// not stand in the way of what follows.
func TestRenameLost(t *testing.T) {
	scripts := []string{in + "C: RNFR a\nS: 350 and\nC: RNTO b\nclose:", in + "C: NOOP\nS: 200 ok"}
	withSession(t, scripts, func(t *testing.T, s *Session, _ *farm) {
		login(t, s)
		do(t, s, "RNFR a", 350)
		if _, err := s.Do(t.Context(), "RNTO b"); !errors.Is(err, io.EOF) {
			t.Errorf("Do = %v", err)
		}
		do(t, s, "NOOP", 200)
	})
}

// TestRenameGone: a file that is gone when the connection is restored is the
// RNTO's trouble alone.
func TestRenameGone(t *testing.T) {
	scripts := []string{in + "C: RNFR a\nS: 350 and\nclose:", in + "C: RNFR a\nS: 550 gone\nC: RNTO b\nS: 503 RNFR first\nC: NOOP\nS: 200 ok"}
	withSession(t, scripts, func(t *testing.T, s *Session, _ *farm) {
		login(t, s)
		do(t, s, "RNFR a", 350)
		<-s.conn.Done()
		do(t, s, "RNTO b", 503)
		do(t, s, "NOOP", 200)
	})
}

// TestEasierLogin: a server that does not ask for the password any more is
// not told it.
func TestEasierLogin(t *testing.T) {
	scripts := []string{"S: 220 ready\nC: USER me\nS: 331 ok\nC: PASS hush\nS: 230 ok\nclose:", in + "C: NOOP\nS: 200 ok"}
	withSession(t, scripts, func(t *testing.T, s *Session, _ *farm) {
		open(t, s)
		do(t, s, "USER me", 331)
		do(t, s, "PASS hush", 230)
		<-s.conn.Done()
		do(t, s, "NOOP", 200)
	})
}

func Test421(t *testing.T) {
	tests := []struct {
		name, line string
		scripts    []string
		code       int
	}{
		{"does not close: a refusal", "DELE x", []string{in + "C: DELE x\nS: 421 disabled\nC: NOOP\nS: 200 ok"}, 421},
		{"closes: not carried out, repeated", "DELE x", []string{in + "C: DELE x\nS: 421 timeout\nclose:", in + "C: DELE x\nS: 250 ok"}, 250},
		{"closes after the question", "DELE x", []string{in + "C: DELE x\nS: 421 timeout\nC: NOOP\nclose:", in + "C: DELE x\nS: 250 ok"}, 250},
		{"says so again", "DELE x", []string{in + "C: DELE x\nS: 421 timeout\nC: NOOP\nS: 421 timeout\nsilence:", in + "C: DELE x\nS: 250 ok"}, 250},
		{"says nothing more", "DELE x", []string{in + "C: DELE x\nS: 421 timeout\nsilence:", in + "C: DELE x\nS: 250 ok"}, 250},
		{"closes each time", "DELE x", []string{in + "C: DELE x\nS: 421 no\nclose:", in + "C: DELE x\nS: 421 no\nclose:"}, 421},
		{"idle, closes", "DELE x", []string{in + "S: 421 idle\nclose:", in + "C: DELE x\nS: 250 ok"}, 250},
		{"idle, closes when spoken to", "DELE x", []string{in + "S: 421 idle\nC: NOOP\nclose:", in + "C: DELE x\nS: 250 ok"}, 250},
		{"idle, does not close", "DELE x", []string{in + "S: 421 idle\nC: NOOP\nS: 200 ok\nC: DELE x\nS: 250 ok"}, 250},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withSession(t, tt.scripts, func(t *testing.T, s *Session, _ *farm) {
				login(t, s)
				synctest.Wait()
				do(t, s, tt.line, tt.code)
			})
		})
	}
}

// TestLongWay: after many steps the directory is asked for, so that a new
// connection is not led through all of them.
func TestLongWay(t *testing.T) {
	first := in + strings.Repeat("C: CWD d\nS: 250 ok\n", maxDirs+1) + "C: PWD\nS: 257 \"/far \"\"away\"\"\" is current\nC: CDUP\nS: 250 ok\nclose:"
	withSession(t, []string{first, in + "C: CWD /far \"away\"\nS: 250 ok\nC: CDUP\nS: 250 ok\nC: NOOP\nS: 200 ok"}, func(t *testing.T, s *Session, _ *farm) {
		login(t, s)
		for range maxDirs + 1 {
			do(t, s, "CWD d", 250)
		}
		do(t, s, "CDUP", 250)
		<-s.conn.Done()
		do(t, s, "NOOP", 200)
	})
}

// TestLongWayNoPWD: the command that was carried out is not said to have
// failed because the question after it has.
func TestLongWayNoPWD(t *testing.T) {
	for _, pwd := range []string{"S: 502 no", "S: 257 no quotes", "close:", "silence:"} {
		first := in + strings.Repeat("C: CWD d\nS: 250 ok\n", maxDirs+1) + "C: PWD\n" + pwd + "\nclose:"
		second := in + strings.Repeat("C: CWD d\nS: 250 ok\n", maxDirs+1) + "C: CWD d\nS: 250 ok"
		withSession(t, []string{first, second}, func(t *testing.T, s *Session, _ *farm) {
			login(t, s)
			for range maxDirs + 1 {
				do(t, s, "CWD d", 250)
			}
			if conn := s.Live(); conn != nil {
				<-conn.Done()
			}
			do(t, s, "CWD d", 250)
		})
	}
}

func TestFeatures(t *testing.T) {
	withSession(t, []string{in + "C: FEAT\nS: 211-Features\nS:  PRET\nS:  MLST type*;\nS: 211 End"}, func(t *testing.T, s *Session, _ *farm) {
		login(t, s)
		if s.Features() != nil {
			t.Errorf("Features = %v before FEAT", s.Features())
		}
		do(t, s, "FEAT", 211)
		if arg, ok := s.Feature("MLST"); !ok || arg != "type*;" {
			t.Errorf("MLST: %q, %v", arg, ok)
		}
		if _, ok := s.Feature("EPSV"); ok {
			t.Error("EPSV")
		}
	})
}

// TestSendAndNext: the words for those who wait themselves.
func TestSendAndNext(t *testing.T) {
	withSession(t, []string{in + "C: RETR x\nS: 150 here\nS: 226 done\nC: STOR y\nS: 150 go\nclose:"}, func(t *testing.T, s *Session, _ *farm) {
		if _, err := s.Send(t.Context(), "NOOP"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send before Open = %v", err)
		}
		login(t, s)
		if _, err := s.Send(t.Context(), "RETR x\r\nDELE x"); !errors.Is(err, ErrArgument) || s.Live() == nil {
			t.Errorf("Send = %v", err)
		}
		call, err := s.Send(t.Context(), "RETR x")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{150, 226} {
			if r, err := s.Next(t.Context(), call, time.Second); err != nil || r.Code != want {
				t.Errorf("Next = %v, %v", r, err)
			}
		}
		if call, err = s.Send(t.Context(), "STOR y"); err != nil {
			t.Fatal(err)
		}
		<-s.conn.Done()
		s.Drop(t.Context(), nil)
		// The connection is gone, what it said is not.
		if r, err := s.Next(t.Context(), call, time.Second); err != nil || r.Code != 150 {
			t.Errorf("Next = %v, %v", r, err)
		}
		if _, err := s.Next(t.Context(), call, time.Second); !errors.Is(err, io.EOF) {
			t.Errorf("Next = %v", err)
		}
		s.Drop(t.Context(), nil) // no harm
	})
}

func TestClose(t *testing.T) {
	tests := []struct{ name, script string }{
		{"takes leave", "S: 220 ready\nC: QUIT\nS: 221 bye"},
		{"is gone already", "S: 220 ready\nclose:"},
		{"does not read", "S: 220 ready\ndeaf:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withSession(t, []string{tt.script}, func(t *testing.T, s *Session, _ *farm) {
				open(t, s)
				synctest.Wait()
				start := time.Now()
				if err := s.Close(context.Background()); err != nil || time.Since(start) > time.Second {
					t.Errorf("Close = %v after %v", err, time.Since(start))
				}
				if err := s.Close(context.Background()); err != nil || s.Live() != nil {
					t.Errorf("Close again = %v", err)
				}
			})
		})
	}
}

// TestAlsoTurnedAway has the connection end under what travels with the login: at
// the limit of its connections a server closes at once.
func TestAlsoTurnedAway(t *testing.T) {
	for _, tt := range []struct {
		script string
		last   []string
	}{
		{"S: 421 too many\nclose:", []string{"FEAT"}},
		{"close:", []string{"FEAT"}},
		{"S: 421 too many\nclose:", nil},
		{"S: 220 ready\nclose:", nil},
	} {
		t.Run(fmt.Sprint(tt.script, tt.last), func(t *testing.T) {
			change := func(c *Config) {
				c.Flight = func() (Flight, bool) {
					return Flight{Login: []string{"USER me", "PASS me"}, Also: []*Also{{Line: "EPSV"}}, Last: tt.last}, true
				}
				dial := c.Dial
				c.Dial = func(ctx context.Context) (net.Conn, error) {
					nc, err := dial(ctx)
					return &hungUp{Conn: nc, nth: 2, late: 10 * time.Millisecond}, err
				}
			}
			withSession(t, []string{tt.script}, func(t *testing.T, s *Session, _ *farm) {
				_, err := s.Open(t.Context())
				var refused *proto.Error
				away := strings.HasPrefix(tt.script, "S: 421")
				if err == nil || errors.As(err, &refused) != away || (s.Lost() == 0) != away {
					t.Errorf("Open: %v; %d flights lost", err, s.Lost())
				}
			}, change)
		})
	}
}
