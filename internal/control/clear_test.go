package control

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ftpnat/ftpnat/internal/proto"
)

func clearing(t *testing.T) func(*Config) {
	return func(c *Config) { explicit(t)(c); c.ClearCommands = true }
}

const (
	untilPASS = `S: 220 ready
		C: AUTH TLS
		S: 234 ok
		tls:
		C: USER me
		S: 331 ok
		C: PASS hush
		S: 230 ok
		`
	protected = `C: PBSZ 0
		S: 200 ok
		C: PROT P
		S: 200 ok
		`
)

// TestEndTLS has the server end its side before and after ours.
func TestEndTLS(t *testing.T) {
	const ccc = untilPASS + protected + "C: CCC\nS: 200 ok\n"
	for name, end := range map[string]string{
		"we first":         "clear:\nbye:\nC: NOOP\nS: 200 ok",
		"the server first": "bye:\nclear:\nC: NOOP\nS: 200 ok",
	} {
		t.Run(name, func(t *testing.T) {
			again := ccc + "clear:\nbye:\nC: NOOP\nS: 200 ok"
			withSession(t, []string{ccc + end + "\nclose:", again}, func(t *testing.T, s *Session, _ *farm) {
				open(t, s)
				do(t, s, "USER me", 331)
				do(t, s, "PASS hush", 230)
				if _, ok := s.Live().TLS(); ok {
					t.Error("the connection is still under TLS")
				}
				for _, line := range []string{"PASS hush", "SITE PSWD hush hush2"} {
					if _, err := s.Do(t.Context(), line); !errors.Is(err, ErrExposed) {
						t.Errorf("%s: %v", proto.Redact(line), err)
					}
				}
				do(t, s, "NOOP", 200)
				<-s.conn.Done()
				do(t, s, "NOOP", 200) // after AUTH TLS, the login and CCC
			}, clearing(t))
		})
	}
}

// TestEndTLSRefused: a server that does not know CCC stays under TLS.
func TestEndTLSRefused(t *testing.T) {
	script := untilPASS + protected + "C: CCC\nS: 534 no\nC: NOOP\nS: 200 ok"
	withSession(t, []string{script}, func(t *testing.T, s *Session, _ *farm) {
		open(t, s)
		do(t, s, "USER me", 331)
		do(t, s, "PASS hush", 230)
		if _, ok := s.Live().TLS(); !ok {
			t.Error("the connection is in clear text")
		}
		do(t, s, "NOOP", 200)
	}, clearing(t))
}

func TestEndTLSFails(t *testing.T) {
	for _, tt := range []struct {
		name, after, want string
		took              time.Duration
	}{
		{"text before the end", "S: 200 ok\nS: 230 more\nsilence:", "not an FTP reply: more text after the reply to CCC", 0},
		{"text in the same record", `raw: "200 ok\r\n230 more\r\n"` + "\nsilence:", "not an FTP reply: more text after the reply to CCC", 0},
		{"no end", "S: 200 ok\nwait: 1h", "the end of TLS after CCC: no reply", replyLimit},
		{"the end of the connection", "S: 200 ok\nclose:", "the control connection was ", 0}, // closed or reset, whichever is seen first,
		{"no reply", "silence:", "no reply within 20s", replyLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withSession(t, []string{untilPASS + protected + "C: CCC\n" + tt.after}, func(t *testing.T, s *Session, _ *farm) {
				open(t, s)
				do(t, s, "USER me", 331)
				start := time.Now()
				_, err := s.Do(t.Context(), "PASS hush")
				if !strings.Contains(errText(err), tt.want) || time.Since(start) != tt.took {
					t.Errorf("PASS = %v after %v, want %q after %v", err, time.Since(start), tt.want, tt.took)
				}
				if s.Live() != nil {
					t.Error("the connection is kept")
				}
			}, clearing(t))
		})
	}
}

// TestRecordConn reads two records and what follows them.
func TestRecordConn(t *testing.T) {
	stream := []byte("\x17\x03\x03\x00\x03abc" + "\x15\x03\x03\x00\x00" + "\x17\x03\x03\x00\x02de")
	for _, whole := range []bool{true, false} {
		var r io.Reader = bytes.NewReader(stream)
		if !whole {
			r = iotest.OneByteReader(r)
		}
		c := &recordConn{Conn: readerConn{r: r}}
		var got []byte
		for _, want := range []int{5, 3, 5, 5, 2} {
			for read := 0; read < want; {
				buf := make([]byte, 512)
				n, err := c.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				if read += n; read > want || whole && n != want {
					t.Errorf("read %d bytes beyond the end of a record's part of %d", n, want)
				}
				got = append(got, buf[:n]...)
			}
		}
		if !bytes.Equal(got, stream) {
			t.Errorf("read %q, want %q", got, stream)
		}
	}
}

// readerConn is a net.Conn as far as it is read.
type readerConn struct {
	net.Conn
	r io.Reader
}

func (c readerConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// TestAuthSSL is the second try, which is made where it is allowed and where
// the server knows no AUTH TLS.
func TestAuthSSL(t *testing.T) {
	allowed := func(c *Config) { explicit(t)(c); c.AuthSSL = true }
	for _, tt := range []struct {
		name, script string
		change       func(*Config)
		want         string
	}{
		{"taken", "C: AUTH TLS\nS: 504 what\nC: AUTH SSL\nS: 234 ok\ntls:", allowed, ""},
		{"not allowed", "C: AUTH TLS\nS: 504 what\nsilence:", explicit(t), "AUTH TLS: 504 what"},
		{"not now", "C: AUTH TLS\nS: 431 busy\nsilence:", allowed, "AUTH TLS: 431 busy"},
		{"refused", "C: AUTH TLS\nS: 504 what\nC: AUTH SSL\nS: 504 what\nsilence:", allowed, "AUTH SSL: 504 what"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withSession(t, []string{"S: 220 ready\n" + tt.script}, func(t *testing.T, s *Session, _ *farm) {
				if _, err := s.Open(t.Context()); errText(err) != tt.want {
					t.Errorf("Open = %v, want %q", err, tt.want)
				}
			}, tt.change)
		})
	}
}

// TestClearData asks for what it was told to.
func TestClearData(t *testing.T) {
	script := untilPASS + "C: PBSZ 0\nS: 200 ok\nC: PROT C\nS: 200 ok"
	withSession(t, []string{script}, func(t *testing.T, s *Session, _ *farm) {
		open(t, s)
		do(t, s, "USER me", 331)
		do(t, s, "PASS hush", 230)
	}, func(c *Config) { explicit(t)(c); c.ClearData = true })
}
