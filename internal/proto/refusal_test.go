package proto_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/ftpnat/ftpnat/internal/proto"
)

// TestFinal has refusals that are final by their words or their kind.
func TestFinal(t *testing.T) {
	for _, tt := range []struct {
		command string
		code    int
		text    string
		later   bool // Temporary
		full    bool
	}{
		{"STOR a", 450, "Busy.", true, false},
		{"STOR a", 451, "Requested action aborted: local error in processing", true, false},
		{"STOR a", 426, "Connection closed; transfer aborted.", true, false},
		{"STOR a", 425, "Unable to build data connection: Operation not permitted", true, false},
		{"STOR a", 452, "No.", false, true},
		{"STOR a", 451, "Failure writing to local file.", false, true},
		{"STOR a", 426, "[Errno 28] No space left on device; transfer aborted.", false, true},
		{"STOR a", 552, "Quota exceeded: [a] won't be saved", false, true},
		{"STOR no space/quota.txt", 450, "no space/quota.txt: file is in use", true, false},
		{"STOR a/denied.txt", 450, "denied.txt: file is in use", true, false},
		{"STOR a", 450, "Read-only file system", false, false},
		{"RETR a", 551, "read ECONNRESET", true, false},
		{"STOR a", 550, "write EPIPE", true, false},
		{"STOR a", 551, "error during transfer: read tcp: connection reset by peer", true, false},
		{"RETR a", 551, "Error reading file", true, false},
		{"RETR connection reset.txt", 550, "connection reset.txt: no", false, false},
		{"RETR a", 530, "connection reset by admin", false, false},
		{"STOR a/no/such", 450, "error during transfer: open /home/a/no/such: no such file or directory", false, false},
		{"STOR no such/file", 450, "no such/file: file is in use", true, false},
		{"MKD a", 451, "a: File exists", false, false},
		{"DELE a", 550, "Busy", false, false},
		{"", 421, "Too many connections (8) from this IP", true, false},
		{"", 421, "Service not available, closing control connection.", true, false},
		{"", 421, "12 users (the maximum) are already logged in, sorry", true, false},
		{"", 421, "Sorry, cleartext sessions are not accepted on this server.", false, false},
		{"", 421, "Temporarily banned for too many failed login attempts", false, false},
		{"", 421, "Connection from 192.0.2.1 is not allowed", false, false},
		{"", 430, "Invalid username or password", false, false},
		{"PASS ****", 421, "Too many users", true, false},
		{"PASS ****", 421, "Timeout.", false, false},
		{"login as me", 450, "Busy", false, false},
		{"ACCT ****", 451, "Try again", false, false},
		{"PORT 1,2,3,4,5,6", 421, "command is disabled", false, false},
	} {
		err := proto.Refusal(tt.command, proto.Reply{Code: tt.code, Lines: []string{tt.text}})
		if proto.IsTemporary(err) != tt.later || errors.Is(err, syscall.ENOSPC) != tt.full {
			t.Errorf("%v: temporary %v, full %v", err, proto.IsTemporary(err), errors.Is(err, syscall.ENOSPC))
		}
	}
}

// TestUnsupported finds the commands that a server does not have.
func TestUnsupported(t *testing.T) {
	for _, tt := range []struct {
		command string
		code    int
		text    string
		want    bool
	}{
		{"APPE a", 500, "Unknown command.", true},
		{"SITE CHMOD 644 a", 202, "SITE command not implemented", true},
		{"MFMT a", 502, "No.", true},
		{"STOR a", 550, "No.", false},
		{"login as me", 500, "Bad password.", false},
		{"", 500, "OOPS: vsftpd: cannot locate user", false},
		{"STOR a", 500, "OOPS: child died", false},
	} {
		err := proto.Refusal(tt.command, proto.Reply{Code: tt.code, Lines: []string{tt.text}})
		if errors.Is(err, errors.ErrUnsupported) != tt.want {
			t.Errorf("%v: %v", err, !tt.want)
		}
	}
}

// TestContextError keeps what a context's end would hide, and nothing that the end
// has done itself.
func TestContextError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	busy := proto.Refusal("RETR a", proto.Reply{Code: 450})
	if err := proto.ContextError(ctx, busy); err != busy {
		t.Errorf("before its end: %v", err)
	}
	cancel()
	both := proto.ContextError(ctx, busy)
	var refused *proto.Error
	if !errors.Is(both, context.Canceled) || !errors.As(both, &refused) || proto.ContextError(ctx, both) != both {
		t.Errorf("%v has not both", both)
	}
	for _, err := range []error{context.Canceled, net.ErrClosed, &proto.LostError{Err: net.ErrClosed}, &proto.LostError{Err: context.Canceled}} {
		if got := proto.ContextError(ctx, err); got != context.Canceled {
			t.Errorf("%v is kept: %v", err, got)
		}
	}
	if err := proto.ContextError(ctx, io.EOF); err != io.EOF {
		t.Errorf("the end of a file: %v", err)
	}
	if proto.ContextError(ctx, nil) != nil {
		t.Error("an error of nothing")
	}
}

// TestQuote has a server that would steer a terminal.
func TestQuote(t *testing.T) {
	r := proto.Reply{Code: 550, Lines: []string{"\x1b]0;owned\x07 größe\xff", "a\tb\u202ec\u00a0"}}
	if got, want := r.String(), `550 \x1b]0;owned\a größe\xff / a\tb\u202ec\u00a0`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := proto.Refusal("RETR \x1b[2J", r).Error(); strings.ContainsAny(got, "\x1b\x07\t") {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(r.Text(), "\x1b") {
		t.Error("the text is not what the server said")
	}
}

// TestMask takes secrets out of replies, and no letters out of words.
func TestMask(t *testing.T) {
	for _, tt := range []struct{ text, secret, want string }{
		{"331 Please specify the password.", "a", "331 Please specify the password."},
		{"bad password: a", "a", "bad password: ****"},
		{"PASS a?", "a", "PASS ****?"},
		{"aa a ab", "a", "aa **** ab"},
		{"PASSsecret", "secret", "PASS****"},
		{"ok", "", "ok"},
	} {
		if got := proto.MaskText(tt.text, []string{tt.secret}); got != tt.want {
			t.Errorf("%q without %q: %q, want %q", tt.text, tt.secret, got, tt.want)
		}
	}
}

// TestLost makes a connection that ended, and one that was silent, the same.
func TestLost(t *testing.T) {
	for err, want := range map[error]bool{
		&proto.LostError{Err: io.EOF}: true,
		proto.ErrSilent:               true,
		proto.ErrStalled:              false,
		proto.ErrClosed:               false,
	} {
		if errors.Is(err, proto.ErrLost) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
