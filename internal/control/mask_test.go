package control

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ftpnat/ftpnat/internal/proto"
	"github.com/ftpnat/ftpnat/internal/trace"
)

func TestRedact(t *testing.T) {
	tests := []struct {
		line, want string
		secrets    []string
	}{
		{"PASS hush", "PASS ****", []string{"hush"}},
		{"pass hush", "pass ****", []string{"hush"}},
		{"PaSs two words", "PaSs ****", []string{"two words"}},
		{"PASS  hush ", "PASS ****", []string{" hush ", "hush"}},
		{"PASS\thush", "PASS ****", []string{"hush"}},
		{" PASS hush", "PASS ****", []string{"hush"}},
		{"PASS PASS", "PASS ****", []string{"PASS"}},
		{"PASS ", "PASS ", nil},
		{"PASS", "PASS", nil},
		{"PASS   ", "PASS   ", nil},
		{"ACCT hush", "ACCT ****", []string{"hush"}},
		{"acct hush", "acct ****", []string{"hush"}},
		{"XPAS hush", "XPAS ****", []string{"hush"}},
		{"SITE PSWD old newer", "SITE PSWD **** ****", []string{"newer", "old"}},
		{"site pswd a ab", "site pswd **** ****", []string{"ab", "a"}},
		{"SITE PSWD PSWD S", "SITE PSWD **** ****", []string{"PSWD", "S"}},
		{"SITE PSWD same same", "SITE PSWD **** ****", []string{"same"}},
		{"SITE CPWD hush", "SITE CPWD ****", []string{"hush"}},
		{"SITE PASS hush", "SITE PASS ****", []string{"hush"}},
		{"SITE PSWD", "SITE PSWD", nil},
		{"SITE CHMOD 644 f", "SITE CHMOD 644 f", nil},
		{"SITE", "SITE", nil},
		{"USER me", "USER me", nil},
		{"RETR PASS hush", "RETR PASS hush", nil},
		{"", "", nil},
	}
	for _, tt := range tests {
		if got := proto.Redact(tt.line); got != tt.want {
			t.Errorf("proto.Redact(%q) = %q, want %q", tt.line, got, tt.want)
		}
		if got := proto.Secrets(tt.line); !slices.Equal(got, tt.secrets) {
			t.Errorf("proto.Secrets(%q) = %q, want %q", tt.line, got, tt.secrets)
		}
	}
}

// TestEchoes: servers echo what they did not understand, in all kinds of
// replies.
func TestEchoes(t *testing.T) {
	tests := []struct{ line, reply, want string }{
		{"PASS hush", "S: 500 'PASS hush': not understood", "500 'PASS ****': not understood"},
		{"pass hush", "S: 500 hush hush", "500 **** ****"},
		{"PASS  hush", "S: 530 hush?", "530 ****?"},
		{"ACCT hush", "S: 532-hush\nS: hush\nS: 532 hush", "532 **** / **** / ****"},
		{"SITE PSWD a ab", "S: 500 ab", "500 ****"},
		{"USER hush", "S: 331 hush, your password", "331 hush, your password"},
	}
	for _, tt := range tests {
		withConn(t, "S: 220 ready\nC: "+tt.line+"\n"+tt.reply, func(t *testing.T, c *Conn, greeting *Call) {
			final(t, c, greeting)
			if r := final(t, c, send(t, c, tt.line)); r.String() != tt.want {
				t.Errorf("%s: got %q, want %q", tt.line, r, tt.want)
			}
		})
	}
}

// TestEchoesOutOfPlace: a secret is masked too where the echo is no reply, or
// one too many.
func TestEchoesOutOfPlace(t *testing.T) {
	withConn(t, "S: 220 ready\nC: PASS hush\nS: 500 PASS hush\nS: 500 PASS hush\nwait: 1s\nS: PASS hush\nsilence:", func(t *testing.T, c *Conn, greeting *Call) {
		final(t, c, greeting)
		final(t, c, send(t, c, "PASS hush"))
		synctest.Wait()
		for _, r := range c.Stray() {
			if r.String() != "500 PASS ****" {
				t.Errorf("a stray reply shows %q", r)
			}
		}
		<-c.Done()
		if got := c.Err().Error(); got != `not an FTP reply: a line without a reply code: "PASS ****"` {
			t.Errorf("Err = %s", got)
		}
	})
}

// TestHooksSeeNoSecret runs a whole login with hooks.
func TestHooksSeeNoSecret(t *testing.T) {
	login := `
		S: 220 ready
		C: USER me
		S: 331 password
		C: PASS hush
		S: 332 account for hush
		C: ACCT hush2
		S: 230 welcome hush2
		`
	withSession(t, []string{login + "close:", login + "C: NOOP\nS: 200 ok\nclose:", "S: 220 ready\nC: USER me\nS: 331 ok\nC: PASS hush\nS: 530 not hush\nclose:"},
		func(t *testing.T, s *Session, _ *farm) {
			var seen []string
			ctx := trace.With(t.Context(), &trace.Hooks{
				Command: func(line string) { seen = append(seen, line) },
				Reply:   func(r proto.Reply) { seen = append(seen, r.String()) },
				Lost:    func(err error) { seen = append(seen, err.Error()) },
			})
			do := func(line string, code int) {
				if r, err := s.Do(ctx, line); r.Code != code || err != nil {
					t.Fatalf("%s = %v, %v", line, r, err)
				}
			}
			if _, err := s.Open(ctx); err != nil {
				t.Fatal(err)
			}
			do("USER me", 331)
			do("PASS hush", 332)
			do("ACCT hush2", 230)
			<-s.conn.Done()
			do("NOOP", 200)
			<-s.conn.Done()
			_, err := s.Do(ctx, "NOOP")
			if errText(err) != "the control connection could not be opened again: PASS ****: 530 not ****" {
				t.Errorf("Do = %v", err)
			}
			text := strings.Join(seen, "\n")
			if strings.Contains(text, "hush") {
				t.Errorf("a secret was shown:\n%s", text)
			}
			if shown := strings.Count("\n"+text+"\n", "\nPASS ****\n"); shown != 3 {
				// The loss may or may not be seen with the refusal in it.
				t.Errorf("the commands were not shown:\n%s", text)
			}
		})
}
